/**
 * `npm test`: the checks, every unit test, the end-to-end tests, and every suite in quick mode.
 *
 * It installs nothing on the system: what is missing is skipped with a printed reason. With CI=true
 * a skip that is not in tests/allowed-skips.json fails. The last line is
 * `N passed, N failed, N skipped`; a run in which nothing passed fails.
 *
 * Usage: npm test [-- [check] [unit] [e2e] [suites] [--match TEXT]]; without names, all of them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suiteNames } from "./suites/index.ts";
import type { SuiteReport } from "./suites/suite.ts";
import { isAllowed, parseAllowedSkips } from "../tools/lib/allowed-skips.ts";
import { staticSteps } from "../tools/lib/check-steps.ts";
import { filesOf, projectRoot, run } from "../tools/lib/project.ts";
import { formatStep, runSteps } from "../tools/lib/steps.ts";
import {
  isEndToEndTest,
  isUnitTest,
  runTestFiles,
  runUnitTests,
  slowest,
} from "../tools/lib/test-run.ts";
import type { TestRecord, TestRun } from "../tools/lib/test-run.ts";

const stages = ["check", "unit", "e2e", "suites"] as const;
type Stage = (typeof stages)[number];

const unitTimeoutMs = 420_000;
const endToEndTimeoutMs = 300_000;
const suiteTimeoutMs = 300_000;

interface Outcome {
  readonly id: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly detail: string;
}

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const parseArguments = (): { readonly wanted: readonly Stage[]; readonly match: string } => {
  const args = process.argv.slice(2);
  const at = args.indexOf("--match");
  const match = at === -1 ? "" : (args[at + 1] ?? "");
  const names = at === -1 ? args : args.toSpliced(at, 2);
  const wanted = stages.filter((stage) => names.includes(stage));
  const unknown = names.filter((name) => !stages.some((stage) => stage === name));
  if (unknown.length > 0) {
    process.stderr.write(`unknown ${unknown.join(" ")}; stages are ${stages.join(", ")}\n`);
    process.exit(2);
  }
  return { wanted: wanted.length === 0 ? stages : wanted, match };
};

const fromRecord = (record: TestRecord): Outcome => ({
  id: `${record.file}: ${record.name}`,
  outcome: record.outcome,
  detail: record.outcome === "failed" ? `line ${record.line}\n${record.error}` : record.reason,
});

/** Tells failures and skips as they come, and how many passed. */
const tell = (title: string, outcomes: readonly Outcome[], ms: number): void => {
  const of = (kind: Outcome["outcome"]): readonly Outcome[] =>
    outcomes.filter(({ outcome }) => outcome === kind);
  const [passed, failed, skipped] = [of("passed"), of("failed"), of("skipped")];
  const counts = `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`;
  say(`${title}: ${counts} (${(ms / 1000).toFixed(1)} s)`);
  for (const { id, detail } of failed)
    say(`  FAILED ${id}\n    ${detail.replaceAll("\n", "\n    ")}`);
  for (const { id, detail } of skipped) say(`  skipped ${id}: ${detail || "no reason given"}`);
};

const fromRun = (title: string, result: TestRun): readonly Outcome[] => {
  const outcomes = result.records.map(fromRecord);
  tell(title, outcomes, result.ms);
  const failed = outcomes.some(({ outcome }) => outcome === "failed");
  if (failed && result.output !== "") say(`  output:\n${result.output.slice(-8000)}`);
  return outcomes;
};

const check = async (): Promise<readonly Outcome[]> => {
  say("check:");
  const results = await runSteps(staticSteps(projectRoot), (result) => say(formatStep(result)));
  return results.map(({ name, findings }) => ({
    id: `check: ${name}`,
    outcome: findings.length === 0 ? "passed" : "failed",
    detail: `${findings.length} found`,
  }));
};

const unit = async (match: string): Promise<readonly Outcome[]> => {
  const files = filesOf(projectRoot).filter((file) => isUnitTest(file) && file.includes(match));
  if (files.length === 0) return [];
  const result = await runUnitTests(projectRoot, files, unitTimeoutMs);
  const outcomes = fromRun(`unit (${files.length} files)`, result);
  const slow = slowest(result.records, 3).map(({ file, ms }) => `${file} ${ms} ms`);
  say(`  slowest: ${slow.join(", ")}`);
  return outcomes;
};

const endToEnd = async (match: string): Promise<readonly Outcome[]> => {
  const outcomes: Outcome[] = [];
  for (const file of filesOf(projectRoot)) {
    if (!isEndToEndTest(file) || !file.includes(match)) continue;
    const options = { isolation: "process", timeoutMs: endToEndTimeoutMs } as const;
    outcomes.push(...fromRun(file, await runTestFiles([file], options)));
  }
  return outcomes;
};

/** The report's counts as outcomes: a missed goal is a failure of its own. */
const fromReport = (name: string, report: SuiteReport): readonly Outcome[] => {
  const { cases, failures, skips, goals } = report;
  const passed = Array.from({ length: cases.passed }, (_, index): Outcome => {
    return { id: `suite ${name}: passed ${index + 1}`, outcome: "passed", detail: "" };
  });
  const failed = failures.map(({ id, expected, actual, replay }): Outcome => {
    const detail = `expected ${expected}\nactual ${actual}\nreplay ${replay}`;
    return { id: `suite ${name}: ${id}`, outcome: "failed", detail };
  });
  // A case whose control did no harm shows nothing on this machine and does not count.
  const real = skips.filter(({ reason }) => !reason.startsWith("inapplicable: "));
  const skipped = real.map(({ id, reason }): Outcome => {
    return { id: `suite ${name}: ${id}`, outcome: "skipped", detail: reason };
  });
  const missed = goals.filter(({ met }) => !met);
  const missedGoals = missed.map(({ metric, op, value, actual }): Outcome => {
    const detail = `${metric} is ${actual}, the goal is ${op} ${value}`;
    return { id: `suite ${name}: goal ${metric}`, outcome: "failed", detail };
  });
  return [...passed, ...failed, ...skipped, ...missedGoals];
};

const runSuite = async (name: string): Promise<readonly Outcome[]> => {
  const ended = await run(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      join(projectRoot, "apps/cli/src/main.ts"),
      "suite",
      name,
      "--quick",
      "--json",
    ],
    { cwd: projectRoot, timeoutMs: suiteTimeoutMs },
  );
  let outcomes: readonly Outcome[];
  let inapplicable = 0;
  try {
    const report = JSON.parse(ended.stdout) as SuiteReport;
    inapplicable = report.skips.filter(({ reason }) => reason.startsWith("inapplicable: ")).length;
    outcomes = fromReport(name, report);
    if (outcomes.length === 0) {
      const why = report.unavailable.join("; ");
      const outcome = why === "" ? "failed" : "skipped";
      outcomes = [{ id: `suite ${name}`, outcome, detail: why || "no case ran" }];
    }
  } catch {
    const how = ended.timedOut ? `not finished after ${suiteTimeoutMs / 1000} s` : "no report";
    const detail = `${how}, exit ${ended.code}\n${(ended.stdout + ended.stderr).slice(-4000)}`;
    outcomes = [{ id: `suite ${name}`, outcome: "failed", detail }];
  }
  tell(`suite ${name}`, outcomes, ended.ms);
  if (inapplicable > 0) say(`  ${inapplicable} more do not apply to this machine`);
  return outcomes;
};

const suites = async (match: string): Promise<readonly Outcome[]> => {
  const outcomes: Outcome[] = [];
  for (const name of suiteNames()) {
    if (name.includes(match)) outcomes.push(...(await runSuite(name)));
  }
  return outcomes;
};

/** Skips that CI does not accept, as failures. */
const judgeSkips = (outcomes: readonly Outcome[]): readonly Outcome[] => {
  if (process.env["CI"] !== "true") return outcomes;
  const file = join(import.meta.dirname, "allowed-skips.json");
  const allowed = parseAllowedSkips(readFileSync(file, "utf8"));
  return outcomes.map((each) => {
    if (each.outcome !== "skipped" || isAllowed(allowed, each.id)) return each;
    say(`  FAILED ${each.id}: this skip is not in tests/allowed-skips.json (${each.detail})`);
    return { ...each, outcome: "failed" };
  });
};

const main = async (): Promise<void> => {
  const { wanted, match } = parseArguments();
  const outcomes: Outcome[] = [];
  if (wanted.includes("check")) outcomes.push(...(await check()));
  if (wanted.includes("unit")) outcomes.push(...(await unit(match)));
  if (wanted.includes("e2e")) outcomes.push(...(await endToEnd(match)));
  if (wanted.includes("suites")) outcomes.push(...(await suites(match)));
  const judged = judgeSkips(outcomes);
  const count = (kind: Outcome["outcome"]): number =>
    judged.filter(({ outcome }) => outcome === kind).length;
  const [passed, failed, skipped] = [count("passed"), count("failed"), count("skipped")];
  if (failed > 0) {
    say("\nfailed:");
    for (const { id, outcome } of judged) if (outcome === "failed") say(`  ${id}`);
  }
  say(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 || passed === 0 ? 6 : 0;
};

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => process.exit({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[name]));
}
await main();
