/**
 * `ioi suite` and `ioi bench`. Both live in the project's `tests/` folder, which is not a package
 * that an app may depend on: it is loaded by its place, and absent from an installation without it.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ExitCode, exitCodes } from "@ioi/base";
import type { CommandContext, Handler } from "../context.ts";
import { type Output, toJson } from "../io.ts";
import { projectRoot } from "../program.ts";
import { failWith, usage } from "../report.ts";

interface JudgeOptions {
  readonly list?: boolean;
  readonly quick?: boolean;
  readonly seed: string;
  readonly case?: string;
  readonly param?: Readonly<Record<string, string>>;
  readonly data?: string;
  readonly out?: string;
}

interface RunRequest {
  readonly quick: boolean;
  readonly seed: string;
  readonly caseId?: string;
  readonly params: Readonly<Record<string, string>>;
  readonly dataPath?: string;
  readonly outFile?: string;
  readonly signal: AbortSignal;
  progress(text: string): void;
}

interface Goal {
  readonly metric: string;
  readonly op: string;
  readonly value: number;
  readonly actual: number | null;
  readonly met: boolean;
}

/** What both reports have in common; the rest is `ioi.suite/1` or `ioi.bench/1`. */
interface Report {
  readonly name: string;
  readonly mode: string;
  readonly seed: string;
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly goals: readonly Goal[];
  readonly durationMs: number;
  readonly met: boolean;
  readonly unavailable: readonly string[];
  readonly cases?: { readonly passed: number; readonly failed: number; readonly skipped: number };
  readonly skips?: readonly { readonly id: string; readonly reason: string }[];
  readonly failures?: readonly {
    readonly id: string;
    readonly expected: string;
    readonly actual: string;
    readonly replay: string;
  }[];
  readonly spread?: Readonly<Record<string, { readonly min: number; readonly max: number }>>;
  readonly peers?: readonly {
    readonly name: string;
    readonly version: string;
    readonly ratio?: number;
  }[];
}

interface Listing {
  readonly name: string;
  readonly covers?: readonly string[];
  readonly summary: string;
}

interface Judge {
  names(): readonly string[];
  list(): Promise<readonly Listing[]>;
  run(
    name: string,
    request: RunRequest,
  ): Promise<{ readonly report: Report; readonly exit: ExitCode }>;
}

export const loadJudge = async (kind: "suite" | "bench"): Promise<Judge> => {
  const file = join(projectRoot, "tests", kind === "suite" ? "suites" : "benches", "index.ts");
  if (!existsSync(file)) {
    throw failWith({
      code: "E_CLI_UNAVAILABLE",
      message: `${kind} needs the project's tests folder, which is not part of this installation`,
    });
  }
  const module = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  return (
    kind === "suite"
      ? { names: module["suiteNames"], list: module["listSuites"], run: module["runSuite"] }
      : { names: module["benchNames"], list: module["listBenches"], run: module["runBench"] }
  ) as Judge;
};

const printList = (output: Output, kind: string, listings: readonly Listing[]): void => {
  output.value({
    schema: `ioi.${kind}-list/1`,
    [kind === "suite" ? "suites" : "benches"]: listings,
  });
  const width = Math.max(0, ...listings.map(({ name }) => name.length));
  for (const { name, summary, covers } of listings) {
    const what = covers === undefined ? "" : `  [${covers.join(", ")}]`;
    output.line(`${name.padEnd(width)}  ${summary}${what}`);
  }
};

const printReport = (output: Output, kind: string, report: Report): void => {
  output.value(report);
  const word = report.met ? output.paint("green", "met") : output.paint("red", "NOT MET");
  const { cases } = report;
  const counts =
    cases === undefined
      ? ""
      : `  ${cases.passed} passed, ${cases.failed} failed, ${cases.skipped} skipped`;
  output.line(`${kind} ${report.name} (${report.mode}, seed ${report.seed}): ${word}${counts}`);
  for (const [name, value] of Object.entries(report.metrics)) {
    const spread = report.spread?.[name];
    const range = spread === undefined ? "" : `  (${spread.min} to ${spread.max})`;
    output.line(`  ${name} ${typeof value === "string" ? value : toJson(value)}${range}`);
  }
  for (const goal of report.goals) {
    const judged = goal.met ? "met" : "NOT MET";
    output.line(`  goal ${goal.metric} ${goal.op} ${goal.value}: ${goal.actual ?? "?"}, ${judged}`);
  }
  for (const { id, expected, actual, replay } of report.failures ?? []) {
    output.line(`  ${output.paint("red", "failed")} ${id}`);
    output.line(`    expected ${expected}`);
    output.line(`    actual   ${actual}`);
    output.line(`    replay   ${replay}`);
  }
  for (const { id, reason } of report.skips ?? []) output.line(`  skipped ${id}: ${reason}`);
  for (const what of report.unavailable) output.line(`  not available: ${what}`);
  output.line(`  ${report.durationMs} ms`);
};

const requestOf = (context: CommandContext, options: JudgeOptions): RunRequest => ({
  quick: options.quick === true,
  seed: options.seed === "random" ? randomBytes(8).toString("hex") : options.seed,
  params: options.param ?? {},
  signal: context.signal,
  progress: (text) => context.output.progress(text),
  ...(options.case === undefined ? {} : { caseId: options.case }),
  ...(options.data === undefined ? {} : { dataPath: options.data }),
  ...(options.out === undefined ? {} : { outFile: options.out }),
});

const judge =
  (kind: "suite" | "bench"): Handler<JudgeOptions> =>
  async (context, { args, options }) => {
    const runner = await loadJudge(kind);
    const [name] = args;
    if (options.list === true) {
      printList(context.output, kind, await runner.list());
      return exitCodes.done;
    }
    if (name === undefined) throw usage(`${kind} needs a name`, `./ioi ${kind} --list`);
    const request = requestOf(context, options);
    context.output.progress(`${kind} ${name}, seed ${request.seed}`);
    const { report, exit } = await runner.run(name, request);
    printReport(context.output, kind, report);
    return exit;
  };

export const suite: Handler<JudgeOptions> = judge("suite");
export const bench: Handler<JudgeOptions> = judge("bench");
