/**
 * What grades promise, tried: broken Guardians have a second host with a copy, and the network falls into
 * two sides, each with one host of them. Both sides commit iff the rule of grades says that they can.
 */
import { member, type TestProvider } from "@ioi/consensus/testing";
import { type Conflict, conflictsOf } from "./checkers.ts";
import { Network } from "./network.ts";

export interface Split {
  readonly powers: readonly bigint[];
  readonly broken: readonly number[];
  /** Of the others; the rest is on the other side. */
  readonly side: readonly number[];
}

/** Every set of broken Guardians with every two sides of the others, mirror images once. */
export const splitsOf = function* (powers: readonly bigint[]): Generator<Split> {
  const all = powers.map((_, index) => index);
  for (let mask = 0; mask < 2 ** all.length; mask++) {
    const broken = all.filter((index) => (mask >> index) & 1);
    const sound = all.filter((index) => !broken.includes(index));
    for (let half = 0; half < 2 ** Math.max(0, sound.length - 1); half++) {
      yield { powers, broken, side: sound.filter((_, at) => (half >> at) & 1) };
    }
  }
};

const sum = (powers: readonly bigint[], of: readonly number[]): bigint =>
  of.reduce((power, index) => power + (powers[index] ?? 0n), 0n);

/** Both sides hold a quorum. */
export const mayFork = ({ powers, broken, side }: Split): boolean => {
  const total = powers.reduce((power, each) => power + each, 0n);
  const quorum = total / 2n + 1n;
  const one = sum(powers, broken) + sum(powers, side);
  const other = total - sum(powers, side);
  return one >= quorum && other >= quorum;
};

export const brokenPower = ({ powers, broken }: Split): bigint => sum(powers, broken);

/** The network after both sides had time to commit, before they meet. */
export const runSplit = async (
  split: Split,
  seed: string,
  provider: TestProvider,
): Promise<{ readonly network: Network; readonly conflicts: readonly Conflict[] }> => {
  const { powers, broken, side } = split;
  const members = powers.map((power, i) => member(`${i}`, power));
  const network = new Network({ members, seed, twins: broken, areClones: true, provider });
  const isOne = network.nodes.map(({ plan }, host) =>
    broken.includes(plan.validator) ? host < powers.length : side.includes(host),
  );
  network.passes = (from, to) => isOne[from] === isOne[to];
  network.demand(true);
  const has = (which: boolean): boolean =>
    network.nodes.some(({ height }, host) => isOne[host] === which && height > 0);
  // Long enough for several leaders that are on the other side.
  await network.run(12_000, () => has(true) && has(false));
  return { network, conflicts: conflictsOf(network.nodes) };
};
