/**
 * `bench engine`: whole networks of production engines and Guardians in one thread, with ML-DSA-44: what a
 * view and a committed block take of the processor, of messages and of bytes, over all hosts. Time on links
 * is virtual, and there is no disk.
 *
 * Beside it, in the same thread and in processor time: raw signatures and verifications of ML-DSA-44 by
 * node:crypto, which the product uses, and by @noble/post-quantum. `signaturesPercent` is what raw signatures
 * alone would take of a block's time; the rest is the engine's, the simulator's, and that of hashes and codecs.
 *
 * Parameter: `nodes` for one size alone.
 */
import fs from "node:fs";
import path from "node:path";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { InvariantError, OperationError } from "@ioi/base";
import { member } from "@ioi/consensus/testing";
import type { CryptoProvider } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { Network } from "@ioi/netsim";
import { consensusMessage, type ConsensusMessage, schema } from "@ioi/wire";
import { quantile, rounded, spreadOf } from "../lib/statistics.ts";
import { projectRoot } from "../report/conditions.ts";
import type { Bench, BenchContext, BenchPeer } from "./bench.ts";

/** Blocks that every host commits in one run. */
const blocksOf: ReadonlyMap<number, { readonly full: number; readonly quick: number }> = new Map([
  [4, { full: 60, quick: 10 }],
  [21, { full: 8, quick: 2 }],
  [100, { full: 2, quick: 1 }],
]);

type Provider = Pick<CryptoProvider, "sha256" | "sign" | "verify">;

const makeNetwork = (nodes: number, seed: string, provider: Provider = nodeCrypto): Network => {
  const members = Array.from({ length: nodes }, (_, i) =>
    member(`${i}`, 1n, nodeCrypto.generate("ml-dsa-44")),
  );
  return new Network({ members, seed, provider, areJudgesOwn: true });
};

/** Counts what it passes on. */
const counting = () => {
  const counts = { signs: 0, verifies: 0 };
  const provider: Provider = {
    sha256: (bytes) => nodeCrypto.sha256(bytes),
    sign: (key, bytes) => {
      counts.signs += 1;
      return nodeCrypto.sign(key, bytes);
    },
    verify: (algorithm, publicKey, bytes, signature) => {
      counts.verifies += 1;
      return nodeCrypto.verify(algorithm, publicKey, bytes, signature);
    },
  };
  return { counts, provider };
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
  readonly signsPerBlock: number;
  readonly verifiesPerBlock: number;
}

/** Not timed: encoding only to count is no part of the engine. */
const sizesOf = async (nodes: number, blocks: number, seed: string): Promise<Sizes> => {
  const { counts, provider } = counting();
  const network = makeNetwork(nodes, seed, provider);
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
    signsPerBlock: rounded(counts.signs / height, 1),
    verifiesPerBlock: rounded(counts.verifies / height, 1),
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

/** A second of the processor holds so many. */
const perCpuS = (count: number, work: () => boolean): number => {
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    if (!work()) throw new InvariantError("a signature does not fit");
  }
  const { user, system } = process.cpuUsage(before);
  return rounded((count * 1e6) / (user + system), 0);
};

interface Raw {
  readonly signsPerS: number;
  readonly verifiesPerS: number;
}

/** An envelope is about so long. */
const message = new Uint8Array(600);

const rawNode = (count: number): Raw => {
  const key = nodeCrypto.generate("ml-dsa-44");
  const signature = nodeCrypto.sign(key, message);
  return {
    signsPerS: perCpuS(count, () => nodeCrypto.sign(key, message).length > 0),
    verifiesPerS: perCpuS(count, () =>
      nodeCrypto.verify("ml-dsa-44", key.publicKey, message, signature),
    ),
  };
};

const rawNoble = (count: number): Raw => {
  const { publicKey, secretKey } = ml_dsa44.keygen();
  const signature = ml_dsa44.sign(message, secretKey);
  return {
    signsPerS: perCpuS(count, () => ml_dsa44.sign(message, secretKey).length > 0),
    verifiesPerS: perCpuS(count, () => ml_dsa44.verify(signature, message, publicKey)),
  };
};

const nobleVersion = (): string => {
  const file = path.join(projectRoot, "node_modules/@noble/post-quantum/package.json");
  return (JSON.parse(fs.readFileSync(file, "utf8")) as { readonly version: string }).version;
};

/** Verifications of a second of networks of this size, against a second of nothing else. */
const peersBeside = (
  nodes: number,
  verifiesPerS: number,
  raw: { readonly node: Raw; readonly noble: Raw },
): readonly BenchPeer[] =>
  [
    { name: "node:crypto ML-DSA-44", version: process.versions.openssl ?? "", raw: raw.node },
    { name: "@noble/post-quantum ML-DSA-44", version: nobleVersion(), raw: raw.noble },
  ].map(({ name, version, raw: { signsPerS, verifiesPerS: alone } }) => ({
    name: `${name} alone, beside ${nodes} validators`,
    version,
    available: true,
    metrics: { signsPerS, verifiesPerS: alone },
    ratio: rounded(verifiesPerS / alone, 3),
  }));

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
    const count = context.quick ? 200 : 2000;
    const raw = { node: rawNode(count), noble: rawNoble(Math.ceil(count / 10)) };
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
      const cpuMsPerBlock = of((each) => each.cpuMsPerBlock);
      const sizes = await sizesOf(nodes, blocks, context.seed);
      const { signsPerBlock, verifiesPerBlock } = sizes;
      const signaturesMs =
        (1000 * signsPerBlock) / raw.node.signsPerS +
        (1000 * verifiesPerBlock) / raw.node.verifiesPerS;
      metrics[`n${nodes}`] = {
        messagesPerS: of((each) => each.messagesPerS),
        cpuMsPerView: of((each) => each.cpuMsPerView),
        cpuMsPerBlock,
        cpuMsPerBlockAndHost: rounded(cpuMsPerBlock / nodes, 2),
        ...sizes,
        signaturesPercent: rounded((100 * signaturesMs) / cpuMsPerBlock, 0),
      };
      for (const name of ["messagesPerS", "cpuMsPerView", "cpuMsPerBlock"] as const) {
        spread[`n${nodes}${name[0]?.toUpperCase() ?? ""}${name.slice(1)}`] = spreadOf(
          times.map((each) => each[name]),
        );
      }
      peers.push(...peersBeside(nodes, (1000 * verifiesPerBlock) / cpuMsPerBlock, raw));
    }
    const params = { statistic: "median", signatures: "ml-dsa-44", threads: 1, disk: "none" };
    return { metrics, spread, peers, goals: [], runs, params };
  },
};
