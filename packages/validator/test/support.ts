/** A Guardian, a receipt log and a disk around a chain; all of it in one process. */
import assert from "node:assert/strict";
import {
  concatBytes,
  equalBytes,
  type Files,
  OperationError,
  type Random,
  toHex,
  utf8Encode,
} from "@ioi/base";
import {
  type CryptoProvider,
  leafHash,
  MerkleTree,
  type PrivateKey,
  signCheckpoint,
} from "@ioi/crypto";
import { ChainSigner } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimClock, SimFiles, SimLog, SimRandom } from "@ioi/sim";
import { type Block, ChainNode, type SessionSigner } from "@ioi/validator";
import { blockHeader, type ChainParams, schema, signerRequest } from "@ioi/wire";

/**
 * Signatures that anybody could make, in no time: for runs of thousands of lives, in which nobody
 * forges one.
 */
export const quickCrypto: CryptoProvider = {
  ...nodeCrypto,
  sign: (key, bytes) => nodeCrypto.sha512(concatBytes(key.publicKey, bytes)),
  verify: (_algorithm, publicKey, bytes, signature) =>
    equalBytes(nodeCrypto.sha512(concatBytes(publicKey, bytes)), signature),
};

export const identity: PrivateKey<"ml-dsa-65"> = nodeCrypto.generate("ml-dsa-65");
export const stranger: PrivateKey<"ml-dsa-65"> = nodeCrypto.generate("ml-dsa-65");

export const params: ChainParams = {
  version: 1,
  chain: new Uint8Array(32).fill(7),
  identity: identity.publicKey,
  origin: "ioi/receipts/test",
};

/** A receipt log: leaves are numbers; `fork` makes another one of the same sizes. */
export class Receipts {
  readonly #fork: string;
  readonly #provider: CryptoProvider;
  readonly tree: MerkleTree = new MerkleTree(nodeCrypto);

  constructor(fork = "", provider: CryptoProvider = nodeCrypto) {
    this.#fork = fork;
    this.#provider = provider;
  }

  grow(size: number): void {
    while (this.tree.size < size) {
      this.tree.append(leafHash(nodeCrypto, utf8Encode(`${this.#fork}${this.tree.size}`)));
    }
  }

  note(size: number, key: PrivateKey<"ml-dsa-65"> = identity, origin: string = params.origin) {
    this.grow(size);
    const root = this.tree.root(size);
    return signCheckpoint(this.#provider, key, { origin, size, root, extensions: [] });
  }
}

/** Both may be changed while they are used. */
export interface Proving {
  now: Receipts;
  /** Whatever is asked for is not signed. */
  refuses?: boolean;
  /** So many answers of the Guardian are lost after it signed. */
  lost?: number;
}

export const signerOf = (session: ChainSigner, log: Proving): SessionSigner => ({
  begin: async () => await session.begin(params.chain),
  state: async () => {
    const { signing, former } = session;
    return {
      signing,
      former: former === undefined ? undefined : { ...former, header: former.encoded },
    };
  },
  sign: async (slots) => {
    if (log.refuses === true) throw new OperationError("E_HEADER_REFUSED", "not now");
    const envelopes = await session.sign(
      slots.map(({ request, block }) => ({
        request: schema.encode(signerRequest, request),
        header: block === undefined ? new Uint8Array(0) : schema.encode(blockHeader, block.header),
      })),
    );
    if ((log.lost ?? 0) === 0) return envelopes;
    log.lost = (log.lost ?? 0) - 1;
    throw new OperationError("E_RPC_DEADLINE", "too late");
  },
  consistency: async (from, to) => {
    const { tree } = log.now;
    if (to > tree.size) throw new OperationError("E_RPC_MALFORMED", "no such size");
    return tree.consistencyProof(from, to);
  },
});

export const openSession = (
  files: Files,
  provider: CryptoProvider = nodeCrypto,
  random: Random = new SimRandom("h"),
): Promise<ChainSigner> =>
  ChainSigner.open({
    files,
    random,
    provider,
    keys: { identity, chainSession: (nonce) => provider.sha256(nonce) },
    recordsMax: 6,
  });

export interface LifeOptions {
  readonly files: Files;
  readonly receipts?: Receipts;
  readonly clock?: SimClock;
  readonly idleMs?: number;
  readonly segmentBlocks?: number;
  readonly provider?: CryptoProvider;
}

/** One life of the chain and of the Guardian that signs for it. */
export class Life {
  readonly clock: SimClock;
  readonly log: SimLog;
  readonly receipts: Receipts;
  /** The log that the signer proves from. */
  readonly proving: Proving;
  readonly chain: ChainNode;
  readonly session: ChainSigner;
  readonly bugs: unknown[] = [];
  readonly blocks: Block[] = [];

  private constructor(
    chain: ChainNode,
    session: ChainSigner,
    parts: { clock: SimClock; log: SimLog; receipts: Receipts; proving: Proving },
  ) {
    this.chain = chain;
    this.session = session;
    this.clock = parts.clock;
    this.log = parts.log;
    this.receipts = parts.receipts;
    this.proving = parts.proving;
    chain.watch((block) => this.blocks.push(block));
    chain.start((error) => this.bugs.push(error));
  }

  static async begin(options: LifeOptions): Promise<Life> {
    const { files, receipts = new Receipts(), clock = new SimClock() } = options;
    const { provider = nodeCrypto } = options;
    const session = await openSession(files, provider);
    const log = new SimLog();
    const proving: Proving = { now: receipts };
    const chain = await ChainNode.open({
      files,
      random: new SimRandom("c"),
      clock,
      log,
      provider,
      signer: signerOf(session, proving),
      params,
      idleMs: options.idleMs ?? 0,
      segmentBlocks: options.segmentBlocks ?? 1000,
      fatal: (error) => assert.fail(error),
    });
    return new Life(chain, session, { clock, log, receipts, proving });
  }

  get height(): number {
    return Number(this.chain.head?.header.height ?? 0n);
  }

  /** Moves time until the chain is as high, or can go on no more. */
  async until(height: number): Promise<void> {
    await this.when(() => this.height >= height, 1000);
  }

  /** Moves time, step by step, until it is so, or a bug ended the chain. */
  async when(isSo: () => boolean, stepMs = 100): Promise<void> {
    for (let steps = 0; !isSo() && this.bugs.length === 0; steps++) {
      assert.ok(steps < 1000, `the chain stays at ${this.height}`);
      await this.clock.advance(stepMs);
    }
  }

  /** The state holds this checkpoint. */
  async anchored(size: number): Promise<void> {
    await this.when(() => this.chain.tip.size === size);
  }

  /** A committed block shows the newest state. */
  async shown(): Promise<void> {
    await this.when(() => {
      const newest = this.blocks.findLast(({ txs }) => txs.length > 0)?.header.height ?? 0n;
      return (this.chain.shown ?? -1n) >= newest;
    });
  }

  offer(size: number): void {
    assert.ok(this.chain.offer(this.receipts.note(size)));
  }

  async end(): Promise<void> {
    await this.chain.close();
    await this.session.close();
  }
}

export const freshFiles = (seed: string): SimFiles => new SimFiles({ seed });

export const idOf = (block: Block): string => toHex(block.id);
