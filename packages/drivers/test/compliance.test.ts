/** The drivers over folders, and deliberately broken ones, before the compliance suite. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { nodeCrypto } from "@ioi/host/crypto";
import { decodeCanonical } from "@ioi/wire";
import { complianceSuite, type CompliancePlace, type CompliantAction } from "../src/compliance.ts";
import { ExecDriver } from "../src/exec/driver.ts";
import { ShellDriver } from "../src/shell/driver.ts";
import { Broken, flaws } from "./broken.ts";
import { contentRef, Session } from "./support.ts";

const marker = "600.0073";

const running = (): boolean =>
  fs.readdirSync("/proc").some((pid) => {
    try {
      return /^\d+$/.test(pid) && fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(marker);
    } catch {
      return false;
    }
  });

const filesBelow = (folder: string, wanted: RegExp): string[] =>
  fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((each) => wanted.test(each));

const place = (
  kind: "files" | "exec" | "shell",
  actions: (
    s: Session,
  ) => Pick<CompliancePlace, "effect" | "look" | "refused" | "failing" | "endless"> &
    Partial<Pick<CompliancePlace, "handlers">>,
): CompliancePlace => {
  let offsetMs = 0;
  const s = new Session({
    kind,
    nowMs: () => performance.now() + offsetMs,
    ...(kind === "exec" ? { driver: (engine, profile) => new ExecDriver(engine, profile) } : {}),
    ...(kind === "shell"
      ? {
          driver: (engine, profile) => new ShellDriver(engine, profile, nodeCrypto.randomBytes(16)),
        }
      : {}),
  });
  return {
    handlers: s.handlers,
    bootKey: s.bootKey,
    instancePublicKey: s.instanceKey.publicKey,
    instanceId: s.instanceId,
    session: "s1",
    profileHash: s.profileHash,
    advanceMs: (ms) => {
      offsetMs += ms;
    },
    folders: [s.root, s.vaultPath],
    effects: () => filesBelow(s.root, /^effect-/).length,
    leftovers: () => [
      ...filesBelow(s.root, /\.ioi-/),
      ...filesBelow(s.vaultPath, /(\.new|stage)$/),
    ],
    [Symbol.asyncDispose]: () => s[Symbol.asyncDispose](),
    ...actions(s),
  };
};

let made = 0;
const files = (): CompliancePlace =>
  place("files", (s) => {
    const write = (name: string) => {
      const content = Buffer.from(name);
      const args = { path: s.path(name), content: contentRef(content), create: "any" };
      return { target: "fs::write", args, content };
    };
    fs.writeFileSync(s.path("victim"), "v");
    fs.writeFileSync(s.path("large"), "");
    fs.truncateSync(s.path("large"), 900 * 2 ** 20);
    return {
      effect: () => write(`effect-${++made}`),
      look: () => ({ target: "fs::list", args: { path: s.root } }),
      refused: () => ({ target: "fs::read", args: { path: path.join(s.base, "..") + "/.." } }),
      failing: () => ({
        action: write("victim"),
        meanwhile: () => {
          fs.writeFileSync(s.path("other"), "o");
          fs.renameSync(s.path("other"), s.path("victim"));
        },
      }),
      endless: () => ({
        action: { target: "fs::copy", args: { path: s.path("large"), to: s.path("copy") } },
        running: () => fs.existsSync(s.path("copy")),
        announces: false,
      }),
    };
  });

const exec = (): CompliancePlace =>
  place("exec", (s) => {
    const sh = (script: string, cwd = s.root) => ({
      target: "sys::exec",
      args: { argv: ["sh", "-c", script], cwd },
    });
    fs.mkdirSync(s.path("folder"));
    return {
      effect: () => sh(`echo x > effect-${++made}`),
      refused: () => sh("true", "/etc"),
      failing: () => ({
        action: sh("true", s.path("folder")),
        meanwhile: () => {
          fs.renameSync(s.path("folder"), s.path("elsewhere"));
          fs.mkdirSync(s.path("folder"));
        },
      }),
      endless: () => ({
        action: sh(`(setsid sleep ${marker} &) ; trap "" TERM; echo begun; sleep ${marker}`),
        running,
        announces: true,
      }),
    };
  });

/**
 * What is prepared on a terminal needs one: it is opened, and something is typed that its closing
 * makes real, before the suite's own preparation.
 */
const shell = (): CompliancePlace =>
  place("shell", (s) => {
    const on = (what: string, more: Readonly<Record<string, number>> = {}, cwd = s.root) => ({
      target: "sys::shell",
      args: { do: what, cwd, ...more },
    });
    const type = (text: string, more: Readonly<Record<string, number>> = {}) => {
      const content = Buffer.from(text);
      const { target, args } = on("type", more);
      return { target, args: { ...args, input: contentRef(content) }, content };
    };
    const run = async ({ target, args }: CompliantAction, content?: Uint8Array): Promise<void> => {
      const obligations = [{ type: "stage" }] as const;
      await s.run(target, args, content === undefined ? { obligations } : { content, obligations });
    };
    const ready = async (name: number): Promise<void> => {
      await run(on("open"));
      const typed = type(`rm -f effect-*; echo x > effect-${name}\n`);
      await run(typed, typed.content);
    };
    return {
      effect: () => on("close", { wait: ++made }),
      look: () => on("read", { wait: 1 }),
      refused: () => on("open", { shell: 2 }, "/etc"),
      endless: () => ({
        action: type(`(setsid sleep ${marker} &) ; trap "" TERM; sleep ${marker}\n`, {
          wait: 60_000,
        }),
        running,
        announces: true,
      }),
      handlers: {
        ...s.handlers,
        prepare: async (request, context) => {
          const found = decodeCanonical(request.args);
          const args = found.ok ? (found.value as CompliantAction["args"]) : {};
          if (args["do"] !== "open") await ready(made);
          return await s.handlers.prepare(request, context);
        },
      },
    };
  });

const failures = async (open: () => CompliancePlace): Promise<readonly string[]> => {
  const cases = await complianceSuite(open, nodeCrypto);
  assert.ok(cases.length > 20);
  return cases
    .filter((each) => !each.passed)
    .map((each) => `${each.id}: expected ${each.expected}, got ${each.actual}`);
};

test("the files driver complies", async () => {
  assert.deepEqual(await failures(files), []);
});

test("the exec driver complies", async () => {
  assert.deepEqual(await failures(exec), []);
});

test("the shell driver complies", async () => {
  assert.deepEqual(await failures(shell), []);
});

test("a whole fake complies", async () => {
  assert.deepEqual(await failures(() => new Broken(undefined)), []);
});

for (const [flaw, caught] of Object.entries(flaws)) {
  test(`the suite catches a driver that ${flaw}`, async () => {
    const failed = await failures(() => new Broken(flaw));
    assert.ok(
      failed.some((each) => each.startsWith(caught)),
      failed.join("\n"),
    );
  });
}
