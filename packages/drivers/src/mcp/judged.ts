/**
 * Which messages a gate judges, and what of them is the action. Pure.
 *
 * A call of a tool is the tuple (server, tool) with its arguments. Every other request that is not
 * known to be harmless is judged too, under its method with `#` before it, which no tool's name can
 * begin with: reading a resource, getting a prompt, completing an argument, what a server asks of the
 * client (sampling, elicitation), and any method that this version does not know.
 */
import { err, ok, type Result } from "@ioi/base";
import { isNoMethod, strayOfCall } from "@ioi/firewall/net";
import { mcpMetaBytesMax } from "../limits.ts";
import { isJsonObject, type JsonObject } from "./messages.ts";

/** Requests of a client that neither carry data to the server nor make it do something. */
const harmlessOfClient: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "server/discover",
  "tools/list",
  "resources/list",
  "resources/templates/list",
  "resources/subscribe",
  "resources/unsubscribe",
  "subscriptions/listen",
  "prompts/list",
  "logging/setLevel",
  "tasks/get",
  "tasks/list",
  "tasks/result",
  "tasks/cancel",
]);

/** Requests of a server that the client answers about itself. */
const harmlessOfServer: ReadonlySet<string> = new Set(["ping", "roots/list"]);

export const isJudgedOfClient = (method: string): boolean => !harmlessOfClient.has(method);
export const isJudgedOfServer = (method: string): boolean => !harmlessOfServer.has(method);

export interface JudgedCall {
  readonly tool: string;
  readonly args: JsonObject;
}

const metaFits = (params: JsonObject): boolean => {
  const meta = params["_meta"];
  return meta === undefined || JSON.stringify(meta).length <= mcpMetaBytesMax;
};

/** The action in `tools/call`. */
export const toolCall = (params: JsonObject): Result<JudgedCall, string> => {
  const { name } = params;
  const args = params["arguments"] ?? {};
  if (typeof name !== "string" || name === "" || name.startsWith("#")) {
    return err("a tool has a name");
  }
  if (!isJsonObject(args)) return err("arguments are an object");
  const other = strayOfCall(params);
  if (other !== undefined) return err(`a call has no ${JSON.stringify(other.slice(0, 64))}`);
  if (!metaFits(params)) return err(`_meta has more than ${mcpMetaBytesMax} bytes`);
  return ok({ tool: name, args });
};

/** The action in any other judged request. */
export const methodCall = (method: string, params: JsonObject): Result<JudgedCall, string> => {
  if (!metaFits(params)) return err(`_meta has more than ${mcpMetaBytesMax} bytes`);
  const { _meta: _unjudged, ...args } = params;
  const tool = `#${method}`;
  return isNoMethod(tool) ? err("no method is called so") : ok({ tool, args });
};

/** Requests inside a result of 2026-07-28 that the client is to answer. */
export const inputRequests = (
  result: JsonObject,
): Result<readonly { readonly method: string; readonly params: JsonObject }[], string> => {
  if (result["resultType"] !== "input_required") return ok([]);
  const requests = result["inputRequests"] ?? {};
  if (!isJsonObject(requests)) return err("inputRequests is an object");
  const all: { method: string; params: JsonObject }[] = [];
  for (const each of Object.values(requests)) {
    if (!isJsonObject(each) || typeof each["method"] !== "string") {
      return err("an input request has a method");
    }
    const params = each["params"] ?? {};
    if (!isJsonObject(params)) return err("params of an input request are an object");
    if (isJudgedOfServer(each["method"])) all.push({ method: each["method"], params });
  }
  return ok(all);
};
