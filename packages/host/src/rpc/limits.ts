/** Bounds of the RPC transport. */

/** Default deadline of a unary call, in milliseconds. */
export const rpcDeadlineMs = 15_000;
/** Calls one connection may have open at once. */
export const rpcStreamsMax = 256;
/** Calls that wait in the caller for one of those to end. */
export const rpcCallsWaitingMax = 4_096;
/** Handlers of one connection that may run at once, those of cancelled calls among them. */
export const rpcHandlersMax = 512;
/** Text of an error that crosses a connection, in characters. */
export const rpcErrorCharsMax = 2_048;
/** Flow-control window of each call, in bytes; over HTTP/2 also that of the connection. */
export const rpcWindowBytes = 1_048_576;
/** Flow-control window of a framed connection over all its calls, in bytes. */
export const rpcConnectionBytes = 16_777_216;
/** What a message costs of the windows beside its bytes, so that empty ones are bounded too. */
export const rpcMessageCostBytes = 64;
/** Bytes of a tunnel that travel as one piece where they were written in smaller ones. */
export const tunnelPieceBytesMax = 262_144;
