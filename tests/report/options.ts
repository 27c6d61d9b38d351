/** How a suite or bench is asked to run, and what a run hands back to the command line. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type ExitCode, OperationError, SeededRandom } from "@ioi/base";

export interface RunOptions {
  readonly quick: boolean;
  readonly seed: string;
  readonly caseId?: string;
  readonly params: Readonly<Record<string, string>>;
  readonly dataPath?: string;
  /** The report is also written here. */
  readonly outFile?: string;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Ran<Report> {
  readonly report: Report;
  readonly exit: ExitCode;
}

/** Whole file or none, so that a reader never meets half a report. */
export const writeReport = (file: string, report: unknown): void => {
  const path = resolve(file);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
  } catch (cause) {
    throw new OperationError("E_CLI_OUT", `cannot write the report to ${path}`, { cause });
  }
};

/** Draws in [0, 1); the same seed gives the same draws on every machine. */
export const seededRandom = (seed: string): (() => number) => {
  const random = new SeededRandom(seed);
  return () => random.float();
};

/** What the contexts of suites and benches have in common. */
export const sharedContext = (
  options: RunOptions,
  root: string,
): {
  readonly quick: boolean;
  readonly seed: string;
  readonly params: Readonly<Record<string, string>>;
  readonly root: string;
  readonly signal: AbortSignal;
  readonly dataPath?: string;
  readonly outDir?: string;
  readonly progress: (text: string) => void;
} => ({
  quick: options.quick,
  seed: options.seed,
  params: options.params,
  root,
  signal: options.signal,
  progress: (text) => options.progress(text),
  ...(options.dataPath === undefined ? {} : { dataPath: resolve(options.dataPath) }),
  ...(options.outFile === undefined ? {} : { outDir: dirname(resolve(options.outFile)) }),
});
