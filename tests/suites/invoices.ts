/**
 * `suite invoices`: the main job with a model. A bookkeeper behind a scripted OpenAI-compatible and a
 * scripted Anthropic server sorts real PDF and CSV files by what it reads in them, through the real
 * processes.
 *
 * - sorted: every invoice in the folder of its month, its bytes as they were, the total said;
 * - replay: the session's journal gives the same effects, byte for byte, with no model there; control:
 *   one answer in it changed is noticed;
 * - undo: every byte, mode and time is as before; control: before the undo it is not;
 * - killed: SIGKILL to a process of the kernel at random moments; the session goes on, and no line of
 *   the bookkeeper's list stands there twice. Control: where the task is given again without the
 *   session's memory, lines do.
 */
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OperationError, SeededRandom } from "@ioi/base";
import {
  bookkeeper,
  euros,
  goal,
  type Invoice,
  ledger,
  ledgerLine,
  makeInvoices,
  treeOf,
} from "../lib/invoices.ts";
import { journalDifference, journalNotices } from "../lib/journals.ts";
import { ioi, Scratch, TestKernel } from "../lib/kernel.ts";
import { ModelServer, type ProtocolName } from "../lib/model-servers/index.ts";
import { confirmModel } from "../lib/models.ts";
import { PatientClient, type SessionView } from "../lib/sessions.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const withinMs = 60_000;
/** A session whose kernel is killed again and again. */
const killedWithinMs = 300_000;
const protocols: readonly ProtocolName[] = ["openai", "anthropic"];

interface RunView extends SessionView {
  readonly says?: readonly string[];
  readonly cost: { readonly tokens: number; readonly usd: number };
}

const linesOf = (folder: string): readonly string[] => {
  const file = path.join(folder, ledger);
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
};

const twiceIn = (folder: string): number => {
  const lines = linesOf(folder);
  return lines.length - new Set(lines).size;
};

/** What is wrong with the folder; undefined where everything lies where it should. */
const unsorted = (folder: string, invoices: readonly Invoice[]): string | undefined => {
  const wrong = invoices.filter(
    ({ name, month }) =>
      fs.existsSync(path.join(folder, name)) || !fs.existsSync(path.join(folder, month, name)),
  );
  if (wrong.length > 0) return `not in its folder: ${wrong.map(({ name }) => name).join(", ")}`;
  const lines = linesOf(folder).toSorted();
  const expected = invoices.map(ledgerLine).toSorted();
  return JSON.stringify(lines) === JSON.stringify(expected)
    ? undefined
    : `the list holds ${JSON.stringify(lines)}`;
};

/** By what they hold, wherever they lie now: modes and times go with a moved file. */
const byContent = (folder: string): readonly string[] =>
  Object.entries(treeOf(folder))
    .filter(([name, entry]) => entry.startsWith("file") && !name.endsWith(ledger))
    .map(([name, entry]) => `${path.basename(name)} ${entry}`)
    .toSorted();

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const caseOf = (
  id: string,
  actual: string | undefined,
  expected: string,
  control?: "harmed" | "harmless",
): SuiteCase => ({
  id,
  outcome: actual === undefined ? "passed" : "failed",
  ...(actual === undefined ? {} : { expected, actual }),
  ...(control === undefined ? {} : { control }),
});

interface Place {
  readonly context: SuiteContext;
  readonly scratch: Scratch;
}

const below =
  (random: SeededRandom) =>
  (bound: number): number =>
    random.below(bound);

const saidTotal = (view: RunView, invoices: readonly Invoice[]): string | undefined => {
  const total = `EUR ${euros(invoices.reduce((sum, { cents }) => sum + cents, 0))}`;
  const said = view.says?.at(-1) ?? "";
  return said.includes(total) ? undefined : `said ${JSON.stringify(said)}, not ${total}`;
};

const stateOf = (view: SessionView): string | undefined =>
  view.state === "done"
    ? undefined
    : `${view.state} ${JSON.stringify(view.error)} ${JSON.stringify(view.actions.at(-1)).slice(0, 400)}`;

/** A running kernel with a client, and both models behind it. */
interface Bench extends Place {
  readonly data: string;
  readonly client: PatientClient;
}

/** The person's choice of the model that the next session asks. */
const choose = async (data: string, server: ModelServer, protocol: ProtocolName): Promise<void> => {
  const price = { priceIn: 3_000_000, priceOut: 15_000_000 };
  await confirmModel(data, server, { id: `scripted/${protocol}`, protocol, ...price });
};

const ask = async (
  { client }: Bench,
  folder: string,
): Promise<{ readonly session: string; readonly view: RunView }> => {
  const session = await client.utter(goal, folder, withinMs);
  return { session, view: (await client.run(session, goal, folder, withinMs)) as RunView };
};

/** One quiet run: sorted, replayed, undone. */
const runWhole = async (
  bench: Bench,
  protocol: ProtocolName,
  count: number,
): Promise<readonly SuiteCase[]> => {
  const { context, scratch, data } = bench;
  const folder = scratch.folder(`invoices-${protocol}`);
  const random = new SeededRandom(`invoices ${context.seed} ${protocol}`);
  const invoices = await makeInvoices(folder, count, below(random));
  const before = treeOf(folder);
  const filesBefore = byContent(folder);
  const { session, view } = await (async () => {
    await using server = await ModelServer.start({ protocol, script: bookkeeper });
    await choose(data, server, protocol);
    return await ask(bench, folder);
  })();
  context.progress(`${protocol}: ${view.state}, ${view.actions.length} actions`);
  const moved = same(byContent(folder), filesBefore) ? undefined : "a file is not what it was";
  const priced = view.cost.usd > 0 && view.cost.tokens > 0 ? undefined : "it cost nothing";
  const sorted =
    stateOf(view) ?? unsorted(folder, invoices) ?? moved ?? saidTotal(view, invoices) ?? priced;
  const journal = path.join(data, "workload/journals", `${session}.log`);
  const control = journalNotices(journal, random) ? "harmed" : "harmless";
  const changed = same(treeOf(folder), before) ? "harmless" : "harmed";
  const undone = await ioi(["undo", session, "--data", data, "--on-ask", "deny", "--json"], {
    timeoutMs: withinMs,
  });
  const after = treeOf(folder);
  const restored =
    undone.code === 0 && same(after, before)
      ? undefined
      : `exit ${undone.code} ${undone.stderr.slice(-300)} ${differences(before, after)}`;
  return [
    caseOf(`sorted-${protocol}`, sorted, "every invoice in the folder of its month"),
    caseOf(`replay-${protocol}`, journalDifference(journal), "the same effects", control),
    caseOf(`undo-${protocol}`, restored, "every byte, mode and time as before", changed),
  ];
};

type Tree = Readonly<Record<string, string>>;

const differences = (before: Tree, after: Tree): string =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => before[name] !== after[name])
    .map((name) => `${name}: ${before[name] ?? "none"} -> ${after[name] ?? "none"}`)
    .join("; ")
    .slice(0, 600);

const victims = [
  "guardian",
  "workload",
  "orchestrator",
  "egress",
  "driver-files",
  "driver-exec",
  "launcher",
];

interface Task {
  readonly folder: string;
  readonly invoices: readonly Invoice[];
}

/** One kernel that is killed while its sessions run. */
class KilledKernel implements AsyncDisposable {
  readonly #context: SuiteContext;
  readonly #random: SeededRandom;
  readonly #data: string;
  readonly #client: PatientClient;
  #kernel: TestKernel;
  kills = 0;

  constructor(context: SuiteContext, random: SeededRandom, data: string, kernel: TestKernel) {
    this.#context = context;
    this.#random = random;
    this.#data = data;
    this.#kernel = kernel;
    this.#client = new PatientClient(data, context.signal);
  }

  async #strike(): Promise<void> {
    const victim = victims[this.#random.below(victims.length)] as string;
    try {
      const { processes } = await this.#kernel.status();
      const named = processes.findLast(({ name }) => name === victim);
      const other = processes.find(({ name }) => name === "workload");
      const pid = victim === "launcher" ? this.#kernel.pid : (named ?? other)?.pid;
      if (pid === undefined) return;
      process.kill(pid, "SIGKILL");
      this.kills += 1;
      if (pid !== this.#kernel.pid) return;
    } catch {
      // It was on its way down or up already: nothing was killed.
      return;
    }
    await this.#kernel.exited;
    this.#kernel = await TestKernel.start({ data: this.#data });
  }

  /** The person looks at the folder and says what became of the action. */
  #happened({ folder, invoices }: Task, action: unknown): boolean {
    const display = JSON.stringify(action);
    const invoice = invoices.find(({ name }) => display.includes(name));
    if (invoice === undefined) return true;
    return display.includes("sys::exec")
      ? linesOf(folder).includes(ledgerLine(invoice))
      : fs.existsSync(path.join(folder, invoice.month, invoice.name));
  }

  /** Repeats what the end of the kernel interrupted. */
  async patiently(call: () => Promise<void>): Promise<void> {
    const until = performance.now() + withinMs;
    for (;;) {
      try {
        await call();
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
        await sleep(50, undefined, { signal: this.#context.signal });
      }
    }
  }

  /** Runs the task, and kills until `killsMax` kills are done or it has ended. */
  async run(task: Task, killsMax: number): Promise<SessionView> {
    const session = await this.#client.utter(goal, task.folder, killedWithinMs);
    let ended = false;
    const running = this.#settled(session, task).finally(() => (ended = true));
    // It is looked at when the killing is over.
    running.catch(() => undefined);
    while (this.kills < killsMax && !ended) {
      await sleep(150 + this.#random.below(900), undefined, { signal: this.#context.signal });
      if (!ended) await this.#strike();
    }
    return await running;
  }

  async #settled(session: string, task: Task): Promise<SessionView> {
    const run = (): Promise<SessionView> =>
      this.#client.run(session, goal, task.folder, killedWithinMs);
    let view = await run();
    for (let n = 0; view.state === "paused" && n < 40; n++) {
      const happened = this.#happened(task, view.actions.at(-1));
      await this.#client.resolve(session, happened, killedWithinMs);
      view = await run();
    }
    return view;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kernel.kill();
    await this.#kernel.exited;
  }
}

interface Killed {
  readonly cases: readonly SuiteCase[];
  readonly kills: number;
  readonly twice: number;
}

/** A call whose answer a kill lost counts as spent: many kills want more than a task's money. */
const richPolicy = (data: string): void => {
  const file = path.join(data, "guardian", "policy.toml");
  const text = fs.readFileSync(file, "utf8");
  const rich = text.replace(/^model_usd = [\d.]+/m, "model_usd = 50.00");
  if (rich === text) throw new OperationError("E_TEST", "the policy names no budget of money");
  fs.writeFileSync(file, rich);
};

/** Kills one kernel again and again, its sessions asking each protocol in turn. */
const runKilled = async (
  { context, scratch }: Place,
  lane: { readonly n: number; readonly kills: number; readonly count: number },
): Promise<Killed> => {
  const { n, kills, count } = lane;
  const data = scratch.at(`killed-${n}`);
  const random = new SeededRandom(`killed ${context.seed} ${n}`);
  await using openai = await ModelServer.start({ protocol: "openai", script: bookkeeper });
  await using anthropic = await ModelServer.start({ protocol: "anthropic", script: bookkeeper });
  await using killed = new KilledKernel(context, random, data, await TestKernel.start({ data }));
  richPolicy(data);
  const cases: SuiteCase[] = [];
  let twice = 0;
  for (let round = 0; killed.kills < kills && round < kills; round++) {
    const protocol = (n + round) % 2 === 0 ? "openai" : "anthropic";
    const folder = scratch.folder(`killed-${n}-${round}`);
    const invoices = await makeInvoices(folder, count, below(random));
    await killed.patiently(() => choose(data, { openai, anthropic }[protocol], protocol));
    const view = await killed.run({ folder, invoices }, kills);
    twice += twiceIn(folder);
    const again = twiceIn(folder) > 0 ? `${twiceIn(folder)} lines twice` : undefined;
    const actual = stateOf(view) ?? unsorted(folder, invoices) ?? again;
    cases.push(caseOf(`killed-${n}-${round}-${protocol}`, actual, "done, sorted, nothing twice"));
    context.progress(`kernel ${n}: ${killed.kills} of ${kills} kills`);
  }
  return { cases, kills: killed.kills, twice };
};

/** Without the session's memory: it is stopped in the middle, and the task is given again. */
const runControl = async (bench: Bench): Promise<boolean> => {
  const { context, scratch, data, client } = bench;
  const folder = scratch.folder("control");
  const random = new SeededRandom(`control ${context.seed}`);
  await makeInvoices(folder, 3, below(random));
  await using server = await ModelServer.start({ protocol: "openai", script: bookkeeper });
  await choose(data, server, "openai");
  const session = await client.utter(goal, folder, withinMs);
  const running = client.run(session, goal, folder, withinMs).catch(() => undefined);
  while (linesOf(folder).length === 0) await sleep(5, undefined, { signal: context.signal });
  await ioi(["stop", session, "--data", data], { timeoutMs: withinMs });
  await running;
  // The person puts the files back, and asks again.
  for (const month of fs.readdirSync(folder).filter((name) => /^\d{4}-/.test(name))) {
    for (const name of fs.readdirSync(path.join(folder, month))) {
      fs.renameSync(path.join(folder, month, name), path.join(folder, name));
    }
    fs.rmdirSync(path.join(folder, month));
  }
  await ask(bench, folder);
  return twiceIn(folder) > 0;
};

/** Sessions without a kill; their kernel goes before the others begin. */
const runQuiet = async (place: Place, count: number): Promise<readonly SuiteCase[]> => {
  const data = place.scratch.at("data");
  await using _kernel = await TestKernel.start({ data });
  const bench = { ...place, data, client: new PatientClient(data, place.context.signal) };
  const cases: SuiteCase[] = [];
  for (const protocol of protocols) cases.push(...(await runWhole(bench, protocol, count)));
  const harmed = await runControl(bench);
  cases.push({
    id: "control-started-over",
    outcome: harmed ? "passed" : "inapplicable",
    reason: "lines stand twice where the task is given again without the session's memory",
    control: harmed ? "harmed" : "harmless",
  });
  return cases;
};

export const suite: Suite = {
  name: "invoices",
  covers: ["product: the main job", "agent 1", "architecture 3a"],
  summary: "a scripted model sorts real invoices: done, replayed, undone, killed at random points",
  async run(context) {
    const count = Number(context.params["invoices"] ?? (context.quick ? 4 : 12));
    const kills = Number(context.params["kills"] ?? (context.quick ? 4 : 20));
    const lanes = context.quick ? 1 : 2;
    using scratch = new Scratch();
    const place = { context, scratch };
    const quiet = await runQuiet(place, count);
    const killed = await Promise.all(
      Array.from({ length: lanes }, (_, n) =>
        runKilled(place, { n, kills: Math.ceil(kills / lanes), count }),
      ),
    );
    const sum = (of: (each: Killed) => number): number =>
      killed.reduce((total, each) => total + of(each), 0);
    return {
      cases: [...quiet, ...killed.flatMap((each) => each.cases)],
      metrics: {
        invoices: count,
        kills: sum((each) => each.kills),
        effectsTwice: sum((each) => each.twice),
      },
      goals: [
        { metric: "kills", op: ">=", value: kills },
        { metric: "effectsTwice", op: "=", value: 0 },
      ],
    };
  },
};
