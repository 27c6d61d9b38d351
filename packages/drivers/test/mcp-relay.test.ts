/** The relay between a client and an MCP server: what goes on, what is held, what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom, utf8Decode, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { McpRelay, type RelayEffect } from "../src/mcp/relay.ts";
import { mcpHeldMax, mcpMessageBytesMax, mcpRequestsMax } from "../src/limits.ts";

const identity = new Uint8Array(32).fill(7);
const relayOf = (): McpRelay => new McpRelay({ provider: nodeCrypto, identity });

const bytes = (value: unknown): Uint8Array =>
  utf8Encode(typeof value === "string" ? value : JSON.stringify(value));

const request = (id: unknown, method: string, params: object = {}): object => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});
const result = (id: unknown, value: object): object => ({ jsonrpc: "2.0", id, result: value });
const call = (id: unknown, name: string, args: object = {}): object =>
  request(id, "tools/call", { name, arguments: args });

/** Effects with messages as values. */
const plain = (effects: readonly RelayEffect[]): readonly unknown[] =>
  effects.map((effect) => {
    if (effect.type === "to-client" || effect.type === "to-server") {
      return [effect.type, JSON.parse(utf8Decode(effect.bytes) ?? "") as unknown];
    }
    if (effect.type === "hold") {
      const call: unknown = JSON.parse(JSON.stringify(effect.call));
      return ["hold", effect.key, effect.side, call];
    }
    if (effect.type === "define") return ["define", effect.serial, effect.tools.map((t) => t.name)];
    if (effect.type === "fault") return ["fault", effect.side];
    return [effect.type, "key" in effect ? effect.key : 0];
  });

const client = (relay: McpRelay, value: unknown): readonly unknown[] => {
  relay.fromClient(bytes(value));
  return plain(relay.take());
};
const server = (relay: McpRelay, value: unknown): readonly unknown[] => {
  relay.fromServer(bytes(value));
  return plain(relay.take());
};

/** A relay whose client has seen a list with these tools. */
const listed = (...names: readonly string[]): McpRelay => {
  const relay = relayOf();
  client(relay, request(0, "tools/list"));
  server(relay, result(0, { tools: names.map((name) => ({ name, inputSchema: {} })) }));
  relay.offer(1, new Set());
  relay.take();
  return relay;
};

test("what is harmless goes through byte for byte, both ways", () => {
  const relay = relayOf();
  const text = '{ "jsonrpc":"2.0" , "id":"a", "method":"ping" }';
  relay.fromClient(bytes(text));
  const [sent] = relay.take();
  assert.equal(sent?.type === "to-server" ? utf8Decode(sent.bytes) : "", text);
  const answer = '{"jsonrpc":"2.0","id":"a","result":{ "x": 1.50 }}';
  relay.fromServer(bytes(answer));
  const [back] = relay.take();
  assert.equal(back?.type === "to-client" ? utf8Decode(back.bytes) : "", answer);
  const note = { jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1 } };
  assert.deepEqual(server(relay, note), [["to-client", note]]);
  assert.deepEqual(client(relay, note), [["to-server", note]]);
});

test("a call is held until it is permitted, and goes on once", () => {
  const relay = listed("echo");
  const wanted = call(1, "echo", { a: 1 });
  assert.deepEqual(client(relay, wanted), [
    ["hold", 1, "client", { tool: "echo", args: { a: 1 } }],
  ]);
  assert.equal(relay.permit(1), true);
  assert.deepEqual(plain(relay.take()), [["to-server", wanted]]);
  assert.equal(relay.permit(1), false);
  assert.deepEqual(plain(relay.take()), []);
  const answer = result(1, { content: [] });
  assert.deepEqual(server(relay, answer), [
    ["answered", 1],
    ["to-client", answer],
  ]);
});

test("a refused call is answered with words that a model can read", () => {
  const relay = listed("echo");
  client(relay, call(1, "echo"));
  relay.refuse(1, "No.");
  const content = [{ type: "text", text: "No." }];
  assert.deepEqual(plain(relay.take()), [["to-client", result(1, { content, isError: true })]]);
  // Its server never hears of it, and cannot answer it.
  assert.deepEqual(server(relay, result(1, {})), [["fault", "server"]]);
});

test("every request that is not known to be harmless is judged under its method", () => {
  for (const method of ["resources/read", "prompts/get", "completion/complete", "x/y"]) {
    const held = client(relayOf(), request(1, method, { uri: "u", _meta: { progressToken: 1 } }));
    assert.deepEqual(held, [["hold", 1, "client", { tool: `#${method}`, args: { uri: "u" } }]]);
  }
  for (const method of ["sampling/createMessage", "elicitation/create", "x/y"]) {
    const held = server(relayOf(), request(1, method, { message: "m" }));
    assert.deepEqual(held, [["hold", 1, "server", { tool: `#${method}`, args: { message: "m" } }]]);
  }
});

test("no name of our own is a method", () => {
  for (const method of ["answer", "stream", "server/start", "server/connect"]) {
    const [fault, said] = client(relayOf(), request(1, method)) as readonly [
      unknown,
      [string, { error: { code: number } }],
    ];
    assert.deepEqual(fault, ["fault", "client"], method);
    assert.deepEqual([said[0], said[1].error.code], ["to-client", -32_602], method);
  }
});

test("a request without an id goes nowhere", () => {
  const withoutId = (method: string, params: object = {}): object => ({
    jsonrpc: "2.0",
    method,
    params,
  });
  const relay = listed("echo");
  const calls = withoutId("tools/call", { name: "echo", arguments: {} });
  for (const asked of [calls, withoutId("resources/read", { uri: "u" }), withoutId("ping")]) {
    const message = "a request has an id";
    const said = { jsonrpc: "2.0", id: null, error: { code: -32_600, message } };
    assert.deepEqual(client(relay, asked), [
      ["fault", "client"],
      ["to-client", said],
    ]);
  }
  assert.deepEqual(server(relay, withoutId("sampling/createMessage")), [["fault", "server"]]);
  const note = withoutId("notifications/roots/list_changed");
  assert.deepEqual(client(relay, note), [["to-server", note]], "the control");
});

test("a message holds nothing that a loose reader would take for another", () => {
  const ping = request(1, "ping");
  for (const stray of ["Method", "METHOD", "paramſ", "Params", "meta", "__proto__", ""]) {
    const text = JSON.stringify(ping).replace("{", `{${JSON.stringify(stray)}:"tools/call",`);
    assert.equal((client(relayOf(), text)[0] as readonly unknown[])[0], "fault", stray);
    assert.deepEqual(server(relayOf(), text), [["fault", "server"]], stray);
  }
  assert.deepEqual(client(relayOf(), ping), [["to-server", ping]], "the control");
});

test("a server that asks is told no in its own words", () => {
  const relay = relayOf();
  server(relay, request("s1", "elicitation/create", { message: "password?" }));
  relay.refuse(1, "No.");
  assert.deepEqual(plain(relay.take()), [["to-server", result("s1", { action: "decline" })]]);
  server(relay, request("s2", "sampling/createMessage", {}));
  relay.refuse(2, "No.");
  const [refusal] = plain(relay.take()) as readonly [[string, { error: { message: string } }]];
  assert.equal(refusal[1].error.message, "No.");
  // The client may not answer what it was never asked.
  assert.deepEqual(client(relay, result("s2", {})), [["fault", "client"]]);
});

test("requests inside a result of 2026-07-28 are judged before the client sees any of it", () => {
  const relay = listed("greet");
  client(relay, call(1, "greet"));
  relay.permit(1);
  relay.take();
  const asks = result(1, {
    resultType: "input_required",
    inputRequests: {
      a: { method: "elicitation/create", params: { message: "who?" } },
      b: { method: "sampling/createMessage", params: {} },
    },
  });
  assert.deepEqual(server(relay, asks), [
    ["answered", 1],
    ["hold", 2, "server", { tool: "#elicitation/create", args: { message: "who?" } }],
    ["hold", 3, "server", { tool: "#sampling/createMessage", args: {} }],
  ]);
  relay.permit(2);
  assert.deepEqual(plain(relay.take()), [["answered", 2]]);
  relay.permit(3);
  assert.deepEqual(plain(relay.take()), [
    ["answered", 3],
    ["to-client", asks],
  ]);
});

test("a refused request inside a result takes the whole result with it", () => {
  const relay = listed("greet");
  client(relay, call(1, "greet"));
  relay.permit(1);
  relay.take();
  const elicit = { method: "elicitation/create", params: {} };
  server(
    relay,
    result(1, { resultType: "input_required", inputRequests: { a: elicit, b: elicit } }),
  );
  relay.refuse(3, "No.");
  const [dropped, told] = plain(relay.take()) as readonly unknown[];
  assert.deepEqual(dropped, ["dropped", 2]);
  assert.ok(JSON.stringify(told).includes('"isError":true'));
  assert.equal(relay.permit(2), false);
});

test("a tool that was withheld is not on the list; the rest is as it came", () => {
  const relay = relayOf();
  client(relay, request(1, "tools/list"));
  const tools = [{ name: "good", x: 1 }, { name: "evil" }];
  assert.deepEqual(server(relay, result(1, { tools, ttlMs: 5 })), [
    ["define", 1, ["good", "evil"]],
  ]);
  relay.offer(1, new Set(["evil"]));
  assert.deepEqual(plain(relay.take()), [
    ["to-client", result(1, { tools: [{ name: "good", x: 1 }], ttlMs: 5 })],
  ]);
  relay.offer(1, new Set());
  assert.deepEqual(plain(relay.take()), []);
});

test("a call without a list has one made before it is judged, page by page", () => {
  const relay = relayOf();
  const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", other: 1 };
  const first = request(1, "tools/call", { name: "b", arguments: {}, _meta: meta });
  const [[, asked]] = client(relay, first) as readonly [[string, { id: string; params: object }]];
  assert.equal(asked.id, "ioi/1");
  const version = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
  assert.deepEqual(asked.params, { _meta: version });
  server(relay, result("ioi/1", { tools: [{ name: "a" }], nextCursor: "2" }));
  relay.offer(1, new Set());
  const [[, second]] = plain(relay.take()) as readonly [[string, { params: { cursor: string } }]];
  assert.equal(second.params.cursor, "2");
  server(relay, result("ioi/2", { tools: [{ name: "b" }] }));
  relay.offer(2, new Set());
  assert.deepEqual(plain(relay.take()), [["hold", 1, "client", { tool: "b", args: {} }]]);
  // A name that no list has is judged with an empty definition, not asked for again.
  relay.fromClient(bytes(call(2, "nowhere")));
  const [held] = relay.take();
  assert.deepEqual(held?.type === "hold" && held.definition, new Uint8Array(32));
});

test("after list_changed an unknown name is looked for again", () => {
  const relay = listed("a");
  assert.equal((client(relay, call(1, "b"))[0] as readonly unknown[])[0], "hold");
  server(relay, { jsonrpc: "2.0", method: "notifications/tools/list_changed" });
  assert.equal((client(relay, call(2, "b"))[0] as readonly unknown[])[0], "to-server");
});

test("a cancelled call that was held is never sent", () => {
  const relay = listed("a");
  const cancel = (id: number): object => ({
    jsonrpc: "2.0",
    method: "notifications/cancelled",
    params: { requestId: id },
  });
  client(relay, call(1, "a"));
  assert.deepEqual(client(relay, cancel(1)), [["dropped", 1]]);
  assert.equal(relay.permit(1), false);
  client(relay, call(2, "a"));
  relay.permit(2);
  relay.take();
  assert.deepEqual(client(relay, cancel(2)), [
    ["dropped", 2],
    ["to-server", cancel(2)],
  ]);
  assert.deepEqual(client(relay, cancel(3)), []);
  assert.deepEqual(server(relay, result(2, {})), [["fault", "server"]]);
});

test("what breaks the protocol is refused, and the sender told where it can be", () => {
  const bad: readonly unknown[] = [
    "",
    "{",
    "nothing",
    "[]",
    [request(1, "ping")],
    "3",
    { jsonrpc: "1.0", id: 1, method: "ping" },
    { jsonrpc: "2.0", id: null, method: "ping" },
    { jsonrpc: "2.0", id: 1.5, method: "ping" },
    { jsonrpc: "2.0", id: {}, method: "ping" },
    { jsonrpc: "2.0", id: 1, method: "" },
    { jsonrpc: "2.0", id: 1, method: 5 },
    { jsonrpc: "2.0", id: 1, method: "ping", params: [] },
    { jsonrpc: "2.0", id: 1, method: "ping", result: {} },
    { jsonrpc: "2.0", id: 1, result: {}, error: {} },
    { jsonrpc: "2.0", id: 1 },
    { jsonrpc: "2.0", result: {} },
    '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
    `{"jsonrpc":"2.0","id":1,"method":"ping","params":${'{"a":'.repeat(80)}1${"}".repeat(80)}}`,
    `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"${"x".repeat(mcpMessageBytesMax)}"}}`,
    { jsonrpc: "2.0", id: 1, method: "x".repeat(300) },
    { jsonrpc: "2.0", id: "x".repeat(300), method: "ping" },
    request(1, "tools/call", { arguments: {} }),
    request(1, "tools/call", { name: "#resources/read", arguments: {} }),
    request(1, "tools/call", { name: "a", arguments: [] }),
    request(1, "tools/call", { name: "a", arguments: {}, sandbox: "off" }),
    request(1, "tools/call", { name: "a", _meta: { x: "y".repeat(20_000) } }),
  ];
  for (const each of bad) {
    const relay = listed("a");
    const shown = JSON.stringify(each).slice(0, 100);
    const effects = client(relay, each);
    assert.deepEqual(effects[0], ["fault", "client"], shown);
    const [kind, told] = effects[1] as readonly [string, { error: { code: number } }];
    assert.equal(kind, "to-client", shown);
    assert.ok(told.error.code < 0, shown);
    assert.equal(effects.length, 2, shown);
    const ofServer = listed("a");
    const fromServer = server(ofServer, each);
    assert.ok(
      fromServer.every((one) => (one as readonly unknown[])[0] !== "to-client"),
      shown,
    );
  }
  relayOf().fromServer(Uint8Array.of(0xff, 0xfe, 10));
});

test("ids are used once while they wait, by whoever waits", () => {
  const relay = relayOf();
  client(relay, request(1, "ping"));
  const [fault, told] = client(relay, request(1, "ping"));
  assert.deepEqual(fault, ["fault", "client"]);
  assert.ok(JSON.stringify(told).includes("waits already"));
  // The text "1" is another id than the number.
  assert.equal((client(relay, request("1", "ping"))[0] as readonly unknown[])[0], "to-server");
  assert.deepEqual(client(relay, request("ioi/1", "ping"))[0], ["fault", "client"]);
  assert.deepEqual(server(relay, result(1, { a: 1 })), [["to-client", result(1, { a: 1 })]]);
  assert.deepEqual(server(relay, result(1, { a: 2 })), [["fault", "server"]]);
  assert.deepEqual(server(relay, result(99, {})), [["fault", "server"]]);
  server(relay, request("s", "roots/list"));
  assert.deepEqual(server(relay, request("s", "roots/list")), [["fault", "server"]]);
});

test("nothing grows without bound", () => {
  const relay = listed("a");
  for (let id = 1; id <= mcpHeldMax + 5; id++) client(relay, call(id, "a"));
  assert.equal(relay.held, mcpHeldMax);
  const open = relayOf();
  for (let id = 0; id < mcpRequestsMax; id++) client(open, request(id, "ping"));
  assert.deepEqual(client(open, request(9999, "ping"))[0], ["fault", "client"]);
  const asked = relayOf();
  for (let id = 0; id < mcpRequestsMax + 5; id++) server(asked, request(id, "roots/list"));
  assert.deepEqual(server(asked, request("more", "roots/list"))[0], ["fault", "server"]);
});

test("when the server ends, whoever waits is told once", () => {
  const relay = listed("a");
  client(relay, call(1, "a"));
  client(relay, call(2, "a"));
  client(relay, request(3, "ping"));
  relay.permit(2);
  relay.take();
  relay.serverEnded("it ended");
  const effects = plain(relay.take()) as readonly (readonly [string, { id?: number }])[];
  const told = effects.filter(([type]) => type === "to-client").map(([, { id }]) => id);
  assert.deepEqual(told, [1, 2, 3]);
  assert.deepEqual(
    effects.filter(([type]) => type === "dropped").map(([, key]) => key),
    [1, 2],
  );
  assert.equal(relay.permit(1), false);
});

test("no message of either side, in any order, gets a judged request through", () => {
  const seed = "mcp-relay";
  const random = new SeededRandom(seed);
  const methods = ["ping", "tools/call", "tools/list", "resources/read", "sampling/createMessage"];
  for (let round = 0; round < 200; round++) {
    const relay = relayOf();
    for (let step = 0; step < 40; step++) {
      const id = random.below(4);
      const method = methods[random.below(methods.length)] ?? "ping";
      const messages: readonly object[] = [
        request(id, method, { name: "a", arguments: {} }),
        result(id, { tools: [{ name: "a" }] }),
        { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } },
        { jsonrpc: "2.0", id, error: { code: 1, message: "m" } },
      ];
      const message = bytes(messages[random.below(4)]);
      if (random.below(2) === 0) relay.fromClient(message);
      else relay.fromServer(message);
      for (const effect of relay.take()) {
        if (effect.type === "define") relay.offer(effect.serial, new Set());
        if (effect.type !== "to-server" && effect.type !== "to-client") continue;
        const sent = JSON.parse(utf8Decode(effect.bytes) ?? "") as { method?: string };
        const judged =
          effect.type === "to-server"
            ? ["tools/call", "resources/read", "sampling/createMessage"]
            : ["sampling/createMessage", "tools/call", "resources/read", "tools/list"];
        assert.ok(!judged.includes(sent.method ?? ""), `${seed}, round ${round}: ${sent.method}`);
      }
    }
  }
});
