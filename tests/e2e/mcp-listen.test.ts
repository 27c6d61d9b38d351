/** A gate that listens: its door, its sessions, both eras, and streams that are taken up again. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { projectRoot } from "../lib/kernel.ts";
import { eventsIn, type HttpAnswer, httpSay, type HttpSaid } from "../lib/mcp/http-client.ts";
import { RawClient } from "../lib/mcp/raw-client.ts";
import { Place } from "./support.ts";

let place: Place;
let gate: RawClient;
let port = 0;
let token = "";

before(async () => {
  place = await Place.open();
  const folder = place.scratch.folder("mcp-listen");
  const script = path.join(folder, "server.py");
  fs.copyFileSync(path.join(projectRoot, "tests/fixtures/mcp-server/server.py"), script);
  const file = path.join(folder, "state.json");
  const tools = ["echo", "ask"].map((name) => ({ name, inputSchema: { type: "object" } }));
  fs.writeFileSync(file, JSON.stringify({ tools }));
  const options = ["--name", "listens", "--policy", "transparent", "--listen", "0", "--json"];
  const command = ["/usr/bin/python3", script, file];
  gate = RawClient.gate(place.data, [...options, "--", ...command]);
  const said = (await gate.until(() => gate.heard[0])) as { readonly url?: string; token?: string };
  port = Number(new URL(said.url ?? "").port);
  token = said.token ?? "";
});
after(async () => {
  gate.stop();
  await gate[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const message = (id: unknown, method: string, params: object = {}): string =>
  JSON.stringify({ jsonrpc: "2.0", id, method, params });
const call = (id: unknown, name: string, args: object = {}, more: object = {}): string =>
  message(id, "tools/call", { name, arguments: args, ...more });

const say = async (said: HttpSaid, session = ""): Promise<HttpAnswer> =>
  await httpSay(port, {
    ...said,
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(session === "" ? {} : { "mcp-session-id": session }),
      ...said.headers,
    },
  });

const hello = message(0, "initialize", {
  protocolVersion: "2025-11-25",
  capabilities: { elicitation: {} },
  clientInfo: { name: "http", version: "1" },
});

const open = async (): Promise<string> => {
  const { headers, status } = await say({ body: hello });
  assert.equal(status, 200);
  const session = String(headers["mcp-session-id"]);
  const body = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });
  assert.equal((await say({ body }, session)).status, 202);
  return session;
};

test("who has no token, another name or another origin stays outside", async () => {
  const refused: readonly (readonly [number, Readonly<Record<string, string>>])[] = [
    [401, { authorization: "" }],
    [401, { authorization: `Bearer ${token}x` }],
    [401, { authorization: `Basic ${token}` }],
    [403, { host: `evil.example:${port}` }],
    [403, { host: `127.0.0.1:${port + 1}` }],
    [403, { origin: "http://evil.example" }],
    [403, { origin: "null" }],
    [415, { "content-type": "text/plain" }],
    [406, { accept: "application/json" }],
  ];
  for (const [status, headers] of refused) {
    assert.equal((await say({ body: hello, headers })).status, status, JSON.stringify(headers));
  }
  assert.equal((await say({ body: hello, path: "/" })).status, 404);
  assert.equal((await say({ method: "PUT", body: hello })).status, 405);
  // Control: with all of them right it is let in.
  const headers = { origin: `http://localhost:${port}`, host: `localhost:${port}` };
  assert.equal((await say({ body: hello, headers })).status, 200);
  assert.ok(!gate.stderr.includes(token));
});

test("what is no message, or of no session, is refused", async () => {
  for (const body of ["{", "[]", `[${hello}]`, '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}']) {
    assert.equal((await say({ body })).status, 400, body);
  }
  assert.equal((await say({ body: call(1, "echo") })).status, 400);
  for (const session of ["nobody", "shared"]) {
    assert.equal((await say({ body: call(1, "echo") }, session)).status, 404);
    assert.equal((await say({ method: "GET" }, session)).status, 404);
  }
  const body = call(1, "echo", { text: "x".repeat(4_100_000) });
  assert.equal((await say({ body }, await open())).status, 413);
});

test("each client has a session of its own, until it ends it", async () => {
  const [one, two] = [await open(), await open()];
  assert.notEqual(one, two);
  // Line ends between tokens end nothing.
  const pretty = JSON.stringify(JSON.parse(call(7, "echo", { a: 1 })), undefined, 2);
  const answers = await Promise.all([say({ body: pretty }, one), say({ body: pretty }, two)]);
  for (const { text } of answers) {
    assert.match(eventsIn(text)[0]?.data ?? "", /"id": ?7.*echo \{\\"a\\": 1\}/);
  }
  assert.equal((await say({ method: "DELETE" }, one)).status, 200);
  assert.equal((await say({ body: pretty }, one)).status, 404);
  assert.equal((await say({ body: pretty }, two)).status, 200);
});

test("a server's question comes on the client's own stream, of which there is one", async () => {
  const session = await open();
  const opened = Promise.withResolvers<undefined>();
  const question = (text: string): boolean => text.includes("elicitation/create");
  const listening = say(
    { method: "GET", until: question, opened: () => opened.resolve(undefined) },
    session,
  );
  await opened.promise;
  assert.equal((await say({ method: "GET" }, session)).status, 409);
  const calling = say({ body: call(1, "ask", { method: "elicitation/create" }) }, session);
  const [heard] = eventsIn((await listening).text);
  const { id } = JSON.parse(heard?.data ?? "") as { readonly id: unknown };
  const body = JSON.stringify({ jsonrpc: "2.0", id, result: { action: "accept", content: {} } });
  assert.equal((await say({ body }, session)).status, 202);
  assert.match((await calling).text, /accept/);
});

test("an answer that a broken connection lost is told again, once it is asked for", async () => {
  const session = await open();
  const asking = { body: call(1, "ask", { method: "elicitation/create" }) };
  // Without a stream of its own a client hears the question on its request's.
  const first = await say({ ...asking, until: (text) => text.includes("elicitation") }, session);
  const [heard] = eventsIn(first.text);
  const { id } = JSON.parse(heard?.data ?? "") as { readonly id: unknown };
  const body = JSON.stringify({ jsonrpc: "2.0", id, result: { action: "decline" } });
  assert.equal((await say({ body }, session)).status, 202);
  const headers = { "last-event-id": heard?.id ?? "" };
  const { text } = await say({ method: "GET", headers }, session);
  const events = eventsIn(text);
  assert.equal(events.length, 1);
  assert.match(events[0]?.data ?? "", /decline/);
});

test("requests without a session share one server, and carry their era themselves", async () => {
  const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
  const body = call("m", "echo", { a: 2 }, { _meta });
  const answer = await say({ body, headers: { "mcp-method": "tools/call" } });
  assert.equal(answer.headers["mcp-session-id"], undefined);
  assert.match(answer.text, /echo/);
  assert.equal((await say({ body, headers: { "mcp-method": "ping" } })).status, 400);
});
