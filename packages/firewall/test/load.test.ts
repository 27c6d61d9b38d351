import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compilePolicy, defaultPolicy, policyBytesMax } from "../src/index.ts";
import { complaints, hashing, policy, rule } from "./support.ts";

const one = (text: string, expected: string | RegExp): void => {
  const found = complaints(text);
  assert.equal(found.length, 1, JSON.stringify(found));
  if (typeof expected === "string") assert.equal(found[0], expected);
  else assert.match(found[0] as string, expected);
};

const head = 'version = 1\n[[rule]]\nid = "a"\n';
const read = `${head}effect = "deny"\ntarget = ["fs::read"]\n`;

describe("unknown keys", () => {
  it("have their line and column and what was meant", () => {
    const text = `${head}efect = "deny"\neffect = "deny"\ntarget = ["fs::read"]`;
    one(
      text,
      'error[E_POLICY_UNKNOWN_KEY]: policy.toml:4:1: unknown key "efect"; did you mean "effect"?',
    );
  });
  it("are found at every level", () => {
    one("version = 1\nrules = 1", /2:1: unknown key "rules"; did you mean "rule"\?$/);
    one(
      "version = 1\n[defaults]\nverdct = 'ask'",
      /3:1: unknown key "verdct"; did you mean "verdict"\?$/,
    );
    one(
      "version = 1\n[workspace.d]\npath = '~/d'\nacess = 'read'",
      /4:1: .*"acess"; did you mean "access"/,
    );
    one("version = 1\n[budget.session]\naction = 3", /3:1: .*"action"; did you mean "actions"/);
    one("version = 1\n[budget.sesion]\nactions = 3", /2:9: .*"sesion"; did you mean "session"/);
    one(`${read}where.path = { glub = "scope:/**" }`, /6:16: .*"glub"; did you mean "glob"/);
    one(
      `${read}where.pth = { glob = "scope:/**" }`,
      /E_POLICY_ARGUMENT\]: policy.toml:6:7: fs::read has no argument "pth"; did you mean "path"/,
    );
  });
});

describe("malformed TOML", () => {
  it("has a line and a column", () => {
    one("version = 1\nx = ", /E_POLICY_TOML\]: policy.toml:2:5: /);
    one('version = 1\nx = "a', /E_POLICY_TOML\]: policy.toml:2:7: unterminated string/);
    one("version = 1\nversion = 1", /E_POLICY_TOML\]: policy.toml:2:1: .*multiple times/);
    one("version = 1\n[a\n", /E_POLICY_TOML\]: policy.toml:3:1: /);
    one("\0", /E_POLICY_TOML\]: policy.toml:1:1: /);
    one("version = 1 x = 2", /E_POLICY_TOML\]: policy.toml:1:13: /);
  });
  it("is not text that was not Unicode", () => {
    one("version = 1 # \ud800", /E_POLICY_TOML\]: policy.toml:1:1: the file is not UTF-8/);
  });
});

describe("hostile TOML ends in a complaint", () => {
  it("nested deeply", () => {
    one(
      `version = 1\na = ${"[".repeat(100_000)}`,
      /E_POLICY_TOO_LARGE\]: policy.toml:2:21: nested too deeply/,
    );
    one(`version = 1\na = ${"{a=".repeat(50_000)}`, /nested too deeply/);
    one(`version = 1\na = "[[[[[[[[[[[[[[[[[[[[[[["`, /unknown key "a"/);
    one(
      `version = 1\n# [[[[[[[[[[[[[[[[[[[[[[[[\na = '''\n[[[[[[[[[[[[[[[[[[[['''`,
      /unknown key "a"/,
    );
  });
  it("long", () => {
    one(`version = 1\n#${"x".repeat(policyBytesMax)}`, /E_POLICY_TOO_LARGE\]: policy.toml:1:1/);
    one(`version = 1\n${"a.".repeat(100)}a = 1`, /2:1: a key of too many parts/);
  });
  it("with keys that objects have already", () => {
    one("version = 1\n__proto__ = 1", /unknown key "__proto__"/);
    one("version = 1\n[workspace.constructor-x]\npath = 3", /E_POLICY_VALUE/);
    one(`${read}where.__proto__ = { glob = "scope:/**" }`, /no argument "__proto__"/);
    one(`${read}where.toString = { glob = "scope:/**" }`, /no argument "toString"/);
  });
  it("with braces that multiply", () => {
    const pattern = `scope:/${"{a,b}".repeat(40)}`;
    one(
      `${read}where.path = { glob = "${pattern}" }`,
      /E_POLICY_PATTERN\]: policy.toml:6:23: .*more than 64 patterns/,
    );
  });
  it("with integers that no integer holds", () => {
    one("version = 99999999999999999999999999", /E_POLICY_VERSION/);
    one("version = 1\n[budget.session]\nactions = 99999999999999999999", /an integer from 1/);
    one("version = 1\n[budget.session]\nactions = 1.5", /found a fraction/);
  });
  it("with more complaints than anybody reads", () => {
    const text = `version = 1\n${Array.from({ length: 500 }, (_, at) => `k${at} = 1`).join("\n")}`;
    assert.equal(complaints(text).length, 50);
  });
});

describe("versions", () => {
  it("are required, and 1", () => {
    one("", /E_POLICY_VERSION\]: policy.toml:1:1/);
    one("version = 2", /E_POLICY_VERSION\]: policy.toml:1:11/);
    one('version = "1"', /E_POLICY_VERSION/);
  });
});

describe("rules", () => {
  it("need an id, an effect and a target", () => {
    const found = complaints("version = 1\n[[rule]]\n");
    assert.deepEqual(found, [
      'error[E_POLICY_MISSING]: policy.toml:2:1: a rule without "id"',
      'error[E_POLICY_MISSING]: policy.toml:2:1: a rule without "effect"',
      'error[E_POLICY_MISSING]: policy.toml:2:1: a rule without "target"',
    ]);
  });
  it("have ids that nothing else has", () => {
    one(
      `version = 1\n${rule("a", "deny", "fs::read")}${rule("a", "ask", "fs::read")}`,
      /E_POLICY_DUPLICATE\]: policy.toml:8:6/,
    );
    one(`version = 1\n${rule("builtin:x", "deny", "fs::read")}`, /E_POLICY_VALUE/);
    one(`version = 1\n${rule("project/x", "deny", "fs::read")}`, /E_POLICY_VALUE/);
  });
  it("name targets that exist", () => {
    one(
      `version = 1\n${rule("a", "deny", "fs::raed")}`,
      /E_POLICY_UNKNOWN_TARGET\]: policy.toml:5:10: unknown target "fs::raed"; did you mean "fs::read"/,
    );
    one(`version = 1\n${rule("a", "deny", "fx::*")}`, /did you mean "fs::\*"/);
  });
  it("may name whole groups", () => {
    const { rules } = policy(rule("a", "deny", "fs::*")).engine;
    assert.deepEqual(rules[0]?.targets.length, 11);
  });
  it("say where for every path and program that they allow", () => {
    const allow = (target: string, where = ""): string =>
      `version = 1\n${rule("a", "allow", target, where)}`;
    const everywhere = 'where.path = { glob = "scope:/**" }';
    one(
      allow("fs::read"),
      /E_POLICY_UNCONSTRAINED\]: policy.toml:3:6: rule "a" allows fs::read without where.path/,
    );
    one(allow("fs::move", everywhere), /without where.to/);
    one(allow("fs::restore"), /without where.paths/);
    one(allow("sys::exec", 'where.cwd = { glob = "scope:/**" }'), /without where.argv/);
    one(allow("sys::exec", 'where.argv = { first = ["a"] }'), /without where.argv/);
    one(allow("fs::read", 'where.path = { not = { glob = "scope:/x" } }'), /without where.path/);
    one(
      allow(
        "fs::read",
        'where.path = { any = [{ glob = "scope:/x" }, { not = { glob = "scope:/y" } }] }',
      ),
      /without where.path/,
    );
    assert.deepEqual(complaints(allow("fs::read", everywhere)), []);
    assert.deepEqual(
      complaints(allow("sys::exec", 'where.argv = { program = "/usr/bin/git" }')),
      [],
    );
    assert.deepEqual(complaints(`version = 1\n${rule("a", "deny", "fs::move")}`), []);
  });
  it("speak of arguments that every target has", () => {
    one(
      `version = 1\n${rule("a", "deny", ["fs::read", "fs::restore"], 'where.path = { glob = "scope:/**" }')}`,
      /fs::restore has no argument "path"; did you mean "paths"/,
    );
  });
  it("know nothing of content, hosts and pages yet, and say so", () => {
    one(
      `version = 1\n${rule("a", "deny", "fs::write", 'where.content = { glob = "x" }')}`,
      /E_POLICY_NOT_AVAILABLE\]: policy.toml:6:19: the condition "glob"/,
    );
    one(
      'version = 1\n[[fill]]\nkind = "EMAIL"',
      /E_POLICY_NOT_AVAILABLE\]: policy.toml:2:3: "fill"/,
    );
    one(
      "version = 1\n[grounding]\ntrusted = []",
      /E_POLICY_VALUE\]: policy.toml:3:11: an empty list/,
    );
    assert.deepEqual(complaints(`version = 1\n${rule("a", "deny", "net::listen")}`), []);
  });
});

describe("an expression", () => {
  it("repeats a bounded number of times, so that loading ends soon", () => {
    const text = (pattern: string): string =>
      `version = 1\n${rule("a", "deny", "fs::search", `where.name = { matches = "${pattern}" }`)}`;
    one(
      text("a{1000}".repeat(5)),
      /E_POLICY_TOO_LARGE\]: policy.toml:6:\d+: more than 4000 repetitions/,
    );
    one(text("[ab]{0,1000}".repeat(85)), /E_POLICY_TOO_LARGE/);
    assert.deepEqual(complaints(text("a{1000}".repeat(4))), []);
    one(text("(a{1000}){1000}"), /E_POLICY_PATTERN/);
  });
});

describe("values of conditions", () => {
  const where = (text: string): string => `${read}where.path = ${text}`;
  it("are of their type", () => {
    one(where('"scope:/**"'), /E_POLICY_VALUE\]: policy.toml:6:14: expected a table as in/);
    one(where("{}"), /an empty condition/);
    one(where("{ glob = [] }"), /an empty list/);
    one(where("{ glob = 3 }"), /expected a path pattern, found an integer/);
    one(where('{ absent = true, glob = "scope:/**" }'), /"path" is never absent/);
    one(
      `version = 1\n${rule("a", "deny", "fs::write", 'where.create = { equals = "nwe" }')}`,
      /never "nwe"; did you mean "new"/,
    );
    one(`version = 1\n${rule("a", "deny", "fs::read", "where.offset = { min = -1 }")}`, /from 0/);
    one(
      `version = 1\n${rule("a", "deny", "fs::search", 'where.text = { matches = "(" }')}`,
      /E_POLICY_PATTERN\]: policy.toml:6:26/,
    );
    one(
      `version = 1\n${rule("a", "deny", "fs::search", 'where.text = { matches = "(?=a)" }')}`,
      /E_POLICY_PATTERN/,
    );
    one(
      `version = 1\n${rule("a", "deny", "sys::exec", 'where.argv = { flags = ["x"] }')}`,
      /does not begin with -/,
    );
    one(
      `version = 1\n${rule("a", "deny", "sys::exec", 'where.argv = { program = "git" }')}`,
      /a bare pattern/,
    );
    one(
      `version = 1\n${rule("a", "deny", "sys::exec", 'where.argv = { program = "/usr/*/git" }')}`,
      /expected a program as/,
    );
  });
  it("are patterns with a root", () => {
    for (const [pattern, why] of [
      ["*.pdf", "a bare pattern"],
      ["/etc/**", "a bare pattern"],
      ["scope:**", "a bare pattern"],
      ["~bob/x", "a bare pattern"],
      ["scope:/a**", "not a whole segment"],
      ["scope:/***", "not a whole segment"],
      ["scope:/a//b", "an empty segment"],
      ["scope:/a/", "an empty segment"],
      ["scope:/../x", "the segment .."],
      ["scope:/[!a]", "no negation"],
      ["scope:/[^a]", "no negation"],
      ["scope:/[z-a]", "runs backwards"],
      ["scope:/[a", "does not close"],
      ["scope:/a]", "without an opening"],
      ["scope:/{a,b", "does not close"],
      ["scope:/a}", "without an opening"],
      ["scope:/{a}", "fewer than two"],
      ["scope:/[+-0]", "match a slash"],
    ] as const) {
      one(
        where(`{ glob = ${JSON.stringify(pattern)} }`),
        new RegExp(`E_POLICY_PATTERN.*${why.replaceAll(".", "\\.")}`),
      );
    }
    one(where("{ glob = 'scope:/a\\b' }"), /a backslash/);
    one(
      where('{ glob = "scop:/**" }'),
      /E_POLICY_UNKNOWN_ROOT\]: policy.toml:6:23: unknown workspace "scop"; did you mean "scope"/,
    );
  });
});

describe("tiers", () => {
  it("below the user's cannot allow, and say how to take a rule over", () => {
    const text = `version = 1\n${rule("a", "allow", "fs::read", 'where.path = { glob = "scope:/**" }')}`;
    for (const tier of ["project", "skill", "session", "delegation"] as const) {
      const compiled = compilePolicy([{ tier, file: "p.toml", text }], hashing);
      assert.ok(!compiled.ok);
      assert.equal(compiled.error[0]?.code, "E_POLICY_TIER");
      assert.equal(compiled.error[0]?.next, "./ioi policy import p.toml");
      assert.deepEqual(complaints(text.replace('"allow"', '"deny"'), tier), []);
    }
    assert.deepEqual(complaints(text, "admin"), []);
  });
  it("below the user's hold rules and budgets only", () => {
    for (const table of [
      "[defaults]\nverdict = 'ask'",
      "[approval]\nexpires_minutes = 3",
      "[workspace.x]\npath = '~/x'",
    ]) {
      assert.match(complaints(`version = 1\n${table}`, "project")[0] as string, /E_POLICY_TIER/);
    }
    assert.deepEqual(complaints("version = 1\n[budget.session]\nactions = 3", "project"), []);
  });
  it("can be bounded by the administrator", () => {
    const bound = [
      "admin",
      'version = 1\n[admin]\nmay_allow = ["fs::read", "fs::list"]\n',
    ] as const;
    const user = (target: string): string =>
      rule("a", "allow", target, 'where.path = { glob = "scope:/**" }');
    policy([bound[0], bound[1]], user("fs::read"));
    const compiled = compilePolicy(
      [
        { tier: "user", file: "user.toml", text: `version = 1\n${user("fs::write")}` },
        { tier: "admin", file: "admin.toml", text: bound[1] },
      ],
      hashing,
    );
    assert.ok(!compiled.ok);
    assert.equal(compiled.error[0]?.code, "E_POLICY_ADMIN_BOUND");
    assert.match(complaints(bound[1])[0] as string, /E_POLICY_TIER.*"admin" in a user policy/);
  });
  it("give their rules names of their own", () => {
    const both = policy(
      rule("a", "deny", "fs::read"),
      ["project", rule("a", "ask", "fs::read")],
      ["admin", rule("a", "ask", "fs::read")],
    );
    assert.deepEqual(
      both.rules.map(({ id }) => id),
      ["admin/a", "a", "project/a"],
    );
  });
});

describe("examples", () => {
  const tidy = (examples: string): string =>
    `version = 1\n[workspace.downloads]\npath = "~/Downloads"\n${rule("tidy", "allow", "fs::move", 'where.path = { glob_nocase = "downloads:/**/*.{pdf,csv}" }\nwhere.to = { glob_nocase = "downloads:/**/*.{pdf,csv}" }')}${examples}`;
  it("are checked when the policy is loaded", () => {
    assert.deepEqual(
      complaints(
        tidy(
          'match = [{ target = "fs::move", path = "downloads:/a.pdf", to = "downloads:/2026-01/A.PDF" }]\nnot_match = [{ target = "fs::move", path = "downloads:/a.pdf", to = "~/.ssh/x" }]',
        ),
      ),
      [],
    );
    one(
      tidy('match = [{ path = "downloads:/a.txt", to = "downloads:/a.pdf" }]'),
      /E_POLICY_EXAMPLE\]: policy.toml:10:10: rule "tidy" does not fire on its own match/,
    );
    one(
      tidy('not_match = [{ path = "downloads:/a.pdf", to = "downloads:/b.pdf" }]'),
      /fires on its own not_match/,
    );
    one(tidy('match = [{ path = "downloads:/a.pdf" }]'), /lacks "to"/);
    one(tidy('match = [{ path = "downlods:/a.pdf", to = "~/x" }]'), /did you mean "downloads"/);
    one(
      tidy('match = [{ target = "fs::read", path = "downloads:/a.pdf" }]'),
      /is not about fs::read/,
    );
  });
  it("of a refusal count what fires without being sure", () => {
    const text = `version = 1\n${rule("a", "deny", "sys::exec", 'where.argv = { program = "/usr/bin/curl" }\nmatch = [{ argv = ["curl", "x"] }]')}`;
    assert.deepEqual(complaints(text), []);
  });
});

describe("the whole policy", () => {
  it("has the least of all budgets", () => {
    const models = { modelMicrousd: 500_000, modelTokens: 2_000_000 };
    const { budgets, approvalExpiresMinutes } = policy(
      "[budget.session]\nactions = 50\n[approval]\nexpires_minutes = 5",
      ["project", "[budget.session]\nactions = 90\nwall_minutes = 3"],
    );
    assert.deepEqual(
      { budgets, approvalExpiresMinutes },
      { budgets: { actions: 50, wallMinutes: 3, ...models }, approvalExpiresMinutes: 5 },
    );
    assert.deepEqual(policy("").budgets, { actions: 200, wallMinutes: 20, ...models });
  });
  it("has workspaces with ~ still in the path", () => {
    assert.deepEqual(
      policy('[workspace.d]\npath = "~/D/./x"\n[workspace.e]\npath = "/srv/e"\naccess = "read"')
        .workspaces,
      [
        { name: "d", path: "~/D/x", access: "write" },
        { name: "e", path: "/srv/e", access: "read" },
      ],
    );
    one(
      'version = 1\n[workspace.scope]\npath = "~/x"',
      /E_POLICY_VALUE\]: policy.toml:2:12: "scope"/,
    );
    one('version = 1\n[workspace.a]\npath = "x"', /expected a folder/);
    one('version = 1\n[workspace.a]\npath = "~/../x"', /expected a folder/);
  });
  it("has a hash of its meaning, not of its comments", () => {
    const text = rule("a", "deny", "fs::read");
    const hash = (source: string): string => Buffer.from(policy(source).hash).toString("hex");
    assert.equal(hash(text), hash(`# said otherwise\n${text.replaceAll(" = ", "=")}`));
    assert.notEqual(hash(text), hash(text.replace("deny", "ask")));
    assert.notDeepEqual(policy(text).hash, policy(["project", text]).hash);
  });
  it("that is shipped loads, and finds nothing to say about itself", () => {
    assert.deepEqual(complaints(defaultPolicy), []);
  });
});
