/**
 * A block of the chain: what consensus orders, and the transactions whose root its header holds.
 *
 * Invariants: `blockOf` is the only way to one; a block is identified by the hash of its header.
 */
import { blockHash, zeroHash } from "@ioi/consensus";
import { emptyRoot, type Hashing, leafHash, MerkleTree } from "@ioi/crypto";
import {
  type BlockHeader,
  blockHeader,
  type ConsensusBlock,
  type QuorumCert,
  schema,
} from "@ioi/wire";

export interface Block {
  readonly header: BlockHeader;
  /** Canonical. */
  readonly encoded: Uint8Array;
  readonly id: Uint8Array;
  /** Of the parent. */
  readonly justify: QuorumCert;
  /** Canonical `chainTx` each. */
  readonly txs: readonly Uint8Array[];
}

/** RFC 9162, with every transaction a leaf. */
export const txRootOf = (hashing: Hashing, txs: readonly Uint8Array[]): Uint8Array => {
  if (txs.length === 0) return emptyRoot(hashing);
  const tree = new MerkleTree(hashing);
  for (const tx of txs) tree.append(leafHash(hashing, tx));
  return tree.root();
};

/** Zeros where there is nothing. */
export const payloadRootOf = (hashing: Hashing, txs: readonly Uint8Array[]): Uint8Array =>
  txs.length === 0 ? zeroHash : txRootOf(hashing, txs);

export const blockOf = (
  hashing: Hashing,
  { header, justify }: ConsensusBlock,
  txs: readonly Uint8Array[],
): Block => ({
  header,
  encoded: schema.encode(blockHeader, header),
  id: blockHash(hashing, header),
  justify,
  txs,
});
