/**
 * Divergence: pairs of envelopes that no sound Guardian signs (K1 to K8), proofs of it, and the finder
 * K9, which is no verdict. Specification: specs/consensus, K1 to K10.
 *
 * Nobody is convicted for an identical envelope that was sent twice, for an invalid block, for another
 * state root, or for having voted for what lost. Invariant: no sequence of requests to a sound Guardian
 * gives envelopes that satisfy a predicate.
 */
import { compareBytes, equalBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import { domainHash, domains, type Hashing, type Verifying } from "@ioi/crypto";
import {
  type ConsensusEpoch,
  type DivergenceKind,
  type DivergenceProof,
  divergenceProof,
  type Envelope,
  schema,
  type ValidatorRegistration,
} from "@ioi/wire";
import {
  compareSlots,
  sameBody,
  sameContext,
  sessionAlgorithm,
  sessionId,
  signedBytes,
  traceAfter,
} from "./objects.ts";
import { type ValidatorSet, verifyRegistration } from "./validators.ts";

export type DivergenceError = Rejection<"E_CONSENSUS_DIVERGENCE">;

type PairKind = Exclude<DivergenceKind, "K7">;

/**
 * Predicates, and what keeps each of them from convicting the innocent. A test may take one out, to see
 * what it is for; everybody else knows them all.
 */
export type DivergenceRule =
  | DivergenceKind
  | "K1-other"
  | "K2-other"
  | "K3-next"
  | "K4-below"
  | "K5-later"
  | "K6-later"
  | "K7-lease"
  | "K7-freeze"
  | "K8-vote";
type Without = ReadonlySet<DivergenceRule>;
const nothing: Without = new Set();

type Predicate = (hashing: Hashing, a: Envelope, b: Envelope, without: Without) => boolean;

/** Of two envelopes of one session in one epoch, `a` with the lower counter, or in canonical order. */
const predicates: Readonly<Record<PairKind, Predicate>> = {
  K1: (_, a, b, without) =>
    a.view === b.view &&
    a.kind === b.kind &&
    (!equalBytes(a.digest, b.digest) || a.justView !== b.justView || without.has("K1-other")),
  K2: (_, a, b, without) => a.counter === b.counter && (!sameBody(a, b) || without.has("K2-other")),
  K3: (hashing, a, b, without) =>
    (b.counter === a.counter + 1n || (without.has("K3-next") && b.counter > a.counter)) &&
    !equalBytes(b.prevTrace, traceAfter(hashing, a)),
  K4: (_, a, b, without) =>
    b.counter > a.counter &&
    (b.high.view < a.high.view || (without.has("K4-below") && b.high.view === a.high.view)),
  K6: (_, a, b, without) =>
    (b.counter > a.counter || without.has("K6-later")) && a.kind === "freeze",
  K5: (_, a, b, without) =>
    (b.counter > a.counter || without.has("K5-later")) && compareSlots(b, a) <= 0,
  K8: (_, a, b, without) =>
    b.counter > a.counter &&
    (b.kind === "vote" || without.has("K8-vote")) &&
    b.justView < a.high.view,
};
const pairKinds = Object.keys(predicates) as readonly PairKind[];

const inOrder = (a: Envelope, b: Envelope): readonly [Envelope, Envelope] => {
  const order =
    a.counter === b.counter
      ? compareBytes(signedBytes(a), signedBytes(b))
      : a.counter < b.counter
        ? -1
        : 1;
  return order <= 0 ? [a, b] : [b, a];
};

const comparable = (a: Envelope, b: Envelope): boolean =>
  equalBytes(a.gid, b.gid) &&
  equalBytes(a.session, b.session) &&
  equalBytes(a.chain, b.chain) &&
  sameContext(a, b);

/** The first predicate that two verified envelopes satisfy, in either order; undefined if none. */
export const divergenceOf = (
  hashing: Hashing,
  one: Envelope,
  other: Envelope,
  without: Without = nothing,
): PairKind | undefined => {
  if (!comparable(one, other)) return undefined;
  const [a, b] = inOrder(one, other);
  return pairKinds.find((kind) => !without.has(kind) && predicates[kind](hashing, a, b, without));
};

/**
 * K7: the session signed at or above the view from which its successor took over. A freeze is of no
 * view, so it never counts: a Guardian that froze and came back with a new session did no wrong.
 */
const outlivedLease = (
  envelope: Envelope,
  { entry }: ValidatorRegistration,
  without: Without,
): boolean =>
  (envelope.kind !== "freeze" || without.has("K7-freeze")) &&
  entry.succeeds !== undefined &&
  equalBytes(entry.gid, envelope.gid) &&
  equalBytes(entry.succeeds.session, envelope.session) &&
  (envelope.view >= entry.succeeds.lease || without.has("K7-lease"));

/** A proof of the pair, in its one form. */
export const proofOf = (
  kind: PairKind,
  registration: ValidatorRegistration,
  one: Envelope,
  other: Envelope,
): DivergenceProof => {
  const [first, second] = inOrder(one, other);
  return { version: 1, kind, registration, first, second };
};

export const leaseProofOf = (
  registration: ValidatorRegistration,
  envelope: Envelope,
  successor: ValidatorRegistration,
): DivergenceProof => ({ version: 1, kind: "K7", registration, first: envelope, successor });

export const divergenceId = (hashing: Hashing, proof: DivergenceProof): Uint8Array =>
  domainHash(hashing, domains.divergence, schema.encode(divergenceProof, proof));

/** K10. A test may take one out, to see what it is for. */
export type SanctionRule = "K10-epoch" | "K10-power";

/**
 * What a proof that was verified leads to: the fast mode ends, or the offender pays and the chain goes on,
 * since its session outlived its lease only (K7), its epoch is long over, or it decides nothing any more.
 */
export type Sanction =
  | { readonly type: "freeze" }
  | { readonly type: "slash"; readonly reason: "lease" | "epoch" | "power" };

/** K10, for a host in the epoch that `now` is of. */
export const sanctionOf = (
  { kind, registration: { epoch, entry } }: DivergenceProof,
  now: { readonly context: { readonly epoch: ConsensusEpoch }; readonly set: ValidatorSet },
  without?: ReadonlySet<string>,
): Sanction => {
  if (kind === "K7") return { type: "slash", reason: "lease" };
  const current = now.context.epoch.number;
  const isRecent = epoch.number === current || epoch.number === current - 1n;
  if (!isRecent && without?.has("K10-epoch") !== true) return { type: "slash", reason: "epoch" };
  // Nobody is in a set without power.
  const hasPower = now.set.indexOf(entry.gid) !== undefined;
  if (!hasPower && without?.has("K10-power") !== true) return { type: "slash", reason: "power" };
  return { type: "freeze" };
};

/** What the verifier trusts: the chain, and the hash of the set of each epoch that it knows. */
export interface TrustedSets {
  readonly chain: Uint8Array;
  setOf(epoch: ConsensusEpoch): Uint8Array | undefined;
}

const unproved = (message: string): Result<never, DivergenceError> =>
  err({ code: "E_CONSENSUS_DIVERGENCE", message });

const trusts = (
  hashing: Hashing,
  sets: TrustedSets,
  registration: ValidatorRegistration,
): boolean => {
  const known = sets.setOf(registration.epoch);
  return (
    known !== undefined &&
    equalBytes(known, registration.validators) &&
    verifyRegistration(hashing, registration)
  );
};

const signedBy = (
  provider: Verifying,
  sets: TrustedSets,
  registration: ValidatorRegistration,
  envelope: Envelope,
): boolean =>
  equalBytes(envelope.chain, sets.chain) &&
  sameContext({ ...registration, chain: sets.chain }, envelope) &&
  equalBytes(envelope.gid, registration.entry.gid) &&
  equalBytes(envelope.session, sessionId(provider, registration.entry.sessionKey)) &&
  provider.verify(
    sessionAlgorithm,
    registration.entry.sessionKey,
    signedBytes(envelope),
    envelope.signature,
  );

/** The Guardian that is convicted. Total; the predicate comes before the signatures, which cost more. */
export const verifyDivergence = (
  provider: Verifying,
  sets: TrustedSets,
  proof: DivergenceProof,
  without: Without = nothing,
): Result<Uint8Array, DivergenceError> => {
  const { kind, registration, first, second, successor } = proof;
  if (without.has(kind)) return unproved(`${kind}: no such predicate`);
  if (!trusts(provider, sets, registration))
    return unproved("the registration is not in a known set");
  if (kind === "K7") {
    if (second !== undefined || successor === undefined) return unproved("K7: another form");
    if (successor.epoch.number <= registration.epoch.number) {
      return unproved("K7: the successor is not later");
    }
    if (!outlivedLease(first, successor, without)) return unproved("K7: the lease was kept");
    if (!trusts(provider, sets, successor))
      return unproved("K7: the successor is not in a known set");
  } else {
    if (second === undefined || successor !== undefined) return unproved(`${kind}: another form`);
    const [a, b] = inOrder(first, second);
    if (a !== first || b !== second) return unproved(`${kind}: not in canonical order`);
    if (!comparable(first, second) || !predicates[kind](provider, first, second, without)) {
      return unproved(`${kind}: a sound Guardian may have signed both`);
    }
    if (!signedBy(provider, sets, registration, second)) {
      return unproved("the second envelope is not by the registered session");
    }
  }
  return signedBy(provider, sets, registration, first)
    ? ok(registration.entry.gid)
    : unproved("the first envelope is not by the registered session");
};
