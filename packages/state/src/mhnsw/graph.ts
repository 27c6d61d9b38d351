/**
 * The graph of an index: layered nodes, each with few neighbours per layer. A pure function of the
 * vectors in their order. `specs/scs/mhnsw.md`, sections 4 and 5.
 *
 * Source: Malkov and Yashunin, HNSW, algorithms 1, 2, 4 (without extension, nothing kept of what was
 * pruned). Integers only; equal scores go by number; lists of neighbours are sorted by number.
 * This is the reference: kernels in other languages give the same graph, byte for byte.
 */
import { assert } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { indexNodesMax } from "../limits.ts";
import {
  checkParameters,
  codeOf,
  levelOf,
  type MhnswParameters,
  storeVector,
  type StoredVector,
} from "./parameters.ts";
import { bestFirst, Heap, idOf, type Rank, rankOf, scoreOf } from "./ranked.ts";

/** What searches, commitments and proofs read of a graph, whatever it lies in. */
export interface GraphView {
  readonly parameters: MhnswParameters;
  readonly size: number;
  /** Where every search begins; -1 while there is no node. */
  readonly entry: number;
  /** Of the entry; -1 while there is no node. */
  readonly maxLevel: number;
  level(id: number): number;
  /** Hash of the record that a vector was made from, in its log. */
  frame(id: number): Uint8Array;
  /** Not an answer any more, still a way. */
  isGone(id: number): boolean;
  vector(id: number): StoredVector;
  code(id: number): Uint8Array;
  /** Sorted by number. */
  neighbours(id: number, layer: number): readonly number[];
}

interface Node {
  readonly level: number;
  readonly frame: Uint8Array;
  readonly vector: StoredVector;
  readonly code: Uint8Array;
  /** By layer. */
  readonly neighbours: number[][];
  gone: boolean;
}

const byNumber = (a: number, b: number): number => a - b;

/** The score of two stored vectors: exact, whatever the engine. */
const vectorScore = (a: Uint8Array, b: Uint8Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - 64) * ((b[i] as number) - 64);
  return sum;
};

export interface Added {
  readonly id: number;
  readonly touched: ReadonlySet<number>;
}

export class Graph implements GraphView {
  readonly parameters: MhnswParameters;
  readonly #nodes: Node[] = [];
  readonly #hashing: Hashing;
  #entry = -1;

  constructor(hashing: Hashing, parameters: MhnswParameters) {
    checkParameters(parameters);
    this.#hashing = hashing;
    this.parameters = parameters;
  }

  get size(): number {
    return this.#nodes.length;
  }

  get entry(): number {
    return this.#entry;
  }

  get maxLevel(): number {
    return this.#nodes[this.#entry]?.level ?? -1;
  }

  level(id: number): number {
    return this.#node(id).level;
  }

  frame(id: number): Uint8Array {
    return this.#node(id).frame;
  }

  isGone(id: number): boolean {
    return this.#node(id).gone;
  }

  vector(id: number): StoredVector {
    return this.#node(id).vector;
  }

  code(id: number): Uint8Array {
    return this.#node(id).code;
  }

  /** Leaves a node out of answers; ways through it stay. */
  bury(id: number): void {
    this.#node(id).gone = true;
  }

  #node(id: number): Node {
    const node = this.#nodes[id];
    assert(node !== undefined, `no node ${id}`);
    return node;
  }

  neighbours(id: number, layer: number): readonly number[] {
    return this.#node(id).neighbours[layer] ?? [];
  }

  /** Adds a vector; returns its number and the nodes that changed, itself among them. */
  add(components: Int16Array, frame: Uint8Array): Added {
    assert(frame.length === 32, "a frame's hash has 32 bytes");
    const { dimension, salt } = this.parameters;
    assert(components.length === dimension, `a vector of ${components.length} components`);
    assert(this.#nodes.length < indexNodesMax, "the index is full");
    const id = this.#nodes.length;
    const vector = storeVector(components);
    const level = levelOf(this.#hashing, salt, id);
    const neighbours = Array.from({ length: level + 1 }, (): number[] => []);
    const code = codeOf(vector.upper);
    const node = { level, frame, vector, code, neighbours, gone: false };
    this.#nodes.push(node);
    const touched = new Set([id]);
    const top = this.maxLevel;
    if (this.#entry >= 0) this.#connect(id, node, top, touched);
    if (level > top) this.#entry = id;
    return { id, touched };
  }

  #connect(id: number, node: Node, top: number, touched: Set<number>): void {
    const { m, efConstruction } = this.parameters;
    const score = (other: number): number =>
      vectorScore(node.vector.upper, this.#node(other).vector.upper);
    let start = rankOf(score(this.#entry), this.#entry);
    for (let layer = top; layer > node.level; layer--) {
      start = climb(start, (at) => this.neighbours(at, layer), score);
    }
    for (let layer = Math.min(node.level, top); layer >= 0; layer--) {
      const found = beam(start, efConstruction, (at) => this.neighbours(at, layer), score);
      start = found[0] as Rank;
      const chosen = this.#select(found, m);
      node.neighbours[layer] = [...chosen].sort(byNumber);
      for (const other of chosen) this.#link(other, layer, id, touched);
    }
  }

  /** Those to which nothing better chosen is nearer than the base is. */
  #select(candidates: readonly Rank[], max: number): number[] {
    const chosen: number[] = [];
    for (const candidate of candidates) {
      if (chosen.length >= max) break;
      const id = idOf(candidate);
      const own = this.#node(id).vector.upper;
      const toBase = scoreOf(candidate);
      if (chosen.every((other) => vectorScore(own, this.#node(other).vector.upper) <= toBase)) {
        chosen.push(id);
      }
    }
    return chosen;
  }

  #link(id: number, layer: number, to: number, touched: Set<number>): void {
    const { m } = this.parameters;
    const max = layer === 0 ? 2 * m : m;
    const node = this.#node(id);
    const all = [...this.neighbours(id, layer), to];
    touched.add(id);
    if (all.length <= max) {
      node.neighbours[layer] = all.sort(byNumber);
      return;
    }
    const own = node.vector.upper;
    const ranked = all
      .map((other) => rankOf(vectorScore(own, this.#node(other).vector.upper), other))
      .sort(bestFirst);
    node.neighbours[layer] = this.#select(ranked, max).sort(byNumber);
  }
}

/**
 * A beam search: goes on from the best node that it has not gone on from, keeps the best `ef`, ends
 * when none of those is left. Which they are does not depend on the order of a node's neighbours.
 */
export const beam = (
  start: Rank,
  ef: number,
  neighbours: (id: number) => readonly number[],
  score: (id: number) => number,
): Rank[] => {
  const seen = new Set([idOf(start)]);
  const [open, kept] = [new Heap(1), new Heap(-1)];
  open.push(start);
  kept.push(start);
  for (let best = open.pop(); best !== undefined; best = open.pop()) {
    if (kept.size >= ef && best < (kept.top as Rank)) break;
    for (const id of neighbours(idOf(best))) {
      if (seen.has(id)) continue;
      seen.add(id);
      const rank = rankOf(score(id), id);
      if (kept.size >= ef) {
        if (rank < (kept.top as Rank)) continue;
        kept.pop();
      }
      kept.push(rank);
      open.push(rank);
    }
  }
  return kept.ranked();
};

/** The best node that is reached by ever better ones. */
export const climb = (
  from: Rank,
  neighbours: (id: number) => readonly number[],
  score: (id: number) => number,
): Rank => {
  for (let best = from; ;) {
    let better = best;
    for (const id of neighbours(idOf(best))) better = Math.max(better, rankOf(score(id), id));
    if (better === best) return best;
    best = better;
  }
};
