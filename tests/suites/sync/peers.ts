/** Peers of a fresh node, one honest and others that lie each in its own way; in virtual time. */
import { SeededRandom } from "@ioi/base";
import { Sync, syncChunkFrom, type SyncEffect, type SyncSource } from "@ioi/consensus";
import { chain, firstEpoch, genesis, setOf, type TestProvider } from "@ioi/consensus/testing";
import { changedChunk } from "@ioi/netsim";
import type { ConsensusBlock, SyncChunk } from "@ioi/wire";
import type { LongChain } from "./chain.ts";

export type Lie =
  | "honest"
  /** Blocks of another chain, well formed. */
  | "foreign"
  /** Never answers. */
  | "silent"
  /** Says that there is nothing more. */
  | "empty"
  /** One block at a time, all of them good. */
  | "drip"
  | "changed"
  | "reordered"
  | "uncertified"
  /** Ends every epoch a block early. */
  | "early-end"
  /** Good at first, then wrong. */
  | "turncoat";

const shortened = (source: SyncSource, from: bigint): SyncChunk => {
  const whole = syncChunkFrom(source, from);
  for (let upTo = from; ; upTo++) {
    const blocks = whole.blocks.filter(({ header }) => header.height <= upTo);
    if (blocks.length >= whole.blocks.length) return whole;
    const [last, child, above] = [0n, 1n, 2n].map((up) => source.block(upTo + up));
    if (last === undefined || child === undefined || above === undefined) return whole;
    const isPair = child.header.view === last.header.view + 1n;
    if (!isPair || above.header.epoch.number !== last.header.epoch.number) continue;
    const { header: block } = last;
    const commit = { block, child: child.header, blockQc: child.justify, childQc: above.justify };
    return { blocks, commit };
  }
};

/** Undefined: no answer. */
const answerOf = (
  lie: Lie,
  random: SeededRandom,
  real: LongChain,
  forged: LongChain,
  from: bigint,
): SyncChunk | undefined => {
  const honest = (): SyncChunk => syncChunkFrom(real, from);
  switch (lie) {
    case "honest":
      return honest();
    case "foreign":
      return syncChunkFrom(forged, from);
    case "silent":
      return undefined;
    case "empty":
      return { blocks: [] };
    case "drip":
      return shortened(real, from);
    case "changed":
      return changedChunk(random, honest());
    case "reordered":
      return { ...honest(), blocks: honest().blocks.toReversed() };
    case "uncertified":
      return { blocks: honest().blocks };
    case "early-end": {
      const { cert, next } = real.endAt(BigInt(endHeight(real))) ?? {};
      const blocks = honest().blocks.slice(0, 1);
      return cert === undefined || next === undefined
        ? { blocks }
        : { blocks, end: { cert, next } };
    }
    case "turncoat":
      return from < 600n ? honest() : syncChunkFrom(forged, from);
  }
};

const endHeight = (real: LongChain): number => {
  for (let height = 1; real.block(BigInt(height)) !== undefined; height++) {
    if (real.endAt(BigInt(height)) !== undefined) return height;
  }
  return 0;
};

export interface Synced {
  readonly blocks: readonly ConsensusBlock[];
  readonly banned: readonly number[];
  readonly questions: number;
  readonly epochs: number;
  readonly virtualMs: number;
  readonly isDone: boolean;
}

export const runSync = (
  provider: TestProvider,
  seed: string,
  real: LongChain,
  forged: LongChain,
  lies: readonly Lie[],
): Synced => {
  const random = new SeededRandom(`peers ${seed}`);
  const set = setOf(real.members);
  const node = new Sync(provider, { chain, epoch: firstEpoch, set, anchor: genesis });
  const blocks: ConsensusBlock[] = [];
  const banned: number[] = [];
  let [nowMs, questions, epochs, isDone] = [0, 0, 0, false];
  const waiting: SyncEffect[] = [];
  for (const peer of lies.keys()) waiting.push(...node.handle({ type: "peer", peer }, nowMs));
  // One question is out at a time, so the order of its effects is the whole schedule.
  for (let effect = waiting.shift(); effect !== undefined; effect = waiting.shift()) {
    if (effect.type === "blocks") blocks.push(...effect.blocks);
    if (effect.type === "banned") banned.push(effect.peer);
    if (effect.type === "epoch") epochs += 1;
    if (effect.type === "done") isDone = true;
    if (effect.type !== "ask") continue;
    questions += 1;
    const { peer, from } = effect;
    const lie = lies[peer] ?? "silent";
    const chunk = answerOf(lie, random.fork(`${from}`), real, forged, from);
    nowMs = chunk === undefined ? (node.deadline() ?? nowMs) : nowMs + 20 + random.below(100);
    waiting.push(
      ...node.handle(
        chunk === undefined ? { type: "tick" } : { type: "answer", peer, from, chunk },
        nowMs,
      ),
    );
  }
  return { blocks, banned, questions, epochs, virtualMs: nowMs, isDone };
};
