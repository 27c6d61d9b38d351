/**
 * URLs: one canonical text for every spelling of one request.
 *
 * Source: WHATWG URL, whose parser is given (it is the platform's); what may come out is described
 * here again as a strict grammar, so that a decision never rests on a parser's mood. Invariants: a
 * canonical URL is ASCII, `http` or `https`, with a host that is a name in small letters, a dotted
 * quad or a bracketed IPv6 address; it has no user, no fragment, no default port and no dot
 * segments; an IPv4 address has one spelling, whatever it was written as. Bounds: `urlCharsMax`.
 */
import { err, ok, type Result } from "@ioi/base";
import { urlCharsMax } from "../limits.ts";
import { type AddressClass, addressClass, canonicalAddress, parseIpv4 } from "./addresses.ts";

/** What a WHATWG parser finds; the platform's `URL` has this shape. */
export interface UrlParts {
  readonly protocol: string;
  readonly username: string;
  readonly password: string;
  readonly hostname: string;
  readonly port: string;
  readonly pathname: string;
  readonly search: string;
}

/** The platform's parser; undefined where the text is no URL. */
export type UrlParser = (text: string) => UrlParts | undefined;

export interface CanonicalUrl {
  /** The whole text. */
  readonly text: string;
  readonly scheme: "http" | "https";
  /** A name, a dotted quad, or an IPv6 address without brackets. */
  readonly host: string;
  readonly hostType: "name" | "ipv4" | "ipv6";
  readonly port: number;
  /** Begins with a slash. */
  readonly path: string;
  /** With its question mark; empty where there is none. */
  readonly query: string;
}

const defaultPorts = { http: 80, https: 443 } as const;

const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const namePattern = new RegExp(`^(?:${label}\\.)*${label}$`);
/** What a serialised path and query hold: printable ASCII but what the parser encodes. */
const pathPattern = /^\/(?:[!$&'()*+,\-./0-9:;=@A-Z[\]_a-z|~^]|%[0-9A-Fa-f]{2}|%)*$/;
const queryPattern = /^\?(?:[!$%&()*+,\-./0-9:;=?@A-Z[\\\]^_`a-z{|}~])+$/;
const dotSegment = /^(?:\.|%2e){1,2}$/i;

const hostTypeOf = (host: string): CanonicalUrl["hostType"] | undefined => {
  if (parseIpv4(host) !== undefined) return "ipv4";
  if (host.includes(":")) return canonicalAddress(host) === host ? "ipv6" : undefined;
  // A name whose last label is a number is an address to some and a name to others.
  const last = host.slice(host.lastIndexOf(".") + 1);
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/.test(last)) return undefined;
  return host.length <= 253 && namePattern.test(host) ? "name" : undefined;
};

/** Reads a canonical URL; anything else is refused, also where it means the same. */
export const parseCanonicalUrl = (text: string): Result<CanonicalUrl, string> => {
  if (text.length > urlCharsMax) return err(`more than ${urlCharsMax} characters`);
  const parts =
    /^(https?):\/\/(\[[0-9a-f:.]+\]|[^/:?#@\\[\]]+)(?::([1-9][0-9]{0,4}|0))?(\/[^?#]*)(\?[^#]*)?$/.exec(
      text,
    );
  if (parts === null) return err("it is not a canonical http or https URL");
  const [, scheme = "", hostText = "", portText, path = "", query = ""] = parts;
  const known = scheme === "http" ? "http" : "https";
  const host = hostText.startsWith("[") ? hostText.slice(1, -1) : hostText;
  const hostType = hostTypeOf(host);
  if (hostType === undefined) return err("its host is not canonical");
  const port = portText === undefined ? defaultPorts[known] : Number(portText);
  if (port > 65_535 || port === 0 || (portText !== undefined && port === defaultPorts[known])) {
    return err("its port is not canonical");
  }
  if (!pathPattern.test(path) || path.split("/").some((segment) => dotSegment.test(segment))) {
    return err("its path is not canonical");
  }
  if (query !== "" && !queryPattern.test(query)) return err("its query is not canonical");
  return ok({ text, scheme: known, host, hostType, port, path, query });
};

const complaintAbout = (given: string): string | undefined => {
  if (given.length > urlCharsMax) return `more than ${urlCharsMax} characters`;
  if (!given.isWellFormed()) return "it is not Unicode";
  if (/[\p{Cc}\p{Zs}\p{Zl}\p{Zp}]/u.test(given)) {
    return "it holds a space, NUL, a line break or another control character";
  }
  if (given.includes("\\")) return "it holds a backslash";
  if (!/^https?:/i.test(given)) return "only http and https are carried";
  return /^https?:\/\/[^/?#]/i.test(given) ? undefined : "it has no host";
};

/** Without the root's dot, and an address of every spelling as one. */
const canonicalHost = (hostname: string): string | undefined => {
  if (!hostname.startsWith("[")) return hostname.replace(/\.$/, "");
  const address = canonicalAddress(hostname.slice(1, -1));
  if (address === undefined) return undefined;
  return address.includes(":") ? `[${address}]` : address;
};

/** Any spelling of a URL as the canonical one. */
export const canonicalUrl = (given: string, parse: UrlParser): Result<CanonicalUrl, string> => {
  const complaint = complaintAbout(given);
  if (complaint !== undefined) return err(complaint);
  const parts = parse(given);
  if (parts === undefined) return err("it is not a URL");
  // Also an empty user, as in http://@host/, which a parser forgets.
  const authority = given.slice(given.indexOf("//") + 2).split(/[/?#]/, 1)[0] ?? "";
  if (parts.username !== "" || parts.password !== "" || authority.includes("@")) {
    return err("it holds a user or a password; use a secret instead");
  }
  const host = canonicalHost(parts.hostname);
  if (host === undefined || host === "") return err("it has no host");
  const port = parts.port === "" ? "" : `:${parts.port}`;
  const search = parts.search.replaceAll("'", "%27");
  return parseCanonicalUrl(`${parts.protocol}//${host}${port}${parts.pathname}${search}`);
};

/** A host as a person or a policy writes it, canonical; undefined where it is none. */
export const canonicalHostName = (given: string, parse: UrlParser): string | undefined => {
  if (/[/:?#@\\%]/.test(given)) return undefined;
  const url = canonicalUrl(`http://${given}/`, parse);
  return url.ok ? url.value.host : undefined;
};

/**
 * What the name alone says of where it leads. Names of RFC 6761 and 6762 lead to this machine or
 * this link; every other name is taken for public, and its addresses are checked once looked up.
 */
export const nameClass = ({ host, hostType }: CanonicalUrl): AddressClass | "reserved" => {
  if (hostType !== "name") return addressClass(host);
  if (host === "localhost" || host.endsWith(".localhost")) return "loopback";
  if (host.endsWith(".local")) return "link-local";
  return host.endsWith(".internal") || host === "home.arpa" || host.endsWith(".home.arpa")
    ? "private"
    : "public";
};

/** `host`, or `host:port` where the port is not the scheme's own, as in a Host header. */
export const hostWithPort = ({ scheme, host, hostType, port }: CanonicalUrl): string => {
  const name = hostType === "ipv6" ? `[${host}]` : host;
  return port === defaultPorts[scheme] ? name : `${name}:${port}`;
};
