/**
 * The way out of a program: what its ticket leases goes, what lies outside waits for an action of its
 * own, and nothing is looked up for what nothing permits. Each protection with what happens without it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test, type TestContext } from "node:test";
import { nodeCrypto } from "@ioi/host/crypto";
import { flowLogHash, flowLogStart } from "@ioi/firewall/net";
import {
  programBodyBytesMax,
  programConnectionsMax,
  programHeadMs,
  wantMs,
} from "../src/limits.ts";
import { clientHello, placeOf, say, through } from "./program-support.ts";
import { ok, rawServer } from "./support.ts";

const loopback = (port: number, methods?: readonly string[]) => ({
  host: "127.0.0.1",
  port,
  classes: ["loopback"],
  ...(methods === undefined ? {} : { methods }),
});
const connectTo = (port: number): string => `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`;
const get = (port: number, path = "/"): string =>
  `GET http://127.0.0.1:${port}${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`;
const socksTo = (port: number): Buffer =>
  Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]);

/** Sends back what comes, after a word of its own. */
const echo = async (t: TestContext): Promise<{ readonly port: number }> => {
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (bytes: Buffer) => socket.end(`echo ${bytes.toString("latin1")}`));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { port: (server.address() as net.AddressInfo).port };
};

test("a leased request goes as the program said it, and is in the log", async (t) => {
  await using server = await rawServer((socket) => socket.end(ok("hello")));
  const { flow, port, wants } = placeOf(t, { hosts: [loopback(server.port)] });
  const head = `POST http://127.0.0.1:${server.port}/a?b HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n`;
  const more = "x-own: yes\r\nproxy-authorization: Basic aGk=\r\nconnection: keep-alive\r\n";
  const answer = await say(port, `${head}${more}content-length: 2\r\n\r\nhiGET /smuggled`);
  assert.match(answer, /200 OK[^]*hello$/);
  assert.match(
    server.received,
    /^POST \/a\?b HTTP\/1.1\r\nhost: 127.0.0.1:\d+\r\nconnection: close/,
  );
  assert.match(server.received, /x-own: yes/);
  assert.match(server.received, /hi$/);
  assert.doesNotMatch(server.received, /proxy-authorization|keep-alive|smuggled/);
  await flow.close();
  const url = `http://127.0.0.1:${server.port}/a?b`;
  const entry = { method: "POST", url, status: 200, bytes: answer.length };
  assert.deepEqual(flow.total.log, flowLogHash(nodeCrypto, flowLogStart, entry));
  assert.equal(flow.entries[0]?.mode, "mediated");
  assert.equal(flow.total.requests, 1);
  assert.deepEqual(wants, []);
});

test("tunnels by CONNECT and by SOCKS5 carry what nobody reads", async (t) => {
  const server = await echo(t);
  const { flow, port } = placeOf(t, { hosts: [loopback(server.port)] });
  assert.match(
    await through(port, [connectTo(server.port)], "opaque"),
    /^HTTP\/1.1 200[^]*echo opaque$/,
  );
  const socks = await through(port, [Buffer.from([5, 1, 0]), socksTo(server.port)], "opaque");
  assert.match(socks, /echo opaque$/);
  await flow.close();
  assert.deepEqual(
    flow.entries.map(({ method, mode, status }) => [method, mode, status]),
    [
      ["CONNECT", "tunnel", 200],
      ["CONNECT", "tunnel", 200],
    ],
  );
});

test("a lease of some methods is none of others, and none of a tunnel", async (t) => {
  await using server = await rawServer((socket) => socket.end(ok("hello")));
  const refuse = {
    onWant: (flow: { refuse(id: number, why: string): void }, { id }: { id: number }) =>
      flow.refuse(id, "no"),
  };
  const { port, wants } = placeOf(t, { hosts: [loopback(server.port, ["GET"])], ...refuse });
  assert.match(await say(port, get(server.port)), /200 OK/);
  const post = `POST http://127.0.0.1:${server.port}/ HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n\r\n`;
  assert.match(await say(port, post), /403 Forbidden/);
  assert.match(await say(port, connectTo(server.port)), /403 Forbidden/);
  assert.equal(server.connections, 1);
  assert.deepEqual(
    wants.map(({ target }) => target),
    ["net::post", "net::connect"],
  );
});

test("outside of the lease nothing is looked up or dialled before somebody permits it", async (t) => {
  const names = { "b.example": ["127.0.0.1"] };
  const { flow, port, wants, lookedUp } = placeOf(t, { names });
  const waiting = say(port, "CONNECT b.example:443 HTTP/1.1\r\n\r\n");
  while (wants.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(wants[0], {
    id: 1,
    target: "net::connect",
    args: { host: "b.example", port: 443 },
    key: "b.example 443",
    body: new Uint8Array(0),
  });
  assert.deepEqual(lookedUp, []);
  flow.refuse(1, "a rule refuses it");
  assert.match(await waiting, /403 Forbidden[^]*a rule refuses it/);
  assert.match(await say(port, "CONNECT b.example:443 HTTP/1.1\r\n\r\n"), /a rule refuses it/);
  assert.equal(wants.length, 1);
  assert.deepEqual(lookedUp, []);
  assert.equal(flow.refusals, 2);
});

test("what is permitted is asked once for all that wait, and goes to checked addresses only", async (t) => {
  const server = await echo(t);
  const names = { "b.example": ["127.0.0.1"] };
  const open = `CONNECT b.example:${server.port} HTTP/1.1\r\n\r\n`;
  const granted = placeOf(t, { names });
  const both = [through(granted.port, [open], "one"), through(granted.port, [open], "two")];
  while (granted.wants.length === 0 || granted.flow.connections < 2) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(granted.flow.grant(1, ["loopback"]));
  const answers = await Promise.all(both);
  assert.deepEqual(
    answers.map((text) => text.slice(text.indexOf("echo"))),
    ["echo one", "echo two"],
  );
  assert.equal(granted.wants.length, 1);
  const [permit] = granted.flow.granted;
  assert.equal(permit?.sum.requests, 2);
  assert.equal(permit?.sum.address, "127.0.0.1");
  // The same name, whose public permission leads home.
  const rebound = placeOf(t, { names, onWant: (flow, { id }) => flow.grant(id, ["public"]) });
  assert.match(await say(rebound.port, open), /403 Forbidden[^]*which is loopback/);
});

test("a request that is judged by its URL takes nothing else along, and is permitted once", async (t) => {
  await using server = await rawServer((socket) => socket.end(ok("hello")));
  const { port, wants } = placeOf(t, { onWant: (flow, { id }) => flow.grant(id, ["loopback"]) });
  const head = get(server.port, "/page").replace("\r\n\r\n", "\r\nx-secret: stolen\r\n\r\n");
  assert.match(await say(port, head), /200 OK/);
  assert.doesNotMatch(server.received, /stolen/);
  assert.equal(wants[0]?.target, "net::get");
  assert.deepEqual(wants[0]?.args, { method: "GET", url: `http://127.0.0.1:${server.port}/page` });
  await say(port, head);
  assert.equal(wants.length, 2);
});

test("what a plain request sends is judged with it, held until then, and all that goes", async (t) => {
  await using server = await rawServer((socket) => socket.end(ok("hello")));
  const { flow, port, wants } = placeOf(t, {
    onWant: (to, { id, body }) => {
      if (Buffer.from(body).includes("token")) to.refuse(id, "a rule refuses it");
      else to.grant(id, ["loopback"]);
    },
  });
  const post = (body: string, ...more: readonly string[]): string =>
    [
      `POST http://127.0.0.1:${server.port}/in HTTP/1.1`,
      `host: 127.0.0.1:${server.port}`,
      ...more,
      "",
      body,
    ].join("\r\n");
  const typed = ["content-type: text/plain", "x-secret: stolen"];
  assert.match(await say(port, post("hi", ...typed, "content-length: 2")), /200 OK/);
  assert.match(server.received, /content-type: text\/plain\r\ncontent-length: 2\r\n\r\nhi$/);
  assert.doesNotMatch(server.received, /stolen/);
  const sha256 = nodeCrypto.sha256(Buffer.from("hi"));
  const { target, args } = wants[0] ?? {};
  assert.equal(target, "net::post");
  assert.deepEqual(args?.["content"], { sha256, length: 2, head: "hi" });
  assert.deepEqual(args?.["headers"], { "content-type": "text/plain" });
  const before = server.received;
  assert.match(await say(port, post("token", "content-length: 5")), /403[^]*a rule refuses it/);
  assert.equal(server.received, before);
  // Another body is another action.
  assert.equal(wants.length, 2);
  assert.match(await say(port, post("hi", "content-length: 2")), /200 OK/);
  assert.equal(wants.length, 3);
  const large = post("", `content-length: ${programBodyBytesMax + 1}`);
  assert.match(await say(port, large), /413 Content Too Large/);
  assert.equal(flow.total.requests, 2);
});

test("a body in chunks is decoded strictly, and goes with its length", async (t) => {
  await using server = await rawServer((socket) => socket.end(ok("hello")));
  const { port } = placeOf(t, { hosts: [loopback(server.port)] });
  const chunks = (body: string, more = ""): string =>
    `POST http://127.0.0.1:${server.port}/ HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n` +
    `${more}transfer-encoding: chunked\r\n\r\n${body}`;
  const whole = "2\r\nhi\r\n5\r\n there\r\n0\r\n\r\n".replace("5\r\n there", "6\r\n there");
  const answer = await say(port, chunks(whole, "expect: 100-continue\r\n"));
  assert.match(answer, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200/);
  assert.match(server.received, /content-length: 8\r\n\r\nhi there$/);
  assert.doesNotMatch(server.received, /chunked|expect/);
  const before = server.received;
  const refused: readonly string[] = [
    "2;x=y\r\nhi\r\n0\r\n\r\n",
    "0x2\r\nhi\r\n0\r\n\r\n",
    "-2\r\nhi\r\n0\r\n\r\n",
    "2\r\nhiX\r\n0\r\n\r\n",
    "2\nhi\n0\n\n\r\n",
    "0\r\nx-more: yes\r\n\r\n",
    "\r\n2\r\nhi\r\n0\r\n\r\n",
    `${"1".repeat(2_000)}`,
  ];
  for (const body of refused) {
    assert.match(
      await say(port, chunks(body)),
      /400 Bad Request/,
      JSON.stringify(body.slice(0, 40)),
    );
  }
  assert.match(await say(port, chunks("fffffff\r\n")), /413/);
  assert.equal(server.received, before);
});

test("a tunnel to one host carries no TLS for another", async (t) => {
  const server = await echo(t);
  const names = { "a.example": ["127.0.0.1"] };
  const hosts = [{ host: "a.example", port: server.port, classes: ["loopback"] }];
  const { flow, port } = placeOf(t, { names, hosts });
  const open = [`CONNECT a.example:${server.port} HTTP/1.1\r\n\r\n`];
  assert.match(await through(port, open, clientHello("A.Example")), /echo/);
  const before = flow.total.bytesUp;
  assert.doesNotMatch(await through(port, open, clientHello("b.example")), /echo/);
  assert.doesNotMatch(await through(port, open, clientHello("a.example", "b.example")), /echo/);
  assert.equal(flow.total.bytesUp, before);
});

test("bytes, requests and time are bounds of all of it together", async (t) => {
  const server = await echo(t);
  const hosts = [loopback(server.port)];
  const few = placeOf(t, { hosts, bytesUp: 8 });
  // Control: what fits goes.
  assert.match(await through(few.port, [connectTo(server.port)], "123456"), /echo 123456/);
  const cut = await through(few.port, [connectTo(server.port)], "789");
  assert.doesNotMatch(cut, /echo 789/);
  assert.equal(few.flow.total.bytesUp, 8);
  assert.equal(few.flow.ended, "bytes");
  assert.match(await say(few.port, connectTo(server.port)), /429[^]*bytes are used up/);
  const once1 = placeOf(t, { hosts, requests: 1 });
  assert.match(await through(once1.port, [connectTo(server.port)], "one"), /echo one/);
  assert.match(await say(once1.port, connectTo(server.port)), /429[^]*requests are used up/);
  const down = placeOf(t, { hosts, bytesDown: 7 });
  await through(down.port, [connectTo(server.port)], "123456");
  assert.equal(down.flow.total.bytesDown, 7);
});

test("time ends what runs", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const server = net.createServer(() => undefined).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const target = (server.address() as net.AddressInfo).port;
  const { flow, port } = placeOf(t, { hosts: [loopback(target)], ms: 5_000 });
  const socket = net.connect(port, "127.0.0.1");
  socket.write(connectTo(target));
  await once(socket, "data");
  const closed = once(socket, "close");
  t.mock.timers.tick(5_000);
  await closed;
  assert.equal(flow.ended, "time");
});

test("who says nothing, or only half, is left; a flood is not served", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { flow, port } = placeOf(t);
  const held = Array.from({ length: programConnectionsMax }, (_, at) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    // Some drip a head, some speak half of SOCKS, some say nothing.
    socket.write(at % 3 === 0 ? "CONNECT a.exam" : at % 3 === 1 ? Buffer.from([5, 1]) : "");
    return socket;
  });
  while (flow.connections < programConnectionsMax) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const extra = net.connect(port, "127.0.0.1");
  extra.on("error", () => undefined);
  await once(extra, "close");
  assert.equal(flow.connections, programConnectionsMax);
  const closed = Promise.all(held.map((socket) => once(socket, "close")));
  t.mock.timers.tick(programHeadMs);
  await closed;
  while (flow.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(flow.refusals, programConnectionsMax + 1);
});

test("a want that nobody answers is refused, and closing ends all that wait", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const late = placeOf(t, { ms: 3_600_000 });
  const first = say(late.port, "CONNECT a.example:443 HTTP/1.1\r\n\r\n");
  while (late.wants.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(wantMs);
  assert.match(await first, /403[^]*nobody answered in time/);
  const second = say(late.port, "CONNECT b.example:443 HTTP/1.1\r\n\r\n");
  while (late.wants.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await late.flow.close();
  await second;
  assert.equal(late.flow.grant(2, ["public"]), false);
});

test("a server that is not there is said to be so", async (t) => {
  const server = await rawServer(() => undefined);
  await server[Symbol.asyncDispose]();
  const { port } = placeOf(t, { hosts: [loopback(server.port)] });
  assert.match(await say(port, connectTo(server.port)), /502 Bad Gateway/);
  const socks = await say(port, Buffer.concat([Buffer.from([5, 1, 0]), socksTo(server.port)]));
  assert.equal(socks.charCodeAt(3), 5);
});
