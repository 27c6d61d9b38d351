/** Agents that decide by themselves, in a workload whose other ends are doubles. */
import assert from "node:assert/strict";
import test from "node:test";
import type { RunView } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import type { AgentLink } from "../src/ends.ts";
import type { SessionOutput, SessionUpdate } from "../src/runner.ts";
import type { Sessions, StartInput } from "../src/sessions.ts";
import { boot, temporaryFolder, World } from "./doubles.ts";

const model = {
  id: "test/one",
  url: "http://127.0.0.1:1/v1",
  protocol: "openai",
  name: "one",
  contextTokens: 32_768,
  inputMicrousd: 1_000_000,
  outputMicrousd: 1_000_000,
} as const;

const reply = (text: string, ...calls: readonly (readonly [string, object])[]): string =>
  JSON.stringify({
    text,
    calls: calls.map(([name, given], at) => ({
      id: `c${at}`,
      name,
      arguments: JSON.stringify(given),
    })),
    finish: calls.length === 0 ? "stop" : "calls",
    usage: { input: 1, output: 1, cached: 0 },
  });

const worldWith = (answers: readonly string[]): World & { readonly prompts: string[] } => {
  const prompts: string[] = [];
  const world = Object.assign(new World(), { prompts });
  world.models = [model];
  world.model = async (prompt) => {
    prompts.push(prompt);
    return answers[Math.min(prompts.length, answers.length) - 1] ?? "";
  };
  return world;
};

const goal = { text: "do it", agent: "model" } as const;
const { signal } = new AbortController();

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "none";
  } catch (error) {
    if (error instanceof OperationError) return error.code;
    throw error;
  }
};

test("a model's session: where it is reached comes from the registry, its calls are performed", async () => {
  using folder = temporaryFolder();
  const world = worldWith([
    reply("", ["fs_read", { path: "a.txt" }]),
    reply("", ["fs_write", { path: "b.txt", create: "new", content: "x" }]),
    reply("Done."),
  ]);
  await using workload = await boot(folder.path, world);
  const { state, view } = await workload.run(goal);
  assert.equal(state, "done", view.error?.message ?? "");
  assert.equal(view.model, "test/one");
  assert.equal(world.files.get("/w/b.txt"), "x");
  assert.match(world.prompts[1] ?? "", /hi\\n\\n<<<end/);
  const proposed = new TextDecoder().decode(world.proposals[0]?.action);
  for (const part of ["http://127.0.0.1:1/v1", "openai", "price_in"]) {
    assert.ok(proposed.includes(part), part);
  }
});

test("without a model, or without the one that was named, nothing is proposed", async () => {
  using folder = temporaryFolder();
  const world = new World();
  await using workload = await boot(folder.path, world);
  const none = await workload.run(goal);
  assert.equal(none.view.error?.code, "E_MODEL_UNAVAILABLE");
  world.models = [model];
  const other = await workload.run({ ...goal, session: "s-2", model: "other/two" });
  assert.equal(other.view.error?.code, "E_MODEL_UNAVAILABLE");
  assert.match(other.view.error?.message ?? "", /other\/two/);
  assert.equal(world.proposals.length, 0);
});

test("a reply too long to stand in place is read from where it is kept, also after a restart", async () => {
  using folder = temporaryFolder();
  const long = reply(`${"thought ".repeat(12_000)}`, ["fs_read", { path: "a.txt" }]);
  const world = worldWith([long, reply("Done.")]);
  world.models = [{ ...model, contextTokens: 131_072 }];
  world.verdict = (target) => (target === "fs::read" ? "ask" : "allow");
  {
    await using workload = await boot(folder.path, world);
    const { state, view } = await workload.run(goal);
    assert.equal(state, "waiting-approval");
    assert.equal(view.actions[0]?.outcome?.handle, "contents/s-1/1");
  }
  await using workload = await boot(folder.path, world);
  const following = workload.view("s-1");
  world.approved.add("s-1");
  const approval = `a-${world.counter}`;
  const { view: waiting } = await following;
  workload.gate.people.push({
    session: "s-1",
    approval: waiting.actions[1]?.approval ?? approval,
    approved: true,
    reason: "",
    expired: false,
  });
  await world.until(() => world.closed.length > 0);
  const { state, view } = await workload.view("s-1");
  assert.equal(state, "done", JSON.stringify(view.error));
  assert.equal(world.prompts.length, 2);
});

const begin = async (sessions: Sessions, more: Partial<StartInput> = {}): Promise<void> => {
  await sessions.start({ session: "s-1", workspace: "/w", onAsk: "pend", ...goal, ...more });
};

test("a pause rests after the action under way; a word and a resume go on", async () => {
  using folder = temporaryFolder();
  const world = worldWith([reply("", ["fs_read", { path: "a.txt" }]), reply("Done.")]);
  const answer = world.model;
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  world.model = async (prompt) => {
    const answered = await answer(prompt);
    world.touch();
    await held;
    return answered;
  };
  await using workload = await boot(folder.path, world);
  const { sessions } = workload;
  await begin(sessions);
  await world.until(() => world.prompts.length === 1);
  await sessions.give("s-1", { type: "pause" });
  release();
  const paused = await workload.view("s-1");
  assert.equal(paused.state, "paused");
  assert.deepEqual(
    paused.view.actions.map(({ target }) => target),
    ["model::infer"],
  );
  await sessions.give("s-1", { type: "message", text: "Be brief." });
  await sessions.resume("s-1", {});
  const { state } = await workload.view("s-1");
  assert.equal(state, "done");
  assert.match(world.prompts[1] ?? "", /"role":"user","content":"Be brief\."/);
  assert.equal(await codeOf(sessions.give("s-1", { type: "pause" })), "E_SESSION_OVER");
  assert.equal(await codeOf(sessions.resume("s-9", {})), "E_SESSION_UNKNOWN");
});

test("a budget rests; more of the same goes on, a mere resume asks again", async () => {
  using folder = temporaryFolder();
  const world = worldWith([reply("", ["fs_read", { path: "a.txt" }]), reply("Done.")]);
  await using workload = await boot(folder.path, world);
  const { sessions } = workload;
  const first = await workload.run({ ...goal, budgets: { actionsMax: 1 } });
  assert.deepEqual([first.state, first.view.error?.code], ["paused", "E_BUDGET_REACHED"]);
  await sessions.resume("s-1", {});
  assert.equal((await workload.view("s-1")).state, "paused");
  await sessions.resume("s-1", { actionsMax: 9 });
  const { state, view } = await workload.view("s-1");
  assert.equal(state, "done", view.error?.message ?? "");
  assert.equal(view.actions.length, 3);
});

test("what an action writes reaches those who asked for it while it runs, characters whole", async () => {
  using folder = temporaryFolder();
  const world = worldWith([reply("Grüße")]);
  await using workload = await boot(folder.path, world);
  const { sessions } = workload;
  const bytes = new TextEncoder().encode("Grüße");
  const outputs: string[] = [];
  // The pieces are cut inside a character.
  world.output = [];
  const answer = world.model;
  world.model = async (prompt) => {
    const answered = await answer(prompt);
    world.output = [...bytes].map((byte) => new Uint8Array([byte]));
    return answered;
  };
  const followed = await sessions.start({
    session: "s-1",
    workspace: "/w",
    onAsk: "pend",
    ...goal,
  });
  const updates: (SessionUpdate | SessionOutput)[] = [];
  for await (const each of followed.followAll(signal)) {
    updates.push(each);
    if (each.type === "output") outputs.push(each.text);
  }
  assert.ok(updates.some(({ type }) => type === "state"));
  assert.equal(outputs.join(""), "Grüße");
  for await (const each of (await sessions.follow("s-1")).follow(signal)) {
    assert.equal(each.type, "state");
  }
});

/** A program that answers lines by a function; `undefined` ends it. */
class Program implements AgentLink {
  readonly #answers: ((line: { readonly seq: number }) => string | undefined)[];
  readonly #lines: string[] = [];
  killed = false;
  said = "Traceback: told to";
  over = false;

  constructor(...answers: ((line: { readonly seq: number }) => string | undefined)[]) {
    this.#answers = answers;
  }

  send(line: string): void {
    const message = JSON.parse(line) as { readonly type: string; readonly seq: number };
    if (message.type !== "observe") return;
    const answer = this.#answers[Math.min(message.seq, this.#answers.length - 1)]?.(message);
    if (answer === undefined) this.over = true;
    else this.#lines.push(answer);
  }

  async next(until: AbortSignal): Promise<Uint8Array | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined) return new TextEncoder().encode(line);
    if (this.over) return undefined;
    await new Promise<void>((resolve) => {
      until.addEventListener("abort", () => resolve(), { once: true });
    });
    throw until.reason as Error;
  }

  takeBytes(): number {
    return 0;
  }

  errors(): string {
    return this.said;
  }

  async kill(): Promise<void> {
    this.killed = true;
  }
}

const step = (more: object) => (line: { readonly seq: number }) =>
  JSON.stringify({ seq: line.seq, ...more });
const read = step({ type: "propose", target: "fs::read", args: { path: "a.txt" } });
const finish = step({ type: "finish", status: "done" });
const dies = (): undefined => undefined;

const folder = {
  path: "/agents/x",
  name: "x",
  version: "1",
  tools: ["fs::read", "fs::write"],
  stepMs: 60_000,
};

const runProgram = async (
  programs: readonly Program[],
  more: Partial<StartInput> = {},
): Promise<{ readonly state: string; readonly view: RunView; readonly world: World }> => {
  using place = temporaryFolder();
  const world = new World();
  let started = 0;
  world.program = async () => programs[Math.min(started++, programs.length - 1)] as Program;
  await using workload = await boot(place.path, world);
  const ran = await workload.run({ text: "go", agent: "folder", folder, ...more });
  return { ...ran, world };
};

test("a program's steps are the session's, and it is killed with it", async () => {
  const program = new Program(read, finish);
  const { state, view } = await runProgram([program]);
  assert.equal(state, "done", view.error?.message ?? "");
  assert.equal(view.actions[0]?.outcome?.content, "hi\n");
  assert.ok(program.killed);
});

test("one that ended by itself is told everything again; three times, then its errors are shown", async () => {
  const [once, again] = [new Program(read, dies), new Program(read, finish)];
  const mended = await runProgram([once, again]);
  assert.equal(mended.state, "done", mended.view.error?.message ?? "");
  assert.equal(mended.view.actions.length, 1);
  assert.ok(once.killed);
  const mortals = [1, 2, 3, 4, 5].map(() => new Program(dies));
  const dead = await runProgram(mortals);
  assert.deepEqual(
    mortals.map(({ killed }) => killed),
    [true, true, true, true, false],
  );
  assert.equal(dead.view.error?.code, "E_AGENT_DIED");
  assert.match(dead.view.error?.message ?? "", /ends with: Traceback: told to/);
});

test("one that takes another step the second time is found out", async () => {
  const write = step({
    type: "propose",
    target: "fs::write",
    args: { path: "b", create: "any", content: "x" },
  });
  const { view, world } = await runProgram([new Program(read, dies), new Program(write, finish)]);
  assert.equal(view.error?.code, "E_AGENT_DIVERGES");
  assert.equal(world.acts, 1);
});

test("hung, flooding with reads, lying: killed, and nothing comes of it", async () => {
  const silent = new Program(() => "");
  silent.next = async (until) => {
    await new Promise<void>((resolve) => {
      until.addEventListener("abort", () => resolve(), { once: true });
    });
    throw until.reason as Error;
  };
  const hung = await runProgram([silent], { folder: { ...folder, stepMs: 1 } });
  assert.equal(hung.view.error?.code, "E_AGENT_HUNG");
  assert.ok(silent.killed);
  const reads = new Program(step({ type: "read", action: 1, offset: 0 }));
  reads.next = async () =>
    new TextEncoder().encode(JSON.stringify({ type: "read", seq: 0, action: 1, offset: 0 }));
  assert.equal((await runProgram([reads])).view.error?.code, "E_AGENT_FLOOD");
  const lies = new Program(step({ type: "outcome", status: "confirmed", content: "done" }));
  const lied = await runProgram([lies]);
  assert.equal(lied.view.error?.code, "E_AGENT_PROTOCOL");
  assert.deepEqual(lied.view.actions, []);
  assert.ok(lies.killed);
});

test("a program that reads is given what an earlier action found", async () => {
  let asked = 0;
  const program = new Program(read, () =>
    JSON.stringify({ type: "read", seq: 1, action: 1, offset: 1 }),
  );
  const send = program.send.bind(program);
  const contents: string[] = [];
  program.send = (line) => {
    const message = JSON.parse(line) as { readonly type: string; readonly content: string };
    if (message.type !== "content") {
      send(line);
      return;
    }
    contents.push(message.content);
    asked += 1;
    const next = program.next.bind(program);
    program.next = async (until) =>
      asked > 0 ? new TextEncoder().encode(finish({ seq: 1 })) : await next(until);
  };
  const { state } = await runProgram([program]);
  assert.equal(state, "done");
  assert.deepEqual(contents, ["i\n"]);
});
