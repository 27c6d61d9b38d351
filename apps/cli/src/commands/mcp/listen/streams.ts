/**
 * What one client of a gate over HTTP is told: every request has a stream of events that ends with
 * its answer, and the client may open one for the rest. A stream whose connection broke is taken up
 * again by the id of the last event that came.
 *
 * Source: MCP 2025-11-25 and 2026-07-28, Streamable HTTP. Invariants: an answer is told on the stream
 * of its request, once; a message goes to one stream. Bounds: `listenKeptEventsMax`,
 * `listenKeptBytesMax` a client; the oldest events are forgotten first.
 */
import { utf8Decode } from "@ioi/base";
import { keyOf, type McpMessage } from "@ioi/drivers/mcp-messages";
import { listenKeptBytesMax, listenKeptEventsMax } from "../../../limits.ts";

/** Where events are written; `end` says that no more will come. */
export interface EventSink {
  readonly write: (text: string) => void;
  readonly end: () => void;
}

interface Stream {
  readonly name: string;
  /** What the client calls its progress, where it wants to hear of it. */
  readonly progress: string;
  sink: EventSink | undefined;
  over: boolean;
}

interface Kept {
  readonly stream: Stream;
  readonly at: number;
  readonly text: string;
}

const general = "g";

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;

export class ClientStreams {
  /** By the key of the request that a stream answers. */
  readonly #open: Map<string, Stream> = new Map();
  readonly #rest: Stream = { name: general, progress: "", sink: undefined, over: false };
  #kept: Kept[] = [];
  #keptBytes = 0;
  #last = 0;

  /** Requests that have no answer yet. */
  get waiting(): number {
    return this.#open.size;
  }

  get listening(): boolean {
    return this.#rest.sink !== undefined;
  }

  has(request: Extract<McpMessage, { readonly type: "request" }>): boolean {
    return this.#open.has(keyOf(request.id));
  }

  /** The stream of a request; the way to say that its connection has broken. */
  begin(request: Extract<McpMessage, { readonly type: "request" }>, sink: EventSink): () => void {
    const progress = keyOf(field(request.params["_meta"], "progressToken"));
    const name = `r${++this.#last}`;
    const stream: Stream = { name, progress, sink, over: false };
    this.#open.set(keyOf(request.id), stream);
    return () => this.#left(stream, sink);
  }

  /** The client's own stream, from after the event that it names. False: there is one. */
  listen(lastEvent: string, sink: EventSink): (() => void) | undefined {
    const from = this.#kept.find(({ stream, at }) => `${stream.name}-${at}` === lastEvent);
    const stream = from?.stream ?? this.#rest;
    if (stream.sink !== undefined) return undefined;
    stream.sink = sink;
    const after = from?.at ?? (stream === this.#rest && lastEvent === "" ? -1 : this.#last);
    for (const kept of this.#kept) {
      if (kept.stream === stream && kept.at > after) sink.write(kept.text);
    }
    if (stream.over) sink.end();
    return () => this.#left(stream, sink);
  }

  #left(stream: Stream, sink: EventSink): void {
    if (stream.sink === sink) stream.sink = undefined;
  }

  /** A message of the server or of the gate. */
  tell(bytes: Uint8Array, message: McpMessage): void {
    const isAnswer = message.type === "result" || message.type === "error";
    const key = isAnswer && message.id !== null ? keyOf(message.id) : undefined;
    const stream = key === undefined ? this.#streamFor(message) : this.#open.get(key);
    // Nobody asked for it, or who asked has gone.
    if (stream === undefined) return;
    const at = ++this.#last;
    const text = `id: ${stream.name}-${at}\nevent: message\ndata: ${utf8Decode(bytes) ?? ""}\n\n`;
    this.#keep({ stream, at, text });
    stream.sink?.write(text);
    if (key === undefined) return;
    this.#open.delete(key);
    stream.over = true;
    stream.sink?.end();
  }

  /** Progress belongs to its request; the rest to the client's own stream, or to the newest request. */
  #streamFor(message: McpMessage): Stream {
    const params = "params" in message ? message.params : {};
    const progress = keyOf(params["progressToken"]);
    const subscription = field(params["_meta"], "io.modelcontextprotocol/subscriptionId");
    const asked = this.#open.get(keyOf(subscription));
    if (asked !== undefined) return asked;
    let newest: Stream | undefined;
    for (const stream of this.#open.values()) {
      if (progress !== "" && stream.progress === progress) return stream;
      newest = stream;
    }
    return this.listening ? this.#rest : (newest ?? this.#rest);
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept);
    this.#keptBytes += kept.text.length;
    while (this.#kept.length > listenKeptEventsMax || this.#keptBytes > listenKeptBytesMax) {
      this.#keptBytes -= this.#kept.shift()?.text.length ?? this.#keptBytes;
    }
  }

  end(): void {
    for (const stream of [...this.#open.values(), this.#rest]) {
      stream.over = true;
      stream.sink?.end();
    }
    this.#open.clear();
  }
}
