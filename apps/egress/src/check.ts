/**
 * What a driver's request must be before anything is looked up: a ticket of this boot's Guardian,
 * for the driver at the other end of this very socket, used for the first time, and the request that
 * the ticket's action names, byte for byte.
 */
import { createHash } from "node:crypto";
import { equalBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import { actionId, type CryptoProvider, domains, verifyPayload } from "@ioi/crypto";
import { checkContents } from "@ioi/firewall/content";
import {
  driverHeaders,
  messageComplaint,
  type PermittedRequest,
  permittedRequest,
} from "@ioi/firewall/net";
import {
  type Action,
  action as actionSchema,
  type Obligation,
  type pb,
  schema,
  signed,
  type Ticket,
  ticket as ticketSchema,
} from "@ioi/wire";
import { countersKept } from "./limits.ts";

/** The driver at the other end, as the launcher named it when it made the socket. */
export interface ClientIdentity {
  readonly instanceId: Uint8Array;
  readonly session: string;
  readonly kind: string;
}

export interface CheckedRequest {
  readonly ticket: Ticket;
  readonly request: PermittedRequest;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** What the ticket allows beyond one request. */
  readonly flow: FlowBounds | undefined;
}

export type FlowBounds = Extract<Obligation, { readonly type: "flow" }>;

export const flowOf = ({ obligations }: Ticket): FlowBounds | undefined =>
  obligations.find((each) => each.type === "flow");

export type Refusal = Rejection<"E_EGRESS_TICKET" | "E_EGRESS_REQUEST" | "E_CONTENT_REFUSED">;

const noTicket = (message: string): Result<never, Refusal> =>
  err({ code: "E_EGRESS_TICKET", message });
const differs = (message: string): Result<never, Refusal> =>
  err({ code: "E_EGRESS_REQUEST", message });

/** Counters that were used; rising, so that the forgotten ones are known to be old. */
export class UsedCounters {
  readonly #used: Set<bigint> = new Set();
  #floor = 0n;

  /** False where it was taken before. */
  take(counter: bigint): boolean {
    if (counter <= this.#floor || this.#used.has(counter)) return false;
    this.#used.add(counter);
    if (this.#used.size <= countersKept) return true;
    const [oldest = 0n] = this.#used;
    this.#used.delete(oldest);
    if (oldest > this.#floor) this.#floor = oldest;
    return true;
  }
}

const headersOf = (
  given: readonly pb.Header[],
  request: PermittedRequest,
): Result<CheckedRequest["headers"], string> => {
  const seen = new Map<string, string>();
  for (const { name, value } of given) {
    if (seen.has(name)) return err(`the header ${name} stands twice`);
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name)) return err("a header's name is no token");
    // Visible ASCII with single spaces and tabs inside: nothing that ends a line.
    if (!/^[\x20-\x7e\t]*$/.test(value)) return err(`the header ${name} holds other characters`);
    seen.set(name, value);
  }
  const { headers } = request;
  if (headers === undefined) {
    for (const name of seen.keys()) {
      if (!driverHeaders.has(name)) return err(`the header ${name} is not a driver's to set`);
    }
    return ok([...seen]);
  }
  const wanted = Object.entries(headers);
  if (wanted.length !== seen.size) return err("the headers are not the action's");
  for (const [name, value] of wanted) {
    if (seen.get(name) !== value) return err(`the header ${name} is not the action's`);
  }
  return ok([...seen]);
};

const bodyComplaint = (
  body: Uint8Array,
  wanted: PermittedRequest["body"],
  action: Action,
): string | undefined => {
  switch (wanted.type) {
    case "none":
      return body.length === 0 ? undefined : "the action has no body";
    case "exact":
      return body.length === wanted.length &&
        equalBytes(createHash("sha256").update(body).digest(), wanted.sha256)
        ? undefined
        : "the body is not the action's";
    case "made": {
      const complaint = action.target === "mcp::call" ? messageComplaint(action, body) : undefined;
      return complaint === undefined ? undefined : `the message is not the action's: ${complaint}`;
    }
  }
};

export interface PermittedAction {
  readonly ticket: Ticket;
  readonly action: Action;
}

/** A ticket of this boot's Guardian for the driver at this socket, and the action that it permits. */
export const permittedAction = (
  provider: CryptoProvider,
  bootKey: Uint8Array,
  client: ClientIdentity,
  given: { readonly ticket: Uint8Array; readonly action: Uint8Array },
): Result<PermittedAction, Refusal> => {
  const envelope = schema.decode(signed, given.ticket);
  if (!envelope.ok) return noTicket("the ticket does not decode");
  const payload = verifyPayload(provider, "ed25519", bootKey, domains.ticket, envelope.value);
  if (!payload.ok) return noTicket("the ticket is not signed by the Guardian's boot key");
  const ticket = schema.decode(ticketSchema, payload.value);
  if (!ticket.ok) return noTicket("the ticket does not decode");
  const { instanceId, session, actionId: permitted, target } = ticket.value;
  if (!equalBytes(instanceId, client.instanceId) || session !== client.session) {
    return noTicket("the ticket is for another driver");
  }
  if (!equalBytes(actionId(provider, given.action), permitted)) {
    return noTicket("the ticket is for another action");
  }
  const action = schema.decode(actionSchema, given.action);
  if (!action.ok || action.value.target !== target) return noTicket("the action does not decode");
  return ok({ ticket: ticket.value, action: action.value });
};

/** Everything but the counter; nothing of the request is believed. */
export const checkRequest = (
  provider: CryptoProvider,
  bootKey: Uint8Array,
  client: ClientIdentity,
  given: pb.FetchRequest,
): Result<CheckedRequest, Refusal> => {
  const known = permittedAction(provider, bootKey, client, given);
  if (!known.ok) return known;
  const { ticket, action } = known.value;
  const request = permittedRequest(action);
  if (!request.ok) return differs(request.error);
  if (given.method !== request.value.method) return differs("the method is not the action's");
  if (given.url !== request.value.url.text) return differs("the URL is not the action's");
  const headers = headersOf(given.headers, request.value);
  if (!headers.ok) return differs(headers.error);
  const wrong = bodyComplaint(given.body, request.value.body, action);
  if (wrong !== undefined) return differs(wrong);
  // Looked at once more where it leaves, whatever its driver said of it.
  const wrapped = request.value.body.type === "made";
  const forbidden = checkContents(ticket.obligations, given.body, wrapped);
  if (forbidden !== undefined) return err(forbidden);
  return ok({ ticket, request: request.value, headers: headers.value, flow: flowOf(ticket) });
};
