/**
 * The local chain as a machine: one node that orders for itself. It takes checkpoints of the receipt
 * log, makes a block when there is something to commit, and at the latest after `idleMs`.
 *
 * A block goes through `store` (durable), `sign` (the Guardian counts and signs), `seal` (the
 * signature stands beside it): a crash at any point is recovered, since the Guardian gives the same
 * answer for the same header and signs no other for its slot.
 *
 * Invariants: one block at a time; nothing is committed that the Guardian did not sign; a
 * checkpoint that does not extend the newest is refused and changes nothing; total on hostile input.
 * Bounds: `mempoolTxsMax`, `blockTxsMax`; of checkpoints that come faster, the newest is kept.
 */
import { assert, equalBytes, type Machine, unwrap } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import type { AuthenticatedTree } from "@ioi/state";
import { type ChainParams, chainTx, schema } from "@ioi/wire";
import { type Block, noParent, type Proposal, proposalOf, type Seal, txRootOf } from "./block.ts";
import { blockTxsMax, chainRetryMs, chainRetryMsMax, mempoolTxsMax } from "./limits.ts";
import {
  applyTx,
  checkExtends,
  openNote,
  paramsKey,
  setGenesis,
  type Tip,
  tipOf,
  type TxError,
  type Verified,
} from "./state.ts";

export type ChainInput =
  /** A note from the Guardian; believed for its signature alone. */
  | { readonly type: "checkpoint"; readonly note: string }
  | {
      readonly type: "consistency";
      readonly from: number;
      readonly to: number;
      readonly proof: readonly Uint8Array[];
    }
  /** The proof did not come; it is asked for again with the next block. */
  | { readonly type: "unproved" }
  | { readonly type: "stored" }
  | ({ readonly type: "signed" } & Seal)
  | { readonly type: "sealed" }
  /** The step under way did not succeed; it is tried again. */
  | { readonly type: "failed" }
  /** The end is near: what waits goes into a block at once. */
  | { readonly type: "settle" }
  | { readonly type: "tick" };

export type ChainEffect =
  | { readonly type: "prove-consistency"; readonly from: number; readonly to: number }
  | { readonly type: "store"; readonly proposal: Proposal }
  | { readonly type: "sign"; readonly proposal: Proposal }
  | ({ readonly type: "seal"; readonly proposal: Proposal } & Seal)
  | { readonly type: "committed"; readonly block: Block }
  | { readonly type: "refused"; readonly error: TxError };

type Phase =
  | { readonly type: "idle" }
  | { readonly type: "storing"; readonly proposal: Proposal }
  | { readonly type: "signing"; readonly proposal: Proposal }
  | ({ readonly type: "sealing"; readonly proposal: Proposal } & Seal);

export interface ChainSettings {
  readonly idleMs: number;
  readonly minMs: number;
}

export interface ChainStart {
  readonly head: Block | undefined;
  /** A block that was stored before a crash and is not known to be signed. */
  readonly unsigned: Proposal | undefined;
  /** Of the newest block, the unsigned one included. */
  readonly sizes: readonly number[];
}

export class SoloChain implements Machine<ChainInput, ChainEffect, number> {
  readonly #provider: CryptoProvider;
  readonly #params: ChainParams;
  readonly #tree: AuthenticatedTree;
  readonly #settings: ChainSettings;
  readonly #sizes: number[];
  #head: Block | undefined;
  #phase: Phase;
  /** When the last block was made, by this machine's time. */
  #lastMs: number | undefined;
  #retryAtMs: number | undefined;
  #retryMs = chainRetryMs;
  /** Transactions that wait, each extending the one before. */
  #mempool: { readonly tx: Uint8Array; readonly tip: Tip }[] = [];
  #settling = false;
  /** Of a checkpoint whose proof is asked for. */
  #asking: Verified | undefined;
  /** The newest of those that wait until something else is done. */
  #offered: Verified | undefined;

  constructor(
    provider: CryptoProvider,
    params: ChainParams,
    tree: AuthenticatedTree,
    settings: ChainSettings,
    start: ChainStart,
  ) {
    this.#provider = provider;
    this.#params = params;
    this.#tree = tree;
    this.#settings = settings;
    this.#head = start.head;
    this.#sizes = [...start.sizes];
    this.#lastMs = start.head?.header.timeMs;
    this.#phase =
      start.unsigned === undefined
        ? { type: "idle" }
        : { type: "signing", proposal: start.unsigned };
    // What a crash left is taken up at once.
    this.#retryAtMs = start.unsigned === undefined ? undefined : 0;
  }

  get head(): Block | undefined {
    return this.#head;
  }

  get waiting(): number {
    return this.#mempool.length;
  }

  /** Everything that was offered is in a block, or was refused. */
  get settled(): boolean {
    const waits = this.#mempool.length > 0 || (this.#asking ?? this.#offered) !== undefined;
    return this.#phase.type === "idle" && !waits;
  }

  deadline(): number | undefined {
    if (this.#phase.type !== "idle") return this.#retryAtMs;
    if (this.#lastMs === undefined) return 0;
    if (this.#settling && this.#mempool.length > 0) return this.#lastMs;
    const { idleMs, minMs } = this.#settings;
    return this.#lastMs + (this.#mempool.length > 0 ? minMs : idleMs);
  }

  handle(input: ChainInput, nowMs: number): readonly ChainEffect[] {
    switch (input.type) {
      case "checkpoint":
        return [...this.#offer(input.note), ...this.#advance(nowMs)];
      case "consistency":
        return [...this.#proved(input.from, input.to, input.proof), ...this.#advance(nowMs)];
      case "unproved":
        this.#offered ??= this.#asking;
        this.#asking = undefined;
        return [];
      case "stored":
        if (this.#phase.type !== "storing") return [];
        return this.#enter({ type: "signing", proposal: this.#phase.proposal });
      case "signed": {
        if (this.#phase.type !== "signing") return [];
        const { counter, signature } = input;
        const { proposal } = this.#phase;
        return this.#enter({ type: "sealing", proposal, counter, signature });
      }
      case "sealed":
        return this.#committed(nowMs);
      case "failed":
        this.#retryAtMs = nowMs + this.#retryMs;
        this.#retryMs = Math.min(2 * this.#retryMs, chainRetryMsMax);
        return [];
      case "settle":
        this.#settling = true;
        return this.#advance(nowMs);
      case "tick":
        return this.#advance(nowMs);
    }
  }

  #enter(phase: Phase): readonly ChainEffect[] {
    this.#phase = phase;
    this.#retryAtMs = undefined;
    this.#retryMs = chainRetryMs;
    return this.#step();
  }

  /** What the phase asks of the world. */
  #step(): readonly ChainEffect[] {
    switch (this.#phase.type) {
      case "idle":
        return [];
      case "storing":
        return [{ type: "store", proposal: this.#phase.proposal }];
      case "signing":
        return [{ type: "sign", proposal: this.#phase.proposal }];
      case "sealing":
        return [{ ...this.#phase, type: "seal" }];
    }
  }

  #advance(nowMs: number): readonly ChainEffect[] {
    // A clock that was set back must not stop the chain.
    if (this.#lastMs !== undefined && this.#lastMs > nowMs) this.#lastMs = nowMs;
    const due = this.deadline();
    if (due === undefined || nowMs < due) return [];
    if (this.#phase.type !== "idle") {
      this.#retryAtMs = undefined;
      return this.#step();
    }
    return this.#enter({ type: "storing", proposal: this.#propose(nowMs) });
  }

  #propose(nowMs: number): Proposal {
    const parent = this.#head;
    const height = parent === undefined ? 0n : parent.header.height + 1n;
    const timeMs = Math.max(nowMs, parent?.header.timeMs ?? 0);
    const taken = this.#mempool.splice(0, blockTxsMax);
    const { chain } = this.#params;
    // Of a new chain, and of one that begins anew.
    if (this.#tree.get(paramsKey) === undefined) setGenesis(this.#tree, this.#params);
    const context = {
      provider: this.#provider,
      params: this.#params,
      height,
      timeMs,
      sizes: this.#sizes,
      trusted: false,
    };
    // Each was checked when it came, and nothing but a block changes the state.
    for (const { tx } of taken)
      unwrap(applyTx(this.#tree, context, tx), "a transaction that waited");
    const stateRoot = this.#tree.commit(height);
    const tip = tipOf(this.#provider, this.#tree);
    const txs = taken.map(({ tx }) => tx);
    return proposalOf(
      this.#provider,
      {
        version: 1,
        chain,
        slot: (parent?.header.slot ?? 0n) + 1n,
        height,
        parent: parent?.id ?? noParent,
        timeMs,
        txCount: txs.length,
        txRoot: txRootOf(this.#provider, txs),
        stateRoot,
        receiptsSize: tip.size,
        receiptsRoot: tip.root,
      },
      txs,
    );
  }

  #committed(nowMs: number): readonly ChainEffect[] {
    if (this.#phase.type !== "sealing") return [];
    const { proposal, counter, signature } = this.#phase;
    const block: Block = { ...proposal, counter, signature };
    this.#head = block;
    this.#lastMs = nowMs;
    return [
      { type: "committed", block },
      ...this.#enter({ type: "idle" }),
      ...this.#nextOffer(),
      ...this.#advance(nowMs),
    ];
  }

  /** The checkpoint that the next one has to extend. */
  #tip(): Tip {
    return this.#mempool.at(-1)?.tip ?? tipOf(this.#provider, this.#tree);
  }

  #offer(note: string): readonly ChainEffect[] {
    const opened = openNote(this.#provider, this.#params, note);
    if (!opened.ok) return [{ type: "refused", error: opened.error }];
    const { size, root } = opened.value;
    const newest = this.#offered ?? this.#asking ?? this.#tip();
    // Handed over again, as after a restart.
    if (size === newest.size && equalBytes(root, newest.root)) return [];
    if (size <= newest.size) {
      const verdict = checkExtends(this.#provider, newest, opened.value, []);
      assert(!verdict.ok, "a checkpoint that is not larger");
      return [{ type: "refused", error: verdict.error }];
    }
    this.#offered = opened.value;
    return this.#nextOffer();
  }

  #nextOffer(): readonly ChainEffect[] {
    const offered = this.#offered;
    if (offered === undefined || this.#asking !== undefined) return [];
    if (this.#mempool.length >= mempoolTxsMax) return [];
    this.#offered = undefined;
    this.#asking = offered;
    const from = this.#tip().size;
    return from === 0
      ? this.#proved(0, offered.size, [])
      : [{ type: "prove-consistency", from, to: offered.size }];
  }

  #proved(from: number, to: number, proof: readonly Uint8Array[]): readonly ChainEffect[] {
    const asking = this.#asking;
    const tip = this.#tip();
    if (asking === undefined || to !== asking.size || from !== tip.size) return [];
    this.#asking = undefined;
    const verdict = checkExtends(this.#provider, tip, asking, proof);
    if (!verdict.ok) return [{ type: "refused", error: verdict.error }, ...this.#nextOffer()];
    const { note, size, root } = asking;
    const tx = schema.encode(chainTx, { type: "anchor", note, from, consistency: proof });
    this.#mempool.push({ tx, tip: { size, root } });
    return this.#nextOffer();
  }
}
