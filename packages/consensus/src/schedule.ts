/**
 * Who leads a view (R5): a tenure of `tenureViews` views has one leader, drawn by power from a seed.
 *
 * Pure function of seed, set and tenure, so that all agree without a message. The draw is 16 bytes of a
 * hash modulo the total power, which is below 2^62: the bias is below 2^-66.
 */
import { concatBytes, uintBE } from "@ioi/base";
import { domainHash, domains, type Hashing } from "@ioi/crypto";
import { tenureViews } from "./limits.ts";
import type { ValidatorSet } from "./validators.ts";

/** Views 1 to 16 are tenure 0, and so on. */
export const tenureOf = (view: bigint, views = tenureViews): bigint => (view - 1n) / views;
export const firstViewOf = (tenure: bigint, views = tenureViews): bigint => tenure * views + 1n;
/** E of a view: the last one of its tenure. */
export const lastViewOf = (view: bigint, views = tenureViews): bigint =>
  firstViewOf(tenureOf(view, views) + 1n, views) - 1n;
/** The first tenure start above `view`. */
export const nextTenureStart = (view: bigint): bigint =>
  view === 0n ? 1n : firstViewOf(tenureOf(view) + 1n);

/** Leaders that are not drawn, for exploration: of each view, in tenures of so many views. */
export interface GivenLeaders {
  readonly views: bigint;
  readonly leader: (view: bigint) => number;
}

export class Schedule {
  readonly #hashing: Hashing;
  readonly #seed: Uint8Array;
  readonly #set: ValidatorSet;
  readonly #given: GivenLeaders | undefined;
  #last: { readonly tenure: bigint; readonly leader: number } | undefined;

  constructor(hashing: Hashing, seed: Uint8Array, set: ValidatorSet, given?: GivenLeaders) {
    this.#given = given;
    this.#hashing = hashing;
    this.#seed = seed;
    this.#set = set;
  }

  /** Of a tenure. */
  get views(): bigint {
    return this.#given?.views ?? tenureViews;
  }

  leader(view: bigint): number {
    if (this.#given !== undefined) return this.#given.leader(view);
    const tenure = tenureOf(view);
    if (this.#last?.tenure !== tenure) this.#last = { tenure, leader: this.#draw(tenure) };
    return this.#last.leader;
  }

  #draw(tenure: bigint): number {
    const drawn = domainHash(
      this.#hashing,
      domains.leader,
      concatBytes(this.#seed, uintBE(tenure, 8)),
    );
    let ticket = 0n;
    for (const byte of drawn.subarray(0, 16)) ticket = (ticket << 8n) | BigInt(byte);
    ticket %= this.#set.total;
    for (const [index, { power }] of this.#set.entries.entries()) {
      if (ticket < power) return index;
      ticket -= power;
    }
    return 0;
  }
}
