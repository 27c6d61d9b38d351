/**
 * The head of one request to the proxy, read strictly: RFC 9112, sections 2 to 6 and 3.2.2/3.2.3
 * (absolute and authority form), without what they leave to the receiver's mercy. Pure.
 *
 * Invariants: one reading or none. A bare line end, NUL, a folded line, a name twice, both lengths, a
 * host that is not the target's, a user, a port of 0: refused, never repaired.
 * Bounds: `programHeadBytesMax`, `programHeadersMax`.
 */
import { err, ok, type Result } from "@ioi/base";
import {
  canonicalHostName,
  canonicalUrl,
  type CanonicalUrl,
  hostWithPort,
} from "@ioi/firewall/net";
import { programHeadBytesMax, programHeadersMax } from "../limits.ts";

/** Where a tunnel leads; the host is canonical. */
export interface TunnelWish {
  readonly type: "tunnel";
  readonly host: string;
  readonly port: number;
}

export interface RequestWish {
  readonly type: "request";
  readonly method: string;
  readonly url: CanonicalUrl;
  /** Of the program, in its order, without those of one connection only. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Bytes of body that follow; in chunks, nobody knows yet. */
  readonly length: number | "chunked";
  /** The program waits to be told that it may send the body. */
  readonly expects: boolean;
  /** The body, where it is held: judged by its hash, decoded or looked through. */
  readonly body?: Buffer;
}

export interface HeadRefusal {
  readonly status: 400 | 417 | 431 | 501;
  readonly message: string;
}

export type Wish = TunnelWish | RequestWish;

const parseUrl = (text: string): URL | undefined => URL.parse(text) ?? undefined;

const bad = (message: string, status: HeadRefusal["status"] = 400): Result<never, HeadRefusal> =>
  err({ status, message });

const end = Buffer.from("\r\n\r\n");

/** Bytes of the head with its end; undefined while more is needed. */
export const headLength = (bytes: Buffer): Result<number | undefined, HeadRefusal> => {
  const at = bytes.indexOf(end);
  const length = at < 0 ? bytes.length : at + end.length;
  if (length > programHeadBytesMax) return bad("the head of the request is too long", 431);
  // A line end of its own never becomes right by what follows.
  const head = bytes.subarray(0, length);
  for (let from = head.indexOf(10); from >= 0; from = head.indexOf(10, from + 1)) {
    if (from === 0 || head[from - 1] !== 13) return bad("a line ends without a carriage return");
  }
  return ok(at < 0 ? undefined : length);
};

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
/** Printable ASCII with tabs inside. */
const plain = /^[\x20-\x7e\t]*$/;
const authority = /^(\[[0-9A-Fa-f:.]{2,45}\]|[^[\]:/?#@\\%\s]{1,253}):(0|[1-9][0-9]{0,4})$/;

/** Host and port as any spelling has them, canonical. */
export const tunnelTo = (host: string, port: number): TunnelWish | undefined => {
  if (port < 1 || port > 65_535) return undefined;
  const url = canonicalUrl(`http://${host}/`, parseUrl);
  return url.ok && !/[/?#@\\%]/.test(host)
    ? { type: "tunnel", host: url.value.host, port }
    : undefined;
};

type Headers = readonly (readonly [name: string, value: string])[];

const headersOf = (lines: readonly string[]): Result<Headers, HeadRefusal> => {
  if (lines.length > programHeadersMax) return bad("there are too many headers", 431);
  const headers: (readonly [string, string])[] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    if (colon < 1 || !token.test(name)) return bad("a header has no name, or is a folded line");
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    headers.push([name.toLowerCase(), value]);
  }
  return ok(headers);
};

/** The only value of a name; undefined where it is absent, a refusal where it stands twice. */
const only = (headers: Headers, name: string): Result<string | undefined, HeadRefusal> => {
  const found = headers.filter(([each]) => each === name);
  return found.length > 1 ? bad(`the header ${name} stands twice`) : ok(found[0]?.[1]);
};

/** Of one connection only, or ours to say. */
const notForwarded: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const lengthOf = (headers: Headers, version: string): Result<number | "chunked", HeadRefusal> => {
  const length = only(headers, "content-length");
  if (!length.ok) return length;
  const encoding = only(headers, "transfer-encoding");
  if (!encoding.ok) return encoding;
  if (encoding.value !== undefined) {
    if (length.value !== undefined) return bad("the body has a length and an encoding");
    if (version === "1.0") return bad("HTTP/1.0 knows no body in chunks");
    return encoding.value.toLowerCase() === "chunked"
      ? ok("chunked")
      : bad("the encoding of the body is not known", 501);
  }
  if (length.value === undefined) return ok(0);
  return /^(0|[1-9][0-9]{0,14})$/.test(length.value)
    ? ok(Number(length.value))
    : bad("the length of the body is no number");
};

const expectsOf = (headers: Headers): Result<boolean, HeadRefusal> => {
  const given = only(headers, "expect");
  if (!given.ok) return given;
  if (given.value === undefined) return ok(false);
  return given.value.toLowerCase() === "100-continue"
    ? ok(true)
    : bad("what the program expects is not known", 417);
};

const tunnelOf = (target: string, headers: Headers): Result<Wish, HeadRefusal> => {
  const parts = authority.exec(target);
  const [, host = "", port = "0"] = parts ?? [];
  const wish = parts === null ? undefined : tunnelTo(host, Number(port));
  if (wish === undefined) return bad("CONNECT names no host and port");
  const given = only(headers, "host");
  if (!given.ok) return given;
  if (given.value !== undefined) {
    const named = authority.exec(given.value);
    const same =
      named === null
        ? canonicalHostName(given.value.replace(/^\[|\]$/g, ""), parseUrl) === wish.host ||
          tunnelTo(given.value, wish.port)?.host === wish.host
        : tunnelTo(named[1] ?? "", wish.port)?.host === wish.host && Number(named[2]) === wish.port;
    if (!same) return bad("the header host is not what CONNECT names");
  }
  const length = lengthOf(headers, "1.1");
  if (!length.ok) return length;
  return length.value === 0 ? ok(wish) : bad("CONNECT has no body");
};

const requestOf = (
  method: string,
  target: string,
  headers: Headers,
  version: string,
): Result<RequestWish, HeadRefusal> => {
  const url = canonicalUrl(target, parseUrl);
  if (!url.ok) return bad(`the URL: ${url.error}`);
  const host = only(headers, "host");
  if (!host.ok) return host;
  if (host.value === undefined && version === "1.1") return bad("there is no header host");
  if (host.value !== undefined) {
    const named = canonicalUrl(`${url.value.scheme}://${host.value}/`, parseUrl);
    const same =
      named.ok &&
      named.value.path === "/" &&
      named.value.query === "" &&
      hostWithPort(named.value) === hostWithPort(url.value);
    if (!same) return bad("the header host is not the URL's");
  }
  const length = lengthOf(headers, version);
  if (!length.ok) return length;
  const expects = expectsOf(headers);
  if (!expects.ok) return expects;
  return ok({
    type: "request",
    method,
    url: url.value,
    headers: headers.filter(([name]) => !notForwarded.has(name)),
    length: length.value,
    expects: expects.value,
  });
};

interface Head {
  readonly method: string;
  readonly target: string;
  readonly headers: Headers;
  readonly version: string;
}

const headOf = (bytes: Buffer): Result<Head, HeadRefusal> => {
  const text = bytes.toString("latin1");
  const lines = text.slice(0, -end.length).split("\r\n");
  if (lines.some((line) => !plain.test(line))) return bad("the head holds other characters");
  const [first = "", ...rest] = lines;
  const parts = /^([^ ]+) ([^ ]+) HTTP\/1\.([01])$/.exec(first);
  const [, method = "", target = "", minor = ""] = parts ?? [];
  if (parts === null || !token.test(method)) return bad("this is no request line");
  const headers = headersOf(rest);
  if (!headers.ok) return headers;
  return ok({ method, target, headers: headers.value, version: `1.${minor}` });
};

const known = /^[A-Z]{1,16}$/;

/** What a whole head asks for. */
export const readHead = (bytes: Buffer): Result<Wish, HeadRefusal> => {
  const head = headOf(bytes);
  if (!head.ok) return head;
  const { method, target, headers, version } = head.value;
  if (method === "CONNECT") return tunnelOf(target, headers);
  if (!known.test(method)) return bad("the method is not known", 501);
  if (!/^http:/i.test(target)) {
    return bad("ask with the whole http URL, or by CONNECT for anything else");
  }
  return requestOf(method, target, headers, version);
};

/** The same inside of a connection to this place that is opened here: a path, and its own host. */
export const readInnerHead = (
  bytes: Buffer,
  { host, port }: Pick<TunnelWish, "host" | "port">,
): Result<RequestWish, HeadRefusal> => {
  const head = headOf(bytes);
  if (!head.ok) return head;
  const { method, target, headers, version } = head.value;
  if (method === "CONNECT" || !known.test(method)) return bad("the method is not known", 501);
  if (!target.startsWith("/")) return bad("ask with a path: the connection says the host");
  if (headers.some(([name]) => name === "upgrade")) {
    const why = "a WebSocket, or whatever else this upgrades to, is not carried where it is read";
    return bad(`${why}: connections to this host are opened by consent`, 501);
  }
  const name = host.includes(":") ? `[${host}]` : host;
  return requestOf(method, `https://${name}:${port}${target}`, headers, version);
};
