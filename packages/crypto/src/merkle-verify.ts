/**
 * Verification of Merkle proofs: RFC 9162, sections 2.1.3.2 and 2.1.4.2. Total on hostile input.
 *
 * Deviation: a consistency proof from the empty tree is refused, since it would prove nothing.
 */
import { equalBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import { proofHashesMax } from "./limits.ts";
import { hashBytes, nodeHash } from "./merkle-tree.ts";
import type { Hashing } from "./provider.ts";

export type ProofError = Rejection<"E_PROOF_INVALID">;

const invalid = (message: string): Result<never, ProofError> =>
  err({ code: "E_PROOF_INVALID", message });

/** Sizes come from outside, so they may be anything; bigint carries all 64 bits. */
const sizeOf = (size: number | bigint): bigint | undefined => {
  if (typeof size === "number") {
    return Number.isSafeInteger(size) && size >= 0 ? BigInt(size) : undefined;
  }
  return typeof size === "bigint" && size >= 0n && size < 1n << 64n ? size : undefined;
};

const isHash = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array && value.length === hashBytes;

const areHashes = (proof: readonly Uint8Array[]): boolean =>
  Array.isArray(proof) && proof.length <= proofHashesMax && proof.every(isHash);

export interface InclusionClaim {
  readonly index: number | bigint;
  readonly size: number | bigint;
  /** H(0x00 || leaf). */
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

export const verifyInclusion = (
  provider: Hashing,
  claim: InclusionClaim,
): Result<true, ProofError> => {
  const index = sizeOf(claim.index);
  const size = sizeOf(claim.size);
  if (index === undefined || size === undefined) return invalid("not an index or not a size");
  if (index >= size) return invalid(`no leaf ${index} in a tree of ${size}`);
  if (!isHash(claim.leafHash) || !isHash(claim.root) || !areHashes(claim.proof)) {
    return invalid("not SHA-256 hashes");
  }
  let fn = index;
  let sn = size - 1n;
  let node = claim.leafHash;
  for (const sibling of claim.proof) {
    if (sn === 0n) return invalid("the proof is too long");
    if ((fn & 1n) === 1n || fn === sn) {
      node = nodeHash(provider, sibling, node);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      node = nodeHash(provider, node, sibling);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) return invalid("the proof is too short");
  return equalBytes(node, claim.root) ? ok(true) : invalid("the proof leads to another root");
};

export interface ConsistencyClaim {
  readonly firstSize: number | bigint;
  readonly firstRoot: Uint8Array;
  readonly secondSize: number | bigint;
  readonly secondRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

export const verifyConsistency = (
  provider: Hashing,
  claim: ConsistencyClaim,
): Result<true, ProofError> => {
  const first = sizeOf(claim.firstSize);
  const second = sizeOf(claim.secondSize);
  if (first === undefined || second === undefined) return invalid("not sizes");
  if (first === 0n) return invalid("nothing is consistent with the empty tree");
  if (first > second) return invalid(`a tree of ${first} is no prefix of one of ${second}`);
  if (!isRootPair(claim)) return invalid("not SHA-256 hashes");
  if (first === second) {
    if (claim.proof.length !== 0) return invalid("the proof is too long");
    return equalBytes(claim.firstRoot, claim.secondRoot)
      ? ok(true)
      : invalid("two roots for one size");
  }
  if (claim.proof.length === 0) return invalid("the proof is too short");
  return climb(provider, claim, first, second);
};

/** Equal sizes compare roots as bytes whatever they are; hashing needs real hashes. */
const isRootPair = (claim: ConsistencyClaim): boolean =>
  areHashes(claim.proof) &&
  claim.firstRoot instanceof Uint8Array &&
  claim.secondRoot instanceof Uint8Array;

const climb = (
  provider: Hashing,
  claim: ConsistencyClaim,
  first: bigint,
  second: bigint,
): Result<true, ProofError> => {
  let fn = first - 1n;
  let sn = second - 1n;
  while ((fn & 1n) === 1n) {
    fn >>= 1n;
    sn >>= 1n;
  }
  // The first tree is one complete subtree: the proof leaves its root out.
  const complete = (first & (first - 1n)) === 0n;
  const path = complete ? [claim.firstRoot, ...claim.proof] : claim.proof;
  const [start, ...rest] = path;
  if (!isHash(start)) return invalid("not SHA-256 hashes");
  let firstRoot = start;
  let secondRoot = start;
  for (const sibling of rest) {
    if (sn === 0n) return invalid("the proof is too long");
    if ((fn & 1n) === 1n || fn === sn) {
      firstRoot = nodeHash(provider, sibling, firstRoot);
      secondRoot = nodeHash(provider, sibling, secondRoot);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      secondRoot = nodeHash(provider, secondRoot, sibling);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) return invalid("the proof is too short");
  if (!equalBytes(firstRoot, claim.firstRoot))
    return invalid("the proof leads to another first root");
  return equalBytes(secondRoot, claim.secondRoot)
    ? ok(true)
    : invalid("the proof leads to another second root");
};
