/** The start of a server's program: where it may go, and what of its folders it is kept from. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, FlowHost } from "@ioi/wire";
import { card, connectTool, decide, openingTools, startTool } from "../src/index.ts";
import { context, policy, rule, session } from "./support.ts";

const start: Action = {
  version: 1,
  target: "mcp::call",
  args: { server: "files", tool: startTool, arguments: {}, definition: new Uint8Array(32) },
  facts: {},
};

const places = [
  { host: "a.test", port: 443 },
  { host: "never.test", port: 443 },
  { host: "127.0.0.1", port: 8080 },
];
const folders = [{ name: "folder1", path: "/home/u/data", access: "write" as const }];
const starts = {
  ...context,
  session: { ...session, gate: true as const },
  starts: { places, folders },
};

const open = rule(
  "open",
  "allow",
  "mcp::call",
  `where.server = { equals = "files" }\nwhere.tool = { matches = ".*" }`,
);

const hostsOf = (text: string): readonly FlowHost[] | undefined => {
  const flow = decide(policy(text), start, starts).obligations.find(({ type }) => type === "flow");
  return flow?.type === "flow" ? flow.hosts : undefined;
};

test("it reaches what the person confirmed, less what a rule refuses or asks about", () => {
  const all = [
    { host: "a.test", port: 443, classes: ["public"] },
    { host: "never.test", port: 443, classes: ["public"] },
    { host: "127.0.0.1", port: 8080, classes: ["loopback"] },
  ];
  assert.deepEqual(hostsOf(open), all);
  const never = (effect: string): string =>
    rule("no", effect, "net::connect", `where.host = { equals = "never.test" }`);
  assert.deepEqual(hostsOf(open + never("deny")), [all[0], all[2]]);
  assert.deepEqual(hostsOf(open + never("ask")), [all[0], all[2]]);
  // Without places it has no flow at all, and no other call of the server has one.
  const none = { ...starts, starts: { places: [], folders } };
  assert.deepEqual(decide(policy(open), start, none).obligations, []);
  const { starts: _, ...plain } = starts;
  assert.deepEqual(decide(policy(open), start, plain).obligations, []);
});

test("refusals of files are those of its own folders, and what cannot be kept from it asks", () => {
  const deny = (path: string): string =>
    `[[rule]]\nid = "kept"\neffect = "deny"\ntarget = ["fs::read"]\nwhere.path = { glob = "${path}" }\n`;
  const kept = (path: string) => decide(policy(open + deny(path)), start, starts);
  assert.deepEqual(
    kept("~/data/secret/**").obligations.filter(({ type }) => type === "sandbox"),
    [{ type: "sandbox", hidden: ["/home/u/data/secret"], readOnly: [] }],
  );
  assert.deepEqual(
    kept("~/other/**").obligations.filter(({ type }) => type === "sandbox"),
    [],
  );
  assert.deepEqual(kept("~/data/**/*.pem").asks, [{ kind: "sandbox", id: "kept" }]);
  assert.deepEqual(kept("scope:/**/*.pem").asks, []);
});

test("its card says where it goes, and that everything else is refused", () => {
  const text = policy(rule("ask", "ask", "mcp::call", `where.tool = { equals = "${startTool}" }`));
  const decision = decide(text, start, starts);
  assert.equal(decision.verdict, "ask");
  assert.match(
    card(start, decision, starts),
    /reaches .*a\.test:443, never\.test:443, 127\.0\.0\.1:8080 .*any other host is refused/,
  );
});

test("what refuses or asks about one message of an opening holds for all of it", () => {
  const connect: Action = { ...start, args: { ...start.args, tool: connectTool } };
  const { starts: _, ...plain } = starts;
  const decided = (more: string) => decide(policy(open + more), connect, plain);
  assert.deepEqual(
    [decided("").verdict, decided("").obligations.map(({ type }) => type)],
    ["allow", ["flow"]],
  );
  for (const tool of openingTools) {
    const where = `where.tool = { equals = "${tool}" }`;
    assert.equal(decided(rule("no", "deny", "mcp::call", where)).verdict, "deny", tool);
    const asking = decided(rule("asks", "ask", "mcp::call", where));
    assert.deepEqual(asking.asks, [{ kind: "rule", id: "asks" }], tool);
  }
  // Of no other message: it does not go under this ticket.
  const other = rule("no", "deny", "mcp::call", 'where.tool = { equals = "#resources/read" }');
  assert.equal(decided(other).verdict, "allow");
  // What allows one of them allows no opening.
  const one = rule(
    "one",
    "allow",
    "mcp::call",
    'where.server = { equals = "files" }\nwhere.tool = { equals = "#ping" }',
  );
  assert.notEqual(decide(policy(one), connect, plain).verdict, "allow");
});
