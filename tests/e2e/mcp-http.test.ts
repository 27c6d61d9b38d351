/** Servers over Streamable HTTP that agents call: both eras, secrets, streams that break, redirects. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { ioi } from "../lib/kernel.ts";
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
  ] as const) {
    const added = await ioi(["mcp", "add", name, "--url", url, ...more, "--data", data]);
    assert.equal(added.code, 0, added.stderr);
  }
  fs.appendFileSync(path.join(data, "guardian/policy.toml"), policy(["sessions", "stateless"]));
});
after(async () => {
  await sessions[Symbol.asyncDispose]();
  await stateless[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const call = async (name: string): Promise<Ran> =>
  ranOf(await ioi(["run", "--data", place.data, "--json", `/call ${name} {}`]));

test("a call opens a session, each message by a ticket of its own, with the secret in egress alone", async () => {
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
  assert.deepEqual(
    beside.map(({ outcome }) => outcome?.status),
    ["confirmed", "confirmed", "confirmed", "confirmed"],
  );
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

test("an answer whose stream ends, or is cut, is taken up again under a ticket of its own", async () => {
  for (const tool of ["breaks", "cut"]) {
    const { code, view } = await call(`sessions.${tool}`);
    assert.equal(code, 0, JSON.stringify(view).slice(0, 3000));
    assert.equal(view.actions[0]?.outcome?.content, "taken up again, with the key");
    assert.match(view.actions.at(-1)?.display ?? "", /#stream/);
    assert.match(sessions.heard.at(-1)?.said ?? "", new RegExp(`^GET ${tool}-`));
  }
});

test("a redirect is not followed, and a stream without an end is given up", async () => {
  const moved = await call("sessions.moved");
  assert.equal(moved.action.outcome?.code, "E_MCP_HTTP");
  assert.match(JSON.stringify(moved.view), /points to another address/);
  const flood = await call("sessions.flood");
  assert.equal(flood.action.outcome?.code, "E_MCP_PROTOCOL");
  const gone = await call("sessions.gone");
  assert.equal(gone.action.outcome?.status, "unknown");
  // The next call begins anew.
  assert.equal((await call("sessions.echo")).code, 0);
  assert.equal((await ioi(["receipts", "verify", "--data", place.data])).code, 0);
});
