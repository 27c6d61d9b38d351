/**
 * The local chain as a machine: the engine of consensus with one validator, checkpoints that wait, and the
 * state. Specification: specs/consensus, R9 and C1, C2; with one validator there are no messages.
 *
 * A block is proposed where transactions wait, until they are committed and until a committed header shows
 * the state after them, so that it can be proved; else only where a heartbeat is wanted. The proposal and
 * the vote for it are asked for together, since nobody else has a say.
 *
 * Invariants: effects are performed in order, what is persisted durable before a `sign`; the state holds
 * committed blocks alone; time does not go back, also where the clock is behind the newest block.
 * Bounds: those of the engine, of the mempool, `versionsKept` states.
 */
import { assert, type Machine } from "@ioi/base";
import {
  blockHash,
  type Committed,
  Engine,
  type EngineEffect,
  type EngineInput,
  type GuardianRequest,
  type Judge,
  keyOf,
  type Root,
  type WalRecord,
  zeroHash,
} from "@ioi/consensus";
import type { CryptoProvider } from "@ioi/crypto";
import type { AuthenticatedTree } from "@ioi/state";
import {
  type ChainParams,
  type CommitCert,
  type ConsensusBlock,
  type Envelope,
  type QuorumCert,
} from "@ioi/wire";
import { type Block, blockOf, payloadRootOf } from "./block.ts";
import type { Execution } from "./execution.ts";
import { chainRetryMs, viewMs } from "./limits.ts";
import { Mempool, type MempoolEffect } from "./mempool.ts";
import { tipOf } from "./state.ts";

/** As the log holds it: a block stands beside its transactions. */
export type StoredRecord =
  | { readonly type: "block"; readonly block: ConsensusBlock; readonly txs: readonly Uint8Array[] }
  | Extract<WalRecord, { type: "tc" | "envelope" }>;

export type SignRequest = Extract<GuardianRequest, { type: "sign" }>;

export interface SlotWanted {
  readonly request: SignRequest;
  /** Of the block; absent in a timeout. */
  readonly block: ConsensusBlock | undefined;
}

export type ChainInput =
  /** A note from the Guardian; believed for its signature alone. */
  | { readonly type: "checkpoint"; readonly note: string }
  | {
      readonly type: "consistency";
      readonly from: number;
      readonly to: number;
      readonly proof: readonly Uint8Array[];
    }
  /** The proof did not come. */
  | { readonly type: "unproved" }
  | { readonly type: "signed"; readonly envelopes: readonly Envelope[] }
  /** The Guardian refuses what was asked for. */
  | { readonly type: "unsigned" }
  /** The end is near: what waits goes into a block at once. */
  | { readonly type: "settle" }
  | { readonly type: "tick" };

export type ChainEffect =
  | MempoolEffect
  | { readonly type: "persist"; readonly record: StoredRecord }
  /** In this order, and at once. */
  | { readonly type: "sign"; readonly slots: readonly SlotWanted[] }
  /** Lowest first; the last one is the parent of `child`. */
  | {
      readonly type: "committed";
      readonly blocks: readonly Block[];
      readonly child: Uint8Array;
      readonly head: Head;
    }
  /** The Guardian contradicted itself: it was set back. */
  | { readonly type: "diverged" };

export interface ChainSettings {
  /** 0: no heartbeat. */
  readonly idleMs: number;
  readonly minMs: number;
}

/** The newest committed block, and what commits it. */
export interface Head {
  readonly block: Block;
  readonly cert: CommitCert;
}

export interface Pending {
  readonly block: ConsensusBlock;
  readonly txs: readonly Uint8Array[];
}

/** What a former life left. */
export interface ChainStart {
  readonly judge: Judge;
  readonly root: Root;
  readonly rootQc: QuorumCert | undefined;
  readonly records: readonly WalRecord[];
  /** Blocks above the root, by hash; parents before their children. */
  readonly pending: ReadonlyMap<string, Pending>;
  /** Hash of the highest one that is certified, or of the root. */
  readonly high: Uint8Array;
  readonly head: Head | undefined;
  /** Of the committed blocks. */
  readonly execution: Execution;
}

export class SoloChain implements Machine<ChainInput, ChainEffect, number> {
  readonly #provider: CryptoProvider;
  readonly #settings: ChainSettings;
  readonly #engine: Engine;
  readonly #mempool: Mempool;
  readonly #execution: Execution;
  readonly #pending: Map<string, Pending>;
  /** What the caller's clock is behind the newest block at most. */
  readonly #skewMs: number;
  #effects: ChainEffect[] = [];
  #inputs: EngineInput[] = [];
  #head: Head | undefined;
  #root: Root;
  #rootQc: QuorumCert | undefined;
  /** Transactions of the block that is built now. */
  #building: readonly Uint8Array[] = [];
  /** What the engine waits for the Guardian to sign. */
  #wanted: SignRequest | undefined;
  #isAsked = false;
  /** Its own votes and timeouts above the root. */
  #envelopes: readonly Envelope[] = [];
  #lastPayloadMs: number;
  #retryAtMs: number | undefined;
  #waits = false;
  #settling = false;

  constructor(
    provider: CryptoProvider,
    params: ChainParams,
    tree: AuthenticatedTree,
    settings: ChainSettings,
    start: ChainStart,
    nowMs: number,
  ) {
    this.#provider = provider;
    this.#settings = settings;
    this.#mempool = new Mempool(provider, params, () => tipOf(provider, tree));
    this.#execution = start.execution;
    this.#pending = new Map(start.pending);
    this.#head = start.head;
    this.#root = start.root;
    this.#rootQc = start.rootQc;
    const times = [...start.pending.values()].map(({ block }) => block.header.timeMs);
    this.#skewMs = Math.max(0, ...[start.root.timeMs, ...times].map((timeMs) => timeMs - nowMs));
    this.#lastPayloadMs = this.#time(nowMs);
    for (const txs of this.#above(start.high)) this.#mempool.restore(txs);
    for (const record of start.records) {
      if (record.type === "envelope") this.#envelopes = [...this.#envelopes, record.envelope];
    }
    const { judge, root, rootQc, records } = start;
    this.#engine = new Engine(
      {
        judge,
        // One leader: nothing is drawn.
        seed: zeroHash,
        me: 0,
        sets: { chain: params.chain, setOf: () => judge.set.hash },
        deltaMs: 0,
        baseMs: viewMs,
        strongMs: 0,
        heartbeatMs: settings.idleMs,
      },
      { root, ...(rootQc === undefined ? {} : { rootQc }), records },
      this.#time(nowMs),
    );
  }

  get root(): Root {
    return this.#root;
  }

  get rootQc(): QuorumCert | undefined {
    return this.#rootQc;
  }

  /** Of the state after a height, as long as it is kept. */
  rootAfter(height: bigint): Uint8Array | undefined {
    return this.#execution.rootAfter(height);
  }

  /** Height of the first committed block that shows the state after a height. */
  showing(height: bigint): bigint | undefined {
    return this.#execution.showing(height);
  }

  /** All that a log that begins with the root has to hold. */
  get carried(): readonly StoredRecord[] {
    const blocks = [...this.#pending.values()].map((each) => ({ type: "block", ...each }) as const);
    const envelopes = [...this.#envelopes].map(
      (envelope) => ({ type: "envelope", envelope }) as const,
    );
    return [...blocks, ...envelopes];
  }

  /** Everything that was offered is committed, or was refused. */
  get settled(): boolean {
    return this.#mempool.isEmpty && !this.#isAsked;
  }

  deadline(): number | undefined {
    const times = [this.#engine.deadline(), this.#retryAtMs];
    if (!this.#waits && this.#unheld() > 0) {
      times.push(this.#settling ? 0 : this.#lastPayloadMs + this.#settings.minMs);
    }
    const known = times.filter((each) => each !== undefined);
    return known.length === 0 ? undefined : Math.min(...known) - this.#skewMs;
  }

  handle(input: ChainInput, wallMs: number): readonly ChainEffect[] {
    const nowMs = this.#time(wallMs);
    switch (input.type) {
      case "checkpoint":
        this.#effects.push(...this.#mempool.offer(input.note));
        break;
      case "consistency":
        this.#effects.push(...this.#mempool.proved(input.from, input.to, input.proof));
        break;
      case "unproved":
        this.#mempool.unproved();
        this.#retryAtMs = nowMs + chainRetryMs;
        break;
      case "signed":
        this.#isAsked = false;
        for (const envelope of input.envelopes) {
          // What the engine asked for meanwhile is answered by the next one, or asked for again.
          this.#wanted = undefined;
          this.#give({ type: "signed", envelope }, nowMs);
        }
        break;
      case "unsigned":
        this.#isAsked = false;
        this.#wanted = undefined;
        this.#give({ type: "unsigned" }, nowMs);
        break;
      case "settle":
        this.#settling = true;
        break;
      case "tick":
        if (this.#retryAtMs !== undefined && nowMs >= this.#retryAtMs) {
          this.#retryAtMs = undefined;
          this.#effects.push(...this.#mempool.retry());
        }
    }
    this.#advance(nowMs);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #time(wallMs: number): number {
    return wallMs + this.#skewMs;
  }

  /** What the engine is to know, and what it wants of the Guardian. */
  #advance(nowMs: number): void {
    this.#give({ type: "tick" }, nowMs);
    const waits = this.#awaits(nowMs);
    if (waits !== this.#waits) {
      this.#waits = waits;
      this.#give({ type: "payload", waits }, nowMs);
    }
    if (this.#wanted === undefined || this.#isAsked) return;
    this.#isAsked = true;
    this.#effects.push({ type: "sign", slots: this.#slotsFor(this.#wanted) });
  }

  /** R9, and that the newest state is shown. */
  #awaits(nowMs: number): boolean {
    const shown = this.#head?.block.header.stateHeight;
    if (shown === undefined || shown < this.#execution.changedAt) return true;
    const isDue = this.#settling || nowMs >= this.#lastPayloadMs + this.#settings.minMs;
    return this.#unheld() > 0 && isDue;
  }

  /** Transactions that no block above the root holds. */
  #unheld(): number {
    let held = 0;
    for (const txs of this.#above(this.#engine.high.digest)) held += txs.length;
    return Math.max(0, this.#mempool.size - held);
  }

  #slotsFor(request: SignRequest): readonly SlotWanted[] {
    const block = this.#pending.get(keyOf(request.digest))?.block;
    const first = { request, block };
    // Alone, whoever proposes votes for it: both are asked for at once.
    return request.kind === "propose"
      ? [first, { request: { ...request, kind: "vote" }, block }]
      : [first];
  }

  #give(first: EngineInput, nowMs: number): void {
    this.#inputs.push(first);
    for (let input = this.#inputs.shift(); input !== undefined; input = this.#inputs.shift()) {
      for (const effect of this.#engine.handle(input, nowMs)) this.#take(effect, nowMs);
    }
  }

  #take(effect: EngineEffect, nowMs: number): void {
    switch (effect.type) {
      case "persist": {
        const record = this.#stored(effect.record);
        if (record !== undefined) this.#effects.push({ type: "persist", record });
        break;
      }
      case "sign":
        // A freeze is nobody's to see here; what led to it ends the process.
        if (effect.request.type === "sign") this.#wanted = effect.request;
        break;
      case "build":
        this.#inputs.push(this.#built(effect, nowMs));
        break;
      case "judge":
        // Its own, from before a restart.
        this.#inputs.push({ type: "judged", digest: effect.digest, isHeld: true });
        break;
      case "commit":
        this.#commit(effect);
        break;
      case "divergence":
        this.#effects.push({ type: "diverged" });
        break;
      case "broadcast":
      case "send":
      case "lookup":
      case "strengthened":
      case "guarded":
      case "keep":
      case "recall":
      case "refused":
      // Nobody else is there.
    }
  }

  /** Undefined where another record says the same: alone, a vote is its certificate, and a proposal is its block. */
  #stored(record: WalRecord): StoredRecord | undefined {
    if (record.type === "envelope") {
      if (record.envelope.kind === "propose") return undefined;
      this.#envelopes = [...this.#envelopes, record.envelope];
      return record;
    }
    if (record.type === "qc") return undefined;
    if (record.type !== "block") return record;
    const { block } = record;
    const key = keyOf(blockHash(this.#provider, block.header));
    const pending = this.#pending.get(key) ?? { block, txs: this.#building };
    this.#pending.set(key, pending);
    return { ...record, txs: pending.txs };
  }

  #built(
    { view, parent, stateHeight }: Extract<EngineEffect, { type: "build" }>,
    nowMs: number,
  ): EngineInput {
    let held = 0;
    for (const each of this.#above(parent)) held += each.length;
    const isDue = this.#settling || nowMs >= this.#lastPayloadMs + this.#settings.minMs;
    const txs = isDue ? this.#mempool.take(held) : [];
    if (txs.length > 0) this.#lastPayloadMs = nowMs;
    this.#building = txs;
    const stateRoot = this.#execution.rootAfter(stateHeight);
    assert(stateRoot !== undefined, `the state after ${stateHeight} is kept`);
    const payloadRoot = payloadRootOf(this.#provider, txs);
    return { type: "built", view, parent, payloadRoot, stateRoot };
  }

  /** Transactions of the blocks from the one above the root up to this one. */
  #above(digest: Uint8Array): readonly (readonly Uint8Array[])[] {
    const found: (readonly Uint8Array[])[] = [];
    let at = this.#pending.get(keyOf(digest));
    while (at !== undefined) {
      found.unshift(at.txs);
      at = this.#pending.get(keyOf(at.block.header.parent));
    }
    return found;
  }

  /** C2: what is committed is executed; a transaction that does not apply changes nothing. */
  #commit({ blocks, cert, root }: Committed): void {
    const done: Block[] = [];
    const asked: MempoolEffect[] = [];
    for (const each of blocks) {
      const pending = this.#pending.get(keyOf(blockHash(this.#provider, each.header)));
      assert(pending !== undefined, "what is committed was stored with its transactions");
      const { txs } = pending;
      const block = blockOf(this.#provider, each, txs);
      for (const error of this.#execution.execute(block)) {
        this.#effects.push({ type: "refused", error });
      }
      done.push(block);
      asked.push(...this.#mempool.committed(txs));
    }
    const child = blockHash(this.#provider, cert.child);
    const newest = done.at(-1);
    assert(newest !== undefined, "a commit is of a block");
    this.#head = { block: newest, cert };
    this.#effects.push({ type: "committed", blocks: done, child, head: this.#head }, ...asked);
    this.#root = root;
    this.#rootQc = cert.blockQc;
    this.#envelopes = this.#envelopes.filter(({ view }) => view > root.view);
    for (const [key, { block }] of this.#pending) {
      if (block.header.height <= root.height) this.#pending.delete(key);
    }
    this.#execution.prune(root.height);
  }
}
