/**
 * Hashes of the Jellyfish Merkle tree, and its paths.
 *
 * Source: penumbra `jmt`, with SHA-256. A key stands at the path of its hash; the hash of a subtree
 * is the placeholder where it is empty, its leaf's hash where it holds one leaf, else the hash of
 * its two halves.
 */
import { assert, concatBytes, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";

export const hashBytes = 32;
export const placeholder: Uint8Array = utf8Encode("SPARSE_MERKLE_PLACEHOLDER_HASH__");
const leafDomain = utf8Encode("JMT::LeafNode");
const internalDomain = utf8Encode("JMT::IntrnalNode");

export const leafHashOf = (
  hashing: Hashing,
  keyHash: Uint8Array,
  valueHash: Uint8Array,
): Uint8Array => hashing.sha256(concatBytes(leafDomain, keyHash, valueHash));

export const internalHashOf = (hashing: Hashing, left: Uint8Array, right: Uint8Array): Uint8Array =>
  hashing.sha256(concatBytes(internalDomain, left, right));

/** Nibbles of a path: two in a byte of the key's hash. */
export const nibblesMax = 2 * hashBytes;

export const nibbleAt = (keyHash: Uint8Array, depth: number): number => {
  assert(depth < nibblesMax, "two keys of one hash");
  const byte = keyHash[depth >> 1] as number;
  return depth % 2 === 0 ? byte >> 4 : byte & 15;
};

export const bitAt = (keyHash: Uint8Array, bit: number): number =>
  ((keyHash[bit >> 3] as number) >> (7 - (bit & 7))) & 1;

/** Bits that two hashes share from the start. */
export const commonBits = (a: Uint8Array, b: Uint8Array): number => {
  let bit = 0;
  while (bit < 8 * hashBytes && bitAt(a, bit) === bitAt(b, bit)) bit++;
  return bit;
};
