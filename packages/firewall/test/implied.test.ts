/** Requests that other actions make: what refuses and asks about requests holds for them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action } from "@ioi/wire";
import { decide, diffPolicies } from "../src/index.ts";
import { policy, rule, ruleIds, withSession } from "./support.ts";

const typed = {
  ...withSession({
    words: ["a.example https://a.example/ https://b.example/x"],
    urls: ["https://a.example/", "https://b.example/x"],
  }),
  undriven: true as const,
};
const action = (target: string, args: Action["args"]): Action => ({
  version: 1,
  target,
  args,
  facts: {},
});
const tunnel = (host: string, port = 443): Action => action("net::connect", { host, port });
const tunnels = rule(
  "t",
  "allow",
  "net::connect",
  'where.host = { one_of = ["a.example", "b.example"] }',
);

describe("a tunnel", () => {
  const verdictOf = (text: string, to: Action): string =>
    decide(policy(tunnels + text), to, typed).verdict;

  it("is refused where requests to its host are, whatever they would be", () => {
    for (const [where, expected] of [
      ['where.url = { host = "a.example" }', "deny"],
      ['where.url = { host = "*.example" }', undefined],
      ['where.url = { host = "b.example" }', "allow"],
      ['where.url = { host = "a.example", path_glob = "/private/**" }', "deny"],
      ['where.url = { host = "a.example", port = 8443 }', "allow"],
      ['where.url = { host = "a.example", scheme = "http" }', "deny"],
      ['where.url = { equals = "https://a.example/one" }', "deny"],
      ['where.url = { equals = "https://b.example/one" }', "allow"],
    ] as const) {
      if (expected === undefined) continue;
      for (const target of ["net::get", "net::post"]) {
        assert.equal(
          verdictOf(rule("d", "deny", target, where), tunnel("a.example")),
          expected,
          where,
        );
      }
    }
    const method = rule("d", "deny", "net::post", 'where.method = { equals = "DELETE" }');
    assert.equal(verdictOf(method, tunnel("a.example")), "deny");
    const ask = rule("q", "ask", "net::get", 'where.url = { host = "a.example" }');
    assert.equal(verdictOf(ask, tunnel("a.example")), "ask");
    // Control: nothing on requests, and the tunnel is allowed.
    assert.equal(verdictOf("", tunnel("a.example")), "allow");
  });
  it("is not allowed by what allows requests, and not refused by what their content holds", () => {
    const get = rule("g", "allow", "net::get", 'where.url = { host = "a.example" }');
    assert.equal(decide(policy(get), tunnel("a.example"), typed).verdict, "ask");
    const secrets = rule("s", "deny", "net::post", 'where.content = { contains_kind = "SECRET" }');
    const decision = decide(policy(tunnels + secrets), tunnel("a.example"), typed);
    assert.deepEqual([decision.verdict, decision.obligations], ["allow", []]);
  });
  it("counts in a comparison when rules on requests change", () => {
    const deny = rule("d", "deny", "net::get", 'where.url = { host = "a.example" }');
    const diff = diffPolicies(policy(tunnels + deny), policy(tunnels));
    assert.deepEqual([diff.notWider, diff.unchanged.includes("net::connect")], [false, false]);
    const back = diffPolicies(policy(tunnels), policy(tunnels + deny));
    assert.deepEqual([back.notWider, back.unchanged.includes("net::connect")], [true, false]);
  });
});

describe("a page that is opened or saved from", () => {
  it("is a request that reads", () => {
    const open = action("browser::open", { url: "https://a.example/" });
    const allow = rule("o", "allow", "browser::open", 'where.url = { host = "a.example" }');
    const deny = rule("d", "deny", "net::get", 'where.url = { host = "a.example" }');
    assert.equal(decide(policy(allow), open, typed).verdict, "allow");
    assert.deepEqual(ruleIds(decide(policy(allow + deny), open, typed)), ["d", "o"]);
    const other = rule("d", "deny", "net::post", 'where.url = { host = "a.example" }');
    assert.equal(decide(policy(allow + other), open, typed).verdict, "allow");
  });
});

describe("a call of a tool of a server elsewhere", () => {
  it("is a request that sends to its address", () => {
    const call = action("mcp::call", {
      server: "notes",
      tool: "read",
      arguments: {},
      definition: new Uint8Array(32),
    });
    const deny = policy(rule("d", "deny", "net::post", 'where.url = { host = "b.example" }'));
    const at = (posted: string) => ({ ...typed, posted });
    assert.deepEqual(ruleIds(decide(deny, call, at("https://b.example/mcp"))), ["d"]);
    assert.deepEqual(ruleIds(decide(deny, call, at("https://c.example/mcp"))), []);
    assert.deepEqual(ruleIds(decide(deny, call, typed)), []);
  });
});
