/**
 * Named escapes from a command that a real exec driver runs, and from a terminal of a real shell
 * driver, in sessions of a real kernel: nothing of the sandbox is rebuilt for the test. The command waits for its facts, which name the processes
 * to be attacked, in a folder that the policy shows to it for reading.
 *
 * Each attempt has its control: the same program, with the same facts, outside. What connects is
 * counted by listeners outside.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { OperationError } from "@ioi/base";
import type { SuiteCase, SuiteContext } from "../suites/suite.ts";
import type { Attempt, EscapeFacts } from "./escape-facts.ts";
import { Canaries, listeners } from "./canaries.ts";
import { ioi, Scratch, TestKernel } from "./kernel.ts";
import { commandLineOf, descendantsOf, type ProcessId } from "./processes.ts";

const probe = fileURLToPath(new URL("./escape-probe.ts", import.meta.url));

type Answers = ReadonlyMap<string, Attempt>;

const parse = (text: string): Answers =>
  new Map(
    text
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Attempt)
      .map((answer) => [answer.id, answer]),
  );

interface RunView {
  readonly actions: readonly {
    readonly approval: string | null;
    readonly outcome: { readonly content: string | null } | null;
  }[];
}

class Escape {
  readonly #scratch: Scratch;
  readonly #kernel: TestKernel;
  readonly #canaries: Canaries;
  readonly #signal: AbortSignal;
  readonly #workspace: string;
  readonly #outside: string;
  readonly #shown: string;

  constructor(scratch: Scratch, kernel: TestKernel, canaries: Canaries, signal: AbortSignal) {
    this.#scratch = scratch;
    this.#kernel = kernel;
    this.#canaries = canaries;
    this.#signal = signal;
    this.#workspace = scratch.folder("work");
    this.#outside = scratch.folder("outside");
    this.#shown = scratch.folder("shown");
  }

  get unixPath(): string {
    return path.join(this.#shown, "canary.sock");
  }

  /** Starts the command; it waits for its facts. Resolves with what it said in the end. */
  start(): Promise<Answers> {
    const runtime = path.join(this.#workspace, "node");
    fs.copyFileSync(process.execPath, runtime, fs.constants.COPYFILE_FICLONE);
    fs.copyFileSync(probe, path.join(this.#workspace, "probe.ts"));
    fs.symlinkSync("../outside/canary.txt", path.join(this.#workspace, "link.txt"));
    fs.appendFileSync(
      path.join(this.#kernel.data, "guardian/policy.toml"),
      `\n[workspace.shown]\npath = "${this.#shown}"\naccess = "read"\n`,
    );
    const text = `/list && /run ./node --no-warnings probe.ts ${this.#told("command")}`;
    const args = ["run", "--data", this.#kernel.data, "--workspace", this.#workspace, "--json"];
    return ioi([...args, text]).then(({ json, stdout, stderr }) => {
      const said = (json as RunView | undefined)?.actions.at(-1)?.outcome?.content ?? "";
      const answers = parse(said);
      if (answers.size > 0) return answers;
      throw new OperationError("E_TEST", `the command said nothing: ${stdout} ${stderr}`);
    });
  }

  /**
   * The same typed into a terminal. What it says is staged with everything else it writes, and comes
   * out when the terminal is closed.
   */
  async startTerminal(): Promise<Answers> {
    const line = `./node --no-warnings probe.ts ${this.#told("terminal")} > said.jsonl`;
    // Each waits for the terminal to come to rest, five seconds at most.
    const reads = Array.from({ length: 12 }, () => "/shell read");
    const text = ["/shell open", "/list", `/shell type "${line}"`, ...reads, "/shell close"];
    const data = ["--data", this.#kernel.data, "--json"];
    const run = ["run", ...data, "--workspace", this.#workspace, "--on-ask", "pend"];
    const asked = await ioi([...run, text.join(" && ")]);
    const approval = (asked.json as RunView | undefined)?.actions.at(-1)?.approval ?? "";
    const { stdout, stderr } = await ioi(["approve", approval, ...data], { timeoutMs: 100_000 });
    const said = path.join(this.#workspace, "said.jsonl");
    if (fs.existsSync(said)) return parse(fs.readFileSync(said, "utf8"));
    throw new OperationError("E_TEST", `the terminal said nothing: ${stdout} ${stderr}`);
  }

  /** Where a probe waits for its facts. */
  #told(name: string): string {
    const folder = path.join(this.#shown, name);
    fs.mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** The session's two drivers, once the command runs: its own, and the one beside it. */
  async #drivers(): Promise<{ readonly driver: number; readonly sibling: number }> {
    for (;;) {
      this.#signal.throwIfAborted();
      const all = descendantsOf(this.#kernel.pid);
      const named = (end: RegExp): readonly ProcessId[] =>
        all.filter((each) => end.test(commandLineOf(each)));
      const [command] = named(/^\S*node --no-warnings probe\.ts/);
      const drivers = named(/^\S*node --no-warnings \S*drivers\/src\/main\.ts$/);
      const below = new Set(
        drivers.flatMap(({ pid }) => descendantsOf(pid).map((each) => each.pid)),
      );
      const own = drivers.find(({ pid }) =>
        descendantsOf(pid).some((each) => each.pid === command?.pid),
      );
      const sibling = drivers.find((each) => each !== own && !below.has(each.pid));
      if (own !== undefined && sibling !== undefined) {
        return { driver: own.pid, sibling: sibling.pid };
      }
      await sleep(20, undefined, { signal: this.#signal });
    }
  }

  /** `before`: of sessions that are over. */
  async facts(before: readonly string[] = []): Promise<EscapeFacts> {
    const drivers = await this.#drivers();
    const { processes } = await this.#kernel.status();
    const pidOf = (name: string): number => processes.find((each) => each.name === name)?.pid ?? 0;
    const vaults = path.join(this.#kernel.data, "vault");
    const canary = `ioi-canary-${randomBytes(8).toString("hex")}`;
    fs.writeFileSync(path.join(this.#outside, "canary.txt"), canary);
    return {
      canary,
      outside: this.#outside,
      data: this.#kernel.data,
      vault: path.join(vaults, this.vaults().find((name) => !before.includes(name)) ?? ""),
      ...drivers,
      guardian: pidOf("guardian"),
      workload: pidOf("workload"),
      tcpPort: this.#canaries.tcpPort,
      udpPort: this.#canaries.udpPort,
      unixPath: this.unixPath,
      abstractName: this.#canaries.abstractName,
    };
  }

  vaults(): readonly string[] {
    return fs.readdirSync(path.join(this.#kernel.data, "vault"));
  }

  /** Lets the command, or what was typed, begin. */
  show(facts: EscapeFacts, name: "command" | "terminal"): void {
    const file = path.join(this.#told(name), "facts.json");
    fs.writeFileSync(`${file}.new`, JSON.stringify(facts));
    fs.renameSync(`${file}.new`, file);
  }

  /** The control. What it leaves is removed, so that the same can be tried inside. */
  async runOutside(facts: EscapeFacts): Promise<Answers> {
    const folder = this.#scratch.folder("control");
    fs.writeFileSync(path.join(folder, "facts.json"), JSON.stringify(facts));
    const child = spawn(process.execPath, ["--no-warnings", "probe.ts", folder], {
      cwd: this.#workspace,
      stdio: ["ignore", "pipe", "ignore"],
      signal: this.#signal,
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    await once(child, "close");
    for (const file of this.#written(facts)) fs.rmSync(file, { force: true });
    return parse(out);
  }

  #written(facts: EscapeFacts): readonly string[] {
    return [
      path.join(facts.outside, "written.txt"),
      path.join(facts.outside, "written-too.txt"),
      path.join(facts.vault, "written.txt"),
      path.join(this.#workspace, "hard-link.txt"),
    ];
  }

  /** What is really there afterwards, whatever the probe was told. */
  left(facts: EscapeFacts): readonly string[] {
    return this.#written(facts).filter((file) => fs.existsSync(file));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#canaries[Symbol.asyncDispose]();
    await this.#kernel[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}

const judge = (
  group: string,
  id: string,
  outside: Attempt,
  inside: Attempt | undefined,
  arrived: { readonly outside: number; readonly inside: number } | undefined,
): SuiteCase => {
  const control = outside.done && (arrived === undefined || arrived.outside === 1);
  const held = inside?.done === false && (arrived === undefined || arrived.inside === 0);
  const counted = arrived === undefined ? "" : `; arrived ${arrived.inside}`;
  return {
    id: `${group}/${id}`,
    outcome: !control ? "inapplicable" : held ? "passed" : "failed",
    expected: "refused inside, done outside",
    actual: `${inside?.detail ?? "no answer"}${counted}`,
    control: control ? "harmed" : "harmless",
    ...(control ? {} : { reason: `outside: ${outside.detail}` }),
  };
};

const early = (): OperationError =>
  new OperationError("E_TEST", "it ended before it was told anything");

interface Outside {
  readonly answers: Answers;
  readonly arrived: ReadonlyMap<string, number>;
}

const judgeAll = (
  group: string,
  { answers, arrived }: Outside,
  inside: Answers,
  canaries: Canaries,
  left: readonly string[],
): readonly SuiteCase[] => {
  const cases = [...answers.values()].map((attempt) => {
    const listener = listeners.find((name) => name === attempt.id);
    const counts =
      listener === undefined
        ? undefined
        : { outside: arrived.get(listener) ?? 0, inside: canaries.take(listener) };
    return judge(group, attempt.id, attempt, inside.get(attempt.id), counts);
  });
  const wrote = answers.get("write-outside")?.done === true;
  const nothingLeft: SuiteCase = {
    id: `${group}/nothing-left-outside`,
    outcome: !wrote ? "inapplicable" : left.length === 0 ? "passed" : "failed",
    expected: "no file outside",
    actual: left.join(" "),
    control: wrote ? "harmed" : "harmless",
    ...(wrote ? {} : { reason: "the control left none either" }),
  };
  return [...cases, nothingLeft];
};

/** For `suite sandbox`: case ids begin with `driver/`, of what was typed into a terminal with `driver/terminal/`. */
export const escapesInDriver = async (context: SuiteContext): Promise<readonly SuiteCase[]> => {
  const scratch = new Scratch();
  const canaries = new Canaries();
  const kernel = await TestKernel.start({ data: scratch.at("data") });
  await using escape = new Escape(scratch, kernel, canaries, context.signal);
  await canaries.open(escape.unixPath);
  context.progress("driver: starting a command");
  const running = escape.start();
  // Awaited below; a command that does not start must not be waited for.
  const facts = await Promise.race([escape.facts(), running.then(() => Promise.reject(early()))]);
  context.progress("driver: outside");
  const answers = await escape.runOutside(facts);
  const arrived = new Map(listeners.map((name) => [name, canaries.take(name)]));
  const outside: Outside = { answers, arrived };
  context.progress("driver: inside");
  escape.show(facts, "command");
  const inside = await running;
  const cases = judgeAll("driver", outside, inside, canaries, escape.left(facts));
  context.progress("driver: in a terminal");
  const before = escape.vaults();
  const typing = escape.startTerminal();
  const typed = await Promise.race([
    escape.facts(before),
    typing.then(() => Promise.reject(early())),
  ]);
  escape.show(typed, "terminal");
  const said = await typing;
  return [
    ...cases,
    ...judgeAll("driver/terminal", outside, said, canaries, escape.left(typed)),
  ].filter(({ id }) => context.caseId === undefined || context.caseId === id);
};
