/** What one thread of `suite sim` is asked for, and answers. Pure in its seed but for the two clocks. */
import { member, type TestProvider, twinOf } from "@ioi/consensus/testing";
import { InvariantError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  brokenPower,
  checkFraming,
  checkSafety,
  mayFork,
  Network,
  runScenario,
  runSplit,
  type ScenarioOptions,
  type Split,
} from "@ioi/netsim";

/** Guards that the controls are without. */
export type Missing = "Guardians" | "none";

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
  | {
      readonly type: "crashed";
      readonly id: string;
      readonly seed: string;
      readonly nodes: number;
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
}

const provider: TestProvider = twinOf(nodeCrypto);

export const scenarioOf = (task: Extract<Task, { type: "seed" }>): ScenarioOptions => ({
  seed: task.seed,
  nodes: task.nodes,
  provider: task.isSigned ? nodeCrypto : provider,
  ...(task.isSigned ? { makeKey: () => nodeCrypto.generate("ml-dsa-44") } : {}),
  ...(task.missing === "Guardians" ? { lacking: ["G1-slot", "G1-lock", "G2-high"] } : {}),
});

const none = { virtualMs: 0, messages: 0, crashes: 0, differs: false, forked: false, share: 1 };
type Found = Omit<Answer, "id" | "wallMs" | "cpuMs">;

const runSeed = async (task: Extract<Task, { type: "seed" }>): Promise<Found> => {
  const first = await runScenario(scenarioOf(task));
  const again = task.isTwice ? await runScenario(scenarioOf(task)) : first;
  const step = `; step through it: ./ioi replay sim --seed ${task.seed} --nodes ${task.nodes}`;
  const violations = first.violations.map(({ type, message }) => `${type}: ${message}${step}`);
  const { virtualMs, messages, crashes } = first;
  return {
    ...none,
    violations,
    virtualMs,
    messages,
    crashes,
    differs: again.trace !== first.trace,
  };
};

/** The rule of grades says which splits fork; whoever is convicted had a broken Guardian. */
const runGrades = async ({ split, seed }: Extract<Task, { type: "split" }>): Promise<Found> => {
  const { network, conflicts } = await runSplit(split, seed, provider);
  const forked = conflicts.length > 0;
  const wrong = forked === mayFork(split) ? [] : [`forked: ${forked}`];
  network.passes = () => true;
  await network.run(1000);
  const violations = [
    ...checkSafety(network, brokenPower(split)),
    ...checkFraming(network, split.broken),
  ].map(({ type, message }) => `${type}: ${message}`);
  const isShown = !forked || network.proofs.length > 0;
  const hidden = isShown ? [] : ["nobody was convicted of the fork"];
  const { nowMs: virtualMs, messages } = network;
  return { ...none, violations: [...wrong, ...violations, ...hidden], virtualMs, messages, forked };
};

const equal = (nodes: number) => Array.from({ length: nodes }, (_, i) => member(`${i}`, 1n));

const heightOf = async (
  { seed, nodes, virtualMs }: Extract<Task, { type: "crashed" }>,
  crashed: readonly number[],
): Promise<number> => {
  const network = new Network({ members: equal(nodes), seed, provider });
  for (const index of crashed) network.stop(index);
  network.demand(true);
  await network.run(virtualMs);
  const alive = [...network.nodes.keys()].filter((index) => !crashed.includes(index));
  return network.least(alive);
};

const runCrashed = async (task: Extract<Task, { type: "crashed" }>): Promise<Found> => {
  const down = Array.from({ length: Math.ceil(task.nodes / 2) - 1 }, (_, i) => 2 * i + 1);
  const whole = await heightOf(task, []);
  const rest = await heightOf(task, down);
  const share = rest / whole;
  const violations = share >= 0.5 ? [] : [`${rest} of ${whole} blocks with ${down.length} down`];
  return { ...none, violations, virtualMs: 2 * task.virtualMs, share };
};

/** A block a virtual second, and ten transfers. */
const runSpeed = async (task: Extract<Task, { type: "speed" }>): Promise<Found> => {
  const { seed, nodes, virtualMs } = task;
  const network = new Network({ members: equal(nodes), seed, provider });
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
    case "crashed":
      return runCrashed(task);
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
