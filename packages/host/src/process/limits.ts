/** Bounds of a process of the kernel. */

/** Configuration that the launcher hands to a process, in bytes. */
export const processConfigBytesMax = 262_144;
/** How long a process may take to make everything durable when it is drained, in milliseconds. */
export const drainMs = 5_000;
