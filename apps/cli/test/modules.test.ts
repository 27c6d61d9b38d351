// Left to npm test: it takes seconds.
/**
 * How many files a command is made of: every one of them costs each start of it, and a package that
 * is imported whole for one name brings hundreds. No time is measured.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { runWith, temporaryFolder } from "./support.ts";

const main = resolve(import.meta.dirname, "../src/main.ts");
const counter = resolve(import.meta.dirname, "module-count.ts");

const run = (
  ...args: readonly string[]
): { readonly code: number | null; readonly files: number } => {
  const quiet = "--disable-warning=ExperimentalWarning";
  const { status, output } = spawnSync(
    process.execPath,
    [quiet, "--import", counter, main, ...args],
    {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      timeout: 60_000,
    },
  );
  return { code: status, files: Number(output[3]) };
};

const few = (
  { code, files }: ReturnType<typeof run>,
  exit: number,
  atLeast: number,
  atMost: number,
): void => {
  assert.equal(code, exit);
  assert.ok(
    files >= atLeast && files <= atMost,
    `${files} files, ${atLeast} to ${atMost} are good`,
  );
};

test("help is made of the commands' own table", () => {
  few(run("help"), 0, 20, 48);
});

test("status is made of what speaks to the kernel", (t) => {
  const folder = temporaryFolder();
  t.after(() => folder[Symbol.dispose]());
  few(run("status", "--json", "--data", join(folder.path, "none")), 5, 100, 210);
});

test("a look at a memory file is made of memories, also where there is none", async (t) => {
  const folder = temporaryFolder();
  t.after(() => folder[Symbol.dispose]());
  const file = join(folder.path, "m.scs");
  assert.equal((await runWith(["scs", "create", file, "--plain"])).exit, 0);
  few(run("scs", "info", file, "--json"), 0, 150, 290);
  few(run("scs", "info", `${file}.none`), 5, 150, 310);
});

test("a policy is checked by the firewall alone", (t) => {
  const folder = temporaryFolder();
  t.after(() => folder[Symbol.dispose]());
  few(run("policy", "lint", "--data", folder.path), 0, 150, 310);
});
