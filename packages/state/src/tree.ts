/**
 * What every authenticated tree is: a map from bytes to bytes in versions, each with a root that
 * commits to all of it, and proofs that a key is there with its value or is not there at all.
 *
 * Source: one interface for all trees, so that a chain chooses one in its genesis.
 * Invariants: the root depends on the content alone, not on the way to it; a committed version does
 * not change; a proof verifies against exactly one key, value and root. `./compliance` checks them.
 * Bounds: `stateKeyBytesMax`, `stateValueBytesMax`, `stateScanMax`; a larger key or value is a bug
 * of the caller.
 */
import type { Rejection, Result } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { TreeStore } from "./store.ts";

export interface StateEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Opaque to everybody but the tree that made it. */
export type StateProof = Uint8Array;

export type AbsentError = Rejection<"E_STATE_ABSENT">;
export type PresentError = Rejection<"E_STATE_PRESENT">;
export type VersionError = Rejection<"E_STATE_VERSION">;
export type StateProofError = Rejection<"E_STATE_PROOF">;

/** One committed version. */
export interface StateView {
  readonly version: bigint;
  readonly root: Uint8Array;
  get(key: Uint8Array): Uint8Array | undefined;
  /** That the key has its value. */
  prove(key: Uint8Array): Result<StateProof, AbsentError>;
  proveAbsent(key: Uint8Array): Result<StateProof, PresentError>;
  /** Bytewise by key, those after `after`, at most `limit`. */
  prefixScan(prefix: Uint8Array, limit: number, after?: Uint8Array): readonly StateEntry[];
}

export interface AuthenticatedTree {
  /** The newest committed version; undefined while nothing was ever committed. */
  readonly version: bigint | undefined;
  /** Of the newest committed version; of the empty map before the first. */
  readonly root: Uint8Array;
  /** With what was set and deleted since the last commit. */
  get(key: Uint8Array): Uint8Array | undefined;
  set(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /** Forgets what was set and deleted since the last commit. */
  discard(): void;
  /** Makes the changes a version; versions rise. Returns its root. */
  commit(version: bigint): Uint8Array;
  at(version: bigint): Result<StateView, VersionError>;
  /** Gives up every version before this one; returns how many nodes and values went. */
  prune(before: bigint): number;
}

/** A kind of tree: how it is opened, and how its proofs are judged without it. */
export interface TreeKind {
  readonly name: string;
  open(store: TreeStore, hashing: Hashing): AuthenticatedTree;
  verifyPresent(
    hashing: Hashing,
    root: Uint8Array,
    entry: StateEntry,
    proof: StateProof,
  ): Result<true, StateProofError>;
  verifyAbsent(
    hashing: Hashing,
    root: Uint8Array,
    key: Uint8Array,
    proof: StateProof,
  ): Result<true, StateProofError>;
}
