/** Agents that decide by themselves: a folder's program, a model; a person who speaks meanwhile. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { followRun, openRun, startRun } from "../lib/agent-runs.ts";
import { projectRoot } from "../lib/kernel.ts";
import {
  type ModelReply,
  ModelServer,
  type Script,
  scriptedVector,
} from "../lib/model-servers/index.ts";
import { confirmModel } from "../lib/models.ts";
import { Place, ranOf, treeOf, until } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
after(async () => await place[Symbol.asyncDispose]());

const call = (
  name: string,
  given: object,
): { readonly name: string; readonly arguments: string } => ({
  name,
  arguments: JSON.stringify(given),
});

const modelServer = async (id: string, script: Script): Promise<ModelServer> => {
  const server = await ModelServer.start({ protocol: "openai", script });
  await confirmModel(place.data, server, { id, protocol: "openai", priceIn: 1_000_000 });
  return server;
};

/** Asks for the vectors of two texts, and writes down what it was told. */
const vectorsAgent = `
import { createInterface } from "node:readline";
let model = "";
for await (const line of createInterface({ input: process.stdin })) {
  const { type, seq, goal, observation: seen } = JSON.parse(line);
  const say = (step) => console.log(JSON.stringify({ ...step, seq }));
  if (type === "start") model = goal;
  else if (seen.type === "goal") {
    const args = { model, input: JSON.stringify(["alpha", "beta"]) };
    say({ type: "propose", target: "model::embed", args });
  } else if (seen.target === "model::embed" && seen.status === "confirmed") {
    const args = { path: "vectors.json", content: seen.content, create: "new" };
    say({ type: "propose", target: "fs::write", args });
  } else say({ type: "finish", status: seen.status === "confirmed" ? "done" : "failed" });
}
`;

const write: ModelReply = {
  type: "reply",
  text: "First I write the file.",
  calls: [call("fs_write", { path: "made.txt", create: "new", content: "by a model\n" })],
};
const said: ModelReply = { type: "reply", text: "It is written." };

test("a folder's agent runs in its sandbox through the gate, and what it did is undone", async () => {
  const folder = place.scratch.folder("sort");
  for (const name of ["a.txt", "b.pdf", "c.txt"]) fs.writeFileSync(path.join(folder, name), name);
  const was = treeOf(folder);
  const agent = path.join(projectRoot, "examples/agents/sort-python");
  const ran = ranOf(
    await place.ioi("run", "agent", agent, "--workspace", folder, "--json", "sort by ending"),
  );
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(fs.readdirSync(folder).toSorted(), ["pdf", "txt"]);
  assert.deepEqual(fs.readdirSync(path.join(folder, "txt")).toSorted(), ["a.txt", "c.txt"]);
  await place.quiet();
  assert.equal((await place.undo(ran.view.session)).code, 0);
  assert.deepEqual(treeOf(folder), was);
});

test("a folder's agent turns texts into vectors of a confirmed model, within its budget", async () => {
  const folder = place.scratch.folder("vectors");
  const agent = place.scratch.folder("vectors-agent");
  const toml = [
    'name = "vectors"',
    'version = "1.0.0"',
    'entry = ["node", "main.ts"]',
    'tools = ["model::embed", "fs::write"]',
  ];
  fs.writeFileSync(path.join(agent, "agent.toml"), `${toml.join("\n")}\n`);
  fs.writeFileSync(path.join(agent, "main.ts"), vectorsAgent);
  await using server = await ModelServer.start({ protocol: "openai", script: [] });
  const id = "test/vectors";
  await confirmModel(place.data, server, { id, protocol: "openai", priceIn: 1_000_000 });
  const run = ["--workspace", folder, "--json", "--on-ask", "deny"];
  const ran = ranOf(await place.ioi("run", "agent", agent, ...run, id));
  assert.equal(ran.code, 0, ran.stderr);
  const [embedded, wrote] = ran.view.actions;
  assert.deepEqual(
    [embedded?.target, embedded?.verdict, wrote?.verdict],
    ["model::embed", "allow", "allow"],
  );
  const vector = JSON.stringify(scriptedVector("alpha"));
  assert.match(
    fs.readFileSync(path.join(folder, "vectors.json"), "utf8"),
    RegExp(`^.{0,20}\\${vector}`),
  );
  assert.deepEqual(server.seen, ["POST /v1/embeddings"]);
  const { cost } = ran.view as unknown as { readonly cost: Readonly<Record<string, number>> };
  assert.deepEqual([cost["tokens"], cost["usd"]], [3, 0.000003]);
  // One that nobody confirmed is not asked, whatever the agent says.
  const other = ranOf(await place.ioi("run", "agent", agent, ...run, "test/unknown"));
  assert.notEqual(other.view.actions[0]?.verdict, "allow");
  assert.equal(server.seen.length, 1);
});

test("a manifest that does not fit is refused with its line before anything runs", async () => {
  const folder = place.scratch.folder("bad-agent");
  const toml = 'name = "x"\nversion = "1"\nentry = ["python3"]\ntools = []\nsecret = 1\n';
  fs.writeFileSync(path.join(folder, "agent.toml"), toml);
  const refused = await place.ioi("run", "agent", folder, "go");
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /E_AGENT_MANIFEST.*agent\.toml:5:1: unknown key "secret"/);
});

test("a goal in words goes to the model: it streams, it costs, its journal replays", async () => {
  const folder = place.scratch.folder("words");
  await using _server = await modelServer("test/words", [write, said]);
  const heard = new Map<number, string>();
  const run = {
    text: "write made.txt",
    workspace: folder,
    model: "test/words",
    onOutput: (action: number, text: string) => {
      heard.set(action, (heard.get(action) ?? "") + text);
    },
  };
  const session = await openRun(place.data, run);
  const view = await startRun(place.data, session, run);
  assert.equal(view.state, "done", view.error?.message ?? "");
  assert.equal(view.model, "test/words");
  assert.ok(view.cost.tokens > 0 && view.cost.usd > 0);
  assert.deepEqual(view.says, ["First I write the file.", "It is written."]);
  assert.deepEqual(
    [...heard],
    [
      [1, "First I write the file."],
      [3, "It is written."],
    ],
  );
  assert.equal(fs.readFileSync(path.join(folder, "made.txt"), "utf8"), "by a model\n");
  const replayed = await place.ioi("replay", session, "--json");
  assert.equal(replayed.code, 0, replayed.stderr);
  const shown = await place.ioi("sessions", "show", session);
  assert.match(shown.stdout, /model::infer test\/words[\s\S]* tokens in, \d+ out, \$0\.\d+/);
});

test("without a confirmed model of that name nothing is asked, exit 7", async () => {
  const ran = ranOf(await place.ioi("run", "--model", "nobody/none", "--json", "write made.txt"));
  assert.equal(ran.code, 7);
  assert.equal(ran.view.error?.code, "E_MODEL_UNAVAILABLE");
  assert.deepEqual(ran.view.actions, []);
});

test("at a budget it rests; what the person says is heard once a higher one is given", async () => {
  const folder = place.scratch.folder("budget");
  const prompts: string[] = [];
  await using _server = await modelServer("test/budget", (asked, index) => {
    prompts.push(asked.messages.map(({ role, content }) => `${role}: ${content}`).join("\n"));
    return index === 0 ? write : said;
  });
  const options = ["--workspace", folder, "--on-ask", "pend", "--actions", "2", "--json"];
  const first = ranOf(
    await place.ioi("run", "--model", "test/budget", ...options, "write made.txt"),
  );
  assert.equal(first.view.state, "paused");
  assert.equal(first.view.error?.code, "E_BUDGET_REACHED");
  assert.equal(first.view.actions.length, 2);
  const { session } = first.view;
  const spoken = await place.ioi("sessions", "say", session, "and", "be", "brief");
  assert.equal(spoken.code, 0, spoken.stderr);
  const resumed = ranOf(
    await place.ioi("sessions", "resume", session, "--actions", "10", "--json"),
  );
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.match(prompts.at(-1) ?? "", /\nuser: and be brief$/);
  const late = await place.ioi("sessions", "say", session, "too late");
  assert.equal(late.code, 5);
  assert.match(late.stderr, /E_SESSION_OVER/);
});

test("killed while the model thinks: it is asked again, and the effect happens once", async () => {
  const folder = place.scratch.folder("killed");
  let asked = 0;
  await using server = await modelServer("test/killed", () => {
    asked += 1;
    return asked === 1 ? { type: "never" } : asked === 2 ? write : said;
  });
  const run = { text: "write made.txt", workspace: folder, model: "test/killed" };
  const session = await openRun(place.data, run);
  const cut = startRun(place.data, session, run).catch(() => undefined);
  await until(() => (server.asked.length > 0 ? true : undefined));
  await place.end("kill");
  await cut;
  await place.start();
  const view = await followRun(place.data, session);
  assert.equal(view.state, "done", view.error?.message ?? "");
  assert.deepEqual(
    view.actions.map(({ target }) => target),
    ["model::infer", "fs::write", "model::infer"],
  );
  // The lost call counts as much as it could have cost: the longest reply, which was never given.
  assert.ok(view.cost.tokens > 8000, String(view.cost.tokens));
  assert.equal(fs.readFileSync(path.join(folder, "made.txt"), "utf8"), "by a model\n");
});
