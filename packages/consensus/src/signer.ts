/**
 * A Guardian with its anchor: sessions, leases and restarts, specs/consensus A1 to A3. Sans-IO: what
 * comes out is performed in order, each durable before the next; if that fails the machine is dropped.
 *
 * An anchor keeps a counter of boots and the end of the lease; both only rise. How a state is kept
 * depends on what the anchor can tell:
 *
 * - `none` (software): state and anchor are one record, replaced before every answer. A restart after
 *   any kill is exact. Whoever puts an older copy of the record back sets the Guardian back.
 * - `counter`: the state is sealed at a clean stop alone, and a boot uses its seal up. After a kill there
 *   is no session any more; another one is registered. An older copy is told from the newest.
 *
 * Invariants: no session signs at or above the anchor's lease; a session that is given up, or whose seal
 * is not taken up, never signs again; a new one enters above every lease before it.
 */
import { assert, equalBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import type { CryptoProvider, SigningKey } from "@ioi/crypto";
import type { Envelope, SignerRequest } from "@ioi/wire";
import {
  Guardian,
  type GuardianError,
  type GuardianState,
  type GuardianStep,
  newGuardian,
  resumeGuardian,
  sealGuardian,
} from "./guardian.ts";
import { lastView, leaseViews } from "./limits.ts";
import { sessionId, zeroHash } from "./objects.ts";

export interface AnchorValue {
  /** Boots. */
  readonly counter: bigint;
  /** The first view that no session of this Guardian signed in. */
  readonly leaseEnd: bigint;
}

export type RollbackProtection = "none" | "counter";

/** What is there at a boot. */
export interface SignerStore {
  readonly anchor: AnchorValue;
  readonly seal: Uint8Array | undefined;
}

export const emptyStore: SignerStore = { anchor: { counter: 0n, leaseEnd: 0n }, seal: undefined };

export interface SignerSession {
  readonly gid: Uint8Array;
  readonly publicKey: Uint8Array;
  /** To be registered with the key: L of specs/consensus. */
  readonly leaseEnd: bigint;
}

export type SignerAnswer =
  | { readonly type: "envelope"; readonly envelope: Envelope }
  | { readonly type: "done" }
  | { readonly type: "session"; readonly session: SignerSession }
  | { readonly type: "refused"; readonly error: GuardianError };

export type SignerEffect =
  /** The anchor takes the value; the seal takes the place of the one before, also where there is none. */
  | ({ readonly type: "persist" } & SignerStore)
  | { readonly type: "answer"; readonly answer: SignerAnswer };

export type SignerInput =
  | SignerRequest
  /** A fresh key, which the shell keeps; nothing was signed with it. */
  | { readonly type: "renew"; readonly key: SigningKey }
  | { readonly type: "stop" };

export interface SignerOptions {
  readonly provider: Pick<CryptoProvider, "sha256" | "sign">;
  readonly gid: Uint8Array;
  readonly protection: RollbackProtection;
  /** Keys that the shell keeps, by session. */
  keyOf(session: Uint8Array): SigningKey | undefined;
}

interface Session {
  readonly guardian: Guardian;
  readonly state: GuardianState;
}

export type SignerState = "none" | "waiting" | "signing" | "frozen";

const refused = (message: string): Result<never, GuardianError> =>
  err({ code: "E_SIGNER_REFUSED", message });

/** A session that was not entered stands above all views, so that it signs in none. */
const isWaiting = ({ slot }: GuardianState): boolean => slot.view === lastView;

export class GuardianSigner {
  readonly #options: SignerOptions;
  #anchor: AnchorValue;
  #session: Session | undefined;
  #effects: SignerEffect[] = [];
  /** Why what was sealed is not taken up. */
  readonly loss: Rejection<"E_SIGNER_SEAL"> | undefined;

  private constructor(options: SignerOptions, { anchor, seal }: SignerStore) {
    this.#options = options;
    const resumed = seal === undefined ? undefined : this.#resume(seal, anchor);
    this.loss = resumed?.ok === false ? resumed.error : undefined;
    this.#session = resumed?.ok === true ? resumed.value : undefined;
    this.#anchor = { ...anchor, counter: anchor.counter + 1n };
    this.#persist();
  }

  /** The effects come first: before them nothing is signed. */
  static boot(
    options: SignerOptions,
    store: SignerStore,
  ): { readonly signer: GuardianSigner; readonly effects: readonly SignerEffect[] } {
    const signer = new GuardianSigner(options, store);
    return { signer, effects: signer.#take() };
  }

  get anchor(): AnchorValue {
    return this.#anchor;
  }

  get state(): GuardianState | undefined {
    return this.#session?.state;
  }

  get status(): SignerState {
    const { state } = this;
    if (state === undefined) return "none";
    if (state.frozen) return "frozen";
    return isWaiting(state) ? "waiting" : "signing";
  }

  handle(input: SignerInput): readonly SignerEffect[] {
    switch (input.type) {
      case "renew":
        this.#renew(input.key);
        break;
      case "stop":
        this.#stop();
        break;
      case "enter":
        this.#answer(this.#enter(input));
        break;
      case "sign":
      case "freeze":
      case "advance":
        this.#answer(this.#ask(input));
    }
    return this.#take();
  }

  #take(): readonly SignerEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #resume(seal: Uint8Array, anchor: AnchorValue): Result<Session, Rejection<"E_SIGNER_SEAL">> {
    const state = resumeGuardian(seal, anchor.counter);
    if (!state.ok) return state;
    const lost = (message: string): Result<never, Rejection<"E_SIGNER_SEAL">> =>
      err({ code: "E_SIGNER_SEAL", message });
    const { gid, session, leaseEnd } = state.value;
    if (!equalBytes(gid, this.#options.gid)) return lost("the seal is of another Guardian");
    if (leaseEnd !== anchor.leaseEnd) return lost("the seal's lease is not the anchor's");
    const key = this.#options.keyOf(session);
    if (key === undefined) return lost("the session's key is not here");
    return ok({ guardian: this.#guardian(key), state: state.value });
  }

  #guardian(key: SigningKey): Guardian {
    return new Guardian(this.#options.provider, key);
  }

  #persist(isClean = false): void {
    const state = this.#session?.state;
    const isSealed = state !== undefined && (isClean || this.#options.protection === "none");
    const seal = isSealed ? sealGuardian(state, this.#anchor.counter) : undefined;
    this.#effects.push({ type: "persist", anchor: this.#anchor, seal });
  }

  #answer(outcome: Result<SignerAnswer, GuardianError>): void {
    const answer: SignerAnswer = outcome.ok
      ? outcome.value
      : { type: "refused", error: outcome.error };
    this.#effects.push({ type: "answer", answer });
  }

  /** Whatever there was is given up before the new session is shown to anybody. */
  #renew(key: SigningKey): void {
    const { gid, provider } = this.#options;
    const { leaseEnd } = this.#anchor;
    const context = {
      chain: zeroHash,
      epoch: { number: 0n, mode: "a-dmft" as const },
      validators: zeroHash,
    };
    const above = { view: lastView, digest: zeroHash };
    const session = sessionId(provider, key.publicKey);
    const state = newGuardian(context, gid, session, above, leaseEnd);
    this.#session = { guardian: this.#guardian(key), state };
    this.#persist();
    this.#answer(ok({ type: "session", session: { gid, publicKey: key.publicKey, leaseEnd } }));
  }

  #enter(request: Extract<SignerRequest, { type: "enter" }>): Result<SignerAnswer, GuardianError> {
    const session = this.#session;
    if (session === undefined || !isWaiting(session.state)) {
      return refused("A3: no session waits to be entered");
    }
    const { anchor } = request;
    const { leaseEnd } = this.#anchor;
    if (anchor.view < leaseEnd) return refused(`A3: an earlier session signs below ${leaseEnd}`);
    if (anchor.view >= lastView) return refused("A3: no such view");
    const { gid, session: id } = session.state;
    this.#session = { ...session, state: newGuardian(request, gid, id, anchor, leaseEnd) };
    this.#persist();
    return ok({ type: "done" });
  }

  #ask(
    request: Extract<SignerRequest, { type: "sign" | "freeze" | "advance" }>,
  ): Result<SignerAnswer, GuardianError> {
    const session = this.#session;
    if (session === undefined) return refused("A1: there is no session");
    // Its epoch is not known yet: what it signed now would be of none.
    if (isWaiting(session.state)) return refused("A3: the session was not entered");
    const step = this.#leased(session, request);
    if (!step.ok) return step;
    const { state, envelope } = step.value;
    if (state !== session.state) {
      const { leaseEnd } = this.#anchor;
      this.#session = { ...session, state };
      this.#anchor = { ...this.#anchor, leaseEnd: state.leaseEnd };
      if (this.#options.protection === "none" || state.leaseEnd !== leaseEnd) this.#persist();
    }
    return ok(envelope === undefined ? { type: "done" } : { type: "envelope", envelope });
  }

  /** A2: the lease goes ahead of the views by one to two times `leaseViews`. */
  #leased(
    { guardian, state }: Session,
    request: Extract<SignerRequest, { type: "sign" | "freeze" | "advance" }>,
  ): Result<GuardianStep, GuardianError> {
    if (request.type !== "sign" || request.view + leaseViews < state.leaseEnd) {
      return guardian.step(state, request);
    }
    const end = request.view + 2n * leaseViews;
    const capped = end > lastView ? lastView : end;
    if (capped <= state.leaseEnd) return guardian.step(state, request);
    const longer = guardian.step(state, { type: "lease", end: capped });
    assert(longer.ok, "a longer lease");
    const signed = guardian.step(longer.value.state, request);
    // An envelope that was given before needs no lease.
    if (signed.ok && signed.value.state === longer.value.state)
      return ok({ ...signed.value, state });
    return signed;
  }

  /** A1: with a counter the state outlives a clean stop only. Nothing is signed after it. */
  #stop(): void {
    if (this.#options.protection === "counter") this.#persist(true);
    this.#session = undefined;
  }
}
