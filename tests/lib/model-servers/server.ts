/**
 * A model server on loopback that answers from a script, rightly or in every wrong way a server can.
 * What it sends is compared with the providers' own clients in `model-servers.test.ts`.
 */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { anthropic } from "./anthropic.ts";
import { openai } from "./openai.ts";
import { type Asked, type ModelReply, replyOf, type Script } from "./script.ts";

type Reply = Extract<ModelReply, { readonly type: "reply" }>;
type Headers = Readonly<Record<string, string>>;

/** How one protocol reads a request and spells an answer. */
export interface Protocol {
  readonly path: string;
  /** The request, or why a real server would refuse it with 400. */
  read(body: unknown, path: string, headers: Headers): Asked | string;
  whole(reply: Reply, asked: Asked): Readonly<Record<string, unknown>>;
  events(reply: Reply, asked: Asked): Iterable<string>;
  /** What stands before the first text. */
  opening?(asked: Asked): string;
  textEvent(asked: Asked, text: string): string;
  beginCall(asked: Asked): string;
  argumentsEvent(asked: Asked, text: string): string;
  errorEvent(message: string): string;
  error(status: number, message: string): unknown;
  models(names: readonly string[]): unknown;
  /** The answer to a request for vectors, or why it is none; absent: not of this protocol. */
  embeddings?(body: unknown): Readonly<Record<string, unknown>> | string;
  authorised(headers: Headers, key: string): boolean;
}

const protocols = { openai, anthropic } as const;
export type ProtocolName = keyof typeof protocols;

export interface ModelServerOptions {
  readonly protocol: ProtocolName;
  readonly script: Script;
  /** What `/v1/models` lists. */
  readonly models?: readonly string[];
  /** Refuses with 401 what does not carry it. */
  readonly key?: string;
  /** Changes what is answered to a request for vectors. */
  readonly embeddings?: (answer: Readonly<Record<string, unknown>>) => unknown;
  /** Answers with one JSON document also where a stream was asked for. */
  readonly neverStreams?: boolean;
  readonly port?: number;
}

const bodyBytesMax = 64 * 1024 * 1024;
const kilobyte = "abcdefgh".repeat(128);

const bodyOf = async (request: http.IncomingMessage): Promise<unknown> => {
  const blocks: Buffer[] = [];
  let bytes = 0;
  for await (const block of request as AsyncIterable<Buffer>) {
    bytes += block.length;
    if (bytes > bodyBytesMax) return undefined;
    blocks.push(block);
  }
  try {
    return JSON.parse(Buffer.concat(blocks).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
};

const headersOf = (request: http.IncomingMessage): Headers =>
  Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));

/** Resolves when the response may be written to again, or has ended. */
const written = (response: http.ServerResponse, bytes: string | Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    if (response.destroyed) resolve();
    else if (response.write(bytes)) resolve();
    else {
      const done = (): void => {
        response.off("drain", done).off("close", done);
        resolve();
      };
      response.once("drain", done).once("close", done);
    }
  });

export class ModelServer implements AsyncDisposable {
  readonly #options: ModelServerOptions;
  readonly #server: http.Server;
  readonly #asked: Asked[] = [];
  /** Every request that reached this server, `/v1/models` included: method and path. */
  readonly seen: string[] = [];
  /** Responses whose reader went away before they were whole. */
  cut = 0;

  private constructor(options: ModelServerOptions) {
    this.#options = options;
    this.#server = http.createServer((request, response) => {
      void this.#handle(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: ModelServerOptions): Promise<ModelServer> {
    const made = new ModelServer(options);
    await new Promise<void>((resolve, reject) => {
      made.#server.once("error", reject);
      made.#server.listen(options.port ?? 0, "127.0.0.1", resolve);
    });
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Base of the API, as a person would enter it. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  /** What the model was asked, oldest first. */
  get asked(): readonly Asked[] {
    return this.#asked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const protocol = protocols[this.#options.protocol];
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const headers = headersOf(request);
    this.seen.push(`${request.method ?? ""} ${path}`);
    const body = await bodyOf(request);
    const refuse = (status: number, message: string): void =>
      this.#json(response, status, protocol.error(status, message));
    const { key } = this.#options;
    if (key !== undefined && !protocol.authorised(headers, key)) return refuse(401, "invalid key");
    if (request.method === "GET" && path === "/v1/models") {
      return this.#json(response, 200, protocol.models(this.#options.models ?? ["scripted-1"]));
    }
    if (request.method === "POST" && path === "/v1/embeddings" && protocol.embeddings) {
      const answer = protocol.embeddings(body);
      return typeof answer === "string"
        ? refuse(400, answer)
        : this.#json(response, 200, this.#options.embeddings?.(answer) ?? answer);
    }
    if (request.method !== "POST" || path !== protocol.path) return refuse(404, "not found");
    const asked = protocol.read(body, path, headers);
    if (typeof asked === "string") return refuse(400, asked);
    this.#asked.push(asked);
    response.once("close", () => {
      if (!response.writableFinished) this.cut += 1;
    });
    await this.#answer(
      replyOf(this.#options.script, asked, this.#asked.length - 1),
      asked,
      response,
    );
  }

  #json(
    response: http.ServerResponse,
    status: number,
    value: unknown,
    headers: Headers = {},
  ): void {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(value));
  }

  async #answer(reply: ModelReply, asked: Asked, response: http.ServerResponse): Promise<void> {
    const protocol = protocols[this.#options.protocol];
    switch (reply.type) {
      case "reply":
        return this.#reply(reply, asked, response);
      case "status":
        return this.#json(
          response,
          reply.status,
          protocol.error(reply.status, reply.message ?? `scripted ${reply.status}`),
          reply.retryAfterS === undefined ? {} : { "retry-after": String(reply.retryAfterS) },
        );
      case "never":
        return;
      case "drop":
        response.destroy();
        return;
      case "html":
        response.writeHead(200, { "content-type": "text/html" });
        response.end("<!doctype html><title>Sign in</title><p>Please sign in.");
        return;
      default:
        response.writeHead(200, { "content-type": "text/event-stream" });
        await this.#misbehave(reply, asked, response);
    }
  }

  async #reply(reply: Reply, asked: Asked, response: http.ServerResponse): Promise<void> {
    const protocol = protocols[this.#options.protocol];
    if (!asked.stream || this.#options.neverStreams === true) {
      return this.#json(response, 200, protocol.whole(reply, asked));
    }
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    for (const event of protocol.events(reply, asked)) {
      const bytes = Buffer.from(event);
      const step = reply.chunkBytes ?? bytes.length;
      for (let at = 0; at < bytes.length; at += step) {
        await written(response, bytes.subarray(at, at + step));
      }
    }
    response.end();
  }

  async #misbehave(
    reply: Exclude<ModelReply, { readonly type: "reply" | "status" | "never" | "drop" | "html" }>,
    asked: Asked,
    response: http.ServerResponse,
  ): Promise<void> {
    const protocol = protocols[this.#options.protocol];
    const opening = protocol.opening?.(asked) ?? "";
    const say = (text: string): Promise<void> => written(response, text);
    switch (reply.type) {
      case "rubbish":
        await say(
          '\u0000\u0001%%% this is no protocol {]\n\ndata: {"choices": 7, \n\ndata: ]]]\n\n',
        );
        response.end();
        return;
      case "endless":
        await say(opening);
        while (!response.destroyed) await say(protocol.textEvent(asked, kilobyte));
        return;
      case "endless-arguments":
        await say(opening + protocol.beginCall(asked));
        while (!response.destroyed) await say(protocol.argumentsEvent(asked, kilobyte));
        return;
      case "endless-line":
        await say(`${opening}data: "`);
        while (!response.destroyed) await say(kilobyte);
        return;
      case "stalls":
        await say(opening + protocol.textEvent(asked, "I will"));
        return;
      case "half":
        await say(opening + protocol.textEvent(asked, "I will now"));
        await new Promise((resolve) => setImmediate(resolve));
        response.destroy();
        return;
      case "ends-early":
        await say(opening + protocol.textEvent(asked, "I will now"));
        response.end();
        return;
      case "cut-utf8": {
        const [before, after] = protocol.textEvent(asked, "gr|n").split("|");
        await say(opening + (before ?? ""));
        await written(response, Uint8Array.of(0xc3));
        await say(after ?? "");
        for (const event of protocol.events({ type: "reply", text: "" }, asked)) {
          if (!event.includes("message_start")) await say(event);
        }
        response.end();
        return;
      }
      case "many-calls": {
        const calls = Array.from({ length: reply.count }, (_, index) => ({
          id: `many_${index}`,
          name: "fs_read",
          arguments: "{}",
        }));
        for (const event of protocol.events({ type: "reply", calls }, asked)) await say(event);
        response.end();
        return;
      }
      case "error-in-stream":
        await say(opening + protocol.textEvent(asked, "I will now"));
        await say(protocol.errorEvent("the scripted server is overloaded"));
        response.end();
        return;
    }
  }
}
