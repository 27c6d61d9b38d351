/** Words at rest: they go to the file while memories come, and a damaged segment is made again. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SimFiles } from "@ioi/sim";
import { createSubstrate, openSubstrate, type Substrate } from "../src/index.ts";
import { wordTailBytesMax } from "../src/limits.ts";
import { lexOf } from "../src/substrate/word-store.ts";
import { kernel, path, placeOn } from "./support.ts";

const origin = { kind: "import", from: "test" };

/** Texts of many words that no other has. */
const rareTexts = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    text: Array.from({ length: 120 }, (_each, word) => `q${(from + i) * 120 + word}z`).join(" "),
    origin,
  }));

const opened = async (seed: string) => {
  const place = placeOn(new SimFiles({ seed }));
  await createSubstrate(place, { slot: { type: "open" } });
  return place;
};

const isCovered = (substrate: Substrate): boolean => {
  let next = 0;
  for (const { first, count } of lexOf(substrate.file)) {
    if (first !== next) return false;
    next = first + count;
  }
  return next <= substrate.file.memories;
};

test("words go to the file as they come, long before a snapshot is due", async () => {
  const place = await opened("tail");
  await using substrate = await openSubstrate(place, "write", { kernel });
  const texts = Math.ceil(wordTailBytesMax / (120 * 160));
  await substrate.remember(rareTexts(0, texts - 40));
  assert.equal(lexOf(substrate.file).length, 0, "the control: less stays in memory");
  await substrate.remember(rareTexts(texts - 40, 80));
  const [lex] = lexOf(substrate.file);
  assert.deepEqual([lex?.first, lex?.count], [0, texts + 40]);
  const found = async () => (await substrate.recall({ text: "q121z", k: 5 })).answers;
  assert.deepEqual(
    (await found()).map(({ id }) => id),
    [1],
  );
  await substrate.forget([1]);
  assert.deepEqual(await found(), []);
  assert.ok(isCovered(substrate) && (await substrate.audit()).words);
});

test("a segment that is damaged is made again from the memories, and replaced", async () => {
  const place = await opened("damaged");
  let at: number;
  {
    await using substrate = await openSubstrate(place, "write", { kernel });
    await substrate.remember(rareTexts(0, 100));
    await substrate.save();
    const [lex] = lexOf(substrate.file);
    // In its words: the hashes before them are looked at first.
    at = (lex?.parts[0]?.offset ?? 0) + (lex?.parts[0]?.length ?? 0) - 40;
  }
  const handle = await place.files.open(path, "write");
  const [byte = 0] = await handle.read(at, 1);
  await handle.write(at, Uint8Array.of(byte ^ 1));
  await handle.close();
  await using substrate = await openSubstrate(place, "write", { kernel });
  const { answers } = await substrate.recall({ text: "q121z", k: 5 });
  assert.deepEqual(
    answers.map(({ id }) => id),
    [1],
  );
  await substrate.remember(rareTexts(100, 10));
  await substrate.save();
  assert.ok(isCovered(substrate), "the damaged one is dropped, and nothing overlaps");
  const again = await substrate.recall({ text: "q12001z", k: 5 });
  assert.deepEqual(
    again.answers.map(({ id }) => id),
    [100],
  );
});
