/** Where hostile messages arrive: one host in a known state, what honest ones say there, and what it does next. */
import { createHash } from "node:crypto";
import { toHex } from "@ioi/base";
import { type EngineEffect, lastViewOf, proofOf, timeoutCertOf } from "@ioi/consensus";
import {
  blockOn,
  type Commit,
  digestOf,
  requestFor,
  type TestProvider,
  twin,
} from "@ioi/consensus/testing";
import { Bench, held } from "@ioi/consensus/testing-bench";
import type { ConsensusMessage, Envelope } from "@ioi/wire";

/** Counts what a message costs. */
class Counting implements TestProvider {
  verified = 0;
  hashed = 0;
  sha256(bytes: Uint8Array): Uint8Array {
    this.hashed += 1;
    return twin.sha256(bytes);
  }
  sign: TestProvider["sign"] = (key, bytes) => twin.sign(key, bytes);
  verify: TestProvider["verify"] = (algorithm, key, bytes, signature) => {
    this.verified += 1;
    return twin.verify(algorithm, key, bytes, signature);
  };
}

export type Kind = ConsensusMessage["type"];

export interface Stage {
  readonly bench: Bench;
  readonly counting: Counting;
  readonly commit: Commit;
  /** The view that the host stands in, led by another. */
  readonly view: bigint;
}

/** It committed a block, asked about it, and stands in the view above its child. */
export const stage = (kind?: Kind): Stage => {
  const counting = new Counting();
  const bench = new Bench([], {}, counting);
  const commit = bench.commit();
  bench.give({ type: "guard", height: 1n });
  const view = commit.child.header.view + 1n;
  if (kind === "block") {
    // It knows that there is one, and fetches it.
    const qc = bench.committee.certify(hidden(bench, commit), [1, 2, 3]);
    bench.hear({ type: "qc", qc });
  }
  bench.nowMs += 1;
  return { bench, counting, commit, view: bench.engine.view > view ? bench.engine.view : view };
};

export const hidden = (bench: Bench, { child, cert }: Commit) =>
  blockOn(bench.judge, child.header, cert.childQc, child.header.view + 1n, {
    proposer: bench.leader(child.header.view + 1n),
  });

/** What an honest host says there. */
export const good: { readonly [kind in Kind]: (stage: Stage) => ConsensusMessage } = {
  proposal: ({ bench, commit, view }) => {
    const at = bench.foreign(lastViewOf(view) + 1n);
    const all = [1, 2, 3].map((index) =>
      bench.committee.signer(index).timeout(at - 1n, commit.child.ref),
    );
    const block = blockOn(bench.judge, commit.child.header, commit.cert.childQc, at, {
      proposer: bench.leader(at),
    });
    return bench.proposal(block, timeoutCertOf(bench.judge.set, all as [Envelope, ...Envelope[]]));
  },
  vote: ({ bench, commit }) => ({
    type: "vote",
    envelope: bench.committee.signer(1).vote(hidden(bench, commit)),
  }),
  timeout: ({ bench, commit, view }) => ({
    type: "timeout",
    envelope: bench.committee.signer(1).timeout(lastViewOf(view), commit.child.ref),
    qc: commit.cert.childQc,
  }),
  qc: ({ bench, commit }) => ({
    type: "qc",
    qc: bench.committee.certify(hidden(bench, commit), [1, 2, 3]),
  }),
  tc: ({ bench, commit, view }) => {
    const all = [1, 2, 3].map((index) =>
      bench.committee.signer(index).timeout(lastViewOf(view), commit.child.ref),
    );
    const tc = timeoutCertOf(bench.judge.set, all as [Envelope, ...Envelope[]]);
    return { type: "tc", tc, qc: commit.cert.childQc };
  },
  nack: ({ bench, commit, view }) => {
    const stale = blockOn(bench.judge, commit.block.header, commit.cert.blockQc, view);
    const signer = bench.committee.signer(bench.leader(view));
    const propose = signer.must({ ...requestFor(stale), kind: "propose" });
    return { type: "nack", nack: { propose, qc: commit.cert.childQc } };
  },
  fetch: ({ commit }) => ({ type: "fetch", digest: commit.block.digest }),
  block: ({ bench, commit }) => {
    const { header, justify } = hidden(bench, commit);
    return { type: "block", block: { header, justify } };
  },
  divergence: ({ bench, commit, view }) => {
    const block = hidden(bench, commit);
    const one = bench.committee.signer(3).vote(block);
    const copy = stage().bench.committee.signer(3);
    const rival = { ...block, digest: digestOf(1) };
    // So that nothing but their slots contradicts each other.
    copy.timeout(view - 1n, block.just);
    copy.must({ ...requestFor(rival), kind: "propose" });
    const registration = bench.judge.set.registration(3, bench.judge.context.epoch);
    return { type: "divergence", proof: proofOf("K1", registration, one, copy.vote(rival)) };
  },
  freeze: ({ bench, commit }) => ({
    type: "freeze",
    envelope: bench.committee.signer(2).must({ type: "freeze", proof: digestOf(1) }),
    qc: commit.cert.childQc,
  }),
  guard: ({ commit }) => ({ type: "guard", commit: commit.cert }),
  guarded: ({ bench, commit }) => bench.answer(1, commit.block.digest),
};
export const kinds = Object.keys(good) as readonly Kind[];

export const refusals = (effects: readonly EngineEffect[]) =>
  effects.flatMap((each) => (each.type === "refused" ? [each.error] : []));

export const text = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    each instanceof Uint8Array ? toHex(each) : typeof each === "bigint" ? `${each}n` : each,
  );

/** All that the host does and plans when the same things happen to it: a state for a state. */
export const standing = (
  { bench, commit }: Stage,
  ...then: readonly ConsensusMessage[]
): string => {
  const source = stage();
  const block = hidden(source.bench, commit);
  const effects: EngineEffect[] = [];
  const note = (done: readonly EngineEffect[]): void => {
    effects.push(...done);
    effects.push(...([{ view: bench.engine.view, due: bench.engine.deadline() }] as never[]));
  };
  for (const message of then) note(bench.hear(message));
  note(bench.give({ type: "payload", waits: true }));
  note(bench.hear(source.bench.proposal(block)));
  note(held(bench, block));
  for (const index of [1, 2, 3]) {
    const envelope = source.bench.committee.signer(index).vote(block);
    note(bench.hear({ type: "vote", envelope }));
  }
  for (let i = 0; i < 3; i++) {
    bench.nowMs = Math.max(bench.nowMs + 1, Math.ceil(bench.engine.deadline() ?? 0));
    note(bench.give({ type: "tick" }));
  }
  return createHash("sha256").update(text(effects)).digest("hex");
};

const standings = new Map<Kind, string>();
/** Of a host that heard nothing more. */
export const untouched = (kind: Kind): string => {
  const known = standings.get(kind) ?? standing(stage(kind));
  standings.set(kind, known);
  return known;
};
