/** Bounds of memory files. `docs/limits.md` is generated from these lines. */

/** Bytes of the text of one memory. */
export const memoryBytesMax = 8 * 1024 * 1024;
/** Bytes of one record's payload. */
export const recordPayloadBytesMax = 9 * 1024 * 1024;
/** Bytes between two commits; more is committed in parts. */
export const commitBytesMax = 64 * 1024 * 1024;
/** Records between two commits. */
export const commitRecordsMax = 65_536;
/** Largest memory file; a full one takes no more memories. */
export const scsBytesMax = 1024 * 1024 * 1024 * 1024;
/** Ways to open one file. */
export const keySlotsMax = 8;
/** Tags of one memory. */
export const memoryTagsMax = 64;
/** Bytes that opening and verifying take from the file at a time. */
export const scsWindowBytes = 1024 * 1024;
