/**
 * What is drawn for one seed: who is malicious or broken, which epochs and sets there are, and what befalls
 * Guardians. A kind of story for each seed, and the rest of it by chance.
 */
import type { SeededRandom } from "@ioi/base";
import { member, type Member } from "@ioi/consensus/testing";
import {
  cloneGuardian,
  killGuardian,
  outlive,
  restartGuardian,
  restoreGuardian,
} from "./accidents.ts";
import { type AdversaryName, adversaryNames } from "./adversaries.ts";
import type { Network } from "./network.ts";

/**
 * - `plain`: one epoch, malicious hosts with sound Guardians
 * - `epochs`: ends of epochs, sets that change, Guardians that are killed and set back
 * - `clone`: the same, and one Guardian is copied while it runs
 * - `broken`: Guardians of some power have a second host with a copy, on whatever side that is
 */
export const storyNames = ["plain", "epochs", "clone", "broken"] as const;
export type StoryName = (typeof storyNames)[number];

export interface Plan {
  readonly story: StoryName;
  readonly powers: readonly bigint[];
  /** Malicious hosts by number. */
  readonly hosts: ReadonlyMap<number, AdversaryName>;
  /** Validators whose Guardians are not sound, sooner or later. */
  readonly broken: readonly number[];
  /** One whose Guardian something befalls, with another that is down for long. */
  readonly victim: number;
  readonly sleeper: number | undefined;
  readonly epochBlocks: number | undefined;
  readonly joiners: readonly Member[];
}

export interface Wanted {
  readonly nodes: number;
  readonly story?: StoryName;
  readonly powers?: readonly bigint[];
  /** Power of broken Guardians, at most. */
  readonly broken?: bigint;
}

const storyOf = ({ nodes, story, broken }: Wanted, random: SeededRandom): StoryName => {
  if (broken !== undefined) return "broken";
  if (story !== undefined) return story;
  if (nodes > 21) return "plain";
  return random.chance(2, 5) ? "plain" : nodes >= 3 && random.chance(1, 3) ? "clone" : "epochs";
};

/** Half of the seeds have equal powers. */
const powersOf = ({ nodes, powers }: Wanted, random: SeededRandom): readonly bigint[] => {
  const powerMax = random.chance(1, 2) ? 1 : 10;
  return powers ?? Array.from({ length: nodes }, () => BigInt(1 + random.below(powerMax)));
};

/** Any number of hosts but one may be malicious; mostly it is one. */
const malicious = (
  nodes: number,
  random: SeededRandom,
  names: readonly AdversaryName[],
): ReadonlyMap<number, AdversaryName> => {
  const few = nodes > 1 && random.chance(3, 4) ? 1 + random.below(Math.min(2, nodes - 1)) : 0;
  const count = nodes > 1 && random.chance(1, 8) ? 1 + random.below(nodes - 1) : few;
  const hosts = random.shuffle(Array.from({ length: nodes }, (_, i) => i)).slice(0, count);
  return new Map(hosts.map((host) => [host, random.pick(names)]));
};

/** As many, in any order, as have that power together. */
const brokenOf = (
  powers: readonly bigint[],
  power: bigint,
  random: SeededRandom,
): readonly number[] => {
  const chosen: number[] = [];
  let left = power;
  for (const index of random.shuffle(powers.map((_, i) => i))) {
    const own = powers[index] ?? 0n;
    if (own > left) continue;
    chosen.push(index);
    left -= own;
  }
  return chosen;
};

export const planOf = (wanted: Wanted, random: SeededRandom): Plan => {
  const { nodes } = wanted;
  const story = storyOf(wanted, random);
  const powers = powersOf(wanted, random);
  // Second hosts share a Guardian, or have copies of it; not both in one network.
  const sharing = story === "plain" || story === "epochs";
  const names = adversaryNames.filter((name) => sharing || name !== "twins");
  const hosts = malicious(nodes, random, names);
  const honest = powers.flatMap((_, index) => (hosts.has(index) ? [] : [index]));
  const [victim = 0, other] = random.shuffle(honest);
  const isLong = story !== "plain" && random.chance(2, 3);
  return {
    story,
    powers,
    hosts,
    broken:
      story === "clone"
        ? [victim]
        : story === "broken"
          ? brokenOf(powers, wanted.broken ?? BigInt(1 + random.below(nodes)), random)
          : [],
    victim,
    sleeper: story === "epochs" && random.chance(1, 2) ? other : undefined,
    epochBlocks: isLong ? 2 + random.below(8) : undefined,
    joiners: isLong && random.chance(1, 2) ? [member("joins", 1n)] : [],
  };
};

/** Where in the time between: in milliseconds. */
const within = (random: SeededRandom, fromMs: number, untilMs: number): number =>
  fromMs + random.below(Math.max(1, untilMs - fromMs));

/** Its session is lost, or goes on exactly, or an older copy of it is put back. */
const accidents = (network: Network, victim: number, random: SeededRandom, endMs: number): void => {
  const { nowMs } = network;
  for (let count = 1 + random.below(3); count > 0; count--) {
    const atMs = within(random, nowMs, endMs);
    if (random.chance(1, 2)) {
      network.at(atMs, () => killGuardian(network, victim));
      continue;
    }
    const laterMs = within(random, atMs, endMs);
    network.at(atMs, () => {
      const held = restartGuardian(network, victim);
      network.at(laterMs, () => restoreGuardian(network, victim, held));
    });
  }
};

/** Both go on, or the first gets another session and the copy does not mind. */
const copies = (
  network: Network,
  { victim, powers, epochBlocks }: Plan,
  random: SeededRandom,
  endMs: number,
): void => {
  const second = powers.length;
  const isSilent = epochBlocks !== undefined && random.chance(1, 2);
  const atMs = within(random, network.nowMs, endMs);
  network.stop(second);
  network.at(atMs, () => {
    cloneGuardian(network, victim, second);
    if (!isSilent) network.wake(second);
    else killGuardian(network, victim);
  });
  if (!isSilent) return;
  for (const laterMs of [1000, 4000, 8000]) {
    network.at(endMs + laterMs, () => outlive(network, second));
  }
};

const changes = (
  network: Network,
  { hosts, powers, joiners, victim, sleeper }: Plan,
  random: SeededRandom,
  endMs: number,
): void => {
  const { set } = network.judge;
  const leaver = [...hosts.keys()].find((host) => host !== victim && host !== sleeper);
  for (const { entry } of joiners) {
    network.at(within(random, network.nowMs, endMs), () => {
      network.change({ type: "validator", entry });
    });
  }
  network.at(within(random, network.nowMs, endMs), () => {
    if (leaver === undefined) return;
    const entry = set.entry(leaver);
    const power = BigInt(1 + random.below(4));
    if (powers.length > 3 && random.chance(1, 2)) network.change({ type: "leave", gid: entry.gid });
    else network.change({ type: "validator", entry: { ...entry, power } });
  });
};

/** From now until `endMs`. */
export const befallGuardians = (
  network: Network,
  plan: Plan,
  random: SeededRandom,
  endMs: number,
): void => {
  const { story, victim, sleeper, epochBlocks, powers } = plan;
  if (epochBlocks !== undefined) changes(network, plan, random, endMs);
  // With two or fewer there is nobody to order another session.
  const isExact = network.options.protection === "none";
  if (story === "epochs" && (isExact || (epochBlocks !== undefined && powers.length > 2))) {
    accidents(network, victim, random, endMs);
  }
  if (story === "clone") copies(network, plan, random, endMs);
  if (sleeper === undefined || epochBlocks === undefined) return;
  network.stop(sleeper);
  network.at(endMs, () => network.wake(sleeper));
};
