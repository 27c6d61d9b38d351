/**
 * `suite sim`: whole networks in virtual time. Production engines, Guardians and logs under delays, losses,
 * partitions, drift, crashes at every point of the disk, and malicious hosts; then calm.
 *
 * - a seed holds: no conflict that a grade excludes, executed = committed, one state, nobody framed, and
 *   honest hosts go on within 30 s once the links are calm;
 * - `grades/...`: broken Guardians with copies on both sides of a partition fork where the rule of grades
 *   says so and nowhere else, and are convicted;
 * - `broken/...`: the same in random seeds, with malicious hosts, ends of epochs and any partition;
 * - `liveness/...`: with f hosts down at least half of the throughput is left, and after a partition all go
 *   on within 30 s;
 * - `rerunsDiffering`: seeds whose second run is not the first, byte for byte.
 *
 * Seeds live through ends of epochs, sets that change, and Guardians that are killed, set back and copied.
 * One seed in a hundred signs with ML-DSA-44. Controls: Guardians without their rule, and anchors that take
 * up an older copy; malicious hosts then get what they want, and the same checkers say so.
 * Parameters: `nodes` (default: 1, 4, 7, 21 and 100), `seeds`, `powers` (`equal` or `skewed`, of `liveness`).
 */
import { OperationError } from "@ioi/base";
import { brokenPower, splitsOf } from "@ioi/netsim";
import { withThreads } from "../lib/threads.ts";
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

const controlNames = ["control", "control-anchor"] as const;

const controlTasks = (context: SuiteContext): Task[] =>
  controlNames.flatMap((name) =>
    Array.from({ length: context.quick ? 12 : 60 }, (_, i): Task => ({
      type: "seed",
      id: `${name}/${i}`,
      nodes: 4,
      seed: `${context.seed}/${name}/${i}`,
      isSigned: false,
      isTwice: false,
      missing: name === "control" ? "Guardians" : "anchor",
    })),
  );

/** Powers, and power of broken Guardians: below and above what a quorum's grade survives. */
const brokenRows: readonly (readonly [powers: readonly bigint[], broken: bigint])[] = [
  [[1n, 1n, 1n, 1n], 1n],
  [[1n, 1n, 1n, 1n], 2n],
  [[1n, 1n, 1n, 1n, 1n, 1n, 1n], 1n],
  [[3n, 2n, 2n, 1n], 1n],
  [[3n, 2n, 2n, 1n], 2n],
  [[3n, 2n, 2n, 1n, 1n, 1n, 1n], 2n],
];

const brokenTasks = ({ quick, seed }: SuiteContext): Task[] =>
  (quick ? brokenRows.slice(0, 3) : brokenRows).map(([powers, broken]): Task => {
    const id = `broken/${powers.join("-")}/c${broken}`;
    return { type: "broken", id, seed: `${seed}/${id}`, powers, broken, seeds: quick ? 5 : 40 };
  });

/** No one of them has half of all. */
const powersOf = (nodes: number, isSkewed: boolean): readonly bigint[] =>
  Array.from({ length: nodes }, (_, i) => (isSkewed ? BigInt(1 + ((i * 7) % 5)) : 1n));

const livenessTasks = ({ quick, seed, params }: SuiteContext): Task[] => {
  const kinds = params["powers"] === undefined ? ["equal", "skewed"] : [params["powers"]];
  const wrong = kinds.find((kind) => kind !== "equal" && kind !== "skewed");
  if (wrong !== undefined) {
    throw new OperationError("E_CLI_USAGE", `--param powers=${wrong} is neither equal nor skewed`);
  }
  const { nodes } = params;
  const sizes = quick ? [1, 4] : [1, 4, 7, 21, 100];
  return (nodes === undefined ? sizes : [numberOf(nodes, "nodes")]).flatMap((size) =>
    kinds.map((kind): Task => {
      // Long enough for leaders to come out about as often as their powers say.
      const virtualMs = quick ? 24_000 : size > 21 ? 5000 : size > 7 ? 16_000 : 40_000;
      const id = `liveness/${size}/${kind}`;
      return { type: "liveness", id, seed, powers: powersOf(size, kind === "skewed"), virtualMs };
    }),
  );
};

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

/** One for each thread, and nothing beside them. */
const speedTasks = ({ quick, seed, caseId, params }: SuiteContext, threads: number): Task[] =>
  Array.from({ length: threads }, (_, i): Task => {
    const virtualMs = quick ? 60_000 : 300_000;
    // The goal is for four and for seven.
    const nodes = params["nodes"] === "7" ? 7 : 4;
    return { type: "speed", id: `speed/${nodes}/${i}`, seed: `${seed}/${i}`, nodes, virtualMs };
  }).filter(({ id }) => caseId === undefined || caseId === id);

const caseOf = ({ id, violations, differs }: Answer): SuiteCase => {
  const wrong = [...violations, ...(differs ? ["its second run differs"] : [])];
  if (wrong.length === 0) return { id, outcome: "passed" };
  return { id, outcome: "failed", expected: "it holds", actual: wrong.slice(0, 5).join("; ") };
};

interface Sped {
  readonly answers: readonly Answer[];
  readonly wallMs: number;
}

/**
 * Virtual time over time, at one block a virtual second and ten transfers: of all threads together, and of
 * their processor time, which is what one core comes near that has nothing else to do.
 */
const speedsOf = ({ answers, wallMs }: Sped): Metrics => {
  const virtualMs = answers.reduce((sum, answer) => sum + answer.virtualMs, 0);
  const cpuMs = answers.reduce((sum, answer) => sum + answer.cpuMs, 0);
  return {
    speedup: rounded(virtualMs / wallMs, 1),
    speedupOverCpu: rounded(virtualMs / cpuMs, 1),
    threads: answers.length,
  };
};

/** The worst, and a row for each number of validators and kind of powers. */
const livenessOf = (alive: readonly Answer[]): Metrics => ({
  shareWithCrashed: rounded(Math.min(...alive.map(({ share }) => share)), 3),
  healedMsMax: Math.max(...alive.map(({ healedMs }) => healedMs)),
  liveness: alive.map(({ id, share, healedMs }) => ({
    of: id.slice("liveness/".length),
    shareWithCrashed: rounded(share, 3),
    healedMs,
  })),
});

/** All controls of a name are one case: somewhere the harm is done. */
const controlOf = (name: string, all: readonly Answer[]): readonly SuiteCase[] => {
  const answers = all.filter(({ id }) => id.startsWith(`${name}/`));
  const harmed = answers.filter(({ violations }) => violations.length > 0).length;
  if (answers.length === 0) return [];
  const control = harmed > 0 ? "harmed" : "harmless";
  const actual = `${harmed} of ${answers.length} seeds without the guard were violated`;
  const outcome = harmed > 0 ? "passed" : "failed";
  return [{ id: name, outcome, expected: "violations", actual, control }];
};

const runAll = (
  context: SuiteContext,
  tasks: readonly Task[],
): Promise<{
  readonly sped: Sped;
  readonly answers: readonly Answer[];
  readonly wallMs: number;
}> => {
  const module = new URL("sim/thread.ts", import.meta.url);
  return withThreads<Task, Answer, Awaited<ReturnType<typeof runAll>>>(
    module,
    context.signal,
    async (threads) => {
      const startMs = performance.now();
      const fast = await threads.run(speedTasks(context, threads.count));
      const sped = { answers: fast, wallMs: performance.now() - startMs };
      const answers = await threads.run(tasks, ({ id }, done) =>
        context.progress(`${done} of ${tasks.length}: ${id}`),
      );
      return { sped, answers, wallMs: performance.now() - startMs };
    },
  );
};

export const suite: Suite = {
  name: "sim",
  covers: ["consensus 1", "consensus 3", "consensus 11"],
  summary: "whole networks in virtual time under faults and malice, and the grades they promise",
  async run(context) {
    const sets = seedsOf(context);
    const all = [
      ...seedTasks(context, sets),
      ...gradeTasks(context),
      ...brokenTasks(context),
      ...livenessTasks(context),
      ...controlTasks(context),
    ];
    const wanted = (id: string): boolean =>
      context.caseId === undefined ||
      id === context.caseId ||
      controlNames.some((name) => context.caseId === name && id.startsWith(`${name}/`));
    const tasks = all.filter(({ id }) => wanted(id));
    const { sped, answers, wallMs } = await runAll(context, tasks);
    const typed = answers.map((answer, i) => ({ answer, type: tasks[i]?.type }));
    const isControl = ({ id }: Answer): boolean => /^control[^/]*\//.test(id);
    const judged = [...sped.answers, ...answers.filter((answer) => !isControl(answer))];
    const seeds = typed.filter(({ type, answer }) => type === "seed" && !isControl(answer));
    const alive = typed.flatMap(({ type, answer }) => (type === "liveness" ? [answer] : []));
    const sum = (of: (answer: Answer) => number): number =>
      judged.reduce((total, answer) => total + of(answer), 0);
    return {
      cases: [
        ...judged.map(caseOf),
        ...controlNames.flatMap((name) => controlOf(name, answers.filter(isControl))),
      ],
      metrics: {
        seeds: seeds.length,
        nodes: Math.max(...sets.map(([nodes]) => nodes)),
        violations: sum(({ violations }) => violations.length),
        ...(sped.answers.length === 0 ? {} : speedsOf(sped)),
        rerunsDiffering: judged.filter(({ differs }) => differs).length,
        splitsTried: typed.filter(({ type }) => type === "split").length,
        forks: judged.filter(({ forked }) => forked).length,
        epochEnds: sum(({ epochs }) => epochs),
        clones: sum(({ clones }) => clones),
        clonesConvicted: sum(({ convicted }) => convicted),
        ...(alive.length === 0 ? {} : livenessOf(alive)),
        virtualSeconds: Math.round(sum(({ virtualMs }) => virtualMs) / 1000),
        wallSeconds: Math.round(wallMs / 1000),
        messages: sum(({ messages }) => messages),
        crashes: sum(({ crashes }) => crashes),
      },
      goals: [
        { metric: "violations", op: "=", value: 0 },
        { metric: "rerunsDiffering", op: "=", value: 0 },
        { metric: "shareWithCrashed", op: ">=", value: 0.5 },
        { metric: "healedMsMax", op: "<=", value: 30_000 },
        // What the machine shares with others is no fault of the engine.
        ...(context.quick ? [] : [{ metric: "speedup", op: ">=", value: 100 } as const]),
      ],
    };
  },
};
