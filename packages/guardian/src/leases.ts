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
  type CanonicalUrl,
  nameClass,
  networkTargets,
  type PermittedRequest,
  permittedRequest,
  readHost,
  startTool,
} from "@ioi/firewall";
import { type Action, action as actionSchema, schema, signed, ticket } from "@ioi/wire";
import { type GuardianCore, rejected } from "./core.ts";
import { leaseBytesDownMax, leaseBytesUpMax } from "./limits.ts";
import { asksModel } from "./models.ts";

/** What is known of a ticket that was minted in this boot and has no outcome yet. */
export interface MintedTicket {
  readonly instanceId: Uint8Array;
  readonly session: string;
  readonly actionId: Uint8Array;
  readonly mintedAt: Instant;
  readonly ttlMs: number;
  /** Classes that a rule opened for this request; empty: what the name itself says. */
  readonly addressClasses: readonly AddressClass[];
  /** Fields of the answer that will count as the person's own. */
  readonly trusted: readonly string[];
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
  /** Who must listen at an address of this machine. */
  readonly listener: { readonly uid: number; readonly program: string } | undefined;
}

const refused = (why: string): Error => rejected("E_LEASE_REFUSED", why);

/** The secret that goes with a request: what the action names, or what the model's registry does. */
const secretOf = (
  core: GuardianCore,
  { target, args }: Action,
  request: PermittedRequest,
): string => {
  if (request.secret !== undefined) return request.secret;
  const model = asksModel(target) ? args["model"] : undefined;
  if (typeof model === "string") return core.secretOfModel(model);
  const server = target === "mcp::call" ? args["server"] : undefined;
  return core.mcpServers.find((each) => each.server.name === server)?.server.secret ?? "";
};

/** A secret that an action names must exist, and be bound to its address: else nothing is decided. */
export const checkSecret = (core: GuardianCore, action: Action): void => {
  if (!Object.hasOwn(action.args, "secret")) return;
  const request = permittedRequest(action);
  const name = request.ok ? request.value.secret : undefined;
  if (!request.ok || name === undefined) return;
  const checked = core.secrets?.check(name, request.value);
  if (checked === undefined) throw rejected("E_SECRET_UNKNOWN", "there are no secrets");
  if (!checked.ok) throw checked.error;
};

const headersOf = (
  core: GuardianCore,
  action: Action,
  request: PermittedRequest,
): readonly LeaseHeader[] => {
  const name = secretOf(core, action, request);
  if (name === "") return [];
  if (core.secrets === undefined) throw rejected("E_SECRET_UNKNOWN", "there are no secrets");
  return [core.secrets.headerFor(name, request)];
};

/** Classes that may be reached: those that a rule opened, else the name's own. */
const classesOf = (url: CanonicalUrl, opened: readonly AddressClass[]): readonly AddressClass[] => {
  if (opened.length > 0) return opened;
  const own = nameClass(url);
  return own === "reserved" ? [] : [own];
};

const listenerOf = (core: GuardianCore, { target, args }: Action): Lease["listener"] => {
  const model = asksModel(target) ? args["model"] : undefined;
  return typeof model === "string" ? core.models.listenerOf(model) : undefined;
};

/** Of a program with a network, and of a tunnel that it asked for: nothing is added to either. */
const withoutRequest = (
  { target, args }: Action,
  { addressClasses }: MintedTicket,
): Lease | undefined => {
  const nothing = { headers: [], bytesUpMax: 0, bytesDownMax: 0, listener: undefined };
  const starts = target === "mcp::call" && args["tool"] === startTool;
  const withNetwork = networkTargets.has(target) && args["network"] === "egress";
  if (withNetwork || starts) {
    return { ...nothing, addressClasses: [] };
  }
  const { host } = args;
  if (target !== "net::connect" || typeof host !== "string") return undefined;
  const url = readHost(host);
  if (!url.ok) throw refused("the tunnel leads to no host");
  return { ...nothing, addressClasses: classesOf(url.value, addressClasses) };
};

/** Checks everything, then burns: a lease that is refused after that was still the only one. */
export const lease = (
  core: GuardianCore,
  minted: ReadonlyMap<bigint, MintedTicket>,
  given: { readonly ticket: Uint8Array; readonly action: Uint8Array },
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
  const plain = action.ok ? withoutRequest(action.value, entry) : undefined;
  if (plain !== undefined) return plain;
  const request = action.ok ? permittedRequest(action.value) : action;
  if (!action.ok || !request.ok) throw refused("the action makes no request");
  return {
    headers: headersOf(core, action.value, request.value),
    bytesUpMax: leaseBytesUpMax,
    bytesDownMax: leaseBytesDownMax,
    addressClasses: classesOf(request.value.url, entry.addressClasses),
    listener: listenerOf(core, action.value),
  };
};
