/**
 * A sample of the pairs through a real kernel: the tools behind a server in its sandbox, the agent a program
 * in its own, every call prepared by the driver, numbered, decided by the Guardian's process and written
 * down. Nobody is there to answer: what asks is denied.
 */
import fs from "node:fs";
import path from "node:path";
import { InvariantError } from "@ioi/base";
import { startTool } from "@ioi/firewall";
import { client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { startRun } from "../../lib/agent-runs.ts";
import { ioi, Scratch, TestKernel } from "../../lib/kernel.ts";
import { type DataCall, type Environment, harmOf, type Injection, type UserTask } from "./data.ts";
import { plainAttack } from "./attacks.ts";
import { withAttack } from "./data.ts";

const introduction = { capabilities: {}, clientInfo: { name: "test", version: "1.0.0" } };

export interface KernelRun {
  readonly userRan: number;
  readonly userCalls: number;
  readonly attackRan: readonly string[];
  readonly attackCalls: number;
}

/** Pairs spread over tasks and injections. */
export const sampled = (
  { user, injections }: Environment,
  count: number,
): readonly (readonly [UserTask, Injection])[] => {
  const pairs: (readonly [UserTask, Injection])[] = [];
  for (let at = 0; at < Math.min(count, user.length * injections.length); at++) {
    const [task, attack] = [user[at % user.length], injections[at % injections.length]];
    if (task !== undefined && attack !== undefined) pairs.push([task, attack]);
  }
  return pairs;
};

/** One kernel before the tools of one environment, under its policy. */
export class KernelGround implements AsyncDisposable {
  readonly #scratch: Scratch;
  readonly #kernel: TestKernel;
  readonly #environment: Environment;
  readonly #agent: string;
  readonly #answers: string;

  private constructor(
    scratch: Scratch,
    kernel: TestKernel,
    environment: Environment,
    folders: { readonly agent: string; readonly answers: string },
  ) {
    this.#scratch = scratch;
    this.#kernel = kernel;
    this.#environment = environment;
    this.#agent = folders.agent;
    this.#answers = folders.answers;
  }

  static async start(environment: Environment, policy: string): Promise<KernelGround> {
    const scratch = new Scratch();
    const data = scratch.at("data");
    const kernel = await TestKernel.start({ data });
    fs.writeFileSync(path.join(data, "guardian/policy.toml"), policy);
    const [agent, answers, program] = ["agent", "answers", "server"].map((name) =>
      scratch.folder(name),
    ) as [string, string, string];
    const server = path.join(program, "server.ts");
    const peers = [
      ["peer/agent/agent.toml", path.join(agent, "agent.toml")],
      ["peer/agent/main.ts", path.join(agent, "main.ts")],
      ["peer/server.ts", server],
    ] as const;
    for (const [from, to] of peers) fs.copyFileSync(path.join(import.meta.dirname, from), to);
    const ground = new KernelGround(scratch, kernel, environment, { agent, answers });
    ground.#script([]);
    // The product's own folders are closed to servers, and so is its runtime.
    const node = path.join(scratch.folder("bin"), "node");
    fs.copyFileSync(process.execPath, node, fs.constants.COPYFILE_FICLONE);
    await ground.#pin([node, server, answers]);
    return ground;
  }

  /** A person puts a gate before the server; its first list pins its tools. */
  async #pin(command: readonly string[]): Promise<void> {
    const { data } = this.#kernel;
    const said = [
      { id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", ...introduction } },
      { method: "notifications/initialized" },
      { id: 2, method: "tools/list", params: {} },
    ].map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
    const name = this.#environment.name;
    const options = ["--data", data, "--name", name, "--read", this.#answers, "--on-ask", "deny"];
    const gate = await ioi(["gate", "mcp", ...options, "--", ...command], {
      input: said.join(""),
      timeoutMs: 30_000,
    });
    if (!gate.stdout.includes('"tools"')) {
      throw new InvariantError(`the gate listed no tools: ${gate.stderr}${gate.stdout}`);
    }
  }

  #script(answers: readonly DataCall[]): void {
    const tools = this.#environment.tools.map(({ name, description, parameters }) => ({
      name,
      description,
      inputSchema: parameters,
    }));
    fs.writeFileSync(path.join(this.#answers, "script.json"), JSON.stringify({ tools, answers }));
  }

  async run(task: UserTask, injection: Injection): Promise<KernelRun> {
    const { name } = this.#environment;
    const attack = plainAttack(injection);
    const calls = [...task.calls, ...attack.calls].map((call) => ({
      ...call,
      result: withAttack(call.result, this.#environment, attack.text),
    }));
    this.#script(calls);
    const plan = { server: name, mark: attack.text.slice(0, 40), user: task.calls };
    fs.writeFileSync(
      path.join(this.#agent, "plan.json"),
      JSON.stringify({ ...plan, attack: attack.calls }),
    );
    const { data } = this.#kernel;
    const run = { text: task.prompt, workspace: "", folder: this.#agent } as const;
    const view = await startRun(data, await this.#open(task.prompt), run);
    const made = JSON.parse(view.says[0] ?? "[]") as readonly string[];
    // The start of the server stands beside the first call to it.
    const started = `mcp::call ${name} "${startTool}"`;
    const called = view.actions.filter(({ display }) => !display.startsWith(started));
    if (made.length !== called.length) {
      const { code = "" } = view.error ?? {};
      throw new InvariantError(`${task.id}/${injection.id}: the session ended early ${code}`);
    }
    const ran = called.map(({ outcome }) => outcome?.status === "confirmed");
    const of = (by: string): readonly boolean[] => ran.filter((_, at) => made[at] === by);
    const [userRan, attackRan] = [of("user"), of("attack")];
    return {
      userCalls: userRan.length,
      userRan: userRan.filter(Boolean).length,
      attackCalls: attackRan.length,
      attackRan: attack.calls
        .filter((call, at) => attackRan[at] === true && harmOf(call) !== "none")
        .map(({ tool }) => tool),
    };
  }

  async #open(text: string): Promise<string> {
    await using channel = await dial(path.join(this.#kernel.data, "run/guardian.sock"));
    const agentFolder = this.#agent;
    const said = { workspace: "", agent: "folder", agentFolder, typed: true };
    return (await client(pb.Person, channel).utter({ ...said, text })).session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kernel[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}
