/**
 * The local chain: headers, transactions, and what is kept in its state.
 *
 * A header is hashed under `ioi/chain/header/v1`; the Guardian's identity (ML-DSA-65) signs
 * `headerStatement` under `ioi/guardian/header/v1`. Transactions are the leaves of an RFC 9162 tree
 * whose root the header holds.
 */
import { type Infer, array, bytes, int, record, text, u64, union } from "../schema.ts";

export const chainHeader = record({
  version: int(1, 1),
  chain: bytes(32),
  /** Attempts to make a block, from 1; one header for a slot. */
  slot: u64,
  /** From 0. */
  height: u64,
  /** Hash of the header before; zeros in the first. */
  parent: bytes(32),
  /** Never before the parent's. */
  timeMs: int(),
  txCount: int(0, 1024),
  txRoot: bytes(32),
  /** Of the state after the transactions. */
  stateRoot: bytes(32),
  /** The newest checkpoint of the receipt log in that state. */
  receiptsSize: int(),
  receiptsRoot: bytes(32),
});
export type ChainHeader = Infer<typeof chainHeader>;

/** What the signature covers. */
export const headerStatement = record({
  version: int(1, 1),
  header: bytes(undefined, 4096),
  /** Of the signer, over all that it ever signed. */
  counter: u64,
});
export type HeaderStatement = Infer<typeof headerStatement>;

export const chainTx = union({
  /** A signed checkpoint of the receipt log that extends the newest one in the state. */
  anchor: {
    note: text(16_384),
    /** Size of the checkpoint that it extends. */
    from: int(),
    /** RFC 9162; empty where `from` is 0. */
    consistency: array(bytes(32), 64),
  },
});
export type ChainTx = Infer<typeof chainTx>;

/** State under `chain/params`. */
export const chainParams = record({
  version: int(1, 1),
  chain: bytes(32),
  /** Raw key that signs headers and checkpoints. */
  identity: bytes(1952),
  /** Name of the receipt log. */
  origin: text(256),
});
export type ChainParams = Infer<typeof chainParams>;

/** State under `receipts/checkpoint` and `receipts/<size>`. */
export const anchoredCheckpoint = record({
  size: int(),
  root: bytes(32),
  /** Of the block that holds it. */
  height: u64,
  timeMs: int(),
});
export type AnchoredCheckpoint = Infer<typeof anchoredCheckpoint>;
