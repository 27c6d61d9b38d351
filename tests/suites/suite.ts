/**
 * What a suite is: a named set of cases that outsiders run with `./ioi suite NAME`.
 *
 * A suite is a module `tests/suites/<name>.ts` that exports `suite`; the folder is the registry. It
 * judges its cases and measures; the framework filters, counts, checks goals and writes
 * `ioi.suite/1`. Case ids are unique and stable: `--case ID --seed S` runs the same case again.
 */
import type { Goal, Metrics } from "../report/goals.ts";

export type { Goal, Metrics } from "../report/goals.ts";

export interface SuiteContext {
  /** At most 45 s after set-up, with the same fields in the report. */
  readonly quick: boolean;
  readonly seed: string;
  /** Seeded, in [0, 1). The same seed gives the same sequence. */
  readonly random: () => number;
  /** Run only this case; the framework drops others from the report. */
  readonly caseId?: string;
  readonly params: Readonly<Record<string, string>>;
  /** `--data`: a file or folder to work on instead of the suite's own. */
  readonly dataPath?: string;
  /** Where artefacts may be written: the folder of `--out`. */
  readonly outDir?: string;
  /** Absolute path of the project. */
  readonly root: string;
  /** Absolute path of the public vectors, where they are on this machine. */
  readonly vectors: string | undefined;
  /** For a person; never part of the report. */
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface SuiteCase {
  readonly id: string;
  readonly outcome: "passed" | "failed" | "skipped" | "inapplicable";
  readonly expected?: string;
  readonly actual?: string;
  /** Of a skip, or why a case does not apply here. */
  readonly reason?: string;
  /**
   * The same case with the protection off. `harmed`: it did the harm, so the case shows something.
   * `harmless`: it did not, and the case does not count. `none` or absent: no protection involved.
   */
  readonly control?: "harmed" | "harmless" | "none";
}

export interface SuiteResult {
  readonly cases: readonly SuiteCase[];
  readonly metrics?: Metrics;
  readonly goals?: readonly Goal[];
  /** Files that were read, so that a reader can compare. */
  readonly data?: readonly { readonly path: string; readonly sha256: string }[];
  /** What this machine lacks, in words; with no case run the exit code is 7. */
  readonly unavailable?: readonly string[];
}

export interface Suite {
  /** The module's file name without its ending. */
  readonly name: string;
  /** What of the specification it shows, as in `firewall 8`. */
  readonly covers: readonly string[];
  readonly summary: string;
  run(context: SuiteContext): Promise<SuiteResult>;
}

/** The report, `ioi.suite/1`. */
export interface SuiteReport {
  readonly schema: "ioi.suite/1";
  readonly name: string;
  readonly version: string;
  readonly commit: string | null;
  readonly dirty: boolean;
  readonly mode: "full" | "quick";
  readonly seed: string;
  readonly covers: readonly string[];
  readonly data: readonly { readonly path: string; readonly sha256: string }[];
  readonly cases: {
    readonly total: number;
    readonly passed: number;
    readonly failed: number;
    readonly skipped: number;
  };
  readonly controls: { readonly total: number; readonly failed: number };
  readonly skips: readonly { readonly id: string; readonly reason: string }[];
  readonly failures: readonly {
    readonly id: string;
    readonly expected: string;
    readonly actual: string;
    readonly replay: string;
  }[];
  readonly metrics: Metrics;
  readonly goals: readonly (Goal & { readonly actual: number | null; readonly met: boolean })[];
  readonly durationMs: number;
  readonly met: boolean;
  readonly unavailable: readonly string[];
}
