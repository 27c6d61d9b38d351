import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { exitOf as benchExit, reportOf as benchReportOf, runBench } from "../benches/index.ts";
import type { BenchResult } from "../benches/bench.ts";
import { exitOf, reportOf, runSuite } from "../suites/index.ts";
import type { SuiteResult } from "../suites/suite.ts";
import { judgeGoals } from "./goals.ts";
import { type RunOptions, seededRandom } from "./options.ts";
import { nearest } from "./registry.ts";
import { benchReport, suiteReport } from "./shapes.ts";

const options = (more: Partial<RunOptions> = {}): RunOptions => ({
  quick: true,
  seed: "s1",
  params: {},
  progress: () => undefined,
  signal: new AbortController().signal,
  ...more,
});

const suite = { name: "demo", covers: ["contract"] };
const conditions = { version: "0.1.0", commit: "ab".repeat(20), dirty: false, durationMs: 3 };
const report = (result: SuiteResult, more: Partial<RunOptions> = {}) =>
  reportOf(suite, result, options(more), conditions);

test("a suite's report has exactly the published fields and counts", () => {
  const made = report({
    cases: [
      { id: "a", outcome: "passed", control: "harmed" },
      { id: "b", outcome: "failed", expected: "1", actual: "2", control: "harmed" },
      { id: "c", outcome: "skipped", reason: "no vectors" },
      { id: "d", outcome: "passed", control: "harmless" },
    ],
    metrics: { escaped: 0, tried: 3 },
    goals: [{ metric: "escaped", op: "=", value: 0 }],
    data: [{ path: "x", sha256: "00" }],
  });
  assert.deepEqual(suiteReport(made, "$"), []);
  assert.deepEqual(made, {
    schema: "ioi.suite/1",
    name: "demo",
    version: "0.1.0",
    commit: "ab".repeat(20),
    dirty: false,
    mode: "quick",
    seed: "s1",
    covers: ["contract"],
    data: [{ path: "x", sha256: "00" }],
    cases: { total: 3, passed: 1, failed: 1, skipped: 1 },
    controls: { total: 3, failed: 1 },
    skips: [
      { id: "c", reason: "no vectors" },
      { id: "d", reason: "inapplicable: the control did no harm" },
    ],
    failures: [
      {
        id: "b",
        expected: "1",
        actual: "2",
        replay: "./ioi suite demo --case b --seed s1 --quick",
      },
    ],
    metrics: { escaped: 0, tried: 3 },
    goals: [{ metric: "escaped", op: "=", value: 0, actual: 0, met: true }],
    durationMs: 3,
    met: false,
    unavailable: [],
  });
});

test("exit codes: met 0; failed case, missed goal, no case 6; nothing could run 7", () => {
  const passed = { id: "a", outcome: "passed" } as const;
  const skipped = { id: "a", outcome: "skipped", reason: "no vectors" } as const;
  assert.equal(exitOf(report({ cases: [passed] })), 0);
  assert.equal(exitOf(report({ cases: [passed, { id: "b", outcome: "failed" }] })), 6);
  const goals = [{ metric: "n", op: ">=", value: 60 }] as const;
  assert.equal(exitOf(report({ cases: [passed], goals, metrics: { n: 59 } })), 6);
  assert.equal(exitOf(report({ cases: [passed], goals, metrics: {} })), 6);
  assert.equal(exitOf(report({ cases: [passed], goals, metrics: { n: 60 } })), 0);
  assert.equal(exitOf(report({ cases: [] })), 6);
  assert.equal(exitOf(report({ cases: [skipped] })), 6);
  assert.equal(exitOf(report({ cases: [skipped], unavailable: ["vectors"] })), 7);
  assert.equal(exitOf(report({ cases: [{ ...passed, control: "harmless" }] })), 6);
});

test("--case judges that case alone and a case nobody knows is wrong", () => {
  const result: SuiteResult = {
    cases: [
      { id: "a", outcome: "passed" },
      { id: "b", outcome: "failed" },
    ],
    goals: [{ metric: "tried", op: ">=", value: 2 }],
  };
  assert.equal(exitOf(report(result, { caseId: "a" })), 0);
  assert.equal(exitOf(report(result, { caseId: "b" })), 6);
  assert.equal(exitOf(report(result, { caseId: "zz" })), 6);
});

test("replay commands quote what a shell would split", () => {
  const made = report(
    { cases: [{ id: "it's one", outcome: "failed" }] },
    { seed: "a b", params: { n: "2", x: "$y" } },
  );
  assert.equal(
    made.failures[0]?.replay,
    String.raw`./ioi suite demo --case 'it'\''s one' --seed 'a b' --quick --param n=2 --param 'x=$y'`,
  );
});

test("two cases of one name are a bug of the suite", () => {
  const twice = { id: "a", outcome: "passed" } as const;
  assert.throws(() => report({ cases: [twice, twice] }), /two cases named a/);
});

test("published but absent is 7, unknown is a usage error with the nearest name", async () => {
  const suiteRun = await runSuite("protocol_apex_e2e", options());
  assert.equal(suiteRun.exit, 7);
  assert.deepEqual(suiteReport(suiteRun.report, "$"), []);
  const benchRun = await runBench("consensus", options());
  assert.equal(benchRun.exit, 7);
  assert.deepEqual(benchReport(benchRun.report, "$"), []);
  await assert.rejects(runSuite("bypas", options()), /did you mean "bypass"/);
  await assert.rejects(runBench("nothing-like-it", options()), /^OperationError: unknown bench/);
});

test("--out writes the report", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ioi-report-"));
  try {
    const outFile = join(folder, "deep/report.json");
    const { report: made } = await runSuite("protocol_apex_e2e", options({ outFile }));
    assert.deepEqual(JSON.parse(readFileSync(outFile, "utf8")), made);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a bench meets its goals or not; one that measured nothing has not", () => {
  const machine = { cpu: "c", cores: 1, memoryMiB: 1, kernel: "k", node: "n", filesystem: "f" };
  const load = { load1Start: 0, load1End: 0 };
  const result: BenchResult = {
    metrics: { durableP99Ms: 4.1 },
    spread: { durableP99Ms: { min: 3.9, max: 4.6 } },
    peers: [{ name: "raw", version: "1", available: true, metrics: {}, ratio: 2 }],
    goals: [{ metric: "durableP99Ms", op: "<=", value: 8 }],
    runs: 5,
    params: { actions: 2000 },
  };
  const made = benchReportOf("gate", result, options(), { ...conditions, machine, load });
  assert.deepEqual(benchReport(made, "$"), []);
  assert.equal(benchExit(made), 0);
  const missed = benchReportOf("gate", { ...result, metrics: { durableP99Ms: 9 } }, options(), {
    ...conditions,
    machine,
    load,
  });
  assert.equal(benchExit(missed), 6);
  const empty = benchReportOf("gate", { ...result, metrics: {}, goals: [] }, options(), {
    ...conditions,
    machine,
    load,
  });
  assert.equal(benchExit(empty), 6);
});

test("goals compare, and a metric that is no number is not met", () => {
  const metrics = { a: 1, b: "x" };
  const met = (metric: string, op: "<=" | ">=" | "=", value: number) =>
    judgeGoals([{ metric, op, value }], metrics)[0];
  assert.deepEqual(met("a", "<=", 1), { metric: "a", op: "<=", value: 1, actual: 1, met: true });
  assert.equal(met("a", ">=", 2)?.met, false);
  assert.equal(met("a", "=", 1)?.met, true);
  assert.deepEqual(met("b", "=", 1), { metric: "b", op: "=", value: 1, actual: null, met: false });
});

test("the generator repeats itself by seed and stays in [0, 1)", () => {
  const draw = (seed: string) => {
    const random = seededRandom(seed);
    return Array.from({ length: 50 }, () => random());
  };
  assert.deepEqual(draw("a"), draw("a"));
  assert.notDeepEqual(draw("a"), draw("b"));
  assert.ok(draw("c").every((value) => value >= 0 && value < 1));
});

test("the nearest name, or none that is near", () => {
  assert.equal(nearest("kil", ["kill", "canary"]), "kill");
  assert.equal(nearest("zzzzzz", ["kill", "canary"]), undefined);
});
