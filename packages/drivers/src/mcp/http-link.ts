/**
 * A server over Streamable HTTP. Every message to it is one POST through egress under a ticket of its
 * own; its answers come in the response, as one message or as a stream of events. A stream that the
 * server opens by itself (GET) is not asked for: what it has to say beside answers is not heard.
 *
 * Source: MCP 2025-11-25 and 2026-07-28, transports. Invariants: no message leaves without a ticket;
 * redirects are not followed. Bounds: egress' on bytes and time, `mcpMessageBytesMax` a message.
 */
import { concatBytes, OperationError, toHex, utf8Decode, utf8Encode } from "@ioi/base";
import type { Client } from "@ioi/host/rpc";
import type { McpServer, pb } from "@ioi/wire";
import { createParser } from "eventsource-parser";
import type { ActContext } from "../core/driver.ts";
import { mcpExchangesMax, mcpMessageBytesMax } from "../limits.ts";
import { egressFetch, type EgressResponse } from "../net/egress-client.ts";
import { isJsonObject, type JsonObject, type McpMessage, readMessage } from "./messages.ts";
import type { Exchange, ServerEvents, ServerLink } from "./server-link.ts";

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

class HttpLink implements ServerLink {
  readonly ticketed = true;
  readonly #server: McpServer;
  readonly #egress: Client<typeof pb.Egress>;
  readonly #events: ServerEvents;
  readonly #abort = new AbortController();
  #session: string | undefined;
  #version: string | undefined;
  #open = 0;
  readonly #turns: (() => void)[] = [];

  constructor(server: McpServer, egress: Client<typeof pb.Egress>, events: ServerEvents) {
    this.#server = server;
    this.#egress = egress;
    this.#events = events;
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
  async exchange(bytes: Uint8Array, context: ActContext): Promise<Exchange> {
    const message = readMessage(bytes);
    if (!message.ok || message.value.type !== "request") {
      return await this.#post(bytes, message.ok ? message.value : undefined, context);
    }
    while (this.#open >= mcpExchangesMax) {
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    }
    this.#open++;
    try {
      return await this.#post(bytes, message.value, context);
    } finally {
      this.#open--;
      this.#turns.shift()?.();
    }
  }

  async #post(
    bytes: Uint8Array,
    message: McpMessage | undefined,
    context: ActContext,
  ): Promise<Exchange> {
    const headers = this.#headers(message);
    const fetch = egressFetch(this.#egress, context);
    const signal = AbortSignal.any([context.signal, this.#abort.signal]);
    const response = await fetch(
      { method: "POST", url: this.#server.url, headers, body: bytes },
      signal,
    );
    const answered = await this.#read(response, message);
    const end = response.end();
    return {
      answered,
      status: response.status,
      evidence: {
        status: String(response.status),
        ...(end === undefined ? {} : { address: end.address, mode: end.mode }),
        ...(end === undefined || end.certificateSha256.length === 0
          ? {}
          : { certificate_sha256: toHex(end.certificateSha256) }),
      },
    };
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
    if (this.#session !== undefined) headers.push(["mcp-session-id", this.#session]);
    if (own !== undefined && message !== undefined && "method" in message) {
      headers.push(["mcp-method", headerText(message.method)]);
      const name = params[nameFields[message.method] ?? ""];
      if (typeof name === "string") headers.push(["mcp-name", headerText(name)]);
    }
    return headers;
  }

  /** True where the response holds the answer to the request. */
  async #read(response: EgressResponse, sent: McpMessage | undefined): Promise<boolean> {
    const session = response.headers.get("mcp-session-id");
    if (session !== undefined && /^[\x21-\x7e]{1,256}$/.test(session)) this.#session = session;
    const type = response.headers.get("content-type") ?? "";
    let answered = false;
    const heard = (bytes: Uint8Array): void => {
      if (this.#take(bytes, sent)) answered = true;
    };
    if (type.startsWith("text/event-stream")) await this.#stream(response, heard);
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

  async #stream(response: EgressResponse, heard: (bytes: Uint8Array) => void): Promise<void> {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let length = 0;
    const parser = createParser({
      onEvent: ({ data }) => {
        length = 0;
        heard(utf8Encode(data));
      },
    });
    for await (const piece of response.body) {
      length += piece.length;
      if (length > 2 * mcpMessageBytesMax) {
        throw new OperationError("E_MCP_PROTOCOL", "an event is larger than a message may be");
      }
      parser.feed(decoder.decode(piece, { stream: true }));
    }
  }

  async close(): Promise<void> {
    this.#abort.abort(new OperationError("E_MCP_ENDED", "the client has gone"));
    this.#events.ended(`the connection to ${this.#server.name} was closed`, "");
  }
}

export const openHttpServer = (
  server: McpServer,
  egress: Client<typeof pb.Egress>,
  events: ServerEvents,
): ServerLink => new HttpLink(server, egress, events);
