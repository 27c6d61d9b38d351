import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { functionEmbedder } from "../src/embed/function.ts";
import { fuse } from "../src/embed/fusion.ts";
import { HashedEmbedder } from "../src/embed/hashed.ts";
import { embedTextCharsMax, embedTextsPerCall } from "../src/limits.ts";
import { WordIndex } from "../src/words/index.ts";

const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

test("the built-in embedder is the same everywhere, and likes what shares words", async () => {
  const texts = ["The key is under the mat.", "keys under a mat", "Rain is due on Monday", "", "…"];
  const embedder = new HashedEmbedder();
  const [key, keys, rain, empty, dots] = await embedder.embed(texts);
  assert.ok(key && keys && rain && empty && dots);
  assert.ok(cosine(key, keys) > cosine(key, rain) + 0.2);
  assert.deepEqual(empty, dots);
  assert.ok(empty.some((component) => component !== 0));
  // A vector is stored: another one for the same text would be another embedder.
  const places = [...key.entries()].filter(([, component]) => component !== 0).slice(0, 6);
  assert.deepEqual(places, [
    [7, -1],
    [24, -2],
    [32, 2],
    [33, -1],
    [36, 1],
    [42, -1],
  ]);
});

test("what an embedder gives is looked at before it is stored", async () => {
  const options = { identity: { kind: "function", name: "f", revision: "" }, dimension: 2 };
  const give = async (...vectors: readonly (readonly number[])[]): Promise<unknown> =>
    functionEmbedder(options, () => Promise.resolve(vectors)).embed(["a"]);
  assert.deepEqual(await give([1, 2]), [Float32Array.of(1, 2)]);
  for (const bad of [
    [],
    [
      [1, 2],
      [1, 2],
    ],
    [[1]],
    [[1, 2, 3]],
    [[1, NaN]],
    [[1, Infinity]],
    [[1, 1e300]],
  ]) {
    await assert.rejects(give(...bad), { code: "E_SCS_VECTOR" });
  }
});

test("an embedder is asked in parts, with the beginnings of long texts, until it is cancelled", async () => {
  const asked: (readonly string[])[] = [];
  const controller = new AbortController();
  const embedder = functionEmbedder(
    { identity: { kind: "function", name: "f", revision: "" }, dimension: 1 },
    (texts) => {
      asked.push(texts);
      if (asked.length === 3) controller.abort();
      return Promise.resolve(texts.map(() => [1]));
    },
  );
  const long = `${"x".repeat(embedTextCharsMax - 1)}\u{1f600}`;
  const texts = [long, ...Array.from({ length: embedTextsPerCall }, () => "b")];
  assert.equal((await embedder.embed(texts)).length, texts.length);
  assert.deepEqual(
    asked.map((part) => part.length),
    [embedTextsPerCall, 1],
  );
  assert.equal(asked[0]?.[0], "x".repeat(embedTextCharsMax - 1));
  const many = Array.from({ length: 9 * embedTextsPerCall }, () => "c");
  await assert.rejects(embedder.embed(many, controller.signal), { name: "AbortError" });
  assert.equal(asked.length, 3);
});

test("with a weak embedder the answers are those of words, and vectors fill what is left", (t) => {
  const seed = process.env["IOI_SEED"] ?? "fusion";
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (let i = 0; i < 500; i++) {
    const ids = (): readonly number[] => [
      ...new Set(Array.from({ length: random.below(30) }, () => random.below(40))),
    ];
    const [words, vectors, k] = [ids(), ids(), 1 + random.below(12)];
    const weak = fuse(words, vectors, { k, isWeak: true });
    assert.deepEqual(weak.slice(0, words.length), words.slice(0, k));
    const union = new Set([...words, ...vectors]);
    for (const all of [weak, fuse(words, vectors, { k, isWeak: false })]) {
      assert.equal(all.length, Math.min(k, union.size));
      assert.equal(new Set(all).size, all.length);
      assert.ok(all.every((id) => union.has(id)));
    }
  }
});

test("with a real embedder, what both find comes before what one finds", () => {
  assert.deepEqual(fuse([1, 2, 3], [4, 2, 5], { k: 3, isWeak: false }), [2, 1, 4]);
  assert.deepEqual(fuse([], [4, 2], { k: 3, isWeak: false }), [4, 2]);
  assert.deepEqual(fuse([1], [], { k: 3, isWeak: true }), [1]);
});

test("the tokeniser of the embedder is that of the index", async () => {
  const index = new WordIndex();
  index.add(0, "Bridges");
  assert.equal(index.search("bridge", 1).length, 1);
  const [a, b] = await new HashedEmbedder().embed(["Bridges", "bridge"]);
  assert.deepEqual(a, b);
});
