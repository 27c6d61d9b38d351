/**
 * Leases: what the request of one ticket needs beyond what its driver may know. Egress asks once for
 * a counter, while the ticket lives; whoever asks again, later, or for another action gets nothing.
 *
 * Bounds: as many entries as tickets without an outcome.
 */
import { equalBytes, type Instant, msBetween } from "@ioi/base";
import { actionId, domains, verifyPayload } from "@ioi/crypto";
import {
  type AddressClass,
  nameClass,
  type PermittedRequest,
  permittedRequest,
} from "@ioi/firewall";
import { type Action, action as actionSchema, schema, signed, ticket } from "@ioi/wire";
import { type GuardianCore, rejected } from "./core.ts";
import { leaseBytesDownMax, leaseBytesUpMax } from "./limits.ts";

/** What is known of a ticket that was minted in this boot and has no outcome yet. */
export interface MintedTicket {
  readonly instanceId: Uint8Array;
  readonly session: string;
  readonly actionId: Uint8Array;
  readonly mintedAt: Instant;
  readonly ttlMs: number;
  /** Classes that a rule opened for this request, beside what the name itself says. */
  readonly addressClasses: readonly AddressClass[];
  leased: boolean;
}

export interface LeaseHeader {
  readonly name: string;
  readonly value: string;
}

export interface Lease {
  readonly headers: readonly LeaseHeader[];
  readonly bytesUpMax: number;
  readonly bytesDownMax: number;
  readonly addressClasses: readonly AddressClass[];
}

/** The header that a secret fills for this request; throws where it is not bound to it. */
export type SecretHeaders = (action: Action, request: PermittedRequest) => readonly LeaseHeader[];

const refused = (why: string): Error => rejected("E_LEASE_REFUSED", why);

/** Classes that the request may reach: the name's own, and what a rule opened. */
const classesOf = (
  { url }: PermittedRequest,
  opened: readonly AddressClass[],
): readonly AddressClass[] => {
  const own = nameClass(url);
  return [...new Set(own === "reserved" ? opened : [own, ...opened])];
};

/** Checks everything, then burns: a lease that is refused after that was still the only one. */
export const lease = (
  core: GuardianCore,
  minted: ReadonlyMap<bigint, MintedTicket>,
  given: { readonly ticket: Uint8Array; readonly action: Uint8Array },
  secretHeaders: SecretHeaders,
): Lease => {
  const { provider, clock } = core.ports;
  const envelope = schema.decode(signed, given.ticket);
  if (!envelope.ok) throw refused("the ticket does not decode");
  const { publicKey } = core.keys.ticketKey;
  const payload = verifyPayload(provider, "ed25519", publicKey, domains.ticket, envelope.value);
  const known = payload.ok ? schema.decode(ticket, payload.value) : undefined;
  if (known?.ok !== true) throw refused("the ticket is not this Guardian's");
  const entry = minted.get(known.value.counter);
  if (entry === undefined) throw refused("the ticket has its outcome, or is of another boot");
  if (!equalBytes(actionId(provider, given.action), entry.actionId)) {
    throw refused("the ticket is for another action");
  }
  core.requireSession(entry.session);
  if (msBetween(entry.mintedAt, clock.now()) > entry.ttlMs) throw refused("the ticket is too old");
  if (entry.leased) throw refused("the ticket had its lease");
  entry.leased = true;
  const action = schema.decode(actionSchema, given.action);
  const request = action.ok ? permittedRequest(action.value) : action;
  if (!action.ok || !request.ok) throw refused("the action makes no request");
  return {
    headers: secretHeaders(action.value, request.value),
    bytesUpMax: leaseBytesUpMax,
    bytesDownMax: leaseBytesDownMax,
    addressClasses: classesOf(request.value, entry.addressClasses),
  };
};
