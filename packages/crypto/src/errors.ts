/** Errors of keys, signatures and proofs. */
import type { ErrorCatalogue } from "@ioi/base";

export const errors = {
  E_KEY_INVALID: {
    what: "A key does not have the form of its algorithm.",
    why: "It was truncated, or belongs to another algorithm.",
    next: "Export the key again from where it was made.",
    exit: 5,
  },
  E_SIGNATURE_INVALID: {
    what: "A signature does not belong to these bytes under this key and domain.",
    why: "The bytes, the signature or the key were changed, or another key signed.",
    next: "Compare the public key with the one printed by ./ioi keys.",
    exit: 6,
  },
  E_PROOF_INVALID: {
    what: "A Merkle proof does not lead to the root it claims.",
    why: "The proof, the leaf, the root or one of the sizes was changed.",
    next: "Ask for the proof again: ./ioi receipts prove",
    exit: 6,
  },
  E_CHECKPOINT_INVALID: {
    what: "A checkpoint is malformed, or no trusted key signed it.",
    why: "The text was changed, or another log wrote it.",
    next: "./ioi receipts verify",
    exit: 6,
  },
  E_SEALED_INVALID: {
    what: "A sealed box does not open.",
    why: "It was changed, sealed to another key, or sealed with other associated data.",
    next: "Ask the sender to seal it again to the current key.",
    exit: 6,
  },
  E_SEALED_VERSION: {
    what: "A sealed box was made by a newer version.",
    why: "Its header names a format that this version does not know.",
    next: "Install the newer version to open it.",
    exit: 5,
  },
  E_KEYSTORE_CORRUPT: {
    what: "The key store is damaged; the message names the record.",
    why: "Its bytes changed after they were written.",
    next: "Restore the key store and its key file together: ./ioi restore",
    exit: 5,
  },
  E_KEYSTORE_VERSION: {
    what: "The key store was written by a newer version.",
    why: "Its header names a format that this version does not know.",
    next: "Install the newer version; this one changed nothing.",
    exit: 5,
  },
  E_KEYSTORE_LOCKED: {
    what: "The key store does not open with this key.",
    why: "The passphrase is wrong, or the key file belongs to another key store.",
    next: "Give the right passphrase, or restore the key file that was saved with the key store.",
    exit: 5,
  },
} as const satisfies ErrorCatalogue;
