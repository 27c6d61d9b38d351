/** Bounds of the command line. `docs/limits.md` is generated from these lines. */

/** Waiting for a kernel to become ready, in milliseconds. */
export const kernelReadyMs = 60_000;
/** Waiting for a kernel that was asked to end, in milliseconds; then it is killed. */
export const kernelDrainMs = 15_000;
/** Wait for an effect that is stopped to say what it did before its driver is killed, in milliseconds. */
export const stopGraceMs = 600;
/** Waiting for a kernel that restarts under a command, in milliseconds. */
export const kernelReconnectMs = 20_000;
/** Deadline of one call to the kernel, in milliseconds. */
export const callDeadlineMs = 15_000;
/** Largest ready line that a launcher may write, in bytes. */
export const readyLineBytesMax = 65_536;
/** Text of one request, in characters. */
export const requestCharsMax = 65_536;
/** Causes that an error report follows. */
export const causesMax = 8;
/** Lines of a stack trace in a bug report. */
export const bugFramesMax = 40;
/** Largest receipt log or export that is read, in bytes. */
export const receiptFileBytesMax = 1_073_741_824;
/** Largest policy, action or key file that is read, in bytes. */
export const smallFileBytesMax = 4_194_304;
/** Input for a program that one call carries, in bytes. */
export const programInputBytesMax = 65_536;
/** Receipts asked for at once. */
export const receiptsPageMax = 256;
/** Milliseconds between two looks of `status --watch` and `logs --follow`. */
export const watchIntervalMs = 1000;
/** Milliseconds in which a new approval card takes no key. */
export const cardGuardMs = 600;
/** Log lines that `ioi logs` prints unless told otherwise. */
export const logLinesDefault = 200;
/** Bytes of one log file that are read from its end. */
export const logTailBytesMax = 4_194_304;
/** Largest program that `ioi policy` hashes, in bytes. */
export const programBytesMax = 1_073_741_824;
/** Entries below a folder that `ioi policy` looks through for names with a leading dot. */
export const folderEntriesMax = 20_000;
/** Free space below which `ioi doctor` warns, in bytes. */
export const freeBytesWanted = 268_435_456;
/** Bytes of a secret that is entered. */
export const secretInputBytesMax = 65_536;
/** Wait for a confirmed MCP server to say what its tools are, in milliseconds. */
export const mcpLookMs = 30_000;
/** One message of an MCP client, in bytes. */
export const gateLineBytesMax = 4_000_000;
/** Messages of an MCP client that are on their way at once. */
export const gateSendsMax = 64;
/** Wait for why a gate has ended when its client has, in milliseconds. */
export const gateEndMs = 100;
/** Wait for the answers to a client that has closed its end, in milliseconds. */
export const gateDrainMs = 5_000;
/** Clients of one gate that listens: each has a server of its own. */
export const listenSessionsMax = 8;
/** Connections to a gate that listens. */
export const listenConnectionsMax = 64;
/** Events of one client that can be sent again after its connection broke. */
export const listenKeptEventsMax = 256;
/** The same, in bytes. */
export const listenKeptBytesMax = 8_388_608;
/** A client that has asked nothing for so long makes room for another, in milliseconds. */
export const listenIdleMs = 10_000;
/** The same where its own stream and every connection of it have ended: it has left, or comes again. */
export const listenLeftMs = 2_000;
/** The same where a request of it waits for its answer, which it may come again for. */
export const listenLostMs = 60_000;
/** Time in which a client says a whole request, in milliseconds. */
export const listenRequestMs = 30_000;
/** Between two lines about how long work goes, in milliseconds. */
export const progressIntervalMs = 1000;
/** Largest proof of recall that is read, in bytes. */
export const proofFileBytesMax = 16_777_216;
/** Bytes of a shared slice of memories that is received. */
export const sharedSliceBytesMax = 16_777_216;
/** Events of a simulated network that are shown. */
export const replayStepsMax = 200_000;
