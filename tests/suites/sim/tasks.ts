/** What one thread of `suite sim` is asked for, and answers. Pure in its seed but for the two clocks. */
import { InvariantError, SeededRandom } from "@ioi/base";
import { member, setOf, type TestProvider, twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  checkFraming,
  checkLiveness,
  checkSafety,
  mayFork,
  Network,
  runScenario,
  runSplit,
  type ScenarioOptions,
  type Split,
  survives,
} from "@ioi/netsim";

/** Guards that the controls are without: the signing rule, or an anchor that tells an older copy. */
export type Missing = "Guardians" | "anchor" | "none";

export type Task =
  | {
      readonly type: "seed";
      readonly id: string;
      readonly nodes: number;
      readonly seed: string;
      readonly isSigned: boolean;
      readonly isTwice: boolean;
      readonly missing: Missing;
    }
  | { readonly type: "split"; readonly id: string; readonly seed: string; readonly split: Split }
  /** Random seeds with broken Guardians of some power at most. */
  | {
      readonly type: "broken";
      readonly id: string;
      readonly seed: string;
      readonly powers: readonly bigint[];
      readonly broken: bigint;
      readonly seeds: number;
    }
  /** As many as may be are down; and a partition that heals. */
  | {
      readonly type: "liveness";
      readonly id: string;
      readonly seed: string;
      readonly powers: readonly bigint[];
      readonly virtualMs: number;
    }
  | {
      readonly type: "speed";
      readonly id: string;
      readonly seed: string;
      readonly nodes: number;
      readonly virtualMs: number;
    };

export interface Answer {
  readonly id: string;
  /** In words; none: it holds. */
  readonly violations: readonly string[];
  readonly virtualMs: number;
  readonly wallMs: number;
  /** Of its thread's processor time. */
  readonly cpuMs: number;
  readonly messages: number;
  readonly crashes: number;
  readonly differs: boolean;
  readonly forked: boolean;
  /** Of fault-free throughput. */
  readonly share: number;
  /** From the end of a partition until all went on. */
  readonly healedMs: number;
  /** Ends of epochs that were passed, copies of Guardians that ran, and validators that were convicted. */
  readonly epochs: number;
  readonly clones: number;
  readonly convicted: number;
}

const provider: TestProvider = twinOf(nodeCrypto);

export const scenarioOf = (task: Extract<Task, { type: "seed" }>): ScenarioOptions => ({
  seed: task.seed,
  nodes: task.nodes,
  provider: task.isSigned ? nodeCrypto : provider,
  ...(task.isSigned ? { makeKey: () => nodeCrypto.generate("ml-dsa-44") } : {}),
  ...(task.missing === "Guardians"
    ? { lacking: ["G1-slot", "G1-lock", "G2-high"], story: "plain" }
    : {}),
  ...(task.missing === "anchor" ? { isUnanchored: true, story: "epochs" } : {}),
});

const none = {
  virtualMs: 0,
  messages: 0,
  crashes: 0,
  differs: false,
  forked: false,
  share: 1,
  healedMs: 0,
  epochs: 0,
  clones: 0,
  convicted: 0,
};
type Found = Omit<Answer, "id" | "wallMs" | "cpuMs">;

const runSeed = async (task: Extract<Task, { type: "seed" }>): Promise<Found> => {
  const first = await runScenario(scenarioOf(task));
  const again = task.isTwice ? await runScenario(scenarioOf(task)) : first;
  const step = `; step through it: ./ioi replay sim --seed ${task.seed} --nodes ${task.nodes}`;
  const violations = first.violations.map(({ type, message }) => `${type}: ${message}${step}`);
  const { virtualMs, messages, crashes, story, convicted, epochs } = first;
  return {
    ...none,
    violations,
    virtualMs,
    messages,
    crashes,
    epochs: epochs - 1,
    differs: again.trace !== first.trace,
    ...(story === "clone" ? { clones: 1, convicted } : {}),
  };
};

/** What the rule of grades lets them do, they do somewhere; and nothing else anywhere. */
const runBroken = async (task: Extract<Task, { type: "broken" }>): Promise<Found> => {
  const { powers, broken, seed, seeds } = task;
  const set = setOf(powers.map((power, i) => member(`${i}`, power)));
  const may = survives(set, set.quorum) < broken;
  const violations: string[] = [];
  let [virtualMs, messages, forks, epochs] = [0, 0, 0, 0];
  for (let i = 0; i < seeds; i++) {
    const options = { seed: `${seed}/${i}`, nodes: powers.length, powers, broken, provider };
    const found = await runScenario(options);
    const step = `step through it: ./ioi replay sim --seed ${options.seed} --powers ${powers.join(",")} --broken ${broken}`;
    violations.push(...found.violations.map(({ type, message }) => `${type}: ${message}; ${step}`));
    virtualMs += found.virtualMs;
    messages += found.messages;
    epochs += found.epochs - 1;
    if (found.forks > 0) forks += 1;
  }
  if (may && forks === 0) violations.push("no seed forked, though the grade of a quorum allows it");
  return { ...none, violations, virtualMs, messages, epochs, forked: forks > 0 };
};

/** The rule of grades says which splits fork; whoever is convicted had a broken Guardian. */
const runGrades = async ({ split, seed }: Extract<Task, { type: "split" }>): Promise<Found> => {
  const { network, conflicts } = await runSplit(split, seed, provider);
  const forked = conflicts.length > 0;
  const wrong = forked === mayFork(split) ? [] : [`forked: ${forked}`];
  network.passes = () => true;
  await network.run(1000);
  const violations = [
    ...checkSafety(network, split.broken),
    ...checkFraming(network, split.broken),
  ].map(({ type, message }) => `${type}: ${message}`);
  const isShown = !forked || network.proofs.length > 0;
  const hidden = isShown ? [] : ["nobody was convicted of the fork"];
  const { nowMs: virtualMs, messages } = network;
  return { ...none, violations: [...wrong, ...violations, ...hidden], virtualMs, messages, forked };
};

const equal = (nodes: number) => Array.from({ length: nodes }, () => 1n);

const membersOf = (powers: readonly bigint[]) => powers.map((power, i) => member(`${i}`, power));

const heightOf = async (
  { seed, powers, virtualMs }: Extract<Task, { type: "liveness" }>,
  crashed: readonly number[],
): Promise<number> => {
  const network = new Network({ members: membersOf(powers), seed, provider });
  for (const index of crashed) network.stop(index);
  network.demand(true);
  await network.run(virtualMs);
  const alive = [...network.nodes.keys()].filter((index) => !crashed.includes(index));
  return network.least(alive);
};

/** As much power as may be missing, in any order of the validators. */
const downOf = ({ seed, powers }: Extract<Task, { type: "liveness" }>): readonly number[] => {
  const set = setOf(membersOf(powers));
  const down: number[] = [];
  for (const index of new SeededRandom(`${seed}/down`).shuffle(powers.map((_, i) => i))) {
    if (set.total - set.power([...down, index]) >= set.quorum) down.push(index);
  }
  return down;
};

/** Every host for itself, for a while. */
const healedMsOf = async ({ seed, powers }: Extract<Task, { type: "liveness" }>) => {
  const network = new Network({ members: membersOf(powers), seed, provider });
  network.demand(true);
  await network.run(1000);
  network.passes = () => false;
  await network.run(5000);
  network.passes = () => true;
  const fromMs = network.nowMs;
  const wrong = await checkLiveness(network, { blocks: 4, boundMs: 30_000 });
  return { healedMs: network.nowMs - fromMs, wrong: wrong.map(({ message }) => message) };
};

const runLiveness = async (task: Extract<Task, { type: "liveness" }>): Promise<Found> => {
  const down = downOf(task);
  const whole = await heightOf(task, []);
  const rest = await heightOf(task, down);
  const share = rest / whole;
  const { healedMs, wrong } = await healedMsOf(task);
  const few = share >= 0.5 ? [] : [`${rest} of ${whole} blocks with ${down.length} down`];
  return {
    ...none,
    violations: [...few, ...wrong],
    virtualMs: 2 * task.virtualMs + 6000 + healedMs,
    share,
    healedMs,
  };
};

/** A block a virtual second, and ten transfers. */
const runSpeed = async (task: Extract<Task, { type: "speed" }>): Promise<Found> => {
  const { seed, nodes, virtualMs } = task;
  const network = new Network({ members: membersOf(equal(nodes)), seed, provider });
  for (let atMs = network.nowMs; atMs < virtualMs; atMs += 1000) {
    network.at(atMs, () => network.submit(10));
  }
  await network.run(virtualMs);
  const blocks = Math.floor(virtualMs / 1000) - 2;
  const isLate = network.least() < blocks;
  const violations = isLate ? [`${network.least()} of ${blocks} blocks`] : [];
  return { ...none, violations, virtualMs, messages: network.messages };
};

const found = (task: Task): Promise<Found> => {
  switch (task.type) {
    case "seed":
      return runSeed(task);
    case "split":
      return runGrades(task);
    case "broken":
      return runBroken(task);
    case "liveness":
      return runLiveness(task);
    case "speed":
      return runSpeed(task);
  }
};

export const runTask = async (task: Task): Promise<Answer> => {
  const began = performance.now();
  const before = process.threadCpuUsage();
  const answer = await found(task).catch((error: unknown): Found => {
    // A broken assertion of the engine, or of the network about it, is what this looks for.
    if (!(error instanceof InvariantError)) throw error;
    return { ...none, violations: [`invariant: ${error.message}`] };
  });
  const { user, system } = process.threadCpuUsage(before);
  const wallMs = performance.now() - began;
  return { id: task.id, ...answer, wallMs, cpuMs: (user + system) / 1000 };
};
