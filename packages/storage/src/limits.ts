/** Bounds of storage. */

/** Largest payload of one record of a write-ahead log. */
export const walPayloadBytesMax = 16 * 1024 * 1024;
/** Largest write-ahead log; a full one takes no more records. */
export const walBytesMax = 4 * 1024 * 1024 * 1024;
/** Bytes that one write of a write-ahead log gathers before it starts the next. */
export const walBatchBytesMax = 4 * 1024 * 1024;
/** Records that wait to be written; more are refused. */
export const walQueueMax = 16_384;
/** Bytes of records that wait to be written; more are refused. */
export const walQueueBytesMax = 64 * 1024 * 1024;
/** Bytes that recovery and reading take from the file at a time. */
export const walWindowBytes = 1024 * 1024;
