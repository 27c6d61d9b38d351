/**
 * What a bench is: a measurement that outsiders repeat with `./ioi bench NAME`.
 *
 * A bench is a module `tests/benches/<name>.ts` that exports `bench`; the folder is the registry.
 * It measures, several runs where the metric varies; the framework adds the conditions (machine,
 * load, commit), checks goals and writes `ioi.bench/1`.
 */
import type { Goal, Metrics } from "../report/goals.ts";

export type { Goal, Metrics } from "../report/goals.ts";

export interface BenchContext {
  readonly quick: boolean;
  readonly seed: string;
  /** Seeded, in [0, 1). */
  readonly random: () => number;
  readonly params: Readonly<Record<string, string>>;
  readonly dataPath?: string;
  readonly outDir?: string;
  readonly root: string;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** A foreign implementation measured in the same run. */
export interface BenchPeer {
  readonly name: string;
  readonly version: string;
  readonly available: boolean;
  readonly metrics: Metrics;
  /** Ours against it, above 1 where ours is better. Absent where it could not be measured. */
  readonly ratio?: number;
}

export interface BenchResult {
  readonly metrics: Metrics;
  /** Over the runs, by metric. */
  readonly spread: Readonly<Record<string, { readonly min: number; readonly max: number }>>;
  readonly peers?: readonly BenchPeer[];
  readonly goals: readonly Goal[];
  readonly runs: number;
  readonly params: Readonly<Record<string, number | string | boolean>>;
  /** What this machine lacks, in words; with no metric the exit code is 7. */
  readonly unavailable?: readonly string[];
}

export interface Bench {
  /** The module's file name without its ending. */
  readonly name: string;
  readonly summary: string;
  run(context: BenchContext): Promise<BenchResult>;
}

/** The report, `ioi.bench/1`. */
export interface BenchReport {
  readonly schema: "ioi.bench/1";
  readonly name: string;
  readonly version: string;
  readonly commit: string | null;
  readonly dirty: boolean;
  readonly mode: "full" | "quick";
  readonly seed: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryMiB: number;
    readonly kernel: string;
    readonly node: string;
    readonly filesystem: string;
  };
  readonly load: { readonly load1Start: number; readonly load1End: number };
  readonly params: Readonly<Record<string, number | string | boolean>>;
  readonly runs: number;
  readonly durationMs: number;
  readonly metrics: Metrics;
  readonly spread: Readonly<Record<string, { readonly min: number; readonly max: number }>>;
  readonly peers: readonly BenchPeer[];
  readonly goals: readonly (Goal & { readonly actual: number | null; readonly met: boolean })[];
  readonly met: boolean;
  readonly unavailable: readonly string[];
}
