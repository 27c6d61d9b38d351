/** Bounds of the program `guardian-signer`. `docs/limits.md` is generated from these lines. */

/** Requests that wait while one is made durable. */
export const waitingMax = 64;
/** Bytes of the anchor's record. */
export const recordBytesMax = 16_384;
/** Bytes of a request. */
export const requestBytesMax = 4096;
