/** Bounds of offline verification. `docs/limits.md` is generated from these lines. */

/** Receipts in one export. */
export const bundleEntriesMax = 1_048_576;
