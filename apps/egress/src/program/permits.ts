/**
 * What one program may reach: the hosts of its ticket's flow, and what was permitted since, each as an
 * action of its own. What was asked and refused is not asked again.
 *
 * Invariants: a host that nothing names is never looked up; one want stands for all who wait for the
 * same thing. Bounds: `wantsMax`, `wantMs`.
 */
import { toHex } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { contentRefOf } from "@ioi/firewall/content";
import { flowLogStart } from "@ioi/firewall/net";
import type { CanonicalValue } from "@ioi/wire";
import type { FlowBounds } from "../check.ts";
import { wantMs, wantsMax } from "../limits.ts";
import type { RequestWish, Wish } from "./head.ts";

export type FlowHost = NonNullable<FlowBounds["hosts"]>[number];

/** How a request was carried: read in the clear, opened and read, or not read at all. */
export type Mode = "mediated" | "intercepted" | "tunnel";

/** What went over one permission. */
export interface Sum {
  requests: number;
  bytesUp: number;
  bytesDown: number;
  log: Uint8Array;
  address: string;
  mode: Mode;
}

export const newSum = (): Sum => ({
  requests: 0,
  bytesUp: 0,
  bytesDown: 0,
  log: flowLogStart,
  address: "",
  mode: "tunnel",
});

export interface Permit {
  /** Number of the want; 0: the lease. */
  readonly want: number;
  readonly classes: ReadonlySet<string>;
  readonly sum: Sum;
}

export interface Want {
  readonly id: number;
  readonly target: "net::connect" | "net::get" | "net::post";
  readonly args: { readonly [name: string]: CanonicalValue };
  readonly key: string;
  /** Of a request that sends: what its ticket may oblige to look through. */
  readonly body: Uint8Array;
}

export type Permission =
  /** The connection is opened here, and each request in it is judged by itself. */
  | { readonly type: "intercept" }
  | { readonly type: "permit"; readonly permit: Permit; readonly judgedOnly: boolean }
  | { readonly type: "refused"; readonly message: string; readonly status: 403 | 429 };

interface Waiting {
  readonly want: Want;
  readonly promise: Promise<Permission>;
  readonly settle: (permission: Permission) => void;
}

const refused = (message: string, status: 403 | 429 = 403): Permission => ({
  type: "refused",
  message,
  status,
});

const placeOf = (wish: Wish): { readonly host: string; readonly port: number } =>
  wish.type === "tunnel" ? wish : wish.url;

const reads: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
export const sends: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

type Hashing = Pick<CryptoProvider, "sha256">;

/** Headers of a request that sends which are judged, and go along, with it. */
export const judgedHeaders: ReadonlySet<string> = new Set(["accept", "content-type"]);

const sendsOf = (
  { method, url, headers }: RequestWish,
  body: Buffer,
  provider: Hashing,
): Omit<Want, "id"> => {
  const content = contentRefOf(body, provider);
  const judged = Object.fromEntries(headers.filter(([name]) => judgedHeaders.has(name)));
  return {
    target: "net::post",
    args: {
      method,
      url: url.text,
      ...(Object.keys(judged).length === 0 ? {} : { headers: judged }),
      ...(body.length === 0 ? {} : { content }),
    },
    key: `${method} ${url.text} ${toHex(content.sha256)} ${JSON.stringify(judged)}`,
    body,
  };
};

/** Whether a request of this kind is judged as what it is; others as a tunnel to their host. */
const isJudged = ({ method, length }: RequestWish): boolean =>
  (reads.has(method) && length === 0) || sends.has(method);

/** Its body is held before it is asked about. */
export const isHeld = (wish: RequestWish): boolean => isJudged(wish) && wish.length !== 0;

const wantOf = (wish: Wish, provider: Hashing): Omit<Want, "id"> | undefined => {
  const { host, port } = placeOf(wish);
  const body = new Uint8Array(0);
  if (wish.type === "tunnel") {
    return { target: "net::connect", args: { host, port }, key: `${host} ${port}`, body };
  }
  if (!isJudged(wish)) return undefined;
  const { method, url } = wish;
  if (sends.has(method)) return sendsOf(wish, wish.body ?? Buffer.alloc(0), provider);
  return {
    target: "net::get",
    args: { method, url: url.text },
    key: `${method} ${url.text}`,
    body,
  };
};

export class Permits {
  readonly #hosts: readonly FlowHost[];
  readonly #provider: Hashing;
  readonly #onWant: (want: Want) => void;
  readonly lease: Sum = newSum();
  /** By what they are for; those of single requests are used once. */
  readonly #granted: Map<string, Permit> = new Map();
  readonly #refused: Map<string, string> = new Map();
  readonly #waiting: Map<string, Waiting> = new Map();
  #asked = 0;
  readonly granted: Permit[] = [];

  constructor(hosts: readonly FlowHost[], provider: Hashing, onWant: (want: Want) => void) {
    this.#hosts = hosts;
    this.#provider = provider;
    this.#onWant = onWant;
  }

  #leased(wish: Wish): FlowHost | undefined {
    const { host, port } = placeOf(wish);
    const opened = wish.type === "request" && wish.url.scheme === "https";
    return this.#hosts.find(
      (each) =>
        each.host === host &&
        each.port === port &&
        each.intercept === (opened ? "leased" : undefined) &&
        (each.methods === undefined ||
          (wish.type === "request" && each.methods.includes(wish.method))),
    );
  }

  /** Whether it goes without being asked about. */
  covers(wish: Wish): boolean {
    const { host, port } = placeOf(wish);
    return this.#leased(wish) !== undefined || this.#tunnelled(wish, `${host} ${port}`);
  }

  /** A tunnel that was permitted carries plain requests to its host as well. */
  #tunnelled(wish: Wish, key: string): boolean {
    return this.#granted.has(key) && (wish.type === "tunnel" || wish.url.scheme === "http");
  }

  async permit(wish: Wish): Promise<Permission> {
    const { host, port } = placeOf(wish);
    const intercepts = (each: FlowHost): boolean =>
      each.intercept !== undefined && each.host === host && each.port === port;
    if (wish.type === "tunnel" && this.#hosts.some(intercepts)) return { type: "intercept" };
    const leased = this.#leased(wish);
    if (leased !== undefined) {
      const permit = { want: 0, classes: new Set<string>(leased.classes), sum: this.lease };
      return { type: "permit", permit, judgedOnly: false };
    }
    const known = this.#granted.get(`${host} ${port}`);
    if (known !== undefined && this.#tunnelled(wish, `${host} ${port}`)) {
      return { type: "permit", permit: known, judgedOnly: false };
    }
    const want = wantOf(wish, this.#provider);
    if (want === undefined) return refused("a request of this kind is not judged");
    const before = this.#refused.get(want.key);
    if (before !== undefined) return refused(before);
    const joined = this.#waiting.get(want.key);
    if (joined === undefined) return await this.#ask(want).promise;
    const permission = await joined.promise;
    // A permission for one request is the other's.
    return permission.type === "permit" && permission.judgedOnly
      ? await this.permit(wish)
      : permission;
  }

  #ask(given: Omit<Want, "id">): Pick<Waiting, "promise"> {
    if (this.#asked >= wantsMax) {
      const text = `this program asked for ${wantsMax} things outside of its lease`;
      return { promise: Promise.resolve(refused(text, 429)) };
    }
    this.#asked += 1;
    const want: Want = { id: this.#asked, ...given };
    const { promise, resolve } = Promise.withResolvers<Permission>();
    const timer = setTimeout(() => {
      this.refuse(want.id, "nobody answered in time");
    }, wantMs);
    const settle = (permission: Permission): void => {
      clearTimeout(timer);
      this.#waiting.delete(want.key);
      resolve(permission);
    };
    const waiting = { want, promise, settle };
    this.#waiting.set(want.key, waiting);
    this.#onWant(want);
    return waiting;
  }

  wanted(id: number): Want | undefined {
    return [...this.#waiting.values()].find(({ want }) => want.id === id)?.want;
  }

  grant(id: number, classes: readonly string[]): boolean {
    const waiting = [...this.#waiting.values()].find(({ want }) => want.id === id);
    if (waiting === undefined) return false;
    const permit = { want: id, classes: new Set(classes), sum: newSum() };
    this.granted.push(permit);
    const judgedOnly = waiting.want.target !== "net::connect";
    // A tunnel is asked for once a host; a request is that request.
    if (!judgedOnly) this.#granted.set(waiting.want.key, permit);
    waiting.settle({ type: "permit", permit, judgedOnly });
    return true;
  }

  refuse(id: number, message: string): void {
    const waiting = [...this.#waiting.values()].find(({ want }) => want.id === id);
    if (waiting === undefined) return;
    this.#refused.set(waiting.want.key, message);
    waiting.settle(refused(message));
  }

  /** Nothing is waited for any more. */
  close(message: string): void {
    for (const { settle } of this.#waiting.values()) settle(refused(message));
  }
}
