/**
 * What a redeemed link becomes: one HttpOnly cookie for each origin, authenticated by a key of this
 * launcher's life, so that a console which starts anew knows its browsers again and a kernel which
 * starts anew knows none.
 *
 * SameSite=Strict: no other site's page, form or frame makes a browser send one. A cookie has no
 * port, so a server on another port that the person visits under one of our names is sent it; it is
 * of no use to another user of the machine, whose connections are refused.
 */
import type { CryptoProvider } from "@ioi/crypto";
import { cookieMs } from "../limits.ts";
import type { Place } from "../http/guard.ts";

type Crypto = Pick<CryptoProvider, "hmacSha256" | "equalSecret">;

export const cookieName = (place: Place): string => `ioi-${place}`;

const valuePattern = /^([0-9a-f]{32})\.(\d{1,15})\.([A-Za-z0-9_-]{43})$/;

export class Cookies {
  readonly #crypto: Crypto;
  readonly #key: Uint8Array;
  readonly #nowMs: () => number;

  constructor(crypto: Crypto, key: Uint8Array, nowMs: () => number) {
    this.#crypto = crypto;
    this.#key = key;
    this.#nowMs = nowMs;
  }

  #mac(place: Place, browser: string, issuedMs: string): Uint8Array {
    const bytes = Buffer.from(`ioi/console/cookie/v1\0${place}\0${browser}\0${issuedMs}`);
    return this.#crypto.hmacSha256(this.#key, bytes);
  }

  /** The header that gives it. */
  issue(place: Place, browser: string): string {
    const issued = String(this.#nowMs());
    const mac = Buffer.from(this.#mac(place, browser, issued)).toString("base64url");
    const value = `${browser}.${issued}.${mac}`;
    const maxAge = Math.floor(cookieMs / 1000);
    return `${cookieName(place)}=${value}; Path=/; HttpOnly; Max-Age=${maxAge}; SameSite=Strict`;
  }

  /** The browser that a `Cookie` header names at this place; undefined where it names none. */
  read(place: Place, header: string | undefined): string | undefined {
    const prefix = `${cookieName(place)}=`;
    const given = (header ?? "")
      .split(";")
      .map((each) => each.trim())
      .filter((each) => each.startsWith(prefix));
    // Two of one name: somebody else on this host put one beside ours.
    if (given.length !== 1) return undefined;
    const found = valuePattern.exec((given[0] ?? "").slice(prefix.length));
    if (found === null) return undefined;
    const [, browser = "", issued = "", mac = ""] = found;
    const known = this.#crypto.equalSecret(
      this.#mac(place, browser, issued),
      Buffer.from(mac, "base64url"),
    );
    const ageMs = this.#nowMs() - Number(issued);
    return known && ageMs >= 0 && ageMs < cookieMs ? browser : undefined;
  }
}
