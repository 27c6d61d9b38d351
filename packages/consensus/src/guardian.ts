/**
 * The Guardian's signing rule: G1 to G5 of specs/consensus. It keeps one state and signs by it alone;
 * it verifies no certificate, since a false one only raises `high` and so silences its own host.
 *
 * Pure: a step takes a state and a request and gives the next state and the answer. The shell makes
 * the state durable before the answer leaves; then a restart is exact.
 *
 * Invariants: counters never fall, within an epoch neither do slots and `high.view`; epochs rise; one
 * envelope for a slot; no envelopes of one session satisfy a predicate of `./divergence.ts`.
 */
import { assert, equalBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import type { CryptoProvider, SigningKey } from "@ioi/crypto";
import {
  type CertifiedRef,
  type ConsensusEpoch,
  type Envelope,
  type EnvelopeBody,
  type EnvelopeKind,
  type GuardianSeal,
  guardianSeal,
  schema,
} from "@ioi/wire";
import { lastView } from "./limits.ts";
import {
  compareSlots,
  type Context,
  freezeView,
  sameEpoch,
  type Slot,
  signedBytes,
  traceAfter,
  zeroHash,
} from "./objects.ts";

export interface GuardianState extends Context {
  readonly gid: Uint8Array;
  readonly session: Uint8Array;
  readonly counter: bigint;
  readonly trace: Uint8Array;
  readonly slot: Slot;
  readonly high: CertifiedRef;
  /** The first view that is not signed. */
  readonly leaseEnd: bigint;
  readonly frozen: boolean;
  readonly last: Envelope | undefined;
}

export type GuardianRequest =
  | {
      readonly type: "sign";
      readonly kind: Exclude<EnvelopeKind, "freeze">;
      readonly view: bigint;
      readonly digest: Uint8Array;
      /** What is extended. Of a timeout nothing: view 0 and zeros. */
      readonly just: CertifiedRef;
      /** The highest certificate that the host holds. */
      readonly seen: CertifiedRef;
    }
  | { readonly type: "freeze"; readonly proof: Uint8Array }
  /** The epoch before ended with the block `anchor.digest`; `anchor.view` is one before the first view. */
  | {
      readonly type: "advance";
      readonly epoch: ConsensusEpoch;
      readonly validators: Uint8Array;
      readonly anchor: CertifiedRef;
    }
  /** The anchor holds a longer lease. */
  | { readonly type: "lease"; readonly end: bigint };

export type GuardianError = Rejection<"E_SIGNER_REFUSED">;

export interface GuardianStep {
  readonly state: GuardianState;
  /** Absent where nothing is signed. */
  readonly envelope?: Envelope;
}

/**
 * Parts of the rule, by name. A Guardian without one of them is broken; tests make such ones to show
 * what the part is for.
 */
export const guardianRules = [
  "G1-again",
  "G1-just",
  "G1-lease",
  "G1-lock",
  "G1-slot",
  "G2-high",
  "G4-once",
  "G5-later",
] as const;
export type GuardianRule = (typeof guardianRules)[number];

const refused = (message: string): Result<never, GuardianError> =>
  err({ code: "E_SIGNER_REFUSED", message });

export const newGuardian = (
  context: Context,
  gid: Uint8Array,
  session: Uint8Array,
  anchor: CertifiedRef,
  leaseEnd: bigint,
): GuardianState => ({
  chain: context.chain,
  epoch: context.epoch,
  validators: context.validators,
  gid,
  session,
  counter: 0n,
  trace: zeroHash,
  slot: { view: anchor.view, kind: "timeout" },
  high: anchor,
  leaseEnd,
  frozen: false,
  last: undefined,
});

const higher = (a: CertifiedRef, b: CertifiedRef): CertifiedRef => (b.view > a.view ? b : a);

export class Guardian {
  readonly #provider: Pick<CryptoProvider, "sha256" | "sign">;
  readonly #key: SigningKey;
  readonly #rules: ReadonlySet<GuardianRule>;

  constructor(
    provider: Pick<CryptoProvider, "sha256" | "sign">,
    key: SigningKey,
    rules: ReadonlySet<GuardianRule> = new Set(guardianRules),
  ) {
    this.#provider = provider;
    this.#key = key;
    this.#rules = rules;
  }

  /** Total: what it does not sign leaves the state as it was. */
  step(state: GuardianState, request: GuardianRequest): Result<GuardianStep, GuardianError> {
    switch (request.type) {
      case "sign":
        return this.#sign(state, request);
      case "freeze":
        return this.#freeze(state, request.proof);
      case "advance":
        return advance(state, request, this.#rules.has("G5-later"));
      case "lease":
        if (request.end < state.leaseEnd) return refused("a lease never gets shorter");
        return ok({ state: { ...state, leaseEnd: request.end } });
    }
  }

  /** G1, then G2 and G3. */
  #sign(
    state: GuardianState,
    request: Extract<GuardianRequest, { type: "sign" }>,
  ): Result<GuardianStep, GuardianError> {
    const { kind, view, digest, just, seen } = request;
    const { last } = state;
    if (
      this.#rules.has("G1-again") &&
      last !== undefined &&
      sameEpoch(last.epoch, state.epoch) &&
      last.kind === kind &&
      last.view === view &&
      last.justView === just.view &&
      equalBytes(last.digest, digest)
    ) {
      return ok({ state, envelope: last });
    }
    if (state.frozen) return refused("G1: it is frozen");
    if (view > lastView) return refused("G1: no such view");
    if (view >= state.leaseEnd && this.#rules.has("G1-lease"))
      return refused(`G1: the lease ends at view ${state.leaseEnd}`);
    if (this.#rules.has("G1-slot") && compareSlots({ view, kind }, state.slot) <= 0) {
      return refused(`G1: slot ${view}/${kind} is not above ${state.slot.view}/${state.slot.kind}`);
    }
    if (just.view >= view && this.#rules.has("G1-just"))
      return refused("G1: what justifies is not older");
    if (kind === "timeout" && (just.view !== 0n || !equalBytes(digest, zeroHash))) {
      return refused("G1: a timeout is for no block");
    }
    if (this.#rules.has("G1-lock") && kind === "vote" && just.view < state.high.view) {
      return refused(`G1: the vote is justified at ${just.view}, below ${state.high.view}`);
    }
    const high = this.#rules.has("G2-high") ? higher(higher(state.high, just), seen) : state.high;
    return ok(this.#emit({ ...state, high }, { view, kind }, digest, just.view));
  }

  /** G4: once, and the same answer for ever. */
  #freeze(state: GuardianState, proof: Uint8Array): Result<GuardianStep, GuardianError> {
    if (state.frozen && this.#rules.has("G4-once")) {
      assert(state.last !== undefined, "a frozen Guardian signed its freeze");
      return ok({ state, envelope: state.last });
    }
    const slot: Slot = { view: freezeView, kind: "freeze" };
    return ok(this.#emit({ ...state, frozen: true }, slot, proof, 0n));
  }

  /** G3: slot, counter and trace go on; every envelope shows `high`. */
  #emit(state: GuardianState, slot: Slot, digest: Uint8Array, justView: bigint): GuardianStep {
    const body: EnvelopeBody = {
      version: 1,
      chain: state.chain,
      epoch: state.epoch,
      validators: state.validators,
      gid: state.gid,
      session: state.session,
      counter: state.counter + 1n,
      prevTrace: state.trace,
      kind: slot.kind,
      view: slot.view,
      digest,
      justView,
      high: state.high,
    };
    const envelope: Envelope = {
      ...body,
      signature: this.#provider.sign(this.#key, signedBytes(body)),
    };
    const trace = traceAfter(this.#provider, body);
    return {
      state: { ...state, slot, counter: body.counter, trace, last: envelope },
      envelope,
    };
  }
}

/** G5. The host verified the certificate; a false one only silences its own Guardian. */
const advance = (
  state: GuardianState,
  request: Extract<GuardianRequest, { type: "advance" }>,
  isLaterOnly: boolean,
): Result<GuardianStep, GuardianError> => {
  if (state.frozen) return refused("G5: it is frozen");
  if (isLaterOnly && request.epoch.number <= state.epoch.number)
    return refused("G5: no later epoch");
  return ok({
    state: {
      ...state,
      epoch: request.epoch,
      validators: request.validators,
      slot: { view: request.anchor.view, kind: "timeout" },
      high: request.anchor,
    },
  });
};

/** The state for the anchor to keep; `boot` is the anchor's counter. */
export const sealGuardian = (state: GuardianState, boot: bigint): Uint8Array => {
  const { last, ...rest } = state;
  return schema.encode(guardianSeal, {
    version: 1,
    boot,
    ...rest,
    ...(last === undefined ? {} : { last }),
  });
};

/**
 * The state of a seal, if it is the one that the anchor counts. The caller increments the anchor's
 * counter durably before the first signature, so that no seal is taken up twice.
 */
export const resumeGuardian = (
  sealed: Uint8Array,
  anchorCounter: bigint,
): Result<GuardianState, Rejection<"E_SIGNER_SEAL">> => {
  const decoded = schema.decode(guardianSeal, sealed);
  if (!decoded.ok) return err({ code: "E_SIGNER_SEAL", message: decoded.error.message });
  const { version: _, boot, last, ...rest }: GuardianSeal = decoded.value;
  if (boot !== anchorCounter) {
    return err({
      code: "E_SIGNER_SEAL",
      message: `the seal is of boot ${boot}, the anchor counts ${anchorCounter}`,
    });
  }
  return ok({ ...rest, last });
};
