/** What a relay keeps and says: its effects, what waits in it, and its denials. Pure. */
import type { CryptoProvider } from "@ioi/crypto";
import { mcpToolsMax } from "../limits.ts";
import type { ToolDefinition } from "./definitions.ts";
import type { JudgedCall } from "./judged.ts";
import {
  deniedCode,
  errorMessage,
  isStateless,
  type JsonObject,
  type McpMessage,
  type MessageId,
  resultMessage,
  toolDenial,
} from "./messages.ts";

export interface RelayOptions {
  readonly provider: Pick<CryptoProvider, "sha256">;
  /** Of the server: what stands for the definition of a method. */
  readonly identity: Uint8Array;
}

/** Of a tool that no list names. */
export const noDefinition: Uint8Array = new Uint8Array(32);

export type RelayEffect =
  | { readonly type: "to-client" | "to-server"; readonly bytes: Uint8Array }
  /** Waits for `permit` or `refuse`. */
  | {
      readonly type: "hold";
      readonly key: number;
      readonly side: "client" | "server";
      readonly call: JudgedCall;
      readonly definition: Uint8Array;
    }
  /** The other side's answer to what was permitted; `ok` unless it says that it failed. */
  | {
      readonly type: "answered";
      readonly key: number;
      readonly ok: boolean;
      readonly bytes: number;
    }
  /** Nobody wants it any more; `sent`: it was permitted, and may have been done. */
  | { readonly type: "dropped"; readonly key: number; readonly sent: boolean }
  /** Waits for `offer`. */
  | {
      readonly type: "define";
      readonly serial: number;
      readonly tools: readonly ToolDefinition[];
    }
  /** A side broke the protocol; its message went nowhere. */
  | { readonly type: "fault"; readonly side: "client" | "server"; readonly message: string };

export type Request = Extract<McpMessage, { readonly type: "request" }>;

/** A request that waits for its answer. */
export interface Open {
  readonly request: Request;
  /** Of a judged one. */
  readonly key: number | undefined;
}

export interface HeldCall {
  readonly request: Request;
  readonly bytes: Uint8Array;
}

export type Held =
  /** A request of the client: the server hears it when it is permitted. `parked`: asked about. */
  | (HeldCall & { readonly type: "call"; readonly parked?: true })
  /** A request of the server. */
  | { readonly type: "ask"; readonly request: Request; readonly bytes: Uint8Array }
  /** One of the requests inside a result of the server, all of which must be permitted. */
  | { readonly type: "input"; readonly result: HeldResult };

export interface HeldResult {
  readonly request: Request;
  readonly bytes: Uint8Array;
  readonly waits: Set<number>;
}

/** A list of tools that waits for what may be offered of it. */
export interface Listing {
  /** The client's request; undefined for a list of our own. */
  readonly request: Request | undefined;
  readonly result: JsonObject;
  readonly bytes: Uint8Array;
}

/** A list of our own, page by page. */
export interface OwnList {
  readonly envelope: JsonObject;
  pages: number;
  waiting: { readonly request: Request; readonly bytes: Uint8Array }[];
}

/** Its client was answered with a question, and waits for nothing. */
export const isParked = (held: Held): boolean => held.type === "call" && held.parked === true;

/** The newest `mcpToolsMax` of what lists said. */
export const noteDefinitions = (
  known: Map<string, Uint8Array>,
  defined: readonly ToolDefinition[],
): void => {
  for (const { name, hash } of defined) known.set(name, hash);
  for (const name of known.keys()) {
    if (known.size <= mcpToolsMax) break;
    known.delete(name);
  }
};

export const withoutTools = (
  id: MessageId,
  result: JsonObject,
  withheld: ReadonlySet<string>,
): Uint8Array => {
  const tools = (result["tools"] as readonly JsonObject[]).filter(
    ({ name }) => typeof name === "string" && !withheld.has(name),
  );
  return resultMessage(id, { ...result, tools });
};

export const denial = (request: Request, text: string): Uint8Array =>
  request.method === "tools/call"
    ? toolDenial(request.id, text, isStateless(request.params))
    : errorMessage(request.id, deniedCode, text);

/** A person who does not want to answer is something that every server knows. */
export const denialToServer = (request: Request, text: string): Uint8Array =>
  request.method === "elicitation/create"
    ? resultMessage(request.id, { action: "decline" })
    : errorMessage(request.id, deniedCode, text);
