/**
 * What the chain's state holds, and what a transaction does to it.
 *
 *   chain/params          who signs, and which log is anchored
 *   receipts/checkpoint   the newest checkpoint of the receipt log
 *   receipts/<size>       the newest {@link checkpointsKept} checkpoints, by their size
 *
 * Invariants: a checkpoint enters only with the Guardian's signature and with the proof that it
 * extends the one before; a transaction that is refused changes nothing.
 */
import {
  assert,
  equalBytes,
  err,
  ok,
  type Rejection,
  type Result,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import {
  type CryptoProvider,
  emptyRoot,
  parseCheckpoint,
  verifyCheckpoint,
  verifyConsistency,
} from "@ioi/crypto";
import type { AuthenticatedTree, StateEntry, StateView } from "@ioi/state";
import {
  type AnchoredCheckpoint,
  anchoredCheckpoint,
  type ChainParams,
  chainParams,
  type ChainTx,
  chainTx,
  schema,
} from "@ioi/wire";
import { checkpointsKept, scanEntriesMax } from "./limits.ts";

export const paramsKey: Uint8Array = utf8Encode("chain/params");
export const checkpointKey: Uint8Array = utf8Encode("receipts/checkpoint");
const checkpointPrefix = "receipts/";

export const sizeKey = (size: number): Uint8Array => utf8Encode(`${checkpointPrefix}${size}`);

export type TxError = Rejection<"E_CHAIN_TX" | "E_CHECKPOINT_INVALID">;

export interface Tip {
  readonly size: number;
  readonly root: Uint8Array;
}

export interface Verified extends Tip {
  readonly note: string;
}

/** A checkpoint with the Guardian's signature. */
export const openNote = (
  provider: CryptoProvider,
  params: ChainParams,
  note: string,
): Result<Verified, TxError> => {
  const key = { name: params.origin, publicKey: params.identity };
  const verified = verifyCheckpoint(provider, key, note);
  return verified.ok
    ? ok({ note, size: verified.value.size, root: verified.value.root })
    : verified;
};

/** That a checkpoint extends another: larger, and its log a continuation of the other's. */
export const checkExtends = (
  provider: CryptoProvider,
  tip: Tip,
  next: Tip,
  consistency: readonly Uint8Array[],
): Result<true, TxError> => {
  const invalid = (message: string): Result<never, TxError> =>
    err({ code: "E_CHECKPOINT_INVALID", message });
  if (next.size < tip.size) {
    return invalid(`a checkpoint of ${next.size} receipts does not extend one of ${tip.size}`);
  }
  if (next.size === tip.size) {
    return invalid(
      equalBytes(next.root, tip.root)
        ? `the checkpoint of ${next.size} receipts is known`
        : `two checkpoints of ${next.size} receipts differ`,
    );
  }
  if (tip.size === 0) {
    return consistency.length === 0 ? ok(true) : invalid("nothing is to be proved from nothing");
  }
  const verdict = verifyConsistency(provider, {
    firstSize: tip.size,
    firstRoot: tip.root,
    secondSize: next.size,
    secondRoot: next.root,
    proof: consistency,
  });
  return verdict.ok
    ? verdict
    : invalid(
        `a checkpoint of ${next.size} receipts does not extend ${tip.size}: ${verdict.error.message}`,
      );
};

export const tipOf = (
  provider: CryptoProvider,
  state: Pick<StateView, "get">,
): AnchoredCheckpoint | Tip => {
  const encoded = state.get(checkpointKey);
  if (encoded === undefined) return { size: 0, root: emptyRoot(provider) };
  const decoded = schema.decode(anchoredCheckpoint, encoded);
  assert(decoded.ok, "the state's own checkpoint");
  return decoded.value;
};

/** Sizes of the checkpoints that the state keeps, oldest first. */
export const keptSizes = (view: StateView): readonly number[] => {
  const sizes: number[] = [];
  let after: Uint8Array | undefined;
  for (;;) {
    const found = view.prefixScan(utf8Encode(checkpointPrefix), 1000, after);
    for (const { key } of found) {
      const size = Number((utf8Decode(key) ?? "").slice(checkpointPrefix.length));
      if (Number.isSafeInteger(size)) sizes.push(size);
    }
    after = found.at(-1)?.key;
    if (after === undefined) return sizes.toSorted((a, b) => a - b);
  }
};

/** Everything in the newest version. */
export const allOf = (tree: AuthenticatedTree): readonly StateEntry[] => {
  const view = tree.version === undefined ? undefined : tree.at(tree.version);
  const entries: StateEntry[] = [];
  while (view?.ok === true) {
    const found = view.value.prefixScan(new Uint8Array(0), scanEntriesMax, entries.at(-1)?.key);
    if (found.length === 0) break;
    entries.push(...found);
  }
  return entries;
};

export interface BlockContext {
  readonly provider: CryptoProvider;
  readonly params: ChainParams;
  readonly height: bigint;
  readonly timeMs: number;
  /** Sizes that the state keeps, oldest first; kept up to date here. */
  readonly sizes: number[];
  /** The transaction is known to be valid: it was checked before it was proposed. */
  readonly trusted: boolean;
}

export const decodeTx = (encoded: Uint8Array): Result<ChainTx, TxError> => {
  const decoded = schema.decode(chainTx, encoded);
  return decoded.ok ? decoded : err({ code: "E_CHAIN_TX", message: decoded.error.message });
};

export const setGenesis = (tree: AuthenticatedTree, params: ChainParams): void => {
  tree.set(paramsKey, schema.encode(chainParams, params));
};

/** Applies one transaction; nothing is committed. */
export const applyTx = (
  tree: AuthenticatedTree,
  context: BlockContext,
  encoded: Uint8Array,
): Result<true, TxError> => {
  const tx = decodeTx(encoded);
  if (!tx.ok) return tx;
  const { provider, params, height, timeMs, sizes, trusted } = context;
  const opened = trusted ? readNote(tx.value.note) : openNote(provider, params, tx.value.note);
  if (!opened.ok) return opened;
  const { size, root } = opened.value;
  const tip = tipOf(provider, tree);
  if (tx.value.from !== tip.size) {
    return err({ code: "E_CHAIN_TX", message: `it extends ${tx.value.from}, not ${tip.size}` });
  }
  if (!trusted) {
    const extended = checkExtends(provider, tip, opened.value, tx.value.consistency);
    if (!extended.ok) return extended;
  }
  const value = schema.encode(anchoredCheckpoint, { size, root, height, timeMs });
  tree.set(checkpointKey, value);
  tree.set(sizeKey(size), value);
  sizes.push(size);
  while (sizes.length > checkpointsKept) tree.delete(sizeKey(sizes.shift() as number));
  return ok(true);
};

/** What a note says, whoever signed it. */
export const readNote = (note: string): Result<Verified, TxError> => {
  const parsed = parseCheckpoint(note);
  if (!parsed.ok) return parsed;
  const { size, root } = parsed.value.checkpoint;
  return ok({ note, size, root });
};
