/**
 * The index over vectors of one file, in memory: a kernel's graph whose nodes are memories, with its root.
 * Nodes are the memories that have a vector and were not forgotten when the index was made, in their
 * order; what is left out of answers since is gone from them and stays a way.
 */
import { assert, concatBytes, equalBytes, uintLE } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { mhnsw } from "@ioi/state";
import type { KernelSource } from "../kernel/exports.ts";
import { KernelGraph } from "../kernel/index.ts";

/** A node to be: its memory, its vector, and the hash of its memory's leaf in the log. */
export interface NewNode {
  readonly memory: number;
  /** Its components, until the next call. */
  readonly components: () => Int16Array;
  readonly leaf: Uint8Array;
}

export interface Scored {
  readonly id: number;
  readonly score: number;
}

/** A search with its proof; `certify` shows that none is nearer, while the index stays as it is. */
export interface ProvedVectors {
  readonly answers: readonly Scored[];
  readonly proof: Uint8Array;
  readonly certify: (draw: mhnsw.Draw) => mhnsw.Certified;
}

/** Of a leaf that a certificate opens; with the upper bits of its vector, unless it is gone. */
const leafBytesMin = 100;

/** Returns the nodes that changed. */
const addTo = (graph: KernelGraph, nodes: readonly NewNode[]): ReadonlySet<number> =>
  graph.addAll(
    nodes.map(({ components }) => components().slice()),
    nodes.map(({ leaf }) => leaf),
  );

const capacityMin = 4096;

const capacityFor = (nodes: number): number => {
  let capacity = capacityMin;
  while (capacity < nodes + nodes / 4) capacity *= 2;
  return capacity;
};

const dot = (a: Int16Array, b: Int16Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
};

/** Of two vectors' components: 1 where they point the same way. */
const cosine = (a: Int16Array, b: Int16Array): number =>
  dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

/** From here on two memories say nearly the same. */
const nearlySame = 0.95;

export class VectorIndex {
  readonly #hashing: Hashing;
  readonly #source: KernelSource;
  readonly #parameters: mhnsw.MhnswParameters;
  #graph: KernelGraph;
  #commitment: mhnsw.Commitment;
  #capacity: number;
  /** By node; they rise. */
  readonly #memories: number[] = [];

  constructor(
    hashing: Hashing,
    source: KernelSource,
    parameters: mhnsw.MhnswParameters,
    nodes: number,
  ) {
    this.#hashing = hashing;
    this.#source = source;
    this.#parameters = parameters;
    this.#capacity = capacityFor(nodes);
    this.#graph = this.#newGraph();
    this.#commitment = new mhnsw.Commitment(hashing, this.#graph);
  }

  #newGraph(): KernelGraph {
    const { threads = 1 } = this.#source;
    const kernel = this.#source.open();
    return new KernelGraph(this.#hashing, this.#parameters, kernel, this.#capacity, threads);
  }

  get size(): number {
    return this.#memories.length;
  }

  get parameters(): mhnsw.MhnswParameters {
    return this.#parameters;
  }

  has(memory: number): boolean {
    return this.#nodeOf(memory) !== undefined;
  }

  /** Whether all its memories came before this one. */
  isBefore(memory: number): boolean {
    return (this.#memories.at(-1) ?? -1) < memory;
  }

  /** Has other threads help with what is added from now on, until `dismiss`. */
  async employ(): Promise<void> {
    await this.#graph.employ(this.#source);
  }

  /** Ends what `employ` began; the index stays. */
  dismiss(): void {
    this.#graph.dismiss();
  }

  add(nodes: readonly NewNode[]): void {
    for (let from = 0; from < nodes.length;) {
      if (this.size === this.#capacity) this.#grow();
      const piece = nodes.slice(from, from + this.#capacity - this.size);
      this.#commitment.touch(addTo(this.#graph, piece));
      for (const { memory } of piece) this.#name(memory);
      from += piece.length;
    }
  }

  #nodeOf(memory: number): number | undefined {
    let [low, high] = [0, this.#memories.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#memories[middle] as number) < memory) low = middle + 1;
      else high = middle;
    }
    return this.#memories[low] === memory ? low : undefined;
  }

  #name(memory: number): void {
    assert(this.isBefore(memory), "nodes out of order");
    this.#memories.push(memory);
  }

  /** A kernel is laid out once, so a larger one is filled from this one. */
  #grow(): void {
    const old = this.#graph;
    const leaves = this.#commitment.leaves();
    this.#capacity = capacityFor(this.#capacity + 1);
    this.#graph = this.#newGraph();
    const loaded = this.#graph.load(
      old.lists(),
      (node) => componentsOf(old.vector(node)),
      (node) => old.frame(node),
    );
    assert(loaded.ok, "the lists of an index do not load");
    for (let node = loaded.value; node < old.size; node++) {
      this.#graph.add(componentsOf(old.vector(node)), old.frame(node));
    }
    old.dismiss();
    for (let node = 0; node < old.size; node++) if (old.isGone(node)) this.#graph.bury(node);
    this.#commitment = new mhnsw.Commitment(this.#hashing, this.#graph);
    const restored = this.#commitment.restore(leaves);
    assert(restored.ok, "the leaves of an index do not fit");
  }

  /** Leaves a memory out of answers. */
  bury(memory: number): void {
    const node = this.#nodeOf(memory);
    if (node === undefined || this.#graph.isGone(node)) return;
    this.#graph.bury(node);
    this.#commitment.touch([node]);
  }

  root(): Uint8Array {
    return this.#commitment.root();
  }

  /** The stored vector of a memory. */
  components(memory: number): Int16Array | undefined {
    const node = this.#nodeOf(memory);
    return node === undefined ? undefined : componentsOf(this.#graph.vector(node));
  }

  isNear(a: number, b: number): boolean {
    const [x, y] = [this.components(a), this.components(b)];
    return x !== undefined && y !== undefined && cosine(x, y) >= nearlySame;
  }

  /** A memory whose vector points nearly the same way. */
  nearest(components: Int16Array): number | undefined {
    const [best] = this.search(components, { ef: 32, rerank: 16, final: 8, k: 1 });
    const found = best && this.components(best.id);
    return found && cosine(found, components) >= nearlySame ? best.id : undefined;
  }

  /** The search that is proved. */
  search(query: Int16Array, wanted: mhnsw.SearchParameters): readonly Scored[] {
    return this.#graph.search(mhnsw.makeQuery(query), wanted).map((answer) => this.#scored(answer));
  }

  #scored({ id, score }: mhnsw.Answer): Scored {
    return { id: this.#memories[id] as number, score };
  }

  /** The `k` best of all that are accepted, by looking at each of them. */
  scan(query: Int16Array, accept: (memory: number) => boolean, k: number): readonly Scored[] {
    const found: Scored[] = [];
    for (const [node, id] of this.#memories.entries()) {
      if (this.#graph.isGone(node) || !accept(id)) continue;
      found.push({ id, score: dot(query, componentsOf(this.#graph.vector(node))) });
    }
    return found.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, k);
  }

  /** The search with its proof against `root()`. */
  prove(query: Int16Array, wanted: mhnsw.SearchParameters): ProvedVectors {
    const hashing = this.#hashing;
    const made = mhnsw.makeQuery(query);
    const { answers, proof } = mhnsw.prove(hashing, this.#graph, this.#commitment, made, wanted);
    const searched = { query: made, wanted, answers };
    return {
      answers: answers.map((answer) => this.#scored(answer)),
      proof,
      certify: (draw) => mhnsw.certify(hashing, this.#graph, this.#commitment, searched, draw),
    };
  }

  /** Bytes that a certificate which opens every node has at least. */
  get exactBytesMin(): number {
    let bytes = this.size * leafBytesMin;
    for (let node = 0; node < this.size; node++) {
      if (!this.#graph.isGone(node)) bytes += this.#parameters.dimension;
    }
    return bytes;
  }

  /**
   * Lists and leaves, for `restore`. Vectors are not in it. Without leaves all are hashed again: for a
   * file in which the memories have other ones.
   */
  snapshot(leaves: "with leaves" | "without leaves" = "with leaves"): Uint8Array {
    const lists = this.#graph.lists();
    const hashed = leaves === "with leaves" ? this.#commitment.leaves() : new Uint8Array();
    return concatBytes(uintLE(lists.length, 4), lists, hashed);
  }

  /**
   * Fills an empty index from a snapshot of these nodes. False: it is none of them, and this index is of
   * no use. `gone`: left out of answers at that time.
   */
  restore(
    snapshot: Uint8Array,
    nodes: readonly NewNode[],
    gone: (memory: number) => boolean,
  ): boolean {
    if (snapshot.length < 4) return false;
    const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
    const end = 4 + view.getUint32(0, true);
    if (end > snapshot.length) return false;
    const node = (at: number): NewNode => nodes[at] as NewNode;
    const lists = snapshot.subarray(4, end);
    // Its own count of nodes stands behind the version; it is checked again with all the rest.
    if (
      lists.length < 5 ||
      new DataView(lists.buffer, lists.byteOffset).getUint32(1, true) > nodes.length
    ) {
      return false;
    }
    const loaded = this.#graph.load(
      lists,
      (at) => node(at).components(),
      (at) => node(at).leaf,
    );
    if (!loaded.ok) return false;
    addTo(this.#graph, nodes.slice(loaded.value));
    for (const { memory } of nodes) this.#name(memory);
    for (const [at, { memory }] of nodes.entries()) if (gone(memory)) this.#graph.bury(at);
    this.#commitment = new mhnsw.Commitment(this.#hashing, this.#graph);
    return end === snapshot.length || this.#commitment.restore(snapshot.subarray(end)).ok;
  }

  /** Whether this is the index of that root. */
  isOf(root: Uint8Array | undefined): boolean {
    return root !== undefined && equalBytes(root, this.root());
  }
}

const componentsOf = ({ upper, lower }: mhnsw.StoredVector): Int16Array => {
  const components = new Int16Array(upper.length);
  for (let i = 0; i < upper.length; i++) {
    components[i] = (((upper[i] as number) - 64) << 5) + (lower[i] as number) - 16;
  }
  return components;
};
