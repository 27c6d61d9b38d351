/**
 * One-time links. A token is random, lives a minute, and is forgotten as it is redeemed; of it only
 * the hash is kept. Who knows it becomes the browser that it was made for: `ioi open` makes links
 * for a new one, the page makes the approval origin's link for its own.
 */
import { Lru } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import type { Place } from "../http/guard.ts";
import { linkMs, linksMax } from "../limits.ts";

export interface Link {
  readonly token: string;
  readonly expiresMs: number;
}

interface Waiting {
  readonly place: Place;
  readonly browser: string;
  readonly madeMs: number;
}

type Crypto = Pick<CryptoProvider, "randomBytes" | "sha256">;

const tokenPattern = /^[A-Za-z0-9_-]{43}$/;

export class Links {
  readonly #crypto: Crypto;
  readonly #nowMs: () => number;
  readonly #waiting: Lru<string, Waiting> = new Lru(linksMax);

  /** `nowMs` must never go back. */
  constructor(crypto: Crypto, nowMs: () => number) {
    this.#crypto = crypto;
    this.#nowMs = nowMs;
  }

  #key(token: string): string {
    return Buffer.from(this.#crypto.sha256(Buffer.from(token))).toString("base64url");
  }

  make(place: Place, browser: string): Link {
    const token = Buffer.from(this.#crypto.randomBytes(32)).toString("base64url");
    const madeMs = this.#nowMs();
    this.#waiting.set(this.#key(token), { place, browser, madeMs });
    return { token, expiresMs: madeMs + linkMs };
  }

  /** The browser that the token stands for; afterwards it stands for nothing. */
  redeem(place: Place, token: string): string | undefined {
    if (!tokenPattern.test(token)) return undefined;
    const key = this.#key(token);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return undefined;
    // Also at the wrong place: a token that was shown there is known there.
    this.#waiting.delete(key);
    if (waiting.place !== place || this.#nowMs() >= waiting.madeMs + linkMs) return undefined;
    return waiting.browser;
  }
}
