/** Bounds of the program `ioi-verify`. `docs/limits.md` is generated from these lines. */

/** Bytes of an export, a proof or a key's file. */
export const fileBytesMax = 1_073_741_824;
