/** A kernel that did not start: `status` and `doctor` say why, and what to do. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { folderGaps, kernelGaps } from "../src/commands/doctor.ts";
import { forgetFailure } from "../src/kernel/last-failure.ts";
import { folderPaths } from "../src/kernel/folder.ts";
import { runWith, temporaryFolder } from "./support.ts";

const failed = (t: TestContext, content: string): string => {
  const folder = temporaryFolder();
  t.after(() => folder[Symbol.dispose]());
  const data = folder.path;
  writeFileSync(join(data, "FORMAT"), "2\n");
  mkdirSync(join(data, "run"));
  writeFileSync(folderPaths(data).failureFile, content);
  return data;
};

const ahead = {
  at: "2026-01-02T03:04:05.006Z",
  code: "E_CHAIN_AHEAD",
  message: "slot 2 was signed last, the chain has 3",
};

const statusOf = async (data: string) => {
  const { exit, out } = await runWith(["status", "--data", data, "--json"]);
  const said = JSON.parse(out) as Record<"code" | "message" | "next", string>;
  return { exit, ...said };
};

test("status says why the kernel did not start, with the exit code and next step of that", async (t) => {
  const data = failed(t, JSON.stringify(ahead));
  const { exit, code, message, next } = await statusOf(data);
  assert.deepEqual(
    { exit, code, message },
    {
      exit: 5,
      code: ahead.code,
      message: `the kernel did not start at ${ahead.at}: ${ahead.message}`,
    },
  );
  assert.ok(next.endsWith(`./ioi chain reset --data ${data}`), next);
  // What the start itself said comes first.
  const own = failed(
    t,
    JSON.stringify({ ...ahead, code: "E_CLI_KERNEL_START", next: "x", exit: 7 }),
  );
  const other = await statusOf(own);
  assert.deepEqual([other.exit, other.next], [7, "x"]);
});

test("doctor counts it as a gap that must be mended; mended, nothing is left of it", async (t) => {
  const data = failed(t, JSON.stringify(ahead));
  const [gap, ...more] = await kernelGaps(data, data);
  assert.deepEqual(more, []);
  assert.deepEqual([gap?.id, gap?.severity], ["kernel-start", "high"]);
  assert.match(gap?.what ?? "", /\[E_CHAIN_AHEAD\].*chain reset --data/);
  forgetFailure(folderPaths(data));
  assert.ok(!existsSync(folderPaths(data).failureFile));
  assert.deepEqual(await kernelGaps(data, data), []);
  assert.equal((await statusOf(data)).code, "E_CLI_NO_KERNEL");
});

test("a data folder that others can enter is closed by the command that doctor names", (t) => {
  const folder = temporaryFolder();
  t.after(() => folder[Symbol.dispose]());
  const data = join(folder.path, "it's $(here)");
  mkdirSync(data);
  chmodSync(data, 0o755);
  const of = () => folderGaps(data).filter(({ id }) => id === "data-folder-mode");
  const [gap, ...more] = of();
  assert.deepEqual([gap?.severity, more], ["high", []]);
  execFileSync("/bin/sh", ["-c", gap?.install ?? "false"]);
  assert.deepEqual(of(), []);
});

test("what is no such file says nothing: the plain answer stays", async (t) => {
  const bad = ["", "{", "null", "[]", "7", '{"code":7}', '{"code":"x"}', '{"code":"E_\\u001b"}'];
  for (const content of [...bad, JSON.stringify({ ...ahead, message: "x".repeat(70_000) })]) {
    assert.equal(
      (await statusOf(failed(t, content))).code,
      "E_CLI_NO_KERNEL",
      content.slice(0, 40),
    );
  }
});
