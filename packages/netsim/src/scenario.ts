/**
 * One seed: a network, what befalls it, and what must hold of it at the end. Faults and malice for a
 * while, then the links are calm; with a quorum of honest hosts everybody goes on within the bound.
 */
import { SeededRandom, toHex } from "@ioi/base";
import { divergenceOf, type GuardianRule, type HostRule } from "@ioi/consensus";
import { member, type Member, type TestProvider } from "@ioi/consensus/testing";
import { type AdversaryName, corrupt, rulesWithout } from "./adversaries.ts";
import {
  checkFraming,
  checkLiveness,
  checkRoots,
  checkSafety,
  conflictsOf,
  type Violation,
} from "./checkers.ts";
import { Network } from "./network.ts";
import { calm, type Faults, type NetworkOptions } from "./options.ts";
import { befallGuardians, type Plan, planOf, type StoryName, type Wanted } from "./plans.ts";

/** How long the faults last, and what honest hosts have to go on after them, in milliseconds. */
const roughMs = 5000;
/** The two sides of broken Guardians have leaders on the other side to wait for. */
const dividedMs = 10_000;
const boundMs = 30_000;
/** Where an honest host's Guardian is lost: as a leader it is dead, and time-outs grow meanwhile. */
const scarceBoundMs = 180_000;

export interface ScenarioOptions extends Wanted {
  readonly seed: string;
  readonly provider: TestProvider;
  /** Of a validator with real signatures. */
  readonly makeKey?: () => Member["key"];
  /** For controls: every host lacks these rules, every Guardian those. */
  readonly without?: readonly HostRule[];
  readonly lacking?: readonly GuardianRule[];
  /** For controls: anchors that cannot tell an older copy, where copies are put back. */
  readonly isUnanchored?: boolean;
  readonly onLine?: NetworkOptions["onLine"];
}

export interface Outcome {
  readonly violations: readonly Violation[];
  readonly story: StoryName;
  readonly height: number;
  readonly epochs: number;
  readonly virtualMs: number;
  readonly messages: number;
  readonly crashes: number;
  readonly undone: number;
  readonly trace: string;
  readonly powers: readonly bigint[];
  readonly adversaries: readonly { readonly host: number; readonly name: AdversaryName }[];
  /** Validators with Guardians that are not sound, those that were convicted, and heights that forked. */
  readonly broken: readonly number[];
  readonly convicted: number;
  readonly forks: number;
}

const rough = (random: SeededRandom): Faults => ({
  delayMs: 1 + random.below(40),
  jitterMs: 1 + random.below(200),
  lost: random.below(200),
  doubled: random.below(100),
  crashes: random.chance(1, 2) ? 1 + random.below(40) : 0,
});

/** Kills leave a session as it was with software; a copy that is put back shows there. */
const protectionOf = ({ isUnanchored = false }: ScenarioOptions): "counter" | "none" =>
  isUnanchored ? "none" : "counter";

const networkOf = (options: ScenarioOptions, plan: Plan, random: SeededRandom): Network => {
  const { without = [], lacking, makeKey, onLine } = options;
  const { hosts, powers, broken, epochBlocks, joiners, story } = plan;
  const all = powers.map((_, index) => index);
  const rules = (host: number): readonly HostRule[] => {
    const name = hosts.get(host);
    return [...without, ...(name === undefined ? [] : rulesWithout(name))];
  };
  const faults = rough(random);
  const sharing = [...hosts].flatMap(([host, name]) => (name === "twins" ? [host] : []));
  return new Network({
    members: powers.map((power, i) => member(`${i}`, power, makeKey?.())),
    joiners: makeKey === undefined ? joiners : [],
    seed: options.seed,
    faults,
    driftMsMax: 100,
    twins: broken.length > 0 ? broken : sharing,
    areClones: broken.length > 0,
    without: new Map(all.map((host) => [host, rules(host)])),
    ...(lacking === undefined ? {} : { broken: new Map(all.map((host) => [host, lacking])) }),
    ...(faults.crashes > 0 ? { disk: { changesMax: 800, isCareless: false } } : {}),
    ...(epochBlocks === undefined ? {} : { epochBlocks }),
    ...(story === "plain" || lacking !== undefined ? {} : { protection: protectionOf(options) }),
    ...(makeKey === undefined ? {} : { makeKey }),
    provider: options.provider,
    ...(onLine === undefined ? {} : { onLine }),
  });
};

/** Sides of an adversary who knows who is broken: the others in halves of power, a copy on each. */
const halves = ({ nodes }: Network, { powers, broken }: Plan): readonly number[] => {
  const sides = nodes.map((_, host) => (host < powers.length ? 0 : 1));
  const held = [0n, 0n];
  const sound = powers.flatMap((power, host) => (broken.includes(host) ? [] : [{ power, host }]));
  for (const { power, host } of sound.toSorted((a, b) => (a.power > b.power ? -1 : 1))) {
    const side = (held[0] ?? 0n) <= (held[1] ?? 0n) ? 0 : 1;
    held[side] = (held[side] ?? 0n) + power;
    sides[host] = side;
  }
  return sides;
};

/** Now and then other sides of a partition; or one that lasts. True: each side of it committed something. */
const divide = (
  network: Network,
  plan: Plan,
  random: SeededRandom,
  untilMs: number,
): (() => boolean) => {
  const isLasting = plan.story === "broken" && random.chance(3, 4);
  const sides = isLasting ? [...halves(network, plan)] : network.nodes.map(() => 0);
  network.passes = (from, to) => sides[from] === sides[to];
  network.at(untilMs, () => heal(network));
  if (isLasting) {
    network.faults = { ...calm, lost: random.below(30) };
    const has = (side: number): boolean =>
      network.nodes.some(({ height }, host) => sides[host] === side && height > 1);
    return () => has(0) && has(1);
  }
  for (let atMs = network.nowMs; atMs < untilMs; atMs += 100 + random.below(1500)) {
    const next = network.nodes.map(() => (random.chance(1, 2) ? random.below(2) : 0));
    network.at(atMs, () => sides.splice(0, sides.length, ...next));
  }
  return () => false;
};

const heal = (network: Network): void => {
  network.passes = () => true;
  network.faults = calm;
};

/** Hosts that are honest and stay validators, and whether they suffice in the newest set. */
const goingOn = (network: Network, { hosts, powers, broken }: Plan) => {
  const of = powers.flatMap((_, host) => (hosts.has(host) || broken.includes(host) ? [] : [host]));
  const [first = 0] = of;
  const newest = of.reduce(
    (best, host) =>
      network.node(host).course.number > network.node(best).course.number ? host : best,
    first,
  );
  const { set } = network.node(newest).judge;
  const able = of.flatMap((host) => {
    const { signer, plan } = network.node(host);
    const index = set.indexOf(plan.gid);
    const isLost = "released" in signer && signer.status !== "signing";
    return index === undefined || isLost || signer.state.frozen ? [] : [index];
  });
  const isQuorum = of.length > 0 && set.power(able) >= set.quorum;
  return { of, isQuorum, boundMs: able.length < of.length ? scarceBoundMs : boundMs };
};

/** Both copies signed since, and nobody minds: their envelopes contradict each other in front of everybody. */
const unseen = (network: Network, { story, broken, powers }: Plan): readonly Violation[] => {
  if (story !== "clone" || network.proofs.length > 0) return [];
  const [victim = 0] = broken;
  const [one, other] = [network.node(victim).signer, network.node(powers.length).signer];
  if (!("released" in one && "released" in other)) return [];
  // What was said in the last calm second may still be on its way.
  const newest = one.released.slice(-40, -8);
  const rivals = other.released.slice(-40, -8);
  const doubles = newest.filter((a) =>
    rivals.some((b) => divergenceOf(network.judge.provider, a, b) !== undefined),
  );
  const message = `${doubles.length} envelopes of copies contradict each other, and nobody is convicted`;
  return doubles.length === 0 ? [] : [{ type: "unconvicted", message }];
};

export const runScenario = async (options: ScenarioOptions): Promise<Outcome> => {
  const random = new SeededRandom(`${options.seed}/scenario`);
  const plan = planOf(options, random);
  const network = networkOf(options, plan, random);
  const { hosts, broken, powers } = plan;
  corrupt(network, hosts);
  const startMs = network.nowMs;
  const endMs = startMs + (plan.story === "broken" ? dividedMs : roughMs);
  const isForked = divide(network, plan, random, endMs);
  befallGuardians(network, plan, random, endMs);
  // Ten a second; where epochs are to end, in more blocks.
  const batches = plan.epochBlocks === undefined ? 1 : 5;
  for (let atMs = startMs; atMs < endMs + scarceBoundMs; atMs += 1000 / batches) {
    network.at(atMs, () => network.submit(10 / batches));
  }
  if (await network.run(endMs - startMs + 1, isForked)) heal(network);
  const violations = [...checkSafety(network, broken)];
  const { of, isQuorum, boundMs: withinMs } = goingOn(network, plan);
  const isStopped = (): boolean => network.nodes.some(({ freezes }) => freezes > 0);
  if (isQuorum && broken.length === 0) {
    violations.push(...(await checkLiveness(network, { blocks: 4, boundMs: withinMs, of })));
  } else await network.run(broken.length > 0 ? 12_000 : 0, isStopped);
  if (broken.length > 0) await network.run(500);
  violations.push(...checkSafety(network, broken));
  violations.push(...checkRoots(network), ...checkFraming(network, broken));
  violations.push(...unseen(network, plan));
  const gids = new Set(network.proofs.map(({ registration }) => toHex(registration.entry.gid)));
  return {
    violations,
    story: plan.story,
    height: of.length === 0 ? 0 : network.least(of),
    epochs: 1 + Math.max(...network.nodes.map(({ course }) => Number(course.number))),
    virtualMs: network.nowMs - startMs,
    messages: network.messages,
    crashes: network.crashes,
    undone: network.nodes.reduce((sum, { ledger }) => sum + ledger.undone, 0),
    trace: network.trace,
    powers,
    adversaries: [...hosts].map(([host, name]) => ({ host, name })),
    broken,
    convicted: gids.size,
    forks: conflictsOf(network.nodes).length,
  };
};
