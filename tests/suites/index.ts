/**
 * Runs suites and makes their report, `ioi.suite/1`.
 *
 * Invariants: a case whose control did no harm does not count; a run in which no case counted is
 * not met, whatever else it says; `--case` runs are judged by that case alone, not by goals on the
 * whole suite.
 */
import { type ExitCode, exitCodes, InvariantError } from "@ioi/base";
import { commitState, projectRoot, projectVersion, vectorsPath } from "../report/conditions.ts";
import { type JudgedGoal, judgeGoals } from "../report/goals.ts";
import {
  type Ran,
  type RunOptions,
  seededRandom,
  sharedContext,
  writeReport,
} from "../report/options.ts";
import { loadNamed, namesIn, unknownName } from "../report/registry.ts";
import type { Suite, SuiteCase, SuiteContext, SuiteReport, SuiteResult } from "./suite.ts";

const folder = import.meta.dirname;

/** Published names whose suite this version does not have. */
const planned: readonly string[] = [
  "pii",
  "state",
  "infra_e2e",
  "admft_e2e",
  "protocol_apex_e2e",
  "agent_scrub_e2e",
];

export const suiteNames = (): readonly string[] => namesIn(folder, ["suite", "index"]);

export interface SuiteListing {
  readonly name: string;
  readonly covers: readonly string[];
  readonly summary: string;
}

/** `./ioi suite --list`. */
export const listSuites = async (): Promise<readonly SuiteListing[]> => {
  const listings: SuiteListing[] = [];
  for (const name of suiteNames()) {
    const { covers, summary } = await loadNamed<Suite>(folder, "suite", name);
    listings.push({ name, covers, summary });
  }
  return listings;
};

const contextOf = (options: RunOptions): SuiteContext => ({
  ...sharedContext(options, projectRoot),
  random: seededRandom(options.seed),
  vectors: vectorsPath(),
  ...(options.caseId === undefined ? {} : { caseId: options.caseId }),
});

/** A case that passed although its control did no harm has shown nothing. */
const counted = (each: SuiteCase): SuiteCase =>
  each.outcome === "passed" && each.control === "harmless"
    ? { ...each, outcome: "inapplicable", reason: each.reason ?? "the control did no harm" }
    : each;

const replayOf = (name: string, id: string, options: RunOptions): string => {
  const quote = (text: string): string =>
    /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const params = Object.entries(options.params)
    .map(([key, value]) => ` --param ${quote(`${key}=${value}`)}`)
    .join("");
  const quick = options.quick ? " --quick" : "";
  return `./ioi suite ${name} --case ${quote(id)} --seed ${quote(options.seed)}${quick}${params}`;
};

const assertUnique = (cases: readonly SuiteCase[], name: string): void => {
  const seen = new Set<string>();
  for (const { id } of cases) {
    if (seen.has(id)) throw new InvariantError(`suite ${name} has two cases named ${id}`);
    seen.add(id);
  }
};

/** The report of a finished suite; pure but for what is passed in. */
export const reportOf = (
  suite: Pick<Suite, "name" | "covers">,
  result: SuiteResult,
  options: RunOptions,
  conditions: {
    readonly version: string;
    readonly commit: string | null;
    readonly dirty: boolean;
    readonly durationMs: number;
  },
): SuiteReport => {
  assertUnique(result.cases, suite.name);
  const cases = result.cases
    .filter(({ id }) => options.caseId === undefined || id === options.caseId)
    .map(counted);
  const of = (outcome: SuiteCase["outcome"]): readonly SuiteCase[] =>
    cases.filter((each) => each.outcome === outcome);
  const [passed, failed, skipped] = [of("passed"), of("failed"), of("skipped")];
  const controls = cases.filter(({ control }) => control === "harmed" || control === "harmless");
  const metrics = result.metrics ?? {};
  const goals: readonly JudgedGoal[] =
    options.caseId === undefined ? judgeGoals(result.goals ?? [], metrics) : [];
  const { durationMs, ...made } = conditions;
  return {
    schema: "ioi.suite/1",
    name: suite.name,
    ...made,
    mode: options.quick ? "quick" : "full",
    seed: options.seed,
    covers: suite.covers,
    data: result.data ?? [],
    cases: {
      total: passed.length + failed.length + skipped.length,
      passed: passed.length,
      failed: failed.length,
      skipped: skipped.length,
    },
    controls: {
      total: controls.length,
      failed: controls.filter(({ control }) => control === "harmless").length,
    },
    skips: [...skipped, ...of("inapplicable")].map(({ id, outcome, reason }) => ({
      id,
      reason: `${outcome === "inapplicable" ? "inapplicable: " : ""}${reason ?? "no reason given"}`,
    })),
    failures: failed.map(({ id, expected, actual, reason }) => ({
      id,
      expected: expected ?? "",
      actual: actual ?? reason ?? "",
      replay: replayOf(suite.name, id, options),
    })),
    metrics,
    goals,
    durationMs,
    met: failed.length === 0 && passed.length > 0 && goals.every(({ met }) => met),
    unavailable: result.unavailable ?? [],
  };
};

/** 0 met; 7 where nothing could run for want of something named; else 6. */
export const exitOf = (report: SuiteReport): ExitCode => {
  if (report.met) return exitCodes.done;
  const ran = report.cases.passed + report.cases.failed;
  return ran === 0 && report.unavailable.length > 0 ? exitCodes.unavailable : exitCodes.wrong;
};

export const runSuite = async (name: string, options: RunOptions): Promise<Ran<SuiteReport>> => {
  const names = suiteNames();
  const there = names.includes(name);
  if (!there && !planned.includes(name)) {
    throw unknownName("suite", name, [...names, ...planned]);
  }
  const started = performance.now();
  const suite = there ? await loadNamed<Suite>(folder, "suite", name) : { name, covers: [] };
  const result: SuiteResult =
    "run" in suite
      ? await suite.run(contextOf(options))
      : { cases: [], unavailable: [`suite ${name} is not part of this version`] };
  options.signal.throwIfAborted();
  const report = reportOf(suite, result, options, {
    version: projectVersion(),
    ...commitState(),
    durationMs: Math.round(performance.now() - started),
  });
  if (options.outFile !== undefined) writeReport(options.outFile, report);
  return { report, exit: exitOf(report) };
};
