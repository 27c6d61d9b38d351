/**
 * One seed: a network, what befalls it, and what must hold of it at the end. Faults and malice for a
 * while, then the links are calm; with a quorum of honest hosts everybody goes on within the bound.
 */
import { SeededRandom } from "@ioi/base";
import type { GuardianRule, HostRule } from "@ioi/consensus";
import { member, type Member, type TestProvider } from "@ioi/consensus/testing";
import { type AdversaryName, adversaryNames, corrupt, rulesWithout } from "./adversaries.ts";
import {
  checkFraming,
  checkLiveness,
  checkRoots,
  checkSafety,
  type Violation,
} from "./checkers.ts";
import { calm, type Faults, Network, type NetworkOptions } from "./network.ts";

/** How long the faults last, and what honest hosts have to go on after them, in milliseconds. */
const roughMs = 5000;
const boundMs = 30_000;

export interface ScenarioOptions {
  readonly seed: string;
  readonly nodes: number;
  readonly provider: TestProvider;
  /** Of a validator with real signatures. */
  readonly makeKey?: () => Member["key"];
  /** For controls: every host lacks these rules, every Guardian those. */
  readonly without?: readonly HostRule[];
  readonly broken?: readonly GuardianRule[];
  readonly onLine?: NetworkOptions["onLine"];
}

export interface Outcome {
  readonly violations: readonly Violation[];
  readonly height: number;
  readonly virtualMs: number;
  readonly messages: number;
  readonly crashes: number;
  readonly undone: number;
  readonly trace: string;
  readonly powers: readonly bigint[];
  readonly adversaries: readonly { readonly host: number; readonly name: AdversaryName }[];
}

const rough = (random: SeededRandom): Faults => ({
  delayMs: 1 + random.below(40),
  jitterMs: 1 + random.below(200),
  lost: random.below(200),
  doubled: random.below(100),
  crashes: random.chance(1, 2) ? 1 + random.below(40) : 0,
});

/** Half of the seeds have equal powers. */
const powersOf = ({ nodes }: ScenarioOptions, random: SeededRandom): readonly bigint[] => {
  const powerMax = random.chance(1, 2) ? 1 : 10;
  return Array.from({ length: nodes }, () => BigInt(1 + random.below(powerMax)));
};

/** Any number of hosts but one may be malicious; mostly it is one. */
const malicious = (nodes: number, random: SeededRandom): ReadonlyMap<number, AdversaryName> => {
  const few = nodes > 1 && random.chance(3, 4) ? 1 + random.below(Math.min(2, nodes - 1)) : 0;
  const count = nodes > 1 && random.chance(1, 8) ? 1 + random.below(nodes - 1) : few;
  const hosts = random.shuffle(Array.from({ length: nodes }, (_, i) => i)).slice(0, count);
  return new Map(hosts.map((host) => [host, random.pick(adversaryNames)]));
};

const planOf = (
  options: ScenarioOptions,
  random: SeededRandom,
  hosts: ReadonlyMap<number, AdversaryName>,
): NetworkOptions => {
  const all = Array.from({ length: options.nodes }, (_, i) => i);
  const { without = [], broken, makeKey, onLine } = options;
  const rules = (host: number): readonly HostRule[] => {
    const name = hosts.get(host);
    return [...without, ...(name === undefined ? [] : rulesWithout(name))];
  };
  const faults = rough(random);
  return {
    members: powersOf(options, random).map((power, i) => member(`${i}`, power, makeKey?.())),
    seed: options.seed,
    faults,
    driftMsMax: 100,
    twins: [...hosts].flatMap(([host, name]) => (name === "twins" ? [host] : [])),
    without: new Map(all.map((host) => [host, rules(host)])),
    ...(broken === undefined ? {} : { broken: new Map(all.map((host) => [host, broken])) }),
    ...(faults.crashes > 0 ? { disk: { changesMax: 400, isCareless: false } } : {}),
    provider: options.provider,
    ...(onLine === undefined ? {} : { onLine }),
  };
};

/** Ten transfers a second, and now and then other sides of a partition. */
const befall = (network: Network, random: SeededRandom, untilMs: number): void => {
  const sides = network.nodes.map(() => 0);
  for (let atMs = network.nowMs; atMs < untilMs; atMs += 100 + random.below(1500)) {
    const next = network.nodes.map(() => (random.chance(1, 2) ? random.below(2) : 0));
    network.at(atMs, () => sides.splice(0, sides.length, ...next));
  }
  network.passes = (from, to) => sides[from] === sides[to];
  network.at(untilMs, () => {
    network.passes = () => true;
    network.faults = calm;
  });
};

export const runScenario = async (options: ScenarioOptions): Promise<Outcome> => {
  const random = new SeededRandom(`${options.seed}/scenario`);
  const hosts = malicious(options.nodes, random);
  const network = new Network(planOf(options, random, hosts));
  corrupt(network, hosts);
  const startMs = network.nowMs;
  befall(network, random, startMs + roughMs);
  for (let atMs = startMs; atMs < startMs + roughMs + boundMs; atMs += 1000) {
    network.at(atMs, () => network.submit(10));
  }
  await network.run(roughMs + 1);
  const { set } = network.judge;
  const honest = network.nodes.flatMap((_, host) =>
    host < options.nodes && !hosts.has(host) ? [host] : [],
  );
  const violations = [...checkSafety(network)];
  if (set.power(honest) >= set.quorum) {
    const goal = { blocks: 4, boundMs, of: honest };
    violations.push(...(await checkLiveness(network, goal)), ...checkSafety(network));
  }
  violations.push(...checkRoots(network), ...checkFraming(network));
  return {
    violations,
    height: network.least(honest),
    virtualMs: network.nowMs - startMs,
    messages: network.messages,
    crashes: network.crashes,
    undone: network.nodes.reduce((sum, { ledger }) => sum + ledger.undone, 0),
    trace: network.trace,
    powers: set.entries.map(({ power }) => power),
    adversaries: [...hosts].map(([host, name]) => ({ host, name })),
  };
};
