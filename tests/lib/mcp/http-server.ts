/** A server over Streamable HTTP that does what it is told: sessions or none, streams that break, redirects. */
import http from "node:http";
import net from "node:net";
import { once } from "node:events";

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: object;
    readonly _meta?: object;
  };
}

export interface HttpMcpServer extends AsyncDisposable {
  readonly url: string;
  /** Where every message is sent on to `url`. */
  readonly oldUrl: string;
  /** Of each request: its method, what it asks for, and the headers of the protocol. */
  readonly heard: readonly { readonly said: string; readonly headers: http.IncomingHttpHeaders }[];
}

const session = "session-1";
/** Tools whose calls are sent on. */
const redirects: Readonly<Record<string, readonly [status: number, location: string]>> = {
  moved: [307, "http://127.0.0.1:1/mcp?it's=$(that)"],
  other: [302, "/other"],
  inside: [307, "inside?a=1"],
  twice: [307, "/twice/"],
  forbidden: [307, "/forbidden"],
};
const names = "echo breaks cut moved other inside twice forbidden flood gone".split(" ");
const tools = names.map((name) => ({ name, inputSchema: { type: "object", properties: {} } }));

const json = (response: http.ServerResponse, id: unknown, result: object): void => {
  response.writeHead(200, { "content-type": "application/json", "mcp-session-id": session });
  response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
};

const failed = (response: http.ServerResponse, id: unknown): void => {
  response.writeHead(400, { "content-type": "application/json" });
  const error = { code: -32_601, message: "no such method" };
  response.end(JSON.stringify({ jsonrpc: "2.0", id: id ?? null, error }));
};

const textOf = (text: string): object => ({
  content: [{ type: "text", text }],
  resultType: "complete",
});

const events = { "content-type": "text/event-stream" };

/** What the server hears, and the calls whose stream was broken, for who takes them up again. */
class Server {
  readonly heard: { readonly said: string; readonly headers: http.IncomingHttpHeaders }[] = [];
  readonly #stateless: boolean;
  readonly #broken: Map<string, unknown> = new Map();

  constructor(stateless: boolean) {
    this.#stateless = stateless;
  }

  async take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { headers, method, url } = request;
    if (url === "/old") {
      this.heard.push({ said: "moved", headers });
      response.writeHead(308, { location: "mcp" }).end();
      return;
    }
    const secret = headers["x-key"] === undefined ? "no key" : "with the key";
    if (method === "GET") {
      const mark = String(headers["last-event-id"] ?? "");
      this.heard.push({ said: `GET ${mark}`.trim(), headers });
      this.#stream(response, mark, secret);
      return;
    }
    const message = JSON.parse(Buffer.concat(pieces).toString("utf8")) as Message;
    const at = url === "/mcp" ? "" : ` at ${url}`;
    this.heard.push({ said: `${message.method ?? "answer"}${at}`, headers });
    this.#answer(response, message, secret, at);
  }

  #stream(response: http.ServerResponse, mark: string, secret: string): void {
    if (!this.#broken.has(mark)) {
      response.writeHead(405).end();
      return;
    }
    response.writeHead(200, events);
    const result = textOf(`taken up again, ${secret}`);
    const rest = JSON.stringify({ jsonrpc: "2.0", id: this.#broken.get(mark), result });
    response.end(`data: ${rest}\n\n`);
  }

  #answer(response: http.ServerResponse, message: Message, secret: string, at: string): void {
    const { id, method, params } = message;
    if (id === undefined) {
      response.writeHead(202).end();
      return;
    }
    const modern = params?._meta !== undefined;
    const serverInfo = { name: "http", version: "1" };
    const plain = { capabilities: { tools: {} }, serverInfo };
    const cached = { ttlMs: 0, cacheScope: "private", resultType: "complete" };
    if (this.#stateless !== modern) failed(response, id);
    else if (method === "initialize") {
      json(response, id, { protocolVersion: "2025-11-25", ...plain });
    } else if (method === "server/discover") {
      json(response, id, { supportedVersions: ["2026-07-28"], ...plain, ...cached });
    } else if (method === "tools/list") json(response, id, { tools, ...cached });
    else if (method === "tools/call") this.#call(response, message, secret, at);
    else failed(response, id);
  }

  #call(response: http.ServerResponse, { id, params }: Message, secret: string, at: string): void {
    const { name = "" } = params ?? {};
    const [status, location] = redirects[name] ?? [];
    if (status !== undefined && (at === "" || name === "twice")) {
      response.writeHead(status, { location, "mcp-session-id": "session-of-a-redirect" }).end();
      return;
    }
    switch (name) {
      case "breaks":
      case "cut": {
        const mark = `${name}-${this.#broken.size}`;
        this.#broken.set(mark, id);
        response.writeHead(200, events);
        response.write(`id: ${mark}\nretry: 10\ndata: \n\n`);
        // One ends as streams do, the other in the middle.
        if (name === "breaks") response.end();
        else setImmediate(() => response.socket?.resetAndDestroy());
        return;
      }
      case "gone":
        response.writeHead(404).end();
        return;
      case "flood":
        response.writeHead(200, events);
        response.on("error", () => undefined);
        for (let piece = 0; piece < 200; piece++) response.write("data: ".padEnd(65_536, "x"));
        return;
      default:
        json(response, id, textOf(`${name} ${secret}${at}`));
    }
  }
}

/** `stateless`: of 2026-07-28, else of 2025-11-25. */
export const startHttpMcp = async (stateless: boolean): Promise<HttpMcpServer> => {
  const served = new Server(stateless);
  const server = http.createServer((request, response) => void served.take(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    oldUrl: `http://127.0.0.1:${port}/old`,
    heard: served.heard,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
};
