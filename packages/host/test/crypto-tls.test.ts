import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createNetServer, connect as connectNet, type AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { connect, createServer, type TLSSocket } from "node:tls";
import { OperationError } from "@ioi/base";
import {
  certificateValidityMs,
  type Credentials,
  issueCertificate,
  makeCertificateAuthority,
  tlsClientOptions,
  tlsServerOptions,
  wrapClient,
  wrapServer,
} from "@ioi/host/crypto";

/** Two ends of one byte stream in memory. */
const duplexPair = (): [Duplex, Duplex] => {
  const end = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, callback) {
        other().push(chunk);
        callback();
      },
      final(callback) {
        other().push(null);
        callback();
      },
      destroy(error, callback) {
        const peer = other();
        if (!peer.destroyed) peer.destroy();
        callback(error);
      },
    });
  const left: Duplex = end(() => right);
  const right: Duplex = end(() => left);
  return [left, right];
};

const netPair = async (): Promise<[Duplex, Duplex, () => void]> => {
  const server = createNetServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connectNet((server.address() as AddressInfo).port, "127.0.0.1");
  const [accepted] = (await once(server, "connection")) as [Duplex];
  return [accepted, client, () => server.close()];
};

const authority = makeCertificateAuthority("ioi-boot");
const guardian = issueCertificate(authority, "guardian");
const workload = issueCertificate(authority, "workload");
const orchestrator = issueCertificate(authority, "orchestrator");
const foreign = issueCertificate(makeCertificateAuthority("ioi-boot"), "workload");

const codeOf = (result: PromiseSettledResult<unknown>): string => {
  if (result.status === "fulfilled") return "accepted";
  const { reason } = result as PromiseRejectedResult;
  return reason instanceof OperationError ? reason.code : String(reason);
};

/** What each end says when `client` meets a server that expects a workload and is the guardian. */
const meet = async (client: Credentials, expected = "guardian"): Promise<[string, string]> => {
  const [near, far] = duplexPair();
  const results = await Promise.allSettled([
    wrapServer(near, { credentials: guardian, peer: "workload" }),
    wrapClient(far, { credentials: client, peer: expected }).then((socket) => {
      socket.on("error", () => {});
      return socket;
    }),
  ]);
  near.destroy();
  return [codeOf(results[0]), codeOf(results[1])];
};

const echo = async (server: TLSSocket, client: TLSSocket): Promise<string> => {
  server.on("data", (bytes: Buffer) => server.write(`echo ${bytes.toString()}`));
  client.write("hello");
  const [bytes] = (await once(client, "data")) as [Buffer];
  return bytes.toString();
};

for (const transport of ["memory", "net"] as const) {
  test(`two processes speak over ${transport}`, async () => {
    const [near, far, close] =
      transport === "memory" ? [...duplexPair(), (): void => {}] : await netPair();
    const [server, client] = await Promise.all([
      wrapServer(near, { credentials: guardian, peer: "workload" }),
      wrapClient(far, { credentials: workload, peer: "guardian" }),
    ]);
    assert.equal(await echo(server as TLSSocket, client as TLSSocket), "echo hello");
    assert.equal((client as TLSSocket).getProtocol(), "TLSv1.3");
    assert.deepEqual((client as TLSSocket).getPeerX509Certificate()?.subject, "CN=guardian");
    (client as TLSSocket).destroy();
    (server as TLSSocket).destroy();
    (close as () => void)();
  });
}

test("a client of this boot with the expected name is accepted", async () => {
  assert.deepEqual(await meet(workload), ["accepted", "accepted"]);
});

test("a client of another authority is refused", async () => {
  const [server] = await meet({ ...foreign, authority: guardian.authority });
  assert.equal(server, "E_TLS_PEER_REFUSED");
});

test("a server of another authority is refused", async () => {
  const [, client] = await meet(foreign);
  assert.equal(client, "E_TLS_PEER_REFUSED");
});

test("a client with another name of this boot is refused", async () => {
  const [server] = await meet(orchestrator);
  assert.equal(server, "E_TLS_PEER_REFUSED");
});

test("a server with another name of this boot is refused", async () => {
  const [, client] = await meet(workload, "orchestrator");
  assert.equal(client, "E_TLS_PEER_REFUSED");
});

test("a client without a certificate is refused, and gets no byte", async () => {
  const [near, far] = duplexPair();
  const server = wrapServer(near, { credentials: guardian, peer: "workload" });
  const { cert: _cert, key: _key, ...anonymous } = tlsClientOptions(workload, "guardian");
  const client = connect({ ...anonymous, socket: far });
  let received = 0;
  client.on("data", (bytes: Buffer) => (received += bytes.length));
  const ended = new Promise<void>((resolve) => {
    client.once("error", () => resolve());
    client.once("close", () => resolve());
  });
  await assert.rejects(server, { code: "E_TLS_PEER_REFUSED" });
  await ended;
  assert.equal(received, 0);
});

test("control: without the demand for a certificate the same client gets in", async () => {
  const [near, far] = duplexPair();
  const server = createServer({ ...tlsServerOptions(guardian), requestCert: false });
  server.on("secureConnection", (socket) => socket.end("in"));
  server.emit("connection", near);
  const { cert: _cert, key: _key, ...anonymous } = tlsClientOptions(workload, "guardian");
  const client = connect({ ...anonymous, socket: far });
  const [bytes] = (await once(client, "data")) as [Buffer];
  assert.equal(bytes.toString(), "in");
  client.destroy();
});

test("a client that offers X25519 alone is refused", async () => {
  const [near, far] = duplexPair();
  const server = wrapServer(near, { credentials: guardian, peer: "workload" });
  const client = connect({
    ...tlsClientOptions(workload, "guardian"),
    ecdhCurve: "X25519",
    socket: far,
  });
  const failed = once(client, "error");
  await assert.rejects(server, { code: "E_TLS_PEER_REFUSED" });
  await failed.catch(() => {});
});

test("a server that offers X25519 alone is refused", async () => {
  const [near, far] = duplexPair();
  const server = createServer({ ...tlsServerOptions(guardian), ecdhCurve: "X25519" });
  server.on("tlsClientError", () => {});
  server.emit("connection", near);
  await assert.rejects(wrapClient(far, { credentials: workload, peer: "guardian" }), {
    code: "E_TLS_PEER_REFUSED",
  });
});

test("control: a server that also lists X25519 lets the same client in", async () => {
  const [near, far] = duplexPair();
  const server = createServer({
    ...tlsServerOptions(guardian),
    ecdhCurve: "X25519MLKEM768:X25519",
  });
  server.on("secureConnection", (socket) => socket.end("in"));
  server.emit("connection", near);
  const client = connect({
    ...tlsClientOptions(workload, "guardian"),
    ecdhCurve: "X25519",
    socket: far,
  });
  const [bytes] = (await once(client, "data")) as [Buffer];
  assert.equal(bytes.toString(), "in");
  client.destroy();
});

test("an expired certificate is refused", async () => {
  const old = authority.issue("workload", Date.now() - certificateValidityMs - 1000);
  const [server] = await meet(old);
  assert.equal(server, "E_TLS_PEER_REFUSED");
});

test("a kernel that runs for months, or on a clock that was set, connects anew", async () => {
  const year = 365 * 86_400_000;
  for (const madeMs of [Date.now() - year, Date.now() + year]) {
    const [server, client] = await meet(authority.issue("workload", madeMs));
    assert.deepEqual([server, client], ["accepted", "accepted"]);
  }
});

test("a stream that ends, and an aborted signal, end the handshake", async () => {
  const [near, far] = duplexPair();
  const waiting = wrapServer(near, { credentials: guardian, peer: "workload" });
  far.destroy();
  await assert.rejects(waiting, { code: "E_TLS_HANDSHAKE" });

  const [other] = duplexPair();
  const reason = new Error("shutting down");
  const controller = new AbortController();
  const aborted = wrapClient(other, {
    credentials: workload,
    peer: "guardian",
    signal: controller.signal,
  });
  controller.abort(reason);
  await assert.rejects(aborted, reason);
});

test("garbage instead of a handshake is an error of the channel", async () => {
  const [near, far] = duplexPair();
  const waiting = wrapServer(near, { credentials: guardian, peer: "workload" });
  far.write("GET / HTTP/1.1\r\n\r\n");
  await assert.rejects(waiting, { code: "E_TLS_HANDSHAKE" });
});
