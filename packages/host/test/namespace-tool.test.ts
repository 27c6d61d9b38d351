// Left to npm test: it takes seconds.
/** Which tool makes the namespaces, why, and that either makes the same sandboxes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { chooseTool, findProgram, type NamespaceTool } from "../src/sandbox/namespace-tool.ts";
import type { SandboxReport } from "../src/sandbox/index.ts";

const selfTestRun = fileURLToPath(new URL("./namespace-tool-run.ts", import.meta.url));

const nested = fileURLToPath(new URL("./sandbox.test.ts", import.meta.url));

/** Below a runner a test run would report to it. */
const withoutRunner = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== "NODE_TEST_CONTEXT"));

const tool = (name: string): NamespaceTool => ({
  name,
  path: `/usr/bin/${name}`,
  raisesLoopback: false,
  version: () => "1",
  wrap: (_, inner) => inner,
});

test("the first tool that works is chosen, and it is said why", () => {
  const both = [tool("unshare"), tool("bwrap")];
  const first = chooseTool(both, () => "");
  assert(first.ok);
  assert.equal(first.value.tool.name, "unshare");
  const second = chooseTool(both, ({ name }) => (name === "unshare" ? "unshare fails: EPERM" : ""));
  assert(second.ok);
  assert.equal(second.value.tool.name, "bwrap");
  assert.equal(second.value.reason, "unshare fails: EPERM");
});

test("where none works the first stays, for its failure is the one that is told", () => {
  const none = chooseTool([tool("unshare"), tool("bwrap")], ({ name }) => `${name} fails`);
  assert(none.ok);
  assert.equal(none.value.tool.name, "unshare");
  assert.equal(none.value.reason, "unshare fails; bwrap fails");
});

test("a tool alone is not tried; without any there is no sandbox", () => {
  const tried: string[] = [];
  const only = chooseTool(["unshare is missing", tool("bwrap")], ({ name }) => {
    tried.push(name);
    return "";
  });
  assert(only.ok);
  assert.deepEqual([only.value.tool.name, only.value.reason], ["bwrap", "unshare is missing"]);
  assert.deepEqual(tried, []);
  const none = chooseTool(["unshare is missing", "bwrap is missing"], () => "");
  assert(!none.ok);
  assert.equal(none.error.message, "unshare is missing; bwrap is missing");
});

test(
  "bwrap's sandboxes hold what unshare's hold",
  { skip: findProgram("bwrap") === null && "bubblewrap is not installed", timeout: 120_000 },
  () => {
    const run = spawnSync(process.execPath, ["--no-warnings", selfTestRun], {
      env: { ...process.env, IOI_NAMESPACE_TOOL: "bwrap" },
      encoding: "utf8",
    });
    assert.equal(run.status, 0, run.stderr);
    const { cases, tried, mechanisms, gaps } = JSON.parse(run.stdout) as SandboxReport;
    assert.deepEqual(
      cases.filter(({ outcome }) => outcome === "escaped"),
      [],
    );
    assert(tried >= 200, `${tried} tried`);
    assert.deepEqual(gaps, []);
    assert.equal(mechanisms.find(({ name }) => name === "bwrap")?.used, true);
  },
);

test(
  "bwrap makes a sandbox inside one that has no sockets",
  { skip: findProgram("bwrap") === null && "bubblewrap is not installed", timeout: 60_000 },
  () => {
    const pattern = "--test-name-pattern=a driver runs a command over an overlay";
    const run = spawnSync(process.execPath, ["--test", "--test-isolation=none", pattern, nested], {
      env: { ...withoutRunner(), IOI_NAMESPACE_TOOL: "bwrap" },
      encoding: "utf8",
    });
    assert.equal(run.status, 0, run.stdout);
    assert.match(run.stdout, /pass 1\n/);
  },
);
