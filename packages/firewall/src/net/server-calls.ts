/**
 * Calls of a server that are none of its tools, by the names that actions have. They begin with a mark
 * that no tool's name can begin with.
 */

/** The start of its program: what it is given stands in the ticket. */
export const startTool = "#server/start";

/** The opening of a connection to a server elsewhere: its first messages under one ticket. */
export const connectTool = "#server/connect";

/** The one request that is no message: for what it says by itself, or the rest of a broken answer. */
export const streamTool = "#stream";

/** The client's answer to a question of the server that was permitted before, or a refusal of one. */
export const answerTool = "#answer";

const noMethods: ReadonlySet<string> = new Set([startTool, connectTool, streamTool, answerTool]);

/** It is ours alone: a method of that name would be taken for it. */
export const isNoMethod = (tool: string): boolean => noMethods.has(tool);

/** The name of a method in an action. */
export const toolOfMethod = (method: string): string => `#${method}`.slice(0, 128);

/** Messages that may go under the ticket of a connection's opening. */
export const openingTools: ReadonlySet<string> = new Set([
  "#initialize",
  "#notifications/initialized",
  "#ping",
  "#server/discover",
  "#tools/list",
]);

const keeping: ReadonlySet<string> = new Set([
  startTool,
  connectTool,
  ...openingTools,
  "#resources/list",
  "#resources/templates/list",
  "#resources/subscribe",
  "#resources/unsubscribe",
  "#subscriptions/listen",
  "#prompts/list",
  "#logging/setLevel",
  "#tasks/get",
  "#tasks/list",
  "#tasks/result",
  "#tasks/cancel",
  "#notifications/cancelled",
  "#notifications/progress",
  "#notifications/roots/list_changed",
  answerTool,
  streamTool,
]);

/** It keeps a connection, and neither calls nor reads anything: its parameters are not judged. */
export const isKeeping = (tool: string): boolean => keeping.has(tool);
