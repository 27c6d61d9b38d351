/**
 * Typed tokens: what a text says where it stands for somebody or something. Two texts mean the same
 * where they have one type and one canonical form; nothing is similar, only equal.
 *
 * Source: the design of the firewall, section 2 (Roles and grounding). Canonical forms: addresses of
 * mail, hosts and URLs in small ASCII letters without the root's dot, accounts and phone numbers
 * without spaces and hyphens, amounts without separators and trailing zeros, dates as ISO 8601,
 * names in NFC and small letters with single spaces.
 *
 * Invariants: a text that is not in NFC, holds characters that cannot be seen or letters that only
 * look like others is no token at all, so it equals nothing; addresses are ASCII, so no letter of
 * another alphabet can become one of theirs. Bounds: `groundedCharsMax`.
 */
import { groundedCharsMax, personCharsMax } from "../limits.ts";
import { parseCanonicalUrl } from "../net/url.ts";
import { letterWarnings, visible } from "../visible.ts";

export type TokenType =
  | "email"
  | "url"
  | "host"
  | "account"
  | "phone"
  | "path"
  | "date"
  | "amount"
  | "name";

export interface Token {
  readonly type: TokenType;
  /** Canonical: equal for equal meaning. */
  readonly text: string;
}

/** Key of a token in a map. */
export const tokenKey = ({ type, text }: Token): string => `${type}\n${text}`;

/** Small letters of ASCII only: no other letter turns into one of these. */
export const small = (text: string): string =>
  text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const hostPattern = new RegExp(`^(?:${label}\\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`);
const localPattern = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;

const hostOf = (text: string): string | undefined => {
  const host = small(text).replace(/\.$/, "");
  return host.length <= 253 && hostPattern.test(host) ? host : undefined;
};

const emailOf = (text: string): string | undefined => {
  const at = text.lastIndexOf("@");
  if (at < 1 || at > 64) return undefined;
  const local = small(text.slice(0, at));
  const host = hostOf(text.slice(at + 1));
  return host !== undefined && localPattern.test(local) ? `${local}@${host}` : undefined;
};

const schemed = /^(https?):\/\/([^/?#]*)([^#]*)(?:#.*)?$/i;

/**
 * A URL without a platform's parser: only what is nearly canonical already becomes a token, and every
 * other spelling equals nothing. `www.` and a host with a path stand for https.
 */
const urlOf = (text: string): string | undefined => {
  const given = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const parts = schemed.exec(given);
  if (parts === null) return undefined;
  const [, scheme = "", authority = "", rest = ""] = parts;
  const host = small(authority).replace(/\.(?=$|:)/, "");
  const bare = host.replace(small(scheme) === "https" ? /:443$/ : /:80$/, "");
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  const url = parseCanonicalUrl(`${small(scheme)}://${bare}${path}`);
  return url.ok ? url.value.text : undefined;
};

/** Of a chain: CAIP-10, or hexadecimal. */
const chainAccount =
  /^(?:[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}:[-.%a-zA-Z0-9]{16,128}|0x[0-9a-fA-F]{40,64})$/;

/** Country, check digits and what the country has; or eight digits and more; or of a chain. */
const accountOf = (text: string): string | undefined => {
  if (chainAccount.test(text)) return text;
  if (!/^[A-Za-z0-9]+(?:[ -][A-Za-z0-9]+)*$/.test(text)) return undefined;
  const compact = text.replaceAll(/[ -]/g, "").toUpperCase();
  const international = /^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$/.test(compact);
  const digits = /^[0-9]{8,34}$/.test(compact);
  const many = compact.replaceAll(/[^0-9]/g, "").length >= 8;
  return (international && many) || digits ? compact : undefined;
};

/** ISO 7064, mod 97-10. */
export const isIban = (compact: string): boolean => {
  if (!/^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$/.test(compact)) return false;
  let rest = 0;
  for (const char of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(char, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
};

const phoneOf = (text: string): string | undefined => {
  if (!/^\+?[0-9()][0-9 ()./-]*[0-9]$/.test(text) || !/^[+(]|[()./]/.test(text)) return undefined;
  const digits = text.replaceAll(/[^0-9]/g, "");
  if (digits.length < 7 || digits.length > 15) return undefined;
  return `${text.startsWith("+") ? "+" : ""}${digits}`;
};

const amountOf = (text: string): string | undefined => {
  const parts =
    /^(?:[$\u20ac\u00a3\u00a5] ?)?([0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.([0-9]{1,15}))?(?: ?(?:[A-Za-z]{3}|[$\u20ac\u00a3\u00a5%]))?$/.exec(
      text,
    );
  if (parts === null) return undefined;
  const whole = (parts[1] as string).replaceAll(",", "").replace(/^0+(?=[0-9])/, "");
  const part = (parts[2] ?? "").replace(/0+$/, "");
  return part === "" ? whole : `${whole}.${part}`;
};

const months = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const twoDigits = (text: string): string => text.padStart(2, "0");

const calendarDate = (year: string, month: number, day: string): string | undefined =>
  month >= 1 && month <= 12 && Number(day) >= 1 && Number(day) <= 31
    ? `${year}-${twoDigits(String(month))}-${twoDigits(day)}`
    : undefined;

const monthOf = (name: string): number => months.indexOf(small(name).slice(0, 3)) + 1;

/** `2024-05-15`, `2024-05-15 10:00`, `May 15th, 2024`, `15 May 2024`; day and month have one order. */
export const dateOf = (text: string): string | undefined => {
  const iso = /^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(?::00)?)?$/.exec(text);
  if (iso !== null) {
    const date = calendarDate(iso[1] as string, Number(iso[2]), iso[3] as string);
    return date === undefined || iso[4] === undefined ? date : `${date}T${iso[4]}`;
  }
  const first = /^([A-Za-z]{3,9})\.? ([0-9]{1,2})(?:st|nd|rd|th)?,? ([0-9]{4})$/.exec(text);
  if (first !== null) {
    return calendarDate(first[3] as string, monthOf(first[1] as string), first[2] as string);
  }
  const last = /^([0-9]{1,2})(?:st|nd|rd|th)?(?: of)? ([A-Za-z]{3,9})\.?,? ([0-9]{4})$/.exec(text);
  return last === null
    ? undefined
    : calendarDate(last[3] as string, monthOf(last[2] as string), last[1] as string);
};

/** Words in small letters between single spaces; punctuation around and between them is dropped. */
export const phraseOf = (text: string): string =>
  text
    .toLowerCase()
    .split(/[\s"'`\u2018\u2019\u201c\u201d()[\]{}<>,;:!?|*]+/u)
    .map((word) => word.replace(/^[.&+/-]+|[.&+/-]+$/g, ""))
    .filter((word) => word !== "")
    .join(" ");

/** A text that says what it seems to say. */
export const isPlain = (text: string): boolean =>
  text.length <= groundedCharsMax &&
  text.isWellFormed() &&
  text === text.normalize("NFC") &&
  text === visible(text) &&
  letterWarnings(text).length === 0;

const typed: readonly (readonly [TokenType, (text: string) => string | undefined])[] = [
  ["date", dateOf],
  ["amount", amountOf],
  ["account", accountOf],
  ["phone", phoneOf],
  ["host", hostOf],
];

/** The token that a whole text is; undefined where it equals nothing. */
export const tokenOf = (given: string): Token | undefined => {
  if (!isPlain(given)) return undefined;
  const text = given.trim();
  if (text === "") return undefined;
  const schemeful = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  if (schemeful || /^www\./i.test(text)) {
    const url = urlOf(text);
    return url === undefined ? undefined : { type: "url", text: url };
  }
  if (/^[^\s@]+@\S*$/.test(text)) {
    const email = emailOf(text);
    return email === undefined ? undefined : { type: "email", text: email };
  }
  for (const [type, read] of typed) {
    const canonical = read(text);
    // What eight digits and more are, an account or an amount, nothing says: they are an account.
    if (canonical !== undefined && !(type === "amount" && /^[0-9]{8,}$/.test(canonical))) {
      return { type, text: canonical };
    }
  }
  if (!/\s/.test(text) && text.includes("/")) {
    const host = hostOf(text.slice(0, text.indexOf("/")));
    const url = host === undefined || text.startsWith("/") ? undefined : urlOf(text);
    return url === undefined
      ? { type: "path", text: text.replace(/^\.\//, "") }
      : { type: "url", text: url };
  }
  const phrase = phraseOf(text);
  return /[\p{L}\p{N}]/u.test(phrase) ? { type: "name", text: phrase } : undefined;
};

/** Types that lead somewhere: to a person, a machine, an account, a file. */
export const isAddress = ({ type }: Token): boolean =>
  ["email", "url", "host", "account", "phone", "path"].includes(type);

const personTypes: ReadonlySet<TokenType> = new Set(["email", "phone", "account"]);

/** How somebody is reached or paid; undefined where a text is no such address. */
export const personOf = (text: string): Token | undefined => {
  const token = text.length <= personCharsMax ? tokenOf(text) : undefined;
  return token !== undefined && personTypes.has(token.type) ? token : undefined;
};
