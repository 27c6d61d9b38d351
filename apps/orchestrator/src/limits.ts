/** Bounds of the Orchestrator. */

/** Numbers that are reserved on disk at once: a crash skips at most so many, none is given twice. */
export const orderReserve = 1024;
/** Ports that are tried when the wanted one is busy. */
export const portsTriedMax = 50;
/** Connections the public ports accept at once. */
export const connectionsMax = 256;
/** Wait for the series of the other processes, in milliseconds. */
export const scrapeMs = 2000;
/** Commitments after which their log starts anew. */
export const commitmentsMax = 100_000;
/** Wait for the Guardian's answer about the chain, in milliseconds. */
export const signerMs = 10_000;
/** Wait of a kernel that ends for the Guardian's last checkpoint, in milliseconds. */
export const lastCheckpointMs = 1000;
/** Connections of one peer to the public port. */
export const peerConnectionsMax = 64;
/** Calls of one peer to the public port in a second, for longer. */
export const peerCallsPerSecond = 500;
/** Calls of one peer to the public port at once. */
export const peerCallsBurst = 1000;
/** Open streams of one peer. */
export const eventStreamsMax = 16;
/** Peers whose calls are counted; the one that called longest ago is forgotten first. */
export const peersMax = 4096;
/** A call to the public port that was not answered by then ends, in milliseconds. */
export const answerMsMax = 15_000;
