/** A message to an MCP server that its server sends on: carried where the server said, and only there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  codeOf,
  driver,
  fetchWith,
  ok,
  rawServer,
  requestOf,
  type World,
  worldOf,
} from "./support.ts";

const hello = new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"tools/list"}');

const other = new TextEncoder().encode('{"jsonrpc":"2.0","id":2,"method":"tools/list"}');

const moved = (location: string, status = "307 Temporary Redirect"): string =>
  `HTTP/1.1 ${status}\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`;

/** Sends the message to the confirmed address, or on to where it leads. */
const message = async (
  world: World,
  server: string,
  address?: string,
  body = hello,
  client = driver,
): Promise<string> => {
  const asked = requestOf({
    url: address ?? server,
    method: "POST",
    action: {
      target: "mcp::call",
      args: { server: "s", tool: "#tools/list", ...(address === undefined ? {} : { address }) },
      facts: { server: { realPath: server, exists: true } },
    },
    ask: { body },
  });
  return await codeOf(fetchWith(world, asked, undefined, client));
};

const place = async (location: string, status?: string) => {
  const server = await rawServer((socket, head) => {
    const isFirst = head.split(" ")[1] === "/mcp";
    socket.end(isFirst ? moved(location, status) : ok("{}"));
  });
  const origin = `http://127.0.0.1:${server.port}`;
  return { server, origin, world: worldOf({ classes: ["loopback"] }) };
};

test("a redirected message goes where its server sent it, once, and as it was", async () => {
  const { server, origin, world } = await place("/mcp/");
  await using _ = server;
  const [from, to] = [`${origin}/mcp`, `${origin}/mcp/`];
  assert.equal(await message(world, from, to), "E_EGRESS_REQUEST", "nobody sent it there yet");
  assert.equal(server.connections, 0);
  assert.equal(await message(world, from), "ok");
  for (const [what, refused] of [
    ["another address", message(world, from, `${origin}/other`)],
    ["another message", message(world, from, to, other)],
    ["another driver", message(world, from, to, hello, { ...driver })],
  ] as const) {
    assert.equal(await refused, "E_EGRESS_REQUEST", what);
  }
  assert.equal(server.connections, 1);
  assert.equal(await message(world, from, to), "ok", "the control");
  assert.equal(await message(world, from, to), "E_EGRESS_REQUEST", "a second time");
  assert.equal(server.connections, 2);
});

test("no redirect leads to another origin, or makes another request of a message", async () => {
  for (const [location, to, status] of [
    ["http://127.0.0.1:1/mcp/", "http://127.0.0.1:1/mcp/", undefined],
    ["/mcp/", undefined, "303 See Other"],
    ["/mcp/", undefined, "200 OK"],
  ] as const) {
    const { server, origin, world } = await place(location, status);
    await using _ = server;
    assert.equal(await message(world, `${origin}/mcp`), "ok");
    const address = to ?? `${origin}/mcp/`;
    assert.equal(await message(world, `${origin}/mcp`, address), "E_EGRESS_REQUEST", location);
  }
});

test("a redirect of a redirect leads nowhere", async () => {
  const server = await rawServer((socket) => socket.end(moved("/three")));
  await using _ = server;
  const origin = `http://127.0.0.1:${server.port}`;
  const world = worldOf({ classes: ["loopback"] });
  assert.equal(await message(world, `${origin}/one`), "ok");
  assert.equal(await message(world, `${origin}/one`, `${origin}/three`), "ok");
  assert.equal(await message(world, `${origin}/one`, `${origin}/three`), "E_EGRESS_REQUEST");
});
