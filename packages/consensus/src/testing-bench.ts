/** One engine whose peers are written by hand, for tests of the host's rules. */
import { assert } from "@ioi/base";
import { anchorCert, type Judge, timeoutCertOf } from "./certificates.ts";
import { Engine } from "./engine/engine.ts";
import type {
  EngineEffect,
  EngineInput,
  EngineOptions,
  EngineStart,
  HostRule,
  WalRecord,
} from "./engine/types.ts";
import { heartbeatMs } from "./limits.ts";
import { guardAnswerBytes } from "./objects.ts";
import { nextTenureStart, Schedule } from "./schedule.ts";
import { type ConsensusMessage, type Envelope, type QuorumCert, type TimeoutCert } from "@ioi/wire";
import {
  blockOn,
  type Certified,
  chain,
  type Commit,
  Committee,
  digestOf,
  genesis,
  type Member,
  member,
  named,
  speaker,
  type TestProvider,
  twin,
} from "./testing.ts";

const members = ["a", "b", "c", "d"].map((name) => member(name, 1n));

/** One engine, number 0 of four; the other three say what the test has them say. */
export class Bench {
  readonly committee: Committee;
  readonly judge: Judge;
  readonly schedule: Schedule;
  readonly wal: WalRecord[] = [];
  engine: Engine;
  nowMs = 1;
  readonly #without: ReadonlySet<HostRule>;
  readonly #options: Partial<EngineOptions>;

  constructor(
    without: readonly HostRule[] = [],
    options: Partial<EngineOptions> = {},
    provider: TestProvider = twin,
  ) {
    this.committee = new Committee(members, provider, options.judge);
    this.judge = this.committee.judge;
    this.schedule = new Schedule(twin, named("schedule"), this.judge.set);
    this.#without = new Set(without);
    this.#options = options;
    this.engine = this.boot();
  }

  boot(records: readonly WalRecord[] = [], start: Partial<EngineStart> = {}): Engine {
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
        speak: speaker(twin, this.member(0)),
        without: this.#without,
        ...this.#options,
      },
      { root: { ...anchor, justView: 0n, commitHeight: 0n }, records, ...start },
      this.nowMs,
    );
  }

  member(index: number): Member {
    const found = members[index];
    assert(found !== undefined, `no validator ${index}`);
    return found;
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
    assert(first !== undefined, "three sign");
    return timeoutCertOf(this.judge.set, [first, ...rest]);
  }

  get first(): QuorumCert {
    return anchorCert(this.judge.context, genesis);
  }

  /** What the host of that number says of a block; nothing against it: OK. */
  answer(
    voter: number,
    block: Uint8Array,
    votes: readonly Envelope[] = [],
    by = voter,
  ): ConsensusMessage {
    const { chain: of, epoch, validators } = this.judge.context;
    const body = { version: 1, chain: of, epoch, validators, block, voter, votes } as const;
    const signature = twin.sign(this.member(by).hostKey, guardAnswerBytes(body));
    return { type: "guarded", answer: { ...body, signature } };
  }

  /** Commits a block of the late view in the engine: it and its child, certified by the others. */
  commit(): Commit {
    const { view, tc } = this.late();
    const block = this.block(view, this.first);
    this.hear(this.proposal(block, tc));
    const blockQc = this.committee.certify(block, [1, 2, 3]);
    this.nowMs += 1;
    const child = this.block(view + 1n, blockQc, block.header);
    this.hear(this.proposal(child));
    const childQc = this.committee.certify(child, [1, 2, 3]);
    this.hear({ type: "qc", qc: childQc });
    return {
      block,
      child,
      cert: { block: block.header, child: child.header, blockQc, childQc },
    };
  }

  /** The view before which the others have timed out, led by another. */
  late(): { readonly view: bigint; readonly tc: TimeoutCert } {
    const view = this.foreign(17n);
    return { view, tc: this.timeouts(view - 1n) };
  }
}

/** Without what goes into the evidence window, which everything that is verified does. */
export const typesOf = (effects: readonly EngineEffect[]): string[] =>
  effects.flatMap(({ type }) => (type === "keep" ? [] : [type]));
export const requestsIn = (effects: readonly EngineEffect[]) =>
  effects.flatMap((effect) => (effect.type === "sign" ? [effect.request] : []));
export const reasonsIn = (effects: readonly EngineEffect[]) =>
  effects.flatMap((effect) => (effect.type === "refused" ? [effect.error.code] : []));
export const sentIn = (effects: readonly EngineEffect[]) =>
  effects.flatMap((effect) => (effect.type === "broadcast" ? [effect.message] : []));

export const held = (bench: Bench, block: Certified) =>
  bench.give({ type: "judged", digest: block.digest, isHeld: true });

export interface Ending {
  readonly bench: Bench;
  readonly boundary: Certified;
  readonly child: Certified;
  /** Of the votes for the child. */
  readonly effects: readonly EngineEffect[];
}

/**
 * All four vote for the block that ends the epoch, and three for its child: the engine has committed it,
 * with F2(1), before it voted for the child itself.
 */
export const ending = (
  endBroken: bigint,
  without: readonly HostRule[] = [],
  isSame = false,
): Ending => {
  const bench = new Bench(without, { endBroken });
  const { view, tc } = bench.late();
  const boundary = blockOn(bench.judge, genesis, bench.first, view, {
    proposer: bench.leader(view),
    timeMs: bench.nowMs,
    ends: { validators: isSame ? bench.judge.set.hash : digestOf(1), leaseEnd: 0n },
  });
  bench.hear(bench.proposal(boundary, tc));
  held(bench, boundary);
  bench.give({ type: "signed", envelope: bench.committee.signer(0).vote(boundary) });
  for (const index of [1, 2, 3]) {
    const envelope = bench.committee.signer(index).vote(boundary);
    bench.hear({ type: "vote", envelope });
  }
  const qc = bench.engine.high;
  assert(qc.votes.length === 3, "the first quorum is what the child extends");
  bench.nowMs += 1;
  const child = bench.block(view + 1n, qc, boundary.header);
  bench.hear(bench.proposal(child));
  const votes = [1, 2, 3].map((index) => bench.committee.signer(index).vote(child));
  const effects = votes.flatMap((envelope) => bench.hear({ type: "vote", envelope }));
  return { bench, boundary, child, effects };
};
