/**
 * One client of one server: the {@link McpRelay} machine on a real link. What is held waits under a
 * nonce of the driver, and goes on by its ticket alone.
 *
 * Invariants: a message that is held goes on once, by `act` with the ticket of exactly its action;
 * what is not decided in time is refused. Bounds: see the machine; `mcpFaultsMax` faults of a server
 * end it; with `mcpQueueMax` messages waiting for the client the server is not read.
 */
import { OperationError, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { MessageQueue } from "@ioi/host/rpc";
import { canonicalJson } from "@ioi/firewall";
import type { McpServer } from "@ioi/wire";
import { type ActContext, type ActReport, type ObligationType, refused } from "../core/driver.ts";
import type { DisposableHandlers, HeldOutput } from "../core/handlers.ts";
import {
  mcpCallMsMax,
  mcpFaultsMax,
  mcpHeldMax,
  mcpMessageBytesMax,
  mcpQueueMax,
} from "../limits.ts";
import { type AskedClient, ClientAsking } from "./client-asking.ts";
import type { ToolDefinition } from "./definitions.ts";
import { errorMessage, internalErrorCode, readMessage } from "./messages.ts";
import { type Answered, type Ending, reportOf } from "./relay-endings.ts";
import { denial } from "./relay-parts.ts";
import { McpRelay, type RelayEffect } from "./relay.ts";
import type { Exchange, Perform, ServerEvents, ServerLink } from "./server-link.ts";
import {
  actOfStart,
  type CallAction,
  factsOfServer,
  keepsOfStart,
  methodAction,
  type ServerWays,
  startAction,
  transportAction,
} from "./server-start.ts";

export type RelayEvent =
  | { readonly type: "message"; readonly bytes: Uint8Array }
  /** Messages of the client may come. */
  | { readonly type: "started" }
  | { readonly type: "held"; readonly held: HeldMessage }
  | {
      readonly type: "defined";
      readonly serial: number;
      readonly tools: readonly ToolDefinition[];
    }
  | { readonly type: "dropped"; readonly nonce: Uint8Array }
  | { readonly type: "fault"; readonly text: string }
  | {
      readonly type: "end";
      readonly code: string;
      readonly message: string;
      readonly errors: string;
    };

export interface HeldMessage extends HeldOutput {
  /** For a person. */
  readonly what: string;
}

export type Hold = DisposableHandlers["hold"];

export interface SessionOptions {
  readonly server: McpServer;
  readonly ways: ServerWays;
  readonly hold: Hold;
}

const keepsNothing: ReadonlySet<ObligationType> = new Set();

/** A request of the transport itself that waits for its ticket. */
interface TransportRequest {
  readonly action: CallAction;
  /** Of a message; absent: the link makes it. */
  readonly bytes?: Uint8Array;
  /** Where a redirect leads. */
  readonly address?: string;
  readonly perform: Perform;
  /** Told once what came of it; undefined: nothing. */
  readonly done?: (exchange: Exchange | undefined) => void;
}

/** Of the start; the machine's keys begin above it. */
const startKey = 0;

export class RelaySession {
  readonly events: MessageQueue<RelayEvent>;
  readonly #options: SessionOptions;
  readonly #machine: McpRelay;
  readonly #keys: Map<string, number> = new Map();
  readonly #nonces: Map<number, Uint8Array> = new Map();
  readonly #actions: Map<number, CallAction> = new Map();
  readonly #waiting: Map<number, (ending: Ending) => void> = new Map();
  /** Requests that wait for a ticket of their own, by key. */
  readonly #requests: Map<number, TransportRequest> = new Map();
  readonly #asking: ClientAsking;
  /** Calls on their way over HTTP, with the answer as soon as there is one. */
  readonly #exchanging: Map<number, Answered | undefined> = new Map();
  /** The call that is being let through right now. */
  #permitted: { readonly key: number; readonly context: ActContext } | undefined;
  /** Apart from the machine's keys. */
  #lastTransport = 1_000_000_000;
  #link: ServerLink | undefined;
  #faults = 0;
  #over = false;
  #paused = false;
  /** What the message that is handed in right now is held as. */
  #heldNow: HeldMessage | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#machine = new McpRelay({
      provider: nodeCrypto,
      identity: options.server.identity,
    });
    this.events = new MessageQueue<RelayEvent>(() => this.#pause(false));
    this.#asking = new ClientAsking(this.#machine, (bytes) => {
      if (!this.#over) this.events.push({ type: "message", bytes });
    });
  }

  /** A program is held until its start has a ticket; a server elsewhere is there at once. */
  async start(): Promise<void> {
    const { server, ways } = this.#options;
    if (server.url === "") {
      const action = startAction(server);
      this.#actions.set(startKey, action);
      this.events.push({ type: "held", held: this.#underNonce(startKey, action) });
      return;
    }
    try {
      this.#began(await ways.reach(server, this.#serverEvents(), true));
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.#end(error.code, error.message, "");
    }
  }

  #serverEvents(): ServerEvents {
    return {
      message: (bytes) => this.#fromServer(bytes),
      fault: (why) => this.#fault("server", why),
      ended: (why, errors) => this.#end("E_MCP_ENDED", why, errors),
      request: (tool, perform) =>
        new Promise((resolve) => {
          const action = methodAction(this.#options.server, tool);
          this.#holdRequest({ action, perform, done: resolve });
        }),
    };
  }

  #began(link: ServerLink): void {
    this.#link = link;
    if (this.#over) void link.close();
    else this.events.push({ type: "started" });
  }

  async #actStart(context: ActContext): Promise<ActReport> {
    const { server, ways } = this.#options;
    this.#forget(startKey);
    return await actOfStart(
      () => ways.start(server, this.#serverEvents(), context),
      context,
      (link) => this.#began(link),
      ({ code, message }) => this.#end(code, message, ""),
    );
  }

  /** A message of the client; what it is held as where it has to be judged. */
  send(bytes: Uint8Array): HeldMessage | undefined {
    if (this.#over || this.#link === undefined) {
      throw new OperationError("E_MCP_ENDED", `${this.#options.server.name} does not run`);
    }
    if (this.#link.waiting > 4 * mcpMessageBytesMax) {
      throw new OperationError("E_MCP_BUSY", `${this.#options.server.name} does not read`);
    }
    this.#heldNow = undefined;
    if (!this.#asking.isAnswer(bytes)) this.#machine.fromClient(bytes);
    this.#perform(true);
    const held = this.#heldNow as HeldMessage | undefined;
    this.#heldNow = undefined;
    return held;
  }

  refuse(nonce: Uint8Array, text: string): void {
    const key = this.#keys.get(toHex(nonce));
    if (key !== undefined) this.#refused(key, text);
  }

  #refused(key: number, text: string): void {
    const own = this.#requests.get(key);
    this.#requests.delete(key);
    if (key === startKey) this.#end("E_MCP_START", text, "");
    else if (own === undefined) this.#machine.refuse(key, text);
    else if (own.bytes !== undefined) this.#notSent(own.bytes, text);
    own?.done?.(undefined);
    this.#forget(key);
    if (!this.#over) this.#perform();
  }

  /** Asks the client about what is held, once. */
  async ask(nonce: Uint8Array, text: string): Promise<AskedClient> {
    const key = this.#over ? undefined : this.#keys.get(toHex(nonce));
    return key === undefined ? { answer: "none", client: "" } : await this.#asking.ask(key, text);
  }

  offer(serial: number, withheld: readonly string[], refusal: string): void {
    if (refusal === "") this.#machine.offer(serial, new Set(withheld));
    else this.#machine.refuseList(serial, refusal);
    this.#perform();
  }

  async close(): Promise<void> {
    this.#end("E_MCP_ENDED", "the client has gone", "");
    await this.#link?.close();
  }

  #fromServer(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#machine.fromServer(bytes);
    this.#perform();
  }

  #perform(ofSend = false): void {
    for (const effect of this.#machine.take()) this.#one(effect, ofSend);
    if (this.events.length > mcpQueueMax) this.#pause(true);
  }

  #one(effect: RelayEffect, ofSend: boolean): void {
    switch (effect.type) {
      case "to-client":
        this.events.push({ type: "message", bytes: effect.bytes });
        return;
      case "to-server":
        this.#toServer(effect.bytes);
        return;
      case "hold":
        this.#hold(effect, ofSend);
        return;
      case "answered":
        this.#answered(effect);
        return;
      case "dropped": {
        const nonce = this.#nonces.get(effect.key);
        this.#settle(effect.key, { type: "dropped" });
        // Its redirect is not followed either.
        this.#requests.delete(effect.key);
        if (nonce !== undefined && !effect.sent) this.events.push({ type: "dropped", nonce });
        this.#forget(effect.key);
        return;
      }
      case "define":
        this.events.push({ type: "defined", serial: effect.serial, tools: effect.tools });
        return;
      case "fault":
        this.#fault(effect.side, effect.message);
        return;
    }
  }

  /** Over HTTP the answer is not the end: what the connection was stands behind it. */
  #answered({ key, ok, bytes }: Extract<RelayEffect, { readonly type: "answered" }>): void {
    const ending = { type: "answered", ok, bytes } as const;
    if (this.#exchanging.has(key)) this.#exchanging.set(key, ending);
    else this.#settle(key, ending);
  }

  /** Over HTTP every message has a ticket: that of the call it is, or one for itself. */
  #toServer(bytes: Uint8Array): void {
    const link = this.#link;
    if (link?.exchange === undefined) {
      link?.send(bytes);
      return;
    }
    const permitted = this.#permitted;
    const exchange = link.exchange.bind(link);
    const perform: Perform = (context, address) => exchange(bytes, context, address);
    const action =
      (permitted === undefined ? undefined : this.#actions.get(permitted.key)) ??
      transportAction(bytes, this.#options.server);
    if (permitted !== undefined) {
      void this.#exchange({ action, bytes, perform }, permitted.context, permitted.key);
      return;
    }
    this.#holdRequest({ action, bytes, perform });
  }

  /** `known`: the key of what it goes on with. */
  #holdRequest(request: TransportRequest, known?: number): void {
    if (this.#over || this.#requests.size >= mcpHeldMax) {
      request.done?.(undefined);
      if (request.bytes !== undefined) this.#notSent(request.bytes, "too many messages wait");
      return;
    }
    const key = known ?? ++this.#lastTransport;
    this.#requests.set(key, request);
    this.#actions.set(key, request.action);
    this.events.push({ type: "held", held: this.#underNonce(key, request.action) });
  }

  /** Performs one request, and hands in what is answered; the client hears of what was not. */
  async #exchange(request: TransportRequest, context: ActContext, key: number): Promise<void> {
    const { bytes, address, perform, done } = request;
    this.#exchanging.set(key, undefined);
    let exchange: Exchange | undefined;
    try {
      exchange = await perform(context, address);
      const { answered, status, evidence, moved } = exchange;
      if (moved !== undefined) {
        this.#settle(key, { type: "moved", evidence });
        const action = { ...request.action, address: moved };
        this.#holdRequest({ ...request, action, address: moved }, key);
        return;
      }
      if (!answered) this.#unanswered(bytes, `the server answered ${status} without a message`);
      const ended = this.#exchanging.get(key);
      const plain = { type: "answered", ok: status < 400, bytes: 0 } as const;
      this.#settle(key, { ...(ended ?? plain), evidence });
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.#unanswered(bytes, `${error.code}: ${error.message}`);
      this.#settle(key, { type: "failed", code: error.code, message: error.message });
    } finally {
      this.#exchanging.delete(key);
      if (exchange?.moved === undefined) done?.(exchange);
    }
  }

  /** A request of the client that has no answer any more gets one of ours. */
  #unanswered(bytes: Uint8Array | undefined, why: string): void {
    if (bytes === undefined) return;
    const message = readMessage(bytes);
    if (!message.ok || message.value.type !== "request") return;
    this.#fromServer(errorMessage(message.value.id, internalErrorCode, why));
  }

  #notSent(bytes: Uint8Array, why: string): void {
    const message = readMessage(bytes);
    if (!message.ok || message.value.type !== "request") return;
    this.#fromServer(denial(message.value, why));
  }

  #hold(effect: Extract<RelayEffect, { readonly type: "hold" }>, ofSend: boolean): void {
    const { key, call, definition, side } = effect;
    const { server } = this.#options;
    const args = canonicalJson(call.args);
    if (!args.ok) {
      this.#machine.refuse(key, `Not passed on: of the arguments, ${args.error}.`);
      this.#perform();
      return;
    }
    const action = { server: server.name, tool: call.tool, arguments: args.value, definition };
    this.#actions.set(key, action);
    const message = this.#underNonce(key, action);
    if (ofSend && side === "client" && this.#heldNow === undefined) this.#heldNow = message;
    else this.events.push({ type: "held", held: message });
  }

  #underNonce(key: number, action: CallAction): HeldMessage {
    const made: { nonce?: Uint8Array } = {};
    const held = this.#options.hold("mcp::call", action, {
      facts: factsOfServer(this.#options.server),
      effect: true,
      content: undefined,
      keeps: key === startKey ? keepsOfStart : keepsNothing,
      act: (context) => (key === startKey ? this.#actStart(context) : this.#act(key, context)),
      [Symbol.dispose]: () => this.#late(key, made.nonce),
    });
    made.nonce = held.nonce;
    this.#keys.set(toHex(held.nonce), key);
    this.#nonces.set(key, held.nonce);
    const to = action.address === undefined ? "" : ` -> ${action.address}`;
    return { ...held, what: `${action.server}.${action.tool}${to}` };
  }

  /** What was asked about may be proposed again: a nonce gets one decision. */
  again(nonce: Uint8Array): HeldMessage | undefined {
    const key = this.#keys.get(toHex(nonce));
    const action = key === undefined ? undefined : this.#actions.get(key);
    if (key === undefined || action === undefined) return undefined;
    this.#keys.delete(toHex(nonce));
    return this.#underNonce(key, action);
  }

  /** It waits no more, and was not permitted; an older nonce of it says nothing any more. */
  #late(key: number, nonce: Uint8Array | undefined): void {
    if (nonce === undefined || nonce !== this.#nonces.get(key)) return;
    this.#refused(key, "Nobody decided about it in time.");
  }

  async #act(key: number, context: ActContext): Promise<ActReport> {
    const startedMs = performance.now();
    const ending = new Promise<Ending>((resolve) => this.#waiting.set(key, resolve));
    const own = this.#requests.get(key);
    if (own !== undefined) {
      this.#requests.delete(key);
      void this.#exchange(own, context, key);
    } else if (!this.#permit(key, context)) {
      this.#waiting.delete(key);
      const message = "the message was taken back before it was permitted";
      return refused({ code: "E_MCP_CANCELLED", message });
    }
    // A stream is bounded by egress.
    const listens = own !== undefined && own.bytes === undefined;
    const late = (): void => this.#settle(key, { type: "time" });
    const timer = listens ? undefined : setTimeout(late, mcpCallMsMax);
    const onAbort = (): void => this.#settle(key, { type: "dropped" });
    context.signal.addEventListener("abort", onAbort, { once: true });
    if (context.signal.aborted) onAbort();
    const end = await ending;
    clearTimeout(timer);
    context.signal.removeEventListener("abort", onAbort);
    return reportOf(end, Math.round(performance.now() - startedMs));
  }

  #permit(key: number, context: ActContext): boolean {
    if (!this.#machine.permit(key)) return false;
    this.#permitted = { key, context };
    this.#perform();
    this.#permitted = undefined;
    return true;
  }

  #settle(key: number, ending: Ending): void {
    const resolve = this.#waiting.get(key);
    this.#waiting.delete(key);
    resolve?.(ending);
    if (resolve !== undefined) this.#forget(key);
  }

  #forget(key: number): void {
    this.#asking.end(key);
    const nonce = this.#nonces.get(key);
    if (nonce !== undefined) this.#keys.delete(toHex(nonce));
    this.#nonces.delete(key);
    this.#actions.delete(key);
  }

  #fault(side: "client" | "server", message: string): void {
    this.events.push({ type: "fault", text: `${side}: ${message}` });
    if (side !== "server" || ++this.#faults <= mcpFaultsMax) return;
    const text = `${this.#options.server.name} broke the protocol ${this.#faults} times`;
    this.#end("E_MCP_FAULTS", text, "");
    void this.#link?.close();
  }

  #pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.#link?.pause(paused);
  }

  #end(code: string, message: string, errors: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#machine.serverEnded(message);
    for (const effect of this.#machine.take()) {
      if (effect.type !== "to-server") this.#one(effect, false);
    }
    for (const key of this.#waiting.keys()) this.#settle(key, { type: "ended" });
    this.#asking.endAll();
    this.events.push({ type: "end", code, message, errors });
    this.events.finish();
  }
}
