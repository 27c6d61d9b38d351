/**
 * Calls of a server that are none of its tools, by the names that actions have. They begin with a mark
 * that no tool's name can begin with.
 */

/** The start of its program: what it is given stands in the ticket. */
export const startTool = "#server/start";

/** The one request that is no message: for what it says by itself, or the rest of a broken answer. */
export const streamTool = "#stream";
