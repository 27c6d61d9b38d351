/**
 * The root of an index: `specs/scs/mhnsw.md`, section 7. A leaf for every node commits to its vector,
 * its record and, by layer, to its neighbours with their codes; a binary tree over the leaves by number.
 *
 * Kept up to date: adding a node changes the leaves of few others, and `root` hashes those and what is
 * above them, level by level.
 */
import { assert, concatBytes, uintLE, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { GraphView } from "./graph.ts";
import { mhnswAlgorithm, type MhnswParameters, type StoredVector } from "./parameters.ts";

const tag = {
  leaf: Uint8Array.of(0),
  node: Uint8Array.of(1),
  neighbours: Uint8Array.of(2),
  vector: Uint8Array.of(3),
  root: Uint8Array.of(4),
};
export const hashBytes = 32;

/** Five bits a component, one after the other from the least significant bit on. */
export const packLower = (lower: Uint8Array): Uint8Array => {
  const packed = new Uint8Array(Math.ceil((lower.length * 5) / 8));
  for (const [i, value] of lower.entries()) {
    const bit = i * 5;
    const shifted = value << (bit & 7);
    packed[bit >> 3] = (packed[bit >> 3] as number) | (shifted & 0xff);
    if (shifted > 0xff) packed[(bit >> 3) + 1] = shifted >> 8;
  }
  return packed;
};

/** Both parts apart, so that a proof can open the upper bits alone. */
export const vectorHash = (hashing: Hashing, { upper, lower }: StoredVector): Uint8Array =>
  hashing.sha256(
    concatBytes(
      tag.vector,
      uintLE(upper.length, 2),
      hashing.sha256(upper),
      hashing.sha256(packLower(lower)),
    ),
  );

export const neighboursHash = (hashing: Hashing, graph: GraphView, id: number, layer: number) => {
  const all = graph.neighbours(id, layer);
  const parts = all.flatMap((other) => [uintLE(other, 4), graph.code(other)]);
  return hashing.sha256(concatBytes(tag.neighbours, uintLE(all.length, 1), ...parts));
};

export const leafHash = (
  hashing: Hashing,
  graph: GraphView,
  id: number,
  vector: Uint8Array,
): Uint8Array => {
  const level = graph.level(id);
  const layers = Array.from({ length: level + 1 }, (_, layer) =>
    neighboursHash(hashing, graph, id, layer),
  );
  const head = concatBytes(tag.leaf, uintLE(id, 8), Uint8Array.of(level, graph.isGone(id) ? 1 : 0));
  return hashing.sha256(concatBytes(head, vector, graph.frame(id), ...layers));
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
      tag.root,
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

export class Commitment {
  readonly #hashing: Hashing;
  readonly #graph: GraphView;
  /** `#levels[0]` holds the leaves; what is missing on a level is an empty subtree. */
  readonly #levels: Uint8Array[][] = [[]];
  readonly #empty: Uint8Array[] = [nothing];
  readonly #vectors: Uint8Array[] = [];
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
    return (this.#vectors[id] ??= vectorHash(this.#hashing, this.#graph.vector(id)));
  }

  #emptyAt(level: number): Uint8Array {
    for (let at = this.#empty.length; at <= level; at++) {
      const below = this.#empty[at - 1] as Uint8Array;
      this.#empty.push(this.#hashing.sha256(concatBytes(tag.node, below, below)));
    }
    return this.#empty[level] as Uint8Array;
  }

  /** The hash of a subtree: `index` counts those of its level. */
  at(level: number, index: number): Uint8Array {
    assert(this.#dirty.size === 0, "the root is asked for first");
    return this.#levels[level]?.[index] ?? this.#emptyAt(level);
  }

  #update(): void {
    const leaves = this.#levels[0] as Uint8Array[];
    for (const id of this.#dirty) {
      leaves[id] = leafHash(this.#hashing, this.#graph, id, this.vectorHash(id));
    }
    let changed = this.#dirty;
    for (let level = 1; level <= this.depth; level++) {
      const below = this.#levels[level - 1] as Uint8Array[];
      const here = (this.#levels[level] ??= []);
      const empty = this.#emptyAt(level - 1);
      const parents = new Set([...changed].map((index) => index >> 1));
      // A tree that became deeper has a level that was never hashed.
      if (here.length === 0) for (let i = 0; 2 * i < below.length; i++) parents.add(i);
      for (const index of parents) {
        const [left = empty, right = empty] = [below[2 * index], below[2 * index + 1]];
        here[index] = this.#hashing.sha256(concatBytes(tag.node, left, right));
      }
      changed = parents;
    }
    this.#dirty = new Set();
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
