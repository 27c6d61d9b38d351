/** Bounds of the RPC transport. */

/** Default deadline of a unary call, in milliseconds. */
export const rpcDeadlineMs = 15_000;
/** Calls one connection may have open at once. */
export const rpcStreamsMax = 256;
/** Text of an error that crosses a connection, in characters. */
export const rpcErrorCharsMax = 2_048;
/** Flow-control window of a connection and of each stream, in bytes. */
export const rpcWindowBytes = 1_048_576;
