/** Bounds of backups of a data folder. */

/** One piece of an archive, in bytes, before it is sealed. */
export const backupChunkBytes = 1_048_576;
/** Entries of one archive. */
export const backupEntriesMax = 1_000_000;
/** What is said of one entry, in bytes. */
export const backupEntryBytesMax = 16_384;
/** The manifest at the end of an archive, in bytes. */
export const backupManifestBytesMax = 65_536;
/** Characters of a passphrase. */
export const passphraseCharsMax = 1024;
