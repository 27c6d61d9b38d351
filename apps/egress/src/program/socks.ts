/**
 * SOCKS5 by RFC 1928, as far as a name is reached by it: no authentication, CONNECT alone. An address
 * is judged like a name, in its one spelling. Pure.
 */
import { err, ok, type Result } from "@ioi/base";
import { tunnelTo, type TunnelWish } from "./head.ts";

/** Codes of the answer, section 6. */
export const socksReply = {
  opened: 0,
  failed: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  refused: 5,
  commandUnknown: 7,
  addressUnknown: 8,
} as const;
export type SocksCode = (typeof socksReply)[keyof typeof socksReply];

/** `code`: what to answer; absent where nobody speaks SOCKS5 there. */
export interface SocksRefusal {
  readonly code?: SocksCode;
  readonly message: string;
}

const bad = (message: string, code?: SocksCode): Result<never, SocksRefusal> =>
  err(code === undefined ? { message } : { message, code });

/** Bytes of the greeting; undefined while more is needed. */
export const readGreeting = (bytes: Buffer): Result<number | undefined, SocksRefusal> => {
  const [version, methods] = bytes;
  if (version !== 5) return bad("only SOCKS5 is spoken");
  if (methods === undefined) return ok(undefined);
  const length = 2 + methods;
  if (methods === 0) return bad("the greeting names no method");
  if (bytes.length < length) return ok(undefined);
  return bytes.subarray(2, length).includes(0)
    ? ok(length)
    : bad("the client insists on authentication");
};

const dotted = (bytes: Buffer): string => [...bytes].join(".");
const grouped = (bytes: Buffer): string =>
  `[${Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16)).join(":")}]`;

interface Read {
  readonly length: number;
  readonly wish: TunnelWish;
}

/** A name as it stands: ASCII, and nothing in it that a resolver or a log could stumble over. */
const nameOf = (bytes: Buffer): string | undefined => {
  const text = bytes.toString("latin1");
  return /^[!-~]+$/.test(text) && !/[[\]:/?#@\\%]/.test(text) ? text : undefined;
};

/** The request; undefined while more is needed. */
export const readSocks = (bytes: Buffer): Result<Read | undefined, SocksRefusal> => {
  if (bytes.length > 0 && bytes[0] !== 5) return bad("only SOCKS5 is spoken");
  if (bytes.length < 5) return ok(undefined);
  const [, command, reserved, kind, first = 0] = bytes;
  if (reserved !== 0) return bad("a reserved byte is set", socksReply.failed);
  if (command !== 1) return bad("only CONNECT is done", socksReply.commandUnknown);
  const sizes: Readonly<Record<number, readonly [from: number, bytes: number]>> = {
    1: [4, 4],
    3: [5, first],
    4: [4, 16],
  };
  const size = sizes[kind ?? 0];
  if (size === undefined) return bad("the kind of address is unknown", socksReply.addressUnknown);
  const [from, count] = size;
  if (count === 0) return bad("the name is empty", socksReply.addressUnknown);
  const length = from + count + 2;
  if (bytes.length < length) return ok(undefined);
  const part = bytes.subarray(from, from + count);
  const host = kind === 1 ? dotted(part) : kind === 4 ? grouped(part) : nameOf(part);
  const wish = host === undefined ? undefined : tunnelTo(host, bytes.readUInt16BE(length - 2));
  return wish === undefined
    ? bad("this is no host and port", socksReply.addressUnknown)
    : ok({ length, wish });
};

/** The answer; the address that was bound is nobody's business. */
export const socksAnswer = (code: SocksCode): Buffer =>
  Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
