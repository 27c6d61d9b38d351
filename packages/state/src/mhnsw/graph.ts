/**
 * The graph of an index: layered nodes, each with few neighbours per layer. A pure function of the
 * vectors in their order. `specs/scs/mhnsw.md`, sections 4 and 5.
 *
 * Source: Malkov and Yashunin, HNSW, algorithms 1, 2, 4 (without extension, nothing kept of what was
 * pruned). Integers only; equal scores go by number; lists of neighbours are sorted by number.
 * Nodes come in batches, whose places are looked for in the graph as it stood when the batch began, so
 * that threads can do it side by side; which batch a node is in depends on its number alone.
 * This is the reference: kernels in other languages give the same graph, byte for byte.
 */
import { assert, concatBytes, uintLE } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { indexNodesMax } from "../limits.ts";
import {
  checkParameters,
  codeOf,
  batchSize,
  levelMax,
  levelOf,
  type MhnswParameters,
  type Query,
  storeVector,
  type StoredVector,
} from "./parameters.ts";
import { beam, bestFirst, climb, idOf, type Rank, rankOf, scoreOf } from "./ranked.ts";
import { type Found, search, type SearchParameters } from "./search.ts";

/**
 * What searches, commitments and proofs read of a graph, whatever it lies in. Bytes that it gives may
 * be its own: they hold until it is asked or changed again.
 */
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
  /** Writes codes into `to`, one after the other, from `at` on. */
  copyCodes(ids: Int32Array, to: Uint8Array, at: number): void;
  /** Sorted by number. */
  neighbours(id: number, layer: number): ArrayLike<number>;
  /** What stands under the hash of a list of neighbours: `specs/scs/mhnsw.md`, section 7. */
  preimage(id: number, layer: number): Uint8Array;
  find(query: Query, wanted: SearchParameters): Found;
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

/** Layers of a node, all of them. */
const layersMax = levelMax + 1;

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
  #batchEnd = 0;
  /** Where searches for a place begin: the entry, as the batch began; -1 in the first. */
  #batchEntry = -1;
  /** Lists that changed in the batch, as they stood at its start; by number and layer. */
  readonly #stood = new Map<number, readonly number[]>();

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

  copyCodes(ids: Int32Array, to: Uint8Array, at: number): void {
    const length = this.parameters.dimension / 8;
    for (const [i, id] of ids.entries()) to.set(this.code(id), at + i * length);
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

  preimage(id: number, layer: number): Uint8Array {
    const all = this.neighbours(id, layer);
    const parts = all.flatMap((other) => [uintLE(other, 4), this.code(other)]);
    return concatBytes(Uint8Array.of(2, all.length), ...parts);
  }

  find(query: Query, wanted: SearchParameters): Found {
    return search(this, query, wanted);
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
    this.#openBatch(id);
    if (this.#batchEntry >= 0) this.#connect(id, node, touched);
    if (level > this.maxLevel) this.#entry = id;
    return { id, touched };
  }

  #openBatch(id: number): void {
    if (id < this.#batchEnd) return;
    this.#batchEnd = id + batchSize(id);
    this.#batchEntry = this.#entry;
    this.#stood.clear();
  }

  /** A list as it stood at the start of the batch. */
  #before(id: number, layer: number): readonly number[] {
    return this.#stood.get(id * layersMax + layer) ?? this.neighbours(id, layer);
  }

  #connect(id: number, node: Node, touched: Set<number>): void {
    const { m, efConstruction } = this.parameters;
    const score = (other: number): number =>
      vectorScore(node.vector.upper, this.#node(other).vector.upper);
    const top = this.level(this.#batchEntry);
    let start = rankOf(score(this.#batchEntry), this.#batchEntry);
    for (let layer = top; layer > node.level; layer--) {
      start = climb(start, (at) => this.#before(at, layer), score);
    }
    for (let layer = Math.min(node.level, top); layer >= 0; layer--) {
      const found = beam(start, efConstruction, (at) => this.#before(at, layer), score);
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
    const old = this.neighbours(id, layer);
    if (!this.#stood.has(id * layersMax + layer)) this.#stood.set(id * layersMax + layer, old);
    const all = [...old, to];
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
