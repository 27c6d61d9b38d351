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

/**
 * Three validators, one of them broken: it leads, and each of its two hosts talks with one honest host
 * only. Those two hear each other within the delay. `without`: rules that both honest hosts lack.
 */
export const runTwoFaced = async (
  seed: string,
  provider: TestProvider,
  without: readonly HostRule[] = [],
): Promise<TwoFaced> => {
  const network = new Network({
    members: ["a", "b", "z"].map((name) => member(name, 1n)),
    seed,
    provider,
    twins: [2],
    areClones: true,
    without: new Map([0, 1].map((host) => [host, without])),
    engine: { guards: "always", leaders: { views: 16n, leader: () => 2 } },
  });
  const { random } = network;
  network.faults = { ...network.faults, delayMs: 1 + random.below(12), jitterMs: random.below(12) };
  const partner = [2, 3, 0, 1];
  network.passes = (from, to) => partner[from] === to || (from < 2 && to < 2);
  network.demand(true);
  await network.run(1000);
  const honest = [0, 1];
  return {
    conflicts: conflictsOf(honest.map((host) => network.node(host))),
    violations: checkGuarded(network, honest),
    objections: network.guarded.filter(({ effect }) => effect.verdict === "conflict").length,
  };
};
