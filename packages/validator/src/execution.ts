/**
 * Committed blocks on the state, C2 of specs/consensus: as the chain executes them, and as they are executed
 * again when it opens. A transaction that does not apply changes nothing.
 *
 * Invariant: heights come in order, each once.
 * Bounds: `versionsKept` states, their roots and the blocks that show them.
 */
import { unwrap } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import type { AuthenticatedTree } from "@ioi/state";
import type { ChainParams } from "@ioi/wire";
import type { Block } from "./block.ts";
import { versionsKept } from "./limits.ts";
import { applyTx, keptSizes, type TxError } from "./state.ts";

export class Execution {
  readonly #provider: CryptoProvider;
  readonly #params: ChainParams;
  readonly #tree: AuthenticatedTree;
  /** Of checkpoints in the state, oldest first. */
  readonly #sizes: number[];
  /** Roots of states, by the height after which they are. */
  readonly #roots: Map<bigint, Uint8Array>;
  /** Heights of the first blocks that show them. */
  readonly #showing = new Map<bigint, bigint>();
  #changedAt: bigint;

  /** `tree` holds the state after `height`; `shown`: roots of states before it, which blocks are to show. */
  constructor(
    provider: CryptoProvider,
    params: ChainParams,
    tree: AuthenticatedTree,
    height: bigint,
    shown: readonly { readonly height: bigint; readonly root: Uint8Array }[],
  ) {
    this.#provider = provider;
    this.#params = params;
    this.#tree = tree;
    this.#roots = new Map(shown.map((each) => [each.height, each.root]));
    this.#roots.set(height, tree.commit(height));
    this.#sizes = [...keptSizes(unwrap(tree.at(height), "a state that was committed"))];
    this.#changedAt = height;
  }

  /** The newest height after which the state is another. */
  get changedAt(): bigint {
    return this.#changedAt;
  }

  /** Of the state after a height, as long as it is kept. */
  rootAfter(height: bigint): Uint8Array | undefined {
    return this.#roots.get(height);
  }

  /** Height of the first block that shows the state after a height. */
  showing(height: bigint): bigint | undefined {
    return this.#showing.get(height);
  }

  /** What does not apply, and why. */
  execute({ header, txs }: Block): readonly TxError[] {
    const { height, timeMs, stateHeight } = header;
    if (!this.#showing.has(stateHeight)) this.#showing.set(stateHeight, height);
    const context = {
      provider: this.#provider,
      params: this.#params,
      height,
      timeMs,
      sizes: this.#sizes,
      trusted: true,
    };
    const refused: TxError[] = [];
    for (const tx of txs) {
      const applied = applyTx(this.#tree, context, tx);
      if (!applied.ok) refused.push(applied.error);
    }
    this.#roots.set(height, this.#tree.commit(height));
    if (txs.length > 0) this.#changedAt = height;
    return refused;
  }

  /** States below the newest ones go; `height` is the newest. */
  prune(height: bigint): void {
    const kept = height - BigInt(versionsKept - 1);
    this.#tree.prune(kept > 0n ? kept : 0n);
    for (const each of this.#roots.keys()) {
      if (each >= kept) continue;
      this.#roots.delete(each);
      this.#showing.delete(each);
    }
  }
}
