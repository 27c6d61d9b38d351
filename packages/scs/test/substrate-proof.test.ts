/** What shows answers of a substrate: proofs, with and without what is nearest. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { mhnsw } from "@ioi/state";
import { type RecallTrust, verifyRecall } from "@ioi/verifier";
import { openSubstrate } from "../src/index.ts";
import { fresh, idsOf, kernel, memoriesFrom, open } from "./substrate-support.ts";
import { freshPlace } from "./support.ts";

test("a proof verifies from the commit alone, and not after a change", async () => {
  const place = await fresh("proved");
  await using substrate = await open(place);
  await substrate.remember(memoriesFrom(0, 60));
  await substrate.tomb([8]);
  const { answers, proof, logRoot, indexRoot } = await substrate.prove({
    text: "word3 comet",
    k: 4,
  });
  const commit = substrate.info.lastCommit;
  assert.ok(commit && indexRoot);
  const verdict = verifyRecall(proof, { commit, logRoot, indexRoot });
  assert.ok(verdict.ok, verdict.ok ? "" : verdict.reason);
  assert.deepEqual(
    verdict.answers.map(({ memory }) => memory),
    idsOf(answers),
  );
  assert.deepEqual(
    verdict.answers.map(({ content }) => content.text),
    answers.map(({ memory }) => memory.text),
  );
  assert.equal(verdict.search?.answers.length, 4);
  // A filter that says nothing is none: the search is proved all the same.
  const unsaid = await substrate.prove({ text: "comet", k: 4, filter: { tags: undefined } });
  const same = verifyRecall(unsaid.proof, { commit });
  assert.ok(same.ok && same.search !== undefined);
  await substrate.remember(memoriesFrom(60, 1));
  const later = substrate.info.lastCommit;
  assert.ok(later);
  assert.equal(verifyRecall(proof, { commit: later }).ok, false);
});

test("that none is nearer is shown where it is asked for, and only where it can be", async () => {
  const place = await fresh("nearest");
  await using substrate = await open(place);
  await substrate.remember(memoriesFrom(0, 600));
  await substrate.tomb([8]);
  const { indexRoot: root, lastCommit: commit } = substrate.info;
  assert.ok(root && commit);
  const query = { text: "word3 comet", k: 3, by: "vectors", ef: 600 } as const;
  const challenge = new Uint8Array(32).fill(9);
  const shownBy = async (nearest: mhnsw.Draw | undefined, trust: Partial<RecallTrust> = {}) => {
    const verdict = verifyRecall((await substrate.prove(query, { nearest })).proof, {
      commit,
      ...trust,
    });
    if (!verdict.ok) return [verdict.reason];
    const { how, opened, gone } = verdict.search?.nearest ?? {};
    const isAll = verdict.notShown.some((line) => line.includes("nearest of all"));
    const isTried = verdict.notShown.some((line) => line.includes("did not try"));
    return [how, opened, gone, isAll, isTried];
  };
  const drawn = { how: "sampled", challenge } as const;
  assert.deepEqual(await shownBy(undefined), [undefined, undefined, undefined, true, false]);
  assert.deepEqual(await shownBy({ how: "exact" }), ["exact", 600, 1, false, false]);
  const [how, opened, , isAll, isTried] = await shownBy({ how: "sampled" });
  assert.deepEqual([how, opened, isAll, isTried], ["sampled", 460, true, true]);
  const own = await shownBy(drawn, { challenge });
  assert.deepEqual([own[0], own[4]], ["sampled", false]);
  // A challenge that the verifier does not know is none.
  assert.equal((await shownBy(drawn))[4], true);
  const other = ["its nodes are drawn by another challenge"];
  assert.deepEqual(await shownBy({ how: "sampled" }, { challenge }), other);
  assert.deepEqual(await shownBy(drawn, { challenge: root }), other);
  const nothing = ["it does not show that none is nearer"];
  assert.deepEqual(await shownBy(undefined, { nearest: "sampled" }), nothing);
  const few = await shownBy(drawn, { nearest: "exact" });
  assert.deepEqual(few, ["it opens some nodes, not all"]);
  assert.equal((await shownBy({ how: "exact" }, { nearest: "sampled", challenge }))[0], "exact");
  const worded = { ...query, by: "words" } as const;
  await assert.rejects(substrate.prove(worded, { nearest: { how: "exact" } }), {
    code: "E_SCS_QUERY",
  });
  const filtered = { ...query, filter: { tags: ["n1"] } };
  await assert.rejects(substrate.prove(filtered, { nearest: { how: "exact" } }), {
    code: "E_SCS_STALE",
  });
});

test("what is more than a proof holds is refused, and shown in parts", async () => {
  const place = await freshPlace("large");
  await using substrate = await openSubstrate(place, "write", { kernel });
  const text = "x".repeat(6 * 1024 * 1024);
  const large = { text, origin: { kind: "user", from: "" } };
  const ids = idsOf(await substrate.remember([large, large, large]));
  await assert.rejects(substrate.show(ids), { code: "E_SCS_QUERY" });
  assert.ok((await substrate.show(ids.slice(0, 2))).length > 2 * text.length);
});
