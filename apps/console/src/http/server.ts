/**
 * The console's one HTTP server: two hosts on one loopback port. Every request passes `guard`
 * first; without a cookie of its place nobody gets more than the page that redeems a link.
 *
 * Bounds: headers, body, time for each, connections, calls and streams at once (`limits.ts`).
 */
import http from "node:http";
import type { Socket } from "node:net";
import { OperationError } from "@ioi/base";
import type { Cookies } from "../auth/cookies.ts";
import type { Links } from "../auth/links.ts";
import {
  bodyBytesMax,
  callsMax,
  connectionsMax,
  headerBytesMax,
  headersMax,
  headersMs,
  keepAliveMs,
  requestMs,
  slowCheckMs,
  urlCharsMax,
} from "../limits.ts";
import { answerCall, type Calls } from "./connect.ts";
import type { Events } from "./events.ts";
import type { Pages, StaticFile, StaticFolder } from "./files.ts";
import { guard, type Place } from "./guard.ts";
import { securityHeaders } from "./policy.ts";
import { refuseConnection } from "./refuse.ts";

export interface SiteOptions {
  readonly port: number;
  readonly links: Links;
  readonly cookies: Cookies;
  readonly events: Events;
  readonly calls: Readonly<Record<Place, Calls>>;
  /** The page that was built. */
  readonly page: Pages;
  /** What stands in for it until then, and what redeems links. */
  readonly open: StaticFolder;
  readonly approve: StaticFolder;
  /** Whether who calls from this port of the machine is this user. */
  readonly isOwn: (callerPort: number) => Promise<boolean>;
  readonly onBug: (error: unknown) => void;
}

interface Visit {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly place: Place;
  readonly path: string;
  readonly browser: string | undefined;
}

const text = "text/plain; charset=utf-8";

/** What anybody may read: it holds nothing and does nothing without a token. */
const openFiles: Readonly<Record<string, string>> = {
  "/open": "/open.html",
  "/open.js": "/open.js",
  "/open.css": "/open.css",
  "/open.svg": "/open.svg",
};

export class Site {
  readonly #options: SiteOptions;
  #calls = 0;
  /** Asked once for each connection. */
  readonly #own: WeakMap<Socket, Promise<boolean>> = new WeakMap();

  constructor(options: SiteOptions) {
    this.#options = options;
  }

  server(): http.Server {
    const server = http.createServer(
      {
        maxHeaderSize: headerBytesMax,
        headersTimeout: headersMs,
        requestTimeout: requestMs,
        keepAliveTimeout: keepAliveMs,
        connectionsCheckingInterval: slowCheckMs,
        requireHostHeader: true,
        insecureHTTPParser: false,
        // No upgrade is served; the socket of one that is asked for is ended by the answer.
        shouldUpgradeCallback: () => false,
      },
      (request, response) => {
        this.#answer(request, response).catch((error: unknown) => this.#failed(response, error));
      },
    );
    server.maxHeadersCount = headersMax;
    server.maxConnections = connectionsMax;
    server.on("clientError", refuseConnection);
    return server;
  }

  #failed(response: http.ServerResponse, error: unknown): void {
    response.destroy();
    this.#options.onBug(error);
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    const { port, cookies } = this.#options;
    const url = request.url ?? "/";
    const path = url.split("?", 1)[0] ?? "/";
    const header = (name: string): string | undefined => {
      const value = request.headers[name];
      return typeof value === "string" ? value : undefined;
    };
    const verdict = guard(
      {
        method: request.method ?? "",
        path,
        host: header("host"),
        origin: header("origin"),
        fetchSite: header("sec-fetch-site"),
        fetchDest: header("sec-fetch-dest"),
      },
      port,
    );
    if (!verdict.ok) {
      end(response, verdict.status, { "content-type": text, connection: "close" }, verdict.why);
      return;
    }
    if (url.length > urlCharsMax || !url.startsWith("/")) {
      end(response, 414, { "content-type": text, connection: "close" }, "the address is too long");
      return;
    }
    if (!(await this.#isOwn(request.socket))) {
      const why = "the page is another user's of this machine";
      end(response, 403, { "content-type": text, connection: "close" }, why);
      return;
    }
    const { place } = verdict;
    const browser = cookies.read(place, request.headers.cookie);
    const visit: Visit = { request, response, place, path, browser };
    if (request.method === "POST") await this.#post(visit);
    else this.#get(visit);
  }

  /** A port is open to every user of a machine; the page is not. */
  #isOwn(socket: Socket): Promise<boolean> {
    const known = this.#own.get(socket);
    if (known !== undefined) return known;
    const asked = this.#options.isOwn(socket.remotePort ?? 0);
    this.#own.set(socket, asked);
    return asked;
  }

  #send(visit: Visit, status: number, type: string, body: string | Buffer, cache: string): void {
    const { place, response } = visit;
    const headers = securityHeaders(place, this.#options.port);
    end(response, status, { ...headers, "content-type": type, "cache-control": cache }, body);
  }

  #get(visit: Visit): void {
    const { path, browser, place, response, request } = visit;
    const open = openFiles[path];
    if (open !== undefined) {
      this.#file(visit, 200, this.#options.open.read(open));
      return;
    }
    if (browser === undefined) {
      if (path === "/") this.#file(visit, 401, this.#options.open.read("/closed.html"));
      else this.#send(visit, 401, text, "open the page with ./ioi open\n", "no-store");
      return;
    }
    if (path === "/events") {
      const last = request.headers["last-event-id"];
      const headers = securityHeaders(place, this.#options.port);
      const id = typeof last === "string" ? last : undefined;
      if (!this.#options.events.stream(place, browser, id, response, headers)) {
        this.#send(visit, 429, text, "too many pages are open\n", "no-store");
      }
      return;
    }
    this.#page(visit);
  }

  #page(visit: Visit): void {
    const { place, path } = visit;
    const { page, open, approve } = this.#options;
    if (place !== "app") {
      this.#file(visit, 200, approve.read(path === "/" ? "/index.html" : path));
      return;
    }
    // A path without a dot is a screen of the page, which finds its way by itself.
    if (path.includes(".")) this.#file(visit, 200, page.read(path));
    else this.#file(visit, 200, page.index() ?? open.read("/building.html"));
  }

  #file(visit: Visit, status: number, file: StaticFile | undefined): void {
    if (file === undefined) {
      this.#send(visit, 404, text, "not found\n", "no-store");
      return;
    }
    // Names of built files hold their hash.
    const lasting = visit.place === "app" && visit.path.startsWith("/assets/");
    const cache = lasting ? "private, max-age=31536000, immutable" : "no-store";
    this.#send(visit, status, file.type, file.bytes, cache);
  }

  async #post(visit: Visit): Promise<void> {
    const { path, browser, request, response, place } = visit;
    if (this.#calls >= callsMax) {
      this.#send(visit, 429, text, "too many calls at once\n", "no-store");
      return;
    }
    this.#calls++;
    try {
      const body = await readBody(request);
      if (body === undefined) {
        response.setHeader("connection", "close");
        this.#send(visit, 413, text, "the body is too long\n", "no-store");
        return;
      }
      if (path === "/redeem") {
        this.#redeem(visit, body);
        return;
      }
      if (browser === undefined) {
        this.#send(visit, 401, text, "open the page with ./ioi open\n", "no-store");
        return;
      }
      const gone = new AbortController();
      response.once("close", () => gone.abort());
      const { headers: given } = request;
      const answer = await answerCall(this.#options.calls[place], {
        path,
        contentType: given["content-type"],
        contentEncoding: given["content-encoding"],
        protocolVersion: one(given["connect-protocol-version"]),
        timeoutMs: one(given["connect-timeout-ms"]),
        body,
        browser,
        signal: gone.signal,
      });
      const headers = securityHeaders(place, this.#options.port);
      const all = { ...headers, ...answer.headers, "cache-control": "no-store" };
      end(response, answer.status, all, answer.body);
    } catch (error) {
      // The caller went away while it was still sending.
      if (!(error instanceof OperationError)) throw error;
      response.destroy();
    } finally {
      this.#calls--;
    }
  }

  /** `{"token": ...}` becomes the cookie of this place. */
  #redeem(visit: Visit, body: Buffer): void {
    const { request, response, place } = visit;
    const { links, cookies } = this.#options;
    if (request.headers["content-type"] !== "application/json") {
      this.#send(visit, 415, text, "a token is sent as application/json\n", "no-store");
      return;
    }
    const browser = links.redeem(place, tokenOf(body));
    if (browser === undefined) {
      this.#send(visit, 403, text, "the link was used, or is older than a minute\n", "no-store");
      return;
    }
    response.setHeader("set-cookie", cookies.issue(place, browser));
    this.#send(visit, 200, "application/json", "{}", "no-store");
  }
}

const one = (value: string | string[] | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;

const tokenOf = (body: Buffer): string => {
  try {
    const value = JSON.parse(body.toString("utf8")) as { readonly token?: unknown } | null;
    return typeof value?.token === "string" ? value.token : "";
  } catch {
    return "";
  }
};

const end = (
  response: http.ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer,
): void => {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { ...headers, "content-length": String(Buffer.byteLength(body)) });
  response.end(body);
};

/** Undefined where it is longer than a body may be; the rest is not read. */
const readBody = async (request: http.IncomingMessage): Promise<Buffer | undefined> => {
  if (Number(request.headers["content-length"] ?? 0) > bodyBytesMax) return undefined;
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    // What is left unread is dropped with the connection, after the answer.
    const incoming = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    for await (const piece of incoming) {
      length += piece.length;
      if (length > bodyBytesMax) return undefined;
      pieces.push(piece);
    }
  } catch (cause) {
    throw new OperationError("E_RPC_CANCELLED", "the caller is gone", { cause });
  }
  return Buffer.concat(pieces);
};
