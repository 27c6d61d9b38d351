import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { randomCases } from "../src/compliance/index.ts";
import { InvariantError, SeededRandom } from "../src/index.ts";

for (const { name, run } of randomCases) {
  test(`Random: ${name}`, () => run({ random: new SeededRandom("compliance") }));
}

/** The published algorithm in big integers, with the state given. */
const reference = function* (state: readonly [bigint, bigint, bigint, bigint]) {
  const mask = 0xffff_ffffn;
  const rotate = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask;
  let [s0, s1, s2, s3] = state;
  for (;;) {
    yield Number((rotate((s1 * 5n) & mask, 7n) * 9n) & mask);
    const t = (s1 << 9n) & mask;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= t;
    s3 = rotate(s3, 11n);
  }
};

/** The documented seeding, in big integers. */
const seedState = (seed: string): readonly [bigint, bigint, bigint, bigint] => {
  const mask = 0xffff_ffffn;
  const fnv = (start: bigint): bigint => {
    let hash = start;
    for (const byte of Buffer.from(seed)) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & mask;
    return hash;
  };
  const splitmix = (state: bigint): bigint => {
    let z = (state + 0x9e3779b9n) & mask;
    z = ((z ^ (z >> 16n)) * 0x85ebca6bn) & mask;
    z = ((z ^ (z >> 13n)) * 0xc2b2ae35n) & mask;
    return z ^ (z >> 16n);
  };
  const words: bigint[] = [];
  let mixed = 0n;
  for (let i = 0n; i < 4n; i++) {
    mixed = splitmix(mixed ^ fnv(0x811c9dc5n + i));
    words.push(mixed);
  }
  const [a = 0n, b = 0n, c = 0n, d = 0n] = words;
  return [a, b, c, d];
};

test("the words are those of xoshiro128** from the documented seeding", () => {
  for (const seed of ["", "a", "seed 1", "größer", "x".repeat(1000)]) {
    const random = new SeededRandom(seed);
    const words = reference(seedState(seed));
    for (let i = 0; i < 1000; i++) assert.equal(random.u32(), words.next().value, seed);
  }
});

test("the sequence of a seed never changes", () => {
  const bytes = new SeededRandom("frozen").fill(new Uint8Array(4096));
  const digest = createHash("sha256").update(bytes).digest("hex");
  assert.equal(digest, "836a86e8c353aeda8926799869879c458b44d9bb9617be38dbdfb74f6dc34d48");
});

test("bytes are the words, little-endian, also where they end within a word", () => {
  const [words, bytes] = [new SeededRandom("s"), new SeededRandom("s").fill(new Uint8Array(7))];
  const expected = Buffer.alloc(8);
  expected.writeUInt32LE(words.u32(), 0);
  expected.writeUInt32LE(words.u32(), 4);
  assert.deepEqual(bytes, new Uint8Array(expected.subarray(0, 7)));
});

test("below is within its bound and reaches all of it", () => {
  const random = new SeededRandom("below");
  const seen = Array.from({ length: 7 }, () => 0);
  for (let i = 0; i < 70_000; i++) {
    const value = random.below(7);
    seen[value] = (seen[value] ?? 0) + 1;
  }
  assert.equal(seen.length, 7);
  for (const count of seen) assert.ok(Math.abs(count - 10_000) < 1000, `${seen.join(" ")}`);
  assert.equal(random.below(1), 0);
  for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) {
    assert.throws(() => random.below(bound), InvariantError);
  }
  assert.ok(random.below(2 ** 32) >= 0);
});

test("a fork depends on seed and label alone", () => {
  const random = new SeededRandom("fork");
  const first = random.fork("a").u32();
  random.u32();
  assert.equal(random.fork("a").u32(), first);
  assert.notEqual(random.fork("b").u32(), first);
});

test("pick, shuffle, chance and float", () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.nat(), { minLength: 1 }), (seed, items) => {
      const random = new SeededRandom(seed);
      const before = [...items];
      const byValue = (a: number, b: number): number => a - b;
      assert.deepEqual(random.shuffle(items).toSorted(byValue), items.toSorted(byValue));
      assert.deepEqual(items, before);
      assert.ok(items.includes(random.pick(items)));
      const float = random.float();
      assert.ok(float >= 0 && float < 1);
      assert.equal(random.chance(0, 3), false);
      assert.equal(random.chance(3, 3), true);
    }),
  );
  assert.throws(() => new SeededRandom("x").pick([]), InvariantError);
});
