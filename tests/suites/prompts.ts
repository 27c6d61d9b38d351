/**
 * How often a person is asked: ten everyday tasks, recorded, replayed through the real gate by a
 * person who is counted. Every process is the product's own; the policy is the shipped one.
 *
 * The control of a task is the same recording where the policy says nothing and no scope was
 * accepted: what the scope card spares must then be asked. Further cases hold the limits: alike
 * calls share a card, too many cards pause and sum up, a wider scope spares the rest, another folder
 * than the accepted one stays closed.
 */
import fs from "node:fs";
import path from "node:path";
import { type Answer, type Counted, CountedPerson, recordedTools } from "../lib/counted-person.ts";
import { type EverydayTask, everydayTasks, layOut, placed } from "../lib/everyday-tasks.ts";
import { Scratch, TestKernel } from "../lib/kernel.ts";
import { quantile } from "../lib/statistics.ts";
import type { Suite, SuiteCase, SuiteContext, SuiteResult } from "./suite.ts";

/** A policy without a rule: everything asks but what the task was given. */
const silentPolicy = `version = 1
[defaults]
verdict = "ask"
[budget.session]
actions = 200
wall_minutes = 20
[approval]
expires_minutes = 10
reversible_without_asking = false
`;

const once = (): Answer => ({ decision: "approve", scope: "once" });
const forSession = (): Answer => ({ decision: "approve", scope: "session" });

/** A kernel on a data folder of its own, and a person at it. */
class Desk implements AsyncDisposable {
  readonly person: CountedPerson;
  readonly #kernel: TestKernel;
  readonly #scratch: Scratch;
  #folders = 0;

  private constructor(kernel: TestKernel, scratch: Scratch) {
    this.#kernel = kernel;
    this.#scratch = scratch;
    this.person = new CountedPerson(kernel.data);
  }

  static async open(policy?: string): Promise<Desk> {
    const scratch = new Scratch();
    const kernel = await TestKernel.start({ data: scratch.at("data") });
    if (policy !== undefined) fs.writeFileSync(scratch.at("data/guardian/policy.toml"), policy);
    return new Desk(kernel, scratch);
  }

  folder(): string {
    return this.#scratch.folder(`w${(this.#folders += 1)}`);
  }

  async task(task: EverydayTask, scope: boolean): Promise<Counted & { readonly folder: string }> {
    const folder = this.folder();
    layOut(task, folder);
    const counted = await this.person.run({
      words: placed(task.words, folder),
      actions: placed(task.actions.join(" && "), folder),
      workspace: scope ? "" : folder,
      scope,
      answer: once,
    });
    return { ...counted, folder };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kernel[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}

const endedWell = ({ view }: Counted, task: EverydayTask): boolean => {
  if (view.state === "done") return true;
  const last = view.actions.at(-1);
  return last?.target === task.mayEndAt && last?.verdict === "allow";
};

/** How the replay of a task differs from its recording; undefined where it does not. */
const differs = (task: EverydayTask, counted: Counted & { readonly folder: string }) => {
  const cards = counted.cards.length - 1;
  if (!endedWell(counted, task)) {
    return `${counted.view.state}: ${counted.view.error?.message ?? ""}`;
  }
  if (cards !== task.cards) {
    return `${cards} cards after the scope card: ${counted.cards.slice(1).join("\n---\n")}`;
  }
  const missing = task.leaves.filter((name) => !fs.existsSync(path.join(counted.folder, name)));
  return missing.length === 0 ? undefined : `missing: ${missing.join(", ")}`;
};

interface Tasks {
  readonly cases: readonly SuiteCase[];
  readonly cards: readonly number[];
  readonly without: readonly number[];
}

const runTasks = async (desk: Desk, silent: Desk, context: SuiteContext): Promise<Tasks> => {
  const cases: SuiteCase[] = [];
  const cards: number[] = [];
  const without: number[] = [];
  for (const task of everydayTasks) {
    context.signal.throwIfAborted();
    context.progress(task.id);
    const [shipped, bare] = await Promise.all([desk.task(task, true), silent.task(task, false)]);
    cards.push(shipped.cards.length);
    without.push(bare.cards.length);
    const actual = differs(task, shipped);
    cases.push({
      id: `task:${task.id}`,
      outcome: actual === undefined ? "passed" : "failed",
      expected: `the scope card and ${task.cards} more, and the files of the recording`,
      ...(actual === undefined ? {} : { actual }),
      control: bare.cards.length > shipped.cards.length ? "harmed" : "harmless",
    });
  }
  return { cases, cards, without };
};

const dots = (folder: string, count: number, apart: boolean): readonly string[] =>
  Array.from({ length: count }, (_, at) => {
    const file = path.join(folder, apart ? `d${at}` : ".", `.secret${at}`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, `${at}`);
    return file;
  });

const judged = (id: string, expected: string, actual: string): SuiteCase => ({
  id,
  outcome: actual === expected ? "passed" : "failed",
  expected,
  actual,
});

/** Reads of files that ask, told as one sequence. */
const readAll = async (
  desk: Desk,
  count: number,
  apart: boolean,
  answer: () => Answer,
): Promise<Counted> => {
  const folder = desk.folder();
  const actions = dots(folder, count, apart)
    .map((file) => `/read ${file}`)
    .join(" && ");
  return await desk.person.run({
    words: `Read ${folder}`,
    actions,
    workspace: "",
    scope: true,
    answer,
  });
};

/** Eight changes in a folder of which nothing was said; the person widens the scope when asked. */
const widening = async (desk: Desk): Promise<Counted> => {
  const folder = desk.folder();
  const actions = Array.from({ length: 8 }, (_, at) => {
    fs.mkdirSync(path.join(folder, `d${at}`));
    return `/mkdir ${folder}/d${at}/x`;
  });
  return await desk.person.run({
    words: "look at this",
    actions: actions.join(" && "),
    workspace: folder,
    scope: false,
    answer: ({ card }) => (card.startsWith("paused") ? forSession() : once()),
  });
};

/** Takes recorded steps one after the other, whatever became of the one before. */
const recordedProgram = `import json, sys
steps = json.load(open("steps.json"))
at = 0
for line in sys.stdin:
    told = json.loads(line)
    if "observation" not in told:
        continue
    answer = {"type": "finish", "status": "done"}
    if at < len(steps):
        answer = {"type": "propose", "target": steps[at][0], "args": steps[at][1]}
    at += 1
    print(json.dumps({**answer, "seq": told["seq"]}), flush=True)
`;

/** An agent that asks for the same thing again after it was denied, and then for another. */
const insistent = async (desk: Desk): Promise<Counted> => {
  const folder = desk.folder();
  const [first = "", second = ""] = dots(folder, 2, true);
  const agent = desk.folder();
  const steps = [first, first, second, first].map((file) => ["fs::read", { path: file }]);
  fs.writeFileSync(path.join(agent, "steps.json"), JSON.stringify(steps));
  fs.writeFileSync(path.join(agent, "main.py"), recordedProgram);
  fs.writeFileSync(
    path.join(agent, "agent.toml"),
    `name = "recorded"\nversion = "1.0.0"\nentry = ["python3", "main.py"]\ntools = ${JSON.stringify(recordedTools)}\n`,
  );
  return await desk.person.run({
    words: `Read ${folder}`,
    actions: `Read ${folder}`,
    workspace: "",
    scope: true,
    agent,
    answer: ({ card }) => ({ decision: card.includes(first) ? "deny" : "approve", scope: "once" }),
  });
};

const limitsOf = async (desk: Desk) => {
  const alike = await readAll(desk, 6, false, once);
  const apart = await readAll(desk, 6, true, once);
  const denied = await readAll(desk, 3, false, () => ({ decision: "deny", scope: "once" }));
  const outside = desk.folder();
  fs.writeFileSync(path.join(outside, "a.txt"), "a");
  const elsewhere = await desk.person.run({
    words: `Read ${desk.folder()}`,
    actions: `/read ${outside}/a.txt`,
    workspace: "",
    scope: true,
    answer: once,
  });
  const secret = path.join(desk.folder(), ".x");
  fs.writeFileSync(secret, "x");
  const later = await desk.person.run({
    words: `Read ${path.dirname(secret)}`,
    actions: `/read ${secret} && /read ${outside}/a.txt`,
    workspace: "",
    scope: true,
    answer: once,
    widen: [path.dirname(secret), outside],
  });
  return { alike, apart, denied, elsewhere, later, again: await insistent(desk) };
};

const limitCases = async (desk: Desk, silent: Desk): Promise<readonly SuiteCase[]> => {
  const [atDesk, widened] = await Promise.all([limitsOf(desk), widening(silent)]);
  const { alike, apart, denied, elsewhere, later, again } = atDesk;
  return [
    {
      ...judged(
        "limit:alike-share-a-card",
        "done, 1 card",
        `${alike.view.state}, ${alike.cards.length - 1} card`,
      ),
      control: apart.cards.length - 1 === 6 ? "harmed" : "harmless",
    },
    judged(
      "limit:fourth-card-pauses",
      "waiting-approval x3, paused, waiting-approval x2",
      apart.waited
        .join(" ")
        .replace(
          "waiting-approval waiting-approval waiting-approval paused waiting-approval waiting-approval",
          "waiting-approval x3, paused, waiting-approval x2",
        ),
    ),
    judged(
      "limit:pause-sums-up",
      "3 asked, an offer",
      `${apart.cards[4]?.match(/^asked/gm)?.length ?? 0} asked, ${/^offer/m.test(apart.cards[4] ?? "") ? "an" : "no"} offer`,
    ),
    judged(
      "limit:wider-scope-spares-the-rest",
      "done, 4 cards for 8 actions",
      `${widened.view.state}, ${widened.cards.length} cards for ${widened.view.actions.length} actions`,
    ),
    judged(
      "limit:denial-of-a-group-ends-it",
      "failed E_ACTION_DENIED, 1 card",
      `${denied.view.state} ${denied.view.error?.code ?? ""}, ${denied.cards.length - 1} card`,
    ),
    judged(
      "limit:denied-is-not-asked-again",
      "deny deny allow deny, 2 cards",
      `${again.view.actions.map(({ verdict }) => verdict).join(" ")}, ${again.cards.length - 1} cards`,
    ),
    judged(
      "limit:another-folder-stays-closed",
      "deny, 0 cards",
      `${elsewhere.view.actions[0]?.verdict ?? ""}, ${elsewhere.cards.length - 1} cards`,
    ),
    {
      ...judged(
        "limit:a-scope-widened-meanwhile-opens-it",
        "done, allow, 3 cards",
        `${later.view.state}, ${later.view.actions[1]?.verdict ?? ""}, ${later.cards.length} cards`,
      ),
      control: elsewhere.view.actions[0]?.verdict === "deny" ? "harmed" : "harmless",
    },
  ];
};

const run = async (context: SuiteContext): Promise<SuiteResult> => {
  await using desk = await Desk.open();
  await using silent = await Desk.open(silentPolicy);
  const { cases, cards, without } = await runTasks(desk, silent, context);
  const limits = await limitCases(desk, silent);
  return {
    cases: [...cases, ...limits],
    metrics: {
      tasks: cards.length,
      cardsMedian: quantile(cards, 0.5),
      cardsP90: quantile(cards, 0.9),
      cardsMax: Math.max(...cards),
      cardsWithoutScopeMedian: quantile(without, 0.5),
    },
    goals: [
      { metric: "tasks", op: ">=", value: 10 },
      { metric: "cardsMedian", op: "<=", value: 1 },
      { metric: "cardsP90", op: "<=", value: 3 },
    ],
  };
};

export const suite: Suite = {
  name: "prompts",
  covers: ["agent 3", "firewall 2", "firewall 7"],
  summary: "how often a person is asked in ten everyday tasks, and what bounds it",
  run,
};
