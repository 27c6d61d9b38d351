/**
 * `suite twins`: every schedule of leaders and divisions of the first views, with one validator on two
 * hosts, which share its Guardian or each have a copy. Nothing that the grade excludes is committed.
 *
 * Among four a copied Guardian is survived; among three it is not, which is the control: the same schedules
 * then fork. Parameters: `nodes` (3 or 4) and `views`, for more than is tried by default.
 */
import { OperationError } from "@ioi/base";
import { runInThreads } from "../lib/threads.ts";
import type { Answer, Kind, Task } from "./twins/tasks.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const shares = 8;

const kindsOf = ({ quick, params }: SuiteContext): readonly Kind[] => {
  const { nodes, views } = params;
  if (nodes !== undefined || views !== undefined) {
    const kind = { nodes: Number(nodes ?? 3), views: Number(views ?? 3) };
    const isKnown = [3, 4].includes(kind.nodes) && [1, 2, 3, 4, 5, 6, 7].includes(kind.views);
    if (!isKnown) throw new OperationError("E_CLI_USAGE", "nodes are 3 or 4, views 1 to 7");
    return [{ ...kind, areClones: kind.nodes > 3 }];
  }
  const [three, four] = quick ? [2, 1] : [3, 2];
  return [
    { nodes: 3, views: three, areClones: false },
    { nodes: 4, views: four, areClones: false },
    { nodes: 4, views: four, areClones: true },
  ];
};

const control: Kind = { nodes: 3, views: 2, areClones: true };

const nameOf = ({ nodes, views, areClones }: Kind): string =>
  `n${nodes}/${views}-views/${areClones ? "copied" : "shared"}-guardian`;

const total = (answers: readonly Answer[], of: (answer: Answer) => number): number =>
  answers.reduce((sum, answer) => sum + of(answer), 0);

const caseOf = (kind: Kind, answers: readonly Answer[]): SuiteCase => {
  const id = nameOf(kind);
  const violations = answers.flatMap((answer) => answer.violations);
  if (violations.length === 0) return { id, outcome: "passed" };
  const actual = violations.slice(0, 5).join("; ");
  return { id, outcome: "failed", expected: "no violation", actual };
};

const controlOf = (answers: readonly Answer[]): SuiteCase => {
  const forks = total(answers, ({ conflicts }) => conflicts);
  const actual = `${forks} of ${total(answers, ({ schedules }) => schedules)} schedules forked`;
  const isHarmed = forks > 0;
  return {
    id: `control/${nameOf(control)}`,
    outcome: isHarmed ? "passed" : "failed",
    expected: "forks",
    actual,
    control: isHarmed ? "harmed" : "harmless",
  };
};

export const suite: Suite = {
  name: "twins",
  covers: ["consensus 11"],
  summary: "every leader and partition of the first views, with one validator on two hosts",
  async run(context) {
    const wanted = [...kindsOf(context), control].filter(
      (kind) =>
        context.caseId === undefined || context.caseId.endsWith(nameOf(kind)) || kind === control,
    );
    const tasks = wanted.flatMap((kind) =>
      Array.from({ length: shares }, (_, first): Task => ({ ...kind, first, of: shares })),
    );
    const answers = await runInThreads<Task, Answer>(
      new URL("twins/thread.ts", import.meta.url),
      tasks,
      context.signal,
      (_, done) => context.progress(`${done} of ${tasks.length} shares`),
    );
    const of = (kind: Kind): readonly Answer[] => {
      const at = wanted.indexOf(kind) * shares;
      return answers.slice(at, at + shares);
    };
    const judged = wanted.filter((kind) => kind !== control);
    const all = judged.flatMap(of);
    return {
      cases: [...judged.map((kind) => caseOf(kind, of(kind))), controlOf(of(control))],
      metrics: {
        explored: total(all, ({ schedules }) => schedules),
        committed: total(all, ({ commits }) => commits),
        violations: total(all, ({ violations }) => violations.length),
        kinds: judged.map(nameOf),
      },
      goals: [{ metric: "violations", op: "=", value: 0 }],
    };
  },
};
