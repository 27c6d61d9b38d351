/**
 * A gate over Streamable HTTP: each client of 2025-11-25 has a session, and with it a server of its
 * own; requests of 2026-07-28, which have none, share one.
 *
 * Source: MCP 2025-11-25 and 2026-07-28, Streamable HTTP. Invariants: nothing is read of a request
 * before {@link refusalOf} let it in; a message is strict JSON, and one line when it goes on. Bounds:
 * `listenSessionsMax`, `listenConnectionsMax`, `listenRequestMs`, `gateLineBytesMax` a message.
 */
import { randomBytes } from "node:crypto";
import http from "node:http";
import type { Socket } from "node:net";
import { concatBytes, OperationError, utf8Decode, utf8Encode } from "@ioi/base";
import {
  errorMessage,
  internalErrorCode,
  invalidRequestCode,
  isStateless,
  type McpMessage,
  readMessage,
} from "@ioi/drivers/mcp-messages";
import {
  gateLineBytesMax,
  listenConnectionsMax,
  listenIdleMs,
  listenKeptBytesMax,
  listenLeftMs,
  listenLostMs,
  listenRequestMs,
  listenSessionsMax,
} from "../../../limits.ts";
import type { ClientGate, ClientGateEvents } from "../client-gate.ts";
import { refusalOf } from "./door.ts";
import { ClientStreams, type EventSink } from "./streams.ts";

export interface ListenerOptions {
  readonly port: number;
  readonly token: string;
  readonly open: (events: Pick<ClientGateEvents, "message" | "ended">) => Promise<ClientGate>;
}

interface Client {
  readonly id: string;
  readonly streams: ClientStreams;
  readonly gate: ClientGate;
  /** Its connections that are open; one may be of several clients. */
  readonly connections: Set<Socket>;
  /** It had a stream of its own, which a client keeps for as long as it is there. */
  listened: boolean;
  /** When it last gave a sign: a message, or the end of its last connection. */
  usedMs: number;
}

/** How long after its last sign a client keeps its place. */
const keptMs = ({ streams, connections, listened }: Client): number => {
  if (connections.size > 0 && (streams.waiting > 0 || streams.listening)) return Infinity;
  if (streams.waiting > 0) return listenLostMs;
  return listened && connections.size === 0 ? listenLeftMs : listenIdleMs;
};

/** The clients of 2026-07-28. */
const shared = "shared";

type Request = http.IncomingMessage;
type Response = http.ServerResponse;

const say = (response: Response, status: number, bytes?: Uint8Array): void => {
  response.writeHead(status, {
    "cache-control": "no-store",
    ...(bytes === undefined ? {} : { "content-type": "application/json" }),
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
  });
  response.end(bytes);
};

const refuse = (
  response: Response,
  status: number,
  why: string,
  id: string | number | null = null,
): void => say(response, status, errorMessage(id, invalidRequestCode, why));

/** Undefined where it is too long. */
const bodyOf = async (request: Request): Promise<Uint8Array | undefined> => {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Uint8Array>) {
    length += piece.length;
    if (length > gateLineBytesMax) return undefined;
    pieces.push(piece);
  }
  return concatBytes(...pieces);
};

/** White space between tokens may hold line ends, which end a message on other transports. */
const oneLine = (bytes: Uint8Array): Uint8Array =>
  bytes.includes(10) || bytes.includes(13)
    ? utf8Encode(JSON.stringify(JSON.parse(utf8Decode(bytes) ?? "")))
    : bytes;

const header = (request: Request, name: string): string => {
  const value = request.headers[name];
  return typeof value === "string" ? value : "";
};

/** What a header says again must be what the message says. */
const disagrees = (request: Request, message: McpMessage): boolean => {
  const said = header(request, "mcp-method");
  return said !== "" && "method" in message && said !== message.method;
};

export class GateListener {
  readonly #options: ListenerOptions;
  readonly #server: http.Server;
  readonly #clients: Map<string, Client> = new Map();
  #opening = 0;
  #shared: Promise<Client> | undefined;
  port = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = http.createServer(
      { requestTimeout: listenRequestMs, headersTimeout: listenRequestMs, maxHeaderSize: 16_384 },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = listenConnectionsMax;
    this.#server.on("connection", (socket) => socket.once("close", () => this.#ended(socket)));
  }

  #ended(socket: Socket): void {
    for (const client of this.#clients.values()) {
      if (client.connections.delete(socket)) client.usedMs = performance.now();
    }
  }

  /** A message of it came. */
  #sign(client: Client, { socket }: Request): void {
    client.usedMs = performance.now();
    if (!socket.destroyed) client.connections.add(socket);
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error) =>
        reject(new OperationError("E_CLI_MCP_LISTEN", error.message)),
      );
      this.#server.listen(this.#options.port, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const { gate, streams } of this.#clients.values()) {
      streams.end();
      await gate.close();
    }
    this.#server.closeAllConnections();
  }

  async #serve(request: Request, response: Response): Promise<void> {
    try {
      await this.#one(request, response);
    } catch (error) {
      const why = error instanceof OperationError ? `${error.code}: ${error.message}` : "";
      if (response.headersSent) response.end();
      else say(response, 503, errorMessage(null, internalErrorCode, why));
      if (!(error instanceof OperationError || request.destroyed)) throw error;
    }
  }

  async #one(request: Request, response: Response): Promise<void> {
    const refusal = refusalOf(request.headers, this.port, this.#options.token);
    if (refusal !== undefined) return refuse(response, refusal.status, refusal.why);
    if (request.url !== "/mcp") return refuse(response, 404, "the gate is at /mcp");
    switch (request.method) {
      case "POST":
        return await this.#post(request, response);
      case "GET":
        return this.#get(request, response);
      case "DELETE":
        return await this.#delete(request, response);
      default:
        response.setHeader("allow", "GET, POST, DELETE");
        return refuse(response, 405, "POST, GET or DELETE");
    }
  }

  async #post(request: Request, response: Response): Promise<void> {
    if (!header(request, "content-type").startsWith("application/json")) {
      return refuse(response, 415, "a message is application/json");
    }
    const accepts = header(request, "accept");
    if (!/application\/json/.test(accepts) || !/text\/event-stream/.test(accepts)) {
      return refuse(response, 406, "answers are application/json and text/event-stream");
    }
    const bytes = await bodyOf(request);
    if (bytes === undefined) return refuse(response, 413, `at most ${gateLineBytesMax} bytes`);
    const read = readMessage(bytes);
    if (!read.ok) {
      const { id, code, message } = read.error;
      return say(response, 400, errorMessage(id, code, message));
    }
    const message = read.value;
    if (disagrees(request, message)) return refuse(response, 400, "Mcp-Method says another method");
    const client = await this.#clientOf(request, response, message);
    if (client === undefined) return;
    this.#sign(client, request);
    if (message.type !== "request") {
      await client.gate.send(oneLine(bytes));
      return say(response, 202);
    }
    if (client.streams.has(message)) {
      return refuse(response, 409, "a request with this id waits already", message.id);
    }
    const left = client.streams.begin(message, sinkOf(response, client));
    response.once("close", left);
    await client.gate.send(oneLine(bytes));
  }

  /** Undefined where the request was answered. */
  async #clientOf(
    request: Request,
    response: Response,
    message: McpMessage,
  ): Promise<Client | undefined> {
    if (message.type === "request" && message.method === "initialize") {
      return await this.#open(randomBytes(16).toString("hex"));
    }
    const id = header(request, "mcp-session-id");
    if (id === "" && "params" in message && isStateless(message.params)) {
      this.#shared ??= this.#open(shared).catch((error: unknown) => {
        this.#shared = undefined;
        throw error;
      });
      return await this.#shared;
    }
    const known = this.#known(request);
    if (known === undefined) {
      refuse(response, id === "" ? 400 : 404, id === "" ? "a session is named" : "no such session");
    }
    return known;
  }

  #known(request: Request): Client | undefined {
    const id = header(request, "mcp-session-id");
    return id === shared ? undefined : this.#clients.get(id);
  }

  #get(request: Request, response: Response): void {
    const client = this.#known(request);
    if (client === undefined) return refuse(response, 404, "no such session");
    const sink = sinkOf(response, client);
    const left = client.streams.listen(header(request, "last-event-id"), sink);
    if (left === undefined) return refuse(response, 409, "this stream is open already");
    this.#sign(client, request);
    client.listened ||= client.streams.listening;
    response.once("close", left);
    response.flushHeaders();
  }

  async #delete(request: Request, response: Response): Promise<void> {
    const client = this.#known(request);
    if (client === undefined) return refuse(response, 404, "no such session");
    this.#clients.delete(client.id);
    client.streams.end();
    await client.gate.close();
    say(response, 200);
  }

  async #open(id: string): Promise<Client> {
    await this.#makeRoom();
    if (this.#clients.size + this.#opening >= listenSessionsMax) {
      throw new OperationError("E_CLI_MCP_LISTEN", `${this.#clients.size} clients are connected`);
    }
    this.#opening++;
    try {
      const streams = new ClientStreams();
      const gate = await this.#options.open({
        message: (bytes) => {
          const read = readMessage(bytes);
          if (read.ok) streams.tell(bytes, read.value);
        },
        ended: () => {
          streams.end();
          this.#clients.delete(id);
          if (id === shared) this.#shared = undefined;
        },
      });
      const client: Client = {
        id,
        streams,
        gate,
        connections: new Set(),
        listened: false,
        usedMs: performance.now(),
      };
      this.#clients.set(id, client);
      return client;
    } finally {
      this.#opening--;
    }
  }

  /** A client that went without a word makes room: the one that has been silent longest. */
  async #makeRoom(): Promise<void> {
    if (this.#clients.size + this.#opening < listenSessionsMax) return;
    const nowMs = performance.now();
    const [gone] = [...this.#clients.values()]
      .filter((client) => client.usedMs + keptMs(client) <= nowMs)
      .sort((a, b) => a.usedMs - b.usedMs);
    if (gone === undefined) return;
    this.#clients.delete(gone.id);
    gone.streams.end();
    await gone.gate.close();
  }
}

const sinkOf = (response: Response, { id }: Client): EventSink => {
  response.statusCode = 200;
  response.setHeader("content-type", "text/event-stream");
  response.setHeader("cache-control", "no-store");
  if (id !== shared) response.setHeader("mcp-session-id", id);
  const write = (text: string): void => {
    response.write(text);
    // Who does not read may come again for what it missed.
    if (response.writableLength > listenKeptBytesMax) response.destroy();
  };
  return { write, end: () => void response.end() };
};
