/** Whether bytes are the message that an action names. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8Encode } from "@ioi/base";
import type { Action } from "@ioi/wire";
import { canonicalJson } from "../src/kinds/data.ts";
import { messageComplaint } from "../src/net/message.ts";

const action = (tool: string, given: unknown = {}): Action => {
  const made = canonicalJson(given);
  assert.ok(made.ok);
  return {
    version: 1,
    target: "mcp::call",
    args: { server: "s", tool, arguments: made.value, definition: new Uint8Array(32) },
    facts: {},
  };
};

const fits = (of: Action, message: unknown): boolean =>
  messageComplaint(
    of,
    utf8Encode(typeof message === "string" ? message : JSON.stringify(message)),
  ) === undefined;

const call = (name: string, args?: unknown, more: object = {}): object => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name, ...(args === undefined ? {} : { arguments: args }), ...more },
});
const method = (name: string, params?: object): object => ({
  jsonrpc: "2.0",
  id: 1,
  method: name,
  ...(params === undefined ? {} : { params }),
});

test("a call of a tool is that tool with those arguments, however they are written", () => {
  const args = { b: [1.5, "ä", null, { c: true }], a: -1 };
  const judged = action("send", args);
  assert.ok(fits(judged, call("send", args)));
  assert.ok(fits(judged, call("send", { a: -1, b: [1.5, "ä", null, { c: true }] })));
  assert.ok(fits(judged, call("send", args, { _meta: { progressToken: 1 } })));
  assert.ok(fits(action("send"), call("send")));
  for (const other of [
    call("send", { ...args, a: 1 }),
    call("send", { ...args, d: 1 }),
    call("send", { a: -1 }),
    call("send"),
    call("sendd", args),
    call("#ping", args),
    method("tools/list"),
    method("resources/read", args),
    { jsonrpc: "2.0", id: 1, result: {} },
    [call("send", args)],
    `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}`,
    "7",
    "{",
    "",
  ]) {
    assert.equal(fits(judged, other), false, JSON.stringify(other));
  }
});

test("nothing stands beside what was judged, for a reader that takes names loosely", () => {
  const judged = action("send", { a: 1 });
  const calls = call("send", { a: 1 }, { task: { ttl: 1 }, inputResponses: {}, requestState: "s" });
  assert.ok(fits(judged, calls), "the control");
  for (const more of [{ Name: "other" }, { Arguments: { a: 2 } }, { argumentſ: {} }, { x: 1 }]) {
    assert.equal(fits(judged, call("send", { a: 1 }, more)), false, JSON.stringify(more));
  }
  for (const tool of ["#ping", "#server/connect"]) {
    assert.ok(fits(action(tool), method("ping")), "the control");
    for (const more of [{ Method: "tools/call" }, { paramſ: { name: "send" } }, { x: 1 }]) {
      assert.equal(fits(action(tool), { ...method("ping"), ...more }), false, JSON.stringify(more));
    }
  }
  const answer = { jsonrpc: "2.0", id: 1, result: {}, Method: "tools/call" };
  assert.equal(fits(action("#answer"), answer), false);
});

test("a method whose name was cut short is no other that begins like it", () => {
  const long = "m".repeat(127);
  assert.ok(fits(action(`#${long}`), method(long)));
  assert.equal(fits(action(`#${long}`), method(`${long}m`)), false);
});

test("a method is that method, with what was judged of it", () => {
  const read = action("#resources/read", { uri: "note://one" });
  assert.ok(fits(read, method("resources/read", { uri: "note://one", _meta: { a: 1 } })));
  assert.equal(fits(read, method("resources/read", { uri: "note://two" })), false);
  assert.equal(fits(read, method("prompts/get", { uri: "note://one" })), false);
  // What keeps a connection is not judged beyond its name.
  assert.ok(fits(action("#initialize"), method("initialize", { protocolVersion: "x" })));
  assert.equal(fits(action("#initialize"), call("send")), false);
  assert.ok(fits(action("#answer"), { jsonrpc: "2.0", id: 1, result: {} }));
  assert.equal(fits(action("#answer"), method("ping")), false);
  assert.equal(fits(action("#stream"), method("ping")), false);
});

test("a connection is opened by its first messages, and by no call", () => {
  const opens = action("#server/connect");
  for (const name of [
    "initialize",
    "notifications/initialized",
    "ping",
    "server/discover",
    "tools/list",
  ]) {
    assert.ok(fits(opens, method(name)), name);
  }
  for (const other of [
    call("send"),
    method("resources/read", { uri: "note://one" }),
    method("resources/list"),
    method("server/connect"),
    method("notifications/cancelled"),
    { jsonrpc: "2.0", id: 1, result: {} },
  ]) {
    assert.equal(fits(opens, other), false, JSON.stringify(other));
  }
});
