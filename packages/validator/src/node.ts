/**
 * The running chain: performs the machine's effects on the disk and at the signer, one after the
 * other, and lets others read blocks, state and proofs.
 *
 * Invariants: what is read is committed: signed by the Guardian and in the file. A disk that cannot
 * be trusted any more ends the process (`fatal`); a full one, and a signer that does not answer, are
 * tried again.
 * Bounds: `chainInputsMax`.
 */
import {
  addMs,
  assert,
  BoundedQueue,
  type Clock,
  type Files,
  instant,
  type Log,
  ok,
  OperationError,
  type Random,
  type Result,
  type Signal,
  SignalSource,
  steadyWall,
  toHex,
  type WallMs,
} from "@ioi/base";
import { type Grade, type Judge, startHash } from "@ioi/consensus";
import type { CryptoProvider } from "@ioi/crypto";
import {
  type AuthenticatedTree,
  jellyfish,
  MemoryStore,
  type StateEntry,
  type StateProof,
} from "@ioi/state";
import {
  type ChainParams,
  type ConsensusStart,
  consensusStart,
  type Envelope,
  schema,
} from "@ioi/wire";
import { type Beginning, beginFiles } from "./begin.ts";
import type { Block } from "./block.ts";
import {
  chainInputsMax,
  chainRetryMs,
  chainRetryMsMax,
  minBlockMs,
  scanEntriesMax,
  segmentBlocksMax,
} from "./limits.ts";
import { gradeOfCommit, none, proveCommit, type ReadError } from "./proofs.ts";
import { givenBefore, reconcile, replay, type SigningState } from "./recover.ts";
import {
  type ChainEffect,
  type ChainInput,
  type Head,
  type SlotWanted,
  SoloChain,
} from "./solo.ts";
import { allOf, tipOf, type Tip } from "./state.ts";
import { Store } from "./store.ts";

/** The Guardian's session, as the chain needs it. */
export interface SessionSigner {
  /** An epoch on top of what was signed last. */
  begin(): Promise<SigningState>;
  state(): Promise<Beginning>;
  /** As many as come before one that is refused; E_HEADER_REFUSED where that is the first. */
  sign(slots: readonly SlotWanted[]): Promise<readonly Envelope[]>;
  consistency(from: number, to: number): Promise<readonly Uint8Array[]>;
}

export interface ChainNodeOptions {
  readonly files: Files;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
  readonly provider: CryptoProvider;
  readonly signer: SessionSigner;
  readonly params: ChainParams;
  /** 0: a block is made only where there is something to commit. */
  readonly idleMs: number;
  /** Blocks with transactions stand so far apart; {@link minBlockMs} where absent. */
  readonly minMs?: number;
  /** Blocks of one file. */
  readonly segmentBlocks?: number;
  /** The disk cannot be trusted to store anything more, or the Guardian contradicted itself. */
  readonly fatal: (error: OperationError) => void;
}

export interface Proved {
  readonly value: Uint8Array | undefined;
  readonly proof: StateProof;
  /** After which the state is. */
  readonly height: bigint;
  /** Canonical `blockProof` of a block that shows the state. */
  readonly blockProof: Uint8Array;
}

const codeOf = (error: unknown): string => (error instanceof OperationError ? error.code : "bug");

/** A signer that cannot prove it has proved nothing; one that is away is asked again. */
const provedBy = async (
  signer: SessionSigner,
  from: number,
  to: number,
): Promise<readonly Uint8Array[]> => {
  try {
    return await signer.consistency(from, to);
  } catch (error) {
    if (error instanceof OperationError && error.code === "E_RPC_MALFORMED") return [];
    throw error;
  }
};

export class ChainNode {
  readonly #options: ChainNodeOptions;
  readonly #store: Store;
  readonly #tree: AuthenticatedTree;
  readonly #judge: Judge;
  readonly #machine: SoloChain;
  readonly #wall: () => WallMs;
  readonly #inputs: BoundedQueue<ChainInput> = new BoundedQueue(chainInputsMax);
  readonly #stop = new SignalSource();
  readonly #watchers: Set<(block: Block) => void> = new Set();
  /** In the file, and what commits it. */
  #head: Head | undefined;
  /** Begun, and to be performed in this order. */
  #todo: readonly ChainEffect[] = [];
  #wake = new SignalSource();
  #settled: SignalSource | undefined;
  #running: Promise<void> | undefined;
  /** Checkpoints that were refused. */
  refused = 0;
  readonly epochStart: ConsensusStart;
  /** By the Guardian's identity, over the start. */
  readonly startSignature: Uint8Array;
  readonly cutBytes: number;

  private constructor(
    options: ChainNodeOptions,
    parts: {
      readonly store: Store;
      readonly tree: AuthenticatedTree;
      readonly judge: Judge;
      readonly machine: SoloChain;
      readonly head: Head | undefined;
      readonly wall: () => WallMs;
      readonly start: ConsensusStart;
      readonly signature: Uint8Array;
    },
  ) {
    this.#options = options;
    this.#store = parts.store;
    this.#tree = parts.tree;
    this.#judge = parts.judge;
    this.#machine = parts.machine;
    this.#head = parts.head;
    this.#wall = parts.wall;
    this.epochStart = parts.start;
    this.startSignature = parts.signature;
    this.cutBytes = parts.store.cutBytes;
  }

  /** Recovers what is there, or begins a chain. Nothing is made before {@link start}. */
  static async open(options: ChainNodeOptions): Promise<ChainNode> {
    const { files, random, provider, params, signer, idleMs } = options;
    const begin = () => signer.begin();
    const place = { files, random, provider, params, begin };
    const heights = await beginFiles(place, () => signer.state());
    const blocksMax = options.segmentBlocks ?? segmentBlocksMax;
    const store = await Store.open({ files, random, hashing: provider }, blocksMax, heights);
    try {
      const tree = jellyfish.open(new MemoryStore(), provider);
      const { start, signature, at } = await replay(store, provider, params, tree);
      const { signing } = await signer.state();
      const unseen = reconcile(provider, start, at, signing);
      const minMs = options.minMs ?? minBlockMs;
      const settings = { idleMs, minMs: idleMs === 0 ? minMs : Math.min(minMs, idleMs) };
      const wall = steadyWall(options.clock);
      const machine = new SoloChain(provider, params, tree, settings, at, wall());
      const { judge, head } = at;
      const parts = { store, tree, judge, machine, head, wall, start, signature };
      const node = new ChainNode(options, parts);
      await node.#takeUp(unseen);
      return node;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** What a crash left; what is to be signed waits for {@link start}. */
  async #takeUp(unseen: Envelope | undefined): Promise<void> {
    const first: ChainInput =
      unseen === undefined ? { type: "tick" } : { type: "signed", envelopes: [unseen] };
    const effects = this.#machine.handle(first, this.#wall());
    const signs = effects.findIndex(({ type }) => type === "sign");
    const now = signs < 0 ? effects : effects.slice(0, signs);
    this.#todo = signs < 0 ? [] : effects.slice(signs);
    for (const effect of now) await this.#perform(effect);
  }

  /** `onBug` hears of what ended the chain, if anything but {@link close} did. */
  start(onBug: (error: unknown) => void): void {
    assert(this.#running === undefined, "the chain is started once");
    this.#running = this.#run(this.#stop.signal).catch(onBug);
  }

  /**
   * Commits at once what was offered and waits for it, `withinMs` at most; whether it got so far.
   * What did not is offered again by the next life of the Guardian.
   */
  async settle(withinMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const settled = (this.#settled = new SignalSource());
    if (!this.#send({ type: "settle" })) return false;
    await clock.sleepUntil(addMs(clock.now(), withinMs), settled.signal).catch(() => undefined);
    return this.#machine.settled;
  }

  /** Ends after the step under way. */
  async close(): Promise<void> {
    this.#stop.abort(undefined);
    this.#wake.abort(undefined);
    try {
      await this.#running;
    } finally {
      await this.#store.close();
    }
  }

  /** The newest committed block. */
  get head(): Block | undefined {
    return this.#head?.block;
  }

  /** What the newest commit survives. */
  get grade(): Grade | undefined {
    const cert = this.#head?.cert;
    return cert === undefined ? undefined : gradeOfCommit(this.#judge, cert);
  }

  /** What proofs of blocks are checked against. */
  get startHash(): Uint8Array {
    return startHash(this.#options.provider, this.epochStart);
  }

  /** The newest checkpoint of the receipt log in the state. */
  get tip(): Tip {
    return tipOf(this.#options.provider, this.#tree);
  }

  /** Lowest height that is kept. */
  get first(): bigint {
    return this.#store.first;
  }

  get params(): ChainParams {
    return this.#options.params;
  }

  get idleMs(): number {
    return this.#options.idleMs;
  }

  /** A checkpoint of the receipt log; false where too many wait. */
  offer(note: string): boolean {
    return this.#send({ type: "checkpoint", note });
  }

  /** Sees every block from now on; returns the way to stop. */
  watch(watcher: (block: Block) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async block(height: bigint): Promise<Result<Block, ReadError>> {
    const { head } = this;
    if (head === undefined || height > head.header.height) return none(`no block ${height}`);
    const block = await this.#store.read(height);
    return block === undefined ? none(`no block ${height}`) : ok(block);
  }

  /** Canonical `blockProof`: that the block is committed, for who trusts the start. */
  async prove(height: bigint): Promise<Result<Uint8Array, ReadError>> {
    return await proveCommit(this.#store, this.epochStart, this.#head, height);
  }

  /** The newest height whose state a committed block shows. */
  get shown(): bigint | undefined {
    return this.head?.header.stateHeight;
  }

  /** The value of a key after that height, or that there is none, proved under a committed block. */
  async query(key: Uint8Array, height: bigint): Promise<Result<Proved, ReadError>> {
    const by = this.#machine.showing(height);
    const { head } = this;
    if (by === undefined || head === undefined || by > head.header.height)
      return none(`no committed block shows the state after ${height}`);
    // Taken before anything is awaited: the version may be given up meanwhile.
    const view = this.#tree.at(height);
    if (!view.ok) return view;
    const value = view.value.get(key);
    const proof = value === undefined ? view.value.proveAbsent(key) : view.value.prove(key);
    assert(proof.ok, "a proof of what the state says");
    const block = await this.prove(by);
    return block.ok ? ok({ value, proof: proof.value, height, blockProof: block.value }) : block;
  }

  scan(
    prefix: Uint8Array,
    limit: number,
    after: Uint8Array | undefined,
  ): Result<readonly StateEntry[], ReadError> {
    const view = this.#tree.at(this.#machine.root.height);
    return view.ok
      ? ok(view.value.prefixScan(prefix, Math.min(limit, scanEntriesMax), after))
      : view;
  }

  #send(input: ChainInput): boolean {
    if (this.#stop.signal.aborted || !this.#inputs.push(input)) return false;
    this.#wake.abort(undefined);
    return true;
  }

  async #run(stop: Signal): Promise<void> {
    // What a crash left is taken up at once.
    await this.#handle({ type: "tick" });
    while (!stop.aborted) {
      const input = this.#next();
      if (input === undefined) {
        if (this.#machine.settled) this.#settled?.abort(undefined);
        await this.#wait();
        continue;
      }
      await this.#handle(input);
    }
  }

  /** Effects in their order, and what they lead to, before anything else that waits. */
  async #handle(first: ChainInput): Promise<void> {
    const todo = [...this.#todo, ...this.#machine.handle(first, this.#wall())];
    this.#todo = [];
    for (let effect = todo.shift(); effect !== undefined; effect = todo.shift()) {
      const result = await this.#perform(effect);
      if (this.#stop.signal.aborted) return;
      if (result !== undefined) todo.push(...this.#machine.handle(result, this.#wall()));
    }
  }

  #next(): ChainInput | undefined {
    const deadline = this.#machine.deadline();
    if (deadline !== undefined && this.#wall() >= deadline) return { type: "tick" };
    return this.#inputs.shift();
  }

  async #wait(): Promise<void> {
    const { clock } = this.#options;
    this.#wake = new SignalSource();
    if (this.#stop.signal.aborted || this.#inputs.size > 0) return;
    const deadline = this.#machine.deadline();
    const at =
      deadline === undefined
        ? instant(clock.now() + (1n << 62n))
        : addMs(clock.now(), Math.max(1, Math.ceil(deadline - this.#wall())));
    await clock.sleepUntil(at, this.#wake.signal).catch(() => undefined);
  }

  async #perform(effect: ChainEffect): Promise<ChainInput | undefined> {
    const { signer, log } = this.#options;
    switch (effect.type) {
      case "prove-consistency": {
        const { from, to } = effect;
        const proof = await this.#attempt("consistency", () => provedBy(signer, from, to));
        return proof === undefined
          ? { type: "unproved" }
          : { type: "consistency", from, to, proof: proof.value };
      }
      case "persist":
        await this.#insist("persist", () => this.#store.append(effect.record));
        return undefined;
      case "sign":
        return await this.#sign(effect.slots);
      case "committed": {
        const { blocks, child, head } = effect;
        const digests = blocks.map(({ id }) => id);
        const mark = { type: "committed", digests, child } as const;
        const marked = await this.#insist("commit", () => this.#store.append(mark));
        if (marked === undefined) return undefined;
        await this.#rotate(blocks, child);
        this.#head = head;
        for (const block of blocks) this.#committed(block);
        return undefined;
      }
      case "refused":
        this.refused++;
        log.log("error", "chain.refused", { code: effect.error.code });
        return undefined;
      case "diverged":
        this.#options.fatal(
          new OperationError("E_CHAIN_AHEAD", "the Guardian signed what contradicts its envelopes"),
        );
        return undefined;
    }
  }

  /** What was persisted is durable before the Guardian is asked. */
  async #sign(slots: readonly SlotWanted[]): Promise<ChainInput | undefined> {
    const { signer, log } = this.#options;
    if ((await this.#insist("flush", () => this.#store.flush())) === undefined) return undefined;
    const signed = await this.#insist("sign", async () => {
      try {
        return await signer.sign(slots);
      } catch (error) {
        if (codeOf(error) !== "E_HEADER_REFUSED") throw error;
        const given = givenBefore(slots, (await signer.state()).signing);
        if (given !== undefined) return [given];
        log.log("error", "chain.unsigned", { code: codeOf(error) });
        return [];
      }
    });
    if (signed === undefined) return undefined;
    const envelopes = signed.value;
    return envelopes.length === 0 ? { type: "unsigned" } : { type: "signed", envelopes };
  }

  /** The next file begins with the newest commit; effects that are still to come are in it twice. */
  async #rotate(blocks: readonly Block[], child: Uint8Array): Promise<void> {
    const { root, rootQc } = this.#machine;
    const isNewest = blocks.at(-1)?.header.height === root.height;
    if (!this.#store.isFull || !isNewest || rootQc === undefined) return;
    const shown = [...new Set([root.commitHeight, root.height - 1n])].map((height) => {
      const after = this.#machine.rootAfter(height);
      assert(after !== undefined, "the states below the newest block are kept");
      return { height, root: after };
    });
    const base = {
      start: schema.encode(consensusStart, this.epochStart),
      signature: this.startSignature,
      root: { ...root, qc: rootQc, shown, child },
      state: [...allOf(this.#tree)],
    };
    const { carried } = this.#machine;
    await this.#insist("rotate", () => this.#store.rotate(root.height + 1n, base, carried));
  }

  #committed(block: Block): void {
    const { height, view, stateHeight } = block.header;
    this.#options.log.log("debug", "chain.committed", {
      height: `${height}`,
      view: `${view}`,
      stateHeight: `${stateHeight}`,
      txs: block.txs.length,
      id: toHex(block.id).slice(0, 16),
    });
    for (const watcher of this.#watchers) watcher(block);
  }

  /** Until it succeeds; undefined where the chain is closed: what follows must not happen then. */
  async #insist<T>(
    step: string,
    work: () => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    const { clock } = this.#options;
    let waitMs = chainRetryMs;
    for (;;) {
      const done = await this.#attempt(step, work);
      if (done !== undefined) return done;
      if (this.#stop.signal.aborted) return undefined;
      await clock.sleepUntil(addMs(clock.now(), waitMs), this.#stop.signal).catch(() => undefined);
      if (this.#stop.signal.aborted) return undefined;
      waitMs = Math.min(2 * waitMs, chainRetryMsMax);
    }
  }

  /** Undefined where the world failed: that is logged. */
  async #attempt<T>(
    step: string,
    work: () => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    try {
      return { value: await work() };
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (error.code === "E_WAL_POISONED") this.#options.fatal(error);
      if (!this.#stop.signal.aborted) {
        this.#options.log.log("error", "chain.step-failed", { step, code: codeOf(error) });
      }
      return undefined;
    }
  }
}
