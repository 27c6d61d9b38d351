/**
 * Twins (Bano and others, 2022): one validator has two hosts, and for each of the first views every leader
 * and every division of the hosts into two sides is tried; a message passes within a side of its sender's
 * view. Tenures are of one view, so that leaders change as often as can be.
 *
 * Exhaustive up to the names of the validators with one host. Beyond the given views nothing passes.
 */
import { assert } from "@ioi/base";
import { member, type TestProvider } from "@ioi/consensus/testing";
import { twinsRoundMs } from "./limits.ts";
import { Network } from "./network.ts";

export interface TwinsRound {
  readonly leader: number;
  /** The side of each host. */
  readonly sides: readonly number[];
}

/** Of `nodes` validators, the last of which has two hosts. */
const roundsOf = (nodes: number): readonly TwinsRound[] => {
  const masks = Array.from({ length: 2 ** nodes }, (_, mask) => mask);
  const sides = masks.map((mask) => [0, ...masks.slice(0, nodes).map((_, at) => (mask >> at) & 1)]);
  return sides.flatMap((each) =>
    Array.from({ length: nodes }, (_, leader) => ({ leader, sides: each })),
  );
};

const permutationsOf = (items: readonly number[]): readonly (readonly number[])[] =>
  items.length === 0
    ? [[]]
    : items.flatMap((first) =>
        permutationsOf(items.filter((each) => each !== first)).map((rest) => [first, ...rest]),
      );

/** The same round with other names; the host of number 0 is on side 0. */
const renamed = ({ leader, sides }: TwinsRound, names: readonly number[]): string => {
  const nodes = names.length + 1;
  const name = (host: number): number => names[host] ?? host;
  const others = Array.from({ length: nodes + 1 }, (_, host) => sides[name(host)] ?? 0);
  const [first] = others;
  const placed = others.map((side) => (side === first ? 0 : 1));
  return `${names.includes(leader) ? names.indexOf(leader) : leader}:${placed.join("")}`;
};

/** Every schedule of so many views, one of each class of renamings. */
export const twinsSchedules = function* (
  nodes: number,
  views: number,
): Generator<readonly TwinsRound[]> {
  const rounds = roundsOf(nodes);
  const namings = permutationsOf(Array.from({ length: nodes - 1 }, (_, i) => i));
  const names = rounds.map((round) => namings.map((naming) => renamed(round, naming)));
  const total = rounds.length ** views;
  for (let number = 0; number < total; number++) {
    const picks = Array.from(
      { length: views },
      (_, view) => Math.floor(number / rounds.length ** view) % rounds.length,
    );
    const texts = namings.map((_, naming) => picks.map((at) => names[at]?.[naming]).join(" "));
    const [own] = texts;
    assert(own !== undefined, "a schedule has a name");
    if (texts.some((text) => text < own)) continue;
    yield picks.flatMap((at) => rounds[at] ?? []);
  }
};

/** `areClones`: the second host has a copy of the Guardian in place of the Guardian. */
export const runTwins = async (
  schedule: readonly TwinsRound[],
  nodes: number,
  areClones: boolean,
  provider: TestProvider,
): Promise<Network> => {
  const round = (view: bigint): TwinsRound | undefined => schedule[Number(view) - 1];
  const network = new Network({
    members: Array.from({ length: nodes }, (_, i) => member(`${i}`, 1n)),
    seed: "twins",
    faults: { delayMs: 1, jitterMs: 0, lost: 0, doubled: 0, crashes: 0 },
    twins: [nodes - 1],
    areClones,
    provider,
    engine: {
      leaders: { views: 1n, leader: (view) => round(view)?.leader ?? Number(view % BigInt(nodes)) },
      deltaMs: 2,
      baseMs: 20,
      strongMs: 0,
    },
  });
  const viewOf = (host: number): bigint => network.node(host).engine?.view ?? 0n;
  network.passes = (from, to) => {
    const sides = round(viewOf(from))?.sides;
    return sides !== undefined && sides[from] === sides[to];
  };
  network.demand(true);
  const last = BigInt(schedule.length);
  await network.run(schedule.length * twinsRoundMs, () =>
    network.nodes.every((_, host) => viewOf(host) > last),
  );
  return network;
};
