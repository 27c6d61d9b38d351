/**
 * The root of an index: `specs/scs/mhnsw.md`, section 7. A leaf for every node commits to its vector,
 * its record and, by layer, to its neighbours with their codes; a binary tree over the leaves by number.
 *
 * Kept up to date: adding a node changes the leaves of few others, and `root` hashes those and what is
 * above them, level by level. Bounds: 64 bytes a node for leaves and tree, 32 for its vector's hash.
 */
import { assert, concatBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import { uintLE, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { GraphView } from "./graph.ts";
import { mhnswAlgorithm, type MhnswParameters, type StoredVector } from "./parameters.ts";

/** Of a leaf it is 0, of a list of neighbours 2. */
const tag = { node: 1, vector: 3, root: 4 } as const;
export const hashBytes = 32;

/** Five bits a component, one after the other from the least significant bit on. */
export const packLower = (lower: Uint8Array): Uint8Array => {
  assert(lower.length % 8 === 0, "a dimension");
  const packed = new Uint8Array((lower.length * 5) / 8);
  for (let i = 0, at = 0; i < lower.length; i += 8, at += 5) {
    const [b, d] = [lower[i + 1] as number, lower[i + 3] as number];
    const [e, g] = [lower[i + 4] as number, lower[i + 6] as number];
    packed[at] = (lower[i] as number) | (b << 5);
    packed[at + 1] = (b >> 3) | ((lower[i + 2] as number) << 2) | (d << 7);
    packed[at + 2] = (d >> 1) | (e << 4);
    packed[at + 3] = (e >> 4) | ((lower[i + 5] as number) << 1) | (g << 6);
    packed[at + 4] = (g >> 2) | ((lower[i + 7] as number) << 3);
  }
  return packed;
};

/** Both parts apart, so that a proof can open the upper bits alone. */
export const vectorHash = (hashing: Hashing, { upper, lower }: StoredVector): Uint8Array =>
  hashing.sha256(
    concatBytes(
      Uint8Array.of(tag.vector),
      uintLE(upper.length, 2),
      hashing.sha256(upper),
      hashing.sha256(packLower(lower)),
    ),
  );

export const neighboursHash = (
  hashing: Hashing,
  graph: GraphView,
  id: number,
  layer: number,
): Uint8Array => hashing.sha256(graph.preimage(id, layer));

/** What a leaf commits to. */
export interface LeafParts {
  readonly id: number;
  readonly level: number;
  readonly isGone: boolean;
  readonly vector: Uint8Array;
  readonly record: Uint8Array;
  /** Hashes of its lists, layer 0 first. */
  readonly lists: readonly Uint8Array[];
}

export const hashLeaf = (hashing: Hashing, leaf: LeafParts): Uint8Array => {
  const { id, level, isGone, vector, record, lists } = leaf;
  const bytes = new Uint8Array(11 + (lists.length + 2) * hashBytes);
  bytes.set(uintLE(id, 8), 1);
  bytes[9] = level;
  bytes[10] = isGone ? 1 : 0;
  bytes.set(vector, 11);
  bytes.set(record, 11 + hashBytes);
  for (const [layer, list] of lists.entries()) bytes.set(list, 11 + (layer + 2) * hashBytes);
  return hashing.sha256(bytes);
};

export const hashPair = (hashing: Hashing, left: Uint8Array, right: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(1 + 2 * hashBytes);
  bytes[0] = tag.node;
  bytes.set(left, 1);
  bytes.set(right, 1 + hashBytes);
  return hashing.sha256(bytes);
};

const leafHash = (
  hashing: Hashing,
  graph: GraphView,
  id: number,
  vector: Uint8Array,
): Uint8Array => {
  const level = graph.level(id);
  const lists: Uint8Array[] = [];
  for (let layer = 0; layer <= level; layer++) {
    lists.push(neighboursHash(hashing, graph, id, layer));
  }
  const [isGone, record] = [graph.isGone(id), graph.frame(id)];
  return hashLeaf(hashing, { id, level, isGone, vector, record, lists });
};

/** Of an empty index: what stands for the tree's root. */
const nothing = new Uint8Array(hashBytes);

export const rootOf = (
  hashing: Hashing,
  { dimension, m, efConstruction, salt }: MhnswParameters,
  at: {
    readonly size: number;
    readonly entry: number;
    readonly entryCode: Uint8Array;
    readonly maxLevel: number;
    readonly tree: Uint8Array;
  },
): Uint8Array => {
  const name = utf8Encode(mhnswAlgorithm);
  return hashing.sha256(
    concatBytes(
      Uint8Array.of(tag.root),
      uintLE(name.length, 2),
      name,
      uintLE(dimension, 2),
      uintLE(m, 1),
      uintLE(efConstruction, 2),
      salt,
      uintLE(at.size, 8),
      uintLE(at.entry, 8),
      at.entryCode,
      uintLE(at.maxLevel, 1),
      at.tree,
    ),
  );
};

/** Hashes one after the other, in an array that grows by doubling. */
class Hashes {
  #bytes = new Uint8Array(64 * hashBytes);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Its own bytes, until something is set. */
  range(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from * hashBytes, to * hashBytes);
  }

  set(index: number, hashes: Uint8Array): void {
    const end = index * hashBytes + hashes.length;
    if (end > this.#bytes.length) {
      const longer = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes.set(hashes, index * hashBytes);
    this.#length = Math.max(this.#length, end / hashBytes);
  }
}

const rising = (a: number, b: number): number => a - b;

export class Commitment {
  readonly #hashing: Hashing;
  readonly #graph: GraphView;
  /** `#levels[0]` holds the leaves; what is beyond the end of a level is an empty subtree. */
  readonly #levels: Hashes[] = [new Hashes()];
  readonly #empty: Uint8Array[] = [nothing];
  readonly #vectors = new Hashes();
  /** 1: its vector was hashed. */
  #isHashed = new Uint8Array(64);
  #dirty = new Set<number>();

  constructor(hashing: Hashing, graph: GraphView) {
    this.#hashing = hashing;
    this.#graph = graph;
    for (let id = 0; id < graph.size; id++) this.#dirty.add(id);
  }

  /** Says that nodes are new or changed. */
  touch(ids: Iterable<number>): void {
    for (const id of ids) this.#dirty.add(id);
  }

  /** Levels above the leaves. */
  get depth(): number {
    const { size } = this.#graph;
    return size <= 1 ? 0 : Math.ceil(Math.log2(size));
  }

  vectorHash(id: number): Uint8Array {
    if (id >= this.#isHashed.length) {
      const longer = new Uint8Array(Math.max(id + 1, 2 * this.#isHashed.length));
      longer.set(this.#isHashed);
      this.#isHashed = longer;
    }
    if (this.#isHashed[id] === 0) {
      this.#vectors.set(id, vectorHash(this.#hashing, this.#graph.vector(id)));
      this.#isHashed[id] = 1;
    }
    return this.#vectors.range(id, id + 1).slice();
  }

  #hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
    return hashPair(this.#hashing, left, right);
  }

  #emptyAt(level: number): Uint8Array {
    for (let at = this.#empty.length; at <= level; at++) {
      const below = this.#empty[at - 1] as Uint8Array;
      this.#empty.push(this.#hashPair(below, below));
    }
    return this.#empty[level] as Uint8Array;
  }

  /** The hash of a subtree: `index` counts those of its level. Its own bytes. */
  at(level: number, index: number): Uint8Array {
    assert(this.#dirty.size === 0, "the root is asked for first");
    return this.#hashAt(level, index);
  }

  #hashAt(level: number, index: number): Uint8Array {
    const hashes = this.#levels[level];
    if (hashes === undefined || index >= hashes.length) return this.#emptyAt(level);
    return hashes.range(index, index + 1);
  }

  #update(): void {
    if (this.#dirty.size === 0) return;
    const changed = Int32Array.from(this.#dirty).sort(rising);
    const leaves = this.#levels[0] as Hashes;
    for (const id of changed) {
      leaves.set(id, leafHash(this.#hashing, this.#graph, id, this.vectorHash(id)));
    }
    this.#raise(changed);
    this.#dirty = new Set();
  }

  /** Hashes what is above leaves, which rise. */
  #raise(changed: Int32Array): void {
    let count = changed.length;
    for (let level = 1; level <= this.depth; level++) {
      const here = (this.#levels[level] ??= new Hashes());
      let above = 0;
      for (let i = 0; i < count; i++) {
        const index = (changed[i] as number) >> 1;
        if (above > 0 && changed[above - 1] === index) continue;
        changed[above++] = index;
        const [left, right] = [2 * index, 2 * index + 1];
        here.set(
          index,
          this.#hashPair(this.#hashAt(level - 1, left), this.#hashAt(level - 1, right)),
        );
      }
      count = above;
    }
  }

  /** Hashes of all leaves, one after the other: what `restore` takes. */
  leaves(): Uint8Array {
    this.#update();
    return (this.#levels[0] as Hashes).range(0, this.#graph.size).slice();
  }

  /**
   * Takes leaves as they were hashed before. The root shows whether they are those of the committed
   * index; that they are those of this graph shows when each is hashed again, all of them in an audit.
   */
  restore(leaves: Uint8Array): Result<true, Rejection<"E_STATE_INDEX">> {
    if (leaves.length !== this.#graph.size * hashBytes) {
      return err({ code: "E_STATE_INDEX", message: "the leaves are of another index" });
    }
    (this.#levels[0] as Hashes).set(0, leaves);
    this.#raise(Int32Array.from({ length: this.#graph.size }, (_, id) => id));
    this.#dirty = new Set();
    return ok(true);
  }

  root(): Uint8Array {
    this.#update();
    const { size, entry, maxLevel, parameters } = this.#graph;
    const entryCode =
      size === 0 ? new Uint8Array(parameters.dimension / 8) : this.#graph.code(entry);
    const tree = size === 0 ? nothing : this.at(this.depth, 0);
    return rootOf(this.#hashing, parameters, {
      size,
      entry: Math.max(0, entry),
      entryCode,
      maxLevel: Math.max(0, maxLevel),
      tree,
    });
  }
}
