/**
 * A relay between one client and one MCP server: a machine without input and output of its own. Every
 * message of either side goes in; what may go on comes out as it came, byte for byte. What has to be
 * judged is held until {@link permit} or {@link refuse}.
 *
 * Source: MCP 2025-11-25 (initialize, requests of the server) and 2026-07-28 (no session, requests of
 * the server inside results); both are told apart message by message.
 * Invariants: nothing judged reaches the other side without `permit`; an answer reaches a side only
 * for a request of that side that waits for one, once; the client is never offered a tool that was
 * withheld. Bounds: `mcpRequestsMax` open requests of each side, `mcpHeldMax` held messages.
 */
import { mcpHeldMax, mcpPagesMax, mcpRequestsMax } from "../limits.ts";
import { definitionsOf } from "./definitions.ts";
import {
  inputRequests,
  isJudgedOfClient,
  isJudgedOfServer,
  type JudgedCall,
  methodCall,
  toolCall,
} from "./judged.ts";
import {
  deniedCode,
  envelopeOf,
  errorMessage,
  idKey,
  internalErrorCode,
  invalidParamsCode,
  invalidRequestCode,
  type JsonObject,
  keyOf,
  type McpMessage,
  type MessageId,
  ownPrefix,
  readMessage,
  requestMessage,
} from "./messages.ts";
import {
  denial,
  denialToServer,
  type Held,
  type HeldCall,
  type HeldResult,
  isParked,
  type Listing,
  noDefinition,
  noteDefinitions,
  type Open,
  type OwnList,
  type RelayEffect,
  type RelayOptions,
  type Request,
  withoutTools,
} from "./relay-parts.ts";

export type { RelayEffect } from "./relay-parts.ts";

export class McpRelay {
  readonly #options: RelayOptions;
  #effects: RelayEffect[] = [];
  readonly #ofClient: Map<string, Open> = new Map();
  readonly #ofServer: Map<string, Open> = new Map();
  readonly #held: Map<number, Held> = new Map();
  readonly #listings: Map<number, Listing> = new Map();
  readonly #definitions: Map<string, Uint8Array> = new Map();
  #ownList: OwnList | undefined;
  /** A whole list was seen since the last change. */
  #listed = false;
  #lastKey = 0;
  #lastSerial = 0;
  #lastOwn = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** What there is to do since the last call of this. */
  take(): readonly RelayEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  get held(): number {
    return this.#held.size;
  }

  fromClient(bytes: Uint8Array): void {
    const read = readMessage(bytes);
    if (!read.ok) {
      const { id, code, message } = read.error;
      this.#fault("client", message);
      this.#toClient(errorMessage(id, code, message));
      return;
    }
    const message = read.value;
    switch (message.type) {
      case "request":
        return this.#requestOfClient(message, bytes);
      case "notification":
        return this.#notificationOfClient(message.method, message.params, bytes);
      case "result":
      case "error":
        return this.#answerOfClient(message, bytes);
    }
  }

  fromServer(bytes: Uint8Array): void {
    const read = readMessage(bytes);
    if (!read.ok) {
      this.#fault("server", read.error.message);
      this.#failOpen(read.error.id, read.error.message);
      return;
    }
    const message = read.value;
    switch (message.type) {
      case "request":
        return this.#requestOfServer(message, bytes);
      case "notification":
        return this.#notificationOfServer(message.method, message.params, bytes);
      case "result":
      case "error":
        return this.#answerOfServer(message, bytes);
    }
  }

  /** A ticket permits it: it goes on as it came. */
  permit(key: number): boolean {
    const held = this.#held.get(key);
    if (held === undefined || isParked(held)) return false;
    this.#held.delete(key);
    if (held.type === "call") this.#toServer(held.bytes);
    else if (held.type === "ask") this.#toClient(held.bytes);
    else {
      held.result.waits.delete(key);
      this.#effects.push({ type: "answered", key, ok: true, bytes: held.result.bytes.length });
      if (held.result.waits.size === 0) this.#toClient(held.result.bytes);
    }
    return true;
  }

  /** Whoever asked is told in words that it can read. */
  refuse(key: number, text: string): boolean {
    const held = this.#held.get(key);
    if (held === undefined) return false;
    this.#held.delete(key);
    if (isParked(held)) return true;
    if (held.type === "call") {
      this.#ofClient.delete(idKey(held.request.id));
      this.#toClient(denial(held.request, text));
    } else if (held.type === "ask") {
      this.#ofServer.delete(idKey(held.request.id));
      this.#toServer(denialToServer(held.request, text));
    } else {
      held.result.waits.delete(key);
      for (const other of held.result.waits) this.#drop(other, false);
      this.#toClient(denial(held.result.request, text));
    }
    return true;
  }

  /** The client's call that is held under a key. */
  heldCall(key: number): HeldCall | undefined {
    const held = this.#held.get(key);
    return held?.type === "call" && !isParked(held) ? held : undefined;
  }

  /** Its client has an answer; it goes on by {@link resume} alone. */
  park(key: number, { request, bytes }: HeldCall): void {
    this.#ofClient.delete(idKey(request.id));
    this.#held.set(key, { type: "call", request, bytes, parked: true });
  }

  /** The client sends a parked call again, under another id. */
  resume(key: number, { request, bytes }: HeldCall): boolean {
    const held = this.#held.get(key);
    if (held === undefined || !isParked(held) || this.#ofClient.has(idKey(request.id)))
      return false;
    this.#ofClient.set(idKey(request.id), { request, key });
    this.#held.set(key, { type: "call", request, bytes });
    return true;
  }

  /** Which definitions of a list the client may see. */
  offer(serial: number, withheld: ReadonlySet<string>): void {
    const listing = this.#listings.get(serial);
    if (listing === undefined) return;
    this.#listings.delete(serial);
    const { request, result, bytes } = listing;
    if (request === undefined) {
      this.#ownPage(result);
      return;
    }
    if (withheld.size === 0) this.#toClient(bytes);
    else this.#toClient(withoutTools(request.id, result, withheld));
  }

  /** The list cannot be judged: it is not offered at all. */
  refuseList(serial: number, text: string): void {
    const listing = this.#listings.get(serial);
    if (listing === undefined) return;
    this.#listings.delete(serial);
    if (listing.request === undefined) this.#endOwnList();
    else this.#toClient(errorMessage(listing.request.id, deniedCode, text));
  }

  /** The server is gone: whatever waits for it is told. */
  serverEnded(text: string): void {
    for (const [key, held] of this.#held) if (held.type !== "call") this.#drop(key, false);
    for (const { request, key } of this.#ofClient.values()) {
      if (key !== undefined) this.#drop(key, !this.#held.has(key));
      this.#toClient(errorMessage(request.id, internalErrorCode, text));
    }
    this.#ofClient.clear();
    this.#ofServer.clear();
    this.#held.clear();
    this.#listings.clear();
    this.#ownList = undefined;
  }

  // -- the client

  #requestOfClient(request: Request, bytes: Uint8Array): void {
    const { id, method } = request;
    const refuse = (code: number, message: string): void => {
      this.#fault("client", message);
      this.#toClient(errorMessage(id, code, message));
    };
    if (this.#ofClient.has(idKey(id)) || String(id).startsWith(ownPrefix)) {
      refuse(invalidRequestCode, "a request with this id waits already");
      return;
    }
    if (this.#ofClient.size >= mcpRequestsMax) {
      refuse(internalErrorCode, `more than ${mcpRequestsMax} requests wait`);
      return;
    }
    if (!isJudgedOfClient(method)) {
      this.#ofClient.set(idKey(id), { request, key: undefined });
      this.#toServer(bytes);
      return;
    }
    if (method === "tools/call") {
      this.#toolCall(request, bytes, true);
      return;
    }
    const call = methodCall(method, request.params);
    if (call.ok) this.#hold(request, bytes, call.value, this.#options.identity);
    else refuse(invalidParamsCode, call.error);
  }

  /** A tool that no list named is looked for in one of our own before it is judged. */
  #toolCall(request: Request, bytes: Uint8Array, look: boolean): void {
    const call = toolCall(request.params);
    if (!call.ok) {
      this.#fault("client", call.error);
      this.#toClient(errorMessage(request.id, invalidParamsCode, call.error));
      return;
    }
    const definition = this.#definitions.get(call.value.tool);
    if (definition === undefined && look && !this.#listed) {
      this.#list(request, bytes);
      return;
    }
    this.#hold(request, bytes, call.value, definition ?? noDefinition);
  }

  #hold(request: Request, bytes: Uint8Array, call: JudgedCall, definition: Uint8Array): void {
    if (this.#held.size >= mcpHeldMax) {
      this.#fault("client", `more than ${mcpHeldMax} messages wait to be judged`);
      this.#ofClient.delete(idKey(request.id));
      this.#toClient(errorMessage(request.id, internalErrorCode, "too many calls wait"));
      return;
    }
    const key = ++this.#lastKey;
    this.#ofClient.set(idKey(request.id), { request, key });
    this.#held.set(key, { type: "call", request, bytes });
    this.#effects.push({ type: "hold", key, side: "client", call, definition });
  }

  #list(request: Request, bytes: Uint8Array): void {
    this.#ofClient.set(idKey(request.id), { request, key: undefined });
    if (this.#ownList !== undefined) {
      this.#ownList.waiting.push({ request, bytes });
      return;
    }
    const envelope = envelopeOf(request.params);
    this.#ownList = { envelope, pages: 0, waiting: [{ request, bytes }] };
    this.#askOwnPage({});
  }

  #askOwnPage(cursor: JsonObject): void {
    const own = this.#ownList;
    if (own === undefined) return;
    own.pages++;
    const id = `${ownPrefix}${++this.#lastOwn}`;
    const params = { ...own.envelope, ...cursor };
    const request: Request = { type: "request", id, method: "tools/list", params };
    this.#ofClient.set(idKey(id), { request, key: undefined });
    this.#toServer(requestMessage(id, "tools/list", params));
  }

  #ownPage(result: JsonObject): void {
    const { nextCursor } = result;
    const more = typeof nextCursor === "string" && (this.#ownList?.pages ?? 0) < mcpPagesMax;
    if (more) this.#askOwnPage({ cursor: nextCursor });
    else this.#endOwnList();
  }

  #endOwnList(): void {
    const waiting = this.#ownList?.waiting ?? [];
    this.#ownList = undefined;
    this.#listed = true;
    for (const { request, bytes } of waiting) {
      // Cancelled meanwhile.
      if (!this.#ofClient.has(idKey(request.id))) continue;
      this.#toolCall(request, bytes, false);
    }
  }

  #notificationOfClient(method: string, params: JsonObject, bytes: Uint8Array): void {
    if (method !== "notifications/cancelled") {
      this.#toServer(bytes);
      return;
    }
    const known = keyOf(params["requestId"]);
    const open = this.#ofClient.get(known);
    if (open === undefined || known.startsWith(`string ${ownPrefix}`)) return;
    this.#ofClient.delete(known);
    const heldStill = open.key !== undefined && this.#held.has(open.key);
    if (open.key !== undefined) this.#drop(open.key, !heldStill);
    if (!heldStill) this.#toServer(bytes);
  }

  #answerOfClient(
    message: Extract<McpMessage, { readonly type: "result" | "error" }>,
    bytes: Uint8Array,
  ): void {
    const open = message.id === null ? undefined : this.#ofServer.get(idKey(message.id));
    if (open === undefined || message.id === null || this.#isHeld(open)) {
      this.#fault("client", "an answer to what nobody asked");
      return;
    }
    this.#ofServer.delete(idKey(message.id));
    this.#answered(open, message.type === "result", bytes);
    this.#toServer(bytes);
  }

  // -- the server

  #requestOfServer(request: Request, bytes: Uint8Array): void {
    const { id, method, params } = request;
    const refuse = (code: number, message: string): void => {
      this.#fault("server", message);
      this.#toServer(errorMessage(id, code, message));
    };
    if (this.#ofServer.has(idKey(id)) || String(id).startsWith(ownPrefix)) {
      // The first one still waits for the answer of this id.
      this.#fault("server", "a request with this id waits already");
      return;
    }
    if (this.#ofServer.size >= mcpRequestsMax || this.#held.size >= mcpHeldMax) {
      refuse(internalErrorCode, "too many requests wait");
      return;
    }
    if (!isJudgedOfServer(method)) {
      this.#ofServer.set(idKey(id), { request, key: undefined });
      this.#toClient(bytes);
      return;
    }
    const call = methodCall(method, params);
    if (!call.ok) {
      refuse(invalidParamsCode, call.error);
      return;
    }
    const key = ++this.#lastKey;
    this.#ofServer.set(idKey(id), { request, key });
    this.#held.set(key, { type: "ask", request, bytes });
    const definition = this.#options.identity;
    this.#effects.push({ type: "hold", key, side: "server", call: call.value, definition });
  }

  #notificationOfServer(method: string, params: JsonObject, bytes: Uint8Array): void {
    if (method === "notifications/tools/list_changed") this.#listed = false;
    if (method === "notifications/cancelled") {
      const known = keyOf(params["requestId"]);
      const open = this.#ofServer.get(known);
      if (open === undefined) return;
      this.#ofServer.delete(known);
      const heldStill = this.#isHeld(open);
      if (open.key !== undefined) this.#drop(open.key, !heldStill);
      if (heldStill) return;
    }
    this.#toClient(bytes);
  }

  #answerOfServer(
    message: Extract<McpMessage, { readonly type: "result" | "error" }>,
    bytes: Uint8Array,
  ): void {
    const open = message.id === null ? undefined : this.#ofClient.get(idKey(message.id));
    if (open === undefined || message.id === null || this.#isHeld(open)) {
      this.#fault("server", "an answer to what nobody asked");
      return;
    }
    this.#ofClient.delete(idKey(message.id));
    const { request } = open;
    const own = String(request.id).startsWith(ownPrefix);
    if (message.type === "error") {
      this.#answered(open, false, bytes);
      if (own) this.#endOwnList();
      else this.#toClient(bytes);
      return;
    }
    this.#answered(open, message.result["isError"] !== true, bytes);
    if (request.method === "tools/list") this.#define(request, own, message.result, bytes);
    else this.#result(request, message.result, bytes);
  }

  #define(request: Request, own: boolean, result: JsonObject, bytes: Uint8Array): void {
    const defined = definitionsOf(this.#options.provider, result);
    if (!defined.ok) {
      this.#fault("server", defined.error);
      if (own) this.#endOwnList();
      else this.#toClient(errorMessage(request.id, internalErrorCode, defined.error));
      return;
    }
    noteDefinitions(this.#definitions, defined.value);
    if (!own && result["nextCursor"] === undefined) this.#listed = true;
    const serial = ++this.#lastSerial;
    this.#listings.set(serial, { request: own ? undefined : request, result, bytes });
    this.#effects.push({ type: "define", serial, tools: defined.value });
  }

  /** A result that asks the client for something is judged like a request that does. */
  #result(request: Request, result: JsonObject, bytes: Uint8Array): void {
    const inputs = inputRequests(result);
    if (!inputs.ok || inputs.value.length > mcpHeldMax - this.#held.size) {
      const why = inputs.ok ? "it asks for too much at once" : inputs.error;
      this.#fault("server", why);
      this.#toClient(errorMessage(request.id, internalErrorCode, why));
      return;
    }
    const held: HeldResult = { request, bytes, waits: new Set() };
    for (const { method, params } of inputs.value) {
      const call = methodCall(method, params);
      if (!call.ok) continue;
      const key = ++this.#lastKey;
      held.waits.add(key);
      this.#held.set(key, { type: "input", result: held });
      const definition = this.#options.identity;
      this.#effects.push({ type: "hold", key, side: "server", call: call.value, definition });
    }
    if (held.waits.size === 0 && inputs.value.length === 0) this.#toClient(bytes);
    else if (held.waits.size < inputs.value.length) {
      for (const key of held.waits) this.#drop(key, false);
      this.#toClient(errorMessage(request.id, internalErrorCode, "an input request is too large"));
    }
  }

  /** What cannot be read cannot be passed on; whoever waits for it, as far as it says, is told. */
  #failOpen(id: MessageId | null, message: string): void {
    const open = id === null ? undefined : this.#ofClient.get(idKey(id));
    if (open === undefined || id === null || this.#isHeld(open)) return;
    this.#ofClient.delete(idKey(id));
    if (open.key !== undefined) this.#drop(open.key, true);
    if (String(id).startsWith(ownPrefix)) this.#endOwnList();
    else {
      const text = `the server's answer is malformed: ${message}`;
      this.#toClient(errorMessage(id, internalErrorCode, text));
    }
  }

  // -- both

  #isHeld(open: Open): boolean {
    return open.key !== undefined && this.#held.has(open.key);
  }

  #answered(open: Open, success: boolean, bytes: Uint8Array): void {
    if (open.key === undefined) return;
    this.#effects.push({ type: "answered", key: open.key, ok: success, bytes: bytes.length });
  }

  #drop(key: number, sent: boolean): void {
    this.#held.delete(key);
    this.#effects.push({ type: "dropped", key, sent });
  }

  #toClient(bytes: Uint8Array): void {
    this.#effects.push({ type: "to-client", bytes });
  }

  #toServer(bytes: Uint8Array): void {
    this.#effects.push({ type: "to-server", bytes });
  }

  #fault(side: "client" | "server", message: string): void {
    this.#effects.push({ type: "fault", side, message });
  }
}
