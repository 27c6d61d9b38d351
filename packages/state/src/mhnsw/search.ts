/**
 * The search, which is the search that is proved: `specs/scs/mhnsw.md`, section 6. Codes of one bit a
 * component lead through the graph; the upper bits of few vectors, then all bits of fewer, decide.
 *
 * Ways and answers depend on the graph and the query alone, not on the order of anything.
 */
import { assert } from "@ioi/base";
import type { GraphView } from "./graph.ts";
import { byteOf, type Query, smallOf, type StoredVector } from "./parameters.ts";
import { beam, bestFirst, climb, idOf, type Rank, rankOf } from "./ranked.ts";

export interface SearchParameters {
  /** Width of the beam. */
  readonly ef: number;
  /** Nodes that the upper bits decide among. */
  readonly rerank: number;
  /** Nodes that all bits decide among. */
  readonly final: number;
  /** Answers. */
  readonly k: number;
}

export const checkSearch = ({ ef, rerank, final, k }: SearchParameters): void => {
  const isWhole = [ef, rerank, final, k].every((n) => Number.isInteger(n) && n >= 1);
  assert(isWhole && ef <= 4096 && rerank <= ef && final <= rerank && k <= final, "a search");
};

/** Of a query of 6 bits and a code: each component counts as 1 or as -1. */
export const codeScore = (small: Int8Array, code: Uint8Array): number => {
  let sum = 0;
  for (let i = 0; i < small.length; i++) {
    const q = small[i] as number;
    sum += ((code[i >> 3] as number) >> (i & 7)) & 1 ? q : -q;
  }
  return sum;
};

/** Of a query of 8 bits and the upper bits of a vector. */
export const upperScore = (byte: Int8Array, upper: Uint8Array): number => {
  let sum = 0;
  for (let i = 0; i < byte.length; i++) sum += (byte[i] as number) * ((upper[i] as number) - 64);
  return sum;
};

/** Of a query of 12 bits and a whole vector. */
export const wholeScore = (whole: Int16Array, { upper, lower }: StoredVector): number => {
  let sum = 0;
  for (let i = 0; i < whole.length; i++) {
    const component = (((upper[i] as number) - 64) << 5) + (lower[i] as number) - 16;
    sum += (whole[i] as number) * component;
  }
  return sum;
};

export interface Answer {
  readonly id: number;
  /** Of the whole vector. */
  readonly score: number;
}

/** What a search looked at: what a proof must open. */
export interface Trace {
  /** Layers whose lists were read, by node. */
  readonly opened: ReadonlyMap<number, ReadonlySet<number>>;
  /** Nodes that were passed over because they are gone. */
  readonly passed: readonly number[];
  /** Nodes whose vectors were read, best by their upper bits first. */
  readonly ranked: readonly number[];
}

export interface Found {
  readonly answers: readonly Answer[];
  readonly trace: Trace;
  /** Those that all bits decided among. */
  readonly final: readonly number[];
}

export const search = (graph: GraphView, query: Query, wanted: SearchParameters): Found => {
  checkSearch(wanted);
  const opened = new Map<number, Set<number>>();
  if (graph.entry < 0) return { answers: [], trace: { opened, passed: [], ranked: [] }, final: [] };
  const [byte, small] = [byteOf(query), smallOf(query)];
  const score = (id: number): number => codeScore(small, graph.code(id));
  const neighbours = (id: number, layer: number): ArrayLike<number> => {
    const layers = opened.get(id) ?? new Set();
    opened.set(id, layers.add(layer));
    return graph.neighbours(id, layer);
  };
  let start = rankOf(score(graph.entry), graph.entry);
  for (let layer = graph.maxLevel; layer > 0; layer--) {
    start = climb(start, (id) => neighbours(id, layer), score);
  }
  const kept = beam(start, wanted.ef, (id) => neighbours(id, 0), score);
  const { live, passed } = firstLive(graph, kept, wanted.rerank);
  const ranked = live
    .map((id) => rankOf(upperScore(byte, graph.vector(id).upper), id))
    .sort(bestFirst)
    .map(idOf);
  const final = ranked.slice(0, wanted.final);
  const answers = final
    .map((id) => ({ id, score: wholeScore(query.whole, graph.vector(id)) }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, wanted.k);
  return { answers, trace: { opened, passed, ranked }, final };
};

const firstLive = (
  graph: GraphView,
  kept: readonly Rank[],
  rerank: number,
): { readonly live: readonly number[]; readonly passed: readonly number[] } => {
  const [live, passed]: [number[], number[]] = [[], []];
  for (const id of kept.map(idOf)) {
    if (live.length >= rerank) break;
    (graph.isGone(id) ? passed : live).push(id);
  }
  return { live, passed };
};
