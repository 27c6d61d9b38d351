/** Servers over Streamable HTTP that agents call: both eras, secrets, streams that break, redirects. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { ioi } from "../lib/kernel.ts";
import { RawClient } from "../lib/mcp/raw-client.ts";
import { type HttpMcpServer, startHttpMcp } from "../lib/mcp/http-server.ts";
import { Place, type Ran, ranOf } from "./support.ts";

let place: Place;
let sessions: HttpMcpServer;
let stateless: HttpMcpServer;

const policy = (names: readonly string[]): string =>
  names
    .map(
      (name) => `
[[rule]]
id = "${name}"
effect = "allow"
target = ["mcp::call"]
where.server = { equals = "${name}" }
where.tool = { matches = "[a-z]+" }
[tool."${name}"."*"]
group = "read"
roles = { "*" = "content" }
`,
    )
    .join("");

before(async () => {
  place = await Place.open();
  sessions = await startHttpMcp(false);
  stateless = await startHttpMcp(true);
  const { data } = place;
  const { port } = new URL(sessions.url);
  const set = ["secrets", "set", "door-key", "--url", `http://127.0.0.1:${port}/mcp`];
  const header = ["--header", "x-key", "--template", "{}", "--data", data];
  const stored = await ioi([...set, ...header], { input: "hush-hush\n" });
  assert.equal(stored.code, 0, stored.stderr);
  for (const [name, url, more] of [
    ["sessions", sessions.url, ["--secret", "door-key"]],
    ["stateless", stateless.url, []],
    ["old", stateless.oldUrl, []],
    ["single", stateless.url, []],
  ] as const) {
    const added = await ioi(["mcp", "add", name, "--url", url, ...more, "--data", data]);
    assert.equal(added.code, 0, added.stderr);
  }
  fs.appendFileSync(
    path.join(data, "guardian/policy.toml"),
    `${policy(["sessions", "stateless", "old", "single"])}
[[rule]]
id = "not-there"
effect = "deny"
target = ["net::post"]
where.url = { path_glob = "/forbidden" }
[[rule]]
id = "one-by-one"
effect = "deny"
target = ["mcp::call"]
where.server = { equals = "single" }
where.tool = { equals = "#server/connect" }
`,
  );
});
after(async () => {
  await sessions[Symbol.asyncDispose]();
  await stateless[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const call = async (name: string): Promise<Ran> =>
  ranOf(await ioi(["run", "--data", place.data, "--json", `/call ${name} {}`]));

test("a call opens a session under one ticket and goes by its own, with the secret in egress alone", async () => {
  const from = sessions.heard.length;
  const { code, view } = await call("sessions.echo");
  assert.equal(code, 0, JSON.stringify(view).slice(0, 3000));
  const [own, ...beside] = view.actions;
  assert.equal(own?.outcome?.content, "echo with the key");
  assert.equal(own?.outcome?.evidence["status"], "200");
  const said = sessions.heard.slice(from);
  assert.deepEqual(
    said.map((each) => each.said),
    ["server/discover", "initialize", "notifications/initialized", "tools/list", "tools/call"],
  );
  assert.equal(said.at(-1)?.headers["mcp-session-id"], "session-1");
  assert.equal(said.at(-1)?.headers["mcp-protocol-version"], "2025-11-25");
  // What opens a connection goes under one ticket, and its outcome holds the log of all of it.
  assert.deepEqual(
    beside.map(({ display, outcome }) => [display, outcome?.status, outcome?.evidence["requests"]]),
    [['mcp::call sessions "#server/connect" ?', "confirmed", "4"]],
  );
  assert.match(beside[0]?.outcome?.evidence["request_log"] ?? "", /^[0-9a-f]{64}$/);
  assert.ok(!JSON.stringify(view).includes("hush-hush"));
});

test("a server without sessions is spoken to in its own era", async () => {
  const { code, view } = await call("stateless.echo");
  assert.equal(code, 0, JSON.stringify(view).slice(0, 3000));
  assert.equal(view.actions[0]?.outcome?.content, "echo no key");
  const last = stateless.heard.at(-1);
  assert.equal(last?.headers["mcp-method"], "tools/call");
  assert.equal(last?.headers["mcp-name"], "echo");
  assert.equal(last?.headers["mcp-session-id"], undefined);
});

test("where nobody permits an opening, each message goes by its own ticket", async () => {
  const { code, view } = await call("single.echo");
  assert.equal(code, 0, JSON.stringify(view).slice(0, 3000));
  assert.equal(view.actions[0]?.outcome?.content, "echo no key");
  const [opening, ...each] = view.actions.slice(1);
  assert.deepEqual([opening?.verdict, opening?.outcome], ["deny", null]);
  assert.deepEqual(
    each.map(({ outcome }) => outcome?.status),
    ["confirmed", "confirmed"],
  );
});

test("an answer whose stream ends, or is cut, is taken up again under a ticket of its own", async () => {
  for (const tool of ["breaks", "cut"]) {
    const { code, view } = await call(`sessions.${tool}`);
    assert.equal(code, 0, JSON.stringify(view).slice(0, 3000));
    assert.equal(view.actions[0]?.outcome?.content, "taken up again, with the key");
    assert.match(view.actions.at(-1)?.display ?? "", /#stream/);
    assert.match(sessions.heard.at(-1)?.said ?? "", new RegExp(`^GET ${tool}-`));
  }
});

const callsSince = ({ heard }: HttpMcpServer, from: number): readonly string[] =>
  heard.slice(from).flatMap(({ said }) => (said.startsWith("tools/call") ? [said] : []));

test("a redirect on the origin is a new action, judged where it leads, without the secret of elsewhere", async () => {
  const from = stateless.heard.length;
  const inside = await call("stateless.inside");
  assert.equal(inside.code, 0, JSON.stringify(inside.view).slice(0, 3000));
  assert.equal(inside.view.actions[0]?.outcome?.content, "inside no key at /inside?a=1");
  assert.equal(inside.view.actions[0]?.outcome?.evidence["status"], "307");
  const next = inside.view.actions.at(-1);
  assert.match(next?.display ?? "", /stateless.*inside.* -> .*\/inside\?a=1/);
  assert.deepEqual(
    [next?.outcome?.status, next?.outcome?.evidence["status"]],
    ["confirmed", "200"],
  );
  assert.deepEqual(callsSince(stateless, from), ["tools/call", "tools/call at /inside?a=1"]);
  // Every message of a server that was confirmed where it is no more.
  const old = await call("old.echo");
  assert.equal(old.view.actions[0]?.outcome?.content, "echo no key");
  // The secret is bound to one address, and goes to no other.
  const kept = await call("sessions.inside");
  assert.notEqual(kept.code, 0);
  assert.match(JSON.stringify(kept.view), /E_SECRET_BINDING/);
  assert.ok(!sessions.heard.some(({ said }) => said.includes("/inside")));
});

test("a redirect that a rule refuses, leads elsewhere or twice on is not followed", async () => {
  const from = stateless.heard.length;
  const forbidden = await call("stateless.forbidden");
  assert.match(JSON.stringify(forbidden.view.actions.at(-1)), /not-there/);
  assert.equal(forbidden.action.outcome?.code, "E_MCP_HTTP");
  assert.match(JSON.stringify(forbidden.view), /nobody permitted/);
  const twice = await call("stateless.twice");
  assert.match(JSON.stringify(twice.view), /it leads to itself|sends a message on twice/);
  const other = await call("stateless.other");
  assert.match(JSON.stringify(other.view), /\/other, which is another request/);
  assert.deepEqual(callsSince(stateless, from), [
    "tools/call",
    "tools/call",
    "tools/call at /twice/",
    "tools/call",
  ]);
  const moved = await call("stateless.moved");
  assert.equal(moved.action.outcome?.code, "E_MCP_HTTP");
  assert.match(
    JSON.stringify(moved.view),
    /points to http:\/\/127\.0\.0\.1:1\/mcp, which is another server.*mcp add OTHER --url 'http:\/\/127\.0\.0\.1:1\/mcp'/,
  );
});

test("a gate follows a redirect of any message by a ticket more, where the policy lets it", async () => {
  const file = path.join(place.data, "../gate.toml");
  fs.writeFileSync(
    file,
    `version = 1
[[rule]]
id = "calls"
effect = "allow"
target = ["mcp::call"]
where.server = { equals = "gated" }
where.tool = { matches = "[a-z]+" }
[[rule]]
id = "not-on"
effect = "deny"
target = ["mcp::call"]
where.tool = { equals = "forbidden" }
where.address = { path_glob = "/mcp" }
[[rule]]
id = "asks"
effect = "ask"
target = ["mcp::call"]
where.tool = { equals = "#ping" }
where.address = { path_glob = "/mcp" }
[tool."gated"."*"]
roles = { "*" = "content" }
`,
  );
  const from = sessions.heard.length;
  const how = ["--name", "gated", "--policy", file, "--url", sessions.oldUrl, "--on-ask", "wait"];
  await using client = RawClient.gate(place.data, how);
  await client.hello();
  await client.request("tools/list");
  assert.equal(await client.call("echo"), "echo no key");
  assert.match(client.stderr, /allowed gated\.echo -> http:\/\/127\.0\.0\.1:\d+\/mcp, /);
  assert.match(await client.call("forbidden"), /^Denied by IOI:.*not-on/);
  const said = sessions.heard.slice(from).map((each) => each.said);
  assert.deepEqual(
    [said.filter((each) => each === "tools/call").length, said.at(-1)],
    [1, "moved"],
  );
  const [last] = sessions.heard.slice(from).filter((each) => each.said === "tools/call");
  assert.equal(last?.headers["mcp-session-id"], "session-1");
  // A person lets one go on.
  const pinged = client.request("ping");
  const approval = await client.until(() => /\ba-[0-9a-f]{10}\b/.exec(client.stderr)?.[0]);
  assert.equal(sessions.heard.at(-1)?.said, "moved");
  assert.equal((await ioi(["approve", approval, "--data", place.data])).code, 0);
  assert.match(JSON.stringify(await pinged), /no such method/);
  assert.equal(sessions.heard.at(-1)?.said, "ping");
});

test("a stream without an end is given up, and the next call begins anew", async () => {
  const flood = await call("sessions.flood");
  assert.equal(flood.action.outcome?.code, "E_MCP_PROTOCOL");
  const gone = await call("sessions.gone");
  assert.equal(gone.action.outcome?.status, "unknown");
  assert.equal((await call("sessions.echo")).code, 0);
  assert.equal((await ioi(["receipts", "verify", "--data", place.data])).code, 0);
});
