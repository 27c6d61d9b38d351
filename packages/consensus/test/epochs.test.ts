/** The end of an epoch, from one engine to the next: certificate, Guardian, set and first view. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Anchor,
  anchorAfter,
  Engine,
  type EngineEffect,
  type EngineInput,
  type Judge,
  LightClient,
  tenureViews,
} from "@ioi/consensus";
import type { EpochCert } from "@ioi/wire";
import {
  chain,
  firstEpoch,
  genesis,
  judgeOf,
  type Member,
  member,
  named,
  nothing,
  setOf,
  Signer,
  timeoutRequest,
  twin,
} from "@ioi/consensus/testing";
import { Bench, held, requestsIn, typesOf } from "@ioi/consensus/testing-bench";

const judgeAt = (number: bigint, members: readonly Member[], anchor: Anchor): Judge =>
  judgeOf(members, twin, { epoch: number, anchor });

/** One validator alone, until the epoch that ends at `endHeight` is over; its effects answered at once. */
const liveThrough = (judge: Judge, signer: Signer, next: readonly Member[], endHeight: bigint) => {
  const { anchor } = judge;
  const engine = new Engine(
    {
      judge,
      seed: named("schedule"),
      me: 0,
      sets: { chain, setOf: () => judge.set.hash },
      deltaMs: 25,
      baseMs: 250,
      strongMs: 0,
      heartbeatMs: 0,
    },
    { root: { ...anchor, justView: 0n, commitHeight: anchor.height }, records: [] },
    anchor.timeMs,
  );
  let nowMs = anchor.timeMs;
  let ended: { readonly cert: EpochCert; readonly heights: readonly bigint[] } | undefined;
  const heights: bigint[] = [];
  const answersTo = (effect: EngineEffect): readonly EngineInput[] => {
    switch (effect.type) {
      case "sign": {
        const envelope = signer.ask(effect.request);
        return [typeof envelope === "string" ? { type: "unsigned" } : { type: "signed", envelope }];
      }
      case "judge":
        return [{ type: "judged", digest: effect.digest, isHeld: true }];
      case "build": {
        const { view, parent, height, isOver } = effect;
        const payloadRoot = isOver ? nothing.digest : named(`payload ${height}`);
        const ends =
          height === endHeight && !isOver
            ? { ends: { validators: setOf(next).hash, leaseEnd: view + 30n } }
            : {};
        const stateRoot = named(`state ${effect.stateHeight}`);
        return [{ type: "built", view, parent, payloadRoot, stateRoot, ...ends }];
      }
      case "commit":
        heights.push(...effect.blocks.map(({ header }) => header.height));
        if (effect.epochCert !== undefined) ended = { cert: effect.epochCert, heights };
        return [];
      default:
        return [];
    }
  };
  const inputs: EngineInput[] = [{ type: "payload", waits: true }];
  for (let steps = 0; ended === undefined && steps < 2000; steps++) {
    const input = inputs.shift() ?? { type: "tick" };
    if (input.type === "tick") nowMs = Math.max(nowMs + 1, Math.ceil(engine.deadline() ?? nowMs));
    for (const effect of engine.handle(input, nowMs)) inputs.push(...answersTo(effect));
  }
  assert.ok(ended !== undefined, "the epoch ends");
  assert.ok(engine.isStopped);
  assert.equal(engine.deadline(), undefined, "nothing is left to wait for");
  assert.deepEqual(engine.handle({ type: "payload", waits: true }, nowMs + 10_000), []);
  return ended;
};

test("five epochs are handed over, each with another set; a light client follows the same certificates", () => {
  const keyOf = (number: number): readonly Member[] => [member(`v${number}`, 1n)];
  let members = keyOf(0);
  let anchor: Anchor = genesis;
  const client = new LightClient(twin, { chain, epoch: firstEpoch, set: setOf(members), anchor });
  let committed = 0n;
  for (let number = 0n; number < 5n; number++) {
    const judge = judgeAt(number, members, anchor);
    const [only] = members;
    assert.ok(only !== undefined);
    const next = keyOf(Number(number) + 1);
    const signer = new Signer(judge, only);
    const endHeight = committed + 4n;
    const { cert, heights } = liveThrough(judge, signer, next, endHeight);
    assert.deepEqual(
      heights,
      [1n, 2n, 3n, 4n].map((up) => committed + up),
      "each once, none above the end",
    );
    committed = endHeight;
    const end = judge.epochCert(cert);
    assert.ok(end.ok);
    anchor = anchorAfter(end.value);
    assert.equal(anchor.view % tenureViews, 0n);
    assert.ok(anchor.view >= end.value.leaseEnd && anchor.view >= cert.boundary.view);
    // G5: the Guardian that stays enters above the anchor, and signs nothing of the epoch before.
    const { validators } = judgeAt(number + 1n, next, anchor).context;
    const epoch = { ...firstEpoch, number: number + 1n };
    signer.ask({ type: "advance", epoch, validators, anchor });
    assert.match(`${signer.ask(timeoutRequest(anchor.view, nothing)) as string}`, /^G1: slot/);
    const first = signer.must(timeoutRequest(anchor.view + 1n, nothing));
    assert.equal(first.epoch.number, number + 1n);
    assert.ok(
      client.advance(
        cert,
        next.map(({ entry }) => entry),
      ).ok,
    );
    assert.deepEqual(client.anchor, anchor);
    members = next;
  }
});

test("what a Guardian signs that was set back into another epoch is not taken for its vote", () => {
  const bench = new Bench();
  const { view, tc } = bench.late();
  const block = bench.block(view, bench.first);
  bench.hear(bench.proposal(block, tc));
  const asked = requestsIn(held(bench, block));
  assert.equal(asked.length, 1, "it asks for its vote");
  const envelope = bench.committee.signer(0).vote(block);
  const epoch = { ...envelope.epoch, number: envelope.epoch.number + 1n };
  assert.deepEqual(typesOf(bench.give({ type: "signed", envelope: { ...envelope, epoch } })), []);
  assert.equal(bench.engine.high.view, bench.first.view, "nothing was counted");
});
