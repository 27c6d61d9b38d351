/** The host's rules one by one, on one engine whose peers are written by hand. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import {
  anchorCert,
  Engine,
  type EngineEffect,
  type EngineInput,
  type HostRule,
  heartbeatMs,
  lastViewOf,
  nextTenureStart,
  quorumCertOf,
  Schedule,
  timeoutCertOf,
  type WalRecord,
} from "@ioi/consensus";
import {
  type BlockHeader,
  type ConsensusBlock,
  type ConsensusMessage,
  consensusMessage,
  type QuorumCert,
  schema,
  type TimeoutCert,
} from "@ioi/wire";
import {
  blockOn,
  type Certified,
  chain,
  Committee,
  digestOf,
  genesis,
  member,
  named,
  requestFor,
  twin,
} from "./support.ts";

const members = ["a", "b", "c", "d"].map((name) => member(name, 1n));

/** One engine, number 0 of four; the other three say what the test has them say. */
class Bench {
  readonly committee = new Committee(members);
  readonly judge = this.committee.judge;
  readonly schedule = new Schedule(twin, named("schedule"), this.judge.set);
  readonly wal: WalRecord[] = [];
  engine: Engine;
  nowMs = 1;
  readonly #without: ReadonlySet<HostRule>;

  constructor(without: readonly HostRule[] = []) {
    this.#without = new Set(without);
    this.engine = this.boot();
  }

  boot(records: readonly WalRecord[] = []): Engine {
    const { anchor } = this.judge;
    return new Engine(
      {
        judge: this.judge,
        seed: named("schedule"),
        me: 0,
        sets: { chain, setOf: () => this.judge.set.hash },
        deltaMs: 25,
        baseMs: 250,
        strongMs: 0,
        heartbeatMs,
        without: this.#without,
      },
      { root: { ...anchor, justView: 0n, commitHeight: 0n }, records },
      this.nowMs,
    );
  }

  leader(view: bigint): number {
    return this.schedule.leader(view);
  }

  /** The first view from `from` on that another than this engine leads. */
  foreign(from: bigint): bigint {
    let view = from;
    while (this.leader(view) === 0) view = nextTenureStart(view);
    return view;
  }

  give(input: EngineInput): readonly EngineEffect[] {
    const effects = this.engine.handle(input, this.nowMs);
    for (const effect of effects) if (effect.type === "persist") this.wal.push(effect.record);
    return effects;
  }

  hear(message: ConsensusMessage): readonly EngineEffect[] {
    return this.give({ type: "message", from: 1, message });
  }

  block(
    view: bigint,
    justify: QuorumCert,
    below: { height: bigint; timeMs: number } = genesis,
  ): Certified {
    return blockOn(this.judge, below, justify, view, {
      proposer: this.leader(view),
      timeMs: Math.max(this.nowMs, below.timeMs + 1),
    });
  }

  proposal(block: Certified, tc?: TimeoutCert): ConsensusMessage {
    const envelope = this.committee.signer(this.leader(block.header.view)).propose(block);
    const { header, justify } = block;
    return {
      type: "proposal",
      block: { header, justify },
      envelope,
      ...(tc === undefined ? {} : { tc }),
    };
  }

  timeouts(view: bigint): TimeoutCert {
    const [first, ...rest] = [1, 2, 3].map((index) =>
      this.committee.signer(index).timeout(view, genesis),
    );
    assert.ok(first !== undefined);
    return timeoutCertOf(this.judge.set, [first, ...rest]);
  }

  get first(): QuorumCert {
    return anchorCert(this.judge.context, genesis);
  }

  /** The view before which the others have timed out, led by another. */
  late(): { readonly view: bigint; readonly tc: TimeoutCert } {
    const view = this.foreign(17n);
    return { view, tc: this.timeouts(view - 1n) };
  }
}

const typesOf = (effects: readonly EngineEffect[]): string[] => effects.map(({ type }) => type);
const requestsIn = (effects: readonly EngineEffect[]) =>
  effects.flatMap((effect) => (effect.type === "sign" ? [effect.request] : []));
const reasonsIn = (effects: readonly EngineEffect[]) =>
  effects.flatMap((effect) => (effect.type === "refused" ? [effect.error.code] : []));
const sentIn = (effects: readonly EngineEffect[]) =>
  effects.flatMap((effect) => (effect.type === "broadcast" ? [effect.message] : []));

const held = (bench: Bench, block: Certified) =>
  bench.give({ type: "judged", digest: block.digest, isHeld: true });

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
