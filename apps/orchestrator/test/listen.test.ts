/** Ports: the wanted one, the next free one, or a clear refusal. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, test } from "node:test";
import { listenNear } from "../src/listen.ts";
import { connectionsMax } from "../src/limits.ts";

const host = "127.0.0.1";
const servers: net.Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

const serverOf = (): net.Server => {
  const server = net.createServer((socket) => socket.destroy());
  servers.push(server);
  return server;
};

/** A port with a few free ones behind it; found by asking the system, used at once. */
const occupied = async (): Promise<number> => {
  for (;;) {
    const server = serverOf();
    const port = await listenNear(server, host, 0);
    if (port < 65_000) return port;
    server.close();
  }
};

test("0 takes any free port", async () => {
  const [one, two] = [await listenNear(serverOf(), host, 0), await listenNear(serverOf(), host, 0)];
  assert.ok(one > 0 && two > 0 && one !== two);
});

test("a busy port: the next free one, and the server answers there", async () => {
  const busy = await occupied();
  const server = serverOf();
  const bound = await listenNear(server, host, busy);
  assert.ok(bound > busy && bound < busy + 50, `${bound} after ${busy}`);
  assert.equal((server.address() as net.AddressInfo).port, bound);
  const socket = net.connect(bound, host);
  await once(socket, "connect");
  socket.destroy();
  const third = await listenNear(serverOf(), host, busy);
  assert.ok(third > bound, "and the next after that");
});

test("a free port is taken as wanted", async () => {
  const first = serverOf();
  const port = await listenNear(first, host, 0);
  first.close();
  await once(first, "close");
  assert.equal(await listenNear(serverOf(), host, port), port);
});

test("the end of the range is the end of the search", async () => {
  const last = serverOf();
  last.listen(65_535, host);
  await Promise.race([once(last, "listening"), once(last, "error")]);
  await assert.rejects(listenNear(serverOf(), host, 65_535), { code: "E_PORT_BUSY" });
  await assert.rejects(listenNear(serverOf(), host, 65_536), { code: "E_PORT_BUSY" });
});

test("an address of another machine is a failure of its own, at once", async () => {
  await assert.rejects(listenNear(serverOf(), "192.0.2.1", 0), { code: "EADDRNOTAVAIL" });
});

test("connections are bounded", async () => {
  const server = serverOf();
  await listenNear(server, host, 0);
  assert.equal(server.maxConnections, connectionsMax);
});
