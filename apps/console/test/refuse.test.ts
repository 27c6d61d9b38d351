/** What a connection without a request is told, on real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { test } from "node:test";
import { refuseConnection } from "../src/http/refuse.ts";

/** What a client reads that sent this much, when its connection is ended for this code. */
const told = async (sent: string, code: string): Promise<string> => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [net.Socket];
  socket.resume();
  if (sent !== "") {
    const arrived = once(socket, "data");
    client.write(sent);
    await arrived;
  }
  let read = "";
  client.setEncoding("utf8").on("data", (piece: string) => (read += piece));
  const closed = once(client, "close");
  refuseConnection(Object.assign(new Error("refused"), { code }), socket);
  await closed;
  server.close();
  return read;
};

test("a connection on which nothing was asked is closed without an answer", async () => {
  // A browser would read one as the answer to what it asks next.
  assert.equal(await told("", "ERR_HTTP_REQUEST_TIMEOUT"), "");
});

test("a request that is half there, too long or no HTTP hears why", async () => {
  const half = "POST /x HTTP/1.1\r\nHost: a\r\n";
  for (const [code, status] of [
    ["ERR_HTTP_REQUEST_TIMEOUT", "408 Request Timeout"],
    ["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"],
    ["HPE_INVALID_METHOD", "400 Bad Request"],
  ] as const) {
    assert.equal(await told(half, code), `HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
  }
});
