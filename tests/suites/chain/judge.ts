/**
 * What a reader of the chain holds it to: everything that it was shown is still there, views, heights and
 * counters rise, headers are chained, each is certified by the next one's certificate, and the receipts'
 * roots are the log's own.
 */
import { fromHex, toHex } from "@ioi/base";
import { Judge, ValidatorSet } from "@ioi/consensus";
import { nodeCrypto } from "@ioi/host/crypto";
import { decodeTx } from "@ioi/validator";
import {
  type BlockHeader,
  blockHeader,
  type ConsensusStart,
  type pb,
  type QuorumCert,
  quorumCert,
  schema,
} from "@ioi/wire";

/** A block as it was shown. */
export interface Shown {
  readonly id: string;
  readonly header: BlockHeader;
  /** Of the parent. */
  readonly justify: QuorumCert;
  readonly txs: readonly Uint8Array[];
}

/** Undefined where it is no block. */
export const shownOf = ({ id, header, justify, txs }: pb.Block): Shown | undefined => {
  const decoded = schema.decode(blockHeader, header);
  const certificate = schema.decode(quorumCert, justify);
  if (!decoded.ok || !certificate.ok) return undefined;
  return { id: toHex(id), header: decoded.value, justify: certificate.value, txs };
};

export interface Judgement {
  /** Blocks that were shown and are not there any more. */
  readonly ackLost: number;
  /** Views, heights or counters that do not rise, or that two blocks have. */
  readonly disorder: number;
  readonly unsigned: number;
  /** Checkpoints whose root is not the log's. */
  readonly rootsWrong: number;
}

/** How often a number stands for two different blocks. */
const doubled = (all: readonly Shown[], numberOf: (block: Shown) => bigint): number => {
  const ids = new Map<bigint, string>();
  let count = 0;
  for (const block of all) {
    const known = ids.get(numberOf(block));
    if (known !== undefined && known !== block.id) count++;
    ids.set(numberOf(block), block.id);
  }
  return count;
};

const counterOf = ({ justify }: Shown): bigint => justify.votes[0]?.counter ?? 0n;

type RootAt = (size: number) => Uint8Array | undefined;

const wrongRoots = ({ txs }: Shown, rootAt: RootAt): number =>
  txs.filter((tx) => {
    const decoded = decodeTx(tx);
    if (!decoded.ok) return true;
    const [, size = "", root = ""] = decoded.value.note.split("\n");
    const ours = rootAt(Number(size));
    return ours === undefined || Buffer.from(ours).toString("base64") !== root;
  }).length;

export const judgeChain = (
  /** Everything that was ever shown, in the order in which it was. */
  shown: readonly Shown[],
  /** The chain at the end, lowest first. */
  chain: readonly Shown[],
  world: {
    readonly start: ConsensusStart;
    /** Root of the receipt log at a size; undefined where it is shorter. */
    readonly rootAt: RootAt;
  },
): Judgement => {
  const { start } = world;
  const there = new Set(chain.map(({ id }) => id));
  const lost = new Set(shown.filter(({ id }) => !there.has(id)).map(({ id }) => id));
  const set = ValidatorSet.from(nodeCrypto, start.validators);
  if (!set.ok) return { ackLost: lost.size, disorder: 0, unsigned: chain.length, rootsWrong: 0 };
  const judge = new Judge(nodeCrypto, start, set.value, start.anchor);
  let disorder =
    doubled([...shown, ...chain], ({ header }) => header.view) +
    doubled([...shown, ...chain], ({ header }) => header.height);
  let [unsigned, rootsWrong] = [0, 0];
  let before: Shown | undefined;
  for (const block of chain) {
    const { header, justify } = block;
    if (before !== undefined) {
      const rises =
        header.view > before.header.view &&
        header.height === before.header.height + 1n &&
        header.timeMs > before.header.timeMs &&
        counterOf(block) > counterOf(before);
      if (!rises || toHex(header.parent) !== before.id) disorder++;
      const digest = fromHex(before.id) ?? new Uint8Array(0);
      const certified = judge.certifies(justify, before.header, digest);
      if (!certified || !judge.quorumCert(justify).ok) unsigned++;
    }
    rootsWrong += wrongRoots(block, world.rootAt);
    before = block;
  }
  return { ackLost: lost.size, disorder, unsigned, rootsWrong };
};
