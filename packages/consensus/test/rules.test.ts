/** The host's rules one by one, on one engine whose peers are written by hand. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type HostRule,
  lastViewOf,
  nextTenureStart,
  quorumCertOf,
  timeoutCertOf,
} from "@ioi/consensus";
import { type BlockHeader } from "@ioi/wire";
import { blockOn, type Certified, digestOf, genesis, requestFor } from "@ioi/consensus/testing";
import { Bench, held, reasonsIn, requestsIn, sentIn, typesOf } from "@ioi/consensus/testing-bench";

test("R2: a vote is asked for when the payload is held, and not before", () => {
  const bench = new Bench();
  const { view, tc } = bench.late();
  const block = bench.block(view, bench.first);
  const heard = bench.hear(bench.proposal(block, tc));
  assert.deepEqual(typesOf(heard), ["persist", "persist", "judge"]);
  assert.deepEqual(
    requestsIn(bench.give({ type: "judged", digest: block.digest, isHeld: false })),
    [],
  );
  const [request] = requestsIn(held(bench, block));
  assert.deepEqual(request, {
    type: "sign",
    kind: "vote",
    view,
    digest: block.digest,
    just: { view: 0n, digest: genesis.digest },
    seen: { view: 0n, digest: genesis.digest },
  });
});

test("R1: a certificate opens a view before its block is held; the block is fetched, and then it counts", () => {
  const bench = new Bench();
  const { view } = bench.late();
  const block = bench.block(view, bench.first);
  const qc = bench.committee.certify(block, [1, 2, 3]);
  const heard = bench.hear({ type: "qc", qc });
  assert.deepEqual(
    heard.filter(({ type }) => type !== "keep"),
    [{ type: "send", to: 1, message: { type: "fetch", digest: block.digest } }],
  );
  assert.equal(bench.engine.view, view + 1n);
  assert.equal(bench.engine.high.view, 0n);
  bench.hear({ type: "block", block: { header: block.header, justify: block.justify } });
  assert.deepEqual(bench.engine.high, qc);
  const fetched = bench.hear({ type: "fetch", digest: block.digest });
  assert.deepEqual(typesOf(fetched), ["send"]);
  assert.deepEqual(bench.hear({ type: "fetch", digest: digestOf(1) }), [
    { type: "lookup", to: 1, digest: digestOf(1) },
  ]);
});

test("R3: what a request names is persisted before it, and an envelope before it is sent", () => {
  const bench = new Bench();
  const { view, tc } = bench.late();
  const block = bench.block(view, bench.first);
  const effects = [...bench.hear(bench.proposal(block, tc)), ...held(bench, block)];
  const asked = effects.findIndex(({ type }) => type === "sign");
  const before = effects
    .slice(0, asked)
    .flatMap((each) => (each.type === "persist" ? [each.record.type] : []));
  assert.deepEqual(before, ["tc", "block"]);
  const envelope = bench.committee.signer(0).vote(block);
  const after = bench.give({ type: "signed", envelope });
  assert.deepEqual(typesOf(after), ["persist", "broadcast"]);
});

test("T20: a certificate that raised the Guardian's lock is still there after a crash", () => {
  const bench = new Bench();
  const { view, tc } = bench.late();
  const block = bench.block(view, bench.first);
  bench.hear(bench.proposal(block, tc));
  const qc = bench.committee.certify(block, [1, 2, 3]);
  bench.hear({ type: "qc", qc });
  assert.deepEqual(bench.engine.high, qc);
  const again = bench.boot(bench.wal);
  assert.deepEqual(again.high, qc);
  assert.equal(again.view, view + 1n);
  const without = bench.boot(bench.wal.filter(({ type }) => type !== "qc"));
  assert.equal(without.high.view, 0n, "control: it is the persisted one");
});

test("T11: timeouts open the view after theirs, and no other", () => {
  const bench = new Bench();
  const tc = bench.timeouts(16n);
  bench.hear({ type: "tc", tc, qc: bench.first });
  assert.equal(bench.engine.view, 17n);
  const far = bench.foreign(33n);
  const block = bench.block(far, bench.first);
  bench.hear(bench.proposal(block, tc));
  assert.equal(bench.engine.view, 17n);
  assert.deepEqual(requestsIn(held(bench, block)), [], "its view is not open");
  const own = timeoutCertOf(bench.judge.set, [
    bench.committee.signer(1).timeout(40n, genesis),
    bench.committee.signer(2).timeout(40n, genesis),
  ]);
  assert.deepEqual(reasonsIn(bench.hear({ type: "tc", tc: own, qc: bench.first })), [
    "E_CONSENSUS_CERTIFICATE",
  ]);
});

/** The engine holds a certificate of `u`; the leader of `v` proposes as if there were none. */
const hidden = (without: readonly HostRule[] = []) => {
  const bench = new Bench(without);
  const { view: u, tc } = bench.late();
  const block = bench.block(u, bench.first);
  bench.hear(bench.proposal(block, tc));
  bench.hear({ type: "qc", qc: bench.committee.certify(block, [1, 2, 3]) });
  const v = bench.foreign(nextTenureStart(u));
  bench.hear({ type: "tc", tc: bench.timeouts(v - 1n), qc: bench.first });
  assert.equal(bench.engine.view, v);
  const stale = bench.block(v, bench.first);
  return { bench, v, stale, heard: [...bench.hear(bench.proposal(stale)), ...held(bench, stale)] };
};

test("T4, T13: below a held certificate there is no vote but a rejection, and it ends one view", () => {
  const { bench, v, heard } = hidden();
  const [nack] = sentIn(heard);
  assert.equal(nack?.type, "nack");
  assert.deepEqual(
    requestsIn(heard).map((each) => each.type === "sign" && [each.kind, each.view]),
    [["timeout", v]],
    "the view, not the tenure",
  );
  bench.give({ type: "signed", envelope: bench.committee.signer(0).timeout(v, bench.engine.high) });
  bench.hear({ type: "tc", tc: bench.timeouts(v), qc: bench.first });
  assert.equal(bench.engine.view, v + 1n);
  const again = bench.block(v + 1n, bench.first);
  const second = [...bench.hear(bench.proposal(again)), ...held(bench, again)];
  assert.equal(sentIn(second)[0]?.type, "nack");
  assert.deepEqual(requestsIn(second), [], "one rejection for a tenure; then the timer decides");
});

test("T13, control: a host without the rule asks for that vote, and its Guardian refuses it", () => {
  const { bench, stale, heard } = hidden(["R2-lock"]);
  const [request] = requestsIn(heard);
  assert.ok(request?.type === "sign" && request.kind === "vote");
  const guardian = bench.committee.signer(0);
  guardian.timeout(1n, bench.engine.high);
  assert.match(guardian.ask(request) as string, /^G1: the vote is justified at 0/);
  assert.deepEqual(typesOf(bench.give({ type: "unsigned" })), []);
  assert.equal(stale.just.view, 0n);
});

test("T15, V6: a certificate with another justView than its block's opens a view and does nothing more", () => {
  const bench = new Bench();
  const { view, tc } = bench.late();
  const block = bench.block(view, bench.first);
  bench.hear(bench.proposal(block, tc));
  const just = { view: 5n, digest: digestOf(5) };
  const [first, ...rest] = [1, 2, 3].map((index) =>
    bench.committee.signer(index).must({
      type: "sign",
      kind: "vote",
      view,
      digest: block.digest,
      just,
      seen: just,
    }),
  );
  assert.ok(first !== undefined);
  const qc = quorumCertOf(bench.judge.set, [first, ...rest]);
  assert.ok(bench.judge.quorumCert(qc).ok, "it is real");
  bench.hear({ type: "qc", qc });
  assert.equal(bench.engine.view, view + 1n);
  assert.equal(bench.engine.high.view, 0n);
});

test("V9: a block is refused for each field that contradicts its parent, its certificate or its leader", () => {
  const refused = (over: (child: Certified) => Partial<BlockHeader>): string => {
    const bench = new Bench();
    const { view, tc } = bench.late();
    const block = bench.block(view, bench.first);
    bench.hear(bench.proposal(block, tc));
    const qc = bench.committee.certify(block, [1, 2, 3]);
    bench.hear({ type: "qc", qc });
    bench.nowMs += 1;
    const good = bench.block(view + 1n, qc, block.header);
    const child = blockOn(bench.judge, block.header, qc, view + 1n, {
      proposer: good.header.proposer,
      ...over(good),
    });
    const envelope = bench.committee.signer(bench.leader(view + 1n)).must({
      ...requestFor(child),
      kind: "propose",
      just: { view: child.header.justify.view, digest: qc.digest },
    });
    const { header, justify } = child;
    const effects = bench.hear({ type: "proposal", block: { header, justify }, envelope });
    const [wrong] = effects.flatMap((each) => (each.type === "refused" ? [each.error] : []));
    assert.equal(bench.engine.view, view + 1n);
    return wrong?.message ?? "fine";
  };
  assert.equal(
    refused(() => ({})),
    "fine",
  );
  assert.match(
    refused(({ header }) => ({ height: header.height + 1n })),
    /height/,
  );
  assert.match(
    refused(({ header }) => ({ timeMs: header.timeMs - 1 })),
    /time/,
  );
  assert.match(
    refused(() => ({ stateHeight: 1n })),
    /another state/,
  );
  assert.match(
    refused(({ header }) => ({ proposer: (header.proposer + 1) % 4 })),
    /does not lead/,
  );
  assert.match(
    refused(() => ({ parent: digestOf(1) })),
    /for another block/,
  );
  assert.match(
    refused(({ header }) => ({ justify: { ...header.justify, view: 1n } })),
    /another view/,
  );
  const otherCert = { justify: { hash: digestOf(1) } };
  assert.match(
    refused(({ header }) => ({ justify: { ...header.justify, ...otherCert.justify } })),
    /another certificate/,
  );
  assert.match(
    refused(() => ({ chain: digestOf(1) })),
    /another chain/,
  );
  assert.match(
    refused(() => ({ validators: digestOf(1) })),
    /another chain, epoch or set/,
  );
});

test("R2: a block that is too far from the clock gets no vote", () => {
  for (const [offMs, asked] of [
    [550, 1],
    [551, 0],
  ] as const) {
    const bench = new Bench();
    const { view, tc } = bench.late();
    bench.nowMs += offMs;
    const block = bench.block(view, bench.first);
    bench.nowMs -= offMs;
    bench.hear(bench.proposal(block, tc));
    assert.equal(requestsIn(held(bench, block)).length, asked, `${offMs} ms`);
  }
});

test("R4: the vote in the view before comes before the own proposal", () => {
  const bench = new Bench();
  let view = 17n;
  while (bench.leader(view) === 0 || bench.leader(lastViewOf(view) + 1n) !== 0) {
    view = nextTenureStart(view);
  }
  view = lastViewOf(view);
  bench.give({ type: "payload", waits: true });
  const block = bench.block(view, bench.first);
  bench.hear(bench.proposal(block, bench.timeouts(view - 1n)));
  bench.hear({ type: "qc", qc: bench.committee.certify(block, [1, 2, 3]) });
  assert.equal(bench.engine.view, view + 1n);
  const [request] = requestsIn(held(bench, block));
  assert.ok(request?.type === "sign");
  assert.deepEqual([request.kind, request.view], ["vote", view]);
});

/** The engine waits until it asks for a timeout: how long that took. */
const timesOut = (bench: Bench): number => {
  const from = bench.nowMs;
  for (;;) {
    const due = bench.engine.deadline();
    assert.ok(due !== undefined);
    bench.nowMs = due;
    const asked = requestsIn(bench.give({ type: "tick" }));
    if (asked.some((each) => each.type === "sign" && each.kind === "timeout")) {
      return bench.nowMs - from;
    }
  }
};

test("R6: time-outs grow only after more leaders failed than may be down, until a commit", () => {
  const bench = new Bench();
  bench.give({ type: "payload", waits: true });
  const waits: number[] = [];
  const failed = new Set<number>();
  const passTenure = (): number => {
    bench.give({ type: "tick" });
    const { view } = bench.engine;
    const waited = timesOut(bench);
    const end = lastViewOf(view);
    const seen = { view: bench.engine.high.view, digest: bench.engine.high.digest };
    bench.give({ type: "signed", envelope: bench.committee.signer(0).timeout(end, seen) });
    bench.hear({ type: "tc", tc: bench.timeouts(end), qc: bench.first });
    failed.add(bench.leader(view));
    return waited;
  };
  while (failed.size < 2) waits.push(passTenure());
  assert.ok(
    waits.every((waited) => waited === 250),
    `${waits.join(" ")}: one of four may be down`,
  );
  assert.equal(passTenure(), 375);
  while (bench.leader(bench.engine.view) === 0) passTenure();
  assert.ok(timesOut(bench) > 375);
  const { view } = bench.engine;
  const block = bench.block(view, bench.first);
  bench.hear(bench.proposal(block));
  const qc = bench.committee.certify(block, [1, 2, 3]);
  bench.nowMs += 1;
  const child = bench.block(view + 1n, qc, block.header);
  bench.hear(bench.proposal(child));
  const last = bench.hear({ type: "qc", qc: bench.committee.certify(child, [1, 2, 3]) });
  assert.ok(last.some(({ type }) => type === "commit"));
  // The Guardian's answer to what was asked before the commit.
  bench.give({ type: "unsigned" });
  bench.hear({ type: "tc", tc: bench.timeouts(lastViewOf(view)), qc: bench.first });
  assert.equal(passTenure(), 250);
});

test("R5: after a rejection the timer of the tenure runs on", () => {
  const { bench, v } = hidden();
  bench.give({ type: "payload", waits: true });
  bench.give({ type: "signed", envelope: bench.committee.signer(0).timeout(v, bench.engine.high) });
  bench.nowMs += 100;
  bench.hear({ type: "tc", tc: bench.timeouts(v), qc: bench.first });
  assert.equal(bench.engine.view, v + 1n);
  assert.equal(timesOut(bench), 150);
});

test("R5: a timeout that shows a certificate which nobody knows is not collected", () => {
  const bench = new Bench();
  const seen = { view: 9n, digest: digestOf(9) };
  for (const index of [1, 2, 3]) {
    const envelope = bench.committee.signer(index).timeout(16n, seen);
    assert.deepEqual(reasonsIn(bench.hear({ type: "timeout", envelope, qc: bench.first })), [
      "E_CONSENSUS_UNKNOWN",
    ]);
  }
  assert.equal(bench.engine.view, 1n);
  const control = new Bench();
  for (const index of [1, 2, 3]) {
    const envelope = control.committee.signer(index).timeout(16n, genesis);
    control.hear({ type: "timeout", envelope, qc: control.first });
  }
  assert.equal(control.engine.view, 17n);
});

test("R5, R6: a view that times out is over to the end of its tenure", () => {
  const bench = new Bench();
  bench.give({ type: "payload", waits: true });
  bench.nowMs += 250;
  const [request] = requestsIn(bench.give({ type: "tick" }));
  assert.ok(request?.type === "sign");
  assert.deepEqual([request.kind, request.view], ["timeout", lastViewOf(1n)]);
  assert.deepEqual(request.seen, { view: 0n, digest: genesis.digest });
});

test("R7: what was signed, and the certificates, are sent again while the view lasts", () => {
  const bench = new Bench();
  const { view, tc } = bench.late();
  bench.give({ type: "payload", waits: true });
  const block = bench.block(view, bench.first);
  bench.hear(bench.proposal(block, tc));
  held(bench, block);
  bench.give({ type: "signed", envelope: bench.committee.signer(0).vote(block) });
  bench.nowMs = bench.engine.deadline() ?? 0;
  const again = sentIn(bench.give({ type: "tick" }));
  assert.deepEqual(
    again.map(({ type }) => type),
    ["vote", "tc"],
  );
});

test("R9: without a reason nothing runs but the heartbeat", () => {
  const bench = new Bench();
  bench.give({ type: "tick" });
  assert.equal(bench.engine.deadline(), 2001);
  bench.nowMs = 2001;
  bench.give({ type: "tick" });
  assert.ok((bench.engine.deadline() ?? 0) <= 2001 + 250);
});

test("a block that ends the epoch is committed with its certificate, and then nothing is signed", () => {
  const bench = new Bench();
  const { view, tc } = bench.late();
  const ends = { validators: digestOf(1), leaseEnd: 0n };
  const boundary = blockOn(bench.judge, genesis, bench.first, view, {
    proposer: bench.leader(view),
    ends,
  });
  bench.hear(bench.proposal(boundary, tc));
  const qc = bench.committee.certify(boundary, [1, 2, 3]);
  const full = blockOn(bench.judge, boundary.header, qc, view + 1n, {
    proposer: bench.leader(view + 1n),
    payloadRoot: digestOf(2),
  });
  assert.deepEqual(reasonsIn(bench.hear(bench.proposal(full))), ["E_CONSENSUS_BLOCK"], "not empty");
  const child = bench.block(view + 2n, qc, boundary.header);
  bench.hear({ type: "tc", tc: bench.timeouts(view + 1n), qc });
  bench.hear(bench.proposal(child));
  const childQc = bench.committee.certify(child, [1, 2, 3]);
  const top = bench.block(view + 3n, childQc, child.header);
  bench.hear(bench.proposal(top));
  const last = bench.hear({ type: "qc", qc: bench.committee.certify(top, [1, 2, 3]) });
  const commit = last.find((effect) => effect.type === "commit");
  assert.ok(commit?.type === "commit" && commit.epochCert !== undefined);
  assert.deepEqual(
    commit.blocks.map(({ header }) => header),
    [boundary.header],
    "what is above is void",
  );
  assert.deepEqual(commit.epochCert.path, [child.header]);
  assert.ok(bench.judge.epochCert(commit.epochCert).ok);
  assert.ok(bench.engine.isStopped);
  assert.equal(bench.engine.deadline(), undefined);
});
