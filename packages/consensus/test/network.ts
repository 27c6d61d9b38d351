/**
 * A whole network in one process and in virtual time, from a seed: production engines and Guardians,
 * write-ahead logs, delays, losses, partitions, crashes between any two effects.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { SeededRandom, toHex } from "@ioi/base";
import {
  blockHash,
  Engine,
  type EngineEffect,
  type EngineInput,
  type EngineOptions,
  gradeOf,
  heartbeatMs,
  type GuardianRule,
  type HostRule,
  type Judge,
  type Root,
  type WalRecord,
  zeroHash,
} from "@ioi/consensus";
import {
  type ConsensusBlock,
  consensusMessage,
  type ConsensusMessage,
  type DivergenceProof,
  type QuorumCert,
  schema,
} from "@ioi/wire";
import { chain, judgeOf, type Member, named, Signer, type TestProvider, twin } from "./support.ts";

export interface Faults {
  readonly delayMs: number;
  readonly jitterMs: number;
  /** In a thousand. */
  readonly lost: number;
  readonly doubled: number;
  /** In ten thousand, before each effect. */
  readonly crashes: number;
}

export const calm: Faults = { delayMs: 15, jitterMs: 5, lost: 0, doubled: 0, crashes: 0 };

export interface NetworkOptions {
  readonly members: readonly Member[];
  readonly seed: string;
  readonly faults?: Faults;
  readonly engine?: Partial<EngineOptions>;
  readonly without?: ReadonlyMap<number, readonly HostRule[]>;
  readonly broken?: ReadonlyMap<number, readonly GuardianRule[]>;
  readonly provider?: TestProvider;
}

type Event =
  | {
      readonly type: "input";
      readonly to: number;
      readonly life: number;
      readonly input: EngineInput;
    }
  | { readonly type: "restart"; readonly to: number };

/** What one node has: what survives a crash, and what does not. */
export class SimNode {
  readonly signer: Signer;
  readonly wal: WalRecord[] = [];
  readonly committed: ConsensusBlock[] = [];
  readonly strengths: bigint[] = [];
  readonly proofs: DivergenceProof[] = [];
  readonly store = new Map<string, ConsensusBlock>();
  engine: Engine | undefined;
  life = 0;
  root: Root;
  rootQc: QuorumCert | undefined;
  refused = 0;

  constructor(signer: Signer, root: Root) {
    this.signer = signer;
    this.root = root;
  }

  get height(): number {
    return this.committed.length;
  }
}

export class Network {
  readonly judge: Judge;
  readonly nodes: readonly SimNode[];
  readonly random: SeededRandom;
  faults: Faults;
  nowMs = 1000;
  crashes = 0;
  /** True where a message may pass. */
  passes: (from: number, to: number) => boolean = () => true;
  /** What a host sends in place of its message; a malicious one may send anything. */
  mangle: (from: number, to: number, message: ConsensusMessage) => ConsensusMessage | undefined = (
    _from,
    _to,
    message,
  ) => message;
  readonly #options: NetworkOptions;
  readonly #trace = createHash("sha256");
  readonly #events = new Map<number, Event[]>();
  #payloadWaits = false;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed);
    this.faults = options.faults ?? calm;
    const provider = options.provider ?? twin;
    this.judge = judgeOf(options.members, provider);
    const { anchor } = this.judge;
    const root: Root = { ...anchor, justView: 0n, commitHeight: anchor.height };
    this.nodes = options.members.map(
      (each, index) =>
        new SimNode(new Signer(this.judge, each, provider, options.broken?.get(index) ?? []), root),
    );
    for (const index of this.nodes.keys()) this.#start(index);
  }

  /** Everything that happened, as one hash. */
  get trace(): string {
    return this.#trace.copy().digest("hex");
  }

  node(index: number): SimNode {
    const node = this.nodes[index];
    assert.ok(node !== undefined);
    return node;
  }

  /** Every node is told that something waits to be committed, or that nothing does. */
  demand(waits: boolean): void {
    this.#payloadWaits = waits;
    for (const index of this.nodes.keys()) this.#enqueue(index, { type: "payload", waits }, 0);
  }

  inject(to: number, message: ConsensusMessage, from = 0): void {
    this.#enqueue(to, { type: "message", from, message }, 0);
  }

  crash(index: number, forMs: number): void {
    const node = this.node(index);
    node.engine = undefined;
    node.life += 1;
    this.#at(this.nowMs + forMs, { type: "restart", to: index });
    this.crashes += 1;
  }

  /** Until nothing is left to happen, `until` says so, or the time is over: true if `until` did. */
  run(forMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + forMs;
    for (;;) {
      if (until()) return true;
      const next = this.#next();
      if (next === undefined || next > endMs) {
        this.nowMs = endMs;
        return until();
      }
      this.nowMs = next;
      const events = this.#events.get(next) ?? [];
      this.#events.delete(next);
      for (const event of events) this.#happen(event);
      for (const [index, { engine }] of this.nodes.entries()) {
        const due = engine?.deadline();
        if (due !== undefined && due <= this.nowMs) this.#handle(index, { type: "tick" });
      }
    }
  }

  #next(): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const atMs of this.#events.keys()) next = Math.min(next, atMs);
    for (const { engine } of this.nodes) {
      const due = engine?.deadline();
      if (due !== undefined) next = Math.min(next, Math.max(Math.ceil(due), this.nowMs + 1));
    }
    return Number.isFinite(next) ? next : undefined;
  }

  #at(atMs: number, event: Event): void {
    const events = this.#events.get(atMs);
    if (events === undefined) this.#events.set(atMs, [event]);
    else events.push(event);
  }

  #enqueue(to: number, input: EngineInput, inMs: number): void {
    this.#at(this.nowMs + Math.max(1, inMs), {
      type: "input",
      to,
      life: this.node(to).life,
      input,
    });
  }

  #happen(event: Event): void {
    if (event.type === "restart") {
      this.#start(event.to);
      return;
    }
    const isMessage = event.input.type === "message";
    if (isMessage || event.life === this.node(event.to).life) this.#handle(event.to, event.input);
  }

  #start(index: number): void {
    const node = this.node(index);
    const { engine, without } = this.#options;
    const { root, rootQc, wal } = node;
    node.engine = new Engine(
      {
        judge: this.judge,
        seed: named("schedule"),
        me: index,
        sets: { chain, setOf: () => this.judge.set.hash },
        deltaMs: 25,
        baseMs: 250,
        strongMs: 10,
        heartbeatMs: this.nodes.length === 1 ? 0 : heartbeatMs,
        without: new Set(without?.get(index) ?? []),
        ...engine,
      },
      { root, records: wal, ...(rootQc === undefined ? {} : { rootQc }) },
      this.nowMs,
    );
    this.#enqueue(index, { type: "payload", waits: this.#payloadWaits }, 0);
  }

  #handle(index: number, input: EngineInput): void {
    const node = this.node(index);
    if (node.engine === undefined) return;
    for (const effect of node.engine.handle(input, this.nowMs)) {
      if (this.faults.crashes > 0 && this.random.chance(this.faults.crashes, 10_000)) {
        this.crash(index, 20 + this.random.below(400));
        return;
      }
      this.#perform(index, node, effect);
    }
  }

  #perform(index: number, node: SimNode, effect: EngineEffect): void {
    this.#trace.update(`${this.nowMs}/${index}/${effect.type}/${node.signer.state.counter}`);
    switch (effect.type) {
      case "persist":
        node.wal.push(effect.record);
        return;
      case "sign": {
        const answer = node.signer.ask(effect.request);
        const input: EngineInput =
          typeof answer === "string" ? { type: "unsigned" } : { type: "signed", envelope: answer };
        this.#enqueue(index, input, 0);
        return;
      }
      case "broadcast":
        for (const to of this.nodes.keys()) if (to !== index) this.#send(index, to, effect.message);
        return;
      case "send":
        this.#send(index, effect.to, effect.message);
        return;
      case "lookup": {
        const block = node.store.get(toHex(effect.digest));
        if (block !== undefined) this.#send(index, effect.to, { type: "block", block });
        return;
      }
      case "build": {
        const { view, parent, stateHeight, isOver } = effect;
        const isEmpty = isOver || !this.#payloadWaits;
        const payloadRoot = isEmpty ? zeroHash : named(`payload of ${index} in ${view}`);
        const stateRoot = named(`state ${stateHeight}`);
        this.#enqueue(index, { type: "built", view, parent, payloadRoot, stateRoot }, 0);
        return;
      }
      case "judge": {
        const { stateHeight, stateRoot } = effect.block.header;
        const isHeld = toHex(stateRoot) === toHex(named(`state ${stateHeight}`));
        this.#enqueue(index, { type: "judged", digest: effect.digest, isHeld }, 0);
        return;
      }
      case "commit":
        this.#commit(node, effect);
        return;
      case "strengthened":
        node.strengths[Number(effect.cert.block.height) - 1] = effect.strength.power;
        return;
      case "divergence":
        node.proofs.push(effect.proof);
        return;
      case "refused":
        node.refused += 1;
    }
  }

  #commit(node: SimNode, effect: Extract<EngineEffect, { type: "commit" }>): void {
    const verdict = this.judge.commitCert(effect.cert);
    assert.ok(verdict.ok, "what is committed is certified");
    assert.ok(gradeOf(this.judge.set, verdict.value) !== undefined);
    for (const block of effect.blocks) {
      assert.equal(block.header.height, BigInt(node.committed.length + 1), "nothing is left out");
      node.committed.push(block);
      node.strengths.push(effect.strength.power);
      node.store.set(toHex(blockHash(twin, block.header)), block);
    }
    node.root = effect.root;
    node.rootQc = effect.cert.blockQc;
  }

  #send(from: number, to: number, message: ConsensusMessage): void {
    if (to === from || !this.passes(from, to)) return;
    const sent = this.mangle(from, to, message);
    if (sent === undefined) return;
    const { delayMs, jitterMs, lost, doubled } = this.faults;
    if (this.random.chance(lost, 1000)) return;
    const times = this.random.chance(doubled, 1000) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const inMs = delayMs + this.random.below(jitterMs + 1);
      this.#enqueue(to, { type: "message", from, message: sent }, inMs);
    }
  }

  // Checkers.

  /** Heights at which two nodes committed different blocks. */
  conflicts(): readonly number[] {
    const found: number[] = [];
    const longest = Math.max(...this.nodes.map(({ height }) => height));
    for (let height = 0; height < longest; height++) {
      const hashes = new Set(
        this.nodes.flatMap(({ committed }) => {
          const block = committed[height];
          return block === undefined ? [] : [toHex(blockHash(twin, block.header))];
        }),
      );
      if (hashes.size > 1) found.push(height + 1);
    }
    return found;
  }

  least(of: readonly number[] = [...this.nodes.keys()]): number {
    return Math.min(...of.map((index) => this.node(index).height));
  }

  get proofs(): readonly DivergenceProof[] {
    return this.nodes.flatMap(({ proofs }) => proofs);
  }
}

/** Over the wire and back: what a decoder refuses nobody could have sent. */
export const reencoded = (message: ConsensusMessage): ConsensusMessage => {
  const decoded = schema.decode(consensusMessage, schema.encode(consensusMessage, message));
  assert.ok(decoded.ok);
  return decoded.value;
};
