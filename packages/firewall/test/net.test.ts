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
  type CanonicalUrl,
  canonicalUrl,
  decide,
  nameClass,
  parseCanonicalUrl,
  permittedRequest,
  typedUrls,
  type UrlParser,
} from "../src/index.ts";
import {
  asked,
  complaints,
  context,
  hashing,
  home,
  parseUrl,
  policy,
  rule,
  ruleIds,
  session,
  withSession,
} from "./support.ts";

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
const post = (url: string) =>
  ({ version: 1, target: "net::post", args: { url, method: "POST" }, facts: {} }) as const;

const typed = (...words: string[]) => withSession({ words, urls: typedUrls(words, parseUrl) });

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
      { seed, numRuns: 3000 },
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
      { seed: 1127, numRuns: 3000 },
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

const sites = policy(
  rule("sites", "allow", "net::get", 'where.url = { scheme = "https", site = "session" }'),
);

describe("what a person typed", () => {
  it("is fetched from its site, and nothing else without asking", () => {
    const words = typed("read https://Example.com/docs/a?v=2 please");
    const verdictOf = (url: string): string => decide(sites, get(url), words).verdict;
    assert.equal(verdictOf("https://example.com/docs/a?v=2"), "allow");
    // Built of what was typed.
    assert.equal(verdictOf("https://example.com/docs/"), "allow");
    assert.equal(verdictOf("https://example.com/docs/read"), "allow");
    // Anything that an agent has read could stand there.
    assert.equal(verdictOf("https://example.com/docs/c3RvbGVu"), "ask");
    assert.equal(verdictOf("https://example.com/docs/a?v=c3RvbGVu"), "ask");
    assert.equal(verdictOf("https://c3RvbGVu.example.com/docs/a".toLowerCase()), "ask");
    assert.equal(verdictOf("http://example.com/docs/a?v=2"), "ask");
    assert.equal(verdictOf("https://evil.example/docs/a?v=2"), "ask");
  });
  it("counts only where it was typed, not pasted", () => {
    const pasted = typed(`${"x".repeat(200)} https://example.com/`);
    assert.equal(decide(sites, get("https://example.com/"), pasted).verdict, "ask");
    const lines = typed("a\nhttps://example.com/");
    assert.equal(decide(sites, get("https://example.com/"), lines).verdict, "ask");
  });
  it("grounds a request that sends only as it stands", () => {
    const allowPost = policy(
      rule("p", "allow", "net::post", 'where.url = { host = "example.com" }'),
    );
    const words = typed("send to https://example.com/a/b");
    assert.equal(decide(allowPost, post("https://example.com/a/b"), words).verdict, "allow");
    assert.deepEqual(asked(decide(allowPost, post("https://example.com/a"), words)), [
      "ungrounded url",
    ]);
  });
  it("names a secret, or it asks", () => {
    const url = "https://example.com/a";
    const named = typed(`fetch ${url} with TOKEN`);
    assert.equal(decide(sites, get(url, { secret: "TOKEN" }), named).verdict, "allow");
    assert.deepEqual(asked(decide(sites, get(url, { secret: "OTHER" }), named)), [
      "ungrounded secret",
    ]);
  });
});

describe("addresses of this machine and its networks", () => {
  const everywhere = policy(
    rule(
      "all",
      "allow",
      "net::get",
      'where.url = { any = [{ host = "*.example.com" }, { site = "session" }] }',
    ),
  );
  const closed: readonly (readonly [string, string])[] = [
    ["http://127.0.0.1/", "builtin:address-loopback"],
    ["http://localhost/", "builtin:address-loopback"],
    ["http://[::1]/", "builtin:address-loopback"],
    ["http://169.254.169.254/latest/meta-data/", "builtin:address-link-local"],
    ["http://10.0.0.1/", "builtin:address-private"],
    ["http://[fd00::1]/", "builtin:address-private"],
    ["http://[64:ff9b::7f00:1]/", "builtin:address-loopback"],
    ["http://printer.local/", "builtin:address-link-local"],
    ["http://224.0.0.1/", "builtin:address-reserved"],
  ];
  for (const [url, id] of closed) {
    it(`${url} is closed`, () => {
      const decision = decide(everywhere, get(url), context);
      assert.deepEqual([decision.verdict, ruleIds(decision)[0]], ["deny", id]);
    });
  }
  it("ask where the person typed exactly that URL", () => {
    const words = typed("/fetch http://127.0.0.1:8080/a");
    const decision = decide(everywhere, get("http://127.0.0.1:8080/a"), words);
    assert.deepEqual([decision.verdict, asked(decision)], ["ask", ["address url"]]);
    assert.equal(decide(everywhere, get("http://127.0.0.1:8080/b"), words).verdict, "deny");
    assert.equal(decide(everywhere, get("http://127.0.0.1:8081/a"), words).verdict, "deny");
  });
  it("that no host has stay closed, whoever types them", () => {
    const words = typed("/fetch http://224.0.0.1/");
    assert.equal(decide(everywhere, get("http://224.0.0.1/"), words).verdict, "deny");
  });
  it("are open where a rule names the host, in the classes that it names", () => {
    const nas = policy(
      rule(
        "nas",
        "allow",
        "net::get",
        'where.url = { host = "nas.example.net", address = ["private"] }',
      ),
      rule("own", "allow", "net::get", 'where.url = { host = "127.0.0.1", port = 8080 }'),
    );
    const url = "http://nas.example.net/a";
    const decision = decide(nas, get(url), typed(url));
    assert.deepEqual([decision.verdict, decision.addressClasses], ["allow", ["private"]]);
    const own = "http://127.0.0.1:8080/";
    assert.equal(decide(nas, get(own), typed(own)).verdict, "allow");
    assert.equal(decide(nas, get("http://127.0.0.1/"), typed("x")).verdict, "deny");
  });
  it("are not opened by a rule that only refuses", () => {
    const refusing = policy(rule("d", "deny", "net::post", 'where.url = { host = "127.0.0.1" }'));
    assert.deepEqual(
      ruleIds(decide(refusing, get("http://127.0.0.1/"), context))[0],
      "builtin:address-loopback",
    );
  });
});

describe("conditions on a URL", () => {
  const fires = (where: string, url: string): boolean =>
    decide(policy(rule("d", "deny", "net::get", `where.url = ${where}`)), get(url), typed(url))
      .verdict === "deny";
  it("compare hosts whole", () => {
    assert.ok(fires('{ host = "example.com" }', "http://example.com/"));
    assert.ok(!fires('{ host = "example.com" }', "http://a.example.com/"));
    assert.ok(!fires('{ host = "example.com" }', "http://example.com.evil.org/"));
    assert.ok(fires('{ host = "*.example.com" }', "http://a.b.example.com/"));
    assert.ok(!fires('{ host = "*.example.com" }', "http://example.com/"));
    assert.ok(!fires('{ host = "*.example.com" }', "http://evilexample.com/"));
    assert.ok(fires("{ port = 8443 }", "https://x.org:8443/"));
    assert.ok(!fires('{ scheme = "http" }', "https://x.org/"));
    assert.ok(fires('{ not = { host = "example.com" } }', "http://x.org/"));
  });
  it("read a path as a server may", () => {
    const where = '{ host = "x.org", path_glob = "/admin/**" }';
    for (const path of [
      "admin/a",
      "%61dmin/a",
      "admin/",
      "admin//a",
      "a%2f..%2fadmin/x",
      "admin;x/a",
    ]) {
      assert.ok(fires(where, `http://x.org/${path}`), path);
    }
    assert.ok(!fires(where, "http://x.org/other/a"));
    const allow = policy(rule("a", "allow", "net::get", `where.url = ${where}`));
    const verdict = (url: string): string => decide(allow, get(url), typed(url)).verdict;
    assert.equal(verdict("https://x.org/admin/a"), "allow");
    assert.equal(verdict("https://x.org/admin/%2e%2e%2fa"), "ask");
    assert.equal(verdict("https://x.org/admin//a"), "ask");
  });
  it("must say where, to allow", () => {
    const one = (where: string, pattern: RegExp): void => {
      const all = complaints(`version = 1\n${rule("a", "allow", "net::get", where)}`);
      assert.match(all.join("\n"), pattern, where);
    };
    one("", /E_POLICY_UNCONSTRAINED/);
    one('where.url = { scheme = "https" }', /E_POLICY_UNCONSTRAINED/);
    one('where.url = { path_glob = "/a" }', /E_POLICY_UNCONSTRAINED/);
    one('where.url = { not = { host = "x.org" } }', /E_POLICY_UNCONSTRAINED/);
    one('where.url = { host = "*" }', /E_POLICY_PATTERN/);
    one('where.url = { host = "*.com" }', /top-level/);
    one('where.url = { host = "EXAMPLE.com" }', /E_POLICY_PATTERN.*small letters/);
    one('where.url = { host = "a.*.com" }', /E_POLICY_PATTERN/);
    one('where.url = { host = "0x7f.1" }', /E_POLICY_PATTERN/);
    one('where.url = { hots = "x.org" }', /did you mean "host"/);
    one('where.url = { host = "x.org", port = 0 }', /E_POLICY_VALUE/);
    one('where.url = { host = "x.org", address = ["all"] }', /E_POLICY_VALUE/);
    one('where.url = { equals = "https://x.org" }', /E_POLICY_PATTERN/);
    one('where.url = { host = "x.org", cidr = "10.0.0.0/8" }', /E_POLICY_NOT_AVAILABLE/);
  });
  it("hold for the request that asking a model implies", () => {
    const refusing = policy(
      rule("m", "allow", "model::infer"),
      rule("d", "deny", "net::post", 'where.url = { host = "api.example.com" }'),
    );
    const infer = (url: string) =>
      ({
        version: 1,
        target: "model::infer",
        args: {
          model: "m",
          url,
          protocol: "openai",
          name: "n",
          price_in: 0,
          price_out: 0,
          prompt: { sha256: new Uint8Array(32), length: 1, head: "" },
          max_tokens: 1,
        },
        facts: {},
      }) as const;
    assert.equal(decide(refusing, infer("https://api.example.com/v1"), context).verdict, "deny");
    assert.equal(decide(refusing, infer("https://api.other.com/v1"), context).verdict, "allow");
  });
});

describe("an action on a URL", () => {
  it("that is not canonical is malformed", () => {
    for (const url of [
      "HTTP://x.org/",
      "http://x.org",
      "http://0x7f.1/",
      "http://x.org/#f",
      "x",
      "",
    ]) {
      const decision = decide(sites, get(url), typed(url));
      assert.deepEqual([decision.verdict, ruleIds(decision)], ["deny", ["builtin:malformed"]], url);
    }
    const shape = parseCanonicalUrl("https://x.org/a?b");
    const wanted: Partial<CanonicalUrl> = { host: "x.org", port: 443, path: "/a", query: "?b" };
    assert.ok(shape.ok);
    assert.deepEqual({ ...shape.value, ...wanted }, shape.value);
  });
});
