/**
 * Connections of a program that are opened by consent: real TLS on both sides, with authorities of
 * their own. Each protection with what happens without it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { test, type TestContext } from "node:test";
import { ProgramAuthority } from "@ioi/host/crypto";
import { Trust } from "../src/trust.ts";
import { createLog } from "@ioi/host/ports";
import { clientHello, placeOf, say } from "./program-support.ts";

const host = "api.example.com";
const log = createLog({ fields: {}, write: () => undefined });

interface Upstream {
  readonly port: number;
  readonly received: string[];
  readonly trust: Trust;
  /** Believes nobody. */
  readonly doubt: Trust;
}

/** A server of its own authority, as the world has them. */
const upstream = async (t: TestContext, name = host): Promise<Upstream> => {
  const authority = new ProgramAuthority("the world", [name]);
  const made = authority.credentialsFor(name);
  assert.ok(made !== undefined);
  const received: string[] = [];
  const server = https.createServer({ cert: made.certificate, key: made.privateKey });
  server.on("request", (request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      const shown = JSON.stringify(request.headers);
      received.push(`${request.method} ${request.url} ${shown} ${body}`);
      response.end("from inside");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const none = (): Promise<readonly string[]> => Promise.resolve([]);
  return {
    port: (server.address() as net.AddressInfo).port,
    received,
    trust: new Trust([authority.certificate], none, log),
    doubt: new Trust([], none, log),
  };
};

const opened = (
  t: TestContext,
  to: Upstream,
  more: Partial<Parameters<typeof placeOf>[1]> = {},
) => {
  const authority = new ProgramAuthority("one program", [host]);
  const intercept = "leased" as const;
  const place = placeOf(t, {
    names: { [host]: ["127.0.0.1"] },
    hosts: [{ host, port: to.port, classes: ["loopback"], intercept }],
    authority,
    trust: to.trust,
    ...more,
  });
  return { ...place, authority };
};

const tunnel = async (port: number, to: number): Promise<net.Socket> => {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`CONNECT ${host}:${to} HTTP/1.1\r\n\r\n`);
  await once(socket, "data");
  return socket;
};

const spoken = async (
  port: number,
  to: number,
  ca: string,
  said: string,
  options: tls.ConnectionOptions = {},
): Promise<string> => {
  const socket = await tunnel(port, to);
  const secure = tls.connect({ socket, servername: host, ca, ...options });
  let answer = "";
  secure.on("data", (bytes: Buffer) => (answer += bytes.toString("latin1")));
  secure.on("error", (error: Error & { readonly code?: string }) => (answer += error.code));
  secure.on("secureConnect", () => secure.write(said));
  await new Promise<void>((resolve) => secure.once("close", () => resolve()));
  return answer;
};

const ask = (to: number, first: string, more = "", body = ""): string =>
  `${first} HTTP/1.1\r\nhost: ${host}:${to}\r\n${more}\r\n${body}`;

test("a leased request inside TLS is read, goes as it was said, and is in the log", async (t) => {
  const server = await upstream(t);
  const { flow, port, authority, wants } = opened(t, server);
  const said = ask(server.port, "POST /a?b", "x-own: yes\r\ncontent-length: 2\r\n", "hi");
  const answer = await spoken(port, server.port, authority.certificate, said);
  assert.match(answer, /200 OK[^]*from inside$/);
  assert.match(server.received[0] ?? "", /^POST \/a\?b .*"x-own":"yes".* hi$/);
  await flow.close();
  const url = `https://${host}:${server.port}/a?b`;
  const [entry] = flow.entries;
  assert.deepEqual(
    [entry?.method, entry?.url, entry?.status, entry?.mode],
    ["POST", url, 200, "intercepted"],
  );
  assert.deepEqual(wants, []);
});

test("another authority's certificate, and none, is believed by nobody", async (t) => {
  const server = await upstream(t);
  const { flow, port, authority } = opened(t, server);
  const other = new ProgramAuthority("one program", [host]);
  const get = ask(server.port, "GET /");
  assert.match(
    await spoken(port, server.port, other.certificate, get),
    /CERT|SIGNATURE|ISSUER|SELF_SIGNED/i,
  );
  const alone = await spoken(port, server.port, tls.rootCertificates[0] ?? "", get);
  assert.match(alone, /CERT|ISSUER|SIGNATURE/i);
  assert.deepEqual(server.received, []);
  // Control: its own.
  assert.match(await spoken(port, server.port, authority.certificate, get), /from inside/);
  await flow.close();
  const failed = flow.entries.filter(({ method }) => method === "CONNECT");
  assert.deepEqual(
    failed.map(({ status, mode }) => [status, mode]),
    [
      [0, "intercepted"],
      [0, "intercepted"],
    ],
  );
  assert.equal(flow.refusals, 2);
});

test("a server that does not prove itself is refused, and the program is told", async (t) => {
  const server = await upstream(t);
  const { port, authority } = opened(t, server, { trust: server.doubt });
  const answer = await spoken(port, server.port, authority.certificate, ask(server.port, "GET /"));
  assert.match(answer, /502 Bad Gateway[^]*(UNABLE_TO|SELF_SIGNED)/);
  assert.deepEqual(server.received, []);
  const wrong = await upstream(t, "other.example.com");
  const second = opened(t, wrong);
  const get = ask(wrong.port, "GET /");
  const named = await spoken(second.port, wrong.port, second.authority.certificate, get);
  assert.match(named, /502 Bad Gateway[^]*ALTNAME/);
  assert.deepEqual(wrong.received, []);
});

test("only HTTP/1.1, and nothing that upgrades", async (t) => {
  const server = await upstream(t);
  const { port, authority } = opened(t, server);
  const { certificate } = authority;
  const get = ask(server.port, "GET /");
  const both = { ALPNProtocols: ["h2", "http/1.1"] };
  assert.match(await spoken(port, server.port, certificate, get, both), /from inside/);
  const two = await spoken(port, server.port, certificate, get, { ALPNProtocols: ["h2"] });
  assert.match(two, /ALERT|ALPN|PROTOCOL/i);
  const upgrade = ask(server.port, "GET /", "connection: upgrade\r\nupgrade: websocket\r\n");
  assert.match(await spoken(port, server.port, certificate, upgrade), /501[^]*WebSocket/);
  assert.equal(server.received.length, 1);
});

test("what is said inside is as strict as outside, and stays with its host", async (t) => {
  const server = await upstream(t);
  const { port, authority } = opened(t, server);
  const said = async (text: string): Promise<string> =>
    await spoken(port, server.port, authority.certificate, text);
  const refused: readonly string[] = [
    `GET / HTTP/1.1\r\nhost: other.example.com\r\n\r\n`,
    `GET https://${host}:${server.port}/ HTTP/1.1\r\nhost: ${host}:${server.port}\r\n\r\n`,
    `CONNECT ${host}:1 HTTP/1.1\r\n\r\n`,
    ask(server.port, "POST /", "content-length: 1\r\ntransfer-encoding: chunked\r\n"),
    ask(server.port, "GET /\0"),
  ];
  for (const text of refused) assert.match(await said(text), /HTTP\/1.1 (400|501) /, text);
  assert.deepEqual(server.received, []);
  // No TLS, and TLS for another host, are not opened.
  const open = `CONNECT ${host}:${server.port} HTTP/1.1\r\n\r\n`;
  assert.doesNotMatch(await say(port, `${open}GET / HTTP/1.1\r\n\r\n`), /400|200 OK/);
  const socket = await tunnel(port, server.port);
  let came = 0;
  socket.on("data", (bytes: Buffer) => (came += bytes.length));
  socket.write(clientHello("other.example.com"));
  await once(socket, "close");
  assert.equal(came, 0);
});

test("judged requests are actions of their own, with what they send", async (t) => {
  const server = await upstream(t);
  const hosts = [{ host, port: server.port, classes: ["loopback"], intercept: "judged" as const }];
  const { port, authority, wants } = opened(t, server, {
    hosts,
    onWant: (flow, { id, target, args: { url }, body }) => {
      const sends = target === "net::post" && Buffer.from(body).includes("token");
      const closed = typeof url === "string" && url.endsWith("/closed");
      if (sends || closed) flow.refuse(id, "a rule refuses it");
      else flow.grant(id, ["loopback"]);
    },
  });
  const said = async (text: string): Promise<string> =>
    await spoken(port, server.port, authority.certificate, text);
  const more = "x-secret: stolen\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n";
  assert.match(await said(ask(server.port, "POST /in", more, "hello")), /from inside/);
  assert.match(server.received[0] ?? "", /^POST \/in .*"text\/plain".* hello$/);
  assert.doesNotMatch(server.received[0] ?? "", /stolen/);
  assert.equal(wants[0]?.target, "net::post");
  assert.equal(wants[0]?.args["url"], `https://${host}:${server.port}/in`);
  assert.match(await said(ask(server.port, "POST /in", more, "token")), /403[^]*a rule refuses/);
  assert.match(await said(ask(server.port, "GET /closed")), /403/);
  assert.match(await said(ask(server.port, "GET /open")), /from inside/);
  assert.deepEqual(
    server.received.map((line) => line.split(" ", 2).join(" ")),
    ["POST /in", "GET /open"],
  );
});
