/**
 * The index in WebAssembly: the graph and the answers of the reference in `@ioi/state`, byte for byte,
 * at the speed of the machine. Sources: `kernel/` of this package.
 *
 * The engine is given. A node's lists are read from the kernel's memory, so commitments and proofs are
 * made by the same code as over the reference. Bounds: laid out for `nodesMax` nodes in at most 4 GiB;
 * a larger index is an E_SCS_FULL, and its owner makes a new one.
 */
import { assert, OperationError } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { mhnsw } from "@ioi/state";

/** What a kernel offers; offsets in its memory are signed numbers of 32 bits. */
export interface KernelExports {
  readonly memory: { readonly buffer: ArrayBufferLike };
  init(dimension: number, m: number, efConstruction: number, nodes: number, above: number): void;
  upperAt(id: number): number;
  lowerAt(id: number): number;
  wholeQuery(): number;
  answersAt(): number;
  scoresAt(): number;
  touchedAt(): number;
  touched(): number;
  entryNode(): number;
  topLevel(): number;
  nodes(): number;
  levelAt(id: number): number;
  goneAt(id: number): number;
  bury(id: number): void;
  listAt(id: number, layer: number): number;
  add(level: number): number;
  search(ef: number, rerank: number, final: number, k: number): number;
}

/** Where the memory of a kernel can be read and written. */
interface Views {
  readonly bytes: Uint8Array;
  readonly shorts: Int16Array;
  readonly words: Int32Array;
  readonly longs: BigInt64Array;
}

const padTo = 64;

export class KernelGraph implements mhnsw.GraphView {
  readonly parameters: mhnsw.MhnswParameters;
  readonly #hashing: Hashing;
  readonly #kernel: KernelExports;
  readonly #nodesMax: number;
  readonly #frames: Uint8Array[] = [];
  #views: Views | undefined;

  constructor(
    hashing: Hashing,
    parameters: mhnsw.MhnswParameters,
    kernel: KernelExports,
    nodesMax: number,
  ) {
    mhnsw.checkParameters(parameters);
    this.parameters = parameters;
    this.#hashing = hashing;
    this.#kernel = kernel;
    this.#nodesMax = nodesMax;
    const { dimension, m, efConstruction } = parameters;
    // A fifteenth of the nodes stands above the bottom, all layers together; twice that is room enough.
    const above = Math.ceil(nodesMax / 7) + 64;
    try {
      kernel.init(dimension, m, efConstruction, nodesMax, above);
    } catch (cause) {
      const why = `no room for an index of ${nodesMax} nodes`;
      throw new OperationError("E_SCS_FULL", why, { cause });
    }
  }

  /** The memory moves when it grows. */
  #memory(): Views {
    const { buffer } = this.#kernel.memory;
    if (this.#views?.bytes.buffer !== buffer) {
      this.#views = {
        bytes: new Uint8Array(buffer),
        shorts: new Int16Array(buffer),
        words: new Int32Array(buffer),
        longs: new BigInt64Array(buffer),
      };
    }
    return this.#views;
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
    const frame = this.#frames[id];
    assert(frame !== undefined, `no node ${id}`);
    return frame;
  }

  isGone(id: number): boolean {
    return this.#kernel.goneAt(id) !== 0;
  }

  vector(id: number): mhnsw.StoredVector {
    const { bytes } = this.#memory();
    const { dimension } = this.parameters;
    const [upper, lower] = [this.#kernel.upperAt(id) >>> 0, this.#kernel.lowerAt(id) >>> 0];
    return {
      upper: bytes.slice(upper, upper + dimension),
      lower: bytes.slice(lower, lower + dimension),
    };
  }

  code(id: number): Uint8Array {
    return mhnsw.codeOf(this.vector(id).upper);
  }

  neighbours(id: number, layer: number): readonly number[] {
    const { words } = this.#memory();
    const at = (this.#kernel.listAt(id, layer) >>> 0) >> 2;
    return [...words.subarray(at + 1, at + 1 + (words[at] as number))];
  }

  bury(id: number): void {
    this.#kernel.bury(id);
  }

  /** Adds a vector; returns its number and the nodes that changed, itself among them. */
  add(components: Int16Array, frame: Uint8Array): mhnsw.Added {
    const { dimension, salt } = this.parameters;
    assert(components.length === dimension, `a vector of ${components.length} components`);
    const id = this.size;
    if (id >= this.#nodesMax) throw new OperationError("E_SCS_FULL", `the index has ${id} nodes`);
    const { bytes } = this.#memory();
    const [upper, lower] = [this.#kernel.upperAt(id) >>> 0, this.#kernel.lowerAt(id) >>> 0];
    for (const [i, component] of components.entries()) {
      bytes[upper + i] = mhnsw.upper(component);
      bytes[lower + i] = mhnsw.lower(component);
    }
    bytes.fill(64, upper + dimension, upper + Math.ceil(dimension / padTo) * padTo);
    this.#frames.push(frame);
    this.#kernel.add(mhnsw.levelOf(this.#hashing, salt, id));
    const from = (this.#kernel.touchedAt() >>> 0) >> 2;
    const touched = this.#memory().words.subarray(from, from + this.#kernel.touched());
    return { id, touched: new Set([id, ...touched]) };
  }

  search(query: mhnsw.Query, wanted: mhnsw.SearchParameters): readonly mhnsw.Answer[] {
    mhnsw.checkSearch(wanted);
    const { shorts, words, longs } = this.#memory();
    shorts.set(query.whole, (this.#kernel.wholeQuery() >>> 0) >> 1);
    const { ef, rerank, final, k } = wanted;
    const found = this.#kernel.search(ef, rerank, final, k);
    const ids = (this.#kernel.answersAt() >>> 0) >> 2;
    const scores = (this.#kernel.scoresAt() >>> 0) >> 3;
    return Array.from({ length: found }, (_, i) => ({
      id: words[ids + i] as number,
      score: Number(longs[scores + i]),
    }));
  }
}
