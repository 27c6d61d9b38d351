/**
 * Runs benches and makes their report, `ioi.bench/1`: what was measured, under which conditions,
 * against which goals. A bench that measured nothing has met nothing.
 */
import { tmpdir } from "node:os";
import { type ExitCode, exitCodes } from "@ioi/base";
import {
  commitState,
  loadNow,
  machineInfo,
  projectRoot,
  projectVersion,
} from "../report/conditions.ts";
import { judgeGoals } from "../report/goals.ts";
import {
  type Ran,
  type RunOptions,
  seededRandom,
  sharedContext,
  writeReport,
} from "../report/options.ts";
import { loadNamed, namesIn, unknownName } from "../report/registry.ts";
import type { Bench, BenchReport, BenchResult } from "./bench.ts";

const folder = import.meta.dirname;

/** Published names whose bench this version does not have. */
const planned: readonly string[] = ["state", "consensus"];

export const benchNames = (): readonly string[] => namesIn(folder, ["bench", "index"]);

export interface BenchListing {
  readonly name: string;
  readonly summary: string;
}

/** `./ioi bench --list`. */
export const listBenches = async (): Promise<readonly BenchListing[]> => {
  const listings: BenchListing[] = [];
  for (const name of benchNames()) {
    const { summary } = await loadNamed<Bench>(folder, "bench", name);
    listings.push({ name, summary });
  }
  return listings;
};

export type BenchConditions = Pick<
  BenchReport,
  "version" | "commit" | "dirty" | "machine" | "load" | "durationMs"
>;

/** The report of a finished bench; pure but for what is passed in. */
export const reportOf = (
  name: string,
  result: BenchResult,
  options: RunOptions,
  conditions: BenchConditions,
): BenchReport => {
  const goals = judgeGoals(result.goals, result.metrics);
  const measured = Object.keys(result.metrics).length > 0;
  return {
    schema: "ioi.bench/1",
    name,
    version: conditions.version,
    commit: conditions.commit,
    dirty: conditions.dirty,
    mode: options.quick ? "quick" : "full",
    seed: options.seed,
    machine: conditions.machine,
    load: conditions.load,
    params: result.params,
    runs: result.runs,
    durationMs: conditions.durationMs,
    metrics: result.metrics,
    spread: result.spread,
    peers: result.peers ?? [],
    goals,
    met: measured && goals.every(({ met }) => met),
    unavailable: result.unavailable ?? [],
  };
};

/** 0 met; 7 where nothing could be measured for want of something named; else 6. */
export const exitOf = (report: BenchReport): ExitCode => {
  if (report.met) return exitCodes.done;
  const measured = Object.keys(report.metrics).length > 0;
  return !measured && report.unavailable.length > 0 ? exitCodes.unavailable : exitCodes.wrong;
};

const nothing = (name: string): BenchResult => ({
  metrics: {},
  spread: {},
  goals: [],
  runs: 0,
  params: {},
  unavailable: [`bench ${name} is not part of this version`],
});

export const runBench = async (name: string, options: RunOptions): Promise<Ran<BenchReport>> => {
  const names = benchNames();
  const there = names.includes(name);
  if (!there && !planned.includes(name)) throw unknownName("bench", name, [...names, ...planned]);
  const started = performance.now();
  const load1Start = loadNow();
  const result = there
    ? await (
        await loadNamed<Bench>(folder, "bench", name)
      ).run({ ...sharedContext(options, projectRoot), random: seededRandom(options.seed) })
    : nothing(name);
  options.signal.throwIfAborted();
  const report = reportOf(name, result, options, {
    version: projectVersion(),
    ...commitState(),
    machine: machineInfo(options.dataPath ?? tmpdir()),
    load: { load1Start, load1End: loadNow() },
    durationMs: Math.round(performance.now() - started),
  });
  if (options.outFile !== undefined) writeReport(options.outFile, report);
  return { report, exit: exitOf(report) };
};
