/**
 * The bypass catalogue, as far as it is about paths and programs. Each case has its control: the
 * same action with the trick taken out, or the protection off, goes through.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decide, defaultPolicy } from "../src/index.ts";
import {
  act,
  asked,
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

const shipped = policy(defaultPolicy);

describe("paths", () => {
  it("prefix confusion: a folder whose name only begins alike is outside", () => {
    const decision = decide(shipped, act("fs::read", { path: "/home/u/scope-evil/a" }), context);
    assert.deepEqual(
      [decision.verdict, ruleIds(decision)],
      ["deny", ["builtin:outside-workspaces"]],
    );
    assert.match(decision.instead, /scope:\/ \(\/home\/u\/scope\)/);
    assert.equal(verdict(shipped, act("fs::read", { path: "/home/u/scope/evil/a" })), "allow");
  });
  it("symlink: what counts is where the path really is", () => {
    const link = act("fs::read", { path: "scope:/notes" }, { path: fileFacts("/etc/shadow") });
    assert.deepEqual(ruleIds(decide(shipped, link, context)), ["builtin:outside-workspaces"]);
    assert.equal(verdict(shipped, act("fs::read", { path: "scope:/notes" })), "allow");
  });
  it("symlink: a refusal holds for the name as well as for the place", () => {
    const refusing = policy(
      rule("a", "allow", "fs::read", 'where.path = { glob = "scope:/**" }') +
        rule("d", "deny", "fs::read", 'where.path = { glob = "scope:/private/**" }'),
    );
    const away = act(
      "fs::read",
      { path: "scope:/private/x" },
      { path: fileFacts(`${scope}/open/x`) },
    );
    const into = act(
      "fs::read",
      { path: "scope:/open/x" },
      { path: fileFacts(`${scope}/private/x`) },
    );
    assert.equal(verdict(refusing, away), "deny");
    assert.equal(verdict(refusing, into), "deny");
    assert.equal(verdict(refusing, act("fs::read", { path: "scope:/open/x" })), "allow");
  });
  it("hard link: a file with another name is not written through", () => {
    const twice = { path: fileFacts(`${scope}/a`, { nlink: 2 }) };
    const decision = decide(shipped, act("fs::write", { path: "scope:/a" }, twice), context);
    assert.deepEqual([decision.verdict, decision.rules[0]?.id], ["deny", "builtin:hard-link"]);
    assert.equal(verdict(shipped, act("fs::write", { path: "scope:/a" })), "allow");
    assert.equal(verdict(shipped, act("fs::read", { path: "scope:/a" }, twice)), "allow");
    const onto = act(
      "fs::copy",
      { path: "scope:/b", to: "scope:/a" },
      { to: fileFacts(`${scope}/a`, { nlink: 3 }) },
    );
    assert.equal(verdict(shipped, onto), "deny");
    const { nlink: _, ...unreported } = fileFacts(`${scope}/a`);
    assert.deepEqual(
      asked(decide(shipped, act("fs::write", { path: "scope:/a" }, { path: unreported }), context)),
      ["fact path"],
    );
  });
  it("case-insensitive mounts: another spelling is the same file", () => {
    const refusing = policy(
      rule("a", "allow", "fs::read", 'where.path = { glob = "scope:/**" }') +
        rule("d", "deny", "fs::read", 'where.path = { glob = "scope:/Private/**" }'),
    );
    const path = `${scope}/pRIVATE/x`;
    const folding = act("fs::read", { path }, { path: fileFacts(path, { caseInsensitive: true }) });
    assert.equal(verdict(refusing, folding), "deny");
    assert.equal(verdict(refusing, act("fs::read", { path })), "allow");
    const product = act(
      "fs::read",
      { path: `${scope}/IOI-DATA/x` },
      { path: fileFacts(`${scope}/IOI-DATA/x`, { caseInsensitive: true }) },
    );
    assert.equal(verdict(refusing, product), "deny");
  });
  it("/proc/self/root and /dev/fd lead nowhere, even below a folder that holds them", () => {
    const all = withSession({
      roots: [{ name: "scope", path: "/", access: "write" }],
      productFolders: [],
    });
    const wide = policy(rule("a", "allow", "fs::read", 'where.path = { glob = "scope:/**" }'));
    for (const path of [
      "/proc/self/root/etc/passwd",
      "/proc/1/mem",
      "/dev/fd/3",
      "/sys/kernel/x",
    ]) {
      assert.deepEqual(
        decide(wide, act("fs::read", { path }), all).rules[0]?.id,
        "builtin:kernel-files",
        path,
      );
      const link = act("fs::read", { path: "/home/a" }, { path: fileFacts(path) });
      assert.equal(verdict(wide, link, all), "deny", path);
    }
    assert.equal(verdict(wide, act("fs::read", { path: "/home/a" }), all), "allow");
    assert.equal(verdict(wide, act("fs::read", { path: "/process/a" }), all), "allow");
  });
  it("devices, sockets and pipes are not read or written", () => {
    const pipe = { path: fileFacts(`${scope}/p`, { kind: "other" as const }) };
    assert.equal(verdict(shipped, act("fs::read", { path: "scope:/p" }, pipe)), "deny");
    assert.equal(verdict(shipped, act("fs::write", { path: "scope:/p" }, pipe)), "deny");
    assert.equal(verdict(shipped, act("fs::stat", { path: "scope:/p" }, pipe)), "allow");
  });
  it("the product's folders are closed, whatever a rule says", () => {
    const wide = policy(
      '[workspace.home]\npath = "~"\n' +
        rule(
          "a",
          "allow",
          ["fs::read", "fs::delete", "fs::list"],
          'where.path = { glob = "home:/**" }',
        ) +
        rule(
          "b",
          "allow",
          ["fs::copy", "fs::move"],
          'where.path = { glob = "home:/**" }\nwhere.to = { glob = "home:/**" }',
        ),
    );
    const home = withSession({ roots: [{ name: "home", path: "/home/u", access: "write" }] });
    const first = (action: Parameters<typeof decide>[1]): string | undefined =>
      decide(wide, action, home).rules[0]?.id;
    assert.equal(
      first(act("fs::read", { path: "/home/u/product/receipts.log" })),
      "builtin:product-folder",
    );
    assert.equal(first(act("fs::delete", { path: "/home/u/product" })), "builtin:product-folder");
    // Above it: what happens to the folder happens to what it holds.
    assert.equal(first(act("fs::delete", { path: "/home/u/scope" })), "builtin:product-folder");
    assert.equal(
      first(act("fs::move", { path: "/home/u/scope", to: "/home/u/x" })),
      "builtin:product-folder",
    );
    assert.equal(
      first(act("fs::copy", { path: "/home/u/scope", to: "/home/u/x" })),
      "builtin:product-folder",
    );
    assert.equal(
      first(act("fs::read", { path: "/home/u/a" }, { path: fileFacts("/home/u/product/x") })),
      "builtin:product-folder",
    );
    assert.equal(first(run(["/home/u/product/ioi"])), "builtin:product-folder");
    assert.equal(verdict(wide, act("fs::list", { path: "/home/u/scope" }), home), "allow");
    assert.equal(verdict(wide, act("fs::read", { path: "/home/u/products/x" }), home), "allow");
  });
  it("a whole folder of the session is neither moved nor deleted", () => {
    const decision = decide(
      shipped,
      act("fs::delete", { path: "scope:/" }),
      withSession({ productFolders: [] }),
    );
    assert.deepEqual([decision.verdict, decision.rules[0]?.id], ["deny", "builtin:workspace-root"]);
    assert.equal(verdict(shipped, act("fs::delete", { path: "scope:/a" })), "allow");
  });
  it("a folder to read is not written, and the innermost folder decides", () => {
    const roots = [
      { name: "scope", path: scope, access: "write" as const },
      { name: "vendor", path: `${scope}/vendor`, access: "read" as const },
    ];
    const vendor = decide(
      shipped,
      act("fs::write", { path: "scope:/vendor/a" }),
      withSession({ roots }),
    );
    assert.equal(vendor.rules[0]?.id, "builtin:read-only");
    assert.equal(
      verdict(shipped, act("fs::read", { path: "scope:/vendor/a" }), withSession({ roots })),
      "allow",
    );
    assert.equal(
      verdict(shipped, act("fs::write", { path: "scope:/a" }), withSession({ roots })),
      "allow",
    );
  });
  it("a session without a folder reaches nothing", () => {
    const none = withSession({ roots: [] });
    const decision = decide(shipped, act("fs::read", { path: "/home/u/scope/a" }), none);
    assert.equal(decision.verdict, "deny");
    assert.match(decision.instead, /--workspace/);
  });
});

describe("the shipped policy", () => {
  it("lets files in scope be read, written, moved, copied, made, and deleted to the bin", () => {
    for (const [target, args] of [
      ["fs::stat", { path: "scope:/a" }],
      ["fs::list", { path: "scope:/" }],
      ["fs::search", { path: "scope:/", text: "x" }],
      ["fs::read", { path: "scope:/a" }],
      ["fs::write", { path: "scope:/a" }],
      ["fs::mkdir", { path: "scope:/d" }],
      ["fs::copy", { path: "scope:/a", to: "scope:/b" }],
      ["fs::move", { path: "scope:/a", to: "scope:/b" }],
      ["fs::delete", { path: "scope:/a" }],
      ["fs::restore", { counter: 1, paths: ["scope:/a"] }],
    ] as const) {
      assert.equal(
        verdict(shipped, act(target, args), withSession({ headless: true })),
        "allow",
        target,
      );
    }
  });
  it("refuses what is outside, with the rule, the reason and what would be allowed", () => {
    const decision = decide(
      shipped,
      act("fs::read", { path: "/etc/shadow" }, { path: null }),
      context,
    );
    assert.deepEqual(
      {
        verdict: decision.verdict,
        rule: decision.rules[0]?.id,
        reason: decision.reason,
        instead: decision.instead,
      },
      {
        verdict: "deny",
        rule: "builtin:outside-workspaces",
        reason: "/etc/shadow is outside every folder of this session.",
        instead: "Use a path below scope:/ (/home/u/scope).",
      },
    );
    assert.equal(verdict(shipped, act("fs::move", { path: "scope:/a", to: "/home/u/a" })), "deny");
  });
  it("asks about names that begin with a dot", () => {
    for (const action of [
      act("fs::read", { path: "scope:/.env" }),
      act("fs::write", { path: "scope:/a/.b/c" }),
      act("fs::delete", { path: "scope:/.env" }),
      act("fs::list", { path: "scope:/.git" }),
      act("fs::move", { path: "scope:/a", to: "scope:/.a" }),
      act("fs::copy", { path: "scope:/.a", to: "scope:/a" }),
    ]) {
      assert.equal(verdict(shipped, action), "ask", JSON.stringify(action.args));
    }
  });
  it("runs programs in the closed sandbox, staged, and asks about scripts that decide later", () => {
    const sort = decide(shipped, run(["sort", "a.txt"]), context);
    assert.deepEqual([sort.verdict, sort.obligations], ["allow", [{ type: "stage" }]]);
    const dynamic = decide(shipped, run(["sh", "-c", "$X"], "/usr/bin/dash"), context);
    assert.deepEqual([dynamic.verdict, asked(dynamic)], ["ask", ["dynamic argv"]]);
    assert.equal(verdict(shipped, run(["sh", "-c", "echo hi"], "/usr/bin/dash")), "allow");
    const away = { ...run(["sort"]), args: { argv: ["sort"], cwd: "/tmp" } };
    assert.equal(
      verdict(shipped, { ...away, facts: { ...away.facts, cwd: fileFacts("/tmp") } }),
      "deny",
    );
  });
});
