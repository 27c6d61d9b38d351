/** What a wish is called, where it leads, and what of it goes up. Bounds: `helloMs`, `helloBytesMax`. */
import { OperationError } from "@ioi/base";
import { type CanonicalUrl, hostWithPort, parseCanonicalUrl } from "@ioi/firewall/net";
import { helloMs } from "../limits.ts";
import { type RequestWish, tunnelTo, type Wish } from "./head.ts";
import { readClientHello } from "./hello.ts";
import { judgedHeaders, type Mode, sends } from "./permits.ts";
import type { Gate } from "./relay.ts";

export const textOf = (wish: Wish): string =>
  wish.type === "request"
    ? wish.url.text
    : `${wish.host.includes(":") ? `[${wish.host}]` : wish.host}:${wish.port}`;

export const methodOf = (wish: Wish): string => (wish.type === "tunnel" ? "CONNECT" : wish.method);

export const modeOf = (wish: Wish): Mode =>
  wish.type === "tunnel" ? "tunnel" : wish.url.scheme === "https" ? "intercepted" : "mediated";

/** For what looks up and dials: a tunnel has a place and no path. */
export const urlOf = (wish: Wish): CanonicalUrl => {
  if (wish.type === "request") return wish.url;
  const host = wish.host.includes(":") ? `[${wish.host}]` : wish.host;
  const port = wish.port === 80 ? "" : `:${wish.port}`;
  const url = parseCanonicalUrl(`http://${host}${port}/`);
  if (!url.ok) throw new OperationError("E_EGRESS_REQUEST", url.error);
  return url.value;
};

/** What a request that was judged by itself takes along of its program's headers. */
export const judgedOf = ({ method, headers }: RequestWish): RequestWish["headers"] => {
  const judged = sends.has(method) ? headers.filter(([name]) => judgedHeaders.has(name)) : [];
  const accept = judged.some(([name]) => name === "accept") ? [] : ([["accept", "*/*"]] as const);
  return [["user-agent", "ioi"], ...accept, ...judged];
};

/** What goes to the server: the program's own head; of what was judged by itself, that and no more. */
export const headOf = (wish: RequestWish, judgedOnly: boolean): Buffer => {
  const { method, url, headers, length } = wish;
  const lines = [
    `${method} ${url.path}${url.query} HTTP/1.1`,
    `host: ${hostWithPort(url)}`,
    "connection: close",
    ...(judgedOnly ? judgedOf(wish) : headers).map(([name, value]) => `${name}: ${value}`),
    ...(length !== 0 || !["GET", "HEAD", "OPTIONS"].includes(method)
      ? [`content-length: ${length}`]
      : []),
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
};

/** Holds what goes up until it is plain whom a client of TLS means. */
export const helloGate = (host: string, late: () => void): Gate & { readonly stop: () => void } => {
  let held: Buffer | undefined = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  const gate: Gate = (bytes) => {
    if (held === undefined) return { send: bytes };
    timer ??= setTimeout(late, helloMs);
    held = Buffer.concat([held, bytes]);
    const read = readClientHello(held);
    if (read.type === "more") return { send: Buffer.alloc(0) };
    clearTimeout(timer);
    if (read.type === "malformed") return { refuse: "the first message of TLS is malformed" };
    if (read.type === "name" && tunnelTo(read.name, 1)?.host !== host) {
      return { refuse: "TLS asks for another host than the tunnel's" };
    }
    const send = held;
    held = undefined;
    return { send };
  };
  return Object.assign(gate, { stop: (): void => clearTimeout(timer) });
};

/** Not more of the body than the head said. */
export const bodyGate = (length: number): Gate => {
  let left = length;
  return (bytes) => {
    const send = bytes.subarray(0, left);
    left -= send.length;
    return { send };
  };
};

export const statusIn = (bytes: Buffer): number => {
  const found = /^HTTP\/1\.[01] ([1-5][0-9]{2})/.exec(bytes.subarray(0, 16).toString("latin1"));
  return found === null ? 0 : Number(found[1]);
};
