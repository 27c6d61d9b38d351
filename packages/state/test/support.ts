/** SHA-256 of the platform, as the trees want it. */
import { createHash } from "node:crypto";
import type { Hashing } from "@ioi/crypto";

export const hashing: Hashing = {
  sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
};
