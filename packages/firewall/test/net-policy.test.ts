/** What rules and the person's words say of requests. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action } from "@ioi/wire";
import { type CanonicalUrl, decide, parseCanonicalUrl, typedUrls } from "../src/index.ts";
import {
  asked,
  complaints,
  context,
  parseUrl,
  policy,
  rule,
  ruleIds,
  withSession,
} from "./support.ts";

const get = (url: string, more: Record<string, string> = {}) =>
  ({ version: 1, target: "net::get", args: { url, ...more }, facts: {} }) as const;
const post = (url: string) =>
  ({ version: 1, target: "net::post", args: { url, method: "POST" }, facts: {} }) as const;

const typed = (...words: string[]) => withSession({ words, urls: typedUrls(words, parseUrl) });

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
  it("goes on by links of pages that were fetched, letter for letter, on its own sites", () => {
    const words = typed("read https://example.com/docs/a please");
    const link = "https://example.com/next/c3RvbGVu";
    const answer = { server: "net::get", tool: "example.com", counter: 1n };
    const seenOf = (text: string, server = "net::get") => ({
      ...words,
      session: {
        ...words.session,
        seen: [{ ...answer, server, token: { type: "url" as const, text } }],
      },
    });
    const verdictOf = (url: string, seen = seenOf(link)): string =>
      decide(sites, get(url), seen).verdict;
    assert.equal(verdictOf(link), "allow");
    assert.equal(verdictOf(`${link}x`), "ask");
    assert.equal(verdictOf(link, seenOf(link, "mail")), "ask");
    const away = "https://evil.example/next";
    assert.equal(verdictOf(away, seenOf(away)), "ask");
    const long = `https://example.com/${"a".repeat(260)}`;
    assert.equal(verdictOf(long, seenOf(long)), "ask");
  });
  it("is gone on with where its answer breaks off: a plain page, and nothing else", () => {
    const url = "https://example.com/docs/a";
    const words = typed(`read ${url} with TOKEN`);
    const of = (action: Action): readonly string[] =>
      decide(sites, action, words).obligations.map(({ type }) => type);
    assert.deepEqual(of(get(url)), ["flow"]);
    assert.deepEqual(of(get(url, { method: "GET" })), ["flow"]);
    assert.deepEqual(of(get(url, { method: "HEAD" })), []);
    assert.deepEqual(of(get(url, { secret: "TOKEN" })), []);
    const headers = { accept: "text/html" };
    assert.deepEqual(of({ version: 1, target: "net::get", args: { url, headers }, facts: {} }), []);
    assert.deepEqual(of(post(url)), []);
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
