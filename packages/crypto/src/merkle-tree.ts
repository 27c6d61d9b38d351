/**
 * The Merkle tree of an append-only log.
 *
 * Source: RFC 9162, section 2.1 (the shapes of RFC 6962) with SHA-256: leaf hash = H(0x00 || leaf),
 * node hash = H(0x01 || left || right), the empty tree's root is H("").
 *
 * `MerkleTree` keeps the leaves and the hash of every complete subtree of 32 leaves or more (34 bytes a
 * leaf): roots and proofs at any size it ever had, smaller subtrees hashed again when they are asked for.
 * It appends in amortised O(1), at worst O(log n), hashes.
 * Bounds: 2^53 - 1 leaves. Asking for a proof outside the tree is a bug; check user input first.
 */
import { assert } from "@ioi/base";
import type { Hashing } from "./provider.ts";

export const hashBytes = 32;

const LEAF = Uint8Array.of(0);

/** H(0x00 || leaf). */
export const leafHash = (provider: Hashing, leaf: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(1 + leaf.length);
  bytes.set(LEAF);
  bytes.set(leaf, 1);
  return provider.sha256(bytes);
};

/** H(0x01 || left || right). */
export const nodeHash = (provider: Hashing, left: Uint8Array, right: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(1 + 2 * hashBytes);
  bytes[0] = 1;
  bytes.set(left, 1);
  bytes.set(right, 1 + hashBytes);
  return provider.sha256(bytes);
};

export const emptyRoot = (provider: Hashing): Uint8Array => provider.sha256(new Uint8Array(0));

const assertHash = (hash: Uint8Array): void =>
  assert(hash.length === hashBytes, `a hash of ${hash.length} bytes`);

/** Largest power of two below `size`. */
const splitOf = (size: number): number => {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
};

/** Of a power of two. */
const levelOf = (size: number): number => {
  let level = 0;
  for (let power = size; power > 1; power /= 2) level++;
  return level;
};

/** Levels between the leaves and the lowest that is kept are not. */
const keptFrom = 5;
const pageHashes = 128;

/** One level's hashes, end to end, in pages: what is there never moves. */
class Level {
  readonly #pages: Uint8Array[] = [];
  #count = 0;

  push(hash: Uint8Array): void {
    const page = Math.floor(this.#count / pageHashes);
    const bytes = (this.#pages[page] ??= new Uint8Array(pageHashes * hashBytes));
    bytes.set(hash, (this.#count % pageHashes) * hashBytes);
    this.#count++;
  }

  cut(count: number): void {
    this.#count = Math.min(this.#count, count);
  }

  at(index: number): Uint8Array {
    assert(index < this.#count, "a subtree outside the tree");
    const from = (index % pageHashes) * hashBytes;
    return (this.#pages[Math.floor(index / pageHashes)] as Uint8Array).slice(
      from,
      from + hashBytes,
    );
  }
}

export class MerkleTree {
  readonly #provider: Hashing;
  /** `#levels[k]` holds the roots of the complete subtrees of 2^k leaves, in order, where they are kept. */
  readonly #levels: Level[] = [];
  #size = 0;

  constructor(provider: Hashing) {
    this.#provider = provider;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends H(0x00 || leaf); returns its index. */
  append(hash: Uint8Array): number {
    assertHash(hash);
    const index = this.#size++;
    assert(Number.isSafeInteger(this.#size), "the log is full");
    this.#level(0).push(hash);
    const size = this.#size;
    if (size % 2 ** keptFrom !== 0) return index;
    let node = this.#smaller(size - 2 ** keptFrom, 2 ** keptFrom);
    this.#level(keptFrom).push(node);
    for (
      let level = keptFrom, at = size / 2 ** keptFrom - 1;
      at % 2 === 1;
      level++, at = (at - 1) / 2
    ) {
      node = nodeHash(this.#provider, this.#level(level).at(at - 1), node);
      this.#level(level + 1).push(node);
    }
    return index;
  }

  /** Takes back all leaves but the first `size`: an append that did not come to be. */
  truncate(size: number): void {
    this.#assertWithin(size);
    this.#size = size;
    for (const level of this.#levels.keys()) {
      this.#levels[level]?.cut(Math.floor(size / 2 ** level));
    }
  }

  leaf(index: number): Uint8Array {
    this.#assertWithin(index + 1);
    return this.#level(0).at(index);
  }

  /** The root when the tree had `size` leaves; now, if none is given. */
  root(size: number = this.#size): Uint8Array {
    this.#assertWithin(size);
    return size === 0 ? emptyRoot(this.#provider) : this.#range(0, size);
  }

  /** Sibling hashes from the leaf up, as RFC 9162, section 2.1.3.1. */
  inclusionProof(index: number, size: number = this.#size): Uint8Array[] {
    this.#assertWithin(size);
    assert(
      Number.isSafeInteger(index) && index >= 0 && index < size,
      `no leaf ${index} of ${size}`,
    );
    const proof: Uint8Array[] = [];
    let from = 0;
    let to = size;
    while (to - from > 1) {
      const middle = from + splitOf(to - from);
      if (index < middle) {
        proof.push(this.#range(middle, to));
        to = middle;
      } else {
        proof.push(this.#range(from, middle));
        from = middle;
      }
    }
    return proof.reverse();
  }

  /** That the tree of `first` leaves is a prefix of that of `second`: RFC 9162, section 2.1.4.1. */
  consistencyProof(first: number, second: number = this.#size): Uint8Array[] {
    this.#assertWithin(second);
    assert(
      Number.isSafeInteger(first) && first > 0 && first <= second,
      `no consistency from ${first} to ${second}`,
    );
    const proof: Uint8Array[] = [];
    let from = 0;
    let to = second;
    // The old root itself is known to the verifier as long as only left turns were made.
    let whole = true;
    while (to !== first) {
      const middle = from + splitOf(to - from);
      if (first <= middle) {
        proof.push(this.#range(middle, to));
        to = middle;
      } else {
        proof.push(this.#range(from, middle));
        from = middle;
        whole = false;
      }
    }
    if (!whole) proof.push(this.#range(from, to));
    return proof.reverse();
  }

  #level(level: number): Level {
    return (this.#levels[level] ??= new Level());
  }

  #assertWithin(size: number): void {
    assert(
      Number.isSafeInteger(size) && size >= 0 && size <= this.#size,
      `the tree has ${this.#size} leaves, not ${size}`,
    );
  }

  /** Root of the leaves [from, to); `from` is a multiple of the power of two that covers them. */
  #range(from: number, to: number): Uint8Array {
    const size = to - from;
    const split = splitOf(size);
    if (size === 1 || split * 2 === size) {
      return this.#whole(from, size);
    }
    return nodeHash(this.#provider, this.#range(from, from + split), this.#range(from + split, to));
  }

  /** Root of a complete subtree. */
  #whole(from: number, size: number): Uint8Array {
    const level = levelOf(size);
    if (level > 0 && level < keptFrom) return this.#smaller(from, size);
    return this.#level(level).at(from / size);
  }

  /** The same of one that is not kept, from its leaves. */
  #smaller(from: number, size: number): Uint8Array {
    if (size === 1) return this.#level(0).at(from);
    const half = size / 2;
    return nodeHash(this.#provider, this.#smaller(from, half), this.#smaller(from + half, half));
  }
}
