/**
 * The console as a program asks it that says what it likes: any Host, Origin, cookie and body. Signed
 * in as a browser is, by a link that is redeemed once.
 */
import http from "node:http";
import path from "node:path";
import { client, dial } from "@ioi/host/rpc";
import { Links } from "@ioi/wire/console";

export type Place = "app" | "approve" | "frame";

const hosts: Readonly<Record<Place, string>> = {
  app: "app.localhost",
  approve: "approve.localhost",
  frame: "approve.app.localhost",
};

export interface Asked {
  readonly method?: string;
  readonly place?: Place;
  readonly path: string;
  /** Over the usual ones; an empty text leaves one out. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

export type Json = Readonly<Record<string, unknown>>;

export interface CallResult {
  readonly status: number;
  /** The `ioi-code` of a failure; empty where it did not fail. */
  readonly code: string;
  readonly json: Json;
}

const parse = (text: string): Json => {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return {};
  }
};

/** A link of the running console, as `ioi open` gets it. */
export const makeLink = async (data: string, cards = false): Promise<URL> => {
  await using channel = await dial(path.join(data, "run/console.sock"));
  const { url } = await client(Links, channel).makeLink({ cards }, { deadlineMs: 10_000 });
  return new URL(url);
};

export class PageClient {
  readonly port: number;
  readonly #cookies: Map<Place, string> = new Map();

  constructor(port: number) {
    this.port = port;
  }

  /** A new browser, signed in at the page and at its framed approval page. */
  static async open(data: string): Promise<PageClient> {
    const link = await makeLink(data);
    const page = new PageClient(Number(link.port));
    await page.redeem("app", link.hash.slice(1));
    const { json } = await page.call("ApproveLink", {});
    await page.redeem("frame", new URL(String(json["url"])).hash.slice(1));
    return page;
  }

  host(place: Place): string {
    return `${hosts[place]}:${this.port}`;
  }

  origin(place: Place): string {
    return `http://${this.host(place)}`;
  }

  cookie(place: Place): string {
    return this.#cookies.get(place) ?? "";
  }

  /** Returns the status; the cookie is kept. */
  async redeem(place: Place, token: string): Promise<number> {
    const answered = await this.ask({
      method: "POST",
      place,
      path: "/redeem",
      body: JSON.stringify({ token }),
    });
    const [header = ""] = answered.headers["set-cookie"] ?? [];
    if (header !== "") this.#cookies.set(place, header.split(";")[0] ?? "");
    return answered.status;
  }

  ask(asked: Asked): Promise<Answered> {
    const { method = "GET", place = "app", body } = asked;
    const usual: Record<string, string> = {
      host: this.host(place),
      cookie: this.cookie(place),
      "sec-fetch-site": "same-origin",
      ...(method === "POST"
        ? {
            origin: this.origin(place),
            "content-type": "application/json",
            "connect-protocol-version": "1",
          }
        : {}),
    };
    const headers = Object.fromEntries(
      Object.entries({ ...usual, ...asked.headers }).filter(([, value]) => value !== ""),
    );
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          host: "127.0.0.1",
          port: this.port,
          method,
          path: asked.path,
          headers,
          setHost: false,
          agent: false,
          timeout: 20_000,
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
      request.on("timeout", () => request.destroy(new Error("no answer")));
      request.on("error", reject);
      request.end(body);
    });
  }

  async #called(service: string, place: Place, method: string, body: Json): Promise<CallResult> {
    const answered = await this.ask({
      method: "POST",
      place,
      path: `/ioi.console.v1.${service}/${method}`,
      body: JSON.stringify(body),
    });
    const code = answered.headers["ioi-code"];
    return {
      status: answered.status,
      code: typeof code === "string" ? code : "",
      json: parse(answered.text),
    };
  }

  call(method: string, body: Json): Promise<CallResult> {
    return this.#called("Console", "app", method, body);
  }

  cards(method: string, body: Json): Promise<CallResult> {
    return this.#called("Cards", "frame", method, body);
  }
}
