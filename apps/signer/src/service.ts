/**
 * `Signer` for the process that holds the socket: one request after the other, each answered when what
 * it changed is durable. After a failed write nobody knows what the anchor holds: `fatal` ends the process.
 */
import { OperationError } from "@ioi/base";
import {
  GuardianSigner,
  type SignerAnswer,
  type SignerEffect,
  type SignerInput,
  type SignerSession,
} from "@ioi/consensus";
import type { CryptoProvider } from "@ioi/crypto";
import { type Implementation, implement } from "@ioi/host/rpc";
import { envelope as envelopeSchema, pb, schema, signerRequest } from "@ioi/wire";
import type { SoftwareAnchor } from "./anchor.ts";
import { requestBytesMax, waitingMax } from "./limits.ts";

export class SignerService {
  readonly #anchor: SoftwareAnchor;
  readonly #signer: GuardianSigner;
  readonly #fatal: (error: unknown) => void;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  private constructor(
    anchor: SoftwareAnchor,
    signer: GuardianSigner,
    fatal: (error: unknown) => void,
  ) {
    this.#anchor = anchor;
    this.#signer = signer;
    this.#fatal = fatal;
  }

  static async open(
    anchor: SoftwareAnchor,
    provider: CryptoProvider,
    fatal: (error: unknown) => void,
  ): Promise<SignerService> {
    const { signer, effects } = GuardianSigner.boot(
      { provider, gid: anchor.gid, protection: "none", keyOf: (id) => anchor.keyOf(id) },
      anchor.store,
    );
    // A software anchor is replaced with its seal: if they do not fit, the folder was put together.
    if (signer.loss !== undefined) throw new OperationError(signer.loss.code, signer.loss.message);
    const service = new SignerService(anchor, signer, fatal);
    await service.#perform(effects);
    return service;
  }

  get implementation(): Implementation {
    return implement(pb.Signer, {
      ask: async ({ request }) => this.#inTurn(() => this.#ask(request)),
      renew: async () => this.#inTurn(() => this.#renew()),
      status: async () => this.#status(),
    });
  }

  async drain(): Promise<void> {
    await this.#last;
  }

  async #ask(bytes: Uint8Array): Promise<{ readonly envelope: Uint8Array }> {
    if (bytes.length > requestBytesMax) {
      throw new OperationError("E_SIGNER_REFUSED", "the request is too long");
    }
    const request = schema.decode(signerRequest, bytes);
    if (!request.ok) throw new OperationError("E_SIGNER_REFUSED", request.error.message);
    const answer = await this.#handle(request.value);
    const isEnvelope = answer.type === "envelope";
    return {
      envelope: isEnvelope ? schema.encode(envelopeSchema, answer.envelope) : new Uint8Array(0),
    };
  }

  async #renew(): Promise<{ gid: Uint8Array; sessionKey: Uint8Array; leaseEnd: bigint }> {
    const key = await this.#durably(() => this.#anchor.newKey());
    const answer = await this.#handle({ type: "renew", key });
    if (answer.type !== "session") throw new OperationError("E_SIGNER_REFUSED", answer.type);
    const { gid, publicKey, leaseEnd }: SignerSession = answer.session;
    const session = this.#signer.state?.session;
    if (session !== undefined) await this.#durably(() => this.#anchor.forgetKeysBut(session));
    return { gid, sessionKey: publicKey, leaseEnd };
  }

  async #handle(input: SignerInput): Promise<SignerAnswer> {
    const answer = await this.#perform(this.#signer.handle(input));
    if (answer.type === "refused") {
      throw new OperationError(answer.error.code, answer.error.message);
    }
    return answer;
  }

  async #perform(effects: readonly SignerEffect[]): Promise<SignerAnswer> {
    let answer: SignerAnswer = { type: "done" };
    for (const effect of effects) {
      if (effect.type === "answer") ({ answer } = effect);
      else await this.#durably(() => this.#anchor.persist(effect));
    }
    return answer;
  }

  async #durably<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      this.#fatal(error);
      throw error;
    }
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#waiting >= waitingMax) {
      throw new OperationError("E_SIGNER_BUSY", `${waitingMax} requests wait already`);
    }
    this.#waiting += 1;
    const own = this.#last.then(run).finally(() => (this.#waiting -= 1));
    // Who asked is told of a failure; the next one does not wait for a success.
    this.#last = own.catch(() => undefined);
    return own;
  }

  #status() {
    const { state, status, anchor } = this.#signer;
    return {
      anchor: "software",
      rollbackProtection: "none",
      gid: this.#anchor.gid,
      state: status,
      boots: anchor.counter,
      leaseEnd: anchor.leaseEnd,
      ...(state === undefined ? {} : { session: state.session, envelopes: state.counter }),
      ...(status === "signing" || status === "frozen"
        ? { epoch: state?.epoch.number ?? 0n, view: state?.slot.view ?? 0n }
        : {}),
    };
  }
}
