/**
 * One commit of a Jellyfish Merkle tree: the sorted changes go down the tree together, each node on
 * the way is read once, and each new one hashed once.
 *
 * Source: penumbra `jmt`, batch updates. Invariants: no node is changed in place; a subtree of one
 * leaf is that leaf, so that the shape depends on the content alone; what the new version no longer
 * uses is named stale.
 */
import { assert, compareBytes, equalBytes, type KeyValueOp } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { TreeStore } from "../store.ts";
import { leafHashOf, nibbleAt } from "./hash.ts";
import { withNibble, nodePlace, stalePlace } from "./keys.ts";
import {
  type Child,
  childrenMax,
  decodeNode,
  encodeNode,
  type Internal,
  internalHash,
  type Leaf,
  type Node,
} from "./node.ts";

export interface Change {
  readonly keyHash: Uint8Array;
  /** Undefined deletes. */
  readonly valueHash: Uint8Array | undefined;
}

/** A subtree: stored, or made by this commit and not written yet. */
export interface Subtree extends Child {
  readonly made?: Node;
}

export class Update {
  readonly #store: TreeStore;
  readonly #hashing: Hashing;
  readonly #version: bigint;
  /** Sorted by the keys' hashes, one for each. */
  readonly #changes: readonly Change[];
  readonly ops: KeyValueOp[] = [];

  constructor(store: TreeStore, hashing: Hashing, version: bigint, changes: readonly Change[]) {
    this.#store = store;
    this.#hashing = hashing;
    this.#version = version;
    this.#changes = changes.toSorted((a, b) => compareBytes(a.keyHash, b.keyHash));
  }

  /** The new root, its node among `ops`; undefined where nothing is left. */
  run(root: Child | undefined): Child | undefined {
    const first = this.#changes[0];
    if (first === undefined) return root;
    const subtree = this.#update(root, 0, this.#changes);
    if (subtree?.made === undefined) return subtree;
    return this.#write(subtree, first.keyHash, 0);
  }

  #load(child: Child, keyHash: Uint8Array, depth: number): Node {
    const bytes = this.#store.get(nodePlace(child.version, keyHash, depth));
    assert(bytes !== undefined, "a node of a kept version");
    return decodeNode(bytes);
  }

  #stale(child: Child, keyHash: Uint8Array, depth: number): void {
    const key = stalePlace(this.#version, nodePlace(child.version, keyHash, depth));
    this.ops.push({ type: "put", key, value: new Uint8Array(0) });
  }

  #write(subtree: Subtree, keyHash: Uint8Array, depth: number): Child {
    const { made, version, hash, leaf } = subtree;
    if (made !== undefined) {
      const key = nodePlace(version, keyHash, depth);
      this.ops.push({ type: "put", key, value: encodeNode(made) });
    }
    return { version, hash, leaf };
  }

  #leaf(leaf: Leaf): Subtree {
    const hash = leafHashOf(this.#hashing, leaf.keyHash, leaf.valueHash);
    return { version: this.#version, hash, leaf: true, made: leaf };
  }

  /** An internal node over children, those made by this commit written below it. */
  #internal(
    keyHash: Uint8Array,
    depth: number,
    children: readonly (Subtree | undefined)[],
  ): Subtree {
    const made: Internal = {
      type: "internal",
      children: children.map(
        (child, nibble) =>
          child && this.#write(child, withNibble(keyHash, depth, nibble), depth + 1),
      ),
    };
    return { version: this.#version, hash: internalHash(this.#hashing, made), leaf: false, made };
  }

  #update(
    old: Subtree | undefined,
    depth: number,
    changes: readonly Change[],
  ): Subtree | undefined {
    const first = changes[0];
    if (first === undefined) return old;
    if (old === undefined) return this.#build(depth, leavesOf(changes));
    const node = this.#load(old, first.keyHash, depth);
    if (node.type === "internal") return this.#updateInternal(old, node, depth, changes);
    const leaves = leavesOf(changes);
    if (!changes.some(({ keyHash }) => equalBytes(keyHash, node.keyHash))) {
      leaves.push(node);
      leaves.sort((a, b) => compareBytes(a.keyHash, b.keyHash));
    }
    const [only] = leaves;
    if (leaves.length === 1 && only !== undefined && sameLeaf(only, node)) return old;
    this.#stale(old, first.keyHash, depth);
    return this.#build(depth, leaves);
  }

  #updateInternal(
    old: Subtree,
    node: Internal,
    depth: number,
    changes: readonly Change[],
  ): Subtree | undefined {
    const children: (Subtree | undefined)[] = [...node.children];
    let changed = false;
    for (const [nibble, part] of groups(changes, depth)) {
      const child = this.#update(children[nibble], depth + 1, part);
      if (child === children[nibble]) continue;
      children[nibble] = child;
      changed = true;
    }
    if (!changed) return old;
    const path = (changes[0] as Change).keyHash;
    this.#stale(old, path, depth);
    const live = children.flatMap((child, nibble) => (child ? [{ child, nibble }] : []));
    const only = live.length === 1 ? live[0] : undefined;
    if (live.length === 0) return undefined;
    if (only?.child.leaf !== true) return this.#internal(path, depth, children);
    // The last leaf of a subtree moves up to where the subtree was.
    if (only.child.made !== undefined) return only.child;
    const below = withNibble(path, depth, only.nibble);
    const leaf = this.#load(only.child, below, depth + 1);
    assert(leaf.type === "leaf", "a leaf that its parent calls one");
    this.#stale(only.child, below, depth + 1);
    return { ...only.child, version: this.#version, made: leaf };
  }

  #build(depth: number, leaves: readonly Leaf[]): Subtree | undefined {
    const [first] = leaves;
    if (first === undefined) return undefined;
    if (leaves.length === 1) return this.#leaf(first);
    const children = Array.from<Subtree | undefined>({ length: childrenMax });
    for (const [nibble, part] of groups(leaves, depth)) {
      children[nibble] = this.#build(depth + 1, part);
    }
    return this.#internal(first.keyHash, depth, children);
  }
}

const leavesOf = (changes: readonly Change[]): Leaf[] =>
  changes.flatMap(({ keyHash, valueHash }) =>
    valueHash === undefined ? [] : [{ type: "leaf", keyHash, valueHash } as const],
  );

const sameLeaf = (a: Leaf, b: Leaf): boolean =>
  equalBytes(a.keyHash, b.keyHash) && equalBytes(a.valueHash, b.valueHash);

/** Runs of one nibble, of what is sorted by the keys' hashes. */
function* groups<T extends { readonly keyHash: Uint8Array }>(
  sorted: readonly T[],
  depth: number,
): Generator<readonly [number, readonly T[]], void, undefined> {
  for (let from = 0; from < sorted.length;) {
    const nibble = nibbleAt((sorted[from] as T).keyHash, depth);
    let to = from + 1;
    while (to < sorted.length && nibbleAt((sorted[to] as T).keyHash, depth) === nibble) to++;
    yield [nibble, sorted.slice(from, to)];
    from = to;
  }
}
