// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { wasmSource } from "@ioi/host/wasm";
import type { KernelExports } from "../src/kernel/exports.ts";
import * as builds from "../src/kernel/wasm.gen.ts";
import { Quantiser } from "../src/quantise.ts";

const seed = new Uint8Array(32).fill(1);

const gaussian = (random: SeededRandom): number => {
  let sum = 0;
  for (let i = 0; i < 12; i++) sum += random.below(1_000_001) / 1_000_000;
  return sum - 6;
};

const vectorOf = (random: SeededRandom, dimension: number): Float32Array =>
  Float32Array.from({ length: dimension }, () => gaussian(random));

const components = (quantiser: Quantiser, vector: Float32Array): Int16Array => {
  const made = quantiser.components(vector);
  assert.ok(made.ok, made.ok ? "" : made.error.message);
  return made.value;
};

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
};

test("angles are kept, for dimensions that are powers of two and those that are not", () => {
  const random = new SeededRandom("angles");
  for (const dimension of [8, 20, 64, 384, 768, 1000]) {
    const quantiser = new Quantiser(nodeCrypto, dimension, seed);
    for (let i = 0; i < 10; i++) {
      const a = vectorOf(random, dimension);
      const b = a.map((value) => value + gaussian(random) * 0.5);
      const kept = cosine(components(quantiser, a), components(quantiser, b));
      assert.ok(Math.abs(kept - cosine(a, b)) < 0.02, `${dimension}: ${kept} ${cosine(a, b)}`);
    }
  }
});

test("outlying dimensions do not eat the others: with the rotation, not without", () => {
  const random = new SeededRandom("outliers");
  const dimension = 256;
  const quantiser = new Quantiser(nodeCrypto, dimension, seed);
  const outlying = (vector: Float32Array): Float32Array =>
    vector.map((value, i) => (i % 64 === 0 ? 40 + value : value));
  let [rotated, plain] = [0, 0];
  for (let i = 0; i < 20; i++) {
    const a = outlying(vectorOf(random, dimension));
    const b = outlying(vectorOf(random, dimension));
    const scale = (Math.sqrt(dimension) * 64) / 3.5;
    const cut = (v: Float32Array): Float32Array => {
      const norm = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
      return v.map((x) => Math.max(-64, Math.min(63, Math.round((x / norm) * scale))));
    };
    rotated += Math.abs(cosine(components(quantiser, a), components(quantiser, b)) - cosine(a, b));
    plain += Math.abs(cosine(cut(a), cut(b)) - cosine(a, b));
  }
  assert.ok(rotated * 5 < plain, `${rotated} against ${plain}`);
});

test("what has no direction, or another dimension, is refused", () => {
  const quantiser = new Quantiser(nodeCrypto, 16, seed);
  const bad = [
    new Float32Array(16),
    new Float32Array(15).fill(1),
    new Float32Array(16).fill(Number.NaN),
    Float32Array.from({ length: 16 }, (_, i) => (i === 3 ? Number.POSITIVE_INFINITY : 1)),
  ];
  for (const vector of bad) assert.equal(quantiser.components(vector).ok, false);
});

test("the components of a seeded vector, for ever", () => {
  const quantiser = new Quantiser(nodeCrypto, 100, seed);
  const made = components(quantiser, vectorOf(new SeededRandom("golden"), 100));
  const bytes = new Uint8Array(made.buffer);
  assert.equal(
    toHex(nodeCrypto.sha256(bytes)),
    "6917511f899e427900a15a6df50cdafe8acad1f0f82675f966794c4102f4054d",
  );
});

for (const [name, build] of [
  ["simd", builds.simd],
  ["relaxed", builds.relaxed],
] as const) {
  test(`the kernel ${name} gives the same components, of vectors of any size`, (t) => {
    const given = process.env["IOI_SEED"] ?? `${Math.random()}`;
    t.diagnostic(`seed ${given}`);
    const random = new SeededRandom(given);
    const source = wasmSource<KernelExports>(build);
    for (const dimension of [1, 8, 12, 20, 64, 100, 384, 768, 1000, 2048]) {
      const reference = new Quantiser(nodeCrypto, dimension, seed);
      const quantiser = new Quantiser(nodeCrypto, dimension, seed, source.open());
      for (let i = 0; i < 60; i++) {
        const size = 2 ** (random.below(200) - 100);
        const vector = vectorOf(random, dimension).map((value) =>
          random.below(30) === 0 ? 1000 * size * value : size * value,
        );
        assert.deepEqual(quantiser.components(vector), reference.components(vector));
      }
      for (const value of [0, Number.NaN, Number.NEGATIVE_INFINITY]) {
        const vector = new Float32Array(dimension).fill(value);
        assert.equal(quantiser.components(vector).ok, false);
      }
    }
  });
}
