/** What programs say to their way out: one reading, or a refusal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { programHeadBytesMax, programHeadersMax } from "../src/limits.ts";
import { headLength, readHead, tunnelTo } from "../src/program/head.ts";
import { readClientHello } from "../src/program/hello.ts";
import { readGreeting, readSocks } from "../src/program/socks.ts";
import { clientHello } from "./program-support.ts";

const seed = Number(process.env["IOI_SEED"] ?? Date.now() % 2 ** 31);

const read = (head: string): unknown => {
  const bytes = Buffer.from(head, "latin1");
  const length = headLength(bytes);
  if (!length.ok) return length.error.status;
  if (length.value === undefined) return "more";
  const wish = readHead(bytes.subarray(0, length.value));
  if (!wish.ok) return wish.error.status;
  return wish.value.type === "tunnel"
    ? `${wish.value.host} ${wish.value.port}`
    : `${wish.value.method} ${wish.value.url.text} ${wish.value.length}`;
};

test("CONNECT and absolute requests are read", () => {
  assert.equal(
    read("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
    "a.example 443",
  );
  assert.equal(read("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"), "a.example 443");
  assert.equal(read("CONNECT A.Example:8443 HTTP/1.0\r\n\r\n"), "a.example 8443");
  assert.equal(read("CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\n\r\n"), "::1 443");
  assert.equal(
    read("GET http://a.example/x?y HTTP/1.1\r\nhost: a.example\r\n\r\n"),
    "GET http://a.example/x?y 0",
  );
  assert.equal(
    read(
      "POST http://a.example:81/ HTTP/1.1\r\nhost: a.example:81\r\ncontent-length: 5\r\n\r\nhello",
    ),
    "POST http://a.example:81/ 5",
  );
  assert.equal(
    read("GET http://a.example:80/ HTTP/1.1\r\nhost: a.example:80\r\n\r\n"),
    "GET http://a.example/ 0",
  );
});

test("every spelling of an address is the one address", () => {
  for (const host of ["127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "127.0.0.1."]) {
    assert.equal(read(`CONNECT ${host}:80 HTTP/1.1\r\n\r\n`), "127.0.0.1 80", host);
  }
  assert.equal(read("CONNECT [::ffff:127.0.0.1]:80 HTTP/1.1\r\n\r\n"), "127.0.0.1 80");
  assert.equal(tunnelTo("a.example.", 1)?.host, "a.example");
});

const refusals: readonly (readonly [what: string, head: string, status: number])[] = [
  ["NUL in a host", "CONNECT a\0.example:443 HTTP/1.1\r\n\r\n", 400],
  ["NUL in a header", "CONNECT a.example:443 HTTP/1.1\r\nx: a\0b\r\n\r\n", 400],
  ["a bare line feed", "CONNECT a.example:443 HTTP/1.1\nhost: a.example\r\n\r\n", 400],
  ["a bare carriage return", "CONNECT a.example:443 HTTP/1.1\r\nx: a\rb\r\n\r\n", 400],
  ["a folded header", "CONNECT a.example:443 HTTP/1.1\r\nx: a\r\n b\r\n\r\n", 400],
  ["a space before the colon", "CONNECT a.example:443 HTTP/1.1\r\nhost : a.example\r\n\r\n", 400],
  [
    "a host that is not the target",
    "CONNECT a.example:443 HTTP/1.1\r\nhost: b.example\r\n\r\n",
    400,
  ],
  [
    "a port that is not the target's",
    "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:80\r\n\r\n",
    400,
  ],
  [
    "two hosts",
    "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\nhost: a.example\r\n\r\n",
    400,
  ],
  ["a user in the target", "CONNECT me@a.example:443 HTTP/1.1\r\n\r\n", 400],
  ["a user in the URL", "GET http://a.example@b.example/ HTTP/1.1\r\nhost: b.example\r\n\r\n", 400],
  ["port 0", "CONNECT a.example:0 HTTP/1.1\r\n\r\n", 400],
  ["a port that is too large", "CONNECT a.example:65536 HTTP/1.1\r\n\r\n", 400],
  ["a port with a leading zero", "CONNECT a.example:0443 HTTP/1.1\r\n\r\n", 400],
  ["no port", "CONNECT a.example HTTP/1.1\r\n\r\n", 400],
  ["a label that is too long", `CONNECT ${"a".repeat(64)}.example:443 HTTP/1.1\r\n\r\n`, 400],
  ["an empty label", "CONNECT a..example:443 HTTP/1.1\r\n\r\n", 400],
  ["a percent sign", "CONNECT a%2eexample:443 HTTP/1.1\r\n\r\n", 400],
  ["a zone", "CONNECT [fe80::1%25eth0]:443 HTTP/1.1\r\n\r\n", 400],
  ["a name that ends like an address", "CONNECT a.0x7f:443 HTTP/1.1\r\n\r\n", 400],
  ["letters beyond ASCII", "CONNECT b\xfccher.example:443 HTTP/1.1\r\n\r\n", 400],
  ["origin form", "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n", 400],
  ["https in absolute form", "GET https://a.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n", 400],
  ["another scheme", "GET ftp://a.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n", 400],
  ["no host", "GET http://a.example/ HTTP/1.1\r\n\r\n", 400],
  [
    "a host that is not the URL's",
    "GET http://a.example/ HTTP/1.1\r\nhost: b.example\r\n\r\n",
    400,
  ],
  ["a host with a path", "GET http://a.example/ HTTP/1.1\r\nhost: a.example/x\r\n\r\n", 400],
  [
    "a length and an encoding",
    "POST http://a.example/ HTTP/1.1\r\nhost: a.example\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    400,
  ],
  [
    "two lengths",
    "POST http://a.example/ HTTP/1.1\r\nhost: a.example\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    400,
  ],
  [
    "a length with a sign",
    "POST http://a.example/ HTTP/1.1\r\nhost: a.example\r\ncontent-length: +1\r\n\r\n",
    400,
  ],
  [
    "another encoding",
    "POST http://a.example/ HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    501,
  ],
  ["CONNECT with a body", "CONNECT a.example:443 HTTP/1.1\r\ncontent-length: 4\r\n\r\n", 400],
  ["another version", "GET http://a.example/ HTTP/2.0\r\nhost: a.example\r\n\r\n", 400],
  ["a missing version", "GET http://a.example/\r\nhost: a.example\r\n\r\n", 400],
  ["two spaces", "GET  http://a.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n", 400],
  ["a method in small letters", "get http://a.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n", 501],
  ["a head without an end", `GET http://a.example/${"x".repeat(programHeadBytesMax)}`, 431],
  [
    "too many headers",
    `CONNECT a.example:443 HTTP/1.1\r\n${"x: y\r\n".repeat(programHeadersMax + 1)}\r\n`,
    431,
  ],
];

for (const [what, head, status] of refusals) {
  test(`refused: ${what}`, () => assert.equal(read(head), status));
}

test("a half head waits, and no bytes whatever are a bug", () => {
  assert.equal(read("CONNECT a.example:443 HT"), "more");
  assert.equal(read("CONNECT a.example:443 HTTP/1.1\r\nhost: a.ex"), "more");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const given = Buffer.from(bytes);
      headLength(given);
      readHead(Buffer.concat([given, Buffer.from("\r\n\r\n")]));
      readGreeting(given);
      readSocks(given);
      readClientHello(given);
      readClientHello(Buffer.concat([Buffer.from([22, 3, 1]), given]));
    }),
    { seed, numRuns: 500 },
  );
});

const socks = (...bytes: number[]): unknown => {
  const result = readSocks(Buffer.from(bytes));
  if (!result.ok) return result.error.code ?? "no SOCKS5";
  return result.value === undefined
    ? "more"
    : `${result.value.wish.host} ${result.value.wish.port}`;
};
const name = (text: string, port = [1, 187]): number[] => [
  5,
  1,
  0,
  3,
  Buffer.byteLength(text, "latin1"),
  ...Buffer.from(text, "latin1"),
  ...port,
];

test("SOCKS5 names are read, and addresses are names", () => {
  assert.deepEqual(readGreeting(Buffer.from([5, 1, 0])), { ok: true, value: 3 });
  assert.deepEqual(readGreeting(Buffer.from([5, 2, 0])), { ok: true, value: undefined });
  assert.equal(socks(...name("a.example")), "a.example 443");
  assert.equal(socks(5, 1, 0, 1, 127, 0, 0, 1, 0, 80), "127.0.0.1 80");
  const loopback = Array.from({ length: 16 }, (_, at) => (at === 15 ? 1 : 0));
  assert.equal(socks(5, 1, 0, 4, ...loopback, 0, 80), "::1 80");
  assert.equal(socks(...name("0x7f.1")), "127.0.0.1 443");
  assert.equal(socks(5, 1, 0, 3, 9, 97), "more");
});

test("SOCKS is refused where it is half, another version, or hides something", () => {
  assert.equal(readGreeting(Buffer.from([4, 1])).ok, false);
  assert.equal(readGreeting(Buffer.from([5, 0])).ok, false);
  assert.equal(readGreeting(Buffer.from([5, 1, 2])).ok, false);
  assert.equal(socks(4, 1, 0, 80, 127), "no SOCKS5");
  assert.equal(socks(...name("a.example\0.evil")), 8);
  assert.equal(socks(...name("a.example/x")), 8);
  assert.equal(socks(...name("me@a.example")), 8);
  assert.equal(socks(...name("b\xfccher")), 8);
  assert.equal(socks(...name("a.example", [0, 0])), 8);
  assert.equal(socks(5, 1, 0, 3, 0, 0, 80), 8);
  assert.equal(socks(5, 2, 0, 1, 1, 2), 7);
  assert.equal(socks(5, 3, 0, 1, 1, 2), 7);
  assert.equal(socks(5, 1, 1, 1, 1, 2), 1);
  assert.equal(socks(5, 1, 0, 9, 1, 2), 8);
});

test("the name in a client hello is found, also in pieces", () => {
  const hello = clientHello("a.example");
  assert.deepEqual(readClientHello(hello), { type: "name", name: "a.example" });
  for (let length = 1; length < hello.length; length += 7) {
    assert.deepEqual(readClientHello(hello.subarray(0, length)), { type: "more" });
  }
  assert.deepEqual(readClientHello(clientHello(undefined)), { type: "none" });
  assert.deepEqual(readClientHello(Buffer.from("SSH-2.0-x\r\n")), { type: "none" });
  const twice = clientHello("a.example", "b.example");
  assert.deepEqual(readClientHello(twice), { type: "malformed" });
});
