/** The public surfaces: which Host, which method, which path, and what they never say. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { after, mock, test } from "node:test";
import { startMetrics } from "@ioi/host/process";
import { listenHttp } from "../src/http.ts";

/** The servers that the code under test opens for the life of its process; closed at the end. */
const servers: net.Server[] = [];
const keep =
  <A extends readonly unknown[]>(make: (...given: A) => net.Server) =>
  (...given: A): net.Server => {
    const server = make(...given);
    servers.push(server);
    return server;
  };
mock.method(http, "createServer", keep(http.createServer) as typeof http.createServer);
mock.method(net, "createServer", keep(net.createServer) as typeof net.createServer);
after(() => {
  mock.restoreAll();
  for (const server of servers) server.close();
});

const state = { ready: false };
const others = { text: "" };
const address = await listenHttp({
  host: "127.0.0.1",
  ready: () => state.ready,
  others: async () => others.text,
});
const port = Number(address.split(":")[1]);

interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/** Raw, so that any Host and method can be sent. */
const ask = async (text: string): Promise<Answer> => {
  const socket = net.connect(port, "127.0.0.1");
  socket.write(text);
  let all = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    all += chunk;
  });
  socket.on("error", () => undefined);
  await once(socket, "close");
  const end = all.indexOf("\r\n\r\n");
  const headers = all.slice(0, end).toLowerCase();
  return {
    status: Number(/^http\/1\.1 (\d+)/.exec(headers)?.[1]),
    headers,
    body: all.slice(end + 4),
  };
};

const get = (path: string, host = `127.0.0.1:${port}`, method = "GET"): Promise<Answer> =>
  ask(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

test("alive, and ready once both ends are", async () => {
  assert.equal((await get("/healthz")).status, 200);
  state.ready = false;
  const early = await get("/readyz");
  assert.deepEqual([early.status, /not ready/.test(early.body)], [503, true]);
  state.ready = true;
  assert.equal((await get("/readyz")).status, 200);
});

test("only our own names are answered: a page of another origin reads nothing", async () => {
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]) {
    assert.equal((await get("/healthz", host)).status, 200, host);
  }
  for (const host of [
    "attacker.example",
    `attacker.example:${port}`,
    `127.0.0.1.attacker.example:${port}`,
    `localhost:${port + 1}`,
    "localhost",
    "127.0.0.1",
    `LOCALHOST.:${port}`,
    `0.0.0.0:${port}`,
    "",
  ]) {
    for (const path of ["/healthz", "/readyz", "/metrics"]) {
      const answer = await get(path, host);
      assert.equal(answer.status, 421, `${host} ${path}`);
      assert.doesNotMatch(answer.body, /ok|ready|ioi_/);
    }
  }
  const none = await ask("GET /healthz HTTP/1.0\r\n\r\n");
  assert.notEqual(none.status, 200, "no Host at all");
});

test("only GET, only three paths", async () => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    assert.equal((await get("/healthz", undefined, method)).status, 405, method);
  }
  for (const path of ["/", "/healthz/", "/healthz?x", "/../healthz", "/favicon.ico", "//metrics"]) {
    assert.equal((await get(path)).status, 404, path);
  }
});

test("answers are not cached, not sniffed, and allow no other origin", async () => {
  const { headers } = await get("/healthz");
  assert.match(headers, /cache-control: no-store/);
  assert.match(headers, /x-content-type-options: nosniff/);
  assert.doesNotMatch(headers, /access-control-allow/);
});

test("metrics are Prometheus text with this process's name", async () => {
  startMetrics("orchestrator");
  const { status, headers, body } = await get("/metrics");
  assert.equal(status, 200);
  assert.match(headers, /content-type: text\/plain; version=0\.0\.4/);
  assert.match(body, /^# (HELP|TYPE) ioi_/m);
  assert.match(body, /process="orchestrator"/);
});

test("the series of the others stand in the same groups", async () => {
  const own = (await get("/metrics")).body;
  others.text = own.replaceAll("orchestrator", "guardian");
  const { body } = await get("/metrics");
  others.text = "";
  assert.equal(body.match(/^# TYPE ioi_process_cpu_seconds_total /gm)?.length, 1);
  const [own1, other] = body.split("\n").filter((line) => line.startsWith("ioi_process_cpu_sec"));
  assert.match(`${own1}`, /process="orchestrator"/);
  assert.match(`${other}`, /process="guardian"/);
});

test("rubbish and oversized headers end in an error, and the next request is answered", async () => {
  assert.equal((await ask("\u0000\u0001\r\n\r\n")).status, 400);
  const large = await ask(`GET /healthz HTTP/1.1\r\nX: ${"y".repeat(20_000)}\r\n\r\n`);
  assert.equal(large.status, 431);
  assert.equal((await get("/healthz")).status, 200);
});
