/** Memories without vectors: stored while no embedder answers, given theirs later, or anew from another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes } from "@ioi/base";
import { SimFiles } from "@ioi/sim";
import {
  changeEmbedder,
  createMemoryFile,
  createSubstrate,
  functionEmbedder,
  HashedEmbedder,
  openSubstrate,
  peekMemoryFile,
  type Place,
} from "../src/index.ts";
import { bytesOf, kernel, placeOn } from "./support.ts";

const embedderOf = (name: string, dimension: number) =>
  functionEmbedder({ identity: { kind: "openai", name, revision: "" }, dimension }, (texts) =>
    Promise.resolve(
      texts.map((text) =>
        Float32Array.from(
          { length: dimension },
          (_, i) => (text.charCodeAt(i % text.length) % 17) + 1,
        ),
      ),
    ),
  );
const from = { kind: "content", from: "test" } as const;
const texts = ["the key", "the gate", "a ladder", "winter bread", "rain and river"];

test("what was stored without vectors gets them, and the index is that of the log", async () => {
  const embedder = embedderOf("one", 16);
  const place = placeOn(new SimFiles({ seed: "later" }));
  await createSubstrate(place, { slot: { type: "open" }, embedder });
  {
    await using words = await openSubstrate(place, "write", { kernel });
    for (const text of texts) await words.remember([{ text, origin: from }], { embed: "later" });
    assert.equal(await words.unembedded(), texts.length);
    const { answers } = await words.recall({ text: "ladder", k: 1 });
    assert.deepEqual(
      answers.map(({ id }) => id),
      [2],
      "found by words meanwhile",
    );
    await assert.rejects(words.embed(10), { code: "E_SCS_EMBEDDER" });
  }
  await using substrate = await openSubstrate(place, "write", { kernel, embedder });
  assert.deepEqual(await substrate.embed(2), { embedded: 2, left: 3 });
  // One that comes after those that wait: what waits comes between, and the index is made anew.
  await substrate.remember([{ text: "a stone", origin: from }]);
  assert.deepEqual(await substrate.embed(10), { embedded: 3, left: 0 });
  const audit = await substrate.audit();
  assert.deepEqual([audit.ok, audit.nodes], [true, 6]);
  const { answers } = await substrate.recall({ text: "winter bread", k: 1, by: "vectors" });
  assert.deepEqual(
    answers.map(({ id }) => id),
    [3],
  );
  await substrate.forget([3]);
  assert.deepEqual([(await substrate.audit()).ok, await substrate.unembedded()], [true, 0]);
});

test("another embedder makes another file of the same log; vectors are never mixed", async () => {
  const place = placeOn(new SimFiles({ seed: "another" }));
  const hashed = new HashedEmbedder();
  await createSubstrate(place, { slot: { type: "open" }, embedder: hashed });
  let root: Uint8Array;
  {
    await using substrate = await openSubstrate(place, "write", { kernel, embedder: hashed });
    await substrate.remember(texts.map((text) => ({ text, origin: from })));
    await substrate.forget([1]);
    root = substrate.info.logRoot;
  }
  const embedder = embedderOf("two", 24);
  await assert.rejects(openSubstrate(place, "read", { kernel, embedder }), {
    code: "E_SCS_EMBEDDER",
  });
  await changeEmbedder(place, { type: "open" }, { type: "none" }, embedder);
  await using substrate = await openSubstrate(place, "write", { kernel, embedder });
  assert.ok(equalBytes(substrate.info.compactedFrom?.logRoot ?? new Uint8Array(), root));
  assert.equal(await substrate.unembedded(), 4, "what is forgotten waits for nothing");
  assert.deepEqual(await substrate.embed(100), { embedded: 4, left: 0 });
  assert.ok((await substrate.audit()).ok);
  const { answers } = await substrate.recall({ text: "a ladder", k: 1, by: "vectors" });
  assert.deepEqual(
    answers.map(({ id }) => id),
    [2],
  );
});

test("vectors that are too long for an index make no file, and change none", async () => {
  const place = placeOn(new SimFiles({ seed: "long" }));
  const slot = { type: "open" } as const;
  for (const dimension of [0, 2049, 16_384, Number.NaN]) {
    const embedder = embedderOf("long", dimension);
    await assert.rejects(createSubstrate(place, { slot, embedder }), { code: "E_SCS_VECTOR" });
  }
  assert.equal(await place.files.stat(place.path), undefined);
  await createSubstrate(place, { slot, embedder: embedderOf("one", 8) });
  const before = await bytesOf(place);
  await assert.rejects(changeEmbedder(place, slot, { type: "none" }, embedderOf("long", 2049)), {
    code: "E_SCS_VECTOR",
  });
  assert.ok(equalBytes(await bytesOf(place), before));
  const embedder = embedderOf("longest", 2048);
  await changeEmbedder(place, slot, { type: "none" }, embedder);
  await using control = await openSubstrate(place, "write", { kernel, embedder });
  await control.remember([{ text: "the key", origin: from }]);
  assert.equal(control.info.vectors, 1);
});

test("a file that names an index of a kind that is not known is not opened", async () => {
  const place = placeOn(new SimFiles({ seed: "unknown" }));
  await createSubstrate(place, { slot: { type: "open" }, embedder: embedderOf("one", 8) });
  const known = (await peekMemoryFile(place)).index;
  const make = async (index: typeof known): Promise<Place> => {
    const at = { ...place, path: "other.scs" };
    await createMemoryFile(
      at,
      { index, embedder: { kind: "f", name: "", revision: "" } },
      { type: "open" },
    );
    return at;
  };
  const unknown = [
    { m: 0 },
    { m: 64 },
    { efConstruction: 1 },
    { quantiserSeed: new Uint8Array() },
    { algorithm: "mhnsw/2" },
    { quantiser: "none" },
  ];
  for (const change of unknown) {
    const at = await make({ ...known, ...change });
    await assert.rejects(openSubstrate(at, "read", { kernel }), { code: "E_SCS_NEWER" });
    await assert.rejects(peekMemoryFile(at), { code: "E_SCS_NEWER" });
    await at.files.remove(at.path);
  }
  await using _control = await openSubstrate(await make(known), "read", { kernel });
});
