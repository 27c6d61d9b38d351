/**
 * A whole network in one process and in virtual time, from a seed: production engines, Guardians and
 * write-ahead logs over faulty links, clocks, disks and hosts.
 *
 * A validator may have a second host (`twins`), which shares its Guardian, or has a copy of it: then the
 * Guardian is a broken one. Effects are performed in their order, each after the one before is complete.
 * Invariant: a seed and its options decide everything. Bound: `eventsMax` events of one `run`.
 */
import { assert, equalBytes, SeededRandom, toHex } from "@ioi/base";
import {
  Course,
  type EndedEpoch,
  Engine,
  type EngineEffect,
  type EngineInput,
  type EngineOptions,
  gradeOf,
  heartbeatMs,
  type GuardianRule,
  type HostRule,
  type Judge,
  type RollbackProtection,
  type WalRecord,
} from "@ioi/consensus";
import {
  judgeOf,
  type Member,
  named,
  Signer,
  speaker,
  type TestProvider,
  twin,
} from "@ioi/consensus/testing";
import { type ConsensusMessage, type DivergenceProof, schema, type SyncChunk } from "@ioi/wire";
import { CatchUp } from "./catch-up.ts";
import { Ends } from "./ends.ts";
import { AnchoredSigner, type SimSigner } from "./guardians.ts";
import { DiskJournal, type DiskFaults, MemoryJournal } from "./journal.ts";
import { Ledger, type Transfer } from "./ledger.ts";
import { eventsMax, fetchesMax, stillMs } from "./limits.ts";
import { SimNode } from "./node.ts";
import { Payloads } from "./payloads.ts";
import { TimeQueue } from "./queue.ts";
import { Registry, type SetChange, setChange } from "./registry.ts";
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
  /** Sessions after a Guardian's first one. */
  readonly makeKey?: (name: string) => Member["key"];
  readonly provider?: TestProvider;
  /** Blocks of an epoch, whose end hosts pass with production's own synchronisation; one epoch if absent. */
  readonly epochBlocks?: number;
  /** What the anchors of sound Guardians can tell; bare ones without anchors if absent. */
  readonly protection?: RollbackProtection;
  /** Hosts whose validators are not in the first set, and may join; numbered after all others. */
  readonly joiners?: readonly Member[];
  /** Each host checks every signature itself, in place of once for all. */
  readonly areJudgesOwn?: boolean;
  /** Sees every line of the trace. */
  readonly onLine?: (atMs: number, node: number, line: string) => void;
}

/** Between hosts, beside the engines' own messages. */
type Wired =
  | { readonly type: "batch"; readonly bytes: Uint8Array }
  | { readonly type: "want"; readonly payloadRoot: Uint8Array }
  | { readonly type: "ended"; readonly end: EndedEpoch }
  | { readonly type: "ask"; readonly height: bigint }
  | { readonly type: "chunk"; readonly height: bigint; readonly chunk: SyncChunk };

type Event =
  | {
      readonly type: "input";
      readonly to: number;
      readonly life: number;
      readonly input: EngineInput;
    }
  | {
      readonly type: "message";
      readonly to: number;
      readonly from: number;
      readonly message: ConsensusMessage;
    }
  | { readonly type: "wired"; readonly to: number; readonly from: number; readonly what: Wired }
  | { readonly type: "restart"; readonly to: number }
  | { readonly type: "boot"; readonly to: number; readonly life: number }
  | { readonly type: "call"; readonly run: () => void };

/** What an adversary does with a message of the host of that number. */
export type Mangle = (
  from: number,
  to: number,
  message: ConsensusMessage,
) => ConsensusMessage | undefined;

/** What a lying host answers in place of blocks that it was asked for; undefined: nothing. */
export type Lie = (from: number, to: number, chunk: SyncChunk) => SyncChunk | undefined;

export class Network {
  /** Of the first epoch. */
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
  /** What those who asked for grade S were told. */
  readonly guarded: {
    readonly host: number;
    readonly effect: Extract<EngineEffect, { type: "guarded" }>;
  }[] = [];
  lie: Lie = (_from, _to, chunk) => chunk;
  /** Hosts that do not mind where their epoch ended. */
  readonly stubborn = new Set<number>();
  readonly #trace: Trace;
  readonly #queue = new TimeQueue<Event>();
  readonly #links: SeededRandom;
  readonly #payloads: Payloads;
  readonly #ends: Ends;
  readonly #catchUp: CatchUp;
  readonly #changes = new Set<string>();
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
    const later = (inMs: number, run: () => void): void => this.at(this.nowMs + inMs, run);
    const note = (index: number, line: string): void => this.note(index, line);
    this.#payloads = new Payloads(provider, options.epochBlocks, {
      share: (from, bytes) => this.#passAll(from, { type: "batch", bytes }),
      want: (from, payloadRoot) => this.#passAll(from, { type: "want", payloadRoot }),
      later,
      answer: (index, input) => this.#enqueue(index, input, 0),
      executed: (index) => {
        this.#ends.enterOwn(index, this.node(index));
        this.#tell(index);
      },
    });
    this.#ends = new Ends({
      note,
      nowMs: () => this.nowMs,
      tell: (from, to, end) => this.#pass(from, to, { type: "ended", end }),
      entered: (index) => {
        this.register(index);
        this.#again(index);
      },
      behind: (index) => this.#catchUp.begin(index),
      convict: (index, proof) =>
        this.#enqueue(
          index,
          { type: "message", from: 0, message: { type: "divergence", proof } },
          0,
        ),
    });
    this.#catchUp = new CatchUp((index) => this.node(index), {
      note,
      nowMs: () => this.nowMs,
      later,
      ask: (from, to, height) => this.#pass(from, to, { type: "ask", height }),
      answer: (from, to, height, given) => {
        const chunk = this.lie(from, to, given);
        if (chunk !== undefined) this.#pass(from, to, { type: "chunk", height, chunk });
      },
      others: (index) =>
        this.#links.shuffle([...this.nodes.keys()].filter((other) => other !== index)),
      enter: (index, end, strength) => this.#ends.enter(index, this.node(index), end, strength),
      overtaken: (index) => {
        this.#drop(index);
        this.#again(index);
      },
      caughtUp: (index) => this.#again(index),
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

  /** The host wants grade S for the block at a height. */
  guard(index: number, height: number): void {
    this.#enqueue(index, { type: "guard", height: BigInt(height) }, 0);
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

  /** Every node is given a change of the set of validators to order; again where it was given before. */
  change(change: SetChange): void {
    const key = toHex(this.judge.provider.sha256(schema.encode(setChange, change)));
    if (this.#changes.has(key)) return;
    this.#changes.add(key);
    for (const { ledger } of this.nodes) ledger.change(change);
    for (const index of this.nodes.keys()) this.#tell(index);
  }

  /** The session that its Guardian waits with, if its epoch does not know it. */
  register(index: number): void {
    const { signer, judge } = this.node(index);
    const entry = "registration" in signer ? signer.registration(judge) : undefined;
    if (entry === undefined) return;
    this.note(index, `registers a session, lease ${entry.succeeds?.lease}`);
    this.change({ type: "validator", entry });
  }

  at(atMs: number, run: () => void): void {
    this.#queue.push(atMs, { type: "call", run });
  }

  inject(to: number, message: ConsensusMessage, from = 0): void {
    this.#queue.push(this.nowMs + 1, { type: "message", to, from, message });
  }

  crash(index: number, forMs: number): void {
    if (!this.node(index).isUp) return;
    this.#fall(index);
    this.#queue.push(this.nowMs + forMs, { type: "restart", to: index });
  }

  /** For good. */
  stop(index: number): void {
    this.#gone.add(index);
    this.#fall(index);
  }

  /** After it was stopped. */
  wake(index: number): void {
    this.#gone.delete(index);
    this.#queue.push(this.nowMs + 1, { type: "restart", to: index });
  }

  #fall(index: number): void {
    const node = this.node(index);
    this.#drop(index);
    node.isUp = false;
    node.sync = undefined;
    node.journal.crash();
    this.note(index, "crashes");
    this.crashes += 1;
  }

  /** Its engine ends, and what it asked for. */
  #drop(index: number): void {
    const node = this.node(index);
    node.engine = undefined;
    node.dueMs = undefined;
    node.life += 1;
    node.judging.clear();
  }

  /**
   * Its engine begins where the node stands, as after a crash; of another epoch, or there is none. While
   * it synchronises it begins once nothing was taken over for a while.
   */
  #again(index: number): void {
    const { engine, engineEpoch, course, isUp } = this.node(index);
    if (!isUp || (engine !== undefined && engineEpoch === course.number)) return;
    this.#drop(index);
    const { life, sync } = this.node(index);
    const inMs = sync === undefined ? 1 : stillMs;
    this.#queue.push(this.nowMs + inMs, { type: "boot", to: index, life });
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
    const { members, twins = [], joiners = [], areClones = false, disk } = this.options;
    const { driftMsMax = 0, provider = twin } = this.options;
    const registry = new Registry(provider, this.judge.set);
    const all = [...members, ...joiners];
    const signers = all.map((each, index) => this.#signerOf(each, index));
    const validators = [...members.keys(), ...twins, ...joiners.map((_, i) => members.length + i)];
    return validators.map((validator, index) => {
      const each = all[validator];
      const isSecond = index >= members.length && validator < members.length;
      assert(each !== undefined, `no validator ${validator}`);
      const signer = isSecond && areClones ? this.#signerOf(each, validator) : signers[validator];
      assert(signer !== undefined, `no validator ${validator}`);
      const plan = {
        validator,
        gid: each.entry.gid,
        without: this.options.without?.get(index) ?? [],
        driftMs: driftMsMax === 0 ? 0 : this.random.below(driftMsMax),
      };
      const random = this.random.fork(`disk ${index}`);
      const journal = disk === undefined ? new MemoryJournal() : new DiskJournal(random, disk);
      const course = new Course(this.judge);
      const ledger = new Ledger(provider, registry, () => course.sets);
      return new SimNode(plan, signer, journal, ledger, course);
    });
  }

  #speaker(validator: number): (bytes: Uint8Array) => Uint8Array {
    const { members, joiners = [], provider = twin } = this.options;
    const each = members[validator] ?? joiners[validator - members.length];
    assert(each !== undefined, `no validator ${validator}`);
    return speaker(provider, each);
  }

  #signerOf(each: Member, validator: number): SimSigner {
    const { broken, protection, provider = twin } = this.options;
    const without = broken?.get(validator);
    if (protection === undefined || without !== undefined) {
      return new Signer(this.judge, each, provider, without ?? []);
    }
    const signer = AnchoredSigner.make(each, provider, protection);
    signer.enter(this.judge);
    return signer;
  }

  #clock({ plan }: SimNode): number {
    return this.nowMs + plan.driftMs;
  }

  note(index: number, line: string): void {
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
      case "boot":
        return event.life === this.node(event.to).life && this.node(event.to).engine === undefined
          ? this.#boot(event.to)
          : undefined;
      case "call":
        event.run();
        return undefined;
      case "wired":
        this.#wired(event.to, event.from, event.what);
        return undefined;
      case "message":
        return this.#hear(event.to, event.from, event.message);
      case "input":
        return event.life === this.node(event.to).life
          ? this.#handle(event.to, event.input)
          : undefined;
    }
  }

  async #start(index: number): Promise<void> {
    const node = this.node(index);
    if (this.#gone.has(index)) return;
    node.isUp = true;
    node.ledger.restart();
    await this.#boot(index);
    if (this.options.epochBlocks === undefined || node.life === 0) return;
    this.#ends.enterOwn(index, node);
    this.#catchUp.begin(index);
  }

  async #boot(index: number): Promise<void> {
    const node = this.node(index);
    const { engine, areJudgesOwn = false, members, provider } = this.options;
    const { root, rootQc, me, course } = node;
    if (me === undefined || !node.isUp) return;
    const { number } = course;
    const records = (await node.journal.recover()).filter((each) => epochOf(each) === number);
    node.judging.clear();
    node.engineEpoch = number;
    node.engine = new Engine(
      {
        judge: areJudgesOwn ? judgeOf(members, provider) : node.judge,
        seed: named("schedule"),
        me,
        sets: course.sets,
        deltaMs: 25,
        baseMs: 250,
        strongMs: 10,
        heartbeatMs: node.judge.set.size === 1 ? 0 : heartbeatMs,
        speak: this.#speaker(node.plan.validator),
        without: new Set(node.plan.without),
        ...engine,
      },
      {
        root,
        records,
        heightOf: (digest) => node.store.get(toHex(digest))?.header.height,
        ...(rootQc === undefined ? {} : { rootQc }),
      },
      this.#clock(node),
    );
    node.dueMs = node.engine.deadline();
    this.note(index, `starts at height ${root.height}`);
    this.#tell(index);
  }

  #hear(index: number, from: number, message: ConsensusMessage): Promise<void> | undefined {
    const node = this.node(index);
    this.messages += 1;
    if (!node.isUp || !this.#ends.isNow(index, node, from, message)) return undefined;
    const sender = node.judge.set.indexOf(this.node(from).plan.gid) ?? -1;
    return this.#handle(index, { type: "message", from: sender, message });
  }

  #handle(index: number, input: EngineInput): Promise<void> | undefined {
    const node = this.node(index);
    if (node.engine === undefined) return undefined;
    this.note(index, inputLine(input));
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
    const { life } = node;
    for (let i = from; i < effects.length; i++) {
      const effect = effects[i];
      assert(effect !== undefined, "an effect");
      const { crashes } = this.faults;
      if (crashes > 0 && this.#links.chance(crashes, 10_000)) {
        this.crash(index, 20 + this.#links.below(400));
        return undefined;
      }
      const line = effectLine(effect);
      if (line !== undefined) this.note(index, line);
      if (effect.type !== "persist") {
        this.#perform(index, node, effect);
        // It entered the next epoch, or was overtaken.
        if (node.life !== life) return undefined;
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
        this.#fetches(index, node, effect.message);
        for (const to of this.nodes.keys()) if (to !== index) this.#send(index, to, effect.message);
        return;
      case "send":
        this.#fetches(index, node, effect.message);
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
        this.#payloads.judge(index, node, effect.block, effect.isOver);
        return;
      case "commit":
        this.#commit(index, node, effect);
        return;
      case "strengthened":
        node.strengthen(effect.cert.block.height, effect.strength.power);
        return;
      case "divergence":
        node.proofs.push(effect.proof);
        if (this.options.epochBlocks !== undefined && effect.proof.kind === "K7") {
          this.change({ type: "evict", proof: effect.proof });
        }
        return;
      case "guarded":
        this.guarded.push({ host: index, effect });
        return;
      case "refused":
        node.refused += 1;
    }
  }

  /** Who misses more than a few blocks synchronises. */
  #fetches(index: number, node: SimNode, { type }: ConsensusMessage): void {
    if (type !== "fetch" || this.options.epochBlocks === undefined) return;
    node.fetches += 1;
    if (node.fetches < fetchesMax) return;
    node.fetches = 0;
    this.at(this.nowMs + 1, () => this.#catchUp.begin(index));
  }

  #wired(index: number, from: number, what: Wired): void {
    const node = this.node(index);
    if (!node.isUp) return;
    switch (what.type) {
      case "batch":
        this.#payloads.arrived(index, node, what.bytes);
        return;
      case "want": {
        const bytes = node.ledger.holds(what.payloadRoot);
        if (bytes !== undefined) this.#pass(index, from, { type: "batch", bytes });
        return;
      }
      case "ended":
        if (!this.stubborn.has(index)) this.#ends.told(index, node, what.end);
        return;
      case "ask":
        this.#catchUp.asked(index, from, what.height);
        return;
      case "chunk":
        this.#catchUp.answered(index, from, what.height, what.chunk);
    }
  }

  #commit(index: number, node: SimNode, effect: Extract<EngineEffect, { type: "commit" }>): void {
    const verdict = node.judge.commitCert(effect.cert);
    assert(
      verdict.ok,
      `what is committed is certified: ${verdict.ok ? "" : verdict.error.message}`,
    );
    assert(gradeOf(node.judge.set, verdict.value) !== undefined, "by a quorum");
    for (const block of effect.blocks) node.add(block, effect.strength);
    node.fetches = 0;
    node.newest = effect.cert;
    node.root = effect.root;
    node.rootQc = effect.cert.blockQc;
    node.ending = effect.epochCert;
    this.#payloads.committed(index, node);
    this.#ends.enterOwn(index, node);
  }

  // Links.

  /** To all hosts of a validator of the sender's epoch. */
  #sendTo(from: number, validator: number, message: ConsensusMessage): void {
    const { set } = this.node(from).judge;
    if (validator < 0 || validator >= set.size) return;
    const { gid } = set.entry(validator);
    for (const [to, { plan }] of this.nodes.entries()) {
      if (equalBytes(plan.gid, gid)) this.#send(from, to, message);
    }
  }

  #send(from: number, to: number, message: ConsensusMessage): void {
    if (to === from || !this.passes(from, to)) return;
    const sent = this.mangle(from, to, message);
    if (sent === undefined) return;
    this.#link({ type: "message", to, from, message: sent });
  }

  #pass(from: number, to: number, what: Wired): void {
    if (to !== from && this.passes(from, to)) this.#link({ type: "wired", to, from, what });
  }

  #passAll(from: number, what: Wired): void {
    for (const to of this.nodes.keys()) this.#pass(from, to, what);
  }

  #link(event: Event): void {
    const { delayMs, jitterMs, lost, doubled } = this.faults;
    if (this.#links.chance(lost, 1000)) return;
    const times = this.#links.chance(doubled, 1000) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const inMs = Math.max(1, delayMs + this.#links.below(jitterMs + 1));
      this.#queue.push(this.nowMs + inMs, event);
    }
  }

  /** Of the nodes that are named, or of all. */
  least(of: readonly number[] = [...this.nodes.keys()]): number {
    return Math.min(...of.map((index) => this.node(index).height));
  }

  get proofs(): readonly DivergenceProof[] {
    return this.nodes.flatMap(({ proofs }) => proofs);
  }
}

const epochOf = (record: WalRecord): bigint => {
  switch (record.type) {
    case "block":
      return record.block.header.epoch.number;
    case "qc":
      return record.qc.epoch.number;
    case "tc":
      return record.tc.epoch.number;
    case "envelope":
      return record.envelope.epoch.number;
  }
};
