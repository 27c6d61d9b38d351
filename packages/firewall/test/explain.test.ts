import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { check, compilePolicy, defaultPolicy, explain, lint } from "../src/index.ts";
import { act, context, hashing, policy, rule, run } from "./support.ts";

const everywhere = 'where.path = { glob = "scope:/**" }';

describe("check", () => {
  it("has the verdict and every rule that was looked at, with where it failed", () => {
    const compiled = policy(
      rule("a", "allow", "fs::read", everywhere) +
        rule("d", "deny", "fs::read", 'where.path = { glob = "scope:/x" }'),
    );
    const checked = check(compiled, act("fs::read", { path: "scope:/a" }), context);
    assert.deepEqual(
      checked.evaluated.map(({ at: _, ...each }) => each),
      [
        {
          id: "a",
          tier: "user",
          effect: "allow",
          truth: "true",
          fired: true,
          conditions: [{ argument: "path", truth: "true" }],
        },
        {
          id: "d",
          tier: "user",
          effect: "deny",
          truth: "false",
          fired: false,
          conditions: [{ argument: "path", truth: "false" }],
        },
      ],
    );
    assert.deepEqual([checked.schema, checked.verdict], ["ioi.policy-check/1", "allow"]);
  });
});

describe("explain", () => {
  it("offers the narrowest rule that would allow, after trying it", () => {
    const { change, why } = explain(
      policy(""),
      act("fs::move", { path: "scope:/a", to: "scope:/b" }),
      context,
    );
    assert.equal(change.type, "add-rule");
    assert.ok(change.type === "add-rule");
    assert.equal(change.verdict, "allow");
    assert.equal(
      change.toml,
      '[[rule]]\nid = "suggested"\neffect = "allow"\ntarget = ["fs::move"]\nwhere.path = { one_of = ["scope:/a"] }\nwhere.to = { one_of = ["scope:/b"] }\n',
    );
    const added = compilePolicy(
      [{ tier: "user", file: "p", text: `version = 1\n${change.toml}` }],
      hashing,
    );
    assert.ok(added.ok);
    assert.match(why[0] as string, /^Verdict: ask/);
  });
  it("offers a rule for a program", () => {
    const { change } = explain(policy(""), run(["git", "log"]), context);
    assert.ok(change.type === "add-rule");
    assert.match(change.toml, /where.argv = \{ program = "\/usr\/bin\/git", profile = "closed" \}/);
  });
  it("names the rules that stand in the way", () => {
    const compiled = policy(
      rule("a", "allow", "fs::read", everywhere) + rule("d", "deny", "fs::read", everywhere),
    );
    assert.deepEqual(explain(compiled, act("fs::read", { path: "scope:/a" }), context).change, {
      type: "remove-rules",
      ids: ["d"],
      verdict: "allow",
    });
  });
  it("removes as few rules as it takes, and says where it takes more than one change", () => {
    const inside = 'where.path = { glob = "scope:/x/**" }';
    const compiled = policy(
      rule("a", "allow", "fs::read", everywhere) +
        rule("d", "deny", "fs::read", everywhere) +
        rule("q", "ask", "fs::read", everywhere) +
        rule("e", "deny", "fs::read", inside),
    );
    const x = act("fs::read", { path: "scope:/x/a" });
    assert.deepEqual(explain(compiled, x, context).change, {
      type: "remove-rules",
      ids: ["d", "e"],
      verdict: "ask",
    });
    const both = policy(rule("q", "ask", "fs::read", everywhere));
    const { change } = explain(both, x, context);
    assert.deepEqual(change, {
      type: "none",
      because: 'It takes two changes: a rule that allows it, and none of "q"; then: allow.',
    });
    const spent = explain(policy(rule("a", "allow", "fs::read", everywhere)), x, {
      ...context,
      exceededRates: ["fs::read per_minute"],
    });
    assert.deepEqual(spent.change, {
      type: "none",
      because:
        "A higher bound of fs::read per_minute changes it, under [budget] or [rate] of the policy.",
    });
  });
  it("says where no policy would change it", () => {
    const outside = explain(policy(""), act("fs::read", { path: "/etc/shadow" }), context).change;
    assert.deepEqual(outside, {
      type: "none",
      because: "builtin:outside-workspaces holds whatever a policy says.",
    });
    const allowed = explain(
      policy(defaultPolicy),
      act("fs::read", { path: "scope:/a" }),
      context,
    ).change;
    assert.equal(allowed.type, "none");
    const dynamic = explain(policy(defaultPolicy), run(["sh", "-c", "$X"]), context).change;
    assert.deepEqual(dynamic, {
      type: "none",
      because: "No single rule changes it (asks: dynamic).",
    });
  });
});

describe("lint", () => {
  const codes = (text: string): readonly string[] =>
    lint(policy(text)).map(({ code, rule: id }) => `${code} ${id}`);
  it("finds conditions that bound nothing, and keeps quiet about windows of time", () => {
    const send = (to: string): string =>
      rule("a", "allow", "agent::delegate", `where.agent = ${to}`);
    assert.deepEqual(codes(send('{ matches = ".*" }')), ["over-broad a", "no-driver a"]);
    assert.deepEqual(codes(send('{ matches = "[a-z]+" }')), ["no-driver a"]);
    const inner = rule("b", "allow", "fs::read", 'where.path = { glob = "scope:/x/*.txt" }');
    const night = `${rule("d", "deny", "fs::read")}when = { from = "22:00", to = "06:00" }\n`;
    assert.deepEqual(
      codes(inner + night).filter((each) => each.startsWith("shadowed")),
      [],
    );
  });
  it("finds permissions that never matter", () => {
    const inner = rule("a", "allow", "fs::read", 'where.path = { glob = "scope:/x/*.txt" }');
    assert.deepEqual(
      codes(inner + rule("d", "deny", "fs::read", 'where.path = { glob = "scope:/x/**" }')),
      ["shadowed a"],
    );
    assert.deepEqual(codes(inner + rule("d", "deny", "fs::read")), ["shadowed a"]);
    assert.deepEqual(
      codes(inner + rule("d", "deny", "fs::read", 'where.path = { glob = "scope:/y/**" }')),
      [],
    );
    assert.deepEqual(codes(inner + rule("d", "deny", "fs::list")), []);
    assert.deepEqual(
      codes(
        inner +
          rule(
            "d",
            "deny",
            "fs::read",
            'where.path = { glob = "scope:/x/**" }\nwhere.offset = { min = 2 }',
          ),
      ),
      ["uncompiled d"],
    );
  });
  it("finds refusals that another makes already", () => {
    assert.deepEqual(
      codes(rule("d", "deny", "fs::read") + rule("e", "deny", "fs::read", everywhere)),
      ["unreachable e"],
    );
    assert.deepEqual(codes(rule("d", "deny", "fs::read") + rule("e", "deny", "fs::read")), [
      "unreachable e",
    ]);
  });
  it("finds permissions without which the same is allowed", () => {
    const allow = (id: string, glob: string): string =>
      rule(id, "allow", "fs::read", `where.path = { glob = ${JSON.stringify(glob)} }`);
    assert.deepEqual(codes(allow("a", "scope:/**") + allow("b", "scope:/x/*.txt")), [
      "unreachable b",
    ]);
    assert.deepEqual(
      codes(allow("a", "scope:/*.a") + allow("b", "scope:/*.b") + allow("c", "scope:/*.{a,b}")),
      ["unreachable c"],
    );
    assert.deepEqual(codes(allow("a", "scope:/x/**") + allow("b", "scope:/x/**")), [
      "unreachable b",
    ]);
    assert.deepEqual(codes(allow("a", "scope:/x/**") + allow("b", "scope:/**/*.txt")), []);
  });
  it("finds what is wider than it looks", () => {
    assert.deepEqual(codes(rule("a", "allow", "fs::read", 'where.path = { glob = "~/**" }')), [
      "over-broad a",
    ]);
    assert.deepEqual(
      codes(
        `[workspace.w]\npath = "/srv"\n${rule("a", "allow", "fs::write", 'where.path = { glob = "w:/**" }')}`,
      ),
      ["over-broad a"],
    );
    assert.deepEqual(
      codes(
        rule(
          "a",
          "allow",
          "sys::exec",
          'where.argv = { program = "/usr/bin/python3.11", rest = { matches = "x" } }',
        ),
      ),
      ["interpreter a"],
    );
    assert.deepEqual(codes(rule("a", "deny", "net::listen")), ["no-driver a"]);
  });
  it("finds in the shipped policy only what it knows has no driver", () => {
    assert.deepEqual(codes(defaultPolicy), ["no-driver no-listening", "no-driver no-page-scripts"]);
  });
});
