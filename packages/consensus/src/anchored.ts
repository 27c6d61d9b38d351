/** A Guardian with its anchor for tests and simulation: what is durable, what left, and where it died. */
import { assert } from "@ioi/base";
import type { SigningKey } from "@ioi/crypto";
import type { Envelope } from "@ioi/wire";
import { keyOf, sessionId } from "./objects.ts";
import {
  emptyStore,
  GuardianSigner,
  type RollbackProtection,
  type SignerAnswer,
  type SignerEffect,
  type SignerInput,
  type SignerStore,
} from "./signer.ts";
import type { TestProvider } from "./testing.ts";

export class Anchored {
  readonly provider: TestProvider;
  readonly gid: Uint8Array;
  readonly protection: RollbackProtection;
  store: SignerStore = emptyStore;
  /** What left, in the order in which it did. */
  readonly released: Envelope[] = [];
  /** Its answers leave before what they rest on is durable: a shell that breaks the order. */
  isHasty = false;
  readonly #keys = new Map<string, SigningKey>();
  #signer: GuardianSigner | undefined;

  constructor(provider: TestProvider, gid: Uint8Array, protection: RollbackProtection) {
    this.provider = provider;
    this.gid = gid;
    this.protection = protection;
    this.boot();
  }

  get signer(): GuardianSigner {
    assert(this.#signer !== undefined, "it is dead");
    return this.#signer;
  }

  /** From what is durable, or from what is said to be. False if it dies on the way. */
  boot(store: SignerStore = this.store, dies = Number.POSITIVE_INFINITY): boolean {
    const { provider, gid, protection } = this;
    const keys = this.#keys;
    const { signer, effects } = GuardianSigner.boot(
      { provider, gid, protection, keyOf: (session) => keys.get(keyOf(session)) },
      store,
    );
    this.#signer = signer;
    return this.#perform(effects, dies) !== undefined;
  }

  /** `dies`: before the effect of that number. Undefined: nobody was told anything. */
  handle(input: SignerInput, dies = Number.POSITIVE_INFINITY): SignerAnswer | undefined {
    return this.#perform(this.signer.handle(input), dies);
  }

  renew(key: SigningKey): SignerAnswer | undefined {
    this.#keys.set(keyOf(sessionId(this.provider, key.publicKey)), key);
    return this.handle({ type: "renew", key });
  }

  /** Everything: the store, the keys and what runs. */
  clone(): Anchored {
    const copy = new Anchored(this.provider, this.gid, this.protection);
    for (const [session, key] of this.#keys) copy.#keys.set(session, key);
    copy.boot(this.store);
    return copy;
  }

  forgetKeys(): void {
    this.#keys.clear();
  }

  #perform(effects: readonly SignerEffect[], dies: number): SignerAnswer | undefined {
    let answer: SignerAnswer = { type: "done" };
    if (this.isHasty) {
      const first = effects.find(({ type }) => type === "answer");
      if (first?.type === "answer") this.#release(first.answer);
    }
    for (const [index, effect] of effects.entries()) {
      if (index === dies) {
        this.#signer = undefined;
        return undefined;
      }
      if (effect.type === "persist") this.store = { anchor: effect.anchor, seal: effect.seal };
      else ({ answer } = effect);
    }
    if (!this.isHasty) this.#release(answer);
    return answer;
  }

  #release(answer: SignerAnswer): void {
    if (answer.type === "envelope") this.released.push(answer.envelope);
  }
}
