/** Messages that nobody honest sends, and bytes that were changed. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { type ConsensusBlock, type ConsensusMessage, consensusMessage, schema } from "@ioi/wire";
import { digestOf } from "@ioi/consensus/testing";

import { Bench, typesOf } from "@ioi/consensus/testing-bench";

const T14 = (bench: Bench): Readonly<Record<string, ConsensusMessage>> => {
  const { view, tc } = bench.late();
  const block = bench.block(view, bench.first);
  const good = bench.proposal(block, tc);
  assert.ok(good.type === "proposal");
  const vote = bench.committee.signer(1).vote(block);
  const qc = bench.committee.certify(block, [1, 2, 3]);
  const [share] = qc.votes;
  assert.ok(share !== undefined);
  const garbage: ConsensusBlock = {
    ...good.block,
    header: { ...block.header, payloadRoot: digestOf(9) },
  };
  const freeze = bench.committee.signer(2).must({ type: "freeze", proof: digestOf(1) });
  return {
    "unsigned vote": { type: "vote", envelope: { ...vote, signature: new Uint8Array(0) } },
    "vote of nobody": { type: "vote", envelope: { ...vote, gid: digestOf(3) } },
    "vote of the far future": { type: "vote", envelope: { ...vote, view: 1n << 40n } },
    "vote that is none": { type: "vote", envelope: freeze },
    "certificate of height 0": { type: "qc", qc: { ...qc, view: 0n } },
    "certificate of the far future": { type: "qc", qc: { ...qc, view: 1n << 40n } },
    "duplicate signers": { type: "qc", qc: { ...qc, votes: [share, share, share] } },
    "invented voters": {
      type: "qc",
      qc: { ...qc, votes: [share, { ...share, voter: 2 }, { ...share, voter: 9 }] },
    },
    "forged panic": {
      type: "freeze",
      envelope: { ...freeze, digest: digestOf(2) },
      qc: bench.first,
    },
    "panic without proof": {
      type: "divergence",
      proof: {
        version: 1,
        kind: "K1",
        registration: bench.judge.set.registration(1, bench.judge.context.epoch),
        first: vote,
        second: vote,
      },
    },
    "garbage before the leader's": { ...good, block: garbage },
    "garbage with an envelope of another": { ...good, envelope: { ...vote, kind: "propose" } },
    "proposal by who does not lead": {
      ...good,
      envelope: bench.committee.signer((bench.leader(view) + 1) % 4).must({
        type: "sign",
        kind: "propose",
        view: view + 1n,
        digest: block.digest,
        just: block.just,
        seen: block.just,
      }),
    },
    "block that nobody asked for": { type: "block", block: good.block },
    "timeouts below a quorum": {
      type: "tc",
      tc: { ...tc, timeouts: tc.timeouts.slice(0, 2) },
      qc: bench.first,
    },
    "another chain": { type: "vote", envelope: { ...vote, chain: digestOf(5) } },
    "another epoch": { type: "qc", qc: { ...qc, epoch: { number: 1n, mode: "a-dmft" } } },
    "another set": { type: "tc", tc: { ...tc, validators: digestOf(5) }, qc: bench.first },
  };
};

test("T14: every message that must not count is refused with a reason and changes nothing", () => {
  for (const [name, message] of Object.entries(T14(new Bench()))) {
    const bench = new Bench();
    const effects = bench.hear(message);
    assert.deepEqual(typesOf(effects), ["refused"], name);
    assert.equal(bench.engine.view, 1n, name);
    assert.equal(bench.engine.high.view, 0n, name);
    assert.equal(bench.engine.isStopped, false, name);
  }
});

test("bytes that were changed anywhere are refused or change nothing that matters", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const source = new Bench();
  const { view, tc } = source.late();
  const block = source.block(view, source.first);
  const proposal = source.proposal(block, tc);
  const qc = source.committee.certify(block, [1, 2, 3]);
  const messages: readonly ConsensusMessage[] = [
    proposal,
    { type: "qc", qc },
    { type: "tc", tc, qc: source.first },
    { type: "vote", envelope: source.committee.signer(1).state.last ?? assert.fail() },
  ];
  let decoded = 0;
  for (let i = 0; i < 1500; i++) {
    const bytes = schema.encode(consensusMessage, random.pick(messages));
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    const message = schema.decode(
      consensusMessage,
      random.chance(1, 20) ? bytes.slice(0, -1) : bytes,
    );
    if (!message.ok) continue;
    decoded += 1;
    const bench = new Bench();
    assert.deepEqual(
      typesOf(bench.hear(message.value)).filter((each) => each !== "refused"),
      [],
    );
    assert.equal(bench.engine.view, 1n);
  }
  assert.ok(decoded > 100, `${decoded} of them decode`);
});
