/**
 * The index in WebAssembly: the graph and the answers of the reference in `@ioi/state`, byte for byte,
 * at the speed of the machine. Sources: `kernel/` of this package.
 *
 * The engine is given. A node's lists are read from the kernel's memory, so commitments and proofs are
 * made by the same code as over the reference. Bounds: laid out for `nodesMax` nodes in at most 4 GiB;
 * a larger index is an E_SCS_FULL, and its owner makes a new one.
 */
import { assert, ok, OperationError, type Result } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { mhnsw } from "@ioi/state";
import type { KernelExports, KernelSource, Layout } from "./exports.ts";
import { checkSnapshot, eachList, encodeLists, type SnapshotError } from "./lists.ts";

/** Where the memory of a kernel can be read and written. */
interface Views {
  readonly bytes: Uint8Array;
  readonly shorts: Int16Array;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
}

/** Components that a kernel takes at a time: the rest of a vector's place stands for nothing. */
const padTo = 64;
const frameBytes = 32;
/** Codes that a kernel lays together at a time. */
const gatherMax = 128;
/** The middle of the upper bits. */
const middle = 64;

export class KernelGraph implements mhnsw.GraphView {
  readonly parameters: mhnsw.MhnswParameters;
  /** Of the threads besides the first. */
  readonly #layouts: readonly Layout[];
  #threads: "none" | "starting" | "working" | "dismissed" = "none";
  readonly #hashing: Hashing;
  readonly #kernel: KernelExports;
  readonly #nodesMax: number;
  readonly #aboveMax: number;
  /** Hashes of the leaves of memories, by node. */
  readonly #frames: Uint8Array;
  #framed = 0;
  readonly #views: Views;

  constructor(
    hashing: Hashing,
    parameters: mhnsw.MhnswParameters,
    kernel: KernelExports,
    nodesMax: number,
    threads = 1,
  ) {
    mhnsw.checkParameters(parameters);
    this.parameters = parameters;
    this.#hashing = hashing;
    this.#kernel = kernel;
    this.#nodesMax = nodesMax;
    this.#frames = new Uint8Array(nodesMax * frameBytes);
    const { dimension, m, efConstruction } = parameters;
    // A fifteenth of the nodes stands above the bottom, all layers together; twice that is room enough.
    this.#aboveMax = Math.ceil(nodesMax / 7) + 64;
    const layoutOf = (thread: number): Layout => [
      dimension,
      m,
      efConstruction,
      nodesMax,
      this.#aboveMax,
      threads,
      thread,
    ];
    this.#layouts = Array.from({ length: threads - 1 }, (_, i) => layoutOf(i + 1));
    try {
      kernel.init(...layoutOf(0));
    } catch (cause) {
      const why = `no room for an index of ${nodesMax} nodes`;
      throw new OperationError("E_SCS_FULL", why, { cause });
    }
    // Laid out for good: memory is shared, so what grew it later would leave these where they are.
    const { buffer } = kernel.memory;
    this.#views = {
      bytes: new Uint8Array(buffer),
      shorts: new Int16Array(buffer),
      words: new Int32Array(buffer),
      doubles: new Float64Array(buffer),
    };
  }

  #words(offset: number, count: number): Int32Array {
    const at = offset >>> 2;
    return this.#views.words.subarray(at, at + count);
  }

  #bytes(offset: number, count: number): Uint8Array {
    const at = offset >>> 0;
    return this.#views.bytes.subarray(at, at + count);
  }

  get size(): number {
    return this.#kernel.nodes();
  }

  get entry(): number {
    return this.#kernel.entryNode();
  }

  get maxLevel(): number {
    return this.#kernel.topLevel();
  }

  level(id: number): number {
    return this.#kernel.levelAt(id);
  }

  frame(id: number): Uint8Array {
    assert(id < this.#framed, `no node ${id}`);
    return this.#frames.slice(id * frameBytes, (id + 1) * frameBytes);
  }

  #frame(frame: Uint8Array): void {
    assert(frame.length === frameBytes, `a leaf of ${frame.length} bytes`);
    this.#frames.set(frame, this.#framed++ * frameBytes);
  }

  isGone(id: number): boolean {
    return this.#kernel.goneAt(id) !== 0;
  }

  vector(id: number): mhnsw.StoredVector {
    const { dimension } = this.parameters;
    return {
      upper: this.#bytes(this.#kernel.upperAt(id), dimension),
      lower: this.#bytes(this.#kernel.lowerAt(id), dimension),
    };
  }

  code(id: number): Uint8Array {
    return this.#bytes(this.#kernel.codeAt(id), this.parameters.dimension / 8);
  }

  copyCodes(ids: Int32Array, to: Uint8Array, at: number): void {
    const length = this.parameters.dimension / 8;
    const places = this.#kernel.gatheredAt() >>> 2;
    for (let from = 0; from < ids.length; from += gatherMax) {
      const some = ids.subarray(from, from + gatherMax);
      this.#views.words.set(some, places);
      const codes = this.#kernel.gather(some.length);
      to.set(this.#bytes(codes, some.length * length), at + from * length);
    }
  }

  #list(offset: number): Int32Array {
    return this.#words(offset + 4, this.#views.words[offset >>> 2] as number);
  }

  neighbours(id: number, layer: number): Int32Array {
    return this.#list(this.#kernel.listAt(id, layer));
  }

  preimage(id: number, layer: number): Uint8Array {
    const length = this.#kernel.preimage(id, layer);
    return this.#bytes(this.#kernel.preimageAt(), length);
  }

  /** Leaves a node out of answers; ways through it stay. */
  bury(id: number): void {
    assert(id < this.size, `no node ${id}`);
    this.#kernel.bury(id);
  }

  /** Puts a vector where the kernel takes in a node from. */
  #place(id: number, components: Int16Array): void {
    const { dimension } = this.parameters;
    assert(components.length === dimension, `a vector of ${components.length} components`);
    const { componentMin, componentMax } = mhnsw;
    const { bytes } = this.#views;
    const [upper, lower] = [this.#kernel.upperAt(id) >>> 0, this.#kernel.lowerAt(id) >>> 0];
    for (let i = 0; i < dimension; i++) {
      const component = components[i] as number;
      assert(component >= componentMin && component <= componentMax, "a component out of range");
      const high = (component + 16) >> 5;
      bytes[upper + i] = high + middle;
      bytes[lower + i] = component - (high << 5) + 16;
    }
    bytes.fill(middle, upper + dimension, upper + Math.ceil(dimension / padTo) * padTo);
  }

  #checkRoom(count: number): void {
    if (this.size + count <= this.#nodesMax) return;
    throw new OperationError("E_SCS_FULL", `the index has room for ${this.#nodesMax} nodes`);
  }

  /** Adds a vector; returns its number and the nodes that changed, itself among them. */
  add(components: Int16Array, frame: Uint8Array): mhnsw.Added {
    this.#checkRoom(1);
    const id = this.size;
    this.#place(id, components);
    this.#kernel.setLevel(id, mhnsw.levelOf(this.#hashing, this.parameters.salt, id));
    this.#frame(frame);
    this.#kernel.add();
    const touched = this.#words(this.#kernel.touchedAt(), this.#kernel.touched());
    return { id, touched: new Set([id, ...touched]) };
  }

  /** Starts the other threads that it is laid out for, once; `dismiss` ends them. */
  async employ({ start }: KernelSource): Promise<void> {
    if (this.#threads !== "none" || this.#layouts.length === 0 || start === undefined) return;
    this.#threads = "starting";
    await start(this.#kernel, this.#layouts);
    this.#threads = "working";
  }

  /**
   * Adds many, by all threads that are employed; the same graph as one after the other. Returns the nodes that changed.
   * Waits for the threads without letting anything else run, so the caller gives some hundred at a time.
   */
  addAll(vectors: readonly Int16Array[], frames: readonly Uint8Array[]): ReadonlySet<number> {
    assert(vectors.length === frames.length, "a frame for every vector");
    this.#checkRoom(vectors.length);
    const first = this.size;
    const until = first + vectors.length;
    const touched = new Set<number>();
    const addOne = (): void => {
      const at = this.size - first;
      for (const id of this.add(vectors[at] as Int16Array, frames[at] as Uint8Array).touched) {
        touched.add(id);
      }
    };
    const isShared = this.#layouts.length === 0 || this.#threads === "working";
    while (this.size < until && !(isShared && mhnsw.isBatchStart(this.size))) addOne();
    for (let id = this.size; id < until; id++) {
      this.#place(id, vectors[id - first] as Int16Array);
      this.#kernel.setLevel(id, mhnsw.levelOf(this.#hashing, this.parameters.salt, id));
    }
    this.#kernel.build(until);
    for (let id = this.#framed; id < this.size; id++) {
      this.#frame(frames[id - first] as Uint8Array);
      touched.add(id);
    }
    const dirty = this.#bytes(this.#kernel.dirtyAt(), this.size);
    for (let id = dirty.indexOf(1); id >= 0; id = dirty.indexOf(1, id + 1)) touched.add(id);
    dirty.fill(0);
    while (this.size < until) addOne();
    return touched;
  }

  /** Ends the other threads; the graph stays, and goes on with one. */
  dismiss(): void {
    if (this.#threads !== "working") return;
    this.#threads = "dismissed";
    this.#kernel.dismiss();
  }

  /** Levels and lists, for `load`: of the nodes before the batch of the newest. */
  lists(): Uint8Array {
    const nodes = mhnsw.isBatchStart(this.size) ? this.size : this.#kernel.batchStartNode();
    const stood = (id: number, layer: number): Int32Array =>
      this.#list(
        nodes === this.size ? this.#kernel.listAt(id, layer) : this.#kernel.stoodAt(id, layer),
      );
    return encodeLists(nodes, (id) => this.level(id), stood);
  }

  /**
   * Fills an empty graph from a snapshot; returns how many nodes it has. The rest is added. That the
   * lists are those of the index shows the root, once every leaf is hashed again.
   */
  load(
    lists: Uint8Array,
    vector: (id: number) => Int16Array,
    frame: (id: number) => Uint8Array,
  ): Result<number, SnapshotError> {
    assert(this.size === 0, "a graph is loaded once, and first");
    const { m } = this.parameters;
    const snapshot = checkSnapshot(lists, m, this.#nodesMax, this.#aboveMax);
    if (!snapshot.ok) return snapshot;
    const { nodes, levels } = snapshot.value;
    for (let id = 0; id < nodes; id++) {
      this.#place(id, vector(id));
      this.#kernel.setLevel(id, levels[id] as number);
      this.#kernel.restore();
      this.#frame(frame(id));
    }
    const { words } = this.#views;
    eachList(lists, snapshot.value, m, (id, layer, list, length) => {
      const at = this.#kernel.listAt(id, layer) >>> 2;
      words[at] = length;
      for (let i = 0; i < length; i++) words[at + 1 + i] = list[i] as number;
    });
    return ok(nodes);
  }

  search(query: mhnsw.Query, wanted: mhnsw.SearchParameters): readonly mhnsw.Answer[] {
    mhnsw.checkSearch(wanted);
    assert(query.whole.length === this.parameters.dimension, "a query of another dimension");
    const { shorts, words, doubles } = this.#views;
    shorts.set(query.whole, this.#kernel.wholeQuery() >>> 1);
    const { ef, rerank, final, k } = wanted;
    const found = this.#kernel.search(ef, rerank, final, k);
    const [ids, scores] = [this.#kernel.answersAt() >>> 2, this.#kernel.scoresAt() >>> 3];
    const answers: mhnsw.Answer[] = [];
    for (let i = 0; i < found; i++) {
      answers.push({ id: words[ids + i] as number, score: doubles[scores + i] as number });
    }
    return answers;
  }

  /** The same search, with what it read. */
  find(query: mhnsw.Query, wanted: mhnsw.SearchParameters): mhnsw.Found {
    const answers = this.search(query, wanted);
    const kernel = this.#kernel;
    const opened = new Map<number, Set<number>>();
    for (const step of this.#words(kernel.trailAt(), kernel.trailed())) {
      const [id, layer] = [step >>> 4, step & 15];
      const layers = opened.get(id);
      if (layers === undefined) opened.set(id, new Set([layer]));
      else layers.add(layer);
    }
    const passed = [...this.#words(kernel.passedAt(), kernel.passedOver())];
    const ranked = [...this.#words(kernel.liveAt(), kernel.lived())];
    return {
      answers,
      trace: { opened, passed, ranked },
      final: ranked.slice(0, kernel.finals()),
    };
  }
}
