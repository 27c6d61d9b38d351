/** What leaves and what does not: tickets, requests, names, addresses, answers of every kind. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OperationError } from "@ioi/base";
import { issueCertificate, makeCertificateAuthority, nodeCrypto } from "@ioi/host/crypto";
import { once } from "node:events";
import type net from "node:net";
import tls from "node:tls";
import { UsedCounters } from "../src/check.ts";
import { codeOf, driver, fetchWith, ok, rawServer, requestOf, worldOf } from "./support.ts";

const loopback = { classes: ["loopback"] } as const;

describe("a request that its ticket permits", () => {
  it("is carried once, and its answer is told whole", async () => {
    await using server = await rawServer((socket) => socket.end(ok("hello", "x-a: b\r\n")));
    const world = worldOf({ ...loopback, headers: [{ name: "authorization", value: "Bearer S" }] });
    const url = `http://127.0.0.1:${server.port}/a?b`;
    const request = requestOf({ url, headers: { accept: "text/html" } });
    const answer = await fetchWith(world, request);
    assert.deepEqual(
      [answer.status, answer.body, answer.headers["x-a"], answer.end?.address, answer.end?.mode],
      [200, "hello", "b", "127.0.0.1", "mediated"],
    );
    const head = server.received.split("\r\n");
    assert.equal(head[0], "GET /a?b HTTP/1.1");
    assert.deepEqual(
      head.slice(1, -2).map((line) => line.split(":")[0]?.toLowerCase()),
      ["host", "connection", "accept-encoding", "user-agent", "accept", "authorization"],
    );
    assert.ok(head.includes(`host: 127.0.0.1:${server.port}`));
    assert.equal(await codeOf(fetchWith(world, request)), "E_EGRESS_TICKET");
    assert.equal(server.connections, 1);
  });
  it("sends the body that the action commits to", async () => {
    await using server = await rawServer((socket) => socket.end(ok("")));
    const body = new TextEncoder().encode("a=b");
    const url = `http://127.0.0.1:${server.port}/`;
    await fetchWith(worldOf(loopback), requestOf({ url, method: "POST", body }));
    assert.match(server.received, /\r\ncontent-length: 3\r\n\r\na=b$/);
  });
});

describe("content that a rule refuses", () => {
  it("does not leave, whatever its driver said of it", async () => {
    await using server = await rawServer((socket) => socket.end(ok("")));
    const url = `http://127.0.0.1:${server.port}/`;
    const post = async (text: string, rule: boolean): Promise<string> => {
      const body = new TextEncoder().encode(text);
      const refuse = [[{ type: "kind", kind: "IBAN", negated: false } as const]];
      const obligations = rule ? [{ type: "content", rule: "r", reason: "", refuse } as const] : [];
      const asked = { url, method: "POST", body, ticket: { obligations } };
      return await codeOf(fetchWith(worldOf(loopback), requestOf(asked)));
    };
    const iban = "to DE89370400440532013000";
    assert.equal(await post(iban, true), "E_CONTENT_REFUSED");
    assert.equal(server.connections, 0);
    assert.equal(await post("to nobody", true), "ok");
    // Control: without the rule it leaves.
    assert.equal(await post(iban, false), "ok");
    assert.ok(server.received.includes(iban));
  });
});

describe("a request that its ticket does not permit", () => {
  const url = "http://127.0.0.1:9/";
  const other = nodeCrypto.generate("ed25519");
  const cases: readonly (readonly [string, Parameters<typeof requestOf>[0], string])[] = [
    ["with a ticket of another key", { url, key: other }, "E_EGRESS_TICKET"],
    ["with rubbish for a ticket", { url, ask: { ticket: new Uint8Array(9) } }, "E_EGRESS_TICKET"],
    [
      "for another instance",
      { url, ticket: { instanceId: new Uint8Array(16) } },
      "E_EGRESS_TICKET",
    ],
    ["of another session", { url, ticket: { session: "s-other" } }, "E_EGRESS_TICKET"],
    ["for another action", { url, ticket: { actionId: new Uint8Array(32) } }, "E_EGRESS_TICKET"],
    ["for another target", { url, ticket: { target: "net::post" } }, "E_EGRESS_TICKET"],
    ["to another address", { url, ask: { url: "http://127.0.0.1:9/x" } }, "E_EGRESS_REQUEST"],
    ["spelt otherwise", { url, ask: { url: "http://127.1:9/" } }, "E_EGRESS_REQUEST"],
    ["with another method", { url, ask: { method: "DELETE" } }, "E_EGRESS_REQUEST"],
    ["with a body", { url, ask: { body: new Uint8Array(1) } }, "E_EGRESS_REQUEST"],
    [
      "with a header more",
      { url, ask: { headers: [{ name: "x", value: "y" }] } },
      "E_EGRESS_REQUEST",
    ],
    [
      "with a line break in a header",
      { url, headers: { accept: "a\r\nx: y" } },
      "E_EGRESS_REQUEST",
    ],
    ["that is not canonical", { url: "http://0x7f.1:9/" }, "E_EGRESS_REQUEST"],
    [
      "with another body than committed",
      {
        url,
        method: "POST",
        body: new Uint8Array([1]),
        ask: { body: new Uint8Array([2]) },
      },
      "E_EGRESS_REQUEST",
    ],
  ];
  for (const [name, asked, code] of cases) {
    it(`${name} is refused before anything is asked or looked up`, async () => {
      const world = worldOf(loopback);
      assert.equal(await codeOf(fetchWith(world, requestOf(asked))), code);
      assert.deepEqual([world.leased, world.lookedUp], [[], []]);
    });
  }
  it("and whose lease is refused, looks nothing up", async () => {
    const refuse = new OperationError("E_LEASE_REFUSED", "no");
    const world = worldOf({ refuse });
    const code = await codeOf(fetchWith(world, requestOf({ url: "http://example.com/" })));
    assert.deepEqual([code, world.lookedUp], ["E_LEASE_REFUSED", []]);
  });
  it("and is larger than its lease, stays here", async () => {
    const asked = { url, method: "POST", body: new Uint8Array(9) };
    const world = worldOf({ ...loopback, bytesUpMax: 8 });
    assert.equal(await codeOf(fetchWith(world, requestOf(asked))), "E_EGRESS_REQUEST");
  });
  it("counters are taken once, also those that are forgotten", () => {
    const used = new UsedCounters();
    for (let counter = 1n; counter <= 70_000n; counter++) assert.ok(used.take(counter));
    for (const counter of [1n, 4000n, 69_999n, 70_000n]) assert.ok(!used.take(counter));
  });
});

describe("names and addresses", () => {
  const url = (port: number): string => `http://host.example:${port}/`;
  it("a name is looked up once, and what was checked is dialled", async () => {
    await using server = await rawServer((socket) => socket.end(ok("x")));
    let times = 0;
    const world = worldOf({
      ...loopback,
      resolve: async () => [times++ === 0 ? "127.0.0.1" : "127.0.0.2"],
    });
    const answer = await fetchWith(world, requestOf({ url: url(server.port) }));
    assert.deepEqual(
      [answer.status, answer.end?.address, world.lookedUp],
      [200, "127.0.0.1", ["host.example"]],
    );
  });
  const answers: readonly (readonly [string, readonly string[]])[] = [
    ["this machine", ["127.0.0.1"]],
    ["this machine, in IPv6", ["::1"]],
    ["this machine, mapped", ["::ffff:127.0.0.1"]],
    ["this machine, by NAT64", ["64:ff9b::7f00:1"]],
    ["0.0.0.0", ["0.0.0.0"]],
    ["the metadata service", ["169.254.169.254"]],
    ["a private network", ["10.1.2.3"]],
    ["a public and a private address", ["8.8.8.8", "192.168.0.1"]],
    ["no address", ["rubbish"]],
    ["a group of hosts", ["224.0.0.1"]],
  ];
  for (const [name, addresses] of answers) {
    it(`a public name that leads to ${name} is refused`, async () => {
      await using server = await rawServer((socket) => socket.end(ok("x")));
      const world = worldOf({ names: { "host.example": addresses } });
      const code = await codeOf(fetchWith(world, requestOf({ url: url(server.port) })));
      assert.deepEqual([code, server.connections], ["E_EGRESS_ADDRESS", 0]);
    });
  }
  it("an address is not looked up, and is refused by its class alone", async () => {
    const world = worldOf();
    for (const host of ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[fe80::1]"]) {
      const code = await codeOf(fetchWith(world, requestOf({ url: `http://${host}:9/` })));
      assert.equal(code, "E_EGRESS_ADDRESS", host);
    }
    assert.deepEqual(world.lookedUp, []);
  });
  it("a name without an address, or with too many, is no host", async () => {
    const many = Array.from({ length: 100 }, (_, at) => `8.8.8.${at}`);
    const world = worldOf({ names: { "many.example": many, "none.example": [] } });
    for (const host of ["many.example", "none.example", "unknown.example"]) {
      const code = await codeOf(fetchWith(world, requestOf({ url: `http://${host}/` })));
      assert.equal(code, "E_EGRESS_NAME", host);
    }
  });
  it("the next address is tried where one does not answer", async () => {
    await using server = await rawServer((socket) => socket.end(ok("x")));
    const world = worldOf({ ...loopback, names: { "host.example": ["127.0.0.9", "127.0.0.1"] } });
    const answer = await fetchWith(world, requestOf({ url: url(server.port) }));
    assert.equal(answer.end?.address, "127.0.0.1");
  });
});

describe("an answer", () => {
  const from = async (
    answer: (socket: net.Socket, head: string) => void,
    more: Parameters<typeof worldOf>[0] = {},
  ) => {
    await using server = await rawServer(answer);
    const world = worldOf({ ...loopback, ...more });
    const request = requestOf({ url: `http://127.0.0.1:${server.port}/` });
    try {
      return await fetchWith(world, request);
    } catch (error) {
      return error instanceof OperationError ? error.code : `bug: ${String(error)}`;
    }
  };
  it("that redirects is told, not followed", async () => {
    await using target = await rawServer((socket) => socket.end(ok("secret")));
    const location = `http://127.0.0.1:${target.port}/`;
    const answer = await from((socket) =>
      socket.end(`HTTP/1.1 302 Found\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`),
    );
    assert.ok(typeof answer === "object");
    assert.deepEqual(
      [answer.status, answer.headers["location"], target.connections],
      [302, location, 0],
    );
  });
  it("without end is cut at its bound", async () => {
    const answer = await from(
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        const more = (): void => {
          while (!socket.destroyed && socket.write("x".repeat(65_536)));
        };
        socket.on("drain", more);
        more();
      },
      { bytesDownMax: 300_000 },
    );
    assert.ok(typeof answer === "object");
    assert.deepEqual([answer.body.length, answer.end?.truncated], [300_000, true]);
  });
  it("keeps no cookie and no header of the connection", async () => {
    const answer = await from((socket) =>
      socket.end(ok("x", "set-cookie: a=b\r\nkeep-alive: 1\r\nproxy-authenticate: x\r\n")),
    );
    assert.ok(typeof answer === "object");
    assert.deepEqual(Object.keys(answer.headers), ["content-length"]);
  });
  const broken: readonly (readonly [string, string])[] = [
    ["that is no HTTP", "rubbish\r\n\r\n"],
    ["half a head", "HTTP/1.1 200 OK\r\ncontent-le"],
    ["half a body", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"],
    ["half a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhalf"],
    ["of two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"],
    [
      "of a length and chunks",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["with a bare line feed in a header", "HTTP/1.1 200 OK\r\na: b\n c: d\r\n\r\n"],
    ["with NUL in a header", "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n"],
    ["whose head has no end", `HTTP/1.1 200 OK\r\na: ${"x".repeat(200_000)}\r\n\r\n`],
    ["of a thousand headers", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(1000)}\r\n`],
    [
      "that changes the protocol",
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
    ["of interim answers only", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)],
    ["of nothing", ""],
  ];
  for (const [name, bytes] of broken) {
    it(`${name} is refused`, async () => {
      assert.equal(await from((socket) => socket.end(bytes)), "E_EGRESS_RESPONSE");
    });
  }
  it("of a server that is not there says so", async () => {
    const world = worldOf(loopback);
    const code = await codeOf(fetchWith(world, requestOf({ url: "http://127.0.0.1:1/" })));
    assert.equal(code, "E_EGRESS_CONNECT");
  });
});

describe("a stop", () => {
  it("cuts what runs, and says what the server had received", async () => {
    const got = Promise.withResolvers<void>();
    await using server = await rawServer(() => got.resolve());
    const world = worldOf(loopback);
    const url = `http://127.0.0.1:${server.port}/wait?q=1`;
    const request = requestOf({ url });
    const ended = codeOf(fetchWith(world, request));
    await got.promise;
    assert.deepEqual(world.egress.cut("s-another"), { sent: [] });
    const { sent } = world.egress.cut(driver.session);
    assert.equal(await ended, "E_EGRESS_STOPPED");
    await server.closed;
    assert.deepEqual(
      sent?.map(({ method, url: to, bytesUp }) => [method, to, Number(bytesUp) > 50]),
      [["GET", `http://127.0.0.1:${server.port}/wait`, true]],
    );
    // The Workload stops as well as the person: both are told.
    assert.equal(world.egress.cut(driver.session).sent?.length, 1);
  });
  it("also knows of a request whose driver went away before", async () => {
    const got = Promise.withResolvers<void>();
    await using server = await rawServer(() => got.resolve());
    const world = worldOf(loopback);
    const gone = new AbortController();
    const request = requestOf({ url: `http://127.0.0.1:${server.port}/` });
    const ended = codeOf(fetchWith(world, request, gone.signal));
    await got.promise;
    gone.abort(new OperationError("E_RPC_CANCELLED", "the driver is gone"));
    assert.equal(await ended, "E_RPC_CANCELLED");
    await server.closed;
    assert.equal(world.egress.cut(driver.session).sent?.length, 1);
  });
  it("leaves no more requests than there may be", async () => {
    await using server = await rawServer(() => undefined);
    const world = worldOf(loopback);
    const url = `http://127.0.0.1:${server.port}/`;
    const running = Array.from({ length: 16 }, () => codeOf(fetchWith(world, requestOf({ url }))));
    assert.equal(await codeOf(fetchWith(world, requestOf({ url }))), "E_EGRESS_BUSY");
    world.egress.cut("");
    assert.deepEqual(new Set(await Promise.all(running)), new Set(["E_EGRESS_STOPPED"]));
  });
});

describe("a server's certificate", () => {
  const authority = makeCertificateAuthority("test");
  const secure = async (name: string) => {
    const { certificate, privateKey } = issueCertificate(authority, name);
    const names: (string | false | null)[] = [];
    const server = tls.createServer({ cert: certificate, key: privateKey }, (socket) => {
      names.push(socket.servername);
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(ok("secure")));
    });
    server.on("tlsClientError", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      names,
      port: (server.address() as net.AddressInfo).port,
      [Symbol.asyncDispose]: async () => {
        server.close();
      },
    };
  };
  const pem = issueCertificate(authority, "x").authority;
  const names = { "safe-host": ["127.0.0.1"] };
  it("must be of the name, by an authority that is believed", async () => {
    await using server = await secure("safe-host");
    const world = worldOf({ ...loopback, names, authorities: [pem] });
    const answer = await fetchWith(world, requestOf({ url: `https://safe-host:${server.port}/` }));
    assert.deepEqual([answer.body, server.names], ["secure", ["safe-host"]]);
    assert.equal(answer.end?.certificateSha256.length, 32);
  });
  it("is refused by an authority that is not", async () => {
    await using server = await secure("safe-host");
    const world = worldOf({ ...loopback, names });
    const code = await codeOf(
      fetchWith(world, requestOf({ url: `https://safe-host:${server.port}/` })),
    );
    assert.deepEqual([code, server.names], ["E_EGRESS_TLS", []]);
  });
  it("is believed by the machine's authorities, which are read for the first that needs them", async () => {
    await using server = await secure("safe-host");
    let asked = 0;
    const system = async (): Promise<readonly string[]> => {
      asked += 1;
      return ["no certificate", pem];
    };
    const url = `https://safe-host:${server.port}/`;
    // Not for one that the configuration knows.
    const known = worldOf({ ...loopback, names, authorities: [pem], system });
    assert.equal((await fetchWith(known, requestOf({ url }))).body, "secure");
    assert.equal(asked, 0);
    const world = worldOf({ ...loopback, names, system });
    const both = [0, 1].map(() => fetchWith(world, requestOf({ url })));
    for (const answer of await Promise.all(both)) assert.equal(answer.body, "secure");
    assert.equal((await fetchWith(world, requestOf({ url }))).body, "secure");
    assert.equal(asked, 1);
  });
  it("is refused where the machine knows no better, or says nothing; then it is asked again", async () => {
    await using server = await secure("safe-host");
    const url = `https://safe-host:${server.port}/`;
    const stranger = issueCertificate(makeCertificateAuthority("stranger"), "x").authority;
    const other = worldOf({ ...loopback, names, system: async () => [stranger] });
    assert.equal(await codeOf(fetchWith(other, requestOf({ url }))), "E_EGRESS_TLS");
    let silent = true;
    const system = async (): Promise<readonly string[]> => {
      if (silent) throw new OperationError("E_EGRESS_TLS", "nobody says");
      return [pem];
    };
    const world = worldOf({ ...loopback, names, system });
    assert.equal(await codeOf(fetchWith(world, requestOf({ url }))), "E_EGRESS_TLS");
    assert.deepEqual(server.names, []);
    silent = false;
    assert.equal((await fetchWith(world, requestOf({ url }))).body, "secure");
  });
  it("for another name is refused by the machine's authorities as well", async () => {
    await using server = await secure("other-host");
    const world = worldOf({ ...loopback, names, system: async () => [pem] });
    const url = `https://safe-host:${server.port}/`;
    assert.equal(await codeOf(fetchWith(world, requestOf({ url }))), "E_EGRESS_TLS");
    assert.deepEqual(server.names, []);
  });
  it("is refused for another name", async () => {
    await using server = await secure("other-host");
    const world = worldOf({ ...loopback, names, authorities: [pem] });
    const code = await codeOf(
      fetchWith(world, requestOf({ url: `https://safe-host:${server.port}/` })),
    );
    assert.equal(code, "E_EGRESS_TLS");
  });
});
