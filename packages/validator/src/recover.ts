/**
 * Opening the chain: the newest file's base and blocks give the state again, and the signer's own
 * memory must fit. A block that was stored and not known to be signed is taken up again.
 *
 * What is replayed is not trusted for being on the disk: headers are chained by their hashes to the
 * newest one, and that one carries the Guardian's signature.
 */
import { equalBytes, OperationError, toHex, unwrap } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import type { AuthenticatedTree } from "@ioi/state";
import { type ChainParams, chainHeader, schema } from "@ioi/wire";
import {
  type Block,
  checkProposal,
  headerId,
  type Proposal,
  type Seal,
  verifySeal,
} from "./block.ts";
import { versionsKept } from "./limits.ts";
import { type Base, corrupt, type Segments } from "./segments.ts";
import { applyTx, keptSizes, paramsKey, setGenesis } from "./state.ts";

/** Where the Guardian's signing stands. */
export interface SigningState {
  /** 0 while nothing was signed. */
  readonly slot: bigint;
  readonly counter: bigint;
  readonly headerHash: Uint8Array;
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Recovered {
  readonly head: Block | undefined;
  readonly unsigned: Proposal | undefined;
  readonly sizes: readonly number[];
}

const parentOf = (provider: CryptoProvider, params: ChainParams, base: Base): Block | undefined => {
  if (base.parent === undefined) return undefined;
  const { header: encoded, counter, signature } = base.parent;
  const header = schema.decode(chainHeader, encoded);
  const sealed = verifySeal(provider, params.identity, encoded, base.parent);
  if (!header.ok || !sealed) throw corrupt("the base of the newest file is not signed");
  // Its transactions stand in the file before.
  const id = headerId(provider, encoded);
  return { header: header.value, encoded, id, txs: [], counter, signature };
};

const restoreBase = (tree: AuthenticatedTree, base: Base, parent: Block | undefined): void => {
  if (parent === undefined || base.anew) return;
  for (const { key, value } of base.state) tree.set(key, value);
  const root = tree.commit(parent.header.height);
  if (!equalBytes(root, parent.header.stateRoot)) {
    throw corrupt("the state in the newest file is not that of its header");
  }
};

export const replay = async (
  segments: Segments,
  provider: CryptoProvider,
  params: ChainParams,
  tree: AuthenticatedTree,
): Promise<Recovered> => {
  const base = await segments.base();
  const parent = parentOf(provider, params, base);
  restoreBase(tree, base, parent);
  const version = tree.version === undefined ? undefined : unwrap(tree.at(tree.version), "a base");
  const sizes: number[] = version === undefined ? [] : [...keptSizes(version)];
  let head = parent;
  let unsigned: Proposal | undefined;
  // Only the newest states are read again; those before are passed through.
  let left = segments.blocks;
  for await (const { proposal, seal } of segments.replay()) {
    const checked = checkProposal(provider, params.chain, head, proposal);
    if (!checked.ok) throw corrupt(checked.error.message);
    const { height, timeMs, stateRoot } = proposal.header;
    if (tree.get(paramsKey) === undefined) setGenesis(tree, params);
    const context = { provider, params, height, timeMs, sizes, trusted: seal !== undefined };
    for (const tx of proposal.txs) {
      const applied = applyTx(tree, context, tx);
      if (!applied.ok) throw corrupt(`block ${height}: ${applied.error.message}`);
    }
    left--;
    if (left < versionsKept && !equalBytes(tree.commit(height), stateRoot)) {
      throw corrupt(`block ${height}: its transactions lead to another state`);
    }
    if (seal === undefined) unsigned = proposal;
    else head = { ...proposal, ...seal };
  }
  if (head !== undefined && !verifySeal(provider, params.identity, head.encoded, head)) {
    throw corrupt(`block ${head.header.height}: the signature is not the Guardian's`);
  }
  return { head, unsigned, sizes };
};

/** Compares with what the Guardian remembers; the seal that a crash kept from the disk, if any. */
export const reconcile = (
  head: Block | undefined,
  unsigned: Proposal | undefined,
  signing: SigningState,
): Seal | undefined => {
  const { slot, headerHash, counter, signature } = signing;
  if (unsigned !== undefined && equalBytes(headerHash, unsigned.id)) return { counter, signature };
  if (slot === 0n && head === undefined) return undefined;
  if (head !== undefined && equalBytes(headerHash, head.id)) return undefined;
  const ours = head?.header.slot ?? 0n;
  const where = `slot ${slot} ${toHex(headerHash).slice(0, 16)} was signed last, the chain has ${ours}`;
  throw new OperationError(slot > ours ? "E_CHAIN_BEHIND" : "E_CHAIN_AHEAD", where);
};
