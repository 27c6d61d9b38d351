/** Answers that nobody signed: in which sessions, for what, how often, and how they are written down. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles } from "@ioi/sim";
import { type Action, jcsBytes, type JsonValue } from "@ioi/wire";
import { domainHash, domains } from "@ioi/crypto";
import { answerUnsigned } from "../src/index.ts";
import { McpRegistry } from "../src/mcp/registry.ts";
import {
  answerOf,
  codeOf,
  PolicyText,
  policyText,
  statementOf,
  TestDriver,
  World,
} from "./support.ts";

const tools = `
[tool.notes]
draft = { group = "organise", reversible = true, roles = { text = "content" } }
wipe = { group = "delete", reversible = true, roles = { text = "content" } }
`;

const definition = (name: string): { readonly [name: string]: JsonValue } => ({
  name,
  inputSchema: { type: "object", properties: { text: { type: "string" } } },
});
const hashOf = (name: string): Uint8Array =>
  domainHash(nodeCrypto, domains.mcpTool, jcsBytes(definition(name)));

const callOf = (tool: string, text = "x"): Action => ({
  version: 1,
  target: "mcp::call",
  args: { server: "notes", tool, arguments: { text } as never, definition: hashOf(tool) },
  facts: {},
});

interface Unwatched {
  readonly world: World;
  readonly session: string;
  readonly driver: TestDriver;
}

const unwatched = async (clientAnswers = true): Promise<Unwatched> => {
  const policy = new PolicyText(policyText(200, tools));
  const world = await World.open({ policy });
  const registry = await McpRegistry.open(new SimFiles({ seed: "unsigned" }), nodeCrypto);
  const server = {
    name: "notes",
    argv: ["/usr/bin/node"],
    url: "",
    cwd: "/tmp",
    env: {},
    files: [{ path: "/usr/bin/node", sha256: new Uint8Array(32) }],
    roots: [],
    identity: new Uint8Array(32),
  };
  await registry.confirm(server, { pinning: "strict", policy: "", replace: false });
  const seen = ["draft", "wipe"].map((name) => ({
    name,
    hash: hashOf(name),
    text: new TextDecoder().decode(jcsBytes(definition(name))),
  }));
  await registry.describe("notes", seen);
  world.core.attachMcp(registry);
  const said = { text: "", workspace: "", agent: "gate", mcpServer: "notes", clientAnswers };
  const session = await world.utter(said);
  return { world, session, driver: new TestDriver(world, session, "mcp") };
};

const answer = async (
  { world, session }: Unwatched,
  approval: string | undefined,
  approved = true,
): Promise<string> => {
  const given = { session, approval: approval ?? "", approved, client: "claude\u202e" };
  return await codeOf(answerUnsigned(world.core, given));
};

test("it lets exactly this action go once, and is written down as unsigned", async () => {
  const all = await unwatched();
  const { world, driver } = all;
  const asked = await world.propose(driver, callOf("draft"));
  assert.equal(asked.verdict, "ask");
  assert.equal(await answer(all, asked.approval), "");
  assert.equal(await answer(all, asked.approval), "E_APPROVAL_UNKNOWN");
  assert.equal((await world.propose(driver, callOf("draft", "y"))).verdict, "ask");
  const allowed = await world.propose(driver, callOf("draft"));
  assert.equal(allowed.verdict, "allow");
  assert.equal((await world.propose(driver, callOf("draft"))).verdict, "ask");
  const leaves = await world.leaves();
  assert.equal(leaves.filter(({ type }) => type === "decision").length, 0);
  const leaf = leaves.find(({ type }) => type === "unsigned-answer");
  assert.ok(leaf?.type === "unsigned-answer");
  assert.deepEqual([leaf.decision, leaf.approval], ["approve", asked.approval]);
  assert.ok(!leaf.client.includes("\u202e"));
  // Another life knows the same.
  const again = await world.restart();
  assert.equal(again.core.ledger.sessions.get(all.session)?.clientAnswers, true);
});

test("what its client says no to is not asked about again", async () => {
  const all = await unwatched();
  const asked = await all.world.propose(all.driver, callOf("draft"));
  assert.equal(await answer(all, asked.approval, false), "");
  const denied = await all.world.propose(all.driver, callOf("draft"));
  assert.equal(denied.verdict, "deny");
  assert.match(denied.decision.reason, /as its client says, unsigned/);
});

test("what it may not answer for is denied at once, and nobody is asked", async () => {
  const { world, driver } = await unwatched();
  assert.equal((await world.propose(driver, callOf("wipe"))).verdict, "deny");
  assert.deepEqual(world.person.approvals(), []);
});

test("no other session takes it, and it takes no other session's ask", async () => {
  const watched = await unwatched(false);
  const asked = await watched.world.propose(watched.driver, callOf("draft"));
  assert.equal(asked.verdict, "ask");
  assert.equal(await answer(watched, asked.approval), "E_APPROVAL_UNKNOWN");
  // A person may still answer.
  const card = watched.world.card(asked.approval ?? "");
  await watched.world.person.decide(answerOf(statementOf(card)));
  assert.equal((await watched.world.propose(watched.driver, callOf("draft"))).verdict, "allow");
  const all = await unwatched();
  assert.equal(await answer(all, "a-0000000000"), "E_APPROVAL_UNKNOWN");
  const task = await all.world.utter({ clientAnswers: true });
  assert.equal(all.world.core.ledger.sessions.get(task)?.clientAnswers, undefined);
});

test("it counts no longer than its minute, and not under another policy", async () => {
  const all = await unwatched();
  const { world, driver } = all;
  const first = await world.propose(driver, callOf("draft"));
  assert.equal(await answer(all, first.approval), "");
  await world.clock.advance(61_000);
  const second = await world.propose(driver, callOf("draft"));
  assert.equal(second.verdict, "ask");
  world.policy.set(policyText(200, tools.replace("reversible = true", "reversible = false")));
  assert.equal(await answer(all, second.approval), "E_APPROVAL_INVALID");
});
