/** Grade S: who is asked, what is answered, and what counts (GS1 to GS5), on one engine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes } from "@ioi/base";
import type { EngineEffect } from "@ioi/consensus";
import type { CommitCert, Envelope, GuardAnswer } from "@ioi/wire";
import { blockOn, digestOf, requestFor } from "@ioi/consensus/testing";
import { Bench, held, reasonsIn, requestsIn, sentIn, typesOf } from "@ioi/consensus/testing-bench";

const verdictsIn = (effects: readonly EngineEffect[]) =>
  effects.flatMap((effect) =>
    effect.type === "guarded" ? [[effect.verdict, effect.power] as const] : [],
  );

const answersIn = (effects: readonly EngineEffect[]): readonly GuardAnswer[] =>
  effects.flatMap((effect) =>
    effect.type === "send" && effect.message.type === "guarded" ? [effect.message.answer] : [],
  );

/** The engine has asked about a block that it committed. */
const asking = (bench = new Bench()) => {
  const commit = bench.commit();
  const asked = bench.give({ type: "guard", height: 1n });
  return { bench, commit, asked };
};

const waited = (bench: Bench): readonly EngineEffect[] => {
  bench.nowMs += 50;
  return bench.give({ type: "tick" });
};

test("GS1: whoever wants S asks all with the pair, once, and no sooner than it is committed", () => {
  const early = new Bench();
  assert.deepEqual(sentIn(early.give({ type: "guard", height: 1n })), []);
  early.commit();
  const { bench, commit, asked } = asking();
  assert.deepEqual(sentIn(asked), [{ type: "guard", commit: commit.cert }]);
  assert.deepEqual(sentIn(bench.give({ type: "guard", height: 1n })), [], "one at a time");
  assert.ok((bench.engine.deadline() ?? Infinity) <= bench.nowMs + 50);
});

test("GS5: OKs of a quorum and two delays make S, and neither alone", () => {
  const { bench, commit } = asking();
  const { digest } = commit.block;
  for (const voter of [1, 2]) bench.hear(bench.answer(voter, digest));
  bench.nowMs += 49;
  assert.deepEqual(verdictsIn(bench.give({ type: "tick" })), [], "it waits for all");
  bench.nowMs += 1;
  assert.deepEqual(verdictsIn(bench.give({ type: "tick" })), [["guarded", 3n]]);
  const few = asking();
  few.bench.hear(few.bench.answer(1, few.commit.block.digest));
  few.bench.hear(few.bench.answer(1, few.commit.block.digest));
  assert.deepEqual(verdictsIn(waited(few.bench)), [["unanswered", 2n]], "one host counts once");
});

test("GS5, control: without the wait a quorum of OKs is S before who objects is heard", () => {
  const { bench, commit } = asking(new Bench(["GS5-wait"]));
  const { digest } = commit.block;
  bench.hear(bench.answer(1, digest));
  assert.deepEqual(verdictsIn(bench.hear(bench.answer(2, digest))), [["guarded", 3n]]);
});

/** A vote that the Guardian of that number signed for another block, whatever else it signed. */
const rivalVote = (bench: Bench, voter: number, view: bigint, justView = 0n): Envelope => {
  const rival = blockOn(bench.judge, { height: 5n, timeMs: 9 }, bench.first, view);
  const copy = new Bench().committee.signer(voter);
  const just = { view: justView, digest: justView === 0n ? rival.just.digest : digestOf(7) };
  return copy.must({ ...requestFor(rival), just, seen: just });
};

test("GS5: a vote since the block's view, or an older one that may have completed a commit, is a conflict", () => {
  const cases = (view: bigint) =>
    [
      ["of its view", view, 0n, "conflict"],
      ["newer", view + 40n, 0n, "conflict"],
      ["older, after a block of the view before", view - 1n, view - 2n, "conflict"],
      ["older, after an older block", view - 1n, view - 3n, "guarded"],
    ] as const;
  const { view } = new Bench().late();
  for (const [name, at, justView, verdict] of cases(view)) {
    const { bench, commit } = asking();
    const { digest } = commit.block;
    for (const voter of [1, 2]) bench.hear(bench.answer(voter, digest));
    const vote = rivalVote(bench, 3, at, justView);
    const heard = bench.hear(bench.answer(3, digest, [vote]));
    assert.deepEqual(reasonsIn(heard), [], name);
    const verdicts = [...verdictsIn(heard), ...verdictsIn(waited(bench))];
    assert.deepEqual(verdicts, [[verdict, 3n]], name);
  }
});

test("GS2, control: without older votes a commit of a view before stays unsaid", () => {
  const { bench, commit } = asking(new Bench(["GS2-older"]));
  const { digest, header } = commit.block;
  for (const voter of [1, 2]) bench.hear(bench.answer(voter, digest));
  bench.hear(bench.answer(3, digest, [rivalVote(bench, 3, header.view - 1n, header.view - 2n)]));
  assert.deepEqual(verdictsIn(waited(bench)), [["guarded", 3n]]);
});

test("GS5: votes on the block's own branch are none against it", () => {
  const { bench, commit } = asking();
  const { digest } = commit.block;
  bench.hear(bench.answer(1, digest));
  const { judge } = bench;
  const qcs = [commit.cert.blockQc, commit.cert.childQc];
  const own = qcs.flatMap((qc) =>
    judge.votesOf(qc).flatMap((vote) => (vote.voter === 3 ? [vote.envelope] : [])),
  );
  assert.equal(own.length, 2);
  assert.deepEqual(verdictsIn(bench.hear(bench.answer(3, digest, own))), []);
  assert.deepEqual(verdictsIn(waited(bench)), [["unanswered", 2n]], "and they are no OK");
});

test("GS4, V10: an answer counts for the host that signed it, with votes of its own Guardian", () => {
  const { bench, commit } = asking();
  const { digest } = commit.block;
  const others = bench.judge.votesOf(commit.cert.blockQc).map(({ envelope }) => envelope);
  const vote = rivalVote(bench, 3, 40n);
  const wrong = [
    bench.answer(2, digest, [], 1),
    bench.answer(2, digest, others),
    bench.answer(3, digest, [{ ...vote, view: 41n }]),
    bench.answer(2, digestOf(1)),
  ];
  const reasons = wrong.map((message) => reasonsIn(bench.hear(message))[0]);
  const envelope = "E_CONSENSUS_ENVELOPE";
  assert.deepEqual(reasons, [envelope, envelope, envelope, "E_CONSENSUS_STALE"]);
  assert.deepEqual(verdictsIn(waited(bench)), [["unanswered", 1n]]);
});

test("GS3: OK is said once the block is committed here, and its certificates are durable", () => {
  const source = new Bench();
  const commit = source.commit();
  const bench = new Bench();
  const { block, child, cert } = commit;
  assert.deepEqual(
    answersIn(bench.hear({ type: "guard", commit: cert })),
    [],
    "its block is missing",
  );
  bench.nowMs += 1;
  bench.hear({ type: "block", block: { header: block.header, justify: block.justify } });
  const last = bench.hear({
    type: "block",
    block: { header: child.header, justify: child.justify },
  });
  const [answer] = answersIn(last);
  assert.deepEqual(answer?.votes, []);
  assert.ok(bench.judge.guardAnswer(answer ?? assert.fail()).ok);
  const persisted = last.findIndex(
    (each) =>
      each.type === "persist" &&
      each.record.type === "qc" &&
      each.record.qc.view === child.header.view,
  );
  assert.ok(persisted !== -1 && persisted < typesOf(last).lastIndexOf("send"));
  const again = bench.hear({ type: "guard", commit: cert });
  assert.deepEqual(answersIn(again), [answer], "an OK stays true");
});

/** The engine voted for a block of a later view, and then hears of a commit that left it out. */
const astray = (without: ConstructorParameters<typeof Bench>[0] = []) => {
  const bench = new Bench(without);
  const { view, tc } = bench.late();
  const rival = blockOn(bench.judge, { height: 0n, timeMs: 0 }, bench.first, view, {
    proposer: bench.leader(view),
    payloadRoot: digestOf(9),
    timeMs: bench.nowMs,
  });
  bench.hear(bench.proposal(rival, tc));
  const [request] = requestsIn(held(bench, rival));
  assert.ok(request?.type === "sign" && request.kind === "vote");
  bench.give({ type: "signed", envelope: bench.committee.signer(0).must(request) });
  const source = new Bench();
  const block = source.block(view - 1n, source.first);
  const blockQc = source.committee.certify(block, [1, 2, 3]);
  const child = source.block(view, blockQc, block.header);
  const childQc = source.committee.certify(child, [1, 2, 3]);
  const cert: CommitCert = { block: block.header, child: child.header, blockQc, childQc };
  return { bench, rival, cert, blocks: [block, child] };
};

test("GS2: a host objects at once with its own vote against the block, and not without the rule", () => {
  const { bench, rival, cert } = astray();
  const [answer] = answersIn(bench.hear({ type: "guard", commit: cert }));
  assert.deepEqual(
    answer?.votes.map(({ digest }) => digest),
    [rival.digest],
  );
  const silent = astray(["GS2-votes"]);
  assert.deepEqual(answersIn(silent.bench.hear({ type: "guard", commit: silent.cert })), []);
});

test("GS2: a host that starts again still knows its votes, and which of them lost", () => {
  const { bench, rival, cert } = astray();
  bench.engine = bench.boot(bench.wal);
  const [answer] = answersIn(bench.hear({ type: "guard", commit: cert }));
  assert.deepEqual(
    answer?.votes.map(({ digest }) => digest),
    [rival.digest],
  );
  const heightOf = (digest: Uint8Array) => (equalBytes(digest, rival.digest) ? 1n : undefined);
  bench.engine = bench.boot(bench.wal, { heightOf });
  assert.deepEqual(answersIn(bench.hear({ type: "guard", commit: cert })), []);
});

test("GS1: whose own vote is against its commit asks nobody", () => {
  const { bench, rival, cert, blocks } = astray();
  bench.hear({ type: "guard", commit: cert });
  for (const { header, justify } of blocks)
    bench.hear({ type: "block", block: { header, justify } });
  const effects = bench.give({ type: "guard", height: 1n });
  assert.deepEqual(sentIn(effects), []);
  const [verdict] = effects;
  assert.ok(verdict?.type === "guarded" && verdict.verdict === "conflict");
  assert.deepEqual(
    verdict.against.map(({ digest }) => digest),
    [rival.digest],
  );
});

test("GS5: an objection that comes first ends the question; a block above it may still be S", () => {
  const { bench, commit } = asking();
  const { digest, header } = commit.block;
  const heard = bench.hear(bench.answer(3, digest, [rivalVote(bench, 3, header.view)]));
  assert.deepEqual(verdictsIn(heard), [["conflict", 1n]]);
  const { child } = commit;
  bench.nowMs += 1;
  const top = bench.block(child.header.view + 1n, commit.cert.childQc, child.header);
  bench.hear(bench.proposal(top));
  const qc = bench.committee.certify(top, [1, 2, 3]);
  const above = [...bench.hear({ type: "qc", qc }), ...bench.give({ type: "guard", height: 2n })];
  assert.ok(sentIn(above).some(({ type }) => type === "guard"));
  for (const voter of [1, 2]) bench.hear(bench.answer(voter, child.digest));
  assert.deepEqual(verdictsIn(waited(bench)), [["guarded", 3n]]);
});
