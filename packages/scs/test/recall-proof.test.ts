/** Proofs of recall: made from a file and an index, verified from roots alone, refused when altered. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { leafHash } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { mhnsw } from "@ioi/state";
import { type RecallTrust, verifyRecall } from "@ioi/verifier";
import { schema } from "@ioi/wire";
import {
  encodeRecallProof,
  type ProvedMemory,
  queryBytes,
  type RecallProof,
} from "../src/index.ts";
import { decodeFrame, recordHeaderBytes } from "../src/layout.ts";
import { recallProof } from "../src/recall-proof.ts";
import { commitHash, logLeaf, payloadDigest, sealBytes, walkBytes } from "../src/walk.ts";
import { bytesOf, freshPlace, memoriesFrom, openToWrite, textOf } from "./support.ts";

const wanted = { ef: 24, rerank: 16, final: 8, k: 3 };
const parameters = { dimension: 64, m: 4, efConstruction: 40, salt: new Uint8Array(32).fill(3) };

interface Shown {
  readonly document: RecallProof;
  readonly trust: Required<Pick<RecallTrust, "commit" | "logRoot">>;
}

/** The last commit and these memories of a file, from its bytes. */
const shownFrom = async (seed: string, ids: readonly number[]): Promise<Shown> => {
  const place = await freshPlace(seed);
  await using file = await openToWrite(place);
  for (let n = 0; n < 5; n++) await file.add(memoriesFrom(4 * n, 4));
  await file.tomb([2]);
  const bytes = await bytesOf(place);
  const payloads = new Map<number, Uint8Array>();
  const { last } = walkBytes(bytes, {
    hashing: nodeCrypto,
    superblock: bytes.slice(4064, 4096),
    checkSeal: undefined,
    visit: (entry) => {
      if (entry.type !== "frame") return;
      payloads.set(entry.id, bytes.slice(entry.offset, entry.offset + entry.length));
    },
  });
  assert.ok(last !== undefined);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const from = last.offset + recordHeaderBytes;
  const payload = bytes.slice(from, from + view.getUint32(last.offset + 8, true));
  const answers: ProvedMemory[] = [];
  for (const id of ids) {
    const frame = payloads.get(id) as Uint8Array;
    const { leaf, path } = file.prove(id);
    const sealed = nodeCrypto.sha256(decodeFrame(frame)?.sealed as Uint8Array);
    const content = await file.readContent(id);
    answers.push({ head: frame.slice(0, 48), sealed, leaf, path, content });
  }
  const document: RecallProof = {
    schema: "ioi.recall-proof/1",
    store: file.info.storeId,
    commit: payload.slice(0, -sealBytes),
    seal: payload.slice(-sealBytes),
    question: "Where is the key?",
    answers,
  };
  const { logRoot } = file.info;
  return { document, trust: { commit: commitHash(nodeCrypto, payload), logRoot } };
};

/** An index over the memories of the document, put into its commit. */
const withSearch = ({ document }: Shown): { document: RecallProof; commit: Uint8Array } => {
  const random = new SeededRandom("search");
  const vector = (): Int16Array => Int16Array.from({ length: 64 }, () => random.below(2000) - 1000);
  const graph = new mhnsw.Graph(nodeCrypto, parameters);
  for (const { head, sealed } of document.answers) {
    const digest = nodeCrypto.sha256(Buffer.concat([head, sealed]));
    graph.add(vector(), leafHash(nodeCrypto, logLeaf(1, digest)));
  }
  const commitment = new mhnsw.Commitment(nodeCrypto, graph);
  const query = vector();
  const { proof } = mhnsw.prove(nodeCrypto, graph, commitment, mhnsw.makeQuery(query), wanted);
  const body = schema.decode(schema.anything, document.commit);
  assert.ok(body.ok);
  const fields = { ...(body.value as object), indexRoot: commitment.root() };
  const commit = schema.encode(schema.anything, fields);
  const search = { parameters, wanted, query: queryBytes(query), proof };
  const hash = commitHash(nodeCrypto, Buffer.concat([commit, document.seal]));
  return { document: { ...document, commit, search }, commit: hash };
};

test("a proof of recall verifies by the commit's hash or the log's root, and by nothing less", async () => {
  const { document, trust } = await shownFrom("verify", [7, 0, 19, 2]);
  const encoded = encodeRecallProof(document);
  for (const given of [trust, { commit: trust.commit }, { logRoot: trust.logRoot }]) {
    const verdict = verifyRecall(encoded, given);
    assert.ok(verdict.ok, verdict.ok ? "" : verdict.reason);
    assert.deepEqual(
      verdict.answers.map(({ memory, content }) => [memory, content.text]),
      [7, 0, 19, 2].map((id) => [id, textOf(id)]),
    );
    assert.deepEqual(verdict.answers[0]?.content.origin, { kind: "user", from: "test" });
    assert.equal(verdict.search, undefined);
    assert.match(verdict.notShown[0] ?? "", /search by vectors/);
  }
  const wrong = new Uint8Array(32);
  for (const given of [{}, { commit: wrong }, { logRoot: wrong }, { ...trust, indexRoot: wrong }]) {
    assert.equal(verifyRecall(encoded, given).ok, false);
  }
});

test("the digest of a memory in a proof is that of the file's log", async () => {
  const { document } = await shownFrom("digest", [3]);
  const [{ head, sealed } = assert.fail()] = document.answers;
  const verdict = verifyRecall(encodeRecallProof(document), {
    commit: commitHash(nodeCrypto, Buffer.concat([document.commit, document.seal])),
  });
  assert.ok(verdict.ok);
  const digest = nodeCrypto.sha256(Buffer.concat([head, sealed]));
  assert.deepEqual(verdict.answers[0]?.frame, leafHash(nodeCrypto, logLeaf(1, digest)));
  assert.notDeepEqual(payloadDigest(nodeCrypto, 1, Buffer.concat([head, sealed])), digest);
});

test("a search is shown where a root that is trusted covers its index, for the verifier's query", async () => {
  const { document, commit } = withSearch(await shownFrom("search", [0, 1, 3, 5, 8, 13]));
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

test("any changed, dropped, doubled or added byte: refused, and nothing throws", async (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const { document, commit } = withSearch(await shownFrom("tamper", [0, 1, 3]));
  const encoded = encodeRecallProof(document);
  const verdict = verifyRecall(encoded, { commit });
  assert.ok(verdict.ok && verdict.search !== undefined);
  // With the verifier's own query: a proof may well hold for one that is nearly the same.
  const trust = { commit, query: verdict.search.query, wanted };
  const named = new Set(["store", "question"].flatMap((name) => fieldBytes(encoded, name)));
  for (let at = 0; at < encoded.length; at += 1 + random.below(7)) {
    const changed = encoded.slice();
    changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    // What nobody vouches for is told as such, and may read as anything.
    if (!named.has(at)) assert.equal(verifyRecall(changed, trust).ok, false, `byte ${at} changed`);
    assert.equal(verifyRecall(encoded.slice(0, at), trust).ok, false, `cut at ${at}`);
    const doubled = Buffer.concat([encoded.subarray(0, at + 1), encoded.subarray(at)]);
    assert.equal(verifyRecall(doubled, trust).ok, false, `byte ${at} doubled`);
  }
});

/** Where the value of a top field stands. */
const fieldBytes = (encoded: Uint8Array, name: string): number[] => {
  const from = Buffer.from(encoded).indexOf(name) + name.length;
  const length = 1 + ((encoded[from] as number) & 31);
  return Array.from({ length }, (_, i) => from + i);
};

test("a document has one encoding: anything else is refused", async () => {
  const { document, trust } = await shownFrom("strict", [4]);
  const encode = (value: object): Uint8Array => schema.encode(schema.anything, value as never);
  const { question: _question, ...least } = document;
  assert.equal(verifyRecall(encode(least), trust).ok, true);
  const [answer] = document.answers;
  const bad: readonly object[] = [
    { ...document, more: 1 },
    { ...document, schema: "ioi.recall-proof/2" },
    { ...document, store: new Uint8Array(15) },
    { ...document, question: "x".repeat(4097) },
    { ...document, answers: [answer, answer] },
    { ...document, answers: Array.from({ length: 1025 }, () => answer) },
    { ...document, answers: [{ ...answer, leaf: -1 }] },
    { ...document, answers: [{ ...answer, path: [] }] },
    { ...document, search: null },
    { ...least, answers: undefined },
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
