/** A chain with a Guardian's signer, on simulated disks. */
import { type Files, toHex, utf8Encode } from "@ioi/base";
import { leafHash, MerkleTree, type PrivateKey, signCheckpoint } from "@ioi/crypto";
import { Headers } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { systemClock } from "@ioi/host/ports";
import { SimFiles, SimLog, SimRandom } from "@ioi/sim";
import { ChainNode } from "@ioi/validator";

const identity: PrivateKey<"ml-dsa-65"> = nodeCrypto.generate("ml-dsa-65");
const origin = `ioi/receipts/${toHex(nodeCrypto.sha256(identity.publicKey)).slice(0, 16)}`;

export class TestChain {
  readonly chain: ChainNode;
  readonly tree: MerkleTree;
  readonly #bugs: unknown[] = [];

  private constructor(chain: ChainNode, tree: MerkleTree) {
    this.chain = chain;
    this.tree = tree;
    chain.start((error) => this.#bugs.push(error));
  }

  static async open(files: Files = new SimFiles({ seed: "public" })): Promise<TestChain> {
    const tree = new MerkleTree(nodeCrypto);
    const random = new SimRandom("p");
    const headers = await Headers.open({ files, random, provider: nodeCrypto, identity });
    const none = new Uint8Array(0);
    const chain = await ChainNode.open({
      files,
      random,
      clock: systemClock,
      log: new SimLog(),
      provider: nodeCrypto,
      signer: {
        sign: async (header) => await headers.sign(header),
        state: async () => ({
          slot: headers.last?.slot ?? 0n,
          counter: headers.last?.counter ?? 0n,
          headerHash: headers.last?.hash ?? none,
          header: headers.last?.header ?? none,
          signature: headers.last?.signature ?? none,
        }),
        consistency: async (from, to) => tree.consistencyProof(from, to),
      },
      params: {
        version: 1,
        chain: new Uint8Array(32).fill(0xab),
        identity: identity.publicKey,
        origin,
      },
      idleMs: 3_600_000,
      minMs: 1,
      fatal: (error) => {
        throw error;
      },
    });
    return new TestChain(chain, tree);
  }

  get identity(): Uint8Array {
    return identity.publicKey;
  }

  /** The next block that is made. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.chain.watch(() => {
        stop();
        resolve();
      });
    });
  }

  /** A checkpoint of so many receipts, in a block when it resolves. */
  async anchor(size: number): Promise<void> {
    while (this.tree.size < size) {
      this.tree.append(leafHash(nodeCrypto, utf8Encode(`${this.tree.size}`)));
    }
    const root = this.tree.root(size);
    const note = signCheckpoint(nodeCrypto, identity, { origin, size, root, extensions: [] });
    while (this.chain.head === undefined) await this.next();
    const made = this.next();
    this.chain.offer(note);
    await made;
  }

  async close(): Promise<void> {
    await this.chain.close();
    if (this.#bugs.length > 0) throw this.#bugs[0];
  }
}
