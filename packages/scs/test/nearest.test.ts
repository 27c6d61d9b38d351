/** Certificates that none is nearer: what they show, what they refuse, and that any change is refused. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { SeededRandom, toBase64, toHex } from "@ioi/base";
import type { mhnsw } from "@ioi/state";
import { type NearestClaim, sampleMax, verifyNearest } from "@ioi/verifier";
import { ask, type Asked, build, cutOff, nearestOf, vectorsOf } from "./nearest-support.ts";

const challenge = new Uint8Array(32).fill(7);

const certified = (
  { claim, certify, answers }: Asked,
  draw: mhnsw.Draw,
  told: Asked["answers"] = answers,
): NearestClaim => {
  const { certificate } = certify(draw, told);
  return { ...claim, challenge: draw.challenge, certificate };
};

const reasonOf = (claim: NearestClaim): string => {
  const verdict = verifyNearest(claim);
  return verdict.ok ? "" : verdict.reason;
};

test("every leaf opened shows the nearest of all; those that are gone do not count", () => {
  const random = new SeededRandom("exact");
  for (const count of [0, 1, 3, 40, sampleMax]) {
    const vectors = vectorsOf(random, count);
    const graph = build(vectors);
    const [query] = vectorsOf(random, 1) as [Int16Array];
    const [first, second] = nearestOf(vectors, query, 2);
    for (const id of [first, second]) if (id !== undefined) graph.bury(id);
    // Few enough leaves are all opened, whatever was asked for.
    for (const how of ["exact", "sampled"] as const) {
      const verdict = verifyNearest(certified(ask(graph, query), { how }));
      const gone = Math.min(2, count);
      assert.deepEqual(verdict, { ok: true, how: "exact", opened: count, gone });
    }
  }
});

test("of many leaves a rule draws some, another challenge others", () => {
  const random = new SeededRandom("sampled");
  const asked = ask(build(vectorsOf(random, 700)), vectorsOf(random, 1)[0] as Int16Array);
  const expected = { ok: true, how: "sampled", opened: sampleMax, gone: 0 };
  const free = certified(asked, { how: "sampled" });
  const bound = certified(asked, { how: "sampled", challenge });
  assert.deepEqual([verifyNearest(free), verifyNearest(bound)], [expected, expected]);
  assert.notDeepEqual(free.certificate, bound.certificate);
  for (const other of [undefined, new Uint8Array(32), new Uint8Array(31)]) {
    assert.notEqual(reasonOf({ ...bound, challenge: other }), "");
  }
  assert.equal(verifyNearest({ ...free, challenge }).ok, false);
});

test("control: what an edge left out hides passes the proof, and no certificate", () => {
  const random = new SeededRandom("hidden");
  const vectors = vectorsOf(random, 300);
  const [query] = vectorsOf(random, 1) as [Int16Array];
  const [hidden] = nearestOf(vectors, query, 1) as [number];
  const honest = ask(build(vectors), query);
  assert.equal(honest.answers[0]?.id, hidden);
  const graph = build(vectors);
  cutOff(graph, new Set([hidden]));
  // The proof holds: `ask` verified it.
  const lied = ask(graph, query);
  assert.notEqual(lied.answers[0]?.id, hidden);
  const { nearer, opened } = lied.certify({ how: "exact" });
  assert.deepEqual([nearer, opened], [1, 300]);
  assert.equal(reasonOf(certified(lied, { how: "exact" })), "a nearer one was left out");
  // As if it were an answer, or as if the answers scored higher.
  const { answers } = lied;
  const lies = [
    [{ id: hidden, score: 0 }, ...answers],
    answers.map(({ id }) => ({ id, score: 2 ** 40 })),
  ];
  const reasons = lies.map((lie) => reasonOf(certified(lied, { how: "exact" }, lie)));
  assert.deepEqual(reasons, ["a vector is not shown", "of a vector another part is due"]);
});

test("equal scores go by number, and fewer answers than were wanted leave room for none", () => {
  const one = vectorsOf(new SeededRandom("equal"), 1)[0] as Int16Array;
  // All the same: the answers are the lowest numbers that are not gone.
  const graph = build(Array.from({ length: 12 }, () => one));
  graph.bury(1);
  const asked = ask(graph, one);
  assert.deepEqual(
    asked.answers.map(({ id }) => id),
    [0, 2, 3, 4],
  );
  const good = certified(asked, { how: "exact" });
  assert.equal(reasonOf(good), "");
  const { searched } = good;
  // As if the last of them had not been found, or another one instead of it.
  const without = { ...searched, answers: searched.answers.slice(0, 3) };
  assert.notEqual(reasonOf({ ...good, searched: without }), "");
  const [a, b, c, d] = searched.answers;
  assert.ok(a && b && c && d);
  const later = { ...searched, answers: [a, b, c, { ...d, id: 7 }] };
  assert.notEqual(reasonOf({ ...good, searched: later }), "");
});

test("any changed, dropped, doubled or added byte: refused, and nothing throws", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const made = new SeededRandom("tampered certificate");
  const graph = build(vectorsOf(made, 600));
  const asked = ask(graph, vectorsOf(made, 1)[0] as Int16Array);
  const few = build(vectorsOf(made, 9));
  few.bury(2);
  const small = ask(few, vectorsOf(made, 1)[0] as Int16Array);
  for (const [good, every] of [
    [certified(small, { how: "exact" }), 7],
    [certified(asked, { how: "sampled", challenge }), 1999],
  ] as const) {
    const { certificate } = good;
    assert.equal(reasonOf(good), "");
    for (let at = 0; at < certificate.length; at += 1 + random.below(every)) {
      const changed = certificate.slice();
      changed[at] = (changed[at] as number) ^ (1 << random.below(8));
      assert.notEqual(reasonOf({ ...good, certificate: changed }), "", `byte ${at} changed`);
      const cut = certificate.slice(0, at);
      assert.notEqual(reasonOf({ ...good, certificate: cut }), "", `cut at ${at}`);
      const doubled = Buffer.concat([certificate.subarray(0, at + 1), certificate.subarray(at)]);
      assert.notEqual(reasonOf({ ...good, certificate: doubled }), "", `byte ${at} doubled`);
    }
    for (const length of [0, 1, 2, 33, 4096]) {
      const bytes = random.fill(new Uint8Array(length));
      assert.notEqual(reasonOf({ ...good, certificate: bytes }), "", `${length} random bytes`);
    }
  }
});

test("the examples beside the specification are made again, and verify", () => {
  const random = new SeededRandom("nearest example");
  const [query] = vectorsOf(random, 1) as [Int16Array];
  const small = build(vectorsOf(random, 6));
  small.bury(3);
  const exact = certified(ask(small, query), { how: "exact" });
  const asked = ask(build(vectorsOf(random, 500)), query);
  const shown = [
    exact,
    certified(asked, { how: "sampled" }),
    certified(asked, { how: "sampled", challenge }),
  ];
  const examples = shown.map((claim) => {
    assert.equal(reasonOf(claim), "");
    const { certificate, searched } = claim;
    return {
      root: toHex(claim.asked.root),
      nodes: searched.size,
      answers: searched.answers.map(({ id, score }) => ({ id, score })),
      challenge: claim.challenge === undefined ? null : toHex(claim.challenge),
      bytes: certificate.length,
      sha256: createHash("sha256").update(certificate).digest("hex"),
      ...(searched.size > sampleMax ? {} : { certificate: toBase64(certificate) }),
    };
  });
  const path = join(import.meta.dirname, "../../../specs/scs/nearest-example.json");
  const { query: written, examples: kept } = JSON.parse(readFileSync(path, "utf8")) as {
    readonly query: readonly number[];
    readonly examples: readonly object[];
  };
  assert.deepEqual([...query], written);
  assert.deepEqual(examples, kept);
});

test("its verifier imports the verifier of the search alone", () => {
  const file = createRequire(import.meta.url).resolve("@ioi/verifier");
  const text = readFileSync(join(dirname(file), "nearest.ts"), "utf8");
  const imported = [...text.matchAll(/\bfrom "([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual(imported, ["./retrieval.ts"]);
  assert.doesNotMatch(text, /\bimport\(|\brequire\(/);
});
