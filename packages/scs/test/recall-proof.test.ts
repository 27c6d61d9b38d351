/** Proofs of recall: made from a file and an index, verified from roots alone, refused when altered. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom, toBase64, toHex } from "@ioi/base";
import { verifyRecall } from "@ioi/verifier";
import { schema } from "@ioi/wire";
import { encodeRecallProof } from "../src/index.ts";
import { memoryTimeMsMax } from "../src/limits.ts";
import { recallProof } from "../src/recall-proof.ts";
import { madeProof, wanted } from "./recall-support.ts";
import { textOf } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

test("a proof of recall verifies by the commit's hash or the log's root, and by nothing less", () => {
  const { document, commit, logRoot } = madeProof("verify", 21, [7, 0, 20, 2]);
  const encoded = encodeRecallProof(document);
  for (const given of [{ commit, logRoot }, { commit }, { logRoot }]) {
    const verdict = verifyRecall(encoded, given);
    assert.ok(verdict.ok, verdict.ok ? "" : verdict.reason);
    assert.deepEqual(
      verdict.answers.map(({ memory, content }) => [memory, content.text]),
      [7, 0, 20, 2].map((id) => [id, textOf(id)]),
    );
    assert.deepEqual(verdict.answers[0]?.content.origin, { kind: "user", from: "test" });
    assert.equal(verdict.search, undefined);
    assert.match(verdict.notShown[0] ?? "", /search by vectors/);
  }
  const told = (memories: readonly number[]) => verifyRecall(encoded, { commit, memories }).ok;
  assert.deepEqual([[7, 0, 20, 2], [0, 7, 20, 2], [7, 0, 20], []].map(told), [
    true,
    false,
    false,
    false,
  ]);
  const wrong = new Uint8Array(32);
  for (const given of [{}, { commit: wrong }, { logRoot: wrong }, { commit, indexRoot: wrong }]) {
    assert.equal(verifyRecall(encoded, given).ok, false);
  }
});

test("a search is shown where a root that is trusted covers its index, for the verifier's query", () => {
  const { document, commit } = madeProof("search", 6, [0, 1, 2, 3, 4, 5], { search: true });
  const encoded = encodeRecallProof(document);
  const verdict = verifyRecall(encoded, { commit });
  assert.ok(verdict.ok, verdict.ok ? "" : verdict.reason);
  assert.equal(verdict.search?.answers.length, wanted.k);
  for (const { node, answer } of verdict.search?.answers ?? []) assert.equal(answer, node);
  assert.match(verdict.shown.join(), /exactly 3 answers/);
  const own = verdict.search?.query as Int16Array;
  assert.equal(verifyRecall(encoded, { commit, query: own, wanted }).ok, true);
  const other = own.slice().fill(1, 0, 1);
  assert.equal(verifyRecall(encoded, { commit, query: other }).ok, false);
  assert.equal(verifyRecall(encoded, { commit, wanted: { ...wanted, ef: 40 } }).ok, false);
  const { search: _search, ...least } = document;
  assert.equal(verifyRecall(encodeRecallProof(least), { commit }).ok, true);
  assert.equal(verifyRecall(encodeRecallProof(least), { commit, wanted }).ok, false);
  const { logRoot } = verdict.commit;
  const without = verifyRecall(encoded, { logRoot });
  assert.ok(without.ok && without.search === undefined);
  assert.match(without.notShown[0] ?? "", /no root of an index was given/);
  const both = verifyRecall(encoded, {
    logRoot,
    indexRoot: verdict.commit.indexRoot as Uint8Array,
  });
  assert.equal(both.ok && both.search?.answers.length, wanted.k);
});

test("the example beside the specification is made again, and verifies", () => {
  const { document, commit, logRoot } = madeProof("example", 5, [4, 1], { search: true });
  const text = readFileSync(
    join(import.meta.dirname, "../../../specs/scs/recall-example.json"),
    "utf8",
  );
  const proof = encodeRecallProof(document);
  const verdict = verifyRecall(proof, { commit });
  assert.ok(verdict.ok && verdict.commit.indexRoot !== undefined);
  assert.deepEqual(JSON.parse(text), {
    commit: toHex(commit),
    logRoot: toHex(logRoot),
    indexRoot: toHex(verdict.commit.indexRoot),
    proof: toBase64(proof),
  });
});

test("any changed, dropped, doubled or added byte: refused, and nothing throws", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const { document, commit } = madeProof("tamper", 5, [0, 1, 3], { search: true });
  const encoded = encodeRecallProof(document);
  const verdict = verifyRecall(encoded, { commit });
  assert.ok(verdict.ok && verdict.search !== undefined);
  // With the verifier's own query: a proof may well hold for one that is nearly the same.
  const trust = { commit, store: document.store, query: verdict.search.query, wanted };
  for (let at = 0; at < encoded.length; at += 1 + random.below(inner ? 70 : 7)) {
    const changed = encoded.slice();
    changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    assert.equal(verifyRecall(changed, trust).ok, false, `byte ${at} changed`);
    assert.equal(verifyRecall(encoded.slice(0, at), trust).ok, false, `cut at ${at}`);
    const doubled = Buffer.concat([encoded.subarray(0, at + 1), encoded.subarray(at)]);
    assert.equal(verifyRecall(doubled, trust).ok, false, `byte ${at} doubled`);
  }
});

test("a time is one of the calendar, or the proof is none: whoever shows it can print it", () => {
  for (const times of [{ atMs: memoryTimeMsMax }, { saidMs: memoryTimeMsMax }]) {
    const { document, commit } = madeProof("times", 3, [1], { search: false, times });
    const verdict = verifyRecall(encodeRecallProof(document), { commit });
    assert.ok(verdict.ok, "control");
    const { atMs, saidMs = 0 } = verdict.answers[0]?.content ?? { atMs: 0 };
    assert.match(new Date(Math.max(atMs, saidMs)).toISOString(), /^9999-12-31/);
  }
  for (const ms of [memoryTimeMsMax + 1, 8.64e15 + 1, Number.MAX_SAFE_INTEGER]) {
    for (const times of [{ atMs: ms }, { saidMs: ms }]) {
      const { document, commit } = madeProof("times", 3, [1], { search: false, times });
      const verdict = verifyRecall(encodeRecallProof(document), { commit });
      assert.ok(!verdict.ok && /out of range/.test(verdict.reason));
    }
  }
});

test("a document has one encoding: anything else is refused", () => {
  const { document, commit } = madeProof("strict", 9, [4]);
  const trust = { commit };
  const encode = (value: object): Uint8Array => schema.encode(schema.anything, value as never);
  assert.equal(verifyRecall(encode(document), trust).ok, true);
  const [answer] = document.answers;
  const bad: readonly object[] = [
    { ...document, more: 1 },
    { ...document, schema: "ioi.recall-proof/2" },
    { ...document, store: new Uint8Array(15) },
    { ...document, answers: [answer, answer] },
    { ...document, answers: Array.from({ length: 1025 }, () => answer) },
    { ...document, answers: [{ ...answer, leaf: -1 }] },
    { ...document, answers: [{ ...answer, path: [] }] },
    { ...document, search: null },
    { ...document, answers: undefined },
  ].map((value) => Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)));
  for (const [i, value] of bad.entries()) {
    assert.equal(verifyRecall(encode(value), trust).ok, false, `document ${i}`);
  }
  const good = encodeRecallProof(document);
  assert.equal(schema.decode(recallProof, good).ok, true);
  for (const hostile of ["", "a0", "80", "bf", "ff", "9bffffffffffffffff", "bb001fffffffffffff"]) {
    assert.equal(verifyRecall(Buffer.from(hostile, "hex"), trust).ok, false, hostile);
  }
  assert.equal(verifyRecall(Buffer.concat([good, Uint8Array.of(0)]), trust).ok, false);
});
