/** K10: what a proof leads to, on an engine in its third epoch, and that none hides another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type EngineEffect, leaseProofOf, sessionId, type TrustedSets } from "@ioi/consensus";
import {
  chain,
  doubleVote,
  judgeOf,
  member,
  type Member,
  nothing,
  Signer,
  timeoutRequest,
  twin,
} from "@ioi/consensus/testing";
import { Bench, requestsIn, sentIn } from "@ioi/consensus/testing-bench";
import type { DivergenceProof } from "@ioi/wire";

const current = 2n;
const members = ["a", "b", "c", "d"].map((name) => member(name, 1n));
const [, offender] = members;
assert.ok(offender !== undefined);
const gone = member("gone", 1n);
/** Whoever is gone decided with the others until this epoch. */
const judgeAt = (epoch: bigint) =>
  judgeOf(epoch < current ? [...members, gone] : members, twin, { epoch });
const sets: TrustedSets = { chain, setOf: ({ number }) => judgeAt(number).set.hash };

const benchOf = (without: ConstructorParameters<typeof Bench>[0] = []): Bench =>
  new Bench(without, { judge: judgeAt(current), sets });

const proofAt = (epoch: bigint, who: Member = offender): DivergenceProof =>
  doubleVote(judgeAt(epoch), who);

const tell = (bench: Bench, proof: DivergenceProof) => bench.hear({ type: "divergence", proof });

const sanctionsIn = (effects: readonly EngineEffect[]) =>
  effects.flatMap((effect) => {
    if (effect.type !== "divergence") return [];
    return effect.sanction.type === "freeze" ? "freeze" : effect.sanction.reason;
  });

test("K10: of this epoch and the one before, by who has power now, it freezes", () => {
  for (const epoch of [current, current - 1n]) {
    const bench = benchOf();
    const effects = tell(bench, proofAt(epoch));
    assert.deepEqual(sanctionsIn(effects), ["freeze"]);
    assert.equal(requestsIn(effects)[0]?.type, "freeze");
    assert.ok(bench.engine.isStopped);
  }
});

test("K10: what is older, or by who has no power any more, is passed on, and the chain goes on", () => {
  for (const [proof, reason] of [
    [proofAt(0n), "epoch"],
    [proofAt(current - 1n, gone), "power"],
    [proofAt(0n, gone), "epoch"],
  ] as const) {
    const bench = benchOf();
    const effects = tell(bench, proof);
    assert.deepEqual(sanctionsIn(effects), [reason]);
    assert.deepEqual(sentIn(effects), [{ type: "divergence", proof }]);
    assert.deepEqual(requestsIn(effects), []);
    assert.ok(!bench.engine.isStopped);
    const { child } = bench.commit();
    assert.equal(bench.engine.high.view, child.header.view, "it commits");
  }
});

test("K10, control: without its two halves the same proofs stop the chain", () => {
  for (const [rule, proof] of [
    ["K10-epoch", proofAt(0n)],
    ["K10-power", proofAt(current - 1n, gone)],
  ] as const) {
    assert.deepEqual(sanctionsIn(tell(benchOf([rule]), proof)), ["freeze"]);
  }
});

test("one proof for a Guardian and epoch: an old one, or one of K7, hides no later offence", () => {
  const bench = benchOf();
  assert.deepEqual(sanctionsIn(tell(bench, proofAt(0n))), ["epoch"]);
  assert.deepEqual(sanctionsIn(tell(bench, proofAt(0n))), [], "once");
  const before = judgeAt(current - 1n);
  const { key, entry } = member("fresh", 1n);
  const session = sessionId(twin, offender.entry.sessionKey);
  const succeeds = { session, lease: 40n };
  const renewed: Member = {
    ...offender,
    key,
    entry: { ...offender.entry, sessionKey: entry.sessionKey, succeeds },
  };
  const now = judgeOf([members[0] ?? offender, renewed, ...members.slice(2)], twin, {
    epoch: current,
  });
  const both: TrustedSets = {
    chain,
    setOf: ({ number }) => (number === current ? now.set.hash : before.set.hash),
  };
  const late = new Signer(before, offender).must(timeoutRequest(50n, nothing));
  const lease = leaseProofOf(
    before.set.registration(1, before.context.epoch),
    late,
    now.set.registration(1, now.context.epoch),
  );
  const other = new Bench([], { judge: now, sets: both });
  assert.deepEqual(sanctionsIn(tell(other, lease)), ["lease"]);
  assert.ok(!other.engine.isStopped);
  assert.deepEqual(sanctionsIn(tell(other, proofAt(current - 1n))), ["freeze"]);
});
