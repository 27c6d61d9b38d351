/**
 * A whole network in one process and in virtual time, from a seed: production engines, Guardians and
 * write-ahead logs over faulty links, clocks, disks and hosts.
 *
 * A validator may have a second host (`twins`), which shares its Guardian, or has a copy of it: then the
 * Guardian is a broken one. Effects are performed in their order, each after the one before is complete.
 * Invariant: a seed and its options decide everything. Bound: `eventsMax` events of one `run`.
 */
import { assert, SeededRandom, toHex } from "@ioi/base";
import { Engine, type EngineEffect, type EngineInput, type Judge } from "@ioi/consensus";
import { judgeOf, twin } from "@ioi/consensus/testing";
import { type ConsensusMessage, type DivergenceProof, schema } from "@ioi/wire";
import { engineOf, nodesOf } from "./building.ts";
import { CatchUp } from "./catch-up.ts";
import { Ends } from "./ends.ts";
import { drawnTransfer } from "./ledger.ts";
import { eventsMax, stillMs } from "./limits.ts";
import { Links } from "./links.ts";
import type { SimNode, Written } from "./node.ts";
import {
  calm,
  type Faults,
  type Lie,
  type Mangle,
  type NetworkEvent,
  type NetworkOptions,
  type PartLie,
  type Wired,
} from "./options.ts";
import { Payloads } from "./payloads.ts";
import { TimeQueue } from "./queue.ts";
import { type SetChange, setChange } from "./registry.ts";
import { TakeOver } from "./take-over.ts";
import { effectLine, inputLine, Trace } from "./trace.ts";

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
  passes: (from: number, to: number) => boolean = () => true;
  /** What a host sends in place of its message; a malicious one may send anything. */
  mangle: Mangle = (_from, _to, message) => message;
  /** What those who asked for grade S were told. */
  readonly guarded: {
    readonly host: number;
    readonly effect: Extract<EngineEffect, { type: "guarded" }>;
  }[] = [];
  lie: Lie = (_from, _to, chunk) => chunk;
  partLie: PartLie = (_from, _to, bytes) => bytes;
  /** Hosts that do not mind where their epoch ended. */
  readonly stubborn = new Set<number>();
  readonly #trace: Trace;
  readonly #queue = new TimeQueue<NetworkEvent>();
  readonly #chances: SeededRandom;
  readonly #links: Links;
  readonly #payloads: Payloads;
  readonly #ends: Ends;
  readonly #catchUp: CatchUp;
  readonly #takeOver: TakeOver;
  readonly #changes = new Set<string>();
  readonly #gone = new Set<number>();
  #payloadWaits = false;
  #transfers = 0;
  #events = 0;

  constructor(options: NetworkOptions) {
    const { faults = calm, provider = twin } = options;
    this.options = options;
    this.random = new SeededRandom(options.seed);
    this.#chances = this.random.fork("links");
    this.#links = new Links(this, this.#chances, this.#queue);
    this.faults = faults;
    this.#trace = new Trace(provider);
    this.judge = judgeOf(options.members, provider);
    this.nodes = nodesOf(options, this.judge, this.random);
    const common = {
      note: (index: number, line: string) => this.note(index, line),
      nowMs: () => this.nowMs,
      later: (inMs: number, run: () => void) => this.at(this.nowMs + inMs, run),
      others: (index: number) =>
        this.#chances.shuffle([...this.nodes.keys()].filter((other) => other !== index)),
    };
    this.#payloads = new Payloads(provider, options.epochBlocks, {
      ...common,
      share: (from, bytes) => this.#links.passAll(from, { type: "batch", bytes }),
      want: (from, payloadRoot) => this.#links.passAll(from, { type: "want", payloadRoot }),
      answer: (index, input) => this.#enqueue(index, input, 0),
      executed: (index) => {
        this.#ends.enterOwn(index, this.node(index));
        this.#tell(index);
      },
    });
    this.#ends = new Ends({
      ...common,
      tell: (from, to, end) => this.#links.pass(from, to, { type: "ended", end }),
      entered: (index) => {
        this.register(index);
        this.#again(index);
      },
      behind: (index) => this.#catchUp.begin(index),
      convict: (index, proof) => {
        const message = { type: "divergence", proof } as const;
        this.#enqueue(index, { type: "message", from: 0, message }, 0);
      },
    });
    this.#catchUp = new CatchUp((index) => this.node(index), {
      ...common,
      ask: (from, to, height) => this.#links.pass(from, to, { type: "ask", height }),
      answer: (from, to, height, given) => {
        const chunk = this.lie(from, to, given);
        if (chunk !== undefined) this.#links.pass(from, to, { type: "chunk", height, chunk });
      },
      enter: (index, end, strength) => this.#ends.enter(index, this.node(index), end, strength),
      overtaken: (index) => {
        this.#drop(index);
        this.#again(index);
      },
      caughtUp: (index) => {
        this.#takeOver.begin(index);
        this.#again(index);
      },
    });
    this.#takeOver = new TakeOver(provider, (index) => this.node(index), {
      ...common,
      ask: (from, to, height, part) =>
        this.#links.pass(from, to, { type: "askPart", height, part }),
      answer: (from, to, part) => {
        const bytes = part.bytes === undefined ? undefined : this.partLie(from, to, part.bytes);
        this.#links.pass(from, to, { type: "part", ...part, bytes });
      },
      execute: (index) => this.#payloads.committed(index, this.node(index)),
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
      const transfer = drawnTransfer(this.random, ++this.#transfers);
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
    node.snapshot = undefined;
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
        if (node.dueMs === undefined || node.dueMs > node.clock(this.nowMs)) continue;
        const work = this.#handle(index, { type: "tick" });
        if (work !== undefined) await work;
      }
    }
    return false;
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

  #happen(event: NetworkEvent): Promise<void> | undefined {
    switch (event.type) {
      case "restart":
        return this.#start(event.to);
      case "boot":
        return event.life === this.node(event.to).life ? this.#boot(event.to) : undefined;
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
    // What it asked for before it fell came while it was down.
    this.#payloads.committed(index, node);
    await this.#boot(index);
    if (this.options.epochBlocks === undefined || node.life === 0) return;
    this.#ends.enterOwn(index, node);
    this.#catchUp.begin(index);
  }

  async #boot(index: number): Promise<void> {
    const node = this.node(index);
    const { me, root } = node;
    if (me === undefined || !node.isUp || node.engine !== undefined) return;
    const { options, start } = await engineOf(this.options, node, me);
    node.judging.clear();
    node.engineEpoch = node.course.number;
    node.engine = new Engine(options, start, node.clock(this.nowMs));
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
    const effects = node.engine.handle(input, node.clock(this.nowMs));
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
      if (crashes > 0 && this.#chances.chance(crashes, 10_000)) {
        this.crash(index, 20 + this.#chances.below(400));
        return undefined;
      }
      const line = effectLine(effect);
      if (line !== undefined) this.note(index, line);
      if (effect.type !== "persist" && effect.type !== "keep") {
        this.#perform(index, node, effect);
        // It entered the next epoch, or was overtaken.
        if (node.life !== life) return undefined;
        continue;
      }
      const written = node.write(effect);
      if (written === undefined) continue;
      return written.then(async (isDurable) => {
        if (isDurable) await this.#performAll(index, effects, i + 1);
        else this.crash(index, 20 + this.#chances.below(400));
      });
    }
    return undefined;
  }

  #perform(index: number, node: SimNode, effect: Exclude<EngineEffect, Written>): void {
    switch (effect.type) {
      case "sign": {
        const answer = node.signer.ask(effect.request);
        const input: EngineInput =
          typeof answer === "string" ? { type: "unsigned" } : { type: "signed", envelope: answer };
        this.#enqueue(index, input, 0);
        return;
      }
      case "broadcast":
        if (effect.message.type === "fetch") this.#catchUp.misses(index);
        this.#links.sendAll(index, effect.message);
        return;
      case "send":
        if (effect.message.type === "fetch") this.#catchUp.misses(index);
        this.#links.sendTo(index, effect.to, effect.message);
        return;
      case "lookup": {
        const block = node.store.get(toHex(effect.digest));
        if (block !== undefined) this.#links.sendTo(index, effect.to, { type: "block", block });
        return;
      }
      case "build":
        this.#payloads.build(index, node, effect, this.#payloadWaits);
        return;
      case "judge":
        this.#payloads.judge(index, node, effect.block, effect.isOver);
        return;
      case "commit":
        node.commit(effect);
        this.#payloads.committed(index, node);
        this.#ends.enterOwn(index, node);
        return;
      case "strengthened":
        node.strengthen(effect.cert, effect.strength);
        return;
      case "divergence":
        node.proved(effect);
        if (this.options.epochBlocks !== undefined && effect.proof.kind === "K7") {
          this.change({ type: "evict", proof: effect.proof });
        }
        return;
      case "guarded":
        this.guarded.push({ host: index, effect });
        return;
      case "refused":
        node.refused += 1;
        return;
      case "recall": {
        const { envelope } = effect;
        const kept = node.journal.window.near(envelope);
        this.#enqueue(index, { type: "recalled", envelope, kept }, 0);
      }
    }
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
        if (bytes !== undefined) this.#links.pass(index, from, { type: "batch", bytes });
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
        return;
      case "askPart":
        this.#takeOver.asked(index, from, what.height, what.part);
        return;
      case "part":
        this.#takeOver.answered(index, from, what);
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
