/**
 * The session that votes for the local chain: rules G1 to G5 and A1 to A3 of specs/consensus, with the
 * software anchor. The identity signs the start of each epoch, so that its key vouches for the session's.
 *
 * Its state is in `session.log`, durable before an answer leaves, so that a restart is exact. There is no rollback protection: the newest
 * record is whatever stands in the folder. The session's key is derived from the key store's secret.
 *
 * Invariants: whoever orders does not choose what an epoch stands on: an epoch begins at the header that
 * was voted for last, the first one at the last header of the former chain, or at nothing; of a header
 * that is voted for height and time are known here.
 * Bounds: `chainRequestsMax` requests a call, `headerBytesMax`, `sessionRecordsMax`.
 */
import { assert, equalBytes, type Files, OperationError, type Random, unwrap } from "@ioi/base";
import {
  type Anchor,
  blockHash,
  emptyStore,
  GuardianSigner,
  nextTenureStart,
  type SignerAnswer,
  type SignerEffect,
  type SignerStore,
  ValidatorSet,
  zeroHash,
} from "@ioi/consensus";
import {
  type CryptoProvider,
  domains,
  type PrivateKey,
  signPayload,
  type SigningKey,
} from "@ioi/crypto";
import { openWal, type Wal } from "@ioi/storage";
import {
  type BlockHeader,
  blockHeader,
  type ConsensusStart,
  consensusStart,
  type Envelope,
  schema,
  signerRequest,
  type ValidatorEntry,
} from "@ioi/wire";
import { type FormerHeader, readFormerHeader, retireFormerHeaders } from "./former-headers.ts";
import type { GuardianKeys } from "./keys.ts";
import { chainRequestsMax, headerBytesMax, sessionRecordsMax } from "./limits.ts";
import { sessionPath, startRecord, startSchema, stateRecord, stateSchema } from "./session-log.ts";

/** The log that is to take the place of the one before. */
const nextPath = "session.next";

const repairHint =
  "restore guardian/ from its newest backup: without it a view could be signed twice";

const refused = (message: string): OperationError =>
  new OperationError("E_HEADER_REFUSED", message);

export interface ChainSignerOptions {
  readonly files: Files;
  readonly random: Random;
  readonly provider: CryptoProvider;
  readonly keys: Pick<GuardianKeys, "identity" | "chainSession">;
  readonly recordsMax?: number;
}

/** What is asked for: a canonical `signerRequest` of kind sign, and the header where there is one. */
export interface SlotRequest {
  readonly request: Uint8Array;
  /** Of the block; empty for a timeout. */
  readonly header: Uint8Array;
}

export interface ChainSigning {
  readonly start: ConsensusStart;
  readonly signature: Uint8Array;
  /** Envelopes of the session. */
  readonly counter: bigint;
  /** The last one of this epoch. */
  readonly last: Envelope | undefined;
  /** View of the highest certificate that it was told of. */
  readonly highView: bigint;
}

/** In force: the epoch, and the session that signs in it. */
interface Epoch {
  readonly nonce: Uint8Array;
  readonly start: ConsensusStart;
  readonly signature: Uint8Array;
  readonly signer: GuardianSigner;
}

export class ChainSigner {
  readonly #options: ChainSignerOptions;
  readonly #former: FormerHeader | undefined;
  #wal: Wal;
  #epoch: Epoch | undefined;
  #store: SignerStore = emptyStore;
  #header: Uint8Array | undefined;
  /** The state in memory is on disk. */
  #isStored = true;
  /** An epoch was begun in memory and is not on the disk: nothing is signed any more in this life. */
  #isBroken = false;
  /** One at a time: two requests for one slot must meet. */
  #busy: Promise<unknown> = Promise.resolve();

  private constructor(options: ChainSignerOptions, wal: Wal, former: FormerHeader | undefined) {
    this.#options = options;
    this.#wal = wal;
    this.#former = former;
  }

  static async open(options: ChainSignerOptions): Promise<ChainSigner> {
    const { files } = options;
    if ((await files.stat(nextPath)) !== undefined) await files.remove(nextPath);
    const wal = await ChainSigner.#openWal(options, sessionPath);
    try {
      const former = await readFormerHeader(options);
      const signer = new ChainSigner(options, wal, former);
      if (wal.records > 0) {
        await signer.#resume();
        // A crash came between the two names.
        await retireFormerHeaders(options);
      }
      return signer;
    } catch (error) {
      await wal.close();
      throw error;
    }
  }

  static async #openWal({ files, random }: ChainSignerOptions, path: string): Promise<Wal> {
    return await openWal({ files, random, path, repairHint });
  }

  /** The last header of the former chain, while no session was begun on top of it. */
  get former(): FormerHeader | undefined {
    return this.#epoch === undefined ? this.#former : undefined;
  }

  /** Undefined before the first epoch. What is not durable is not shown: E_HEADER_REFUSED. */
  get signing(): ChainSigning | undefined {
    if (this.#epoch === undefined) return undefined;
    if (!this.#isStored) throw refused("the session's state is not on the disk yet");
    const { start, signature, signer } = this.#epoch;
    const { state } = signer;
    assert(state !== undefined, "a software anchor keeps its session");
    const last = state.last?.epoch.number === start.epoch.number ? state.last : undefined;
    return { start, signature, counter: state.counter, last, highView: state.high.view };
  }

  /** The first epoch of the chain, or the next one, on top of what was voted for last. */
  async begin(chain: Uint8Array): Promise<ChainSigning> {
    return await this.#inTurn(async () => {
      if (this.#isBroken) throw refused("an epoch was begun halfway: the process begins anew");
      this.#isBroken = true;
      await (this.#epoch === undefined ? this.#beginFirst(chain) : this.#beginNext(chain));
      this.#isBroken = false;
      const { signing } = this;
      assert(signing !== undefined, "an epoch began");
      return signing;
    });
  }

  /** All of them, or as many as came before the one that is refused. Durable before it resolves. */
  async sign(slots: readonly SlotRequest[]): Promise<readonly Envelope[]> {
    if (slots.length === 0 || slots.length > chainRequestsMax) throw refused("too many requests");
    return await this.#inTurn(async () => {
      if (this.#isBroken) throw refused("an epoch was begun halfway: the process begins anew");
      const envelopes: Envelope[] = [];
      let complaint: OperationError | undefined;
      for (const slot of slots) {
        const signed = this.#sign(slot);
        if (signed instanceof OperationError) {
          complaint = signed;
          break;
        }
        envelopes.push(signed);
      }
      if (!this.#isStored) await this.#keep();
      if (complaint !== undefined && envelopes.length === 0) throw complaint;
      return envelopes;
    });
  }

  async close(): Promise<void> {
    await this.#busy;
    await this.#wal.close();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#busy.then(work);
    this.#busy = turn.catch(() => undefined);
    return await turn;
  }

  #sign({ request, header }: SlotRequest): Envelope | OperationError {
    if (this.#epoch === undefined) return refused("no epoch was begun");
    const decoded = schema.decode(signerRequest, request);
    if (!decoded.ok) return refused(`the request is malformed: ${decoded.error.message}`);
    const { value } = decoded;
    if (value.type !== "sign") return refused("only votes, proposals and timeouts are signed");
    if (value.kind !== "timeout") {
      const complaint = this.#complaint(header, value.digest);
      if (complaint !== undefined) return refused(complaint);
    }
    const answer = this.#take(this.#epoch.signer.handle(value));
    if (answer.type === "refused") return refused(answer.error.message);
    assert(answer.type === "envelope", "an answer to a request to sign");
    if (value.kind === "vote") this.#header = header;
    return answer.envelope;
  }

  #complaint(encoded: Uint8Array, digest: Uint8Array): string | undefined {
    if (encoded.length > headerBytesMax) return "the header is too long";
    const header = schema.decode(blockHeader, encoded);
    if (!header.ok) return `the header is malformed: ${header.error.message}`;
    if (!equalBytes(blockHash(this.#options.provider, header.value), digest)) {
      return "the request is for another block than its header";
    }
    if (header.value.ends !== undefined) return "the local chain ends no epoch by a block";
    return undefined;
  }

  #take(effects: readonly SignerEffect[]): SignerAnswer {
    let answer: SignerAnswer = { type: "done" };
    for (const effect of effects) {
      if (effect.type === "answer") ({ answer } = effect);
      else {
        this.#store = { anchor: effect.anchor, seal: effect.seal };
        this.#isStored = false;
      }
    }
    return answer;
  }

  async #keep(): Promise<void> {
    const { recordsMax = sessionRecordsMax } = this.#options;
    if (this.#wal.records >= recordsMax) await this.#startAnew();
    else await this.#wal.appendDurable(stateRecord, this.#stateBytes());
    this.#isStored = true;
  }

  #stateBytes(): Uint8Array {
    const { anchor, seal } = this.#store;
    const header = this.#header;
    return schema.encode(stateSchema, {
      version: 1,
      ...anchor,
      ...(seal === undefined ? {} : { seal }),
      ...(header === undefined ? {} : { header }),
    });
  }

  /** The log is bounded, and begins with its epoch: it takes its name when all of it is durable. */
  async #startAnew(): Promise<void> {
    assert(this.#epoch !== undefined, "a log of an epoch");
    const { files } = this.#options;
    const { nonce, start, signature } = this.#epoch;
    if ((await files.stat(nextPath)) !== undefined) await files.remove(nextPath);
    const next = await ChainSigner.#openWal(this.#options, nextPath);
    try {
      const encoded = schema.encode(consensusStart, start);
      const record = { version: 1, nonce, start: encoded, signature };
      await next.append(startRecord, schema.encode(startSchema, record));
      await next.appendDurable(stateRecord, this.#stateBytes());
    } finally {
      await next.close();
    }
    await files.rename(nextPath, sessionPath);
    await files.syncDirectory("");
    const full = this.#wal;
    this.#wal = await ChainSigner.#openWal(this.#options, sessionPath);
    await full.close();
  }

  /** Of what stands in the log; a boot is counted before anything is signed. */
  async #resume(): Promise<void> {
    const damaged = (message: string): OperationError =>
      new OperationError("E_WAL_CORRUPT", `${sessionPath}: ${message}`, { next: repairHint });
    const first = await this.#record(0);
    const began = schema.decode(startSchema, first?.payload ?? new Uint8Array(0));
    if (first?.type !== startRecord || !began.ok) throw damaged("it does not begin with a start");
    const start = schema.decode(consensusStart, began.value.start);
    if (!start.ok) throw damaged("its start is malformed");
    const newest = await this.#record(this.#wal.records - 1);
    const state = schema.decode(stateSchema, newest?.payload ?? new Uint8Array(0));
    if (newest?.type !== stateRecord || !state.ok) throw damaged("its newest record is no state");
    const { counter, leaseEnd, seal, header } = state.value;
    const { nonce, signature } = began.value;
    const key = this.#keyOf(nonce);
    const { signer, effects } = this.#boot(key, { anchor: { counter, leaseEnd }, seal });
    if (signer.loss !== undefined) throw damaged(signer.loss.message);
    this.#epoch = { nonce, start: start.value, signature, signer };
    this.#header = header;
    this.#take(effects);
    await this.#keep();
  }

  async #record(sequence: number) {
    for await (const record of this.#wal.read(sequence)) return record;
    return undefined;
  }

  #keyOf(nonce: Uint8Array): SigningKey {
    const { provider, keys } = this.#options;
    return unwrap(provider.importPrivate("ml-dsa-44", keys.chainSession(nonce)), "a derived key");
  }

  #boot(key: SigningKey, store: SignerStore) {
    const { provider, keys } = this.#options;
    const gid = provider.sha256(keys.identity.publicKey);
    return GuardianSigner.boot({ provider, gid, protection: "none", keyOf: () => key }, store);
  }

  async #beginFirst(chain: Uint8Array): Promise<void> {
    const { provider, random } = this.#options;
    const former = this.#former;
    if (former !== undefined && !equalBytes(former.header.chain, chain)) {
      throw refused("the former chain has another id");
    }
    const anchor: Anchor =
      former === undefined
        ? // The genesis: block 0 is the chain's id.
          { view: 0n, digest: chain, height: 0n, timeMs: 0 }
        : {
            view: 0n,
            digest: former.hash,
            height: former.header.height,
            timeMs: former.header.timeMs,
          };
    const nonce = random.fill(new Uint8Array(32));
    const key = this.#keyOf(nonce);
    const { signer, effects } = this.#boot(key, emptyStore);
    this.#take(effects);
    this.#take(signer.handle({ type: "renew", key }));
    const epoch = { number: 0n, mode: "a-dmft" } as const;
    const start = startOf(chain, epoch, entryOf(provider, this.#identity, key), anchor);
    const { hash } = setOf(provider, start);
    const certified = { view: anchor.view, digest: anchor.digest };
    const entered = signer.handle({
      type: "enter",
      chain,
      epoch,
      validators: hash,
      anchor: certified,
    });
    const answer = this.#take(entered);
    assert(answer.type === "done", "a fresh session enters the first epoch");
    await this.#enter({ nonce, start, signer });
    if (former !== undefined) await retireFormerHeaders(this.#options);
  }

  async #beginNext(chain: Uint8Array): Promise<void> {
    assert(this.#epoch !== undefined, "an epoch before");
    const { start: before, signer, nonce } = this.#epoch;
    if (!equalBytes(before.chain, chain)) throw refused("the session is of another chain");
    const epoch = { ...before.epoch, number: before.epoch.number + 1n };
    const anchor = this.#anchorOnLast(before.anchor);
    const start: ConsensusStart = { ...before, epoch, anchor };
    const validators = setOf(this.#options.provider, start).hash;
    const certified = { view: anchor.view, digest: anchor.digest };
    const answer = this.#take(
      signer.handle({ type: "advance", epoch, validators, anchor: certified }),
    );
    if (answer.type === "refused") throw refused(answer.error.message);
    this.#header = undefined;
    await this.#enter({ nonce, start, signer });
  }

  /** The block that was voted for last, and a view above all that were signed in. */
  #anchorOnLast(before: Anchor): Anchor {
    const view = nextTenureStart(this.#epoch?.signer.state?.slot.view ?? before.view) - 1n;
    if (this.#header === undefined) return { ...before, view };
    const header = unwrap(schema.decode(blockHeader, this.#header), "a header that was voted for");
    return { ...refOf(this.#options.provider, header), view };
  }

  get #identity(): PrivateKey<"ml-dsa-65"> {
    return this.#options.keys.identity;
  }

  /** The identity vouches for the start; both take their place together. */
  async #enter(entered: Omit<Epoch, "signature">): Promise<void> {
    const encoded = schema.encode(consensusStart, entered.start);
    const { provider } = this.#options;
    const { signature } = signPayload(provider, this.#identity, domains.chainStart, encoded);
    this.#epoch = { ...entered, signature };
    await this.#startAnew();
    this.#isStored = true;
  }
}

const refOf = (provider: CryptoProvider, header: BlockHeader): Omit<Anchor, "view"> => ({
  digest: blockHash(provider, header),
  height: header.height,
  timeMs: header.timeMs,
});

const setOf = (provider: CryptoProvider, { validators, isDevnet }: ConsensusStart): ValidatorSet =>
  unwrap(ValidatorSet.from(provider, validators, isDevnet), "a set of one validator");

/** This machine alone: no host key, no attestation, nothing that protects from a rollback. */
const entryOf = (
  provider: CryptoProvider,
  identity: PrivateKey<"ml-dsa-65">,
  { publicKey }: SigningKey,
): ValidatorEntry => {
  const account = provider.sha256(identity.publicKey);
  return {
    version: 1,
    identity: account,
    hostKey: new Uint8Array(1312),
    sessionKey: publicKey,
    gid: account,
    platform: account,
    quote: zeroHash,
    vendor: "software",
    isolation: "none",
    rollback: "none",
    power: 1n,
  };
};

const startOf = (
  chain: Uint8Array,
  epoch: ConsensusStart["epoch"],
  entry: ValidatorEntry,
  anchor: Anchor,
): ConsensusStart => ({
  version: 1,
  chain,
  epoch,
  validators: [entry],
  anchor,
  isDevnet: false,
});
