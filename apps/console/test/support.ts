/** A site on a free port with a kernel of the test's own, asked as a browser or a liar asks. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { nodeCrypto } from "@ioi/host/crypto";
import { Cards, Console } from "@ioi/wire/console";
import { Cookies } from "../src/auth/cookies.ts";
import { Links } from "../src/auth/links.ts";
import { type Calls, callsOf, type Handlers } from "../src/http/connect.ts";
import { Events } from "../src/http/events.ts";
import { Pages, StaticFolder } from "../src/http/files.ts";
import { originOf, type Place } from "../src/http/guard.ts";
import { Site } from "../src/http/server.ts";

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly place?: Place;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

const staticFolder = (name: string): StaticFolder =>
  new StaticFolder(path.join(import.meta.dirname, "../static", name));

const unused = (): Promise<never> => Promise.reject(new Error("not part of this test"));

/** Handlers that are not given fail the test that calls them. */
const whole = <H extends object>(given: Partial<H>): H =>
  new Proxy(given, {
    get: (target, name) => (target as Readonly<Record<PropertyKey, unknown>>)[name] ?? unused,
  }) as H;

export interface TestSiteOptions {
  readonly app?: Partial<Handlers<typeof Console>>;
  readonly cards?: Partial<Handlers<typeof Cards>>;
  readonly pages?: string;
  readonly isOwn?: (callerPort: number) => Promise<boolean>;
}

export class TestSite implements AsyncDisposable {
  readonly links: Links;
  readonly cookies: Cookies;
  readonly events: Events;
  readonly bugs: unknown[] = [];
  readonly #server: http.Server;
  nowMs = 1_700_000_000_000;
  port = 0;
  reading: boolean[] = [];

  private constructor(options: TestSiteOptions, port: number) {
    const now = (): number => this.nowMs;
    this.port = port;
    this.links = new Links(nodeCrypto, now);
    this.cookies = new Cookies(nodeCrypto, new Uint8Array(32).fill(5), now);
    this.events = new Events({ life: "ab", onReading: (reading) => this.reading.push(reading) });
    const cards: Calls = callsOf(Cards, whole<Handlers<typeof Cards>>(options.cards ?? {}));
    this.#server = new Site({
      port,
      links: this.links,
      cookies: this.cookies,
      events: this.events,
      page: new Pages(options.pages ?? ""),
      open: staticFolder("open"),
      approve: staticFolder("approve"),
      calls: {
        app: callsOf(Console, whole<Handlers<typeof Console>>(options.app ?? {})),
        approve: cards,
        frame: cards,
      },
      isOwn: options.isOwn ?? (async () => true),
      onBug: (error) => this.bugs.push(error),
    }).server();
  }

  static async open(options: TestSiteOptions = {}): Promise<TestSite> {
    // The site must know its port before it listens: another server finds a free one.
    const finder = http.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => finder.once("listening", resolve));
    const { port } = finder.address() as AddressInfo;
    await new Promise((resolve) => finder.close(resolve));
    const site = new TestSite(options, port);
    site.#server.listen(port, "127.0.0.1");
    await new Promise((resolve, reject) => {
      site.#server.once("listening", resolve);
      site.#server.once("error", reject);
    });
    return site;
  }

  host(place: Place): string {
    return new URL(this.origin(place)).host;
  }

  origin(place: Place): string {
    return originOf(place, this.port);
  }

  cookie(place: Place, browser: string = "a".repeat(32)): string {
    return this.cookies.issue(place, browser).split(";")[0] ?? "";
  }

  /** As a signed-in page would ask, unless headers say otherwise; an empty one is left out. */
  ask(asked: Asked): Promise<Answered> {
    const { method = "GET", place = "app", body } = asked;
    const all: Record<string, string> = {
      host: this.host(place),
      cookie: this.cookie(place),
      ...(method === "POST"
        ? {
            origin: this.origin(place),
            "content-type": "application/json",
            "connect-protocol-version": "1",
          }
        : {}),
      ...asked.headers,
    };
    const headers = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          host: "127.0.0.1",
          port: this.port,
          method,
          path: asked.path ?? "/",
          headers,
          setHost: false,
          agent: false,
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
          response.on("error", reject);
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
          );
        },
      );
      request.on("error", reject);
      request.end(body);
    });
  }

  /** What `@connectrpc/connect-web` takes for the browser's own. */
  fetch: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const headers = Object.fromEntries(new Headers(init?.headers).entries());
    const answered = await this.ask({
      method: init?.method ?? "GET",
      path: url.pathname,
      headers,
      ...(init?.body === undefined || init.body === null
        ? {}
        : { body: new Uint8Array(await new Response(init.body).arrayBuffer()) }),
    });
    const own = Object.entries(answered.headers).flatMap(([name, value]) =>
      typeof value === "string" ? [[name, value] as [string, string]] : [],
    );
    return new Response(answered.text, { status: answered.status, headers: own });
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.events.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** What a stream says until `until` is in it. */
export const readStream = (
  site: TestSite,
  place: Place,
  lastId: string,
  until: string,
  browser?: string,
): Promise<{ readonly text: string; readonly close: () => void }> =>
  new Promise((resolve, reject) => {
    const request = http.get(
      {
        host: "127.0.0.1",
        port: site.port,
        path: "/events",
        setHost: false,
        agent: false,
        headers: {
          host: site.host(place),
          cookie: site.cookie(place, browser),
          ...(lastId === "" ? {} : { "last-event-id": lastId }),
        },
      },
      (response) => {
        let text = "";
        const close = (): void => void response.destroy();
        response.setEncoding("utf8");
        response.on("error", () => undefined);
        response.on("close", () => reject(new Error(`ended with ${JSON.stringify(text)}`)));
        response.on("data", (piece: string) => {
          text += piece;
          if (text.includes(until)) resolve({ text, close });
        });
      },
    );
    request.on("error", reject);
  });
