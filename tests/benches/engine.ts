/**
 * `bench engine`: whole networks of production engines and Guardians in one thread, with ML-DSA-44: what a
 * view and a committed block take of the processor, of messages and of bytes, over all hosts. Time on links
 * is virtual, and there is no disk. The floor is the same thread's raw verifications of ML-DSA-44.
 *
 * Parameter: `nodes` for one size alone.
 */
import { InvariantError, OperationError } from "@ioi/base";
import { member } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import { Network } from "@ioi/netsim";
import { consensusMessage, type ConsensusMessage, schema } from "@ioi/wire";
import { quantile, rounded, spreadOf } from "../lib/statistics.ts";
import type { Bench, BenchContext, BenchPeer } from "./bench.ts";

/** Blocks that every host commits in one run. */
const blocksOf: ReadonlyMap<number, { readonly full: number; readonly quick: number }> = new Map([
  [4, { full: 60, quick: 10 }],
  [21, { full: 8, quick: 2 }],
  [100, { full: 2, quick: 1 }],
]);

const makeNetwork = (nodes: number, seed: string): Network => {
  const members = Array.from({ length: nodes }, (_, i) =>
    member(`${i}`, 1n, nodeCrypto.generate("ml-dsa-44")),
  );
  return new Network({ members, seed, provider: nodeCrypto, areJudgesOwn: true });
};

const commit = async (network: Network, blocks: number): Promise<void> => {
  network.demand(true);
  const isDone = await network.run(60_000, () => network.least() >= blocks);
  if (!isDone) throw new InvariantError(`the network stands still at ${network.least()}`);
};

const viewsOf = (network: Network): number =>
  Math.max(...network.nodes.map(({ engine }) => Number(engine?.view ?? 0n)));

interface Sizes {
  readonly messagesPerBlock: number;
  readonly messagesPerView: number;
  readonly bytesPerBlock: number;
  readonly bytesPerView: number;
}

/** Not timed: encoding only to count is no part of the engine. */
const sizesOf = async (nodes: number, blocks: number, seed: string): Promise<Sizes> => {
  const network = makeNetwork(nodes, seed);
  const known = new WeakMap<ConsensusMessage, number>();
  let [messages, bytes] = [0, 0];
  network.mangle = (_from, _to, message) => {
    const size = known.get(message) ?? schema.encode(consensusMessage, message).length;
    known.set(message, size);
    messages += 1;
    bytes += size;
    return message;
  };
  await commit(network, blocks);
  const [height, views] = [network.least(), viewsOf(network)];
  return {
    messagesPerBlock: Math.round(messages / height),
    messagesPerView: Math.round(messages / views),
    bytesPerBlock: Math.round(bytes / height),
    bytesPerView: Math.round(bytes / views),
  };
};

interface Times {
  readonly messagesPerS: number;
  readonly cpuMsPerBlock: number;
  readonly cpuMsPerView: number;
}

const timesOf = async (nodes: number, blocks: number, seed: string): Promise<Times> => {
  const network = makeNetwork(nodes, seed);
  const before = process.cpuUsage();
  await commit(network, blocks);
  const { user, system } = process.cpuUsage(before);
  const ms = (user + system) / 1000;
  return {
    messagesPerS: rounded((network.messages * 1000) / ms, 0),
    cpuMsPerBlock: rounded(ms / network.least(), 2),
    cpuMsPerView: rounded(ms / viewsOf(network), 2),
  };
};

/** In processor time, as the rest. */
const verifiesPerS = (count: number): number => {
  const key = nodeCrypto.generate("ml-dsa-44");
  const bytes = new Uint8Array(300);
  const signature = nodeCrypto.sign(key, bytes);
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    if (!nodeCrypto.verify("ml-dsa-44", key.publicKey, bytes, signature)) {
      throw new InvariantError("a signature does not fit");
    }
  }
  const { user, system } = process.cpuUsage(before);
  return rounded((count * 1e6) / (user + system), 0);
};

const sizesWanted = ({ params }: BenchContext): readonly number[] => {
  const { nodes } = params;
  if (nodes === undefined) return [...blocksOf.keys()];
  if (!blocksOf.has(Number(nodes))) {
    throw new OperationError("E_CLI_USAGE", "--param nodes takes 4, 21 or 100");
  }
  return [Number(nodes)];
};

export const bench: Bench = {
  name: "engine",
  summary: "messages, bytes and processor time of a view and a block, with ML-DSA-44",
  async run(context) {
    const runs = context.quick ? 1 : 3;
    const metrics: Record<string, Readonly<Record<string, number>>> = {};
    const spread: Record<string, { min: number; max: number }> = {};
    const floor = verifiesPerS(context.quick ? 200 : 2000);
    const peers: BenchPeer[] = [];
    for (const nodes of sizesWanted(context)) {
      const { full = 1, quick = 1 } = blocksOf.get(nodes) ?? {};
      const blocks = context.quick ? quick : full;
      const times: Times[] = [];
      for (let run = 0; run < runs; run++) {
        context.signal.throwIfAborted();
        context.progress(`${nodes} validators, run ${run + 1} of ${runs}`);
        times.push(await timesOf(nodes, blocks, `${context.seed}/${run}`));
      }
      const of = (pick: (each: Times) => number): number => quantile(times.map(pick), 0.5);
      const messagesPerS = of((each) => each.messagesPerS);
      metrics[`n${nodes}`] = {
        messagesPerS,
        cpuMsPerView: of((each) => each.cpuMsPerView),
        cpuMsPerBlock: of((each) => each.cpuMsPerBlock),
        ...(await sizesOf(nodes, blocks, context.seed)),
      };
      spread[`n${nodes}MessagesPerS`] = spreadOf(times.map((each) => each.messagesPerS));
      peers.push({
        name: `raw ML-DSA-44 verification, beside ${nodes} validators`,
        version: process.versions["openssl"] ?? "",
        available: true,
        metrics: { verifiesPerS: floor },
        ratio: rounded(messagesPerS / floor, 3),
      });
    }
    const params = { statistic: "median", signatures: "ml-dsa-44", threads: 1, disk: "none" };
    return { metrics, spread, peers, goals: [], runs, params };
  },
};
