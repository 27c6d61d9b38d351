/** From a description to the order of mounts and to the rules of Landlock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileRights, landlockPlan } from "../src/sandbox/landlock.ts";
import { mountSteps, noOuterSandbox, outerSandboxFile } from "../src/sandbox/mounts.ts";
import type { MountStep } from "../src/sandbox/plan.ts";
import { checkSpec, type SandboxSpec } from "../src/sandbox/spec.ts";

const facts = {
  systemFolders: [
    { path: "/usr", link: null },
    { path: "/bin", link: "usr/bin" },
  ],
  user: 1000,
  group: 1000,
};

const plain: SandboxSpec = {
  name: "plan",
  kind: "command",
  binds: [],
  masks: [],
  network: "none",
  mayCreateNamespaces: false,
  limits: {},
};

const steps = (spec: Partial<SandboxSpec>, outer = noOuterSandbox): readonly MountStep[] =>
  mountSteps({ ...plain, ...spec }, facts, outer);

const indexOf = (list: readonly MountStep[], type: MountStep["type"], path: string): number => {
  const index = list.findIndex(
    (step) => step.type === type && "path" in step && step.path === path,
  );
  assert.notEqual(index, -1, `${type} ${path}`);
  return index;
};

test("a folder comes before what lies below it, masks after all, the seal last", () => {
  const list = steps({
    binds: [
      { path: "/w/a/b", access: "read" },
      { path: "/w", access: "write" },
    ],
    masks: ["/w/a/b/secret"],
  });
  const outer = indexOf(list, "bind", "/w");
  const inner = indexOf(list, "bind", "/w/a/b");
  const pin = indexOf(list, "pin", "/w/a");
  const mask = indexOf(list, "mask", "/w/a/b/secret");
  assert.ok(indexOf(list, "tmpfs", "/tmp") < outer);
  assert.ok(outer < inner && inner < pin && pin < mask);
  assert.deepEqual(list.at(-1), { type: "seal" });
});

test("every folder between a written root and a mask keeps its name", () => {
  const list = steps({
    binds: [{ path: "/w", access: "write" }],
    masks: ["/w/a/b/secret", "/elsewhere/x/y"],
  });
  const pins = list.flatMap((step) => (step.type === "pin" ? [step.path] : []));
  assert.deepEqual(pins, ["/w/a", "/w/a/b"]);
});

test("layers below a shown folder are masked, and below the lower folder it is seen twice", () => {
  const overlay = [{ lower: "/w", upper: "/w/d/up", work: "/w/d/work" }];
  const list = steps({ overlay });
  const step = list[indexOf(list, "overlay", "/w")];
  assert.ok(step?.type === "overlay" && step.twice);
  indexOf(list, "mask", "/w/d/up");
  indexOf(list, "mask", "/w/d/work");
  const apart = steps({ overlay: [{ lower: "/w", upper: "/v/up", work: "/v/work" }] });
  const other = apart[indexOf(apart, "overlay", "/w")];
  assert.ok(other?.type === "overlay" && !other.twice);
  assert.ok(!apart.some((one) => one.type === "mask" && one.path.startsWith("/v")));
});

test("masks and lower folders of an outer sandbox hold inside", () => {
  const outerList = steps({
    kind: "exec",
    mayCreateNamespaces: true,
    binds: [{ path: "/w", access: "write" }],
    masks: ["/w/secret"],
  });
  const told = outerList[indexOf(outerList, "text", outerSandboxFile)];
  assert.ok(told?.type === "text");
  const outer = JSON.parse(told.text) as typeof noOuterSandbox;
  const inner = steps({ overlay: [{ lower: "/w", upper: "/v/up", work: "/v/work" }] }, outer);
  indexOf(inner, "mask", "/w/secret");
  const overlay = inner[indexOf(inner, "overlay", "/w")];
  const alias = outerList.find((step) => step.type === "alias");
  assert.ok(overlay?.type === "overlay" && alias?.type === "alias");
  assert.equal(overlay.lower, alias.path);
});

test("a description that contradicts itself is refused", () => {
  const wrong: readonly Partial<SandboxSpec>[] = [
    { name: "UPPER" },
    { binds: [{ path: "relative", access: "read" }] },
    { binds: [{ path: "/a/../b", access: "read" }] },
    { binds: [{ path: "/a//b", access: "read" }] },
    { binds: [{ path: "/a/", access: "read" }] },
    { binds: [{ path: "/a\0", access: "read" }] },
    { binds: [{ path: "/", access: "read" }] },
    { binds: [{ path: "/proc/sys", access: "write" }] },
    { binds: [{ path: "/dev", access: "write" }] },
    {
      binds: [
        { path: "/a", access: "read" },
        { path: "/a", access: "write" },
      ],
    },
    { masks: ["relative"] },
    { mayCreateNamespaces: true },
    { limits: { processes: 0 } },
    { limits: { memoryBytes: 1.5 } },
  ];
  for (const change of wrong) {
    const result = checkSpec({ ...plain, ...change });
    assert.ok(!result.ok && result.error.code === "E_SANDBOX_SPEC", JSON.stringify(change));
  }
  assert.ok(checkSpec(plain).ok);
});

test("Landlock asks for what the kernel knows, and grants what the binds grant", () => {
  const spec: SandboxSpec = {
    ...plain,
    binds: [
      { path: "/r", access: "read" },
      { path: "/w", access: "write" },
    ],
  };
  assert.equal(landlockPlan(spec, 0), null);
  const bits = [
    [1, 13],
    [2, 14],
    [3, 15],
    [5, 16],
    [7, 16],
  ] as const;
  for (const [abi, count] of bits) {
    assert.equal(fileRights(abi), (1n << BigInt(count)) - 1n);
    const plan = landlockPlan(spec, abi);
    assert.ok(plan !== null);
    const rights = (path: string): bigint =>
      BigInt(plan.rules.find((rule) => rule.path === path)?.rights ?? "0");
    assert.equal(rights("/r"), 0b1101n);
    assert.equal(rights("/w") & rights("/r"), rights("/r"));
    // Neither devices nor sockets are made, and nothing is asked for that is not known.
    assert.equal(rights("/w") & ((1n << 6n) | (1n << 9n) | (1n << 11n)), 0n);
    assert.equal(rights("/w") & ~fileRights(abi), 0n);
    assert.equal(plan.network, abi >= 4 ? "3" : "0");
    assert.equal(plan.scoped, abi >= 6 ? "3" : "0");
  }
  assert.equal(landlockPlan({ ...spec, network: "host" }, 7)?.network, "0");
  const builder = landlockPlan({ ...spec, kind: "exec", mayCreateNamespaces: true }, 7);
  assert.deepEqual([builder?.files, builder?.rules], ["0", []]);
});
