/**
 * One agent in three languages: the command planner, and the same written anew in Python and in
 * TypeScript from its help text, as programs in their sandbox. For the same goal, folder and policy
 * they take the same actions, get the same verdicts and leave the same files; a digest of each
 * one's actions stands in the metrics. So do the two example agents of `examples/agents`.
 *
 * The control is the planner with another goal: its digest must differ from each case's.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import type { RunView } from "@ioi/agent";
import { type AgentRun, runAgent } from "../lib/agent-runs.ts";
import { projectRoot, Scratch, TestKernel } from "../lib/kernel.ts";
import { controlGoal, type Scenario, scenarios, sortScenarios } from "./agents/scenarios.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const agentFolder = (...names: readonly string[]): string => path.join(projectRoot, ...names);

interface Contender {
  readonly name: string;
  readonly folder?: string;
}

const commanders: readonly Contender[] = [
  { name: "builtin" },
  { name: "python", folder: agentFolder("tests/fixtures/agents/commands-python") },
  { name: "typescript", folder: agentFolder("tests/fixtures/agents/commands-typescript") },
];

const sorters: readonly Contender[] = [
  { name: "python", folder: agentFolder("examples/agents/sort-python") },
  { name: "typescript", folder: agentFolder("examples/agents/sort-typescript") },
];

/** What one contender did, and what it left behind. */
interface Done {
  readonly digest: string;
  readonly steps: readonly string[];
}

const makeWorkspace = (folder: string, files: Scenario["files"]): void => {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    if (!name.endsWith("/")) fs.writeFileSync(file, content);
    else fs.mkdirSync(file, { recursive: true });
  }
};

/** Every file with its content, and every folder. */
const treeOf = (folder: string, below = ""): readonly string[] =>
  fs
    .readdirSync(path.join(folder, below), { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const name = path.join(below, entry.name);
      return entry.isDirectory()
        ? [`${name}/`, ...treeOf(folder, name)]
        : [`${name} ${fs.readFileSync(path.join(folder, name), "base64")}`];
    });

const stepsOf = (view: RunView, workspace: string): readonly string[] => [
  ...view.actions.map(({ target, display, verdict, outcome }) =>
    // Tickets are numbered through all sessions, an undo names one of them.
    [target, display.replace(/^(fs::restore ).*$/, "$1"), verdict, outcome?.status ?? "-"].join(
      " ",
    ),
  ),
  view.state,
  ...treeOf(workspace),
];

const perform = async (data: string, run: AgentRun, scenario: Scenario): Promise<Done> => {
  makeWorkspace(run.workspace, scenario.files);
  const view = await runAgent(data, run);
  const steps = stepsOf(view, run.workspace);
  return { steps, digest: createHash("sha256").update(steps.join("\n")).digest("hex") };
};

/** Where two sequences part. */
const difference = (one: Done, other: Done): string => {
  const at = one.steps.findIndex((step, index) => step !== other.steps[index]);
  const index = at < 0 ? one.steps.length : at;
  return `step ${index}: ${one.steps[index] ?? "none"} / ${other.steps[index] ?? "none"}`;
};

interface Judged {
  readonly judged: SuiteCase;
  readonly digests: Readonly<Record<string, string>>;
  readonly actions: number;
}

const judge = async (
  data: string,
  workspace: string,
  id: string,
  scenario: Scenario,
  contenders: readonly Contender[],
  control: Done,
): Promise<Judged> => {
  const done: [string, Done][] = [];
  for (const { name, folder } of contenders) {
    const { goal: text } = scenario;
    const run = { text, workspace, ...(folder === undefined ? {} : { folder }) };
    done.push([name, await perform(data, run, scenario)]);
  }
  const [[firstName, first] = ["", { digest: "", steps: [] }], ...others] = done;
  const other = others.find(([, each]) => each.digest !== first.digest);
  return {
    judged: {
      id,
      outcome: other === undefined ? "passed" : "failed",
      expected: "the same actions, verdicts, outcomes and files",
      ...(other === undefined
        ? {}
        : { actual: `${firstName} / ${other[0]}: ${difference(first, other[1])}` }),
      control: control.digest === first.digest ? "harmless" : "harmed",
    },
    digests: Object.fromEntries(done.map(([name, { digest }]) => [name, digest])),
    actions: first.steps.length,
  };
};

const chosen = (all: readonly Scenario[], { quick, caseId }: SuiteContext): readonly Scenario[] =>
  caseId !== undefined
    ? all.filter(({ id }) => id === caseId)
    : all.filter((each) => !quick || each.quick === true);

/** One digest over a contender's scenarios. */
const total = (all: readonly Judged[], name: string): string =>
  createHash("sha256")
    .update(all.map(({ digests }) => digests[name] ?? "").join("\n"))
    .digest("hex");

export const suite: Suite = {
  name: "agents",
  covers: ["agent 1", "agent contract"],
  summary: "the Python, TypeScript and built-in agents take the same actions for the same goals",
  async run(context) {
    using scratch = new Scratch();
    const data = scratch.at("data");
    const workspace = scratch.at("work");
    await using _kernel = await TestKernel.start({ data });
    const control = await perform(data, { text: controlGoal.goal, workspace }, controlGoal);
    const judged = async (all: readonly Scenario[], contenders: readonly Contender[]) => {
      const done: Judged[] = [];
      for (const each of chosen(all, context)) {
        context.progress(each.id);
        done.push(await judge(data, workspace, each.id, each, contenders, control));
        context.signal.throwIfAborted();
      }
      return done;
    };
    const commands = await judged(scenarios, commanders);
    const sorts = await judged(sortScenarios, sorters);
    const differing = [...commands, ...sorts].filter(({ judged }) => judged.outcome === "failed");
    return {
      cases: [...commands, ...sorts].map(({ judged }) => judged),
      metrics: {
        scenarios: commands.length + sorts.length,
        differing: differing.length,
        builtinDigest: total(commands, "builtin"),
        pythonDigest: total(commands, "python"),
        typescriptDigest: total(commands, "typescript"),
        sortPythonDigest: total(sorts, "python"),
        sortTypescriptDigest: total(sorts, "typescript"),
      },
      goals: [
        { metric: "differing", op: "=", value: 0 },
        { metric: "scenarios", op: ">=", value: context.quick ? 5 : 33 },
      ],
    };
  },
};
