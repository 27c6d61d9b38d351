/** Bounds of the program `ioi-verify`. `docs/limits.md` is generated from these lines. */

/** Bytes of an export, a proof or a key's file. */
export const fileBytesMax = 1_073_741_824;
/** Bytes of a proof of recall, or of a query. */
export const proofFileBytesMax = 16_777_216;
