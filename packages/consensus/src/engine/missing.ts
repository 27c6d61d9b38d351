/**
 * Blocks that are asked for by their hashes, and blocks that came before their parents.
 * Bounds: `missingBlocksMax` of each, least recently touched dropped first; a host that misses more than
 * that synchronises instead.
 */
import { equalBytes, Lru } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { ConsensusBlock } from "@ioi/wire";
import { missingBlocksMax } from "../limits.ts";
import { blockHash, keyOf } from "../objects.ts";

export class MissingBlocks {
  readonly #hashing: Hashing;
  readonly #wanted = new Map<string, Uint8Array>();
  readonly #waiting = new Lru<string, ConsensusBlock>(missingBlocksMax);
  /** By parent, so that the arrival of one is cheap. */
  readonly #byParent = new Lru<string, readonly string[]>(missingBlocksMax);

  constructor(hashing: Hashing) {
    this.#hashing = hashing;
  }

  get wanted(): Iterable<Uint8Array> {
    return this.#wanted.values();
  }

  isWanted(block: ConsensusBlock): boolean {
    return this.#wanted.has(keyOf(blockHash(this.#hashing, block.header)));
  }

  /** True if it was not asked for before. */
  want(digest: Uint8Array): boolean {
    const key = keyOf(digest);
    if (this.#wanted.has(key) || this.#waiting.has(key)) return false;
    const [oldest] = this.#wanted.keys();
    if (this.#wanted.size >= missingBlocksMax && oldest !== undefined) this.#wanted.delete(oldest);
    this.#wanted.set(key, digest);
    return true;
  }

  /** It is here, but its parent is not. */
  keep(block: ConsensusBlock): void {
    const key = keyOf(blockHash(this.#hashing, block.header));
    const parent = keyOf(block.header.parent);
    this.#wanted.delete(key);
    this.#waiting.set(key, block);
    const siblings = this.#byParent.get(parent) ?? [];
    if (!siblings.includes(key)) this.#byParent.set(parent, [...siblings.slice(-7), key]);
  }

  /** It is not valid, whoever certified it: it is not asked for any more. */
  drop(block: ConsensusBlock): void {
    const key = keyOf(blockHash(this.#hashing, block.header));
    this.#wanted.delete(key);
    this.#waiting.delete(key);
  }

  /** It is held: what waited for it, to be held next. */
  arrived(digest: Uint8Array): readonly ConsensusBlock[] {
    const key = keyOf(digest);
    this.#wanted.delete(key);
    this.#waiting.delete(key);
    const children = this.#byParent.get(key) ?? [];
    this.#byParent.delete(key);
    return children.flatMap((child) => {
      const block = this.#waiting.get(child);
      return block !== undefined && equalBytes(block.header.parent, digest) ? [block] : [];
    });
  }
}
