/**
 * A server over Streamable HTTP. Every message to it is one POST through egress under a ticket of its
 * own; its answers come in the response, as one message or as a stream of events. What it has to say
 * beside answers comes on a stream that is asked for (GET), and so does the rest of an answer that
 * broke off: each such request has a ticket of its own too.
 *
 * Source: MCP 2025-11-25 and 2026-07-28, transports. Invariants: nothing leaves without a ticket; a
 * redirect is told to whoever holds the ticket, and followed once, on the origin alone. Bounds:
 * egress' on bytes and time, `mcpMessageBytesMax` a message, `mcpResumesMax` for one answer,
 * `mcpStreamWaitMs*` between two streams.
 */
import {
  addMs,
  type Clock,
  concatBytes,
  msBetween,
  OperationError,
  toHex,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import { isRedirect, parseCanonicalUrl, readRedirect, streamTool } from "@ioi/firewall/net";
import type { Client } from "@ioi/host/rpc";
import type { McpServer, pb } from "@ioi/wire";
import { createParser } from "eventsource-parser";
import type { ActContext } from "../core/driver.ts";
import { mcpExchangesMax, mcpMessageBytesMax, mcpNameCharsMax, mcpResumesMax } from "../limits.ts";
import { brokeOff, egressFetch, type EgressResponse } from "../net/egress-client.ts";
import { isJsonObject, type JsonObject, type McpMessage, readMessage } from "./messages.ts";
import { redirectCharsShown, redirectText } from "./redirects.ts";
import type { Exchange, ServerEvents, ServerLink } from "./server-link.ts";
import { StreamWaits } from "./stream-waits.ts";

/** Which field of a request its `Mcp-Name` says again (2026-07-28). */
const nameFields: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
};

const versionKey = "io.modelcontextprotocol/protocolVersion";

/** A header holds visible ASCII; anything else goes in base64 between marks. */
const headerText = (text: string): string =>
  /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith("=?base64?")
    ? text
    : `=?base64?${Buffer.from(text, "utf8").toString("base64")}?=`;

const statelessVersion = (params: JsonObject): string | undefined => {
  const meta = params["_meta"];
  const version = isJsonObject(meta) ? meta[versionKey] : undefined;
  return typeof version === "string" ? version : undefined;
};

/** What a stream of events leaves behind, to go on by. */
interface Stream {
  /** Of its last event that had one. */
  id: string | undefined;
  /** How long to wait before it is asked for again. */
  readonly waits: StreamWaits;
  /** How it ended before its end; what was asked for under it may still come. */
  broke: OperationError | undefined;
}

const newStream = (): Stream => ({ id: undefined, waits: new StreamWaits(), broke: undefined });

const decode = (decoder: TextDecoder, piece: Uint8Array): string => {
  try {
    return decoder.decode(piece, { stream: true });
  } catch (cause) {
    throw new OperationError("E_MCP_PROTOCOL", "a stream of events is no UTF-8", { cause });
  }
};

const evidenceOf = (response: EgressResponse): Readonly<Record<string, string>> => {
  const end = response.end();
  return {
    status: String(response.status),
    ...(end === undefined ? {} : { address: end.address, mode: end.mode }),
    ...(end === undefined || end.requests === 0
      ? {}
      : { requests: String(end.requests), request_log: toHex(end.requestLog) }),
    ...(end === undefined || end.certificateSha256.length === 0
      ? {}
      : { certificate_sha256: toHex(end.certificateSha256) }),
  };
};

/** The redirect was the whole answer; of what else it says nothing is taken. */
const movedExchange = (response: EgressResponse, moved: string): Exchange => ({
  answered: false,
  status: response.status,
  evidence: { ...evidenceOf(response), location: moved.slice(0, redirectCharsShown) },
  moved,
});

const parse = (reference: string, base?: string): URL | undefined =>
  URL.parse(reference, base) ?? undefined;

export interface HttpServer {
  readonly server: McpServer;
  readonly egress: Client<typeof pb.Egress>;
  readonly clock: Pick<Clock, "now" | "sleepUntil">;
  readonly events: ServerEvents;
  /** To what the server has to say beside answers. */
  readonly listens: boolean;
}

class HttpLink implements ServerLink {
  readonly ticketed = true;
  readonly #server: McpServer;
  readonly #egress: Client<typeof pb.Egress>;
  readonly #events: ServerEvents;
  readonly #clock: Pick<Clock, "now" | "sleepUntil">;
  readonly #abort = new AbortController();
  #session: string | undefined;
  #version: string | undefined;
  /** What the server has to say by itself is wanted. */
  readonly #listens: boolean;
  #listening: Stream | undefined;
  #open = 0;
  readonly #turns: (() => void)[] = [];

  constructor({ server, egress, clock, events, listens }: HttpServer) {
    this.#server = server;
    this.#egress = egress;
    this.#clock = clock;
    this.#events = events;
    this.#listens = listens;
  }

  get waiting(): number {
    return 0;
  }

  send(): void {
    throw new OperationError("E_MCP_HTTP", "a message over HTTP has a ticket");
  }

  pause(): void {
    // Answers are bounded one by one, and come only when they are asked for.
  }

  /** A request waits for its turn; an answer does not, because a request may wait for it. */
  async exchange(bytes: Uint8Array, context: ActContext, address?: string): Promise<Exchange> {
    const message = readMessage(bytes);
    if (!message.ok || message.value.type !== "request") {
      return await this.#post(bytes, message.ok ? message.value : undefined, context, address);
    }
    while (this.#open >= mcpExchangesMax) {
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    }
    this.#open++;
    try {
      return await this.#post(bytes, message.value, context, address);
    } finally {
      this.#open--;
      this.#turns.shift()?.();
    }
  }

  async #post(
    bytes: Uint8Array,
    message: McpMessage | undefined,
    context: ActContext,
    address: string | undefined,
  ): Promise<Exchange> {
    const headers = this.#headers(message);
    const stream = newStream();
    const { response, moved } = await this.#fetch(context, "POST", headers, bytes, address);
    if (moved !== undefined) return movedExchange(response, moved);
    const answered =
      (await this.#read(response, message, stream)) ||
      (await this.#resumed(message, stream)) === true;
    this.#noted(message, response.status);
    // Nobody knows what became of it.
    if (!answered && stream.broke !== undefined) throw stream.broke;
    return { answered, status: response.status, evidence: evidenceOf(response) };
  }

  async #fetch(
    context: ActContext,
    method: "GET" | "POST",
    headers: readonly (readonly [string, string])[],
    body: Uint8Array,
    address: string | undefined,
  ): Promise<{ readonly response: EgressResponse; readonly moved?: string }> {
    const { name, url } = this.#server;
    const fetch = egressFetch(this.#egress, context);
    const signal = AbortSignal.any([context.signal, this.#abort.signal]);
    const response = await fetch({ method, url: address ?? url, headers, body }, signal);
    if (!isRedirect(response.status)) return { response };
    for await (const _ of response.body);
    const from = parseCanonicalUrl(address ?? url);
    if (!from.ok) throw new OperationError("E_MCP_HTTP", `${name}: ${from.error}`);
    const location = response.headers.get("location");
    const redirect = readRedirect(response.status, location, from.value, parse);
    if (redirect.type === "same" && address === undefined) {
      return { response, moved: redirect.url.text };
    }
    const message = redirectText(name, response.status, redirect, from.value);
    throw new OperationError("E_MCP_HTTP", message);
  }

  /** After the hello the stream is asked for; a session that the server has ended is over. */
  #noted(message: McpMessage | undefined, status: number): void {
    if (status === 404 && this.#session !== undefined) {
      this.#events.ended(`${this.#server.name} has ended the session`, "");
      return;
    }
    const isReady =
      message?.type === "notification" && message.method === "notifications/initialized";
    if (!isReady || status >= 400 || !this.#listens || this.#listening !== undefined) return;
    this.#listening = newStream();
    void this.#listen(this.#listening);
  }

  /** Until the server has none, or nobody permits it any more. */
  async #listen(stream: Stream): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const askedAt = this.#clock.now();
      const heard = await this.#events.request(streamTool, (context, address) =>
        this.#get(context, stream, undefined, address),
      );
      if (heard === undefined || heard.status !== 200) return;
      await this.#pause(stream.waits.after(msBetween(askedAt, this.#clock.now())));
    }
  }

  /** The rest of an answer whose stream ended before it; undefined where there is none to ask for. */
  async #resumed(sent: McpMessage | undefined, stream: Stream): Promise<boolean | undefined> {
    if (sent?.type !== "request") return undefined;
    for (let tries = 0; tries < mcpResumesMax && stream.id !== undefined; tries++) {
      await this.#pause(stream.waits.after(0));
      const rest = await this.#events.request(streamTool, (context, address) =>
        this.#get(context, stream, sent, address),
      );
      if (rest === undefined || rest.status !== 200) return false;
      if (rest.answered) return true;
    }
    return undefined;
  }

  async #get(
    context: ActContext,
    stream: Stream,
    sent: McpMessage | undefined,
    address: string | undefined,
  ): Promise<Exchange> {
    const headers: (readonly [string, string])[] = [["accept", "text/event-stream"]];
    if (this.#version !== undefined) headers.push(["mcp-protocol-version", this.#version]);
    if (this.#session !== undefined) headers.push(["mcp-session-id", this.#session]);
    if (stream.id !== undefined) headers.push(["last-event-id", headerText(stream.id)]);
    const none = new Uint8Array(0);
    const { response, moved } = await this.#fetch(context, "GET", headers, none, address);
    if (moved !== undefined) return movedExchange(response, moved);
    const isStream = (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
    let answered = false;
    if (isStream) answered = await this.#read(response, sent, stream);
    else for await (const _ of response.body);
    const status = isStream ? response.status : Math.max(response.status, 400);
    return { answered, status, evidence: evidenceOf(response) };
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#abort;
    // Woken early where the link is closed.
    await this.#clock.sleepUntil(addMs(this.#clock.now(), ms), signal).catch(() => undefined);
  }

  #headers(message: McpMessage | undefined): readonly (readonly [string, string])[] {
    const headers: (readonly [string, string])[] = [
      ["accept", "application/json, text/event-stream"],
      ["content-type", "application/json"],
    ];
    const params = message !== undefined && "params" in message ? message.params : {};
    const own = statelessVersion(params);
    const version = own ?? this.#version;
    if (version !== undefined) headers.push(["mcp-protocol-version", headerText(version)]);
    // The newer era has no sessions, whatever a server says.
    const session = own === undefined ? this.#session : undefined;
    if (session !== undefined) headers.push(["mcp-session-id", session]);
    if (own !== undefined && message !== undefined && "method" in message) {
      headers.push(["mcp-method", headerText(message.method)]);
      const name = params[nameFields[message.method] ?? ""];
      if (typeof name === "string") headers.push(["mcp-name", headerText(name)]);
    }
    return headers;
  }

  /** True where the response holds the answer to the request. */
  async #read(
    response: EgressResponse,
    sent: McpMessage | undefined,
    stream: Stream,
  ): Promise<boolean> {
    const session = response.headers.get("mcp-session-id");
    if (session !== undefined && /^[\x21-\x7e]{1,256}$/.test(session)) this.#session = session;
    const type = response.headers.get("content-type") ?? "";
    let answered = false;
    const heard = (bytes: Uint8Array): void => {
      if (this.#take(bytes, sent)) answered = true;
    };
    if (type.startsWith("text/event-stream")) await this.#stream(response, heard, stream);
    else if (type.startsWith("application/json")) heard(await this.#whole(response));
    else for await (const _ of response.body);
    return answered;
  }

  /** Hands a message on, on one line; says whether it answers the request. */
  #take(bytes: Uint8Array, sent: McpMessage | undefined): boolean {
    const text = utf8Decode(bytes);
    if (text === undefined || text.trim() === "") return false;
    const read = readMessage(bytes);
    const isAnswer =
      read.ok &&
      sent?.type === "request" &&
      (read.value.type === "result" || read.value.type === "error") &&
      read.value.id === sent.id;
    if (isAnswer && sent.method === "initialize" && read.value.type === "result") {
      const version = read.value.result["protocolVersion"];
      if (typeof version === "string") this.#version = version;
    }
    // White space between tokens may hold line ends, which end a message on other transports.
    const line = read.ok && /[\n\r]/.test(text) ? JSON.stringify(JSON.parse(text)) : text;
    this.#events.message(utf8Encode(line));
    return isAnswer;
  }

  async #whole(response: EgressResponse): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of response.body) {
      length += piece.length;
      if (length > mcpMessageBytesMax) {
        throw new OperationError("E_MCP_PROTOCOL", "its answer is larger than a message may be");
      }
      pieces.push(piece);
    }
    return concatBytes(...pieces);
  }

  async #stream(
    response: EgressResponse,
    heard: (bytes: Uint8Array) => void,
    stream: Stream,
  ): Promise<void> {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let length = 0;
    const parser = createParser({
      onEvent: ({ data, id }) => {
        length = 0;
        if (id !== undefined && id.length <= mcpNameCharsMax) stream.id = id;
        heard(utf8Encode(data));
      },
      onRetry: (ms) => stream.waits.asked(ms),
    });
    try {
      for await (const piece of response.body) {
        length += piece.length;
        if (length > 2 * mcpMessageBytesMax) {
          throw new OperationError("E_MCP_PROTOCOL", "an event is larger than a message may be");
        }
        parser.feed(decode(decoder, piece));
      }
    } catch (error) {
      const isBreak = error instanceof OperationError && brokeOff.has(error.code);
      if (!isBreak || this.#abort.signal.aborted) throw error;
      stream.broke = error;
    }
  }

  async close(): Promise<void> {
    this.#abort.abort(new OperationError("E_MCP_ENDED", "the client has gone"));
    this.#events.ended(`the connection to ${this.#server.name} was closed`, "");
  }
}

export const openHttpServer = (of: HttpServer): ServerLink => new HttpLink(of);
