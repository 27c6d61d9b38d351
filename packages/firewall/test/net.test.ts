/** URLs and addresses: one spelling each, compared with parsers of others; and what rules say. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { URL as OtherUrl } from "whatwg-url";
import {
  addressClass,
  canonicalAddress,
  canonicalise,
  canonicalUrl,
  nameClass,
  parseCanonicalUrl,
  permittedRequest,
  type UrlParser,
} from "../src/index.ts";
import { hashing, home, parseUrl, session } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const other: UrlParser = (text) => {
  try {
    return new OtherUrl(text);
  } catch {
    return undefined;
  }
};

const canonical = (text: string): string => {
  const url = canonicalUrl(text, parseUrl);
  return url.ok ? url.value.text : `refused: ${url.error}`;
};

const get = (url: string, more: Record<string, string> = {}) =>
  ({ version: 1, target: "net::get", args: { url, ...more }, facts: {} }) as const;

describe("a URL", () => {
  const spellings: readonly (readonly [string, string])[] = [
    ["https://EXAMPLE.com.:443/a/../b?x#f", "https://example.com/b?x"],
    ["http://münchen.de/ä?ö", "http://xn--mnchen-3ya.de/%C3%A4?%C3%B6"],
    ["http://example.com%2e/", "http://example.com/"],
    ["http://ex\u00adample.com/", "http://example.com/"],
    ["http://x/%2e%2e/a", "http://x/a"],
    ["http://x", "http://x/"],
    ["http://[2001:DB8:0:0:0:0:0:1]:8080/", "http://[2001:db8::1]:8080/"],
  ];
  for (const [given, wanted] of spellings) {
    it(`${JSON.stringify(given)} is ${wanted}`, () => assert.equal(canonical(given), wanted));
  }
  const loopbacks = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "%31%32%37.0.0.1",
    "①②⑦.0.0.1",
    "127.0.0.1.",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:FFFF:7F00:0001]",
  ];
  for (const host of loopbacks) {
    it(`of ${host} is that of 127.0.0.1`, () => {
      assert.equal(canonical(`http://${host}:81/x`), "http://127.0.0.1:81/x");
    });
  }
  it("is refused where it is more, or less, than an address", () => {
    const refused = [
      "http://user@host/",
      "http://user:pass@host/",
      "http://@host/",
      "http://a\\@b/",
      "http:\\\\host\\",
      "http:/host/",
      "http:host",
      "http:///host",
      "http://ho st/",
      "http://host/a b",
      "http://host/\0",
      "http://ho\nst/",
      "http://host/\r\nx: y",
      "http://ho\tst/",
      "http://host/\u2028",
      "http://a..b/",
      "http://.a/",
      "http://-a.com/",
      "http://a.1/",
      "http://1.2.3.4.5/",
      "http://host:99999/",
      "http://host:0/",
      "http://[::1/",
      "http://[fe80::1%25eth0]/",
      "ftp://host/",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "data:text/plain,x",
      "//host/",
      "host/path",
      "",
      "http://\ud800/",
      `http://${"a".repeat(64)}.com/`,
      `http://host/${"a".repeat(5000)}`,
    ];
    for (const text of refused) {
      const url = canonicalUrl(text, parseUrl);
      assert.ok(!url.ok, `${JSON.stringify(text)} became ${url.ok ? url.value.text : ""}`);
    }
  });
  it("is what another parser of the standard makes of it, and stays as it is", () => {
    const piece = fc.stringMatching(/^[a-zA-Z0-9._~%!$&'()*+,;=:@/?#[\]^|{}"<>`äß。-]{0,24}$/);
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4Extended(),
      fc.ipV6().map((text) => `[${text}]`),
      piece,
    );
    const text = fc
      .tuple(
        fc.constantFrom("http", "https", "HTTP", "ftp"),
        host,
        fc.constantFrom("", ":80", ":443", ":8080", ":"),
        piece,
      )
      .map(([scheme, name, port, rest]) => `${scheme}://${name}${port}/${rest}`);
    const seed = 20_261_127;
    fc.assert(
      fc.property(text, (given) => {
        const ours = canonicalUrl(given, parseUrl);
        const theirs = canonicalUrl(given, other);
        assert.deepEqual(ours, theirs, given);
        if (!ours.ok) return;
        assert.deepEqual(canonicalUrl(ours.value.text, parseUrl), ours);
        assert.deepEqual(parseCanonicalUrl(ours.value.text), ours);
        assert.equal(new URL(ours.value.text).href, ours.value.text);
      }),
      { seed, numRuns: inner ? 300 : 3000 },
    );
  });
});

describe("an address", () => {
  it("has a class", () => {
    const classes: readonly (readonly [string, string])[] = [
      ["8.8.8.8", "public"],
      ["2606:4700::1111", "public"],
      ["127.9.9.9", "loopback"],
      ["0.0.0.0", "loopback"],
      ["0.1.2.3", "loopback"],
      ["::1", "loopback"],
      ["::", "loopback"],
      ["::ffff:127.0.0.1", "loopback"],
      ["::7f00:1", "loopback"],
      ["64:ff9b::7f00:1", "loopback"],
      ["::ffff:0:7f00:1", "loopback"],
      ["64:ff9b:1::a00:1", "private"],
      ["2002:7f00:1::", "loopback"],
      ["10.0.0.1", "private"],
      ["172.31.255.255", "private"],
      ["172.32.0.0", "public"],
      ["192.168.1.1", "private"],
      ["100.64.0.1", "private"],
      ["fd00:ec2::254", "private"],
      ["169.254.169.254", "link-local"],
      ["fe80::1", "link-local"],
      ["::ffff:a9fe:a9fe", "link-local"],
      ["224.0.0.1", "reserved"],
      ["255.255.255.255", "reserved"],
      ["ff02::1", "reserved"],
      ["2001:db8::1", "reserved"],
      ["198.18.0.1", "reserved"],
      ["1.2.3", "reserved"],
      ["1.2.3.4.5", "reserved"],
      ["01.2.3.4", "reserved"],
      [":::", "reserved"],
      ["fe80::1%eth0", "reserved"],
    ];
    for (const [address, wanted] of classes) assert.equal(addressClass(address), wanted, address);
  });
  it("is read and written as another library does", () => {
    const v6 = fc.ipV6();
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), v6), (text) => {
        // The deprecated IPv4-compatible form is an IPv4 address to that library alone.
        fc.pre(!/^::[0-9]+\./.test(text));
        const theirs = ipaddr.process(text);
        const ours = canonicalAddress(text);
        assert.equal(ours, theirs.toString(), text);
        const range = theirs.range();
        if (range === "unicast" && theirs.kind() === "ipv4") {
          assert.equal(addressClass(text), "public", text);
        }
        if (range === "loopback") assert.equal(addressClass(text), "loopback", text);
        if (range === "linkLocal") assert.equal(addressClass(text), "link-local", text);
        if (range === "private" || range === "uniqueLocal") {
          assert.equal(addressClass(text), "private", text);
        }
        assert.ok(range === "unicast" || addressClass(text) !== "public" || range === "6to4", text);
      }),
      { seed: 1127, numRuns: inner ? 300 : 3000 },
    );
  });
  it("of a name is what the name says", () => {
    const of = (host: string): string => {
      const url = parseCanonicalUrl(`http://${host}/`);
      return url.ok ? nameClass(url.value) : url.error;
    };
    assert.deepEqual(
      [
        "localhost",
        "a.localhost",
        "printer.local",
        "x.internal",
        "example.com",
        "localhost.com",
      ].map(of),
      ["loopback", "loopback", "link-local", "private", "public", "public"],
    );
  });
});

describe("a request", () => {
  const made = (target: string, raw: Record<string, unknown>) =>
    canonicalise(target, raw as never, { roots: session.roots, home, hashing, parseUrl });
  it("has canonical arguments", () => {
    const one = made("net::get", { url: "HTTP://0x7f.1:80/", headers: { Accept: " text/html " } });
    assert.deepEqual(one.ok ? one.value.args : one.error, {
      url: "http://127.0.0.1/",
      headers: { accept: "text/html" },
    });
  });
  it("names no header that steers, says who asks, or carries a credential", () => {
    const refusedAlways = [
      "Host",
      "Content-Length",
      "Transfer-Encoding",
      "Connection",
      "Proxy-Authorization",
      "X-Forwarded-For",
      "Authorization",
      "Cookie",
      "Origin",
      "TE",
      "Expect",
      "a b",
      "a:b",
      "",
    ];
    for (const name of refusedAlways) {
      assert.ok(
        !made("net::post", { method: "POST", url: "http://x/", headers: { [name]: "v" } }).ok,
        name,
      );
    }
    for (const value of ["a\r\nb: c", "a\nb", "\0", "ä", "x".repeat(5000)]) {
      assert.ok(!made("net::get", { url: "http://x/", headers: { accept: value } }).ok, value);
    }
    assert.ok(!made("net::get", { url: "http://x/", headers: { "x-data": "v" } }).ok);
    assert.ok(
      made("net::post", { method: "PUT", url: "http://x/", headers: { "x-data": "v" } }).ok,
    );
    assert.ok(
      !made("net::post", { method: "PUT", url: "http://x/", headers: { A: "v", a: "w" } }).ok,
    );
    assert.ok(!made("net::get", { url: "http://x/", content: "x" }).ok);
    assert.ok(!made("net::get", { url: "http://x/", method: "POST" }).ok);
    assert.ok(!made("net::post", { url: "http://x/", method: "GET" }).ok);
  });
  it("is one, read from its action", () => {
    const read = permittedRequest(get("https://example.com/a", { secret: "S" }));
    assert.ok(read.ok);
    assert.deepEqual(
      [read.value.method, read.value.url.text, read.value.body, read.value.secret],
      ["GET", "https://example.com/a", { type: "none" }, "S"],
    );
    assert.ok(!permittedRequest({ version: 1, target: "fs::read", args: {}, facts: {} }).ok);
    assert.ok(!permittedRequest(get("HTTP://example.com/")).ok);
    const model = permittedRequest({
      version: 1,
      target: "model::infer",
      args: { protocol: "anthropic", url: "https://api.anthropic.com/v1" },
      facts: {},
    });
    assert.ok(model.ok);
    assert.equal(model.value.url.text, "https://api.anthropic.com/v1/messages");
  });
});
