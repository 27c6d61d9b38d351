/**
 * Where an answer sends a message on. The same message to another address of the very origin that was
 * confirmed is a new action; anything else is another server, or another request. The driver reads it,
 * egress remembers it and carries nothing else, the Guardian compares origins: all three by this.
 *
 * Source: RFC 9110 15.4 (307 and 308 keep method and content), WHATWG URL for references.
 */
import { type CanonicalUrl, canonicalUrl, type UrlParts } from "./url.ts";

/** The platform's parser of references; `href` is the whole of what they mean. */
export type ReferenceParser = (
  reference: string,
  base?: string,
) => (UrlParts & { readonly href: string }) | undefined;

export type Redirect =
  /** The same message, elsewhere on the same origin. */
  | { readonly type: "same"; readonly url: CanonicalUrl }
  /** Another server, or a request of another kind. */
  | { readonly type: "other"; readonly url: CanonicalUrl }
  | { readonly type: "nowhere"; readonly why: string };

/** Statuses under which a message stays what it is. */
const keepsMessage: ReadonlySet<number> = new Set([307, 308]);

export const isRedirect = (status: number): boolean => status >= 300 && status < 400;

/** Scheme, host and port: who holds one address of an origin holds all of them. */
export const sameOrigin = (a: CanonicalUrl, b: CanonicalUrl): boolean =>
  a.scheme === b.scheme && a.host === b.host && a.port === b.port;

export const readRedirect = (
  status: number,
  location: string | undefined,
  from: CanonicalUrl,
  parse: ReferenceParser,
): Redirect => {
  if (location === undefined) return { type: "nowhere", why: "it does not say where to" };
  // What parsers read in two ways leads nowhere.
  if (!/^[\x21-\x5b\x5d-\x7e]+$/.test(location)) {
    return { type: "nowhere", why: "its address holds what no address does" };
  }
  const meant = parse(location, from.text)?.href;
  if (meant === undefined) return { type: "nowhere", why: "its address is none" };
  const url = canonicalUrl(meant, parse);
  if (!url.ok) return { type: "nowhere", why: url.error };
  if (url.value.text === from.text) return { type: "nowhere", why: "it leads to itself" };
  const same = keepsMessage.has(status) && sameOrigin(url.value, from);
  return { type: same ? "same" : "other", url: url.value };
};
