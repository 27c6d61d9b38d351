/**
 * What a reader of the chain holds it to: everything that it was shown is still there, slots and
 * counters rise, headers are chained and signed, and the receipts' roots are the log's own.
 */
import { toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { verifySeal } from "@ioi/validator";
import { type ChainHeader, chainHeader, type pb, schema } from "@ioi/wire";

/** A block as it was shown. */
export interface Shown {
  readonly id: string;
  readonly header: ChainHeader;
  readonly encoded: Uint8Array;
  readonly counter: bigint;
  readonly signature: Uint8Array;
}

/** Undefined where it is no block. */
export const shownOf = (block: pb.Block): Shown | undefined => {
  const signed = block.header;
  if (signed === undefined) return undefined;
  const header = schema.decode(chainHeader, signed.header);
  if (!header.ok) return undefined;
  const { header: encoded, counter, signature } = signed;
  return { id: toHex(block.id), header: header.value, encoded, counter, signature };
};

export interface Judgement {
  /** Blocks that were shown and are not there any more. */
  readonly ackLost: number;
  /** Slots or counters that do not rise, or that two blocks have. */
  readonly disorder: number;
  readonly unsigned: number;
  /** Blocks whose receipts are not the log's. */
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

export const judgeChain = (
  /** Everything that was ever shown, in the order in which it was. */
  shown: readonly Shown[],
  /** The chain at the end, lowest first. */
  chain: readonly Shown[],
  world: {
    readonly identity: Uint8Array;
    /** Root of the receipt log at a size; undefined where it is shorter. */
    readonly rootAt: (size: number) => Uint8Array | undefined;
  },
): Judgement => {
  const there = new Set(chain.map(({ id }) => id));
  const lost = new Set(shown.filter(({ id }) => !there.has(id)).map(({ id }) => id));
  let disorder =
    doubled([...shown, ...chain], ({ header }) => header.slot) +
    doubled([...shown, ...chain], ({ counter }) => counter);
  let [unsigned, rootsWrong] = [0, 0];
  let before: Shown | undefined;
  for (const block of chain) {
    const { header, encoded, counter } = block;
    if (before !== undefined) {
      const rises = header.slot > before.header.slot && counter > before.counter;
      if (!rises || toHex(header.parent) !== before.id) disorder++;
    }
    if (!verifySeal(nodeCrypto, world.identity, encoded, block)) unsigned++;
    const root = world.rootAt(header.receiptsSize);
    if (root === undefined || toHex(root) !== toHex(header.receiptsRoot)) rootsWrong++;
    before = block;
  }
  return { ackLost: lost.size, disorder, unsigned, rootsWrong };
};
