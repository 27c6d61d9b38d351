/** Bounds of the launcher. */

/** Bytes of the file that names the users of a service. */
export const identitiesBytesMax = 16_384;
/** Programs that hold a kernel beside the command that started it. */
export const holdersMax = 256;
/** Wait before the first restart of the kernel's processes, in milliseconds; doubles each time. */
export const restartFirstMs = 50;
/** Longest wait before a restart, in milliseconds. */
export const restartMostMs = 5_000;
/** A kernel that ran this long starts its waits anew, in milliseconds. */
export const healthyMs = 1_000;
/** How long the processes may take to become ready, in milliseconds. */
export const bootMs = 60_000;
/** From the end of a process's channel until its own is known, in milliseconds. */
export const endKnownMs = 1_000;
/** How long the processes may take to drain, in milliseconds. */
export const drainMs = 6_000;
/** Size at which a log file is rotated, in bytes. */
export const logFileBytesMax = 4_194_304;
/** Rotated log files that are kept. */
export const logFilesMax = 4;
/** Longest line of a log, in characters. */
export const logLineCharsMax = 8_192;
/** Wait between two looks at what undo keeps too long or too much of, in milliseconds (1 hour). */
export const vaultCareMs = 3_600_000;
/** Copies of a data folder of one older format that are kept in it. */
export const formatCopiesMax = 8;
/** Drivers that may run at once. */
export const driversMax = 128;
/** Wait for the series of one process, in milliseconds. */
export const metricsMs = 1000;
/** Names of folders in one answer to a chooser. */
export const foldersListedMax = 1000;
/** Entries of a folder that are looked at for a chooser. */
export const foldersLookedAtMax = 20_000;
/** Folders with the tour's name that are tried. */
export const tourFoldersMax = 9;
/** What the self-test may say, in bytes. */
export const doctorBytesMax = 1_048_576;
/** How long the self-test may take, in milliseconds. */
export const doctorMs = 120_000;
/** Authorities of this machine that egress is told. */
export const authoritiesMax = 2_000;
/** Certificates of this machine that egress is told, in characters. */
export const authoritiesBytesMax = 4_194_304;
/** Ports that are tried for the page when the wanted one is busy. */
export const pagePortsTriedMax = 50;
/** How long the build of the page may take, in milliseconds. */
export const pageBuildMs = 180_000;
/** What the build of the page may say, in characters. */
export const pageBuildTextMax = 4_096;
/** Wait for egress to cut the requests of a stopped session, in milliseconds. */
export const cutMs = 800;
/** Characters of what a self-test says that it tries. */
export const doctorStepCharsMax = 200;
