/**
 * What one program may reach: the hosts of its ticket's flow, and what was permitted since, each as an
 * action of its own. What was asked and refused is not asked again.
 *
 * Invariants: a host that nothing names is never looked up; one want stands for all who wait for the
 * same thing. Bounds: `wantsMax`, `wantMs`.
 */
import type { CanonicalValue } from "@ioi/wire";
import { flowLogStart } from "@ioi/firewall/net";
import type { FlowBounds } from "../check.ts";
import { wantMs, wantsMax } from "../limits.ts";
import type { Wish } from "./head.ts";

export type FlowHost = NonNullable<FlowBounds["hosts"]>[number];

/** What went over one permission. */
export interface Sum {
  requests: number;
  bytesUp: number;
  bytesDown: number;
  log: Uint8Array;
  address: string;
  mode: "mediated" | "tunnel";
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
  readonly target: "net::connect" | "net::get";
  readonly args: { readonly [name: string]: CanonicalValue };
  readonly key: string;
}

export type Permission =
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

/** Requests that only read are judged by their URL; whatever else is, as a tunnel to its host. */
const wantOf = (wish: Wish): Omit<Want, "id"> => {
  const { host, port } = placeOf(wish);
  if (wish.type === "request" && wish.length === 0 && reads.has(wish.method)) {
    const { method, url } = wish;
    const key = `${method} ${url.text}`;
    return { target: "net::get", args: { method, url: url.text }, key };
  }
  return { target: "net::connect", args: { host, port }, key: `${host} ${port}` };
};

export class Permits {
  readonly #hosts: readonly FlowHost[];
  readonly #onWant: (want: Want) => void;
  readonly lease: Sum = newSum();
  /** By what they are for; those of single requests are used once. */
  readonly #granted: Map<string, Permit> = new Map();
  readonly #refused: Map<string, string> = new Map();
  readonly #waiting: Map<string, Waiting> = new Map();
  #asked = 0;
  readonly granted: Permit[] = [];

  constructor(hosts: readonly FlowHost[], onWant: (want: Want) => void) {
    this.#hosts = hosts;
    this.#onWant = onWant;
  }

  #leased(wish: Wish): FlowHost | undefined {
    const { host, port } = placeOf(wish);
    return this.#hosts.find(
      (each) =>
        each.host === host &&
        each.port === port &&
        (each.methods === undefined ||
          (wish.type === "request" && each.methods.includes(wish.method))),
    );
  }

  async permit(wish: Wish): Promise<Permission> {
    const leased = this.#leased(wish);
    if (leased !== undefined) {
      const permit = { want: 0, classes: new Set<string>(leased.classes), sum: this.lease };
      return { type: "permit", permit, judgedOnly: false };
    }
    const { host, port } = placeOf(wish);
    const known = this.#granted.get(`${host} ${port}`);
    if (known !== undefined) return { type: "permit", permit: known, judgedOnly: false };
    const want = wantOf(wish);
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
    const judgedOnly = waiting.want.target === "net::get";
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
