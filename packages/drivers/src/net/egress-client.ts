/**
 * The way out of a driver: one request over the socket to egress that the driver inherits. What
 * egress refuses, or fails at, is thrown as an `OperationError` with egress' own code.
 */
import { concatBytes, OperationError } from "@ioi/base";
import type { Client } from "@ioi/host/rpc";
import type { pb } from "@ioi/wire";
import { egressDeadlineMs } from "../limits.ts";

export interface EgressRequest {
  readonly method: string;
  /** Absolute and canonical, as the action has it. */
  readonly url: string;
  /** Names in small letters. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  /** Goes on with an answer that broke off after so many bytes. */
  readonly offset?: number;
}

/** What egress says when all of the answer was passed on. */
export interface EgressEnd {
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly address: string;
  /** Empty without TLS. */
  readonly certificateSha256: Uint8Array;
  readonly truncated: boolean;
  readonly mode: string;
  /** Of a flow: how many requests it took, and the hash of their log; 0 without one. */
  readonly requests: number;
  readonly requestLog: Uint8Array;
}

export interface EgressResponse {
  readonly status: number;
  /** By name in small letters; of one that stands several times the values are joined with a comma. */
  readonly headers: ReadonlyMap<string, string>;
  /** To be read once; leaving it early ends the request. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Undefined until the body was read to its end. */
  end(): EgressEnd | undefined;
}

export interface Permission {
  /** Canonical `signed` ticket and the canonical `action` that it permits. */
  readonly ticket: Uint8Array;
  readonly action: Uint8Array;
}

export type EgressFetch = (request: EgressRequest, signal: AbortSignal) => Promise<EgressResponse>;

const endOf = (end: pb.FetchEnd): EgressEnd => ({
  bytesUp: Number(end.bytesUp),
  bytesDown: Number(end.bytesDown),
  address: end.address,
  certificateSha256: end.certificateSha256,
  truncated: end.truncated,
  mode: end.mode,
  requests: end.requests,
  requestLog: end.requestLog,
});

const headersOf = (head: pb.FetchHead): ReadonlyMap<string, string> => {
  const headers = new Map<string, string>();
  for (const { name, value } of head.headers) {
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
};

const malformed = (): OperationError =>
  new OperationError("E_EGRESS_RESPONSE", "egress broke off its answer");

/** Requests under one permission; a ticket is good for the first one only. */
export const egressFetch =
  (client: Client<typeof pb.Egress>, { ticket, action }: Permission): EgressFetch =>
  async ({ method, url, headers, body, offset = 0 }, signal) => {
    const events = client
      .fetch(
        {
          ticket,
          action,
          method,
          url,
          headers: headers.map(([name, value]) => ({ name, value })),
          body,
          offset: BigInt(offset),
        },
        { signal, deadlineMs: egressDeadlineMs },
      )
      [Symbol.asyncIterator]();
    const first = await events.next();
    if (first.done === true || first.value.event.case !== "head") throw malformed();
    const head = first.value.event.value;
    let end: EgressEnd | undefined;
    async function* pieces(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          const next = await events.next();
          if (next.done === true) break;
          const { event } = next.value;
          if (event.case === "body") yield event.value;
          else if (event.case === "end") end = endOf(event.value);
        }
        if (end === undefined) throw malformed();
      } finally {
        await events.return?.(undefined);
      }
    }
    return { status: head.status, headers: headersOf(head), body: pieces(), end: () => end };
  };

/** The way out may be free again in a moment; what was refused stays refused. */
export const brokeOff: ReadonlySet<string> = new Set(["E_EGRESS_RESPONSE", "E_EGRESS_TIMEOUT"]);

const goesOn = (response: EgressResponse, offset: number): boolean =>
  response.status === 206 &&
  (response.headers.get("content-range") ?? "").startsWith(`bytes ${offset}-`);

/**
 * The answer, gone on with where it breaks off, as far as egress lets it under the ticket's flow. Where
 * it cannot be gone on with, it broke off as it did at first.
 */
export const continued = (
  fetch: EgressFetch,
  request: EgressRequest,
  first: EgressResponse,
  signal: AbortSignal,
): EgressResponse => {
  let current = first;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let received = 0;
    for (;;) {
      try {
        for await (const piece of current.body) {
          received += piece.length;
          yield piece;
        }
        return;
      } catch (error) {
        const code = error instanceof OperationError ? error.code : "";
        if (!brokeOff.has(code) || received === 0 || signal.aborted) throw error;
        const rest = await fetch({ ...request, offset: received }, signal).catch(() => undefined);
        if (rest === undefined || !goesOn(rest, received)) throw error;
        current = rest;
      }
    }
  }
  const { status, headers } = first;
  return { status, headers, body: pieces(), end: () => current.end() };
};

/** The first bytes of a body, and whether there were more. Stops reading at the bound. */
export const readBody = async (
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<{ readonly bytes: Uint8Array; readonly more: boolean }> => {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    const room = bytesMax - length;
    pieces.push(piece.length > room ? piece.subarray(0, room) : piece);
    length += Math.min(piece.length, room);
    if (piece.length > room) return { bytes: concatBytes(...pieces), more: true };
  }
  return { bytes: concatBytes(...pieces), more: false };
};

/** Egress refused before anything left, or nobody could be reached. */
export const nothingLeft: ReadonlySet<string> = new Set([
  "E_EGRESS_TICKET",
  "E_EGRESS_REQUEST",
  "E_EGRESS_ADDRESS",
  "E_EGRESS_NAME",
  "E_EGRESS_CONNECT",
  "E_EGRESS_TLS",
  "E_EGRESS_BUSY",
  "E_LEASE_REFUSED",
  "E_SECRET_BINDING",
  "E_SECRET_UNKNOWN",
]);
