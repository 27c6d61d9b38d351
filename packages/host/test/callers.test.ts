/** The owner of a connection on loopback, while there is one. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { test } from "node:test";
import { callerUidOf } from "@ioi/host/proc";

test("the caller of an open connection is seen, of none or a closed one is not", async () => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, "connection") as Promise<[net.Socket]>;
  const client = net.connect(port, "127.0.0.1");
  const [socket] = await accepted;
  const from = socket.remotePort ?? 0;
  assert.equal(callerUidOf(from, port), process.getuid?.());
  assert.equal(callerUidOf(from, port === 1 ? 2 : 1), undefined);
  assert.equal(callerUidOf(port, from), process.getuid?.(), "the other end of the same one");
  assert.equal(callerUidOf(1, port), undefined);
  client.destroy();
  await once(client, "close");
  assert.equal(callerUidOf(from, port), undefined);
  socket.destroy();
  server.close();
});
