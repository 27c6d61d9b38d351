/** The messages that open a connection to a server of MCP: several under one ticket, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addMs, instant, OperationError, toHex } from "@ioi/base";
import { flowLogHash, flowLogStart } from "@ioi/firewall/net";
import { nodeCrypto } from "@ioi/host/crypto";
import type { Obligation } from "@ioi/wire";
import { driver, fetchWith, ok, rawServer, requestOf, worldOf } from "./support.ts";

type Flow = Extract<Obligation, { readonly type: "flow" }>;

const bounds: Flow = { type: "flow", requests: 4, bytesUp: 4_000, bytesDown: 1_000, ms: 1_000 };

const message = (method: string, params: object = {}): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));

/** Each message under the one ticket, in turn; what became of it. */
const opening = async (
  flow: Partial<Flow> | "none" = {},
  tool = "#server/connect",
  address?: string,
) => {
  const server = await rawServer((socket, head) => {
    const isMoved = address !== undefined && head.startsWith("POST /mcp ");
    const head307 = `HTTP/1.1 307 T\r\nlocation: ${address}\r\ncontent-length: 0\r\n\r\n`;
    socket.end(isMoved ? head307 : ok("{}"));
  });
  let now = instant(1_000_000_000n);
  const world = worldOf({
    classes: ["loopback"],
    headers: [{ name: "x-key", value: "SECRET" }],
    clock: { now: () => now },
  });
  const url = `http://127.0.0.1:${server.port}/mcp`;
  const requestTo = (to?: string) =>
    requestOf({
      url: to ?? url,
      method: "POST",
      action: {
        target: "mcp::call",
        args: { server: "s", tool, arguments: {}, ...(to === undefined ? {} : { address: to }) },
        facts: { server: { realPath: url, exists: true } },
      },
      ticket: { obligations: flow === "none" ? [] : [{ ...bounds, ...flow }] },
    });
  const request = requestTo();
  const send = async (body: Uint8Array, more: object = {}, client = driver): Promise<string> => {
    try {
      const { end } = await fetchWith(
        world,
        { ...request, offset: 0n, body, ...more },
        undefined,
        client,
      );
      return `${end?.requests ?? 0} ${toHex(end?.requestLog ?? new Uint8Array(0))}`;
    } catch (error) {
      return error instanceof OperationError ? error.message : String(error);
    }
  };
  const later = (ms: number): void => void (now = addMs(now, ms));
  return { server, url, world, send, later, requestTo };
};

test("the first messages go under one ticket and one lease, and egress logs each", async () => {
  const { server, url, world, send } = await opening();
  await using _ = server;
  let log = flowLogStart;
  let requests = 0;
  for (const method of ["initialize", "notifications/initialized", "tools/list"]) {
    log = flowLogHash(nodeCrypto, log, { method: "POST", url, status: 200, bytes: 2 });
    assert.equal(await send(message(method)), `${++requests} ${toHex(log)}`);
  }
  assert.deepEqual([world.leased.length, server.connections], [1, 3]);
  assert.equal(server.received.match(/x-key: SECRET/g)?.length, 3);
  assert.ok(!/range|if-range/i.test(server.received));
});

test("a call, another address and another driver find no way under it", async () => {
  const { server, url, send } = await opening();
  await using _ = server;
  assert.match(await send(message("initialize")), /^1 /);
  const call = message("tools/call", { name: "send", arguments: {} });
  const list = message("tools/list");
  for (const [what, answer, said] of [
    ["a call", await send(call), /opens no connection/],
    ["a resource", await send(message("resources/read", { uri: "a:b" })), /opens no connection/],
    ["no message", await send(new Uint8Array([1])), /not the action's/],
    ["another path", await send(list, { url: `${url}/x` }), /URL is not the action's/],
    ["another method", await send(list, { method: "DELETE" }), /method is not the action's/],
    ["a part", await send(list, { offset: 1n }), /sent whole/],
    ["another driver", await send(list, {}, { ...driver }), /used before/],
  ] as const) {
    assert.match(answer, said, what);
  }
  assert.equal(server.connections, 1);
  assert.match(await send(list), /^2 /, "the control");
});

test("no message is sent on under it that the server did not send on itself", async () => {
  const { server, url, send, requestTo } = await opening({}, "#server/connect", "/mcp/");
  await using _ = server;
  const [hello, list] = [message("initialize"), message("tools/list")];
  const further = requestTo(`${url}/`);
  const sentOn = async (body: Uint8Array): Promise<string> =>
    await send(body, { ...further, offset: 0n, body });
  assert.match(await send(hello), /^1 /);
  assert.match(await sentOn(hello), /^1 /);
  assert.match(await sentOn(list), /sent no such message there/);
  assert.equal(server.connections, 2);
  assert.match(await send(list), /^2 /);
  assert.match(await sentOn(list), /^2 /, "the control");
});

test("it ends with its requests, its bytes and its time", async () => {
  const list = message("tools/list");
  {
    const { server, send } = await opening({ requests: 2 });
    await using _ = server;
    assert.match(await send(list), /^1 /);
    assert.match(await send(list), /^2 /);
    assert.match(await send(list), /no requests left/);
  }
  {
    const { server, send } = await opening();
    await using _ = server;
    assert.match(await send(list), /^1 /);
    assert.match(await send(message("ping", { x: "x".repeat(4_000) })), /may send no more/);
  }
  {
    const { server, send } = await opening({ bytesDown: 2 });
    await using _ = server;
    assert.match(await send(list), /^1 /);
    assert.match(await send(list), /may receive no more/);
  }
  const { server, send, later } = await opening();
  await using _ = server;
  assert.match(await send(list), /^1 /);
  later(1_000);
  assert.match(await send(list), /^2 /, "the control");
  later(1);
  assert.match(await send(list), /too old/);
});

test("without a flow, and for any other message, a ticket is good for one", async () => {
  for (const [flow, tool] of [
    ["none", "#server/connect"],
    ["none", "#tools/list"],
  ] as const) {
    const { server, send } = await opening(flow, tool);
    await using _ = server;
    const call = message("tools/call", { name: "send", arguments: {} });
    assert.match(await send(call), /the message is not the action's/);
    assert.equal(server.connections, 0);
    assert.match(await send(message("tools/list")), /^0 /);
    assert.match(await send(message("tools/list")), /used before/);
  }
});
