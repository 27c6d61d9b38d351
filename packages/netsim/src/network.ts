/**
 * A whole network in one process and in virtual time, from a seed: production engines, Guardians and
 * write-ahead logs over faulty links, clocks, disks and hosts.
 *
 * A validator may have a second host (`twins`), which shares its Guardian, or has a copy of it: then the
 * Guardian is a broken one. Effects are performed in their order, each after the one before is complete.
 * Invariant: a seed and its options decide everything. Bound: `eventsMax` events of one `run`.
 */
import { assert, SeededRandom, toHex } from "@ioi/base";
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
} from "@ioi/consensus";
import {
  chain,
  judgeOf,
  type Member,
  named,
  Signer,
  type TestProvider,
  twin,
} from "@ioi/consensus/testing";
import type { ConsensusMessage, DivergenceProof } from "@ioi/wire";
import { DiskJournal, type DiskFaults, MemoryJournal } from "./journal.ts";
import { Ledger, type Transfer } from "./ledger.ts";
import { eventsMax } from "./limits.ts";
import { SimNode } from "./node.ts";
import { Payloads } from "./payloads.ts";
import { TimeQueue } from "./queue.ts";
import { effectLine, inputLine, Trace } from "./trace.ts";

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
  /** Their powers are in their entries. */
  readonly members: readonly Member[];
  readonly seed: string;
  readonly faults?: Faults;
  readonly engine?: Partial<EngineOptions>;
  /** Rules that the host of a number lacks. */
  readonly without?: ReadonlyMap<number, readonly HostRule[]>;
  /** Rules that the Guardian of a number lacks. */
  readonly broken?: ReadonlyMap<number, readonly GuardianRule[]>;
  /** Validators with a second host; those are numbered from the size of the set on. */
  readonly twins?: readonly number[];
  /** A second host has a copy of the Guardian in place of the Guardian itself. */
  readonly areClones?: boolean;
  /** Logs on a disk; in memory if absent. */
  readonly disk?: DiskFaults;
  /** Clocks differ by so much at most. */
  readonly driftMsMax?: number;
  readonly provider?: TestProvider;
  /** Each host checks every signature itself, in place of once for all. */
  readonly areJudgesOwn?: boolean;
  /** Sees every line of the trace. */
  readonly onLine?: (atMs: number, node: number, line: string) => void;
}

/** Between hosts, beside the engines' own messages. */
type Batched =
  | { readonly type: "batch"; readonly bytes: Uint8Array }
  | { readonly type: "want"; readonly payloadRoot: Uint8Array };

type Event =
  | {
      readonly type: "input";
      readonly to: number;
      readonly life: number;
      readonly input: EngineInput;
    }
  | { readonly type: "batched"; readonly to: number; readonly from: number; readonly what: Batched }
  | { readonly type: "restart"; readonly to: number }
  | { readonly type: "call"; readonly run: () => void };

/** What an adversary does with a message of the host of that number. */
export type Mangle = (
  from: number,
  to: number,
  message: ConsensusMessage,
) => ConsensusMessage | undefined;

export class Network {
  readonly judge: Judge;
  readonly nodes: readonly SimNode[];
  readonly random: SeededRandom;
  readonly options: NetworkOptions;
  faults: Faults;
  nowMs = 1000;
  crashes = 0;
  messages = 0;
  /** True where a message may pass. */
  passes: (from: number, to: number) => boolean = () => true;
  /** What a host sends in place of its message; a malicious one may send anything. */
  mangle: Mangle = (_from, _to, message) => message;
  readonly #trace: Trace;
  readonly #queue = new TimeQueue<Event>();
  readonly #links: SeededRandom;
  readonly #payloads: Payloads;
  readonly #gone = new Set<number>();
  #payloadWaits = false;
  #transfers = 0;
  #events = 0;

  constructor(options: NetworkOptions) {
    this.options = options;
    this.random = new SeededRandom(options.seed);
    this.#links = this.random.fork("links");
    this.faults = options.faults ?? calm;
    const provider = options.provider ?? twin;
    this.#trace = new Trace(provider);
    this.judge = judgeOf(options.members, provider);
    this.nodes = this.#makeNodes();
    this.#payloads = new Payloads(provider, {
      share: (from, bytes) => this.#passAll(from, { type: "batch", bytes }),
      want: (from, payloadRoot) => this.#passAll(from, { type: "want", payloadRoot }),
      later: (inMs, run) => this.#queue.push(this.nowMs + inMs, { type: "call", run }),
      answer: (index, input) => this.#enqueue(index, input, 0),
      executed: (index) => this.#tell(index),
    });
    for (const index of this.nodes.keys())
      this.#queue.push(this.nowMs, { type: "restart", to: index });
  }

  /** Everything that happened, as one hash. */
  get trace(): string {
    return this.#trace.hash;
  }

  /** How many there were. */
  get events(): number {
    return this.#events;
  }

  node(index: number): SimNode {
    const node = this.nodes[index];
    assert(node !== undefined, `no node ${index}`);
    return node;
  }

  /** Every node is told that something waits to be committed, or that nothing does. */
  demand(waits: boolean): void {
    this.#payloadWaits = waits;
    for (const index of this.nodes.keys()) this.#tell(index);
  }

  /** Every node is given transfers to order. */
  submit(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#transfers += 1;
      const [from, to] = [this.random.below(256), this.random.below(256)];
      const amount = this.random.below(400);
      const transfer: Transfer = { number: this.#transfers, from, to, amount };
      for (const { ledger } of this.nodes) ledger.submit(transfer);
    }
    for (const index of this.nodes.keys()) this.#tell(index);
  }

  at(atMs: number, run: () => void): void {
    this.#queue.push(atMs, { type: "call", run });
  }

  inject(to: number, message: ConsensusMessage, from = 0): void {
    this.#enqueue(to, { type: "message", from, message }, 0);
  }

  crash(index: number, forMs: number): void {
    if (this.node(index).engine === undefined) return;
    this.#fall(index);
    this.#queue.push(this.nowMs + forMs, { type: "restart", to: index });
  }

  /** For good. */
  stop(index: number): void {
    this.#gone.add(index);
    this.#fall(index);
  }

  #fall(index: number): void {
    const node = this.node(index);
    node.engine = undefined;
    node.dueMs = undefined;
    node.life += 1;
    node.journal.crash();
    this.#line(index, "crashes");
    this.crashes += 1;
  }

  /** Until nothing is left to happen, `until` says so, or the time is over: true if `until` did. */
  async run(forMs: number, until: () => boolean = () => false): Promise<boolean> {
    const endMs = this.nowMs + forMs;
    for (let events = 0; events < eventsMax; events++) {
      if (until()) return true;
      const next = this.#next();
      if (next === undefined || next > endMs) {
        this.nowMs = endMs;
        return until();
      }
      this.nowMs = next;
      for (
        let event = this.#queue.take(next);
        event !== undefined;
        event = this.#queue.take(next)
      ) {
        this.#events += 1;
        const work = this.#happen(event);
        if (work !== undefined) await work;
      }
      for (const [index, node] of this.nodes.entries()) {
        if (node.dueMs === undefined || node.dueMs > this.#clock(node)) continue;
        const work = this.#handle(index, { type: "tick" });
        if (work !== undefined) await work;
      }
    }
    return false;
  }

  #makeNodes(): readonly SimNode[] {
    const { members, twins = [], areClones = false, broken, without, disk } = this.options;
    const { driftMsMax = 0, provider = twin } = this.options;
    const { anchor } = this.judge;
    const root: Root = { ...anchor, justView: 0n, commitHeight: anchor.height };
    const signerOf = (validator: number): Signer => {
      const each = members[validator];
      assert(each !== undefined, `no validator ${validator}`);
      return new Signer(this.judge, each, provider, broken?.get(validator) ?? []);
    };
    const signers = members.map((_, index) => signerOf(index));
    return [...members.keys(), ...twins].map((validator, index) => {
      const shared = signers[validator];
      const signer = index < members.length || !areClones ? shared : signerOf(validator);
      assert(signer !== undefined, `no validator ${validator}`);
      const plan = {
        validator,
        without: without?.get(index) ?? [],
        driftMs: driftMsMax === 0 ? 0 : this.random.below(driftMsMax),
      };
      const random = this.random.fork(`disk ${index}`);
      const journal = disk === undefined ? new MemoryJournal() : new DiskJournal(random, disk);
      return new SimNode(plan, signer, journal, new Ledger(provider), root);
    });
  }

  #clock({ plan }: SimNode): number {
    return this.nowMs + plan.driftMs;
  }

  #line(index: number, line: string): void {
    this.#trace.add(`${this.nowMs} ${index} ${line}`);
    this.options.onLine?.(this.nowMs, index, line);
  }

  #next(): number | undefined {
    let next = this.#queue.nextMs ?? Number.POSITIVE_INFINITY;
    for (const { dueMs, plan } of this.nodes) {
      if (dueMs === undefined) continue;
      next = Math.min(next, Math.max(Math.ceil(dueMs) - plan.driftMs, this.nowMs + 1));
    }
    return Number.isFinite(next) ? next : undefined;
  }

  #enqueue(to: number, input: EngineInput, inMs: number): void {
    const { life } = this.node(to);
    this.#queue.push(this.nowMs + Math.max(1, inMs), { type: "input", to, life, input });
  }

  #tell(index: number): void {
    const waits = this.#payloadWaits || this.node(index).ledger.waits;
    this.#enqueue(index, { type: "payload", waits }, 0);
  }

  #happen(event: Event): Promise<void> | undefined {
    switch (event.type) {
      case "restart":
        return this.#start(event.to);
      case "call":
        event.run();
        return undefined;
      case "batched":
        return this.#batched(event.to, event.from, event.what);
      case "input": {
        const isMessage = event.input.type === "message";
        const isHere = isMessage || event.life === this.node(event.to).life;
        return isHere ? this.#handle(event.to, event.input) : undefined;
      }
    }
  }

  async #start(index: number): Promise<void> {
    const node = this.node(index);
    if (this.#gone.has(index)) return;
    const { engine, areJudgesOwn = false, members, provider } = this.options;
    const records = await node.journal.recover();
    const { root, rootQc } = node;
    node.ledger.restart();
    node.judging.clear();
    node.engine = new Engine(
      {
        judge: areJudgesOwn ? judgeOf(members, provider) : this.judge,
        seed: named("schedule"),
        me: node.plan.validator,
        sets: { chain, setOf: () => this.judge.set.hash },
        deltaMs: 25,
        baseMs: 250,
        strongMs: 10,
        heartbeatMs: this.nodes.length === 1 ? 0 : heartbeatMs,
        without: new Set(node.plan.without),
        ...engine,
      },
      { root, records, ...(rootQc === undefined ? {} : { rootQc }) },
      this.#clock(node),
    );
    node.dueMs = node.engine.deadline();
    this.#line(index, `starts at height ${root.height}`);
    this.#tell(index);
  }

  #handle(index: number, input: EngineInput): Promise<void> | undefined {
    const node = this.node(index);
    if (node.engine === undefined) return undefined;
    this.#line(index, inputLine(input));
    if (input.type === "message") this.messages += 1;
    const effects = node.engine.handle(input, this.#clock(node));
    node.dueMs = node.engine.deadline();
    return this.#performAll(index, effects, 0);
  }

  /** Goes on by itself until something takes time. */
  #performAll(
    index: number,
    effects: readonly EngineEffect[],
    from: number,
  ): Promise<void> | undefined {
    const node = this.node(index);
    for (let i = from; i < effects.length; i++) {
      const effect = effects[i];
      assert(effect !== undefined, "an effect");
      const { crashes } = this.faults;
      if (crashes > 0 && this.#links.chance(crashes, 10_000)) {
        this.crash(index, 20 + this.#links.below(400));
        return undefined;
      }
      const line = effectLine(effect);
      if (line !== undefined) this.#line(index, line);
      if (effect.type !== "persist") {
        this.#perform(index, node, effect);
        continue;
      }
      const written = node.journal.append(effect.record);
      if (written === undefined) continue;
      return written.then(async (isDurable) => {
        if (isDurable) await this.#performAll(index, effects, i + 1);
        else this.crash(index, 20 + this.#links.below(400));
      });
    }
    return undefined;
  }

  #perform(index: number, node: SimNode, effect: Exclude<EngineEffect, { type: "persist" }>): void {
    switch (effect.type) {
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
        this.#sendTo(index, effect.to, effect.message);
        return;
      case "lookup": {
        const block = node.store.get(toHex(effect.digest));
        if (block !== undefined) this.#sendTo(index, effect.to, { type: "block", block });
        return;
      }
      case "build":
        this.#payloads.build(index, node, effect, this.#payloadWaits);
        return;
      case "judge":
        this.#payloads.judge(index, node, effect.block);
        return;
      case "commit":
        this.#commit(index, node, effect);
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

  #batched(to: number, from: number, what: Batched): undefined {
    const node = this.node(to);
    if (node.engine === undefined) return;
    if (what.type === "batch") {
      this.#payloads.arrived(to, node, what.bytes);
      return;
    }
    const bytes = node.ledger.holds(what.payloadRoot);
    if (bytes !== undefined) this.#pass(to, from, { type: "batch", bytes });
  }

  #commit(index: number, node: SimNode, effect: Extract<EngineEffect, { type: "commit" }>): void {
    const verdict = this.judge.commitCert(effect.cert);
    assert(verdict.ok, "what is committed is certified");
    assert(gradeOf(this.judge.set, verdict.value) !== undefined, "by a quorum");
    for (const block of effect.blocks) {
      assert(block.header.height === BigInt(node.committed.length + 1), "nothing is left out");
      const digest = toHex(blockHash(this.judge.provider, block.header));
      node.committed.push(block);
      node.digests.push(digest);
      node.strengths.push(effect.strength.power);
      node.store.set(digest, block);
    }
    node.root = effect.root;
    node.rootQc = effect.cert.blockQc;
    this.#payloads.committed(index, node);
  }

  // Links.

  /** To all hosts of a validator. */
  #sendTo(from: number, validator: number, message: ConsensusMessage): void {
    for (const [to, { plan }] of this.nodes.entries()) {
      if (plan.validator === validator) this.#send(from, to, message);
    }
  }

  #send(from: number, to: number, message: ConsensusMessage): void {
    if (to === from || !this.passes(from, to)) return;
    const sent = this.mangle(from, to, message);
    if (sent === undefined) return;
    const { validator } = this.node(from).plan;
    this.#link((inMs) => {
      this.#enqueue(to, { type: "message", from: validator, message: sent }, inMs);
    });
  }

  #pass(from: number, to: number, what: Batched): void {
    if (to === from || !this.passes(from, to)) return;
    this.#link((inMs) => {
      this.#queue.push(this.nowMs + Math.max(1, inMs), { type: "batched", to, from, what });
    });
  }

  #passAll(from: number, what: Batched): void {
    for (const to of this.nodes.keys()) this.#pass(from, to, what);
  }

  #link(deliver: (inMs: number) => void): void {
    const { delayMs, jitterMs, lost, doubled } = this.faults;
    if (this.#links.chance(lost, 1000)) return;
    const times = this.#links.chance(doubled, 1000) ? 2 : 1;
    for (let i = 0; i < times; i++) deliver(delayMs + this.#links.below(jitterMs + 1));
  }

  /** Of the nodes that are named, or of all. */
  least(of: readonly number[] = [...this.nodes.keys()]): number {
    return Math.min(...of.map((index) => this.node(index).height));
  }

  get proofs(): readonly DivergenceProof[] {
    return this.nodes.flatMap(({ proofs }) => proofs);
  }
}
