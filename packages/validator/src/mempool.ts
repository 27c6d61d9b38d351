/**
 * Checkpoints of the receipt log on their way into a block. One is a transaction as soon as there is the
 * proof that it extends the one before; it stays here until a block with it is committed.
 *
 * Invariants: transactions stand in the order in which each extends the one before; a checkpoint that does
 * not extend the newest is refused and changes nothing; total on hostile input.
 * Bounds: `mempoolTxsMax`; of checkpoints that come faster, the newest is kept.
 */
import { assert, equalBytes } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { type ChainParams, chainTx, schema } from "@ioi/wire";
import { blockTxsMax, mempoolTxsMax } from "./limits.ts";
import {
  checkExtends,
  decodeTx,
  openNote,
  readNote,
  type Tip,
  type TxError,
  type Verified,
} from "./state.ts";

export type MempoolEffect =
  | { readonly type: "prove-consistency"; readonly from: number; readonly to: number }
  | { readonly type: "refused"; readonly error: TxError };

interface Waiting {
  readonly tx: Uint8Array;
  readonly tip: Tip;
}

export class Mempool {
  readonly #provider: CryptoProvider;
  readonly #params: ChainParams;
  /** What the state ends with. */
  readonly #committed: () => Tip;
  #txs: readonly Waiting[] = [];
  /** Of a checkpoint whose proof is asked for. */
  #asking: Verified | undefined;
  /** The newest of those that wait until something else is done. */
  #offered: Verified | undefined;

  constructor(provider: CryptoProvider, params: ChainParams, committed: () => Tip) {
    this.#provider = provider;
    this.#params = params;
    this.#committed = committed;
  }

  get size(): number {
    return this.#txs.length;
  }

  /** Everything that was offered is committed, or was refused. */
  get isEmpty(): boolean {
    return this.#txs.length === 0 && (this.#asking ?? this.#offered) === undefined;
  }

  /** For a block above others that are not committed and hold so many of them. */
  take(held: number): readonly Uint8Array[] {
    return this.#txs.slice(held, held + blockTxsMax).map(({ tx }) => tx);
  }

  /** Of a block that a former life made and did not commit. */
  restore(txs: readonly Uint8Array[]): void {
    for (const tx of txs) {
      const decoded = decodeTx(tx);
      const note = decoded.ok ? readNote(decoded.value.note) : decoded;
      if (note.ok) this.#txs = [...this.#txs, { tx, tip: note.value }];
    }
  }

  committed(txs: readonly Uint8Array[]): readonly MempoolEffect[] {
    const gone = (waiting: Waiting): boolean => txs.some((tx) => equalBytes(tx, waiting.tx));
    this.#txs = this.#txs.filter((waiting) => !gone(waiting));
    return this.#next();
  }

  offer(note: string): readonly MempoolEffect[] {
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
    return this.#next();
  }

  proved(from: number, to: number, proof: readonly Uint8Array[]): readonly MempoolEffect[] {
    const asking = this.#asking;
    const tip = this.#tip();
    if (asking === undefined || to !== asking.size || from !== tip.size) return [];
    this.#asking = undefined;
    const verdict = checkExtends(this.#provider, tip, asking, proof);
    if (!verdict.ok) return [{ type: "refused", error: verdict.error }, ...this.#next()];
    const { note, size, root } = asking;
    const tx = schema.encode(chainTx, { type: "anchor", note, from, consistency: proof });
    this.#txs = [...this.#txs, { tx, tip: { size, root } }];
    return this.#next();
  }

  /** The proof did not come: {@link retry} asks for it again. */
  unproved(): void {
    this.#offered ??= this.#asking;
    this.#asking = undefined;
  }

  retry(): readonly MempoolEffect[] {
    return this.#next();
  }

  /** The checkpoint that the next one has to extend. */
  #tip(): Tip {
    return this.#txs.at(-1)?.tip ?? this.#committed();
  }

  #next(): readonly MempoolEffect[] {
    const offered = this.#offered;
    if (offered === undefined || this.#asking !== undefined) return [];
    if (this.#txs.length >= mempoolTxsMax) return [];
    this.#offered = undefined;
    this.#asking = offered;
    const from = this.#tip().size;
    return from === 0
      ? this.proved(0, offered.size, [])
      : [{ type: "prove-consistency", from, to: offered.size }];
  }
}
