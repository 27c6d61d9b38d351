/** Bounds of consensus. */

/** Validators of one set. */
export const validatorsMax = 256;
/** Power of a whole set, so that no sum of powers leaves 64 bits. */
export const totalPowerMax: bigint = (1n << 62n) - 1n;
/** Views of one leader. */
export const tenureViews = 16n;
/** Last view that anything but a freeze may be signed in. */
export const lastView: bigint = (1n << 64n) - 2n;
/** A Guardian writes to its anchor, so many views at a time, how far it may sign: twice this at most. */
export const leaseViews = 64n;
/** The end of an epoch registers no lease that ends further above it. */
export const leaseAheadMax: bigint = 2n * leaseViews;
/** Headers between the block that ends an epoch and the one whose commit commits it. */
export const epochPathMax = 256;
/** Views above its own that a host keeps single envelopes of; whole certificates have no such bound. */
export const viewsAhead = 64n;
/** Views whose votes and time-outs a host counts at once. */
export const talliedViewsMax = 160;
/** Blocks above the last committed one that a host keeps. */
export const blocksMax = 4096;
/** Certificates that a host keeps of blocks it does not hold. */
export const orphanCertsMax = 64;
/** Epochs, the newest, whose sets and ends a host keeps. */
export const epochsKeptMax = 64;
/** Newest envelopes of one Guardian that later ones are compared with. */
export const envelopesPerGuardianMax = 256;
/** Blocks that wait for their parents, and blocks that are asked for, at once. */
export const missingBlocksMax = 256;
/** Blocks of one answer to a node that synchronises. */
export const syncBlocksMax = 512;
/** Bytes of blocks in such an answer, so that it stays below a message. */
export const syncBytesMax = 3_145_728;
/** Peers that a node synchronises from at once. */
export const syncPeersMax = 64;
/** Peers that answered wrongly and are remembered for it. */
export const syncBannedMax = 1024;
/** An answer is waited for so long, in milliseconds; then another peer is asked. */
export const syncAnswerMs = 4000;
/** Parts of a state that is taken over. */
export const snapshotPartsMax = 65_536;
/** Bytes of one of them. */
export const snapshotPartBytesMax = 1_048_576;
/** Bytes of what lists the hashes of all parts. */
export const snapshotManifestBytesMax = 4_194_304;
/** Signatures that fitted and are not checked again. */
export const verifiedMax = 8192;
/** Proofs of divergence that are verified in one window of `divergenceWindowMs`. */
export const divergenceChecksMax = 16;
/** The window of `divergenceChecksMax`, in milliseconds. */
export const divergenceWindowMs = 1000;
/** A voter's clock may differ from a proposer's by so much beyond two network delays, in milliseconds. */
export const clockDriftMsMax = 500;
/** Longest time-out of a view, in milliseconds. */
export const viewTimeoutMsMax = 60_000;
/** Blocks are proposed at least so far apart, in milliseconds. */
export const blockIntervalMs = 10;
/** A block is proposed after so long even if there is nothing to commit, in milliseconds. */
export const heartbeatMs = 2000;
/** Own votes for what is not committed that a host knows, for answers about grade S. */
export const guardVotesMax = 1024;
/** Newest committed blocks of which a host knows its votes, and that may be asked about. */
export const guardBlocksMax = 1024;
/** Votes that one answer about grade S shows. */
export const guardAnswerVotesMax = 16;
/** The end of an epoch after which another set decides waits so long for F2, in milliseconds. */
export const endWaitMs = 2000;
