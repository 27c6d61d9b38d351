/** The reference index: searches find, proofs verify by the root alone, nothing altered does. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { MemoryStore, mhnsw } from "@ioi/state";
import { type RetrievalClaim, sha256OfParts, verifyRetrieval } from "@ioi/verifier";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const hashing = {
  sha256: (bytes: Uint8Array): Uint8Array =>
    new Uint8Array(createHash("sha256").update(bytes).digest()),
};

const parameters = { dimension: 64, m: 4, efConstruction: 40, salt: new Uint8Array(32).fill(3) };
const wanted = { ef: 24, rerank: 16, final: 8, k: 4 };

/** Vectors around a few centres, of 12 bits. */
const vectorsOf = (random: SeededRandom, count: number, dimension = 64): readonly Int16Array[] => {
  const centres = Array.from({ length: 12 }, () =>
    Float64Array.from({ length: dimension }, () => random.below(2000) - 1000),
  );
  return Array.from({ length: count }, () => {
    const centre = random.pick(centres);
    return Int16Array.from(centre, (value) => value + random.below(900) - 450);
  });
};

const frameOf = (n: number): Uint8Array => hashing.sha256(Uint8Array.of(n & 255, n >> 8));

const build = (vectors: readonly Int16Array[]): mhnsw.Graph => {
  const graph = new mhnsw.Graph(hashing, parameters);
  for (const [n, vector] of vectors.entries()) graph.add(vector, frameOf(n));
  return graph;
};

const claimOf = (graph: mhnsw.Graph, query: Int16Array) => {
  const commitment = new mhnsw.Commitment(hashing, graph);
  const root = commitment.root();
  const { answers, proof } = mhnsw.prove(
    hashing,
    graph,
    commitment,
    mhnsw.makeQuery(query),
    wanted,
  );
  const claim: RetrievalClaim = { root, parameters, query, wanted, proof };
  return { claim, answers };
};

test("SHA-256 of the verifier is the platform's", () => {
  const random = new SeededRandom("sha");
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]) {
    const bytes = random.fill(new Uint8Array(length));
    assert.deepEqual(sha256OfParts(bytes.subarray(0, 7), bytes.subarray(7)), hashing.sha256(bytes));
  }
});

test("a search finds what looking at everything finds, nearly always", () => {
  const random = new SeededRandom("recall");
  const all = vectorsOf(random, 440);
  const [vectors, queries] = [all.slice(0, 400), all.slice(400)];
  const graph = build(vectors);
  const wide = { ef: 96, rerank: 64, final: 16, k: 4 };
  let [found, due] = [0, 0];
  for (const query of queries) {
    const dot = (v: Int16Array): number =>
      v.reduce((sum, x, i) => sum + x * (query[i] as number), 0);
    const exact = vectors
      .map((vector, id) => ({ id, score: dot(vector) }))
      .sort((a, b) => b.score - a.score || a.id - b.id)
      .slice(0, wanted.k);
    const { answers } = mhnsw.search(graph, mhnsw.makeQuery(query), wide);
    due += wanted.k;
    found += answers.filter(({ id }) => exact.some((each) => each.id === id)).length;
    for (const { id, score } of answers) assert.equal(score, dot(vectors[id] as Int16Array));
  }
  assert.ok(found / due > 0.9, `${found} of ${due}`);
});

test("a proof verifies by the root alone, and says the same answers", () => {
  const random = new SeededRandom("proof");
  for (const count of [0, 1, 2, 3, 17, 64, 150]) {
    const graph = build(vectorsOf(random, count));
    for (const query of vectorsOf(random, 4)) {
      const { claim, answers } = claimOf(graph, query);
      const verdict = verifyRetrieval(claim);
      assert.ok(verdict.ok, `${count}: ${verdict.ok ? "" : verdict.reason}`);
      assert.deepEqual(
        verdict.answers.map(({ id, score }) => ({ id, score })),
        answers,
      );
      for (const { id, frame } of verdict.answers) assert.deepEqual(frame, frameOf(id));
      assert.equal(verdict.size, count);
    }
  }
});

test("what is gone is no answer, and the proof says so", () => {
  const random = new SeededRandom("gone");
  const graph = build(vectorsOf(random, 120));
  const [query] = vectorsOf(random, 1) as [Int16Array];
  const before = claimOf(graph, query);
  const first = before.answers[0]?.id as number;
  graph.bury(first);
  const after = claimOf(graph, query);
  assert.equal(
    after.answers.some(({ id }) => id === first),
    false,
  );
  const verdict = verifyRetrieval(after.claim);
  assert.ok(verdict.ok);
  assert.equal(
    verdict.answers.some(({ id }) => id === first),
    false,
  );
  assert.equal(verifyRetrieval({ ...before.claim, root: after.claim.root }).ok, false);
});

test("the root follows every addition as one made anew does, and depends on everything", () => {
  const random = new SeededRandom("root");
  const vectors = vectorsOf(random, 70);
  const graph = new mhnsw.Graph(hashing, parameters);
  const kept = new mhnsw.Commitment(hashing, graph);
  const roots = new Set<string>();
  for (const [n, vector] of vectors.entries()) {
    kept.touch(graph.add(vector, frameOf(n)).touched);
    const root = kept.root();
    assert.deepEqual(root, new mhnsw.Commitment(hashing, graph).root(), `${n}`);
    roots.add(Buffer.from(root).toString("hex"));
  }
  assert.equal(roots.size, vectors.length);
  graph.bury(3);
  kept.touch([3]);
  assert.equal(roots.has(Buffer.from(kept.root()).toString("hex")), false);
});

test("any changed, dropped or added byte: not accepted, and nothing throws", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const graph = build(vectorsOf(new SeededRandom("tamper"), 90));
  graph.bury(5);
  const [query] = vectorsOf(new SeededRandom("tampered query"), 1) as [Int16Array];
  const { claim } = claimOf(graph, query);
  assert.equal(verifyRetrieval(claim).ok, true);
  for (let at = 0; at < claim.proof.length; at += 1 + random.below(inner ? 90 : 9)) {
    const changed = claim.proof.slice();
    changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    assert.equal(verifyRetrieval({ ...claim, proof: changed }).ok, false, `byte ${at} changed`);
    const cut = claim.proof.slice(0, at);
    assert.equal(verifyRetrieval({ ...claim, proof: cut }).ok, false, `cut at ${at}`);
    const doubled = Buffer.concat([claim.proof.subarray(0, at), claim.proof.subarray(at - 1)]);
    assert.equal(verifyRetrieval({ ...claim, proof: doubled }).ok, false, `byte ${at} doubled`);
  }
});

test("another root, query, width or number of answers is another claim", () => {
  const graph = build(vectorsOf(new SeededRandom("claims"), 90));
  const [query, other] = vectorsOf(new SeededRandom("two queries"), 2) as [Int16Array, Int16Array];
  const { claim } = claimOf(graph, query);
  const changes: readonly Partial<RetrievalClaim>[] = [
    { root: new Uint8Array(32) },
    { root: new Uint8Array(31) },
    { query: other },
    { query: query.slice(1) },
    { query: new Int16Array(64).fill(3000) },
    { wanted: { ...wanted, ef: 40 } },
    { wanted: { ...wanted, final: 7 } },
    { wanted: { ...wanted, k: 9 } },
    { wanted: { ...wanted, k: 0.5 } },
    { parameters: { ...parameters, m: 5 } },
    { parameters: { ...parameters, salt: new Uint8Array(32) } },
    { proof: new Uint8Array() },
  ];
  for (const [i, change] of changes.entries()) {
    assert.equal(verifyRetrieval({ ...claim, ...change }).ok, false, `change ${i}`);
  }
});

test("control: a builder who leaves out an edge makes another root", () => {
  const vectors = vectorsOf(new SeededRandom("edge"), 60);
  const [honest, lying] = [build(vectors), build(vectors)];
  assert.deepEqual(
    new mhnsw.Commitment(hashing, honest).root(),
    new mhnsw.Commitment(hashing, lying).root(),
  );
  (lying.neighbours(7, 0) as number[]).pop();
  assert.notDeepEqual(
    new mhnsw.Commitment(hashing, honest).root(),
    new mhnsw.Commitment(hashing, lying).root(),
  );
});

test("an index tree is searched, and its answers proved, under its root", () => {
  const small = { dimension: 8, m: 4, efConstruction: 16, salt: new Uint8Array(32) };
  const tree = mhnsw.indexTree(small).open(new MemoryStore(), hashing);
  const value = (n: number): Uint8Array => Uint8Array.from({ length: 20 }, (_, i) => (i * n) & 255);
  for (let n = 0; n < 40; n++) {
    tree.set(Uint8Array.of(n), value(n));
    if (n % 3 === 0) tree.commit(BigInt(n));
  }
  const root = tree.commit(40n);
  const { graph, commitment } = tree.indexed;
  const query = mhnsw.makeQuery(mhnsw.leadingVector(8)(value(7)));
  const few = { ef: 16, rerank: 16, final: 8, k: 3 };
  const { proof, answers } = mhnsw.prove(hashing, graph, commitment, query, few);
  const claim = { root, parameters: small, query: query.whole, wanted: few, proof };
  const verdict = verifyRetrieval(claim);
  assert.deepEqual(verdict.ok && verdict.answers.map(({ id, score }) => ({ id, score })), answers);
  // Control: the root of another content.
  tree.set(Uint8Array.of(3), value(4));
  assert.equal(verifyRetrieval({ ...claim, root: tree.commit(41n) }).ok, false);
});

test("the verifier is one module of at most 600 lines, and imports nothing", () => {
  const file = createRequire(import.meta.url).resolve("@ioi/verifier");
  const text = readFileSync(join(dirname(file), "retrieval.ts"), "utf8");
  assert.ok(text.split("\n").length <= 601, "lines");
  assert.doesNotMatch(text, /^\s*(?:import|export\s.*\sfrom)\s|\bimport\(|\brequire\(/m);
});
