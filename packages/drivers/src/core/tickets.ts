/**
 * The last check before an effect. Everything is compared with what this instance itself prepared:
 * the Workload that hands the ticket over is not believed in anything.
 */
import { equalBytes, ok, type Result } from "@ioi/base";
import { type CryptoProvider, domains, verifyPayload } from "@ioi/crypto";
import { type Obligation, type Profile, schema, signed, type Ticket, ticket } from "@ioi/wire";
import { type DriverRejection, reject } from "../fs/roots.ts";
import type { ObligationType } from "./driver.ts";
import type { Waiting } from "./nonces.ts";

export interface TicketContext {
  readonly provider: Pick<CryptoProvider, "verify">;
  /** Raw Ed25519 key of this boot of the Guardian. */
  readonly bootKey: Uint8Array;
  readonly instanceId: Uint8Array;
  readonly profile: Profile;
  readonly profileHash: Uint8Array;
}

/** The ticket, once its signature is known to be good. */
export const openTicket = (
  context: TicketContext,
  bytes: Uint8Array,
): Result<Ticket, DriverRejection> => {
  const envelope = schema.decode(signed, bytes);
  if (!envelope.ok) return reject("E_TICKET_MALFORMED", envelope.error.message);
  const { provider, bootKey } = context;
  const payload = verifyPayload(provider, "ed25519", bootKey, domains.ticket, envelope.value);
  if (!payload.ok) return reject("E_TICKET_SIGNATURE", payload.error.message);
  const decoded = schema.decode(ticket, payload.value);
  // A known signature on an unknown obligation ends here too: nothing is done by half.
  return decoded.ok ? decoded : reject("E_TICKET_MALFORMED", decoded.error.message);
};

const mismatch = (what: string): ReturnType<typeof reject> =>
  reject("E_TICKET_MISMATCH", `the ticket is for another ${what}`);

/** Whether this ticket permits exactly what waits, now. */
export const checkTicket = (
  context: TicketContext,
  given: Ticket,
  waiting: Waiting,
  nowMs: number,
): Result<ReadonlySet<ObligationType>, DriverRejection> => {
  if (!equalBytes(given.instanceId, context.instanceId)) return mismatch("instance");
  if (!equalBytes(given.nonce, waiting.nonce)) return mismatch("nonce");
  if (given.session !== context.profile.session) return mismatch("session");
  if (!equalBytes(given.profileHash, context.profileHash)) return mismatch("profile");
  if (given.target !== waiting.target) return mismatch("target");
  if (!equalBytes(given.actionId, waiting.actionId)) return mismatch("action");
  const ageMs = nowMs - waiting.madeMs;
  if (ageMs < 0 || ageMs > given.ttlMs) {
    return reject("E_TICKET_EXPIRED", `the ticket came ${Math.round(ageMs - given.ttlMs)} ms late`);
  }
  return keptObligations(given.obligations, waiting);
};

const keptObligations = (
  obligations: readonly Obligation[],
  waiting: Waiting,
): Result<ReadonlySet<ObligationType>, DriverRejection> => {
  const kept = new Set<ObligationType>();
  for (const { type } of obligations) {
    // Kept for every driver by whoever hands it the bytes.
    const { content, contentInEgress } = waiting.prepared;
    if (type === "content" && (content !== undefined || contentInEgress === true)) continue;
    if (type === "content") {
      return reject("E_OBLIGATION_UNKEPT", `${waiting.target} has no content to look at`);
    }
    if (!waiting.prepared.keeps.has(type)) {
      return reject("E_OBLIGATION_UNKEPT", `${waiting.target} cannot keep the obligation ${type}`);
    }
    kept.add(type);
  }
  return ok(kept);
};
