/**
 * `suite kill`: SIGKILL to a random process of the kernel at a random moment, again and again, while
 * sessions run commands that append a word of their own to one file and write files.
 *
 * - `ackLost`: an outcome that the kernel had shown as confirmed is not there any more, in the
 *   session, in the receipt log, or on the disk;
 * - `effectsTwice`: a word stands more than once in the file;
 * - `stuck`: a session does not come to rest in time after a kill.
 *
 * Where the kernel cannot know whether an effect happened it asks; the suite then answers as a
 * person would: by looking. Control: the same loop with a client that repeats its command after
 * each kill, without the kernel's memory, does run effects twice.
 */
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "@ioi/base";
import { leaf as leafSchema, type pb, schema } from "@ioi/wire";
import { Scratch, TestKernel } from "../lib/kernel.ts";
import { PatientClient, type SessionView } from "../lib/sessions.ts";
import { quantile, rounded } from "../lib/statistics.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const restMs = 30_000;
const victims = ["guardian", "workload", "orchestrator", "driver-files", "driver-exec", "launcher"];

/** Kernels beside each other: most of the time each of them waits for something to come back. */
const lanes = 2;
/** Each victim twice in the short form. */
const quickKills = 2 * victims.length;

interface Round {
  readonly token: string;
  readonly victim: string;
  readonly session: string;
  /** Why the client gave up, where it did. */
  readonly failure: string;
  /** Actions whose confirmed outcome was shown. */
  readonly shown: ReadonlySet<number>;
  readonly view: SessionView | undefined;
  readonly recoveryMs: number;
}

interface Place {
  readonly data: string;
  readonly workspace: string;
}

class KillLoop {
  readonly #context: SuiteContext;
  readonly #lane: number;
  readonly #data: string;
  readonly #workspace: string;
  readonly #client: PatientClient;
  readonly #random: SeededRandom;
  kernel: TestKernel;
  readonly rounds: Round[] = [];

  constructor(context: SuiteContext, lane: number, place: Place, kernel: TestKernel) {
    this.#context = context;
    this.#data = place.data;
    this.#workspace = place.workspace;
    this.#lane = lane;
    this.#random = new SeededRandom(`kill ${context.seed} ${lane}`);
    this.kernel = kernel;
    this.#client = new PatientClient(place.data, context.signal);
  }

  get client(): PatientClient {
    return this.#client;
  }

  async #pidOf(name: string): Promise<number | undefined> {
    if (name === "launcher") return this.kernel.pid;
    const { processes } = await this.kernel.status();
    const pids = processes.filter((process) => process.name === name).map((process) => process.pid);
    return pids.at(-1);
  }

  async #strike(victim: string): Promise<number | undefined> {
    try {
      const pid = (await this.#pidOf(victim)) ?? (await this.#pidOf("workload"));
      if (pid === undefined) return undefined;
      process.kill(pid, "SIGKILL");
      return performance.now();
    } catch {
      // It was on its way down or up already: nothing was killed.
      return undefined;
    }
  }

  async #revive(): Promise<void> {
    await this.kernel.exited;
    this.kernel = await TestKernel.start({ data: this.#data });
  }

  /** By chance; in the short form in turn, so that it takes each of them. */
  #victim(index: number): string {
    const drawn = this.#random.below(victims.length);
    const at = this.#context.quick ? index * lanes + this.#lane : drawn;
    return victims[at % victims.length] as string;
  }

  async round(index: number): Promise<boolean> {
    const token = `t${index}x${this.#random.below(1_000_000)}`;
    const victim = this.#victim(index);
    const waitMs = this.#random.below(700_000) / 1000;
    const text = `/run sh -c "echo ${token} >> log.txt" && /write w-${token}.txt ${token}`;
    const shown = new Set<number>();
    this.#client.onUpdate = ({ actions }) => {
      for (const { n, outcome } of actions) {
        // A command that was itself killed ended badly, and says so.
        const succeeded = (outcome?.evidence["exitCode"] ?? "0") === "0";
        if (outcome?.status === "confirmed" && succeeded) shown.add(n);
      }
    };
    const session = await this.#client.utter(text, this.#workspace, restMs);
    let failure = "";
    const running = this.#client
      .run(session, text, this.#workspace, restMs)
      .catch((error: unknown) => {
        failure = error instanceof Error ? error.message : String(error);
        return undefined;
      });
    await sleep(waitMs, undefined, { signal: this.#context.signal });
    const struck = await this.#strike(victim);
    const reviving =
      struck !== undefined && victim === "launcher" ? this.#revive() : Promise.resolve();
    const [view] = await Promise.all([this.#settled(session, token, text, running), reviving]);
    this.rounds.push({
      token,
      victim: struck === undefined ? "none" : victim,
      session,
      failure,
      shown,
      view,
      recoveryMs: struck === undefined ? Number.NaN : performance.now() - struck,
    });
    return struck !== undefined;
  }

  /** Answers what the kernel cannot know, by looking at the file, until the session has ended. */
  async #settled(
    session: string,
    token: string,
    text: string,
    running: Promise<SessionView | undefined>,
  ): Promise<SessionView | undefined> {
    let view = await running;
    for (let i = 0; view?.state === "paused" && i < 4; i++) {
      const unknown = view.actions.at(-1);
      const happened =
        unknown?.target === "fs::write"
          ? fs.existsSync(path.join(this.#workspace, `w-${token}.txt`))
          : countIn(path.join(this.#workspace, "log.txt"), token) > 0;
      await this.#client.resolve(session, happened, restMs);
      view = await this.#client.run(session, text, this.#workspace, restMs).catch(() => undefined);
    }
    return view;
  }
}

const countIn = (file: string, token: string): number =>
  fs.existsSync(file)
    ? fs
        .readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line === token).length
    : 0;

/** Sessions and tickets whose outcome the receipt log holds, as "session/status" counts. */
const outcomesBySession = (receipts: readonly pb.Receipt[]): ReadonlyMap<string, number> => {
  const confirmed = new Map<string, number>();
  for (const receipt of receipts) {
    const leaf = schema.decode(leafSchema, receipt.leaf);
    if (!leaf.ok || leaf.value.type !== "outcome" || leaf.value.status !== "confirmed") continue;
    confirmed.set(leaf.value.session, (confirmed.get(leaf.value.session) ?? 0) + 1);
  }
  return confirmed;
};

interface Found {
  readonly lost: number;
  readonly twice: number;
  readonly stuck: number;
}

const nothing: Found = { lost: 0, twice: 0, stuck: 0 };
const plus = (a: Found, b: Found): Found => ({
  lost: a.lost + b.lost,
  twice: a.twice + b.twice,
  stuck: a.stuck + b.stuck,
});

const judge = (round: Round, workspace: string, confirmed: ReadonlyMap<string, number>): Found => {
  const appended = countIn(path.join(workspace, "log.txt"), round.token);
  const written = fs.existsSync(path.join(workspace, `w-${round.token}.txt`));
  let lost = 0;
  if (round.shown.has(1) && appended === 0) lost++;
  if (round.shown.has(2) && !written) lost++;
  if ((confirmed.get(round.session) ?? 0) < round.shown.size) lost++;
  for (const n of round.shown) {
    const action = round.view?.actions.find((each) => each.n === n);
    if (round.view !== undefined && action?.outcome?.status !== "confirmed") lost++;
  }
  const ended = ["done", "failed", "stopped"].includes(round.view?.state ?? "");
  return { lost, twice: appended > 1 ? 1 : 0, stuck: ended ? 0 : 1 };
};

/** Without the kernel's memory: after a kill the command is simply given again. */
const controlRuns = async (context: SuiteContext, scratch: Scratch): Promise<boolean> => {
  const workspace = scratch.folder("control-work");
  const file = path.join(workspace, "log.txt");
  for (let attempt = 0; attempt < 20; attempt++) {
    const data = scratch.at(`control-${attempt}`);
    await using kernel = await TestKernel.start({ data });
    const patient = new PatientClient(data, context.signal);
    const token = `c${attempt}`;
    const text = `/run sh -c "echo ${token} >> log.txt"`;
    const session = await patient.utter(text, workspace, restMs);
    patient.run(session, text, workspace, restMs).catch(() => undefined);
    while (countIn(file, token) === 0) await sleep(2, undefined, { signal: context.signal });
    kernel.kill();
    await kernel.exited;
    await using again = await TestKernel.start({ data: scratch.at(`control-${attempt}-again`) });
    const fresh = new PatientClient(again.data, context.signal);
    const repeated = await fresh.utter(text, workspace, restMs);
    await fresh.run(repeated, text, workspace, restMs);
    if (countIn(file, token) > 1) return true;
  }
  return false;
};

interface LaneResult {
  readonly cases: readonly SuiteCase[];
  readonly kills: number;
  readonly found: Found;
  readonly recoveriesMs: readonly number[];
}

const judgeLane = async (
  loop: KillLoop,
  lane: number,
  workspace: string,
): Promise<Omit<LaneResult, "kills">> => {
  const confirmed = outcomesBySession(await loop.client.receipts(restMs));
  const judged = loop.rounds.map((round) => judge(round, workspace, confirmed));
  const cases = loop.rounds.map((round, index): SuiteCase => {
    const found = judged[index] ?? nothing;
    return {
      id: `round-${lane}-${index}-${round.victim}`,
      outcome: found.lost + found.twice + found.stuck === 0 ? "passed" : "failed",
      expected: "nothing lost, nothing twice, at rest",
      actual: `${JSON.stringify(found)} ${round.failure} ${JSON.stringify(round.view ?? null).slice(0, 600)}`,
    };
  });
  const recoveriesMs = loop.rounds.map((r) => r.recoveryMs).filter((ms) => !Number.isNaN(ms));
  return { cases, found: judged.reduce(plus, nothing), recoveriesMs };
};

/** One kernel that is killed again and again. */
const runLane = async (
  context: SuiteContext,
  scratch: Scratch,
  lane: number,
  kills: number,
): Promise<LaneResult> => {
  const place = { data: scratch.at(`data-${lane}`), workspace: scratch.folder(`work-${lane}`) };
  const kernel = await TestKernel.start({ data: place.data });
  const loop = new KillLoop(context, lane, place, kernel);
  let done = 0;
  try {
    for (let index = 0; done < kills && index < kills * 3; index++) {
      context.signal.throwIfAborted();
      if (await loop.round(index)) done++;
      if (done % 10 === 0) context.progress(`kernel ${lane}: ${done} of ${kills} kills`);
    }
    return { ...(await judgeLane(loop, lane, place.workspace)), kills: done };
  } finally {
    loop.kernel.kill();
    await loop.kernel.exited;
  }
};

/** All of them have ended when this does, also where one failed. */
const together = async (
  control: Promise<boolean>,
  running: readonly Promise<LaneResult>[],
): Promise<readonly [boolean, ...LaneResult[]]> => {
  const ended = await Promise.allSettled([control, ...running]);
  for (const each of ended) if (each.status === "rejected") throw each.reason;
  return [await control, ...(await Promise.all(running))];
};

export const suite: Suite = {
  name: "kill",
  covers: ["architecture 3", "agent 1"],
  summary: "SIGKILL at any moment: nothing acknowledged is lost, no effect happens twice",
  async run(context) {
    const kills = Number(context.params["kills"] ?? (context.quick ? quickKills : 150));
    using scratch = new Scratch();
    const shares = Array.from({ length: lanes }, (_, lane) =>
      Math.floor((kills + lanes - 1 - lane) / lanes),
    );
    const running = shares.map((share, lane) => runLane(context, scratch, lane, share));
    const [harmed, ...results] = await together(controlRuns(context, scratch), running);
    const control: SuiteCase = {
      id: "control-repeated-by-hand",
      outcome: harmed ? "passed" : "inapplicable",
      reason: "an effect happens twice where a command is repeated without the kernel's memory",
      control: harmed ? "harmed" : "harmless",
    };
    const { lost, twice, stuck } = results.reduce((sum, { found }) => plus(sum, found), nothing);
    const recoveries = results.flatMap(({ recoveriesMs }) => recoveriesMs);
    return {
      cases: [...results.flatMap(({ cases }) => cases), control],
      metrics: {
        kills: results.reduce((sum, each) => sum + each.kills, 0),
        ackLost: lost,
        effectsTwice: twice,
        stuck,
        recoveryP99Ms: rounded(quantile(recoveries, 0.99), 0),
        recoveryP50Ms: rounded(quantile(recoveries, 0.5), 0),
      },
      goals: [
        { metric: "kills", op: ">=", value: kills },
        { metric: "ackLost", op: "=", value: 0 },
        { metric: "effectsTwice", op: "=", value: 0 },
        { metric: "stuck", op: "=", value: 0 },
      ],
    };
  },
};
