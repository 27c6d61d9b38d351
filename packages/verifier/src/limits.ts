/** Bounds of the stand-alone verifier. `docs/limits.md` is generated from these lines. */

/** Receipts in one export. */
export const exportEntriesMax = 1_048_576;
/** Characters of a checkpoint's note. */
export const noteCharsMax = 16_384;
/** Signature lines of a note. */
export const noteSignaturesMax = 16;
/** Extension lines of a note. */
export const noteExtensionsMax = 16;
/** Hashes of one proof of inclusion or consistency. */
export const treeProofHashesMax = 64;
/** Bytes of a proof of the chain's state. */
export const stateProofBytesMax = 16_384;
