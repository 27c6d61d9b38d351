/** A Guardian, a receipt log and a disk around a chain; all of it in one process. */
import assert from "node:assert/strict";
import { concatBytes, equalBytes, type Files, OperationError, toHex, utf8Encode } from "@ioi/base";
import {
  type CryptoProvider,
  leafHash,
  MerkleTree,
  type PrivateKey,
  signCheckpoint,
} from "@ioi/crypto";
import { Headers } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimClock, SimFiles, SimLog, SimRandom } from "@ioi/sim";
import { type Block, ChainNode, type HeaderSigner } from "@ioi/validator";
import type { ChainParams } from "@ioi/wire";

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

/** `log.now` may be exchanged while it is used. */
export const signerOf = (headers: Headers, log: { now: Receipts }): HeaderSigner => ({
  sign: async (header) => await headers.sign(header),
  state: async () => {
    const { last } = headers;
    const none = new Uint8Array(0);
    return last === undefined
      ? { slot: 0n, counter: 0n, headerHash: none, header: none, signature: none }
      : { ...last, headerHash: last.hash };
  },
  consistency: async (from, to) => {
    const { tree } = log.now;
    if (to > tree.size) throw new OperationError("E_RPC_MALFORMED", "no such size");
    return tree.consistencyProof(from, to);
  },
});

export const openHeaders = (
  files: Files,
  provider: CryptoProvider = nodeCrypto,
): Promise<Headers> =>
  Headers.open({ files, random: new SimRandom("h"), provider, identity, recordsMax: 6 });

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
  readonly proving: { now: Receipts };
  readonly chain: ChainNode;
  readonly headers: Headers;
  readonly bugs: unknown[] = [];
  readonly blocks: Block[] = [];

  private constructor(
    chain: ChainNode,
    headers: Headers,
    parts: { clock: SimClock; log: SimLog; receipts: Receipts; proving: { now: Receipts } },
  ) {
    this.chain = chain;
    this.headers = headers;
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
    const headers = await openHeaders(files, provider);
    const log = new SimLog();
    const proving = { now: receipts };
    const chain = await ChainNode.open({
      files,
      random: new SimRandom("c"),
      clock,
      log,
      provider,
      signer: signerOf(headers, proving),
      params,
      idleMs: options.idleMs ?? 60_000,
      segmentBlocks: options.segmentBlocks ?? 1000,
      fatal: (error) => assert.fail(error),
    });
    return new Life(chain, headers, { clock, log, receipts, proving });
  }

  get height(): number {
    return Number(this.chain.head?.header.height ?? -1n);
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

  /** The newest block holds this checkpoint. */
  async anchored(size: number): Promise<void> {
    await this.when(() => this.chain.head?.header.receiptsSize === size);
  }

  offer(size: number): void {
    assert.ok(this.chain.offer(this.receipts.note(size)));
  }

  async end(): Promise<void> {
    await this.chain.close();
    await this.headers.close();
  }
}

export const freshFiles = (seed: string): SimFiles => new SimFiles({ seed });

export const idOf = (block: Block): string => toHex(block.id);
