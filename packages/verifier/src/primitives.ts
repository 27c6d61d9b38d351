/**
 * The primitives that verification needs, in JavaScript: SHA-256 (FIPS 180-4), ML-DSA-65 and ML-DSA-44
 * (FIPS 204). They run wherever this package runs, browsers included.
 */
import { concatBytes, utf8Encode } from "@ioi/base";
import { sha256 as sha256Of } from "@noble/hashes/sha2.js";
import { ml_dsa44, ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";

export const hashBytes = 32;
/** Raw ML-DSA-65 public key. */
export const publicKeyBytes = 1952;

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  sha256Of(concatBytes(...parts));

/** What a hash or a signature covers: the purpose's name, NUL, the bytes. */
export const under = (purpose: `ioi/${string}/v1`, bytes: Uint8Array): Uint8Array =>
  concatBytes(utf8Encode(purpose), Uint8Array.of(0), bytes);

/** The same by a session's key, ML-DSA-44. */
export const isSignedBySession = (
  publicKey: Uint8Array,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean => {
  try {
    return ml_dsa44.verify(signature, bytes, publicKey);
  } catch {
    // The library throws on a signature or key of another length.
    return false;
  }
};

/** False on anything that is not this key's signature over these bytes; total. */
export const isSignedBy = (
  publicKey: Uint8Array,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean => {
  if (publicKey.length !== publicKeyBytes) return false;
  try {
    return ml_dsa65.verify(signature, bytes, publicKey);
  } catch {
    // The library throws on a signature of another length.
    return false;
  }
};
