/**
 * What grade S promises, tried: a block that an honest host was told is guarded has no rival, while the
 * links keep their delay and Guardians of power f are broken. The tried attack is the one that grade F0 does
 * not survive: a leader with two copies of its Guardian shows each honest host another chain.
 */
import type { HostRule } from "@ioi/consensus";
import { member, type TestProvider } from "@ioi/consensus/testing";
import { type Conflict, conflictsOf, type Violation } from "./checkers.ts";
import { Network } from "./network.ts";

/** Of the hosts that are named: nobody committed anything else at or below what they were told is guarded. */
export const checkGuarded = (network: Network, honest: readonly number[]): readonly Violation[] => {
  const found: Violation[] = [];
  for (const { host, effect } of network.guarded) {
    if (effect.verdict !== "guarded" || !honest.includes(host)) continue;
    const { digests } = network.node(host);
    for (let at = 0; at < Number(effect.height); at++) {
      const rivals = honest.filter((other) => {
        const digest = network.node(other).digests[at];
        return digest !== undefined && digest !== digests[at];
      });
      if (rivals.length === 0) continue;
      const message = `host ${host} was told ${effect.height} is guarded; ${rivals.join(" ")} has another ${at + 1}`;
      found.push({ type: "conflict", message });
      break;
    }
  }
  return found;
};

export interface TwoFaced {
  readonly conflicts: readonly Conflict[];
  readonly violations: readonly Violation[];
  /** How often a host that asked was told of a vote against its block. */
  readonly objections: number;
}

export interface TwoFacedOptions {
  /** Odd: three, or five. */
  readonly nodes: number;
  /** Rules that all honest hosts lack. */
  readonly without?: readonly HostRule[];
}

/**
 * Less than half of the validators are broken: one of them leads, and each of their two hosts talks with
 * one side of the honest ones only. Those hear each other within the delay.
 */
export const runTwoFaced = async (
  seed: string,
  provider: TestProvider,
  { nodes, without = [] }: TwoFacedOptions,
): Promise<TwoFaced> => {
  const brokenCount = (nodes - 1) / 2;
  const all = Array.from({ length: nodes }, (_, index) => index);
  const honest = all.slice(0, nodes - brokenCount);
  const broken = all.slice(nodes - brokenCount);
  const network = new Network({
    members: all.map((index) => member(`${index}`, 1n)),
    seed,
    provider,
    twins: broken,
    areClones: true,
    without: new Map(honest.map((host) => [host, without])),
    engine: { guards: "always", leaders: { views: 16n, leader: () => nodes - 1 } },
  });
  const { random } = network;
  network.faults = { ...network.faults, delayMs: 1 + random.below(12), jitterMs: random.below(12) };
  // One honest host on one side at least, and one on the other.
  const [one, other] = random.shuffle([...honest]);
  const isOne = network.nodes.map((_, host) => {
    if (!honest.includes(host)) return host < nodes;
    return host === one || (host !== other && random.chance(1, 2));
  });
  const isHonest = (host: number): boolean => honest.includes(host);
  network.passes = (from, to) => (isHonest(from) && isHonest(to)) || isOne[from] === isOne[to];
  network.demand(true);
  await network.run(1000);
  return {
    conflicts: conflictsOf(honest.map((host) => network.node(host))),
    violations: checkGuarded(network, honest),
    objections: network.guarded.filter(({ effect }) => effect.verdict === "conflict").length,
  };
};
