/**
 * What a gate without a person asks its client: `elicitation/create` about one call that is held. Pure.
 *
 * Source: MCP 2025-11-25 (a request to the client) and 2026-07-28 (a result that needs input, and the
 * call again with the answer in it). The answer is what the client says that its user said: it is a
 * claim, and whoever reads it says so.
 * Invariants: nothing is asked of a client that did not declare forms; a call is asked about once; what
 * comes again is the call that was asked about. Bounds: one question for each held call.
 */
import type { JsonValue } from "@ioi/wire";
import { mcpNameCharsMax } from "../limits.ts";
import {
  errorMessage,
  invalidParamsCode,
  isJsonObject,
  isStateless,
  type JsonObject,
  type McpMessage,
  notificationMessage,
  ownPrefix,
  requestMessage,
  resultMessage,
} from "./messages.ts";
import type { HeldCall, Request } from "./relay-parts.ts";

export type ClientAnswer = "accept" | "decline" | "cancel";

/** Stands in every id and state of a question, so that only messages with it need a look. */
export const questionMark = `${ownPrefix}ask-`;

export type Heard =
  /** Nothing of ours. */
  | { readonly type: "other" }
  /** Nobody waits for it any more. */
  | { readonly type: "late" }
  | { readonly type: "answer"; readonly key: number; readonly answer: ClientAnswer }
  | {
      readonly type: "again";
      readonly key: number;
      readonly answer: ClientAnswer;
      readonly call: HeldCall;
    }
  | { readonly type: "refused"; readonly bytes: Uint8Array };

export interface Question {
  readonly bytes: Uint8Array;
  /** It is the answer to the call, which comes again. */
  readonly parks: boolean;
}

interface Waiting {
  readonly key: number;
  readonly request: Request;
}

const capabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
const infoKey = "io.modelcontextprotocol/clientInfo";

/** Forms are what a client that says nothing more of elicitation can show. */
const showsForms = (capabilities: JsonValue | undefined): boolean => {
  const elicitation = isJsonObject(capabilities) ? capabilities["elicitation"] : undefined;
  if (!isJsonObject(elicitation)) return false;
  return isJsonObject(elicitation["form"]) || elicitation["url"] === undefined;
};

const nameOf = (info: JsonValue | undefined): string => {
  const name = isJsonObject(info) ? info["name"] : undefined;
  return typeof name === "string" ? name.slice(0, mcpNameCharsMax) : "";
};

const answerOf = (value: JsonValue | undefined): ClientAnswer => {
  const action = isJsonObject(value) ? value["action"] : undefined;
  return action === "accept" || action === "decline" ? action : "cancel";
};

const sameCall = (a: JsonObject, b: JsonObject): boolean =>
  a["name"] === b["name"] &&
  JSON.stringify(a["arguments"] ?? {}) === JSON.stringify(b["arguments"] ?? {});

const answerFields = ["inputResponses", "requestState"] as const;

/** The call as the server is to hear it: with what it had of the server's own questions, not ours. */
const callAgain = ({ id, method, params }: Request, before: Request): HeldCall => {
  const kept: Record<string, JsonObject[string]> = { ...params };
  for (const field of answerFields) {
    delete kept[field];
    const own = before.params[field];
    if (own !== undefined) kept[field] = own;
  }
  const request: Request = { type: "request", id, method, params: kept };
  return { request, bytes: requestMessage(id, method, kept) };
};

export class ClientQuestions {
  #showsForms = false;
  #name = "";
  /** By the id of our request, or by the state of our result. */
  readonly #waiting: Map<string, Waiting> = new Map();
  #last = 0;

  /** What the client calls itself; a claim. */
  nameOf({ params }: Request): string {
    const meta = params["_meta"];
    const own = isJsonObject(meta) ? nameOf(meta[infoKey]) : "";
    return own === "" ? this.#name : own;
  }

  /** Undefined where the client cannot be asked. */
  ask(key: number, request: Request, message: string): Question | undefined {
    const meta = request.params["_meta"];
    const parks = isStateless(request.params);
    const shows = parks
      ? showsForms(isJsonObject(meta) ? meta[capabilitiesKey] : undefined)
      : this.#showsForms;
    if (!shows) return undefined;
    const mark = `${questionMark}${++this.#last}`;
    this.#waiting.set(mark, { key, request });
    const params = { message, requestedSchema: { type: "object", properties: {} } };
    const method = "elicitation/create";
    if (!parks) return { parks, bytes: requestMessage(mark, method, params) };
    const inputRequests = { [ownPrefix]: { method, params: { mode: "form", ...params } } };
    const result = { resultType: "input_required", inputRequests, requestState: mark };
    return { parks, bytes: resultMessage(request.id, result) };
  }

  /** Whether a message of the client answers a question of ours. */
  heard(message: McpMessage): Heard {
    if (message.type === "result" || message.type === "error") {
      const { id } = message;
      if (typeof id !== "string" || !id.startsWith(questionMark)) return { type: "other" };
      const waiting = this.#take(id);
      if (waiting === undefined) return { type: "late" };
      const answer = message.type === "result" ? answerOf(message.result) : "cancel";
      return { type: "answer", key: waiting.key, answer };
    }
    if (message.type !== "request") return { type: "other" };
    if (message.method === "initialize") {
      this.#showsForms = showsForms(message.params["capabilities"]);
      this.#name = nameOf(message.params["clientInfo"]);
      return { type: "other" };
    }
    const state = message.params["requestState"];
    const isOurs = typeof state === "string" && state.startsWith(questionMark);
    return isOurs ? this.#again(message, state) : { type: "other" };
  }

  #again(request: Request, state: string): Heard {
    const waiting = this.#take(state);
    const refused = (why: string): Heard => ({
      type: "refused",
      bytes: errorMessage(request.id, invalidParamsCode, why),
    });
    if (waiting === undefined) return refused("nobody waits for this answer any more");
    const { key, request: before } = waiting;
    if (request.method !== before.method || !sameCall(request.params, before.params)) {
      return refused("this is not the call that was asked about");
    }
    const responses = request.params["inputResponses"];
    const answer = answerOf(isJsonObject(responses) ? responses[ownPrefix] : undefined);
    return { type: "again", key, answer, call: callAgain(request, before) };
  }

  #take(mark: string): Waiting | undefined {
    const waiting = this.#waiting.get(mark);
    this.#waiting.delete(mark);
    return waiting;
  }

  /** Nobody waits for the answer any more; what the client is told, where it is told anything. */
  forget(key: number): Uint8Array | undefined {
    for (const [mark, { key: of, request }] of this.#waiting) {
      if (of !== key) continue;
      this.#waiting.delete(mark);
      if (isStateless(request.params)) return undefined;
      return notificationMessage("notifications/cancelled", { requestId: mark });
    }
    return undefined;
  }
}
