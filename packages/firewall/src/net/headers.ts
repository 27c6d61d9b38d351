/**
 * Headers that an agent may name. What steers a connection, says who asks, or carries a credential
 * is never an agent's: egress writes those, and credentials come as secrets.
 */
import { err, ok, type Result } from "@ioi/base";
import { headersMax, headerValueCharsMax } from "../limits.ts";

/** Of a request without a body: what it wants, nothing that says more. */
const reading: ReadonlySet<string> = new Set([
  "accept",
  "accept-language",
  "cache-control",
  "if-modified-since",
  "if-none-match",
  "range",
]);

const forbidden: ReadonlySet<string> = new Set([
  "accept-charset",
  "accept-encoding",
  "authorization",
  "connection",
  "content-length",
  "cookie",
  "cookie2",
  "expect",
  "forwarded",
  "host",
  "http2-settings",
  "keep-alive",
  "origin",
  "referer",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
]);
const forbiddenPrefix = /^(?:proxy-|sec-|x-forwarded-|x-real-)/;

/** Why an agent may not name this header; undefined where it may. */
export const headerComplaint = (
  name: string,
  value: string,
  use: "reads" | "sends",
): string | undefined => {
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name)) return "its name is no token in small letters";
  if (forbidden.has(name) || forbiddenPrefix.test(name)) {
    return "it is not an agent's to set; a credential is a secret";
  }
  if (use === "reads" && !reading.has(name)) {
    return `a request without a body names only ${[...reading].join(", ")}`;
  }
  if (value.length > headerValueCharsMax) return `more than ${headerValueCharsMax} characters`;
  return /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/.test(value)
    ? undefined
    : "its value holds a line break, a control character or one beyond ASCII";
};

export type Headers = Readonly<Record<string, string>>;

/** Canonical headers; names must be in small letters already. */
export const checkHeaders = (
  entries: readonly (readonly [string, unknown])[],
  use: "reads" | "sends",
): Result<Headers, string> => {
  if (entries.length > headersMax) return err(`more than ${headersMax} headers`);
  const headers: Record<string, string> = {};
  for (const [name, value] of entries) {
    if (typeof value !== "string") return err(`the header ${name.slice(0, 64)} is no text`);
    const complaint = headerComplaint(name, value, use);
    if (complaint !== undefined) return err(`the header ${name.slice(0, 64)}: ${complaint}`);
    if (Object.hasOwn(headers, name)) return err(`the header ${name} stands twice`);
    headers[name] = value;
  }
  return ok(headers);
};
