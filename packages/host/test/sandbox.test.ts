/** Real sandboxes: what passes into one, what does not, how it ends, and that its walls are walls. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import type { Duplex } from "node:stream";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { listenUnix, nr, syscall } from "../src/libc/index.ts";
import { endSandbox, sandboxedCommand, selfTest, spawnSandboxed } from "../src/sandbox/index.ts";
import { codeCacheFolder, fillCodeCache, programs } from "../src/sandbox/code-cache.ts";
import { kindProfiles } from "../src/sandbox/profiles.ts";
import { testedKinds } from "../src/sandbox/self-test/catalogue.ts";
import { loadOnly } from "../src/sandbox/load-only.ts";
import type { ConfinerPlan } from "../src/sandbox/plan.ts";
import type { SandboxSpec } from "../src/sandbox/spec.ts";

const entry = fileURLToPath(new URL("./sandbox-child.ts", import.meta.url));

const folder = (t: TestContext): string => {
  const path = realpathSync(mkdtempSync(`${tmpdir()}/ioi-sandbox-test-`));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
};

const spec = (change: Partial<SandboxSpec> = {}): SandboxSpec => ({
  name: "test",
  kind: "command",
  binds: [],
  masks: [],
  network: "none",
  mayCreateNamespaces: false,
  limits: {},
  ...change,
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const finish = async (child: ChildProcess): Promise<Ended> => {
  let [out, err] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (err += text));
  await once(child, "close");
  return { code: child.exitCode, out, err };
};

const stdio = ["ignore", "pipe", "pipe"] as const;
const shell = (
  change: Partial<SandboxSpec>,
  script: string,
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ended> =>
  finish(
    spawnSandboxed(spec(change), { program: "/bin/sh", args: ["-c", script], stdio, ...options })
      .child,
  );

test("descriptors, a listening socket and an IPC channel reach the program", async (t) => {
  const place = folder(t);
  const listener = listenUnix(`${place}/socket`);
  const kinds = [
    ["guardian", "none", false],
    ["orchestrator", "host", false],
    ["exec", "none", true],
  ] as const;
  for (const [kind, network, mayCreateNamespaces] of kinds) {
    const { child, started } = spawnSandboxed(spec({ kind, network, mayCreateNamespaces }), {
      entry,
      stdio: ["ignore", "inherit", "inherit", "pipe", listener, "ipc"],
    });
    child.send({ question: kind });
    assert.deepEqual(await started, { ok: true, value: undefined });
    const [answer] = (await once(child, "message")) as [unknown];
    assert.deepEqual(answer, { echo: { question: kind } });
    const line = child.stdio[3] as Duplex;
    line.write("ping");
    assert.equal(String((await once(line, "data"))[0]), "echo ping");
    const client = net.connect(`${place}/socket`);
    assert.equal(String((await once(client, "data"))[0]), "served");
    await endSandbox(child);
  }
  closeSync(listener);
});

test("the environment is what is given, and no word of how it was started", async (t) => {
  process.env["IOI_TEST_LEAK"] = "leak";
  t.after(() => delete process.env["IOI_TEST_LEAK"]);
  const { out } = await shell({}, "env", { env: { GIVEN: "a b\nc é 𝄞" } });
  assert.match(out, /^GIVEN=a b\nc é 𝄞$/m);
  const names = [...out.matchAll(/^(\w+)=/gm)].map((found) => found[1] ?? "");
  assert.deepEqual(new Set(names), new Set(["GIVEN", "HOME", "LANG", "PATH", "PWD", "TMPDIR"]));
  const control = await finish(spawn("/usr/bin/env", [], { stdio: [...stdio] }));
  assert.match(control.out, /IOI_TEST_LEAK/);
});

test("a leaked descriptor does not reach the program", async (t) => {
  const place = folder(t);
  writeFileSync(`${place}/file`, "");
  const leaked = openSync(`${place}/file`, "r");
  t.after(() => closeSync(leaked));
  syscall(nr.fcntl, leaked, 2, 0);
  const script = "ls -l /proc/self/fd";
  const control = await finish(spawn("/bin/sh", ["-c", script], { stdio: [...stdio] }));
  assert.ok(control.out.includes(place));
  assert.ok(!(await shell({}, script)).out.includes(place));
});

test("our own processes leave no core file and no memory to read", async () => {
  const libc = new URL("../src/libc/index.ts", import.meta.url).href;
  const code = `
    import { applyNotDumpable, isDumpable } from "${libc}";
    const before = isDumpable();
    applyNotDumpable();
    console.log(before, isDumpable());`;
  const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.deepEqual(await finish(child), { code: 0, out: "true false\n", err: "" });
});

test("binds grant, masks hide and links do not lead out", async (t) => {
  const place = folder(t);
  for (const name of ["ws/secret", "ro", "out"]) mkdirSync(`${place}/${name}`, { recursive: true });
  writeFileSync(`${place}/ws/secret/key`, "hidden");
  writeFileSync(`${place}/ws/plain`, "plain");
  writeFileSync(`${place}/ws/other`, "other");
  writeFileSync(`${place}/ro/file`, "read");
  writeFileSync(`${place}/out/file`, "outside");
  symlinkSync("../out/file", `${place}/ws/link`);
  symlinkSync("other", `${place}/ws/alias`);
  const script = `cat plain ../ro/file; echo new > made; cat secret/key; cat link; cat other;
    echo x > ../ro/file; cat ../out/file; ls ..`;
  const { out } = await shell(
    {
      binds: [
        { path: `${place}/ws`, access: "write" },
        { path: `${place}/ro`, access: "read" },
      ],
      // The last two name a link, whose end is hidden, and nothing.
      masks: [`${place}/ws/secret`, `${place}/ws/alias`, `${place}/ws/none`],
    },
    script,
    { cwd: `${place}/ws` },
  );
  assert.equal(out, "plainreadro\nws\n");
  assert.equal(readFileSync(`${place}/ws/made`, "utf8"), "new\n");
  assert.equal(readFileSync(`${place}/ro/file`, "utf8"), "read");
});

test("a sandbox that cannot be built says so and starts nothing", async (t) => {
  const place = folder(t);
  symlinkSync("/usr", `${place}/link`);
  for (const path of [`${place}/missing`, `${place}/link`]) {
    const { child, started } = spawnSandboxed(spec({ binds: [{ path, access: "read" }] }), {
      program: "/bin/echo",
      args: ["started"],
      stdio,
    });
    const ended = finish(child);
    const result = await started;
    assert.ok(!result.ok && result.error.code === "E_SANDBOX_SETUP");
    const { code, out, err } = await ended;
    assert.deepEqual([code, out], [125, ""]);
    assert.match(err, new RegExp(path));
  }
});

test("killing the handle ends every descendant", async () => {
  const { child } = spawnSandboxed(spec(), {
    program: "/bin/sh",
    args: ["-c", "(setsid cat <&3 >&3 &) ; echo ready; exec cat <&3"],
    stdio: ["ignore", "pipe", "ignore", "pipe"],
  });
  const line = child.stdio[3] as Duplex;
  if (child.stdout !== null) await once(child.stdout, "data");
  const ended = once(line.resume(), "end");
  await endSandbox(child);
  await ended;
});

/** Starts the same plan again, changed: the control with one wall taken away. */
const withPlan = (
  change: (plan: ConfinerPlan) => ConfinerPlan,
  description: SandboxSpec,
  script: string,
): Promise<Ended> => {
  const command = sandboxedCommand(description, "/bin/sh", ["-c", script], {});
  const pieces = Object.keys(command.env).filter((name) => name.startsWith("IOI_SANDBOX_PLAN_"));
  const text = pieces.map((_, index) => command.env[`IOI_SANDBOX_PLAN_${index}`]).join("");
  const plan = JSON.stringify(change(JSON.parse(text) as ConfinerPlan));
  assert.ok(plan.length < 120_000);
  const rest = Object.entries(command.env).filter(([name]) => !pieces.includes(name));
  const env = { ...Object.fromEntries(rest), IOI_SANDBOX_PLAN_0: plan };
  return finish(spawn(command.program, command.args, { env, stdio: [...stdio] }));
};

test("Landlock stands by itself behind the mounts", async (t) => {
  const place = folder(t);
  mkdirSync(`${place}/ws`);
  const description = spec({ binds: [{ path: `${place}/ws`, access: "write" }] });
  const script = `echo x > ${place}/ws/file && echo written`;
  const forgotten = (plan: ConfinerPlan): ConfinerPlan => ({
    ...plan,
    landlock:
      plan.landlock === null
        ? null
        : {
            ...plan.landlock,
            // The folder may stand below /tmp, whose rule would cover it.
            rules: plan.landlock.rules.filter(
              (rule) => rule.path !== `${place}/ws` && rule.path !== "/tmp",
            ),
          },
  });
  const control = await withPlan((plan) => ({ ...plan, landlock: null }), description, script);
  assert.equal(control.out, "written\n");
  assert.equal((await withPlan(forgotten, description, script)).out, "");
  assert.equal((await withPlan((plan) => plan, description, script)).out, "written\n");
});

test("the filter stands by itself behind the dropped capabilities", async () => {
  const allowAll = Buffer.from([6, 0, 0, 0, 0, 0, 0xff, 0x7f]).toString("base64");
  const script = "/usr/bin/unshare --user /bin/true && echo left";
  const control = await withPlan((plan) => ({ ...plan, filter: allowAll }), spec(), script);
  assert.equal(control.out, "left\n");
  assert.equal((await withPlan((plan) => plan, spec(), script)).out, "");
});

test("a socket is refused by the filter itself: nothing else holds it back", async () => {
  const allowAll = Buffer.from([6, 0, 0, 0, 0, 0, 0xff, 0x7f]).toString("base64");
  // Family, type and protocol: internet, Unix, netlink.
  for (const kind of ["2,1,0", "2,2,0", "1,1,0", "1,2,0", "16,3,0"]) {
    const script = `perl -e 'print socket(my $s, ${kind}) ? "made" : 0 + $!'`;
    const control = await withPlan((plan) => ({ ...plan, filter: allowAll }), spec(), script);
    assert.equal(control.out, "made", kind);
    assert.equal((await withPlan((plan) => plan, spec(), script)).out, "1", kind);
  }
});

test("a driver runs a command over an overlay whose layers stand below the folder", async (t) => {
  const place = folder(t);
  for (const name of ["ws/data/up", "ws/data/work", "ws/data/hidden", "ws/old"]) {
    mkdirSync(`${place}/${name}`, { recursive: true });
  }
  writeFileSync(`${place}/ws/data/hidden/key`, "hidden");
  writeFileSync(`${place}/ws/file`, "lower");
  const { child } = spawnSandboxed(
    spec({
      kind: "exec",
      mayCreateNamespaces: true,
      binds: [{ path: `${place}/ws`, access: "write" }],
      masks: [`${place}/ws/data/hidden`],
    }),
    { entry, args: ["nested", `${place}/ws`], stdio },
  );
  const { out, err } = await finish(child);
  // The kernel leaves its own folder there without any permission.
  chmodSync(`${place}/ws/data/work/work`, 0o700);
  assert.equal(err, "");
  assert.deepEqual(JSON.parse(out), {
    code: 0,
    out: "lower\nchanged\ndata\nfile\n",
    alias: "EACCES",
  });
  assert.equal(readFileSync(`${place}/ws/file`, "utf8"), "lower");
  assert.ok(readdirSync(`${place}/ws`).includes("old"));
  assert.equal(readFileSync(`${place}/ws/data/up/file`, "utf8"), "changed\n");
});

test("the self-test finds nothing on a command's sandbox", async () => {
  const report = await selfTest({ quick: true, kinds: ["command-in-driver"] });
  const wrong = report.cases.filter((one) => one.outcome === "escaped");
  assert.deepEqual(wrong, []);
  assert.ok(report.held >= 50 && report.tried === report.held);
  assert.ok(report.spawnP50Ms > 0 && report.spawnP95Ms >= report.spawnP50Ms);
});

test("every kind of sandbox is tried", () => {
  const kinds = Object.keys(kindProfiles);
  const tried = testedKinds.filter((kind) => kind !== "command-in-driver");
  assert.deepEqual(tried.toSorted(), kinds.toSorted());
});

test("what speaks to the world sees nothing of the person's, and an agent only its folder", async () => {
  const kinds = ["egress", "net", "model", "agent"] as const;
  const { cases, escaped, gaps } = await selfTest({ quick: true, kinds });
  const wrong = cases.filter((one) => one.outcome === "escaped");
  assert.deepEqual([escaped, wrong], [0, []]);
  assert.ok(!gaps.some(({ mechanism }) => mechanism.startsWith("sandbox of")));
  for (const kind of kinds) {
    const held = (id: string) => cases.find((one) => one.kind === kind && one.id === id);
    const ids = ["read-workspace", "write-workspace", "read-data-folder", "write-data-folder"];
    for (const id of [...ids, "unix-connect", "signal-outside"]) {
      const { outcome, control } = held(id) ?? {};
      assert.deepEqual({ outcome, control }, { outcome: "held", control: "harmed" }, id);
    }
  }
  // By design, not by accident: egress alone of them has the network.
  const reached = cases.filter((one) => one.id === "tcp-connect").map(({ kind }) => kind);
  assert.deepEqual(reached, ["net", "model", "agent"]);
});

test("compiled code is read in a sandbox and cannot be planted there, whatever it shows", async () => {
  await fillCodeCache();
  const root = fileURLToPath(new URL("../../../", import.meta.url)).replace(/\/$/, "");
  const changes: readonly Partial<SandboxSpec>[] = [
    { kind: "guardian" },
    { kind: "files", binds: [{ path: root, access: "write" }] },
    { kind: "exec", mayCreateNamespaces: true, binds: [{ path: root, access: "write" }] },
  ];
  for (const change of changes) {
    const { child } = spawnSandboxed(spec(change), { entry, args: ["cache"], stdio });
    const { out, err } = await finish(child);
    assert.deepEqual(JSON.parse(out), { found: true, plant: "EROFS", change: "EROFS" }, err);
  }
  // The control: outside, the same attempts succeed.
  const outside = spawn(process.execPath, ["--no-warnings", entry, "cache"], {
    env: { NODE_COMPILE_CACHE: codeCacheFolder },
    stdio: [...stdio],
  });
  const done = { found: true, plant: "done", change: "done" };
  assert.deepEqual(JSON.parse((await finish(outside)).out), done);
});

test("every program of ours can be loaded for the cache without running", async () => {
  const cache = mkdtempSync(`${tmpdir()}/ioi-code-`);
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  try {
    for (const program of programs()) {
      const child = spawn(process.execPath, ["--no-warnings", `${root}${program}`, loadOnly], {
        env: { NODE_COMPILE_CACHE: cache },
        stdio: [...stdio],
      });
      const { code, out, err } = await finish(child);
      assert.deepEqual({ code, out, err }, { code: 0, out: "", err: "" }, program);
    }
    assert.ok(programs().length >= 4);
    const entries = readdirSync(cache, { recursive: true }).length;
    assert.ok(entries > 100, `${entries} entries`);
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
});
