/** Bounds of memory files. `docs/limits.md` is generated from these lines. */

/** Bytes of the text of one memory. */
export const memoryBytesMax = 8 * 1024 * 1024;
/** Bytes of one record's payload. */
export const recordPayloadBytesMax = 9 * 1024 * 1024;
/** Bytes between two commits; more is committed in parts. */
export const commitBytesMax = 256 * 1024 * 1024;
/** Bytes of a segment in one record. */
export const segmentPartBytesMax = 8 * 1024 * 1024;
/** Bytes of a table or a snapshot of an index; a larger one is left out, and opening makes it again. */
export const snapshotBytesMax = 192 * 1024 * 1024;
/** Bytes of vectors that one snapshot joins; the rest is joined by later ones. */
export const joinedBytesMax = 64 * 1024 * 1024;
/** Segments that hold at one time; a file with more has no table, and is walked whole on opening. */
export const segmentsMax = 65_536;
/** Records between two commits. */
export const commitRecordsMax = 65_536;
/** Largest memory file; a full one takes no more memories. */
export const scsBytesMax = 1024 * 1024 * 1024 * 1024;
/** Ways to open one file. */
export const keySlotsMax = 8;
/** Milliseconds since 1970 of any time in a memory file: until the end of the year 9999. */
export const memoryTimeMsMax = 253_402_300_799_999;
/** Tags of one memory. */
export const memoryTagsMax = 64;
/** Bytes that opening and verifying take from the file at a time. */
export const scsWindowBytes = 1024 * 1024;
/** Memories in one proof of recall. */
export const recallAnswersMax = 1024;
/** Bytes of one proof of recall. */
export const recallProofBytesMax = 16 * 1024 * 1024;
/** Characters of a word that count; the rest of it is passed over. */
export const termCharsMax = 64;
/** Different words of a query that are asked; the first ones. */
export const queryTermsMax = 256;
/** Memories that a word index takes: one more than its highest number. */
export const wordMemoriesMax = 2 ** 24;
/** Bytes of the lists of a word index in memory. */
export const wordListBytesMax = 2 ** 31;
/** Bytes of words that are in no segment of the file yet; then they become one. About. */
export const wordTailBytesMax = 4 * 1024 * 1024;
/** Bytes of a segment of words that others are joined to. */
export const wordSegmentBytesMax = 16 * 1024 * 1024;
/** Bytes of the proof in a slice that is shared. */
export const sliceProofBytesMax = 15 * 1024 * 1024;
/** Characters of the checkpoint in a slice. */
export const sliceNoteCharsMax = 16_384;
/** Slices that one memory file takes from others in its life. */
export const slicesReceivedMax = 65_536;
/** Characters of a text that an embedder is given; the beginning. */
export const embedTextCharsMax = 32_768;
/** Texts that an embedder is given at once. */
export const embedTextsPerCall = 64;
/** Characters of a memory that an importer makes of prose; longer text is cut into several. */
export const importTextCharsMax = 2000;
/** Characters of one line of a file that is imported; a longer one is passed over and reported. */
export const importLineCharsMax = 8 * 1024 * 1024;
/** Characters of one conversation of an export; a longer one is passed over and reported. */
export const importElementCharsMax = 64 * 1024 * 1024;
/** Messages of one conversation that are read. */
export const importMessagesMax = 100_000;
/** Memories of one commit of an import. */
export const importBatchMemories = 512;
/** Characters of one commit of an import; the memory that reaches them is the last. */
export const importBatchChars = 1024 * 1024;
/** Reports of what was passed over that an import keeps; the others are counted. */
export const importReportsMax = 20;
/** Vectors that opening adds to an index; with more to add, the index waits for `rebuild`. */
export const indexedOnOpeningMax = 20_000;
/** Vectors of an index that is made anew at once when something is forgotten. */
export const indexedOnForgettingMax = 1024;
/** Memories of one segment of vectors that small ones are joined to. */
export const vectorSegmentMemoriesMax = 4096;
