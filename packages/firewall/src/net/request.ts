/**
 * The one HTTP request that an action permits. The driver makes it, egress carries it, the Guardian
 * leases for it: all three read it here, from the action.
 */
import { err, ok, type Result } from "@ioi/base";
import type { Action, CanonicalValue } from "@ioi/wire";
import { modelEmbedUrl, modelRequestUrl } from "../model-url.ts";
import { sameOrigin } from "./redirects.ts";
import { streamTool } from "./server-calls.ts";
import { type CanonicalUrl, parseCanonicalUrl } from "./url.ts";

export interface PermittedRequest {
  readonly method: string;
  readonly url: CanonicalUrl;
  /** Exactly these; undefined: the driver's own, of the names in `driverHeaders`. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** `none`; what the action's content commits to; or made by the driver from the content. */
  readonly body:
    | { readonly type: "none" }
    | { readonly type: "exact"; readonly sha256: Uint8Array; readonly length: number }
    | { readonly type: "made" };
  /** Name of the secret that the Guardian adds. */
  readonly secret: string | undefined;
  /** A redirect of the answer from here is followed: egress knows whether there was one. */
  readonly from?: CanonicalUrl;
}

/** Headers that a driver which makes its own body may set. */
export const driverHeaders: ReadonlySet<string> = new Set([
  "accept",
  "anthropic-beta",
  "anthropic-version",
  "content-type",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
]);

type Values = { readonly [name: string]: CanonicalValue };

const isMap = (value: CanonicalValue | undefined): value is Values =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array);

const textOf = (args: Values, name: string): string | undefined => {
  const value = Object.hasOwn(args, name) ? args[name] : undefined;
  return typeof value === "string" ? value : undefined;
};

const headersOf = (args: Values): Result<Readonly<Record<string, string>>, string> => {
  const value = Object.hasOwn(args, "headers") ? args["headers"] : undefined;
  if (value === undefined) return ok({});
  if (!isMap(value)) return err("headers are no map");
  const headers: Record<string, string> = {};
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string") return err(`header ${name} is no text`);
    headers[name] = text;
  }
  return ok(headers);
};

const bodyOf = (args: Values): Result<PermittedRequest["body"], string> => {
  const value = Object.hasOwn(args, "content") ? args["content"] : undefined;
  if (value === undefined) return ok({ type: "none" });
  const { sha256, length } = isMap(value) ? value : {};
  return sha256 instanceof Uint8Array && typeof length === "number"
    ? ok({ type: "exact", sha256, length })
    : err("content is no reference");
};

const netRequest = (action: Action, method: string): Result<PermittedRequest, string> => {
  const url = parseCanonicalUrl(textOf(action.args, "url") ?? "");
  const headers = headersOf(action.args);
  const body = bodyOf(action.args);
  if (!url.ok) return url;
  if (!headers.ok) return headers;
  if (!body.ok) return body;
  const secret = textOf(action.args, "secret");
  return ok({ method, url: url.value, headers: headers.value, body: body.value, secret });
};

const modelRequest = (
  { args }: Action,
  urlOf: (protocol: string, base: string) => string | undefined,
): Result<PermittedRequest, string> => {
  const wanted = urlOf(textOf(args, "protocol") ?? "", textOf(args, "url") ?? "");
  if (wanted === undefined) return err("the protocol has no such request");
  const url = parseCanonicalUrl(wanted);
  if (!url.ok) return url;
  return ok({
    method: "POST",
    url: url.value,
    headers: undefined,
    body: { type: "made" },
    secret: undefined,
  });
};

/**
 * One message to an MCP server: where to is what the driver found, and the Guardian compares; or where
 * the server sent it on, which is an address of the same origin.
 */
const toolRequest = ({ facts, args }: Action): Result<PermittedRequest, string> => {
  const server = parseCanonicalUrl(facts["server"]?.realPath ?? "");
  if (!server.ok) return err("the server is not reached over HTTP");
  const address = Object.hasOwn(args, "address") ? args["address"] : undefined;
  const url = address === undefined ? server : parseCanonicalUrl(textOf(args, "address") ?? "");
  if (!url.ok || !sameOrigin(url.value, server.value)) return err("it leads to another server");
  const listens = textOf(args, "tool") === streamTool;
  return ok({
    ...(address === undefined ? {} : { from: server.value }),
    method: listens ? "GET" : "POST",
    url: url.value,
    headers: undefined,
    body: { type: listens ? "none" : "made" },
    secret: undefined,
  });
};

/** The request of an action; an action that makes none is refused. */
export const permittedRequest = (action: Action): Result<PermittedRequest, string> => {
  switch (action.target) {
    case "net::get":
      return netRequest(action, textOf(action.args, "method") ?? "GET");
    case "net::post":
      return netRequest(action, textOf(action.args, "method") ?? "");
    case "model::infer":
      return modelRequest(action, modelRequestUrl);
    case "model::embed":
      return modelRequest(action, modelEmbedUrl);
    case "mcp::call":
      return toolRequest(action);
    default:
      return err(`${action.target} makes no request`);
  }
};
