/**
 * `bench scs`: the index over vectors of memory files beside hnswlib-node, usearch and sqlite-vec: same
 * vectors, same run, equal recall, one thread. What proofs cost, and what a file of memories does.
 *
 * All is timed by the process's processor time: searches round by round, each index after the other, and
 * ratios are medians over the rounds, so that what else runs on the machine falls on all of them. `buildS`
 * and `buildRatioHnswlibThreads` are by the clock: ours by every processor, the peer by one, as it is
 * built from Node.
 */
import { searchDefaults } from "@ioi/scs";
import type { mhnsw } from "@ioi/state";
import { Scratch } from "../lib/kernel.ts";
import { quantile, rounded, spreadOf } from "../lib/statistics.ts";
import {
  exactNearest,
  recallOf,
  seededVectors,
  type VectorSet,
  vectorsOfFile,
} from "../lib/vectors/data.ts";
import { measureFile, openedMin } from "../lib/vectors/file.ts";
import {
  buildOurs,
  cpuMs,
  measureNearest,
  measureProofs,
  type OurIndex,
} from "../lib/vectors/ours.ts";
import {
  type FilledPeer,
  type GraphShape,
  type MissingPeer,
  type Search,
  type VectorPeer,
  vectorPeers,
} from "../lib/vectors/peers.ts";
import type { Bench, BenchContext, BenchPeer, BenchResult, Goal, Metrics } from "./bench.ts";

const shape: GraphShape = { m: 16, efConstruction: 200 };
const k = 10;
/** Recall of a peer may differ from ours by so much. */
const gapMax = 0.005;
const widths = { min: k, max: 512 };

/** Rounds before those that count. */
const warmRounds = 3;

const goals: readonly Goal[] = [
  { metric: "recallGap", op: "<=", value: gapMax },
  { metric: "ratioHnswlib", op: ">=", value: 2 },
  { metric: "ratioUsearchF32", op: ">=", value: 2 },
  { metric: "ratioUsearchBf16", op: ">=", value: 1.2 },
  { metric: "ratioSqliteVec", op: ">=", value: 100 },
  { metric: "buildRatioHnswlib", op: ">=", value: 3 },
  { metric: "rootUsPerInsert", op: "<=", value: 200 },
  { metric: "proofBytesMean", op: "<=", value: 90_000 },
  { metric: "proveP50Ms", op: "<=", value: 1 },
  { metric: "verifyP50Ms", op: "<=", value: 3 },
  { metric: "bytesPerVector", op: "<=", value: 1200 },
  { metric: "open100kMs", op: "<=", value: 1000 },
];

/** How peers are called in metrics. */
const metricOf: Readonly<Record<string, string>> = {
  "hnswlib-node": "ratioHnswlib",
  "usearch f32": "ratioUsearchF32",
  "usearch bf16": "ratioUsearchBf16",
  "sqlite-vec": "ratioSqliteVec",
};

interface Timer {
  readonly timed: (work: () => void) => void;
  wallMs: number;
  cpuMs: number;
}

const newTimer = (): Timer => {
  const timer: Timer = {
    wallMs: 0,
    cpuMs: 0,
    timed: (work) => {
      const began = performance.now();
      timer.cpuMs += cpuMs(work);
      timer.wallMs += performance.now() - began;
    },
  };
  return timer;
};

/** An index that is searched in the rounds. */
interface Runner {
  readonly name: string;
  readonly search: Search;
  readonly recall: number;
  readonly width: number;
  readonly isExact: boolean;
  /** Of all queries, in each round. */
  readonly roundMs: number[];
}

const foundBy = (set: VectorSet, search: Search): readonly (readonly number[])[] =>
  set.queries.map((_, query) => search(query));

type Truth = readonly ReadonlySet<number>[];

/** The narrowest width of a peer whose recall is nearest to ours. */
const tune = (
  name: string,
  peer: FilledPeer,
  set: VectorSet,
  truth: Truth,
  wanted: number,
): Runner => {
  const attempt = (width: number): Runner => {
    const search = peer.at(width, k);
    const recall = recallOf(truth, foundBy(set, search));
    return { name, search, recall, width, isExact: peer.isExact, roundMs: [] };
  };
  let [low, high]: [number, number] = [widths.min, widths.max];
  let best = attempt(low);
  if (peer.isExact) return best;
  while (low < high) {
    const width = (low + high) >> 1;
    const runner = attempt(width);
    const isNearer = Math.abs(runner.recall - wanted) < Math.abs(best.recall - wanted);
    if (isNearer) best = runner;
    if (runner.recall >= wanted) high = width;
    else low = width + 1;
  }
  // Some peers take the width from the last index that was asked for.
  return { ...best, search: peer.at(best.width, k) };
};

const runRounds = (set: VectorSet, runners: readonly Runner[], rounds: number): void => {
  for (let round = 0; round < rounds; round++) {
    for (const { search, roundMs } of runners) {
      roundMs.push(cpuMs(() => void foundBy(set, search)));
    }
  }
};

const median = (values: readonly number[]): number => quantile(values, 0.5);

const qpsOf = (set: VectorSet, { roundMs }: Runner): readonly number[] =>
  roundMs.map((ms) => (set.queries.length * 1000) / ms);

const ratioOf = (ours: Runner, peer: Runner): number =>
  median(ours.roundMs.map((ms, round) => (peer.roundMs[round] as number) / ms));

interface Filled {
  readonly peer: VectorPeer;
  readonly built: Timer;
  readonly runner: Runner;
}

const isHere = (peer: VectorPeer | MissingPeer): peer is VectorPeer => "fill" in peer;

/** Looking at everything takes so long that fewer rounds and queries must do. */
const exactQueriesMax = 20;

/** The queries that those who look at everything are asked. */
const fewOf = (set: VectorSet): VectorSet => ({
  ...set,
  queries: set.queries.slice(0, exactQueriesMax),
});

const describe = (set: VectorSet, ours: Runner, filled: readonly Filled[]): readonly BenchPeer[] =>
  filled.map(({ peer, built, runner }) => ({
    name: peer.name,
    version: peer.version,
    available: true,
    ratio: rounded(ratioOf(ours, runner)),
    metrics: {
      width: runner.width,
      recall: rounded(runner.recall, 4),
      searchQps: rounded(median(qpsOf(set, runner)), 1),
      buildS: rounded(built.wallMs / 1000),
      buildCpuS: rounded(built.cpuMs / 1000),
    },
  }));

/** Ours: built by all threads, and again by one where that is asked for. */
const ownBuild = async (
  set: VectorSet,
  context: BenchContext,
): Promise<{ readonly index: OurIndex; readonly wall: Timer; readonly one: Timer }> => {
  const [wall, one] = [newTimer(), newTimer()];
  const index = await buildOurs(set, shape, true, wall.timed);
  context.progress(`built by threads in ${rounded(wall.wallMs / 1000)} s`);
  await buildOurs(set, shape, false, one.timed);
  context.progress(`built by one thread in ${rounded(one.cpuMs / 1000)} s of processor time`);
  return { index, wall, one };
};

const fillPeers = (
  set: VectorSet,
  truth: Truth,
  wanted: number,
  peers: readonly (VectorPeer | MissingPeer)[],
  context: BenchContext,
): readonly Filled[] =>
  peers.filter(isHere).map((peer) => {
    const built = newTimer();
    const filled = peer.fill(set, shape, built.timed);
    const runner = tune(peer.name, filled, filled.isExact ? fewOf(set) : set, truth, wanted);
    context.progress(`${peer.name}: recall ${rounded(runner.recall, 4)} at ${runner.width}`);
    return { peer, built, runner };
  });

const setOf = ({ params, quick, dataPath, seed }: BenchContext): VectorSet => {
  const count = Number(params["n"] ?? (quick ? 5000 : 20_000));
  const queries = Number(params["queries"] ?? (quick ? 100 : 500));
  return dataPath === undefined
    ? seededVectors(seed, count, queries, Number(params["d"] ?? 384))
    : vectorsOfFile(dataPath, count, queries);
};

const wantedOf = (params: BenchContext["params"]): mhnsw.SearchParameters => {
  const ef = Number(params["ef"] ?? searchDefaults.ef);
  const rerank = Math.min(ef, Number(params["rerank"] ?? searchDefaults.rerank));
  return {
    ef,
    rerank,
    final: Math.min(rerank, Number(params["final"] ?? searchDefaults.final)),
    k,
  };
};

/** Times everybody; a round that is thrown away comes first, so that nothing is compiled in the others. */
const timeAll = (set: VectorSet, all: readonly Runner[], rounds: number): void => {
  const quick = all.filter(({ isExact }) => !isExact);
  runRounds(set, quick, rounds + warmRounds);
  for (const { roundMs } of quick) roundMs.splice(0, warmRounds);
  const few = fewOf(set);
  const scale = set.queries.length / few.queries.length;
  for (const { search, roundMs } of all.filter(({ isExact }) => isExact)) {
    for (let round = 0; round < rounds; round++) {
      roundMs.push(scale * cpuMs(() => void foundBy(few, search)));
    }
  }
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

interface Own {
  readonly index: OurIndex;
  readonly wall: Timer;
  readonly one: Timer;
  readonly runner: Runner;
}

const comparison = (own: Own, filled: readonly Filled[]): Metrics => {
  const gaps = filled
    .filter(({ runner }) => !runner.isExact)
    .map(({ runner }) => Math.abs(runner.recall - own.runner.recall));
  const hnswlib = filled.find(({ peer }) => peer.name === "hnswlib-node");
  return {
    ...(gaps.length === 0 ? {} : { recallGap: rounded(Math.max(...gaps), 4) }),
    ...Object.fromEntries(
      filled.map(({ peer, runner }) => [
        metricOf[peer.name] ?? peer.name,
        rounded(ratioOf(own.runner, runner)),
      ]),
    ),
    ...(hnswlib === undefined
      ? {}
      : {
          buildRatioHnswlib: rounded(hnswlib.built.cpuMs / own.one.cpuMs),
          buildRatioHnswlibThreads: rounded(hnswlib.built.wallMs / own.wall.wallMs),
        }),
    buildS: rounded(own.wall.wallMs / 1000),
    buildCpuSOneThread: rounded(own.one.cpuMs / 1000),
  };
};

const run = async (context: BenchContext): Promise<BenchResult> => {
  using scratch = new Scratch();
  const set = setOf(context);
  const wanted = wantedOf(context.params);
  const truth = exactNearest(set, k);
  context.progress(`${set.count} vectors of ${set.dimension} components`);
  const built = await ownBuild(set, context);
  const search = built.index.search(wanted);
  const recall = recallOf(truth, foundBy(set, search));
  const width = wanted.ef;
  const own = {
    ...built,
    runner: { name: "ours", search, recall, width, isExact: false, roundMs: [] },
  };
  const peers = await vectorPeers(scratch);
  const filled = fillPeers(set, truth, recall, peers, context);
  const rounds = context.quick ? 5 : 15;
  const memories = Number(context.params["memories"] ?? (context.quick ? 2048 : openedMin));
  timeAll(set, [own.runner, ...filled.map(({ runner }) => runner)], rounds);
  const proofs = measureProofs(set, built.index, wanted);
  const nearest = measureNearest(set, built.index, wanted);
  const qps = qpsOf(set, own.runner);
  const missing = peers.filter((peer): peer is MissingPeer => !isHere(peer));
  return {
    metrics: {
      n: set.count,
      d: set.dimension,
      recall: rounded(recall, 4),
      searchQps: rounded(median(qps), 1),
      ...comparison(own, filled),
      rootUsPerInsert: rounded(built.index.rootUsPerInsert),
      proofBytesMean: Math.round(mean(proofs.bytes)),
      proveP50Ms: rounded(median(proofs.proveMs)),
      verifyP50Ms: rounded(median(proofs.verifyMs)),
      nearestBytesMean: Math.round(mean(nearest.bytes)),
      nearestProveP50Ms: rounded(median(nearest.proveMs)),
      nearestVerifyP50Ms: rounded(median(nearest.verifyMs)),
      nearestRefused: nearest.nearer,
      ...(await measureFile(set, scratch, memories, context.progress)),
    },
    spread: { searchQps: spreadOf(qps) },
    peers: [
      ...describe(set, own.runner, filled),
      ...missing.map(({ name }) => ({ name, version: "", available: false, metrics: {} })),
    ],
    goals: goals.filter(({ metric }) => metric !== "open100kMs" || memories >= openedMin),
    runs: rounds,
    params: {
      n: set.count,
      d: set.dimension,
      ...shape,
      ...wanted,
      memories,
      data: context.dataPath === undefined ? "seeded: clustered, with outlying dimensions" : "file",
      clock: "processor time, one thread; buildS by the clock",
    },
    unavailable: missing.map(({ name, why }) => `${name}: ${why}`),
  };
};

export const bench: Bench = {
  name: "scs",
  summary: "the index of memory files beside hnswlib-node, usearch and sqlite-vec; proofs; files",
  run,
};
