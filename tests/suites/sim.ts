/**
 * `suite sim`: whole networks in virtual time. Production engines, Guardians and logs under delays, losses,
 * partitions, drift, crashes at every point of the disk, and malicious hosts; then calm.
 *
 * - a seed holds: no conflict that a grade excludes, executed = committed, one state, nobody framed, and
 *   honest hosts go on within 30 s once the links are calm;
 * - `grades/...`: broken Guardians with copies on both sides of a partition fork where the rule of grades
 *   says so and nowhere else, and are convicted;
 * - `crashed/...`: with f hosts down at least half of the throughput is left;
 * - `rerunsDiffering`: seeds whose second run is not the first, byte for byte.
 *
 * One seed in a hundred signs with ML-DSA-44. Control: Guardians without their rule; malicious hosts then
 * get what they want, and the same checkers say so.
 * Parameters: `nodes` (default: 1, 4, 7, 21 and 100), `seeds`.
 */
import { OperationError } from "@ioi/base";
import { brokenPower, splitsOf } from "@ioi/netsim";
import { runInThreads } from "../lib/threads.ts";
import { rounded } from "../lib/statistics.ts";
import type { Answer, Task } from "./sim/tasks.ts";
import type { Metrics, Suite, SuiteCase, SuiteContext } from "./suite.ts";

const fullSeeds: readonly (readonly [nodes: number, seeds: number])[] = [
  [4, 400],
  [7, 200],
  [1, 50],
  [21, 8],
  [100, 1],
];
const quickSeeds: readonly (readonly [nodes: number, seeds: number])[] = [
  [4, 24],
  [7, 6],
  [1, 4],
];

const numberOf = (text: string, name: string): number => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1_000_000) return value;
  throw new OperationError("E_CLI_USAGE", `--param ${name}=${text} is not a number of ${name}`);
};

const seedsOf = ({ quick, params }: SuiteContext): typeof fullSeeds => {
  const { nodes, seeds } = params;
  if (nodes === undefined && seeds === undefined) return quick ? quickSeeds : fullSeeds;
  return [[numberOf(nodes ?? "4", "nodes"), numberOf(seeds ?? (quick ? "24" : "1000"), "seeds")]];
};

const seedTasks = (context: SuiteContext, sets: typeof fullSeeds): Task[] =>
  sets.flatMap(([nodes, seeds]) =>
    Array.from({ length: seeds }, (_, i): Task => {
      const isSigned = nodes <= 7 && i % 100 === 50;
      return {
        type: "seed",
        id: `n${nodes}/${i}`,
        nodes,
        seed: `${context.seed}/${nodes}/${i}`,
        isSigned,
        // The signatures of ML-DSA are hedged: no two are the same.
        isTwice: !isSigned && i % 10 === 0,
        missing: "none",
      };
    }),
  );

const controlTasks = (context: SuiteContext): Task[] =>
  Array.from({ length: context.quick ? 12 : 60 }, (_, i): Task => ({
    type: "seed",
    id: `control/${i}`,
    nodes: 4,
    seed: `${context.seed}/control/${i}`,
    isSigned: false,
    isTwice: false,
    missing: "Guardians",
  }));

const gradeTasks = (context: SuiteContext): Task[] => {
  const few = [[1n, 1n, 1n]];
  const sets = context.quick ? few : [...few, [1n, 1n, 1n, 1n], [3n, 2n, 2n, 1n]];
  return sets.flatMap((powers) =>
    [...splitsOf(powers)].map((split): Task => {
      const id = `grades/${powers.join("-")}/c${brokenPower(split)}/${split.broken.join("") || "none"}-${split.side.join("") || "none"}`;
      return { type: "split", id, seed: `${context.seed}/${id}`, split };
    }),
  );
};

const otherTasks = ({ quick, seed }: SuiteContext): Task[] => [
  { type: "speed", id: "speed/4", seed, nodes: 4, virtualMs: quick ? 60_000 : 300_000 },
  ...(quick ? [4] : [4, 7, 21]).map((nodes): Task => {
    const virtualMs = quick || nodes > 7 ? 10_000 : 40_000;
    return { type: "crashed", id: `crashed/${nodes}`, seed, nodes, virtualMs };
  }),
];

const caseOf = ({ id, violations, differs }: Answer): SuiteCase => {
  const wrong = [...violations, ...(differs ? ["its second run differs"] : [])];
  if (wrong.length === 0) return { id, outcome: "passed" };
  return { id, outcome: "failed", expected: "it holds", actual: wrong.slice(0, 5).join("; ") };
};

/** The second is what a machine with nothing else to do comes near. */
const speedsOf = ({ virtualMs, wallMs, cpuMs }: Answer): Metrics => ({
  speedup: rounded(virtualMs / wallMs, 1),
  speedupOverCpu: rounded(virtualMs / cpuMs, 1),
});

/** All controls are one case: somewhere the harm is done. */
const controlOf = (answers: readonly Answer[]): readonly SuiteCase[] => {
  const harmed = answers.filter(({ violations }) => violations.length > 0).length;
  if (answers.length === 0) return [];
  const control = harmed > 0 ? "harmed" : "harmless";
  const actual = `${harmed} of ${answers.length} seeds without the signing rule were violated`;
  const outcome = harmed > 0 ? "passed" : "failed";
  return [{ id: "control", outcome, expected: "violations", actual, control }];
};

export const suite: Suite = {
  name: "sim",
  covers: ["consensus 1", "consensus 3", "consensus 11"],
  summary: "whole networks in virtual time under faults and malice, and the grades they promise",
  async run(context) {
    const sets = seedsOf(context);
    const all = [
      ...otherTasks(context),
      ...seedTasks(context, sets),
      ...gradeTasks(context),
      ...controlTasks(context),
    ];
    const wanted = (id: string): boolean =>
      context.caseId === undefined ||
      id === context.caseId ||
      (context.caseId === "control" && id.startsWith("control/"));
    const tasks = all.filter(({ id }) => wanted(id));
    const answers = await runInThreads<Task, Answer>(
      new URL("sim/thread.ts", import.meta.url),
      tasks,
      context.signal,
      ({ id }, done) => context.progress(`${done} of ${tasks.length}: ${id}`),
    );
    const typed = answers.map((answer, i) => ({ answer, type: tasks[i]?.type }));
    const isControl = ({ id }: Answer): boolean => id.startsWith("control/");
    const judged = answers.filter((answer) => !isControl(answer));
    const speed = typed.find(({ type }) => type === "speed")?.answer;
    const seeds = typed.filter(({ type, answer }) => type === "seed" && !isControl(answer));
    const shares = typed.flatMap(({ type, answer }) => (type === "crashed" ? [answer.share] : []));
    return {
      cases: [...judged.map(caseOf), ...controlOf(answers.filter(isControl))],
      metrics: {
        seeds: seeds.length,
        nodes: Math.max(...sets.map(([nodes]) => nodes)),
        violations: judged.reduce((sum, { violations }) => sum + violations.length, 0),
        ...(speed === undefined ? {} : speedsOf(speed)),
        rerunsDiffering: judged.filter(({ differs }) => differs).length,
        splitsTried: typed.filter(({ type }) => type === "split").length,
        forks: judged.filter(({ forked }) => forked).length,
        ...(shares.length === 0 ? {} : { shareWithCrashed: rounded(Math.min(...shares), 3) }),
        virtualSeconds: Math.round(judged.reduce((sum, each) => sum + each.virtualMs, 0) / 1000),
        messages: judged.reduce((sum, { messages }) => sum + messages, 0),
        crashes: judged.reduce((sum, { crashes }) => sum + crashes, 0),
      },
      goals: [
        { metric: "violations", op: "=", value: 0 },
        { metric: "rerunsDiffering", op: "=", value: 0 },
        { metric: "shareWithCrashed", op: ">=", value: 0.5 },
        // What the machine shares with others is no fault of the engine.
        ...(context.quick ? [] : [{ metric: "speedup", op: ">=", value: 100 } as const]),
      ],
    };
  },
};
