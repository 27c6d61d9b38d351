/**
 * Proofs of the Jellyfish Merkle tree: the leaf that stands at the end of the key's path, if any,
 * and the siblings from there up to the root.
 *
 * Source: penumbra `jmt`, `SparseMerkleProof::verify`. A key is absent where its path ends in
 * nothing, or in the leaf of another key that shares the path so far.
 * Invariants: total on hostile input. Bounds: 256 siblings, `stateProofBytesMax`.
 */
import { equalBytes, err, ok, type Result } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import { stateProofBytesMax } from "../limits.ts";
import type { StateEntry, StateProof, StateProofError } from "../tree.ts";
import { bitAt, commonBits, hashBytes, internalHashOf, leafHashOf, placeholder } from "./hash.ts";

const bitsMax = 8 * hashBytes;

const proofSchema = schema.record({
  leaf: schema.optional(
    schema.record({ keyHash: schema.bytes(hashBytes), valueHash: schema.bytes(hashBytes) }),
  ),
  /** From the bottom up. */
  siblings: schema.array(schema.bytes(hashBytes), bitsMax),
});

/** What a Jellyfish proof says, for whoever writes it in another form. */
export type JellyfishProof = schema.Infer<typeof proofSchema>;

const invalid = (message: string): Result<never, StateProofError> =>
  err({ code: "E_STATE_PROOF", message });

export const encodeProof = (proof: JellyfishProof): StateProof => schema.encode(proofSchema, proof);

export const decodeProof = (proof: StateProof): Result<JellyfishProof, StateProofError> => {
  if (proof.length > stateProofBytesMax) return invalid("the proof is too long");
  const decoded = schema.decode(proofSchema, proof);
  return decoded.ok ? decoded : invalid(`the proof is malformed: ${decoded.error.message}`);
};

const climb = (
  hashing: Hashing,
  keyHash: Uint8Array,
  siblings: readonly Uint8Array[],
  bottom: Uint8Array,
): Uint8Array => {
  let node = bottom;
  for (const [index, sibling] of siblings.entries()) {
    const right = bitAt(keyHash, siblings.length - 1 - index) === 1;
    node = right ? internalHashOf(hashing, sibling, node) : internalHashOf(hashing, node, sibling);
  }
  return node;
};

export const verifyPresent = (
  hashing: Hashing,
  root: Uint8Array,
  { key, value }: StateEntry,
  proof: StateProof,
): Result<true, StateProofError> => {
  const decoded = decodeProof(proof);
  if (!decoded.ok) return decoded;
  const { leaf, siblings } = decoded.value;
  if (leaf === undefined) return invalid("the proof ends in nothing");
  const keyHash = hashing.sha256(key);
  if (!equalBytes(leaf.keyHash, keyHash)) return invalid("the proof is of another key");
  if (!equalBytes(leaf.valueHash, hashing.sha256(value))) {
    return invalid("the proof is of another value");
  }
  const bottom = leafHashOf(hashing, leaf.keyHash, leaf.valueHash);
  return equalBytes(climb(hashing, keyHash, siblings, bottom), root)
    ? ok(true)
    : invalid("the proof leads to another root");
};

export const verifyAbsent = (
  hashing: Hashing,
  root: Uint8Array,
  key: Uint8Array,
  proof: StateProof,
): Result<true, StateProofError> => {
  const decoded = decodeProof(proof);
  if (!decoded.ok) return decoded;
  const { leaf, siblings } = decoded.value;
  const keyHash = hashing.sha256(key);
  let bottom = placeholder;
  if (leaf !== undefined) {
    if (equalBytes(leaf.keyHash, keyHash)) return invalid("the proof ends in the key itself");
    if (commonBits(leaf.keyHash, keyHash) < siblings.length) {
      return invalid("the proof ends in a leaf beside the key's path");
    }
    bottom = leafHashOf(hashing, leaf.keyHash, leaf.valueHash);
  }
  return equalBytes(climb(hashing, keyHash, siblings, bottom), root)
    ? ok(true)
    : invalid("the proof leads to another root");
};
