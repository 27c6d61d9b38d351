/**
 * A sound Guardian of a simulated host: the signer of production with its anchor, its sessions, and what
 * may befall its machine. Its host asks it; whoever owns the machine kills it, sets it back or copies it.
 *
 * Invariant: what it says of sessions is what the signer says; nothing here signs.
 */
import { assert, equalBytes, toHex } from "@ioi/base";
import {
  type GuardianRequest,
  type GuardianState,
  type Judge,
  type RollbackProtection,
  sessionId,
  type SignerSession,
  type SignerStore,
} from "@ioi/consensus";
import { Anchored, type Member, type Signer, type TestProvider } from "@ioi/consensus/testing";
import type { Envelope, SignerRequest, ValidatorEntry } from "@ioi/wire";

export type MakeKey = (name: string) => Member["key"];

/** What a host has: a sound one with its anchor, or a bare one that may lack rules. */
export type SimSigner = Signer | AnchoredSigner;

export class AnchoredSigner {
  readonly #entry: ValidatorEntry;
  readonly #provider: TestProvider;
  readonly #anchored: Anchored;
  /** A copy's new sessions are its own. */
  readonly #name: string;
  #renewed: SignerSession | undefined;
  #sessions = 0;
  #copies = 0;

  private constructor(entry: ValidatorEntry, anchored: Anchored, name: string) {
    this.#entry = entry;
    this.#provider = anchored.provider;
    this.#anchored = anchored;
    this.#name = name;
  }

  /** With the member's key as its first session, which waits to be entered. */
  static make(
    { entry, key }: Member,
    provider: TestProvider,
    protection: RollbackProtection,
  ): AnchoredSigner {
    const anchored = new Anchored(provider, entry.gid, protection);
    anchored.renew(key);
    return new AnchoredSigner(entry, anchored, toHex(entry.gid.subarray(0, 8)));
  }

  /** It stands in some set, waits to, or was lost. */
  get status(): "none" | "waiting" | "signing" | "frozen" {
    return this.#anchored.signer.status;
  }

  get session(): Uint8Array | undefined {
    return this.#anchored.signer.state?.session;
  }

  get leaseEnd(): bigint {
    return this.#anchored.signer.anchor.leaseEnd;
  }

  get state(): GuardianState {
    const { state } = this.#anchored.signer;
    assert(state !== undefined, "it has a session");
    return state;
  }

  /** Everything that ever left it. */
  get released(): readonly Envelope[] {
    return this.#anchored.released;
  }

  ask(request: SignerRequest | GuardianRequest): Envelope | string {
    if (request.type === "lease") return "A2: leases are the anchor's";
    const answer = this.#anchored.handle(request);
    assert(answer !== undefined, "it lives");
    switch (answer.type) {
      case "envelope":
        return answer.envelope;
      case "refused":
        return answer.error.message;
      case "done":
      case "session":
        return "done";
    }
  }

  must(request: GuardianRequest): Envelope {
    const envelope = this.ask(request);
    assert(typeof envelope !== "string", `${envelope as string}`);
    return envelope;
  }

  /** Its process dies at any moment and starts again: exact with software, a lost session with a counter. */
  kill(): void {
    this.#anchored.boot();
  }

  /**
   * Power goes, and the disk is put back to how it was before: an older seal. A counter is no part of the
   * disk; without one the anchor's record is set back with it.
   */
  restore(then: SignerStore): void {
    const isCounted = this.#anchored.protection === "counter";
    const { anchor } = isCounted ? this.#anchored.store : then;
    this.#anchored.boot({ anchor, seal: then.seal });
  }

  /** It is stopped cleanly and started. What its disk held in between is given back. */
  restart(): SignerStore {
    this.#anchored.handle({ type: "stop" });
    const { store } = this.#anchored;
    this.#anchored.boot();
    return store;
  }

  /** What is on its disk now. */
  get store(): SignerStore {
    return this.#anchored.store;
  }

  /** Both run from now on. With a counter its owner stops it first, and copies the counter too. */
  clone(): AnchoredSigner {
    if (this.#anchored.protection === "counter") this.#anchored.handle({ type: "stop" });
    const copy = this.#anchored.clone();
    this.#anchored.boot();
    return new AnchoredSigner(this.#entry, copy, `${this.#name} copy ${this.#copies++}`);
  }

  /** A new session in place of whatever there was; it waits to be registered and entered. */
  renew(makeKey: MakeKey): void {
    const key = makeKey(`${this.#name} ${this.#sessions++}`);
    const answer = this.#anchored.renew(key);
    assert(answer?.type === "session", "a session");
    this.#renewed = answer.session;
  }

  /** Of a session that waits and that the epoch does not know: as it is to be registered. */
  registration({ set }: Judge): ValidatorEntry | undefined {
    const renewed = this.#renewed;
    if (renewed === undefined || this.status !== "waiting") return undefined;
    const index = set.indexOf(this.#entry.gid);
    const held = index === undefined ? this.#entry : set.entry(index);
    if (equalBytes(held.sessionKey, renewed.publicKey)) return undefined;
    const session = sessionId(this.#provider, held.sessionKey);
    return {
      ...held,
      sessionKey: renewed.publicKey,
      succeeds: { session, lease: renewed.leaseEnd },
    };
  }

  /** G5, A3: with the session that the epoch knows, or not at all. */
  enter({ context, set, anchor }: Judge): void {
    const index = set.indexOf(this.#entry.gid);
    const { session } = this;
    const known = index === undefined ? undefined : set.sessions[index];
    if (session === undefined || known === undefined || !equalBytes(session, known)) return;
    const request = { ...context, anchor: { view: anchor.view, digest: anchor.digest } };
    if (this.status === "waiting") this.ask({ type: "enter", ...request });
    else this.ask({ type: "advance", ...request });
  }
}
