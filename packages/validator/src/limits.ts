/** Bounds of a node. */

/** Transactions that wait for a block. */
export const mempoolTxsMax = 64;
/** What a node that ends waits for its last block, in milliseconds. */
export const settleMs = 1000;
/** Transactions of one block. */
export const blockTxsMax = 64;
/** At the latest after so long a block is made, in milliseconds; 0: only where there is something to commit. */
export const idleBlockMs = 0;
/** A view that lasts longer is given up, in milliseconds. Alone nobody else leads: a machine that sleeps is not late. */
export const viewMs = 60_000;
/** Blocks with transactions stand at least so far apart, in milliseconds. */
export const minBlockMs = 100;
/** A step that failed is tried again after so long at first, in milliseconds. */
export const chainRetryMs = 500;
/** A step that fails again and again is tried again after so long at most, in milliseconds. */
export const chainRetryMsMax = 60_000;
/** Checkpoints of the receipt log that the state keeps by their size; older ones are left out. */
export const checkpointsKept = 4096;
/** Newest blocks whose state can be read and proved. */
export const versionsKept = 256;
/** Blocks of one file of the chain. */
export const segmentBlocksMax = 2048;
/** Files of the chain that are kept; the oldest is removed first. */
export const segmentsKept = 128;
/** Closed files of the chain that are open for reading at once. */
export const openSegmentsMax = 2;
/** Inputs that wait for the chain's machine. */
export const chainInputsMax = 64;
/** Blocks that one call lists. */
export const listBlocksMax = 100;
/** Entries that one call scans. */
export const scanEntriesMax = 1000;
/** Evidence is kept at least so long, and for a whole epoch, in milliseconds. */
export const evidenceWindowMs = 86_400_000;
/** Bytes of evidence; the oldest goes first when there is more. */
export const evidenceBytesMax = 1_073_741_824;
/** Bytes of one file of evidence. */
export const evidenceFileBytesMax = 16_777_216;
/** Newest envelopes of one Guardian that are read at a start. */
export const evidencePerGuardian = 256;
/** Envelopes that are read at a start. */
export const evidenceKeptMax = 65_536;
/** Envelopes that are found next to one. */
export const evidenceRecallMax = 64;
/** An envelope is looked for in files that began so many views around its own. */
export const evidenceViewsApart = 128n;
