/**
 * Carries one request over one connection and streams the answer. HTTP/1.1 by the platform's strict
 * parser; redirects are answers like any other; the connection ends with the request.
 *
 * Bounds: bytes up and down of the lease, `headMs`, `silenceMs`, `requestMs`, `headBytesMax`.
 */
import http from "node:http";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import { hostWithPort, type PermittedRequest } from "@ioi/firewall/net";
import type { pb } from "@ioi/wire";
import { type Connection, connectAny } from "./connect.ts";
import {
  answerHeadersMax,
  headBytesMax,
  headMs,
  interimMax,
  pieceBytesMax,
  requestMs,
  silenceMs,
} from "./limits.ts";
import { Mask } from "./mask.ts";
import { addressesOf, type Resolve } from "./resolve.ts";
import type { Trust } from "./trust.ts";

export interface CarryLimits {
  readonly bytesDownMax: number;
  readonly addressClasses: ReadonlySet<string>;
  /** Values that the lease added: an answer that holds one does not show it. */
  readonly hidden: readonly string[];
}

export interface CarryPorts {
  readonly resolve: Resolve;
  /** Whose certificates are believed. */
  readonly trust: Trust;
  /** The connection is up: its counts can be asked for from now on. */
  readonly onConnection: (connection: Connection) => void;
  /** Before anything of the request goes over it; throws where it may not. */
  readonly admit: (connection: Connection) => Promise<void>;
}

/** Those that are the same for every request. */
export type SharedPorts = Pick<CarryPorts, "resolve" | "trust">;

export type Header = readonly [name: string, value: string];
type Event = MessageInitShape<typeof pb.FetchEventSchema>;

/** Of one connection or one client only; what a driver or an agent does with an answer needs none. */
const notPassedOn: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "set-cookie",
  "set-cookie2",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const withBody: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** Ours first, so that nothing given can be taken for them. */
const headersOf = (
  { url, method }: PermittedRequest,
  given: readonly Header[],
  body: Uint8Array,
): string[] => {
  const has = (name: string): boolean => given.some(([each]) => each === name);
  return [
    "host",
    hostWithPort(url),
    "connection",
    "close",
    "accept-encoding",
    "identity",
    ...(has("user-agent") ? [] : ["user-agent", "ioi"]),
    ...(has("accept") ? [] : ["accept", "*/*"]),
    ...(body.length > 0 || withBody.has(method) ? ["content-length", String(body.length)] : []),
    ...given.flatMap(([name, value]) => [name, value]),
  ];
};

const brokenOff = (why: string, cause?: unknown): OperationError =>
  new OperationError("E_EGRESS_RESPONSE", why, {
    ...(cause === undefined ? {} : { cause }),
    retryable: true,
  });

const tooSlow = (what: string): OperationError =>
  new OperationError("E_EGRESS_TIMEOUT", `${what} took too long`, { retryable: true });

const send = (
  connection: Connection,
  request: PermittedRequest,
  headers: readonly Header[],
  body: Uint8Array,
  signal: AbortSignal,
): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    const outgoing = http.request({
      createConnection: () => connection.socket,
      method: request.method,
      path: request.url.path + request.url.query,
      headers: headersOf(request, headers, body),
      setDefaultHeaders: false,
      maxHeaderSize: headBytesMax,
      insecureHTTPParser: false,
    });
    const timer = setTimeout(() => outgoing.destroy(tooSlow("the head of the answer")), headMs);
    let interim = 0;
    outgoing.on("information", () => {
      interim += 1;
      if (interim > interimMax) outgoing.destroy(brokenOff("too many interim answers"));
    });
    // Both mean that the server speaks something else from here on.
    outgoing.on("upgrade", (_response, socket) => {
      clearTimeout(timer);
      socket.destroy();
      reject(brokenOff("the server changed the protocol"));
    });
    outgoing.on("response", (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    outgoing.on("error", (error) => {
      clearTimeout(timer);
      if (signal.aborted) reject(signal.reason as Error);
      else reject(error instanceof OperationError ? error : brokenOff(error.message, error));
    });
    signal.addEventListener("abort", () => outgoing.destroy(), { once: true });
    if (signal.aborted) outgoing.destroy();
    outgoing.end(body);
  });

const headOf = (response: http.IncomingMessage, mask: Mask): Event => {
  const headers: { name: string; value: string }[] = [];
  for (let at = 0; at + 1 < response.rawHeaders.length; at += 2) {
    const name = (response.rawHeaders[at] ?? "").toLowerCase();
    if (notPassedOn.has(name)) continue;
    headers.push({ name: mask.text(name), value: mask.text(response.rawHeaders[at + 1] ?? "") });
  }
  if (headers.length > answerHeadersMax) throw brokenOff("too many headers");
  return { event: { case: "head", value: { status: response.statusCode ?? 0, headers } } };
};

/** Pieces of the body until it ends or has reached its bound; says which. */
async function* bodyOf(
  response: http.IncomingMessage,
  bytesMax: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, { readonly bytes: number; readonly truncated: boolean }> {
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => response.destroy(tooSlow("silence in the answer")), silenceMs);
  };
  try {
    watch();
    for await (const chunk of response as AsyncIterable<Buffer>) {
      // While the driver is slow nobody waits for the server.
      clearTimeout(timer);
      const room = bytesMax - bytes;
      const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
      bytes += part.length;
      for (let at = 0; at < part.length; at += pieceBytesMax) {
        yield part.subarray(at, at + pieceBytesMax);
      }
      if (chunk.length > room) return { bytes, truncated: true };
      watch();
    }
    if (!response.complete) throw brokenOff("the answer broke off");
    return { bytes, truncated: false };
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof OperationError
      ? error
      : brokenOff(error instanceof Error ? error.message : "the answer broke off", error);
  } finally {
    clearTimeout(timer);
  }
}

/** The whole of one request. */
export async function* carry(
  request: PermittedRequest,
  headers: readonly Header[],
  body: Uint8Array,
  limits: CarryLimits,
  ports: CarryPorts,
  stop: AbortSignal,
): AsyncGenerator<Event> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(tooSlow("the request")), requestMs);
  const signal = AbortSignal.any([stop, late.signal]);
  let connection: Connection | undefined;
  try {
    const { url } = request;
    const addresses = await addressesOf(url, limits.addressClasses, ports.resolve, signal);
    connection = await connectAny(url, addresses, ports.trust, signal);
    ports.onConnection(connection);
    await ports.admit(connection);
    const response = await send(connection, request, headers, body, signal);
    const onAbort = (): void => {
      response.destroy();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const mask = new Mask(limits.hidden);
    yield headOf(response, mask);
    const answer = bodyOf(response, limits.bytesDownMax, signal);
    const { bytes, truncated } = yield* asEvents(answer, mask);
    const { socket, address, certificateSha256 } = connection;
    yield {
      event: {
        case: "end",
        value: {
          bytesUp: BigInt(socket.bytesWritten),
          bytesDown: BigInt(bytes),
          address,
          certificateSha256,
          truncated,
          mode: "mediated",
        },
      },
    };
  } finally {
    clearTimeout(timer);
    connection?.socket.destroy();
  }
}

async function* asEvents<R>(
  pieces: AsyncGenerator<Uint8Array, R>,
  mask: Mask,
): AsyncGenerator<Event, R> {
  try {
    for (;;) {
      const next = await pieces.next();
      const value = next.done === true ? mask.end() : mask.push(next.value);
      if (value.length > 0) yield { event: { case: "body", value } };
      if (next.done === true) return next.value;
    }
  } finally {
    await pieces.return(undefined as never);
  }
}
