/** Bounds of the Orchestrator. */

/** Numbers that are reserved on disk at once: a crash skips at most so many, none is given twice. */
export const orderReserve = 1024;
/** Ports that are tried when the wanted one is busy. */
export const portsTriedMax = 50;
/** Connections the public ports accept at once. */
export const connectionsMax = 256;
/** Wait for the series of the other processes, in milliseconds. */
export const scrapeMs = 2000;
/** Commitments after which their log starts anew. */
export const commitmentsMax = 100_000;
