/** Bounds of looking at processes. */

/** Rows of a table of sockets that are looked at. */
export const listenerRowsMax = 65_536;
