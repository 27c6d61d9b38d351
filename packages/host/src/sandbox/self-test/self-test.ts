/**
 * Runs the catalogue of escapes against the real configuration of each kind. An escape counts only
 * where its control, the same attempt without the sandbox, succeeds; elsewhere it is inapplicable.
 * What the probe says is checked against what arrived outside.
 */
import { LaunchPool } from "../pool.ts";
import { spawnSandboxed } from "../spawn.ts";
import { boundAttempts } from "./bounds.ts";
import {
  boundEntries,
  probeEntries,
  slowBounds,
  testedKinds,
  type EscapeEntry,
  type TestedKind,
} from "./catalogue.ts";
import {
  caveats,
  gaps,
  mechanisms,
  namespaceGap,
  type SandboxGap,
  type SandboxMechanism,
} from "./machine.ts";
import { runInside, runOutside, withLeak, type ProbeRun } from "./probe-runs.ts";
import type { Attempt } from "./scene-facts.ts";
import { Scene } from "./scene.ts";
import { kindSpec } from "./specs.ts";

export interface SandboxCase {
  readonly id: string;
  readonly what: string;
  readonly kind: TestedKind;
  readonly outcome: "held" | "escaped" | "inapplicable";
  readonly detail: string;
  /** What the same attempt did without the sandbox. */
  readonly control: "harmed" | "harmless";
}

export interface SandboxReport {
  readonly tried: number;
  readonly held: number;
  readonly escaped: number;
  readonly inapplicable: number;
  /** Distinct escapes that held or escaped somewhere. */
  readonly distinct: number;
  readonly cases: readonly SandboxCase[];
  /** A start that meets a prepared launcher, as all of a session's commands but the first do. */
  readonly spawnP50Ms: number;
  readonly spawnP95Ms: number;
  readonly coldP50Ms: number;
  readonly coldP95Ms: number;
  readonly mechanisms: readonly SandboxMechanism[];
  readonly gaps: readonly SandboxGap[];
  readonly caveats: readonly string[];
}

export interface SelfTestOptions {
  /** Without the attempts that take a second or more, and fewer starts measured. */
  readonly quick: boolean;
  readonly kinds?: readonly TestedKind[];
  readonly onKind?: (kind: TestedKind) => void;
}

type Arrivals = Awaited<ReturnType<Scene["arrivals"]>>;

/** Which count outside gives an attempt away, whatever it said itself. */
const witness: Readonly<Record<string, keyof Arrivals>> = {
  "tcp-connect": "tcp",
  "udp-send": "udp",
  "name-lookup": "udp",
  "unix-connect": "unix",
  "unix-abstract-connect": "abstract",
  "signal-outside": "signal",
  "signal-by-handle": "signal",
};

const judge = (
  entry: EscapeEntry,
  kind: TestedKind,
  inside: Attempt | undefined,
  control: Attempt | undefined,
): SandboxCase => {
  const base = { id: entry.id, what: entry.what, kind };
  if (control?.done !== true) {
    const detail = `not possible outside either: ${control?.detail ?? "no answer"}`;
    return { ...base, outcome: "inapplicable", detail, control: "harmless" };
  }
  if (inside === undefined) {
    return { ...base, outcome: "escaped", detail: "no answer", control: "harmed" };
  }
  const outcome = inside.done ? "escaped" : "held";
  return { ...base, outcome, detail: inside.detail, control: "harmed" };
};

const applies = (entry: EscapeEntry, kind: TestedKind): boolean =>
  entry.granted?.includes(kind) !== true;

const withWitness = (
  entry: EscapeEntry,
  attempt: Attempt | undefined,
  arrived: Arrivals,
  lowerChanged: boolean,
): Attempt | undefined => {
  if (entry.id === "write-below-overlay") {
    return { done: lowerChanged, detail: lowerChanged ? "the folder changed" : "it stayed" };
  }
  const name = witness[entry.id];
  return name !== undefined && arrived[name] > 0 ? { done: true, detail: "it arrived" } : attempt;
};

interface KindRun {
  readonly cases: readonly SandboxCase[];
  readonly failure: string | null;
}

const testKind = async (scene: Scene, kind: TestedKind, control: ProbeRun): Promise<KindRun> => {
  const entries = probeEntries.filter((entry) => applies(entry, kind));
  await scene.arrivals();
  const ids = entries.map((entry) => entry.id);
  const run = await withLeak(scene.facts().canary, () => runInside(scene, kind, ids));
  const arrived = await scene.arrivals();
  const changed = scene.lowerChanged();
  const cases = entries.map((entry) =>
    judge(
      entry,
      kind,
      withWitness(entry, run.answers.get(entry.id), arrived, changed),
      control.answers.get(entry.id),
    ),
  );
  return { cases, failure: run.failure };
};

const testBounds = async (scene: Scene, quick: boolean): Promise<readonly SandboxCase[]> => {
  const cases: SandboxCase[] = [];
  for (const entry of boundEntries) {
    if (quick && slowBounds.has(entry.id)) continue;
    const attempt = boundAttempts[entry.id];
    if (attempt === undefined) continue;
    const control = await attempt(scene, "outside");
    cases.push(judge(entry, "command", await attempt(scene, "inside"), control));
  }
  return cases;
};

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** Milliseconds from the spawn to the first instruction of the program inside, sorted. */
const measureStarts = async (
  scene: Scene,
  count: number,
  spawn: typeof spawnSandboxed,
): Promise<readonly number[]> => {
  const spec = kindSpec("command", scene.facts());
  const times: number[] = [];
  for (let run = 0; run < count; run++) {
    const begin = performance.now();
    const { child, started } = spawn(spec, {
      program: "/bin/true",
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exited = new Promise((resolve) => child.on("exit", resolve));
    await started;
    times.push(performance.now() - begin);
    await exited;
  }
  return times.sort((a, b) => a - b);
};

interface Starts {
  readonly pooled: readonly number[];
  readonly cold: readonly number[];
}

/** Pooled: every start but the first, which prepares the next; each waits for it, as work would. */
const measureBoth = async (scene: Scene, count: number): Promise<Starts> => {
  const cold = await measureStarts(scene, count, spawnSandboxed);
  using pool = new LaunchPool();
  await measureStarts(scene, 1, pool.spawn);
  const pooled: number[] = [];
  for (let run = 0; run < count; run++) {
    await pool.prepared();
    pooled.push(...(await measureStarts(scene, 1, pool.spawn)));
  }
  return { cold, pooled: pooled.sort((a, b) => a - b) };
};

/** The first sandbox of all, and whether the namespace bounds its processes. */
const firstSandbox = async (
  scene: Scene,
): Promise<{ readonly failure: string | null; readonly processBound: boolean }> => {
  const spec = { ...kindSpec("command", scene.facts()), limits: { processes: 400 } };
  try {
    const { child, started } = spawnSandboxed(spec, {
      program: "/bin/cat",
      args: ["/proc/sys/kernel/pid_max"],
      stdio: ["ignore", "pipe", "ignore"],
    });
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    const closed = new Promise((resolve) => child.on("close", resolve));
    const start = await started;
    await closed;
    return { failure: start.ok ? null : start.error.message, processBound: text.trim() === "400" };
  } catch (error) {
    return { failure: String(error), processBound: false };
  }
};

const report = (
  cases: readonly SandboxCase[],
  times: Starts,
  rest: Pick<SandboxReport, "mechanisms" | "gaps">,
): SandboxReport => {
  const count = (outcome: SandboxCase["outcome"]): number =>
    cases.filter((one) => one.outcome === outcome).length;
  const tried = cases.filter((one) => one.outcome !== "inapplicable");
  return {
    tried: tried.length,
    held: count("held"),
    escaped: count("escaped"),
    inapplicable: count("inapplicable"),
    distinct: new Set(tried.map((one) => one.id)).size,
    cases,
    spawnP50Ms: quantile(times.pooled, 0.5),
    spawnP95Ms: quantile(times.pooled, 0.95),
    coldP50Ms: quantile(times.cold, 0.5),
    coldP95Ms: quantile(times.cold, 0.95),
    caveats,
    ...rest,
  };
};

const failedRun = (failures: readonly (readonly [TestedKind, string])[]): readonly SandboxGap[] =>
  failures.map(([kind, failure]) => ({
    mechanism: `sandbox of ${kind}`,
    consequence: `it could not be built: ${failure}`,
    command: "",
  }));

export const selfTest = async (options: SelfTestOptions): Promise<SandboxReport> => {
  const scene = await Scene.create();
  try {
    const first = await firstSandbox(scene);
    if (first.failure !== null) {
      const found = { namespaces: false, overlay: false, processBound: false };
      const rest = { mechanisms: mechanisms(found), gaps: [namespaceGap(first.failure)] };
      return report([], { cold: [], pooled: [] }, rest);
    }
    const ids = probeEntries.map((entry) => entry.id);
    const control = await withLeak(scene.facts().canary, () => runOutside(scene, ids));
    const controlOfOverlay = scene.lowerChanged();
    const answers = new Map(control.answers);
    answers.set("write-below-overlay", { done: controlOfOverlay, detail: "" });
    const cases: SandboxCase[] = [];
    const failures: (readonly [TestedKind, string])[] = [];
    for (const kind of options.kinds ?? testedKinds) {
      options.onKind?.(kind);
      const run = await testKind(scene, kind, { answers, failure: null });
      cases.push(...run.cases);
      if (run.failure !== null) failures.push([kind, run.failure]);
    }
    cases.push(...(await testBounds(scene, options.quick)));
    const times = await measureBoth(scene, options.quick ? 5 : 20);
    const overlay = !failures.some(([kind]) => kind === "command-in-driver");
    const found = { namespaces: true, overlay, processBound: first.processBound };
    return report(cases, times, {
      mechanisms: mechanisms(found),
      gaps: [...gaps(found), ...failedRun(failures)],
    });
  } finally {
    scene.dispose();
  }
};
