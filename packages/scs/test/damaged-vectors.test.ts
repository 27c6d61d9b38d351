/** Vectors that do not open: words answer and say so, and the vectors are made again from the memories. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { compactSubstrate, damagedSegments, type Place, type RecallQuery } from "../src/index.ts";
import { fresh, idsOf, kernel, memoriesFrom, open } from "./substrate-support.ts";
import { bytesOf, codeOf, placeWith } from "./support.ts";

const query: RecallQuery = { text: "word8 in the garden", k: 5 };
/** Before a wrapped key, in the payload of its record. */
const wrappedAt = 48;

interface Whole {
  readonly place: Place;
  readonly root: Uint8Array | undefined;
  readonly found: readonly number[];
}

/** A file of so few memories that its vectors stay in three segments. */
const whole = async (seed: string): Promise<Whole> => {
  const place = await fresh(seed);
  await using substrate = await open(place);
  for (let n = 0; n < 60; n += 20) await substrate.remember(memoriesFrom(n, 20));
  const { answers } = await substrate.recall(query);
  return { place, root: substrate.info.indexRoot, found: idsOf(answers) };
};

/** The same file with a byte changed of the key of one segment of vectors, which no checksum covers. */
const damaged = async (place: Place, which = 1): Promise<Place> => {
  const bytes = (await bytesOf(place)).slice();
  await using substrate = await open(place, "read");
  const segment = substrate.file.segments().filter(({ kind }) => kind === "vector")[which];
  assert.ok(segment !== undefined);
  const at = segment.keyOffset + wrappedAt + 20;
  bytes[at] = (bytes[at] as number) ^ 1;
  return await placeWith(bytes, "damaged");
};

test("a damaged key of vectors: words answer and say so, and nothing is silent", async () => {
  const { place } = await whole("lost");
  const hurt = await damaged(place);
  await using substrate = await open(hurt, "read");
  const { answers, vectorsLost } = await substrate.recall(query);
  assert.equal(answers[0]?.id, 8, "by its word");
  assert.ok(answers.every(({ vector }) => vector === undefined));
  assert.match(vectorsLost ?? "", /vectors 20 to 39 does not open/);
  // Control: whole vectors find, and nothing is said.
  await using good = await open(place, "read");
  const before = await good.recall(query);
  assert.ok(before.answers.some(({ vector }) => vector !== undefined));
  assert.equal(before.vectorsLost, undefined);
  // By words alone nobody misses them.
  const worded = await substrate.recall({ ...query, by: "words" });
  assert.equal(worded.vectorsLost, undefined);
  for (const asked of [
    () => substrate.recall({ ...query, by: "vectors" }),
    () => substrate.recall({ vector: new Float32Array(32).fill(1), k: 1 }),
    () => substrate.prove(query, { nearest: { how: "exact" } }),
  ]) {
    await assert.rejects(asked, { code: "E_SCS_DAMAGED", next: /doctor FILE --mend/ });
  }
  const proved = await substrate.prove(query);
  assert.match(proved.vectorsLost ?? "", /does not open/);
  const lost = await damagedSegments(substrate.file);
  assert.deepEqual(
    lost.map(({ kind, first, count }) => [kind, first, count]),
    [["vector", 20, 20]],
  );
});

test("a file with damaged vectors takes memories and forgets, and its vectors are made again", async () => {
  const { place, root, found } = await whole("mended");
  const hurt = await damaged(await damaged(place, 0), 2);
  {
    await using substrate = await open(hurt);
    const { length } = await substrate.remember(memoriesFrom(60, 1));
    assert.equal(length, 1);
    assert.match((await substrate.recall(query)).vectorsLost ?? "", /0 to 19/);
    await substrate.forget([60]);
  }
  {
    await using substrate = await open(hurt);
    assert.equal(substrate.info.stale, true);
    let left = Number.POSITIVE_INFINITY;
    for (let calls = 0; left > 0 && calls < 9; calls++) ({ left } = await substrate.embed(15));
    assert.equal(left, 0);
    assert.equal(await substrate.unembedded(), 0);
    assert.deepEqual(await damagedSegments(substrate.file), []);
    const { answers, vectorsLost } = await substrate.recall(query);
    assert.deepEqual([idsOf(answers), vectorsLost], [found, undefined]);
    // The same vectors, the same index.
    assert.deepEqual(substrate.info.indexRoot, root);
  }
  await using again = await open(hurt, "read");
  assert.deepEqual(idsOf((await again.recall(query)).answers), found);
  assert.equal((await again.audit()).ok, true);
});

test("an audit and a compaction say that vectors are damaged, and change nothing", async () => {
  const { place } = await whole("refused");
  const hurt = await damaged(place);
  const before = await bytesOf(hurt);
  await using substrate = await open(hurt, "read");
  const refused = await substrate.audit().catch(codeOf);
  assert.equal(refused, "E_SCS_DAMAGED");
  await assert.rejects(compactSubstrate(hurt, { type: "open" }, { kernel }), {
    code: "E_SCS_DAMAGED",
    next: /doctor FILE --mend/,
  });
  assert.deepEqual(await bytesOf(hurt), before);
});
