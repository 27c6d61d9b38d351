// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { SeededRandom, toHex, unwrap } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import MiniSearch from "minisearch";
import { log2 } from "../src/words/bm25.ts";
import { unicodeVersion } from "../src/words/unicode.gen.ts";
import { countTerms, WordIndex } from "../src/words/index.ts";
import { tablesFile } from "./unicode-tables.ts";

const seed = process.env["IOI_SEED"] ?? "words";
const random = (label: string): SeededRandom => new SeededRandom(`${seed}/${label}`);

/** A word whose rank is as skewed as in real texts; none of them has a stem or says little. */
const wordOf = (from: SeededRandom, vocabulary: number): string =>
  `z${Math.floor(vocabulary ** (from.below(1 << 20) / (1 << 20)) - 1).toString(36)}q`;

const textOf = (from: SeededRandom, words: number, vocabulary = 400): string =>
  Array.from({ length: words }, () => wordOf(from, vocabulary)).join(" ");

const textsOf = (label: string, count: number): readonly string[] => {
  const from = random(label);
  return Array.from({ length: count }, () => textOf(from, 1 + from.below(60)));
};

const indexOf = (texts: Iterable<readonly [number, string]>): WordIndex => {
  const index = new WordIndex();
  for (const [id, text] of texts) index.add(id, text);
  return index;
};

const terms = (text: string): readonly string[] => [...countTerms(text).terms.keys()];

test("a word is found in every spelling that means it", () => {
  assert.deepEqual(terms("Bridges, BRIDGE; bridging"), ["bridg"]);
  assert.deepEqual(terms("Café CAFE\u0301 cafe"), ["cafe"]);
  assert.deepEqual(terms("ΣΊΣΥΦΟΣ"), terms("σίσυφοσ"));
  assert.deepEqual(terms("ｆｕｌｌ ｗｉｄｔｈ"), terms("full width"));
  assert.deepEqual(terms("file_name.ts, 3.14"), ["file", "name", "ts", "3", "14"]);
  assert.deepEqual(terms("猫が"), ["猫", "が", "猫が"]);
  assert.deepEqual(terms("ภาษา"), ["ภ", "า", "ภา", "ษ", "าษ", "ษา"]);
  assert.deepEqual(terms("\u202e… — \u{1f600} \ud800"), []);
});

test("a word without end counts by its first characters, in bounded time", () => {
  assert.deepEqual(terms("x".repeat(1 << 20)), ["x".repeat(64)]);
  assert.equal(countTerms("漢".repeat(1 << 18)).terms.size, 2);
  // The character that decomposes into the most others.
  assert.equal(terms("\ufdfa".repeat(1 << 16))[0]?.length, 64);
  // Nothing is lost where a script without spaces decomposes, and no character is cut through.
  assert.equal(countTerms("\u0e33".repeat(100)).terms.has("\u0e32"), true);
  const pair = "\u{10428}";
  const [cut] = terms(`a${pair.repeat(64)}`);
  assert.equal(cut, `a${pair.repeat(31)}`);
  unwrap(WordIndex.decode(indexOf([[0, `a${pair.repeat(64)}`]]).encode()), "of pairs");
});

test("logarithms are those of numbers, to the last of sixteen bits", () => {
  const from = random("log");
  const numbers = Array.from({ length: 2000 }, () => 1 + from.below(2 ** (1 + from.below(31)) - 1));
  for (const n of [1, 2, 3, 4, 2 ** 25 + 1, 2 ** 40, ...numbers]) {
    assert.ok(Math.abs(log2(n) - Math.log2(n) * 65_536) <= 2, `${n}`);
  }
});

/** The formula as it is in the paper, in floating point, over words parted by spaces. */
const formula = (texts: readonly string[], query: string): ReadonlyMap<number, number> => {
  const split = texts.map((text) => text.split(" "));
  const mean = split.reduce((sum, words) => sum + words.length, 0) / split.length;
  const scores = new Map<number, number>();
  for (const word of query.split(" ")) {
    const holding = split.filter((words) => words.includes(word)).length;
    const idf = Math.log2(1 + (split.length - holding + 0.5) / (holding + 0.5));
    for (const [id, words] of split.entries()) {
      const tf = words.filter((other) => other === word).length;
      if (tf === 0) continue;
      const norm = 1.2 * (1 - 0.75 + (0.75 * words.length) / mean);
      scores.set(id, (scores.get(id) ?? 0) + (idf * tf * 2.2) / (tf + norm));
    }
  }
  return scores;
};

test("answers are those of the formula in floating point, but for what rounding makes equal", (t) => {
  t.diagnostic(`seed ${seed}`);
  const texts = textsOf("formula", 400);
  const index = indexOf(texts.entries());
  const from = random("queries");
  for (let i = 0; i < 60; i++) {
    const query = textOf(from, 1 + from.below(6));
    const exact = formula(texts, query);
    const answers = index.search(query, 400);
    assert.equal(answers.length, exact.size);
    for (const { id, score } of answers) {
      const due = (exact.get(id) ?? 0) * 65_536;
      assert.ok(Math.abs(score - due) <= due / 500 + 16, `${query}: ${score} for ${due}`);
    }
    const inOrder = answers.toSorted((a, b) => b.score - a.score || a.id - b.id);
    assert.deepEqual(answers, inOrder);
    assert.deepEqual(index.search(query, 7), answers.slice(0, 7));
  }
});

test("another implementation puts answers in the same order", () => {
  const from = random("peer");
  // All of one length: the other one counts lengths in different words.
  const texts = Array.from({ length: 300 }, () =>
    [...new Set(Array.from({ length: 200 }, () => wordOf(from, 400)))].slice(0, 20).join(" "),
  ).filter((text) => text.split(" ").length === 20);
  const peer = new MiniSearch({
    fields: ["text"],
    searchOptions: { bm25: { k: 1.2, b: 0.75, d: 0 } },
  });
  peer.addAll(texts.map((text, id) => ({ id, text })));
  const index = indexOf(texts.entries());
  for (let i = 0; i < 40; i++) {
    const query = textOf(from, 3);
    // It multiplies by how many words of the query it met.
    const theirs = new Map(
      peer
        .search(query)
        .map(({ id, score, queryTerms }): [number, number] => [
          id as number,
          score / queryTerms.length,
        ]),
    );
    const ours = index.search(query, texts.length);
    assert.equal(ours.length, theirs.size);
    for (const [at, { id }] of ours.entries()) {
      const next = ours[at + 1];
      if (next === undefined) break;
      const [a, b] = [theirs.get(id) ?? 0, theirs.get(next.id) ?? 0];
      assert.ok(a >= b - b / 500, `${query}: ${a} before ${b}`);
    }
  }
});

test("words that say little do not lead, and are found where there are no others", () => {
  const index = indexOf(["the key is under the mat", "a cat sat", "to be or not to be"].entries());
  const ids = (query: string): readonly number[] => index.search(query, 9).map(({ id }) => id);
  assert.deepEqual(ids("what is the cat to do?"), [1]);
  assert.deepEqual(ids("to be, or not to be"), [2]);
  assert.deepEqual(ids("nothing of it here at all"), []);
  assert.deepEqual(ids(""), []);
});

test("what a filter refuses makes room for what it takes", () => {
  const index = indexOf(textsOf("filter", 200).entries());
  const all = index.search("z0q z1q", 200);
  const even = (id: number): boolean => id % 2 === 0;
  assert.deepEqual(
    index.search("z0q z1q", 10, even),
    all.filter(({ id }) => even(id)).slice(0, 10),
  );
});

test("in whatever parts it came and whatever it forgot, an index has one encoding", (t) => {
  t.diagnostic(`seed ${seed}`);
  const from = random("parts");
  const texts = textsOf("parts", 300);
  const isGone = texts.map(() => from.below(3) === 0);
  const kept = [...texts.entries()].filter(([id]) => isGone[id] !== true);
  const due = indexOf(kept);

  const forgetting = indexOf(texts.entries());
  for (const [id, gone] of isGone.entries()) {
    if (gone) forgetting.remove(id);
    if (id % 50 === 0) forgetting.search("z1q", 3);
  }
  const loaded = new WordIndex();
  const cut = kept.length >> 1;
  unwrap(loaded.load(indexOf(kept.slice(0, cut)).encode()), "first part");
  unwrap(loaded.load(indexOf(kept.slice(cut, -1)).encode()), "second part");
  for (const [id, text] of kept.slice(-1)) loaded.add(id, text);

  for (const other of [forgetting, loaded]) {
    assert.equal(toHex(other.encode()), toHex(due.encode()));
    assert.deepEqual(other.search("z1q z7q", 20), due.search("z1q z7q", 20));
    assert.equal(other.size, due.size);
  }
  assert.equal(toHex(loaded.hash(nodeCrypto)), toHex(due.hash(nodeCrypto)));
  assert.notEqual(toHex(indexOf(texts.entries()).hash(nodeCrypto)), toHex(due.hash(nodeCrypto)));
});

test("an index that is encoded has one spelling, and every other one is refused", (t) => {
  t.diagnostic(`seed ${seed}`);
  const from = random("hostile");
  const bytes = indexOf(["one two two", "two café", "猫", ""].entries()).encode();
  const back = unwrap(WordIndex.decode(bytes), "its own");
  assert.deepEqual(back.encode(), bytes);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(WordIndex.decode(bytes.subarray(0, length)).ok, false, `cut at ${length}`);
  }
  assert.equal(WordIndex.decode(new Uint8Array([...bytes, 0])).ok, false);
  for (let i = 0; i < 4000; i++) {
    const changed = bytes.slice();
    const at = from.below(bytes.length);
    changed[at] = from.below(256);
    const read = WordIndex.decode(changed);
    // Another index may come of it, never another spelling of one.
    if (read.ok) assert.deepEqual(read.value.encode(), changed);
  }
});

/** Terms that share all but their last character with the one before, of a memory each. */
const sharing = (length: number, count: number): Uint8Array => {
  const first = [0, length, ...Array.from({ length }, () => 97), 1, 1];
  const others = Array.from({ length: count - 1 }, (_, i) => [length - 1, 1, 98 + i, 1, 1]);
  return Uint8Array.from([1, 1, 0, count, count, ...[first, ...others].flat()]);
};

test("bytes that were made to grow in memory are refused", () => {
  const read = unwrap(WordIndex.decode(sharing(64, 25)), "the longest terms");
  assert.deepEqual(read.encode(), sharing(64, 25));
  for (const length of [65, 127]) assert.equal(WordIndex.decode(sharing(length, 25)).ok, false);
  // Two memories, far from each other.
  const apart = Uint8Array.from([1, 2, 0, 0, 0xfe, 0xff, 0x3f, 0, 0]);
  assert.equal(unwrap(WordIndex.decode(apart), "apart").last, 2 ** 20 - 1);
  assert.equal(WordIndex.decode(apart, 2 ** 20 - 1).ok, false);
});

test("a declared size allocates nothing that is not there", () => {
  for (const hostile of [
    [1, 0xff, 0xff, 0xff, 0x07],
    [1, 1, 0xff, 0xff, 0xff, 0x07, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [2, 0, 0],
  ]) {
    const read = WordIndex.decode(Uint8Array.from(hostile));
    assert.equal(read.ok ? "" : read.error.code, "E_SCS_DAMAGED");
  }
});

test("the tables are those of the version of Unicode that they name", async (t) => {
  const url = new URL("../src/words/unicode.gen.ts", import.meta.url);
  if (process.env["IOI_APPROVE"] === "1") {
    await writeFile(url, tablesFile(process.versions["unicode"] ?? ""));
  }
  t.diagnostic(`Unicode ${unicodeVersion}, platform ${process.versions["unicode"]}`);
  assert.equal(unicodeVersion, "17.0");
  if (process.versions["unicode"] !== unicodeVersion) return;
  const due = tablesFile(unicodeVersion).replaceAll(/\s+/g, "");
  assert.equal((await readFile(url, "utf8")).replaceAll(/\s+/g, ""), due);
});
