/**
 * What a browser needs to check signatures and hashes of the Guardian: SHA-256 and ML-DSA-65 in
 * JavaScript (@noble), since browsers offer the first only asynchronously and the second not at all.
 * Total on hostile bytes.
 */
import type { Verifying } from "@ioi/crypto";
import { sha256 } from "@noble/hashes/sha2.js";
import { ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";

export const browserVerifying: Verifying = {
  sha256: (bytes) => sha256(bytes),
  verify: (algorithm, publicKey, bytes, signature, context) => {
    // The Guardian's log is signed by nothing else.
    if (algorithm !== "ml-dsa-65") return false;
    try {
      return ml_dsa65.verify(signature, bytes, publicKey, context === undefined ? {} : { context });
    } catch {
      return false;
    }
  },
};
