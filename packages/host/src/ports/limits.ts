/** Bounds of the ports on Node. */

/** Longest string value of a log field, in UTF-16 units; the rest is cut. */
export const logValueUnitsMax = 256;
/** Most fields that one log line carries, those of its parents included. */
export const logFieldsMax = 32;
/** Free bytes below which a data folder is not opened: what follows could not be recorded. */
export const dataFreeBytesMin = 8 * 1024 * 1024;
/** Largest FORMAT file that is read. */
export const dataFormatBytesMax = 4096;
/** Bytes of the holder's process id that are read from a lock file. */
export const lockHolderBytesMax = 16;
/** After a program ended: how long its descendants may keep its output open. */
export const spawnDrainMs = 1000;
/** Most entries that one scan of the key-value store returns. */
export const keyValueScanMax = 10_000;
/** Inputs that wait for a machine; a full queue refuses. */
export const machineInputsMax = 4096;
/** A write up to this size goes to the page cache on the calling thread, in bytes. */
export const syncWriteBytesMax = 65_536;
/** How long a line of a log that only informs may wait for others, in milliseconds. */
export const logDelayMs = 10;
/** Lines of a log that wait, in characters. */
export const logDelayCharsMax = 16_384;
