/**
 * A network of hosts for exploring, in rounds: one round for a view. Production engines and Guardians; the
 * last validator has two hosts, which share its Guardian.
 *
 * In a round two sides are given, and the leader of the view. Messages pass within a side, in the order in
 * which they are sent, until nothing is said any more; then hosts that are not beyond the view let their
 * time run out and say again what they said (R6, R7), until they have nothing new. A host that enters the
 * next view early waits for its leader, which is not given yet. Clocks are each host's own: time passes for
 * those that wait. Invariant: between rounds nothing is on its way, and no Guardian is asked.
 */
import { assert, InvariantError, toHex } from "@ioi/base";
import {
  blockHash,
  Engine,
  type EngineEffect,
  type EngineInput,
  type GuardianRule,
  type GuardianState,
  type HostRule,
  type Judge,
  zeroHash,
} from "@ioi/consensus";
import {
  chain,
  genesis,
  judgeOf,
  member,
  named,
  Signer,
  type TestProvider,
  digestOf,
} from "@ioi/consensus/testing";
import type { ConsensusBlock, ConsensusMessage } from "@ioi/wire";
import { opened, takeInventory } from "./fields.ts";
import { load, save, type Saved } from "./opened.ts";

export interface Round {
  readonly leader: number;
  /** The side of each host. */
  readonly sides: readonly number[];
}

const baseMs = 12;
/** A leader's wait and the least time between its blocks fit in it, and it is less than a time-out. */
const stepMs = 11;
/** Votes are refused where clocks differ by this. */
const skewMsMax = 480;
const inputsMax = 20_000;
/** Times at which time runs out in one round: whoever is behind catches up with one view after another. */
const timesMax = 64;

export interface Host {
  readonly validator: number;
  readonly engine: Engine;
  /** Hashes in hexadecimal. */
  committed: readonly string[];
  nowMs: number;
  /** It asked for a timeout of this view. */
  expired: bigint;
}

export interface Made {
  readonly block: ConsensusBlock;
  readonly parent: string;
  readonly host: number;
}

export interface Snapshot {
  readonly engines: readonly Saved[];
  readonly guardians: readonly GuardianState[];
  readonly hosts: readonly Omit<Host, "engine" | "validator">[];
  readonly convictions: number;
  readonly rounds: readonly Round[];
  readonly order: readonly number[];
}

type Waiting = readonly [host: number, input: EngineInput];

export interface Lacking {
  readonly guardian?: readonly GuardianRule[];
  readonly hosts?: readonly HostRule[];
}

export class World {
  readonly nodes: number;
  readonly judge: Judge;
  readonly hosts: readonly Host[];
  readonly signers: readonly Signer[];
  /** Every block that was built, by its hash. */
  readonly made = new Map<string, Made>();
  convictions = 0;
  rounds: Round[] = [];
  /** Of hosts at one moment: it must not depend on their numbers. */
  order: readonly number[];
  inputs = 0;
  readonly #queue: Waiting[] = [];

  constructor(nodes: number, provider: TestProvider, lacks: Lacking = {}) {
    this.nodes = nodes;
    const members = Array.from({ length: nodes }, (_, i) => member(`${i}`, 1n));
    this.judge = judgeOf(members, provider);
    this.signers = members.map(
      (each, index) =>
        new Signer(this.judge, each, provider, index === nodes - 1 ? (lacks.guardian ?? []) : []),
    );
    const root = { ...genesis, justView: 0n, commitHeight: 0n };
    this.hosts = Array.from({ length: nodes + 1 }, (_, host) => {
      const validator = Math.min(host, nodes - 1);
      const engine = new Engine(
        {
          judge: this.judge,
          seed: named("schedule"),
          me: validator,
          sets: { chain, setOf: () => this.judge.set.hash },
          deltaMs: 1,
          baseMs,
          strongMs: 0,
          heartbeatMs: 0,
          without: new Set(lacks.hosts ?? []),
          // Of a view whose round is not given nobody is the leader.
          leaders: { views: 1n, leader: (view) => this.rounds[Number(view) - 1]?.leader ?? nodes },
        },
        { root, records: [] },
        1000,
      );
      return { validator, engine, committed: [], nowMs: 1000, expired: 0n };
    });
    this.order = [...this.hosts.keys()];
    for (const host of this.order) this.#queue.push([host, { type: "payload", waits: true }]);
    this.#settle();
    takeInventory(save(this.host(0).engine));
  }

  host(index: number): Host {
    const host = this.hosts[index];
    assert(host !== undefined, `no host ${index}`);
    return host;
  }

  save(): Snapshot {
    return {
      engines: this.hosts.map(({ engine }) => save(engine)),
      guardians: this.signers.map(({ state }) => state),
      hosts: this.hosts.map(({ committed, nowMs, expired }) => ({ committed, nowMs, expired })),
      convictions: this.convictions,
      rounds: [...this.rounds],
      order: this.order,
    };
  }

  load(snapshot: Snapshot): void {
    for (const [index, host] of this.hosts.entries()) {
      load(snapshot.engines[index] as Saved);
      Object.assign(host, snapshot.hosts[index]);
    }
    for (const [index, signer] of this.signers.entries()) {
      signer.state = snapshot.guardians[index] as GuardianState;
    }
    this.convictions = snapshot.convictions;
    this.rounds = [...snapshot.rounds];
    this.order = snapshot.order;
  }

  /** The next view's. */
  play(round: Round): void {
    this.rounds.push(round);
    const view = BigInt(this.rounds.length);
    this.#tick(this.order);
    let waiting = this.#late(view);
    for (let times = 0; waiting.length > 0; times++) {
      if (times > timesMax) throw new InvariantError("a round that never ends");
      for (const index of this.#late(view)) this.#passTime(index);
      this.#settle();
      // Whoever caught up may still lead or vote, and then its time runs out as well.
      waiting = this.#late(view).filter((index) => !this.#isExpired(index));
      this.#tick(waiting);
    }
    assert(
      this.#late(view).every((index) => this.#isExpired(index)),
      "nothing is left to happen",
    );
    const clocks = this.hosts.map(({ nowMs }) => nowMs);
    assert(Math.max(...clocks) - Math.min(...clocks) < skewMsMax, "clocks refuse no vote");
  }

  /** Two hosts committed different blocks. */
  get fork(): string | undefined {
    const [longest = []] = this.hosts
      .map(({ committed }) => committed)
      .toSorted((a, b) => b.length - a.length);
    for (const { committed } of this.hosts) {
      const at = committed.findIndex((digest, height) => digest !== longest[height]);
      if (at >= 0) return `two blocks at height ${at + 1}`;
    }
    return undefined;
  }

  /** A fork, or somebody was convicted: no sound Guardian allows it. */
  get complaint(): string | undefined {
    return this.fork ?? (this.convictions > 0 ? "somebody was convicted" : undefined);
  }

  #isExpired(index: number): boolean {
    const { expired, engine } = this.host(index);
    return expired >= engine.view;
  }

  #late(view: bigint): readonly number[] {
    return this.order.filter((index) => {
      const { engine } = this.host(index);
      return engine.view <= view && !engine.isStopped;
    });
  }

  #tick(indexes: readonly number[]): void {
    for (const index of indexes) {
      this.host(index).nowMs += stepMs;
      this.#queue.push([index, { type: "tick" }]);
    }
    this.#settle();
  }

  /** Until its time is out and it says everything again. */
  #passTime(index: number): void {
    const host = this.host(index);
    const { _pace, _resend } = opened(host.engine);
    host.nowMs = Math.max(host.nowMs, _pace.deadlineMs ?? 0, _resend.dueMs);
    this.#queue.push([index, { type: "tick" }]);
  }

  #settle(): void {
    for (let at = 0; at < this.#queue.length; at++) {
      if (at > inputsMax) throw new InvariantError("a round that never comes to rest");
      const [index, input] = this.#queue[at] as Waiting;
      const host = this.host(index);
      for (const effect of host.engine.handle(input, host.nowMs))
        this.#perform(index, host, effect);
    }
    this.inputs += this.#queue.length;
    this.#queue.length = 0;
  }

  #perform(index: number, host: Host, effect: EngineEffect): void {
    switch (effect.type) {
      case "sign": {
        const { request } = effect;
        if (request.type === "sign" && request.kind === "timeout") host.expired = request.view;
        const signer = this.signers[host.validator];
        assert(signer !== undefined, "a Guardian");
        const answer = signer.ask(request);
        this.#queue.push([
          index,
          typeof answer === "string" ? { type: "unsigned" } : { type: "signed", envelope: answer },
        ]);
        return;
      }
      case "broadcast":
        for (const to of this.order) this.#send(index, to, effect.message);
        return;
      case "send":
        this.#sendTo(index, effect.to, effect.message);
        return;
      case "lookup": {
        const digest = toHex(effect.digest);
        const made = this.made.get(digest);
        if (made === undefined || !host.committed.includes(digest)) return;
        this.#sendTo(index, effect.to, { type: "block", block: made.block });
        return;
      }
      case "build": {
        const { view, parent, isOver } = effect;
        const payloadRoot = isOver ? zeroHash : digestOf(index + 1);
        this.#queue.push([
          index,
          { type: "built", view, parent, payloadRoot, stateRoot: zeroHash },
        ]);
        return;
      }
      case "judge":
        this.#queue.push([index, { type: "judged", digest: effect.digest, isHeld: true }]);
        return;
      case "commit":
        for (const block of effect.blocks) {
          host.committed = [...host.committed, this.#hash(block)];
        }
        return;
      case "divergence":
        this.convictions += 1;
        return;
      case "persist":
        if (effect.record.type === "block") this.#hash(effect.record.block, index);
        return;
      // Nobody asks for S, keeps a window of evidence, or counts strengths.
      case "guarded":
      case "keep":
      case "recall":
      case "strengthened":
      case "refused":
    }
  }

  #hash(block: ConsensusBlock, host = -1): string {
    const digest = toHex(blockHash(this.judge.provider, block.header));
    if (!this.made.has(digest)) {
      this.made.set(digest, { block, parent: toHex(block.header.parent), host });
    }
    return digest;
  }

  #sendTo(from: number, validator: number, message: ConsensusMessage): void {
    for (const to of this.order) {
      if (this.host(to).validator === validator) this.#send(from, to, message);
    }
  }

  #send(from: number, to: number, message: ConsensusMessage): void {
    const sides = this.rounds.at(-1)?.sides;
    if (from === to || sides === undefined || sides[from] !== sides[to]) return;
    this.#queue.push([to, { type: "message", from: this.host(from).validator, message }]);
  }
}
