/**
 * `suite twins`: every schedule of leaders and divisions of the first views, with one validator on two
 * hosts (Bano and others, 2022), which share its Guardian. Nobody commits two blocks, nobody is convicted.
 *
 * - `rounds/...`: production engines in rounds (`./twins/world.ts`), all schedules, with worlds that do the
 *   same for ever taken for one: seven views of three validators, four of four;
 * - `merging/...`: the same without merging ends in the same worlds; and what follows from two schedules of one
 *   world is compared throughout;
 * - `timed/...`: the same hosts with clocks and delays, each schedule by itself. Among four a copied
 *   Guardian is survived; among three it is not, which is a control: the same schedules then fork;
 * - `control/...`: a Guardian without a rule; the same exploration finds the fork without G1's slots. Without its
 *   lock nobody forks: hosts do not collect what shows it (R5-known), and where they do they convict it in time.
 *
 * Parameters: `nodes` (3 or 4) and `views`, for one exploration in rounds.
 */
import { OperationError } from "@ioi/base";
import { runInThreads, type Threads, withThreads } from "../lib/threads.ts";
import type { Answer as Expanded, Kind as Rounds, Task as Expansion } from "./twins/explorer.ts";
import { type Explored, exploreLayers } from "./twins/layers.ts";
import type { Answer, Kind as Timed, Task } from "./twins/tasks.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const shares = 8;
const sound = { guardian: [], hosts: [] };

/** Without the lock a host convicts the Guardian (K8) before anything that it signed so is committed. */
interface Control extends Rounds {
  readonly harm: "forks" | "convictions";
}

interface Plan {
  readonly rounds: readonly Rounds[];
  /** Explored with merging and without. */
  readonly both: Rounds;
  readonly controls: readonly Control[];
  readonly timed: readonly Timed[];
  readonly comparedMax: number;
}

const full: Plan = {
  rounds: [
    { ...sound, nodes: 3, views: 7 },
    { ...sound, nodes: 4, views: 4 },
    // The lock holds by itself: its control is without both.
    { nodes: 3, views: 3, guardian: [], hosts: ["R5-known"] },
  ],
  both: { ...sound, nodes: 3, views: 3 },
  controls: [
    { ...sound, nodes: 3, views: 3, guardian: ["G1-slot"], harm: "forks" },
    { nodes: 3, views: 3, guardian: ["G1-lock"], hosts: ["R5-known"], harm: "convictions" },
  ],
  timed: [
    { nodes: 3, views: 2, areClones: false },
    { nodes: 4, views: 2, areClones: true },
  ],
  comparedMax: 64,
};

const quick: Plan = {
  rounds: [
    { ...sound, nodes: 3, views: 3 },
    { ...sound, nodes: 4, views: 1 },
  ],
  both: { ...sound, nodes: 3, views: 2 },
  controls: [{ ...sound, nodes: 3, views: 2, guardian: ["G1-slot"], harm: "forks" }],
  timed: [{ nodes: 4, views: 1, areClones: true }],
  comparedMax: 8,
};

const planOf = ({ quick: isQuick, params }: SuiteContext): Plan => {
  const plan = isQuick ? quick : full;
  if (params["nodes"] === undefined && params["views"] === undefined) return plan;
  const [nodes, views] = [Number(params["nodes"] ?? 3), Number(params["views"] ?? 3)];
  if (![3, 4].includes(nodes) || ![1, 2, 3, 4, 5, 6, 7].includes(views)) {
    throw new OperationError("E_CLI_USAGE", "nodes are 3 or 4, views 1 to 7");
  }
  return { ...plan, rounds: [{ ...sound, nodes, views }], timed: [] };
};

const timedControl: Timed = { nodes: 3, views: 2, areClones: true };

const roundsName = ({ nodes, views, guardian, hosts }: Rounds): string =>
  `n${nodes}/${views}-views${[...guardian, ...hosts].map((rule) => `/without-${rule}`).join("")}`;
const timedName = ({ nodes, views, areClones }: Timed): string =>
  `n${nodes}/${views}-views/${areClones ? "copied" : "shared"}-guardian`;

const judged = (id: string, wrong: readonly string[]): SuiteCase =>
  wrong.length === 0
    ? { id, outcome: "passed" }
    : { id, outcome: "failed", expected: "none", actual: wrong.slice(0, 5).join("; ") };

const controlled = (
  id: string,
  harmed: number,
  of: number,
  harm: Control["harm"] = "forks",
): SuiteCase => ({
  id,
  outcome: harmed > 0 ? "passed" : "failed",
  expected: harm,
  actual: `${harm} in ${harmed} of ${of} schedules`,
  control: harmed > 0 ? "harmed" : "harmless",
});

const scenariosOf = ({ nodes, views }: Rounds): number => (nodes * 2 ** nodes) ** views;

const explorationOf = (id: string, explored: Explored): SuiteCase => {
  const { kind, scenarios, complaints, different } = explored;
  const isWhole = scenarios === scenariosOf(kind);
  return judged(id, [
    ...complaints,
    ...different.map((each) => `not the same: ${each}`),
    ...(isWhole ? [] : [`${scenarios} schedules, not all ${scenariosOf(kind)}`]),
  ]);
};

interface Found {
  readonly cases: readonly SuiteCase[];
  readonly explored: readonly Explored[];
}

const sameEnds = (id: string, merged: Explored, unmerged: Explored): SuiteCase => {
  const missing = [...unmerged.last].filter((each) => !merged.last.has(each)).length;
  const extra = [...merged.last].filter((each) => !unmerged.last.has(each)).length;
  const wrong = missing + extra === 0 ? [] : [`${missing} ends are missing, ${extra} are no ends`];
  return judged(id, [...wrong, ...unmerged.complaints]);
};

/** In rounds. */
const explore = (context: SuiteContext, plan: Plan): Promise<Found> => {
  const { caseId, progress } = context;
  const isAsked = (id: string): boolean => caseId === undefined || caseId === id;
  const use = async (threads: Threads<Expansion, Expanded>): Promise<Found> => {
    const cases: SuiteCase[] = [];
    const explored: Explored[] = [];
    const layers = (kind: Rounds, isMerging: boolean, comparedMax: number): Promise<Explored> =>
      exploreLayers(kind, threads, {
        isMerging,
        comparedMax,
        progress: (text) => progress(`${roundsName(kind)}: ${text}`),
      });
    for (const kind of plan.rounds) {
      const id = `rounds/${roundsName(kind)}`;
      if (!isAsked(id)) continue;
      const found = await layers(kind, true, plan.comparedMax);
      explored.push(found);
      cases.push(explorationOf(id, found));
    }
    const both = `merging/${roundsName(plan.both)}`;
    if (isAsked(both)) {
      const merged = await layers(plan.both, true, 0);
      cases.push(sameEnds(both, merged, await layers(plan.both, false, 0)));
    }
    for (const kind of plan.controls) {
      const id = `control/${roundsName(kind)}`;
      if (!isAsked(id)) continue;
      const { forks, conflicts, scenarios } = await layers(kind, true, 0);
      const harmed = kind.harm === "forks" ? forks : conflicts - forks;
      cases.push(controlled(id, harmed, scenarios, kind.harm));
    }
    return { cases, explored };
  };
  const thread = new URL("twins/explorer-thread.ts", import.meta.url);
  return withThreads(thread, context.signal, use);
};

const total = (answers: readonly Answer[], of: (answer: Answer) => number): number =>
  answers.reduce((sum, answer) => sum + of(answer), 0);

const runTimed = async (
  context: SuiteContext,
  plan: Plan,
): Promise<{ readonly cases: readonly SuiteCase[]; readonly schedules: number }> => {
  const { caseId } = context;
  const idOf = (kind: Timed): string =>
    `${kind === timedControl ? "control" : "timed"}/${timedName(kind)}`;
  const wanted = [...plan.timed, timedControl].filter(
    (kind) => caseId === undefined || caseId === idOf(kind),
  );
  const tasks = wanted.flatMap((kind) =>
    Array.from({ length: shares }, (_, first): Task => ({ ...kind, first, of: shares })),
  );
  const answers = await runInThreads<Task, Answer>(
    new URL("twins/thread.ts", import.meta.url),
    tasks,
    context.signal,
    (_, done) => context.progress(`timed: ${done} of ${tasks.length} shares`),
  );
  const cases = wanted.map((kind, at) => {
    const own = answers.slice(at * shares, (at + 1) * shares);
    const schedules = total(own, (each) => each.schedules);
    return kind === timedControl
      ? controlled(
          idOf(kind),
          total(own, ({ conflicts }) => conflicts),
          schedules,
        )
      : judged(
          idOf(kind),
          own.flatMap(({ violations }) => violations),
        );
  });
  return { cases, schedules: total(answers, ({ schedules }) => schedules) };
};

export const suite: Suite = {
  name: "twins",
  covers: ["consensus 11"],
  summary: "every leader and partition of the first views, with one validator on two hosts",
  async run(context) {
    const plan = planOf(context);
    const rounds = await explore(context, plan);
    const timed = await runTimed(context, plan);
    const sum = (of: (each: Explored) => number): number =>
      rounds.explored.reduce((all, each) => all + of(each), 0);
    return {
      cases: [...rounds.cases, ...timed.cases],
      metrics: {
        scenarios: sum(({ scenarios }) => scenarios),
        worlds: sum(({ worlds }) => worlds.reduce((all, each) => all + each, 0)),
        transitions: sum(({ transitions }) => transitions),
        merged: sum(({ merged }) => merged),
        compared: sum(({ compared }) => compared),
        differing: sum(({ different }) => different.length),
        conflicts: sum(({ conflicts }) => conflicts),
        timedSchedules: timed.schedules,
        explored: rounds.explored.map(
          ({ kind, worlds }) => `${roundsName(kind)}: ${worlds.join(" ")}`,
        ),
      },
      goals: [
        { metric: "conflicts", op: "=", value: 0 },
        { metric: "differing", op: "=", value: 0 },
      ],
    };
  },
};
