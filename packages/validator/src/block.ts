/**
 * Blocks: a header, the transactions whose root it holds, and the Guardian's signature over the
 * header and its counter.
 *
 * Invariants: a header is identified by the hash of its canonical bytes; `nextHeader` is the only
 * way to one.
 */
import { equalBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import {
  type CryptoProvider,
  domainBytes,
  domainHash,
  domains,
  emptyRoot,
  type Hashing,
  identityAlgorithm,
  leafHash,
  MerkleTree,
} from "@ioi/crypto";
import { type ChainHeader, chainHeader, headerStatement, schema } from "@ioi/wire";

export interface Seal {
  readonly counter: bigint;
  readonly signature: Uint8Array;
}

/** A block that nobody has signed yet. */
export interface Proposal {
  readonly header: ChainHeader;
  /** Canonical. */
  readonly encoded: Uint8Array;
  readonly id: Uint8Array;
  /** Canonical `chainTx` each. */
  readonly txs: readonly Uint8Array[];
}

export interface Block extends Proposal, Seal {}

export type BlockError = Rejection<"E_CHAIN_CORRUPT">;

export const noParent: Uint8Array = new Uint8Array(32);

export const headerId = (hashing: Hashing, encoded: Uint8Array): Uint8Array =>
  domainHash(hashing, domains.chainHeader, encoded);

export const txRootOf = (hashing: Hashing, txs: readonly Uint8Array[]): Uint8Array => {
  if (txs.length === 0) return emptyRoot(hashing);
  const tree = new MerkleTree(hashing);
  for (const tx of txs) tree.append(leafHash(hashing, tx));
  return tree.root();
};

/** What the Guardian signs. */
export const statementOf = (header: Uint8Array, counter: bigint): Uint8Array =>
  schema.encode(headerStatement, { version: 1, header, counter });

export const verifySeal = (
  provider: Pick<CryptoProvider, "verify">,
  identity: Uint8Array,
  header: Uint8Array,
  { counter, signature }: Seal,
): boolean =>
  counter < 1n << 64n &&
  provider.verify(
    identityAlgorithm,
    identity,
    domainBytes(domains.headerStatement, statementOf(header, counter)),
    signature,
  );

export const proposalOf = (
  hashing: Hashing,
  header: ChainHeader,
  txs: readonly Uint8Array[],
): Proposal => {
  const encoded = schema.encode(chainHeader, header);
  return { header, encoded, id: headerId(hashing, encoded), txs };
};

/** What a header says of itself against its transactions and the block before. */
export const checkProposal = (
  hashing: Hashing,
  chain: Uint8Array,
  parent: Proposal | undefined,
  { header, txs }: Proposal,
): Result<true, BlockError> => {
  const bad = (message: string): Result<never, BlockError> =>
    err({ code: "E_CHAIN_CORRUPT", message: `block ${header.height}: ${message}` });
  if (!equalBytes(header.chain, chain)) return bad("it is of another chain");
  const height = parent === undefined ? 0n : parent.header.height + 1n;
  if (header.height !== height) return bad(`height ${height} was to come`);
  if (!equalBytes(header.parent, parent?.id ?? noParent)) return bad("its parent is another block");
  if (header.slot <= (parent?.header.slot ?? 0n)) return bad(`slot ${header.slot} does not rise`);
  if (header.timeMs < (parent?.header.timeMs ?? 0)) return bad("its time goes back");
  if (header.txCount !== txs.length) return bad(`${txs.length} transactions are there`);
  if (!equalBytes(header.txRoot, txRootOf(hashing, txs)))
    return bad("other transactions are there");
  return ok(true);
};
