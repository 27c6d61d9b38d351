/** Bounds of simulated networks. */

/** Lines of a trace that are hashed at once. */
export const traceLinesMax = 256;
/** Transactions in one batch. */
export const batchTransactionsMax = 64;
/** Batches that a node keeps for blocks it has not committed. */
export const batchesMax = 4096;
/** Transactions that wait in one node. */
export const waitingTransactionsMax = 65_536;
/** Events of one run; more is a network that never comes to rest. */
export const eventsMax = 50_000_000;
/** Virtual time after which a batch that is still missing is asked for again. */
export const wantAgainMs = 100;
/** Starts of one host that power may go in, one after another. */
export const startsMax = 1000;
/** Messages that a malicious host remembers. */
export const heardMax = 512;
/** Virtual time for each view of a schedule of twins; a time-out and what follows fits several times. */
export const twinsRoundMs = 250;
/** Changes of the set of validators in one batch. */
export const changesMax = 8;
/** What follows from one registry that hosts share. */
export const registriesMax = 64;
/** Heights between two states that a host gives to whoever takes one over; it keeps the two newest. */
export const snapshotBlocks = 32;
/** Virtual time between two answers to a host that is still in an older epoch. */
export const toldMs = 250;
/** Virtual time between two looks for more, of a host that hears of a later epoch or is in no set. */
export const followMs = 400;
/** Virtual time after which a host's engine begins again while it synchronises and nothing comes. */
export const stillMs = 150;
/** Fewer blocks than this in an answer: the engine goes on from there. */
export const nearBlocks = 8;
/** Virtual time after which a host begins to synchronise again where nobody was left. */
export const syncRetryMs = 5000;
/** Blocks that a host asks the others for, one by one, before it synchronises instead. */
export const fetchesMax = 48;
/** Envelopes of a host's window of evidence; on a disk, of each of two files. */
export const keptEnvelopesMax = 2048;
