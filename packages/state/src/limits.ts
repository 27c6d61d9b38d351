/** Bounds of authenticated state. */

/** Largest key, in bytes. */
export const stateKeyBytesMax = 1024;
/** Largest value, in bytes. */
export const stateValueBytesMax = 1_048_576;
/** Entries that one scan returns. */
export const stateScanMax = 4096;
/** Largest proof that is decoded, in bytes. */
export const stateProofBytesMax = 16_384;
/** Bits by which a state is cut into parts: 2^16 of them at most. */
export const stateDepthMax = 16;
/** Entries of one part. */
export const statePartEntriesMax = 65_536;
/** Entries of one run of the in-memory store's order; a longer one is halved. */
export const orderedRunMax = 512;
/** Components of a vector of an index. */
export const indexDimensionMax = 2048;
/** Nodes of one index. */
export const indexNodesMax = 16_777_215;
