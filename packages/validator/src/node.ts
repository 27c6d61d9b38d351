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
  err,
  OperationError,
  type Random,
  type Rejection,
  type Result,
  type Signal,
  SignalSource,
  steadyWall,
  toHex,
  type WallMs,
} from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import {
  type AuthenticatedTree,
  jellyfish,
  MemoryStore,
  type StateEntry,
  type StateProof,
  type StateView,
} from "@ioi/state";
import type { ChainParams } from "@ioi/wire";
import { type Block, type Proposal, type Seal, verifySeal } from "./block.ts";
import {
  chainInputsMax,
  minBlockMs,
  scanEntriesMax,
  segmentBlocksMax,
  versionsKept,
} from "./limits.ts";
import { type ChainEffect, type ChainInput, SoloChain } from "./machine.ts";
import { reconcile, replay, type SigningState } from "./recover.ts";
import { corrupt, Segments } from "./segments.ts";

/** The Guardian, as the chain needs it. */
export interface HeaderSigner {
  /** The same answer for the same header; a refusal is an OperationError. */
  sign(header: Uint8Array): Promise<Seal>;
  state(): Promise<SigningState>;
  consistency(from: number, to: number): Promise<readonly Uint8Array[]>;
}

export interface ChainNodeOptions {
  readonly files: Files;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
  readonly provider: CryptoProvider;
  readonly signer: HeaderSigner;
  readonly params: ChainParams;
  readonly idleMs: number;
  /** Blocks with something to commit stand so far apart; {@link minBlockMs} where absent. */
  readonly minMs?: number;
  /** Blocks of one file. */
  readonly segmentBlocks?: number;
  /** The disk cannot be trusted to store anything more. */
  readonly fatal: (error: OperationError) => void;
}

export interface Proved {
  readonly value: Uint8Array | undefined;
  readonly proof: StateProof;
  readonly block: Block;
}

export type ReadError = Rejection<"E_CHAIN_NO_BLOCK" | "E_STATE_VERSION">;

const codeOf = (error: unknown): string => (error instanceof OperationError ? error.code : "bug");

/** A signer that cannot prove it has proved nothing; one that is away is asked again. */
const provedBy = async (
  signer: HeaderSigner,
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
  readonly #segments: Segments;
  readonly #tree: AuthenticatedTree;
  readonly #machine: SoloChain;
  readonly #wall: () => WallMs;
  readonly #inputs: BoundedQueue<ChainInput> = new BoundedQueue(chainInputsMax);
  readonly #stop = new SignalSource();
  readonly #watchers: Set<(block: Block) => void> = new Set();
  #wake = new SignalSource();
  #settled: SignalSource | undefined;
  #running: Promise<void> | undefined;
  /** Checkpoints that were refused, and why the last one was. */
  refused = 0;
  readonly cutBytes: number;

  private constructor(
    options: ChainNodeOptions,
    segments: Segments,
    tree: AuthenticatedTree,
    machine: SoloChain,
    wall: () => WallMs,
  ) {
    this.#options = options;
    this.#segments = segments;
    this.#tree = tree;
    this.#machine = machine;
    this.#wall = wall;
    this.cutBytes = segments.cutBytes;
  }

  /** Recovers what is there, or begins a chain. Nothing is made before {@link start}. */
  static async open(options: ChainNodeOptions): Promise<ChainNode> {
    const { files, random, provider, params, signer, idleMs } = options;
    const signing = await signer.state();
    const segments = await Segments.open(
      files,
      random,
      provider,
      options.segmentBlocks ?? segmentBlocksMax,
      signing.slot === 0n ? undefined : signing,
    );
    try {
      const tree = jellyfish.open(new MemoryStore(), provider);
      const replayed = await replay(segments, provider, params, tree);
      let { head, unsigned } = replayed;
      const seal = reconcile(head, unsigned, signing);
      if (seal !== undefined && unsigned !== undefined) {
        if (!verifySeal(provider, params.identity, unsigned.encoded, seal)) {
          throw corrupt("the Guardian's own signature does not fit");
        }
        await segments.appendSeal(seal);
        head = { ...unsigned, ...seal };
        unsigned = undefined;
      }
      const minMs = Math.min(options.minMs ?? minBlockMs, idleMs);
      const settings = { idleMs, minMs };
      const start = { head, unsigned, sizes: replayed.sizes };
      const machine = new SoloChain(provider, params, tree, settings, start);
      return new ChainNode(options, segments, tree, machine, steadyWall(options.clock));
    } catch (error) {
      await segments.close();
      throw error;
    }
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
      await this.#segments.close();
    }
  }

  get head(): Block | undefined {
    return this.#machine.head;
  }

  /** Lowest height that is kept. */
  get first(): bigint {
    return this.#segments.first;
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
    const none = (): Result<never, ReadError> =>
      err({ code: "E_CHAIN_NO_BLOCK", message: `no block ${height}` });
    if (head === undefined || height > head.header.height) return none();
    const block = await this.#segments.read(height);
    return block === undefined ? none() : ok(block);
  }

  #view(height: bigint): Result<StateView, ReadError> {
    const { head } = this;
    if (head === undefined || height > head.header.height) {
      return err({ code: "E_CHAIN_NO_BLOCK", message: `no block ${height}` });
    }
    return this.#tree.at(height);
  }

  /** The value of a key, or that there is none, proved under the block of that height. */
  async query(key: Uint8Array, height: bigint): Promise<Result<Proved, ReadError>> {
    // Taken before anything is awaited: the version may be given up meanwhile.
    const view = this.#view(height);
    if (!view.ok) return view;
    const value = view.value.get(key);
    const proof = value === undefined ? view.value.proveAbsent(key) : view.value.prove(key);
    assert(proof.ok, "a proof of what the state says");
    const block = await this.block(height);
    return block.ok ? ok({ value, proof: proof.value, block: block.value }) : block;
  }

  scan(
    prefix: Uint8Array,
    limit: number,
    after: Uint8Array | undefined,
  ): Result<readonly StateEntry[], ReadError> {
    const view = this.#view(this.head?.header.height ?? 0n);
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

  /** What an effect leads to is handled before anything else that waits. */
  async #handle(first: ChainInput): Promise<void> {
    const inputs: ChainInput[] = [first];
    for (let input = inputs.shift(); input !== undefined; input = inputs.shift()) {
      for (const effect of this.#machine.handle(input, this.#wall())) {
        const result = await this.#perform(effect);
        if (result !== undefined) inputs.push(result);
      }
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
      case "store":
        return (await this.#attempt("store", () => this.#store(effect.proposal)))
          ? { type: "stored" }
          : { type: "failed" };
      case "sign": {
        const signed = await this.#attempt("sign", () => this.#sign(effect.proposal));
        return signed === undefined ? { type: "failed" } : { type: "signed", ...signed.value };
      }
      case "seal":
        return (await this.#attempt("seal", () => this.#segments.appendSeal(effect)))
          ? { type: "sealed" }
          : { type: "failed" };
      case "committed":
        this.#committed(effect.block);
        return undefined;
      case "refused":
        this.refused++;
        log.log("error", "chain.refused", { code: effect.error.code });
        return undefined;
    }
  }

  async #store(proposal: Proposal): Promise<void> {
    const { head } = this;
    if (this.#segments.full && head !== undefined) {
      await this.#segments.rotate(head, this.#stateAt(head.header.height));
    }
    await this.#segments.appendProposal(proposal);
  }

  #stateAt(height: bigint): readonly StateEntry[] {
    const view = this.#tree.at(height);
    assert(view.ok, "the state of the newest block");
    const entries: StateEntry[] = [];
    for (;;) {
      const found = view.value.prefixScan(new Uint8Array(0), scanEntriesMax, entries.at(-1)?.key);
      if (found.length === 0) return entries;
      entries.push(...found);
    }
  }

  async #sign({ encoded }: Proposal): Promise<Seal> {
    const { signer, provider, params } = this.#options;
    const seal = await signer.sign(encoded);
    if (verifySeal(provider, params.identity, encoded, seal)) return seal;
    throw new OperationError("E_SIGNATURE_INVALID", "the signature of a header does not fit");
  }

  #committed(block: Block): void {
    const { height, slot, txCount } = block.header;
    this.#tree.prune(
      height - BigInt(versionsKept - 1) > 0n ? height - BigInt(versionsKept - 1) : 0n,
    );
    this.#options.log.log("debug", "chain.committed", {
      height: `${height}`,
      slot: `${slot}`,
      txs: txCount,
      id: toHex(block.id).slice(0, 16),
    });
    for (const watcher of this.#watchers) watcher(block);
  }

  /** Undefined where the world failed: that is logged, and the machine tries again. */
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
