/**
 * Randomness from a seed, equal on every platform and in every release: xoshiro128** (Blackman and
 * Vigna, 2018; 32-bit words, period 2^128 - 1). The four words of state come from the seed's UTF-8:
 * FNV-1a (32 bit) of the bytes, then four steps of splitmix32 with the FNV offset of each word
 * mixed in. For simulation, tests and jitter; never for keys or nonces.
 */
import type { Random } from "./ports.ts";
import { assert } from "./result.ts";
import { utf8Encode } from "./text.ts";

const fnv1a = (bytes: Uint8Array, start: number): number => {
  let hash = start;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
};

const splitmix32 = (state: number): number => {
  let z = (state + 0x9e3779b9) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
};

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

export class SeededRandom implements Random {
  readonly seed: string;
  readonly #state = new Uint32Array(4);

  constructor(seed: string) {
    this.seed = seed;
    const bytes = utf8Encode(seed);
    let mixed = 0;
    for (let i = 0; i < 4; i++) {
      mixed = splitmix32((mixed ^ fnv1a(bytes, (0x811c9dc5 + i) >>> 0)) >>> 0);
      this.#state[i] = mixed;
    }
    // The one forbidden state.
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** A generator of its own, independent of how much was drawn from this one. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${label}`);
  }

  /** Uniform over [0, 2^32). */
  u32(): number {
    const s = this.#state;
    const [s0, s1, s2, s3] = [s[0] ?? 0, s[1] ?? 0, s[2] ?? 0, s[3] ?? 0];
    const result = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
    const t2 = s2 ^ s0;
    const t3 = s3 ^ s1;
    s[1] = s1 ^ t2;
    s[0] = s0 ^ t3;
    s[2] = t2 ^ (s1 << 9);
    s[3] = rotate(t3, 11);
    return result;
  }

  /** Uniform over [0, bound), without the bias of a remainder. */
  below(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 32, `below(${bound})`);
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const word = this.u32();
      if (word < limit) return word % bound;
    }
  }

  /** Uniform over [0, 1), 32 bits of it. */
  float(): number {
    return this.u32() / 2 ** 32;
  }

  /** True in `numerator` of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  pick<T>(items: readonly T[]): T {
    assert(items.length > 0, "pick of nothing");
    return items[this.below(items.length)] as T;
  }

  /** A new array in random order (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const all = [...items];
    for (let i = all.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [all[i], all[j]] = [all[j] as T, all[i] as T];
    }
    return all;
  }

  /** Little-endian words. */
  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.u32();
      for (let j = 0; j < 4 && i + j < bytes.length; j++) bytes[i + j] = (word >>> (8 * j)) & 0xff;
    }
    return bytes;
  }
}
