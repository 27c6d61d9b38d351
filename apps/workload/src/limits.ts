/** Bounds of the workload. `docs/limits.md` is generated from these lines. */

/** Sessions that are not over at the same time. */
export const activeSessionsMax = 256;
/** Bytes of one session's journal that are read. */
export const journalBytesMax = 268_435_456;
/** Content kept behind one handle, in bytes; the rest is counted and dropped. */
export const keptContentBytesMax = 16_777_216;
/** Content that one session keeps behind handles, in bytes. */
export const sessionKeptBytesMax = 67_108_864;
/** Content that all sessions keep behind handles, in bytes; the oldest session's goes first. */
export const contentsBytesMax = 536_870_912;
/** Content that one reply carries, in bytes. */
export const contentPieceBytesMax = 262_144;
/** A session as JSON in one update, in characters; larger ones go without contents. */
export const updateJsonCharsMax = 2_097_152;
/** Sessions that one listing returns. */
export const listSessionsMax = 1000;
/** Characters of a session's text that a listing shows. */
export const summaryTextCharsMax = 512;
/** Wait for the Guardian to be reachable, in milliseconds. */
export const gateConnectMs = 10_000;
/** Wait between two attempts to reach the Guardian, in milliseconds. */
export const gateRetryMs = 100;
/** Deadline of one call to the Guardian, in milliseconds. */
export const gateDeadlineMs = 15_000;
/** Deadline of `prepare` and `settle`, in milliseconds. */
export const driverDeadlineMs = 15_000;
/** Wait for a driver to show what an action that asks would change, in milliseconds. */
export const previewDeadlineMs = 5_000;
/** Deadline of `act`, in milliseconds; the profile's own bound comes first. */
export const actDeadlineMs = 660_000;
/** Wait for the socket of a driver that was started, in milliseconds. */
export const driverSocketMs = 10_000;
/** Wait for a stopped driver to end its effect before it is killed, in milliseconds. */
export const abortMs = 500;
/** A follower of a session hears of its steps at most this often, in milliseconds; of its rest at once. */
export const followIntervalMs = 50;
/** A follower of a long session hears the less often the longer its view takes: this many times as long. */
export const followCostRatio = 200;
/** Times that a built-in agent looks for contents before it takes one step. */
export const looksMax = 64;
/** Output of running actions that waits for one follower, in characters; more is dropped. */
export const waitingOutputCharsMax = 4_194_304;
/** Input for a program that one call carries, in bytes. */
export const inputBytesMax = 65_536;
/** Wait for the program of an agent to be gone, in milliseconds. */
export const programKillMs = 5000;
/** What the programs of one session ask for beside their own action, at the same time. */
export const besideMax = 64;
/** Wait of a program for a person to answer, in milliseconds. */
export const besideAskMsMax = 600_000;
/** Gates before MCP servers that are open at the same time. */
export const gatesMax = 32;
/** Messages of one gate's client on their way to its driver; the next one waits. */
export const gateSendsMax = 64;
/** Calls of one gate that wait for a person; further ones are denied. */
export const gateAsksMax = 8;
/** Wait of a gate's call for a person, in milliseconds: clients give up after a minute. */
export const gateAskMsMax = 50_000;
/** Characters of the question that a gate without a person puts to its client. */
export const gateQuestionCharsMax = 2_000;
/** Bytes of vectors that a memory's driver is given at a time. */
export const inputPieceBytesMax = 1024 * 1024;
/** Characters of a memory that an answer shows. */
export const memoryShownCharsMax = 8_192;
