/**
 * The control: the same chain and the same signer, in this process, on a disk that keeps nothing of
 * what it promised to keep. The judge must find what is lost, and views that were voted in twice.
 */
import { InvariantError, OperationError, toHex, utf8Encode } from "@ioi/base";
import { leafHash, MerkleTree } from "@ioi/crypto";
import { ChainSigner } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimClock, SimFiles, SimLog, SimRandom } from "@ioi/sim";
import { type Block, ChainNode } from "@ioi/validator";
import { blockHeader, type ConsensusStart, schema, signerRequest } from "@ioi/wire";
import { type Judgement, judgeChain, type Shown } from "./judge.ts";

const shownOf = ({ id, header, justify, txs }: Block): Shown => ({
  id: toHex(id),
  header,
  justify,
  txs,
});

const blocksPerLife = 5;
const chainId = new Uint8Array(32).fill(1);

const live = async (
  files: SimFiles,
  clock: SimClock,
  identity: ReturnType<typeof nodeCrypto.generate<"ml-dsa-65">>,
): Promise<{ readonly shown: readonly Shown[]; readonly start: ConsensusStart }> => {
  const random = new SimRandom("control");
  const keys = { identity, chainSession: (nonce: Uint8Array) => nodeCrypto.sha256(nonce) };
  const session = await ChainSigner.open({ files, random, provider: nodeCrypto, keys });
  const chain = await ChainNode.open({
    files,
    random,
    clock,
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
      consistency: async () => [],
    },
    params: {
      version: 1,
      chain: chainId,
      identity: identity.publicKey,
      origin: "ioi/receipts/control",
    },
    idleMs: 100,
    fatal: (error) => {
      throw error;
    },
  });
  const shown: Shown[] = [];
  chain.watch((block) => shown.push(shownOf(block)));
  const bugs: unknown[] = [];
  chain.start((error) => bugs.push(error));
  for (let steps = 0; shown.length < blocksPerLife && bugs.length === 0; steps++) {
    if (steps > 10_000) throw new OperationError("E_TEST", "the chain does not go on");
    await clock.advance(50);
  }
  await chain.close();
  await session.close();
  if (bugs.length > 0) throw new InvariantError(`the control's chain ended: ${String(bugs[0])}`);
  return { shown, start: chain.epochStart };
};

/** Two lives on one disk; `keeps`: the second finds what the first was promised. */
export const twoLives = async (keeps: boolean): Promise<Judgement> => {
  const identity = nodeCrypto.generate("ml-dsa-65");
  const clock = new SimClock();
  const disk = new SimFiles({ seed: "control" });
  const first = await live(disk, clock, identity);
  const second = await live(keeps ? disk.kill() : new SimFiles({ seed: "other" }), clock, identity);
  const tree = new MerkleTree(nodeCrypto);
  tree.append(leafHash(nodeCrypto, utf8Encode("")));
  const chain = keeps ? [...first.shown, ...second.shown] : second.shown;
  return judgeChain([...first.shown, ...second.shown], chain, {
    start: second.start,
    rootAt: (size) => (size <= tree.size ? tree.root(size) : undefined),
  });
};
