/** Which agent a request goes to, what a person tells a session, what is shown while it runs. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { RunAction, RunView } from "@ioi/agent";
import type { CommandContext } from "../src/context.ts";
import { outputOf } from "../src/io.ts";
import { RunPrinter } from "../src/view/run-view.ts";
import { FakeKernel, runWith, temporaryFolder } from "./support.ts";

const budget = (
  of:
    | {
        readonly actions?: number;
        readonly wallMs?: bigint;
        readonly microusd?: bigint;
        readonly tokens?: bigint;
      }
    | undefined,
) => [of?.actions, of?.wallMs, of?.microusd, of?.tokens];

test("run: commands are the planner's, words a model's, a folder's agent its own", async () => {
  using folder = temporaryFolder();
  await using kernel = await FakeKernel.open(folder.path);
  const agent = join(folder.path, "agent");
  mkdirSync(agent);
  writeFileSync(
    join(agent, "agent.toml"),
    'name = "tidy"\nversion = "2"\nentry = ["python3"]\ntools = ["fs::list"]\n[budget]\nactions = 5\n',
  );
  const ioi = (...argv: readonly string[]) =>
    runWith([...argv, "--data", kernel.data], { cwd: folder.path });
  await ioi("run", "/read a.txt");
  await ioi("run", "sort", "these", "--usd", "0.25", "--minutes", "2", "--tokens", "9");
  await ioi("run", "--model", "a/b", "/read is no command for a model");
  await ioi("run", "agent", agent, "tidy", "up");
  const [planned, words, named, own] = kernel.starts;
  assert.equal(planned?.agent, "planner");
  assert.deepEqual([words?.agent, words?.text, words?.model], ["model", "sort these", ""]);
  assert.deepEqual(budget(words?.budget), [0, 120_000n, 250_000n, 9n]);
  assert.deepEqual([named?.agent, named?.model], ["model", "a/b"]);
  assert.deepEqual([own?.agent, own?.text], ["folder", "tidy up"]);
  assert.deepEqual(
    [own?.folder?.path, own?.folder?.name, own?.folder?.tools, own?.folder?.stepMs],
    [agent, "tidy", ["fs::list"], 60_000],
  );
  assert.deepEqual(budget(own?.budget), [5, 0n, 0n, 0n]);
  for (const wrong of [
    ["--usd", "0"],
    ["--usd", "-1"],
    ["--actions", "0"],
    ["--tokens", "many"],
  ]) {
    assert.equal((await ioi("run", "words", ...wrong)).exit, 2, wrong.join(" "));
  }
  assert.equal((await ioi("run", "agent", folder.path, "go")).exit, 2);
  const toml = join(agent, "agent.toml");
  for (const tool of ["fs::lst", "model::infer"]) {
    writeFileSync(toml, `name = "x"\nversion = "1"\nentry = ["python3"]\ntools = ["${tool}"]\n`);
    const refused = await ioi("run", "agent", agent, "go");
    assert.equal(refused.exit, 2);
    assert.match(refused.err, /E_AGENT_MANIFEST.*there is no tool/);
  }
});

test("sessions say, pause and resume reach the session", async () => {
  using folder = temporaryFolder();
  await using kernel = await FakeKernel.open(folder.path);
  const ioi = (...argv: readonly string[]) =>
    runWith([...argv, "--data", kernel.data], { cwd: folder.path });
  await ioi("run", "/read a.txt");
  const session = kernel.starts[0]?.session ?? "";
  for (const argv of [
    ["say", session, "be", "brief"],
    ["pause", session],
    ["resume", session, "--actions", "7", "--usd", "1.5"],
  ]) {
    const { exit, err } = await ioi("sessions", ...argv);
    assert.equal(exit, 0, err);
  }
  assert.deepEqual(
    kernel.calls.filter((each) => /^(?:say|pause|resume) /.test(each)),
    [`say ${session} be brief`, `pause ${session}`, `resume ${session} 7 1500000`],
  );
});

const outcome = {
  status: "confirmed",
  bytes: 9,
  handle: null,
  content: '{"text":"Hello there.","calls":[]}',
  code: null,
  message: null,
  reversible: false,
  reportedBy: "driver",
  evidence: { tokens_in: "10", tokens_out: "4", microusd: "1200" },
  receipt: { index: 2, leafHash: "" },
} as const;

const action: RunAction = {
  n: 1,
  target: "model::infer",
  display: "model::infer test/one 100",
  verdict: "allow",
  rule: "models",
  rules: ["models"],
  reason: "",
  instead: "",
  approval: null,
  ticket: { counter: 1, ttlMs: 1 },
  outcome,
  receipt: { index: 1, leafHash: "" },
  timing: null,
};

const view: RunView = {
  schema: "ioi.run/1",
  session: "s-1",
  state: "done",
  model: "test/one",
  actions: [action],
  says: ["Hello there."],
  saysAfter: [1],
  saysDropped: 0,
  cost: { tokens: 14, usd: 0.0012, actions: 1, wallMs: 5 },
  error: null,
};

const printed = (terminal: boolean, pieces: readonly string[], json = false): string => {
  let out = "";
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: () => undefined,
    env: { NO_COLOR: "1" },
    stdoutIsTerminal: terminal,
  } as unknown as CommandContext["io"];
  const printer = new RunPrinter({
    io,
    output: outputOf(io, json),
    dataGiven: undefined,
  } as unknown as CommandContext);
  for (const piece of pieces) printer.output(1, piece);
  printer.finish(view);
  return out;
};

test("what a model says appears once, while it says it at a terminal, afterwards elsewhere", () => {
  const block = [
    "1 model::infer test/one 100",
    "  allowed by models",
    "  ticket 1; confirmed, 9 bytes; 10 tokens in, 4 out, $0.0012; receipts 1 and 2",
  ];
  const end = "session s-1: done, 1 action, 5 ms, 14 tokens, $0.0012";
  assert.equal(printed(true, ["Hel", "lo there."]), ["Hello there.", ...block, end, ""].join("\n"));
  assert.equal(
    printed(false, ["Hel", "lo there."]),
    [...block, "Hello there.", end, ""].join("\n"),
  );
  assert.equal(printed(true, ["\u001b[2J\u202e"]).split("\n")[0], "\\u{1b}[2J\\u{202e}");
  assert.equal(printed(true, ["Hello"], true), "");
});
