/**
 * The control: the same chain and the same signer, in this process, on a disk that keeps nothing of
 * what it promised to keep. The judge must find what is lost, and slots that were signed twice.
 */
import { InvariantError, OperationError, toHex, utf8Encode } from "@ioi/base";
import { leafHash, MerkleTree } from "@ioi/crypto";
import { Headers } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimClock, SimFiles, SimLog, SimRandom } from "@ioi/sim";
import { type Block, ChainNode } from "@ioi/validator";
import { type Judgement, judgeChain, type Shown } from "./judge.ts";

const shownOf = (block: Block): Shown => ({
  id: toHex(block.id),
  header: block.header,
  encoded: block.encoded,
  counter: block.counter,
  signature: block.signature,
});

const blocksPerLife = 5;

const live = async (
  files: SimFiles,
  clock: SimClock,
  identity: ReturnType<typeof nodeCrypto.generate<"ml-dsa-65">>,
): Promise<readonly Shown[]> => {
  const random = new SimRandom("control");
  const headers = await Headers.open({ files, random, provider: nodeCrypto, identity });
  const none = new Uint8Array(0);
  const chain = await ChainNode.open({
    files,
    random,
    clock,
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
      consistency: async () => [],
    },
    params: {
      version: 1,
      chain: new Uint8Array(32),
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
  await headers.close();
  if (bugs.length > 0) throw new InvariantError(`the control's chain ended: ${String(bugs[0])}`);
  return shown;
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
  const chain = keeps ? [...first, ...second] : second;
  return judgeChain([...first, ...second], chain, {
    identity: identity.publicKey,
    rootAt: (size) => (size <= tree.size ? tree.root(size) : undefined),
  });
};
