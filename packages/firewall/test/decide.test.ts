/** The verdict, line by line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decide } from "../src/index.ts";
import type { Action } from "@ioi/wire";
import {
  act,
  asked,
  complaints,
  context,
  fileFacts,
  policy,
  rule,
  ruleIds,
  run,
  scope,
  verdict,
  withSession,
} from "./support.ts";

const everywhere = 'where.path = { glob = "scope:/**" }';
const allowRead = rule("allow-read", "allow", "fs::read", everywhere);
const askRead = rule("ask-read", "ask", "fs::read", everywhere);
const denyRead = rule("deny-read", "deny", "fs::read", everywhere);
const a = act("fs::read", { path: "scope:/a" });

describe("the verdict", () => {
  it("is deny if any deny fired, in any order and any tier", () => {
    assert.equal(verdict(policy(allowRead + askRead + denyRead), a), "deny");
    assert.equal(verdict(policy(denyRead + allowRead), a), "deny");
    for (const tier of ["admin", "project", "skill", "session", "delegation"] as const) {
      assert.equal(verdict(policy(allowRead, [tier, denyRead]), a), "deny", tier);
    }
    assert.equal(verdict(policy(allowRead), a), "allow");
  });
  it("is ask if any ask fired, even where a rule allows", () => {
    const decision = decide(policy(allowRead + askRead), a, context);
    assert.equal(decision.verdict, "ask");
    assert.deepEqual(asked(decision), ["rule ask-read"]);
    assert.equal(verdict(policy(allowRead, ["project", askRead]), a), "ask");
  });
  it("is ask by default, deny where the policy says so", () => {
    const decision = decide(policy(""), a, context);
    assert.deepEqual([decision.verdict, asked(decision)], ["ask", ["default default"]]);
    assert.equal(verdict(policy('[defaults]\nverdict = "deny"'), a), "deny");
    assert.equal(verdict(policy(`[defaults]\nverdict = "deny"\n${allowRead}`), a), "allow");
    assert.equal(verdict(policy(`[defaults]\nverdict = "deny"\n${allowRead}${askRead}`), a), "ask");
    assert.equal(
      verdict(policy(["admin", '[defaults]\nverdict = "deny"'], '[defaults]\nverdict = "ask"'), a),
      "deny",
    );
  });
  it("is deny where nobody is there to be asked", () => {
    const headless = withSession({ headless: true });
    const decision = decide(policy(askRead), a, headless);
    assert.equal(decision.verdict, "deny");
    assert.match(decision.reason, /nobody is there to answer/);
    assert.equal(verdict(policy(allowRead), a, headless), "allow");
  });
  it("names every rule that fired: denials, asks, permissions", () => {
    const decision = decide(policy(allowRead + askRead + denyRead), a, context);
    assert.deepEqual(decision.rules, [
      { id: "deny-read", effect: "deny", tier: "user", truth: "true" },
      { id: "ask-read", effect: "ask", tier: "user", truth: "true" },
      { id: "allow-read", effect: "allow", tier: "user", truth: "true" },
    ]);
  });
  it("gives the rule's own reason and way out", () => {
    const text = rule(
      "no",
      "deny",
      "fs::read",
      `${everywhere}\nreason = "Not today."\ninstead = "Ask tomorrow."`,
    );
    const decision = decide(policy(text), a, context);
    assert.match(decision.reason, /rule "no": Not today\./);
    assert.equal(decision.instead, "Ask tomorrow.");
  });
});

describe("truth", () => {
  const unseen = act("fs::read", { path: "scope:/a" }, { path: null });
  const elsewhere = 'where.path = { glob = "scope:/x" }';
  it("unknown fires what asks and denies, not what allows", () => {
    assert.deepEqual(
      ruleIds(decide(policy(rule("r", "allow", "fs::read", elsewhere)), unseen, context)),
      [],
    );
    for (const effect of ["ask", "deny"]) {
      const decision = decide(policy(rule("r", effect, "fs::read", elsewhere)), unseen, context);
      assert.equal(decision.rules[0]?.truth, "unknown");
    }
    const allowed = decide(policy(allowRead), unseen, context);
    assert.deepEqual(asked(allowed), ["fact path", "default default"]);
  });
  it("false and unknown is false, true or unknown is true, not unknown is unknown", () => {
    const deny = (where: string): readonly string[] =>
      ruleIds(
        decide(
          policy(rule("r", "deny", "fs::search", where)),
          act("fs::search", { path: "scope:/a", text: "<EMAIL_1.k7f3>" }),
          context,
        ),
      );
    assert.deepEqual(deny('where.text = { equals = "x" }'), ["r"]);
    assert.deepEqual(
      deny('where.text = { equals = "x" }\nwhere.path = { equals = "scope:/other" }'),
      [],
    );
    assert.deepEqual(deny('where.text = { not = { equals = "x" } }'), ["r"]);
    assert.deepEqual(deny('where.text = { any = [{ equals = "x" }, { absent = true }] }'), ["r"]);
    assert.deepEqual(deny("where.text = { absent = true }"), []);
  });
  it("an optional argument that is absent makes its condition false", () => {
    const deny = (where: string, text?: string): readonly string[] =>
      ruleIds(
        decide(
          policy(rule("r", "deny", "fs::search", where)),
          act("fs::search", { path: "scope:/a", ...(text === undefined ? {} : { text }) }),
          context,
        ),
      );
    assert.deepEqual(deny('where.text = { matches = ".*" }'), []);
    assert.deepEqual(deny('where.text = { not = { equals = "x" } }'), []);
    assert.deepEqual(deny("where.text = { absent = true }"), ["r"]);
    assert.deepEqual(deny("where.text = { absent = false }"), []);
    assert.deepEqual(deny("where.text = { absent = false }", "y"), ["r"]);
  });
  it("a value over a limit is unknown to an expression", () => {
    const long = act("sys::exec", {});
    const exec = run(["/usr/bin/echo", "b".repeat(70_000)]);
    assert.ok(long);
    const deny = policy(
      rule("r", "deny", "sys::exec", 'where.argv = { rest = { matches = "a" } }'),
    );
    assert.equal(decide(deny, exec, context).rules[0]?.truth, "unknown");
    const allow = policy(
      rule(
        "r",
        "allow",
        "sys::exec",
        'where.argv = { program = "/usr/bin/echo", rest = { matches = "b*" } }',
      ),
    );
    assert.deepEqual(ruleIds(decide(allow, exec, context)), []);
  });
  it("a list allows if every element does, and is refused if one is", () => {
    const restore = act("fs::restore", { counter: 1, paths: ["scope:/a", "scope:/b"] });
    const on = (effect: string, pattern: string): readonly string[] =>
      ruleIds(
        decide(
          policy(rule("r", effect, "fs::restore", `where.paths = { glob = "${pattern}" }`)),
          restore,
          context,
        ),
      );
    assert.deepEqual(on("allow", "scope:/a"), []);
    assert.deepEqual(on("allow", "scope:/[ab]"), ["r"]);
    assert.deepEqual(on("deny", "scope:/a"), ["r"]);
    assert.deepEqual(on("deny", "scope:/c"), []);
  });
});

describe("argument vectors", () => {
  const git =
    'where.argv = { program = "/usr/bin/git", first = ["status", "log"], flags = ["--oneline", "-n", "--"], rest = { matches = "[0-9]{1,4}" } }';
  const on = (effect: string, where: string, argv: readonly string[], real?: string): boolean =>
    ruleIds(
      decide(policy(rule("r", effect, "sys::exec", where)), run(argv, real), context),
    ).includes("r");
  it("are closed where they are allowed", () => {
    const allowed = (...argv: string[]): boolean => on("allow", git, argv);
    assert.ok(allowed("git", "log"));
    assert.ok(allowed("git", "log", "--oneline", "-n", "5"));
    assert.ok(allowed("git", "log", "--", "12"));
    assert.ok(!allowed("git", "log", "--", "-12"));
    assert.ok(!allowed("git"));
    assert.ok(!allowed("git", "push"));
    assert.ok(!allowed("git", "-c", "core.pager=sh", "log"));
    assert.ok(!allowed("git", "log", "-n5"));
    assert.ok(!allowed("git", "log", "--output=x"));
    assert.ok(!allowed("git", "log", "main"));
    assert.ok(!allowed("git", "log", "12345"));
    assert.ok(!allowed("git", "log", "5\n6"));
    assert.ok(!on("allow", git, ["git", "log"], "/home/u/scope/git"));
  });
  it("are described by flags for what begins with a dash, also where the rest is free", () => {
    const free = 'where.argv = { program = "/usr/bin/git", rest = { matches = ".*" } }';
    assert.ok(on("allow", free, ["git", "log", "-"]));
    assert.ok(!on("allow", free, ["git", "--upload-pack=sh"]));
    const ended = free.replace("rest", 'flags = ["--"], rest');
    assert.ok(on("allow", ended, ["git", "x", "--", "-y"]));
    assert.ok(!on("allow", ended, ["git", "-y", "--", "x"]));
  });
  it("are open where they are refused", () => {
    const push = 'where.argv = { program = "/usr/bin/git", first = ["push"] }';
    assert.ok(on("deny", push, ["git", "push"]));
    assert.ok(on("deny", push, ["git", "push", "origin"]));
    assert.ok(on("deny", push, ["git", "-C", "x", "push"]));
    assert.ok(!on("deny", push, ["git", "log"]));
    assert.ok(!on("deny", push.replace("first", 'profile = "closed", first'), ["git", "log"]));
    assert.ok(on("deny", 'where.argv = { profile = "closed" }', ["git", "log"]));
    const output = 'where.argv = { program = "/usr/bin/git", flags = ["--output", "-o"] }';
    assert.ok(on("deny", output, ["git", "log", "--output=x"]));
    assert.ok(on("deny", output, ["git", "-xo", "f"]));
    assert.ok(on("deny", output, ["git", "-ofile"]));
    assert.ok(!on("deny", output, ["git", "--oneline"]));
  });
  it("name the program where it really is; a refusal also by its name", () => {
    const curl = 'where.argv = { program = "/usr/bin/curl" }';
    assert.ok(on("deny", curl, ["curl", "x"]));
    assert.ok(on("deny", curl, ["/usr/bin/curl"], "/opt/busybox"));
    assert.ok(on("deny", curl, ["curl"], "/opt/busybox"));
    assert.ok(!on("deny", curl, ["wget"], "/usr/bin/wget"));
    assert.ok(
      !on("allow", `${curl.slice(0, -1)}, profile = "closed" }`, ["curl", "x"], "/opt/busybox"),
    );
    assert.ok(
      on("allow", 'where.argv = { program = "/usr/bin/", profile = "closed" }', ["sort", "-x"]),
    );
    assert.ok(
      !on(
        "allow",
        'where.argv = { program = "/usr/bin/", profile = "closed" }',
        ["./sort"],
        "/usr/bin-evil/sort",
      ),
    );
    assert.ok(
      on(
        "allow",
        'where.argv = { program = "scope:/bin/*", profile = "closed" }',
        ["./x"],
        `${scope}/bin/x`,
      ),
    );
  });
});

describe("asks", () => {
  it("come from budgets that are used up", () => {
    const decision = decide(policy(allowRead), a, {
      ...context,
      exceededBudgets: ["actions", "wall_minutes"],
    });
    assert.deepEqual(
      [decision.verdict, asked(decision)],
      ["ask", ["budget actions", "budget wall_minutes"]],
    );
    const exceededBudgets = ["actions", "model_usd"];
    const nobody = { ...withSession({ headless: true }), exceededBudgets };
    const { verdict: end, instead } = decide(policy(allowRead), a, nobody);
    assert.equal(end, "deny");
    assert.match(instead, /^More of actions and model_usd .* \[budget\.session\] in policy\.toml/);
  });
  it("come from programs that were not found or hashed", () => {
    const compiled = policy(rule("r", "allow", "sys::exec", 'where.argv = { profile = "closed" }'));
    const exec = run(["x"]);
    const program = exec.facts["program"];
    assert.ok(program);
    const changed = (facts: Action["facts"]): readonly string[] =>
      asked(decide(compiled, { ...exec, facts }, context));
    assert.deepEqual(changed(exec.facts), []);
    const { sha256: _, ...unhashed } = program;
    assert.deepEqual(changed({ ...exec.facts, program: unhashed }), ["fact program"]);
    assert.deepEqual(changed({ ...exec.facts, program: { ...program, exists: false } }), [
      "fact program",
    ]);
    assert.deepEqual(changed({ program }), ["fact cwd"]);
  });
  it("come from protected paths when they change, not when they are looked at", () => {
    const compiled = policy(
      rule(
        "r",
        "allow",
        ["fs::read", "fs::write", "fs::mkdir"],
        'where.path = { glob = ["scope:/**", "scope:/**/.*", "scope:/.*/**"] }',
      ),
    );
    for (const path of [
      "package.json",
      "sub/Makefile",
      ".git/config",
      ".git/hooks/pre-commit",
      ".envrc",
      ".bashrc",
      ".vscode/tasks.json",
      ".mcp.json",
      ".config/autostart/x",
      "Dropbox/a",
      "PACKAGE.JSON",
      "x.csproj",
      ".husky/pre-push",
      "vite.config.ts",
    ]) {
      const write = decide(compiled, act("fs::write", { path: `scope:/${path}` }), context);
      assert.deepEqual([asked(write), write.reversible], [["protected path"], false], path);
      assert.equal(verdict(compiled, act("fs::read", { path: `scope:/${path}` })), "allow", path);
    }
    for (const path of [
      "hooks/useState.ts",
      "build/out.js",
      "library/a",
      "package.json.md",
      "a/config",
    ]) {
      assert.equal(verdict(compiled, act("fs::write", { path: `scope:/${path}` })), "allow", path);
    }
  });
  it("come from undo that cannot be kept", () => {
    const compiled = policy(rule("r", "allow", "fs::write", everywhere));
    const write = act("fs::write", { path: "scope:/a" });
    const kept = decide(compiled, write, context);
    assert.deepEqual(
      [kept.verdict, kept.obligations, kept.reversible],
      ["allow", [{ type: "snapshot" }], true],
    );
    const lost = decide(compiled, write, { ...context, unavailable: ["snapshot"] });
    assert.deepEqual(
      [asked(lost), lost.obligations, lost.reversible],
      [["irreversible snapshot"], [], false],
    );
    const huge = act(
      "fs::write",
      { path: "scope:/a" },
      { path: fileFacts(`${scope}/a`, { size: 2 ** 32 }) },
    );
    assert.deepEqual(asked(decide(compiled, huge, context)), ["irreversible snapshot"]);
  });
  it("leave copies that replace nothing without a snapshot", () => {
    const compiled = policy(
      rule("r", "allow", "fs::copy", `${everywhere}\nwhere.to = { glob = "scope:/**" }`),
    );
    const copy = (exists: boolean): unknown =>
      decide(
        compiled,
        act(
          "fs::copy",
          { path: "scope:/a", to: "scope:/b" },
          { to: fileFacts(`${scope}/b`, { exists }) },
        ),
        context,
      ).obligations;
    assert.deepEqual(copy(true), [{ type: "snapshot" }]);
    assert.deepEqual(copy(false), []);
  });
});

describe("reversible_without_asking", () => {
  const on = "[approval]\nreversible_without_asking = true\n";
  const remove = act("fs::delete", { path: "scope:/a" });
  it("spares the default ask about what can be undone in scope", () => {
    const decision = decide(policy(on), remove, context);
    assert.deepEqual([decision.verdict, ruleIds(decision)], ["allow", ["builtin:reversible"]]);
    assert.equal(verdict(policy(""), remove), "ask");
    assert.equal(verdict(policy("[approval]\nreversible_without_asking = false"), remove), "ask");
    assert.equal(
      verdict(policy(on, ["admin", "[approval]\nreversible_without_asking = false"]), remove),
      "ask",
    );
  });
  it("spares nothing else", () => {
    assert.equal(verdict(policy(on + rule("r", "ask", "fs::delete")), remove), "ask");
    assert.equal(verdict(policy(on), a), "ask");
    assert.equal(verdict(policy(on), act("fs::delete", { path: "scope:/package.json" })), "ask");
    assert.equal(verdict(policy(on), run(["ls"])), "ask");
    assert.equal(verdict(policy(on), remove, { ...context, unavailable: ["snapshot"] }), "ask");
    assert.equal(verdict(policy(`${on}[defaults]\nverdict = "deny"`), remove), "deny");
    const outside = withSession({
      roots: [
        { name: "scope", path: scope, access: "write" },
        { name: "d", path: "/d", access: "write" },
      ],
    });
    assert.equal(verdict(policy(on), act("fs::delete", { path: "/d/a" }), outside), "ask");
    assert.equal(
      verdict(policy(on), act("fs::move", { path: "scope:/a", to: "/d/a" }), outside),
      "ask",
    );
  });
});

describe("a malformed action", () => {
  it("is denied with a reason, whatever it is", () => {
    const compiled = policy(rule("r", "allow", "fs::read", everywhere));
    const broken: readonly Action[] = [
      { ...a, version: 2 },
      { ...a, target: "fs::nothing" },
      { ...a, args: {} },
      { ...a, args: { path: 3 } },
      { ...a, args: { path: "a" } },
      { ...a, args: { path: `${scope}/../x` } },
      { ...a, args: { path: `${scope}//x` } },
      { ...a, args: { path: `${scope}/x/` } },
      { ...a, args: { path: `${scope}/cafe\u0301` } },
      { ...a, args: { path: `${scope}/a\0` } },
      { ...a, args: { path: `${scope}/a\n` } },
      { ...a, args: { path: `${scope}/${"x".repeat(256)}` } },
      { ...a, args: { path: `${scope}${"/x".repeat(2100)}` } },
      { ...a, args: { ...a.args, mode: 1 } },
      { ...a, args: { ...a.args, offset: -1 } },
      { ...a, args: { ...a.args, offset: 2 ** 60 } },
      { ...a, facts: { ...a.facts, to: fileFacts("/x") } },
      { ...a, facts: { path: fileFacts("x") } },
      { ...a, facts: { path: fileFacts(`${scope}/./x`) } },
      act("fs::write", { path: "scope:/a", create: "maybe" }),
      act("fs::write", { path: "scope:/a", content: "text" }),
      act("fs::restore", { counter: 1, paths: [] }),
      { ...run(["x"]), args: { argv: [], cwd: scope } },
      { ...run(["x"]), args: { argv: ["a", "b\0"], cwd: scope } },
      { ...run(["x"]), args: { argv: ["a", 1], cwd: scope } },
    ];
    for (const action of broken) {
      const decision = decide(compiled, action, context);
      assert.equal(decision.verdict, "deny", JSON.stringify(action.args));
      assert.deepEqual(ruleIds(decision), ["builtin:malformed"]);
      assert.match(decision.reason, /malformed: ./);
    }
    assert.equal(verdict(compiled, a), "allow");
  });
  it("of a target without a driver is not available", () => {
    const decision = decide(
      policy(""),
      { version: 1, target: "net::listen", args: {}, facts: {} },
      context,
    );
    assert.deepEqual([decision.verdict, ruleIds(decision)], ["deny", ["builtin:not-available"]]);
  });
});

describe("rules in the shadow", () => {
  const allowed = rule("a", "allow", "fs::read", 'where.path = { glob = "scope:/**" }');
  const tried = (id: string, effect: string, glob: string): string =>
    rule(id, effect, "fs::read", `where.path = { glob = "${glob}" }\nshadow = true`);

  it("say what they would have done, and do nothing", () => {
    const compiled = policy(
      allowed + tried("d", "deny", "scope:/x/**") + tried("q", "ask", "scope:/**"),
    );
    const decision = decide(compiled, act("fs::read", { path: "scope:/x/a" }), context);
    assert.deepEqual(
      [decision.verdict, ruleIds(decision), decision.shadow],
      [
        "allow",
        ["a"],
        [
          { id: "d", effect: "deny", tier: "user", truth: "true" },
          { id: "q", effect: "ask", tier: "user", truth: "true" },
        ],
      ],
    );
    const other = decide(policy(allowed), act("fs::read", { path: "scope:/x/a" }), context);
    assert.equal("shadow" in other, false);
  });

  it("never allow", () => {
    assert.deepEqual(complaints(`version = 1\n${allowed}shadow = true\n`), [
      "error[E_POLICY_VALUE]: policy.toml:7:1: only a rule that denies or asks can be in the shadow",
    ]);
  });
});
