/**
 * JSON-RPC 2.0 messages of the Model Context Protocol as far as a gate has to understand them.
 *
 * Source: JSON-RPC 2.0; MCP 2025-11-25 and 2026-07-28, base protocol (no batches, ids are text or
 * integers and never null). Pure.
 * Invariants: a message has one meaning (strict JSON: no key twice, no lone surrogates); what is none
 * of request, notification and response is refused, and so is what names anything beside. Bounds: `mcpMessageBytesMax`, `mcpNameCharsMax`.
 */
import { err, ok, type Result, utf8Encode } from "@ioi/base";
import { strayMember } from "@ioi/firewall/net";
import { type JsonValue, parseJson } from "@ioi/wire";
import { mcpMessageBytesMax, mcpNameCharsMax } from "../limits.ts";

export type JsonObject = { readonly [name: string]: JsonValue };
export type MessageId = string | number;

export const isJsonObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export type McpMessage =
  | {
      readonly type: "request";
      readonly id: MessageId;
      readonly method: string;
      readonly params: JsonObject;
    }
  | { readonly type: "notification"; readonly method: string; readonly params: JsonObject }
  | { readonly type: "result"; readonly id: MessageId; readonly result: JsonObject }
  | { readonly type: "error"; readonly id: MessageId | null; readonly error: JsonObject };

/** Why something is no message; `id` where the sender can be told. */
export interface Malformed {
  readonly message: string;
  readonly code: number;
  readonly id: MessageId | null;
}

/** Codes of JSON-RPC. */
export const parseErrorCode = -32_700;
export const invalidRequestCode = -32_600;
export const invalidParamsCode = -32_602;
export const internalErrorCode = -32_603;
/** Of ours, in the range that is left to implementations: the gate did not let it through. */
export const deniedCode = -32_040;

const idOf = (value: JsonValue | undefined): MessageId | undefined =>
  (typeof value === "string" && value.length <= mcpNameCharsMax) ||
  (typeof value === "number" && Number.isSafeInteger(value))
    ? value
    : undefined;

/** Ids of our own requests: neither side may use them for its own. */
export const ownPrefix = "ioi/";

/** Ids of both types side by side: `1` and `"1"` are two. */
export const idKey = (id: MessageId): string => `${typeof id} ${id}`;

/** Of what may be an id. */
export const keyOf = (id: unknown): string =>
  typeof id === "string" || typeof id === "number" ? idKey(id) : "";

const malformed = (
  message: string,
  id: MessageId | undefined,
  code: number = invalidRequestCode,
): Result<never, Malformed> => err({ message, code, id: id ?? null });

const readParams = (value: JsonValue | undefined): JsonObject | undefined => {
  if (value === undefined) return {};
  return isJsonObject(value) ? value : undefined;
};

const readCall = (given: JsonObject, id: MessageId | undefined): Result<McpMessage, Malformed> => {
  const { method } = given;
  if (typeof method !== "string" || method === "" || method.length > mcpNameCharsMax) {
    return malformed("a method is text", id);
  }
  const params = readParams(given["params"]);
  if (params === undefined) return malformed("params is an object", id, invalidParamsCode);
  if (Object.hasOwn(given, "result") || Object.hasOwn(given, "error")) {
    return malformed("a message is a call or an answer, not both", id);
  }
  if (id !== undefined) return ok({ type: "request", id, method, params });
  if (Object.hasOwn(given, "id")) return malformed("an id is text or an integer", undefined);
  // A call without one may be performed all the same, and nobody would have judged it.
  return method.startsWith("notifications/")
    ? ok({ type: "notification", method, params })
    : malformed("a request has an id", undefined);
};

const readAnswer = (
  given: JsonObject,
  id: MessageId | undefined,
): Result<McpMessage, Malformed> => {
  const { result, error } = given;
  if ((result === undefined) === (error === undefined)) {
    return malformed("an answer has a result or an error, one of them", id);
  }
  if (error !== undefined) {
    return isJsonObject(error)
      ? ok({ type: "error", id: id ?? null, error })
      : malformed("an error is an object", id);
  }
  if (id === undefined) return malformed("a result has the id of its request", undefined);
  return isJsonObject(result)
    ? ok({ type: "result", id, result })
    : malformed("a result is an object", id);
};

/** One message, as it came. */
export const readMessage = (bytes: Uint8Array): Result<McpMessage, Malformed> => {
  if (bytes.length > mcpMessageBytesMax) {
    return malformed(`a message of more than ${mcpMessageBytesMax} bytes`, undefined);
  }
  const parsed = parseJson(bytes);
  if (!parsed.ok) return malformed(parsed.error.message, undefined, parseErrorCode);
  if (Array.isArray(parsed.value)) return malformed("batches are not part of MCP", undefined);
  if (!isJsonObject(parsed.value)) return malformed("a message is an object", undefined);
  const given = parsed.value;
  const id = idOf(given["id"]);
  if (given["jsonrpc"] !== "2.0") return malformed("jsonrpc is 2.0", id);
  const stray = strayMember(given);
  if (stray !== undefined) {
    return malformed(`a message has no ${JSON.stringify(stray.slice(0, 64))}`, id);
  }
  return Object.hasOwn(given, "method") ? readCall(given, id) : readAnswer(given, id);
};

const encode = (value: object): Uint8Array => utf8Encode(JSON.stringify(value));

export const requestMessage = (id: MessageId, method: string, params: JsonObject): Uint8Array =>
  encode({ jsonrpc: "2.0", id, method, params });

export const notificationMessage = (method: string, params: JsonObject): Uint8Array =>
  encode({ jsonrpc: "2.0", method, params });

export const resultMessage = (id: MessageId, result: JsonObject): Uint8Array =>
  encode({ jsonrpc: "2.0", id, result });

export const errorMessage = (id: MessageId | null, code: number, message: string): Uint8Array =>
  encode({ jsonrpc: "2.0", id, error: { code, message } });

/** Where a request of 2026-07-28 says which protocol it speaks. */
const versionKey = "io.modelcontextprotocol/protocolVersion";

/** A request of the era without sessions carries its protocol itself. */
export const isStateless = (params: JsonObject): boolean => {
  const meta = params["_meta"];
  return isJsonObject(meta) && typeof meta[versionKey] === "string";
};

/** What of a request's `_meta` another request of the same client carries too. */
export const envelopeOf = (params: JsonObject): JsonObject => {
  const meta = params["_meta"];
  if (!isJsonObject(meta)) return {};
  const kept = Object.entries(meta).filter(([key]) => key.startsWith("io.modelcontextprotocol/"));
  return kept.length === 0 ? {} : { _meta: Object.fromEntries(kept) };
};

/** The answer to a call of a tool that a model can read. */
export const toolDenial = (id: MessageId, text: string, stateless: boolean): Uint8Array =>
  resultMessage(id, {
    content: [{ type: "text", text }],
    isError: true,
    ...(stateless ? { resultType: "complete" } : {}),
  });
