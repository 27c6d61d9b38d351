/**
 * Whether the bytes that go to an MCP server are what their action names: the call of that tool with
 * those arguments, that method, or one of the few messages that open a connection. A driver makes the
 * bytes; egress reads them again before anything leaves. Readers that take names loosely, in either
 * case, would act on what stands beside those that were judged: there is nothing beside them.
 *
 * Source: JSON-RPC 2.0, MCP. Invariant: a call of a tool leaves under no other action's ticket.
 */
import { equalBytes } from "@ioi/base";
import { type Action, encodeCanonical, type JsonValue, parseJson } from "@ioi/wire";
import { canonicalJson } from "../kinds/data.ts";
import {
  answerTool,
  connectTool,
  isKeeping,
  openingTools,
  streamTool,
  toolOfMethod,
} from "./server-calls.ts";

type JsonObject = { readonly [name: string]: JsonValue };

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const members: ReadonlySet<string> = new Set([
  "jsonrpc",
  "id",
  "method",
  "params",
  "result",
  "error",
]);

/**
 * What a call of a tool may hold beside its name and arguments. `inputResponses` answer what the
 * server asked for in a result that was judged when it came.
 */
const callMembers: ReadonlySet<string> = new Set([
  "name",
  "arguments",
  "_meta",
  "task",
  "inputResponses",
  "requestState",
]);

const outside = (known: ReadonlySet<string>, of: JsonObject): string | undefined =>
  Object.keys(of).find((name) => !known.has(name));

/** A name in it that no message has. */
export const strayMember = (message: JsonObject): string | undefined => outside(members, message);

/** A name in its parameters that no call of a tool has. */
export const strayOfCall = (params: JsonObject): string | undefined => outside(callMembers, params);

/** The value is the one that was judged. */
const isJudged = (given: JsonValue, judged: Action["args"][string] | undefined): boolean => {
  const made = canonicalJson(given);
  return (
    made.ok &&
    judged !== undefined &&
    equalBytes(encodeCanonical(made.value), encodeCanonical(judged))
  );
};

const complaintOf = (message: JsonObject, { args }: Action): string | undefined => {
  const { tool, arguments: judged } = args;
  const { method, params = {} } = message;
  if (typeof tool !== "string" || tool === streamTool) return "the action has no message";
  if (strayMember(message) !== undefined) return "it holds more than a message does";
  if (tool === answerTool) return method === undefined ? undefined : "it is no answer";
  if (typeof method !== "string" || !isObject(params)) return "it is no call";
  if (tool === connectTool)
    return openingTools.has(toolOfMethod(method)) ? undefined : "it opens no connection";
  if (tool.startsWith("#")) {
    // A name that was cut short may be another's.
    if (`#${method}` !== tool) return "it is another method";
    const { _meta: _unjudged, ...given } = params;
    return isKeeping(tool) || isJudged(given, judged) ? undefined : "its parameters are others";
  }
  if (method !== "tools/call" || params["name"] !== tool) return "it is another call";
  if (strayOfCall(params) !== undefined) return "it holds more than a call does";
  return isJudged(params["arguments"] ?? {}, judged) ? undefined : "its arguments are others";
};

/** Why the bytes are not the action's message; undefined where they are. */
export const messageComplaint = (action: Action, bytes: Uint8Array): string | undefined => {
  const parsed = parseJson(bytes);
  if (!parsed.ok) return parsed.error.message;
  return isObject(parsed.value) ? complaintOf(parsed.value, action) : "it is no message";
};
