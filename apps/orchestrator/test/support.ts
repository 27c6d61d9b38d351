/** A chain with a Guardian's signer, on simulated disks. */
import { type Files, toHex, utf8Encode } from "@ioi/base";
import { leafHash, MerkleTree, type PrivateKey, signCheckpoint } from "@ioi/crypto";
import { ChainSigner } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { systemClock } from "@ioi/host/ports";
import { SimFiles, SimLog, SimRandom } from "@ioi/sim";
import { ChainNode } from "@ioi/validator";
import { blockHeader, schema, signerRequest } from "@ioi/wire";

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
    const keys = { identity, chainSession: (nonce: Uint8Array) => nodeCrypto.sha256(nonce) };
    const session = await ChainSigner.open({ files, random, provider: nodeCrypto, keys });
    const chainId = new Uint8Array(32).fill(0xab);
    const chain = await ChainNode.open({
      files,
      random,
      clock: systemClock,
      log: new SimLog(),
      provider: nodeCrypto,
      signer: {
        begin: async () => await session.begin(chainId),
        state: async () => ({ signing: session.signing, former: undefined }),
        sign: async (slots) =>
          await session.sign(
            slots.map(({ request, block }) => ({
              request: schema.encode(signerRequest, request),
              header:
                block === undefined ? new Uint8Array(0) : schema.encode(blockHeader, block.header),
            })),
          ),
        consistency: async (from, to) => tree.consistencyProof(from, to),
      },
      params: {
        version: 1,
        chain: chainId,
        identity: identity.publicKey,
        origin,
      },
      idleMs: 0,
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

  /** A checkpoint of so many receipts, in the state that a block shows when it resolves. */
  async anchor(size: number): Promise<void> {
    while (this.tree.size < size) {
      this.tree.append(leafHash(nodeCrypto, utf8Encode(`${this.tree.size}`)));
    }
    const root = this.tree.root(size);
    const note = signCheckpoint(nodeCrypto, identity, { origin, size, root, extensions: [] });
    this.chain.offer(note);
    while (this.chain.tip.size < size) await this.next();
    const height = this.chain.head?.header.height ?? 0n;
    while ((this.chain.shown ?? 0n) < height) await this.next();
  }

  async close(): Promise<void> {
    await this.chain.close();
    if (this.#bugs.length > 0) throw this.#bugs[0];
  }
}
