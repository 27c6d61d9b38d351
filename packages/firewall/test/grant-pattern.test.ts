/** An answer "alike": what it stands for, what it never does, and that it follows from the action. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action } from "@ioi/wire";
import { decide, type DecisionContext, type Grant, patternOf } from "../src/index.ts";
import { act, context, fileFacts, policy, rule, run, withSession } from "./support.ts";

const nothing = policy("");

/** What a card would make of the action's own asks. */
const grantOf = (action: Action, given: DecisionContext = context): Grant | undefined => {
  const { asks } = decide(nothing, action, given);
  const pattern = patternOf(action, asks);
  if (pattern === undefined) return undefined;
  return {
    id: "g",
    session: "s1",
    scope: "pattern",
    target: action.target,
    pattern,
    discharges: asks,
    policyHash: nothing.hash,
    expiresMs: 1,
  };
};

const allowedBy = (first: Action, second: Action, given: DecisionContext = context): boolean => {
  const grant = grantOf(first, given);
  assert.ok(grant !== undefined);
  return decide(nothing, second, { ...given, grants: [grant] }).verdict === "allow";
};

const read = (path: string): Action => act("fs::read", { path });
const move = (path: string, to: string): Action =>
  act(
    "fs::move",
    { path, to },
    { to: fileFacts(to.replace("scope:", "/home/u/scope"), { exists: false }) },
  );

describe("what is like an action", () => {
  it("is another name in the same folder, and nothing else", () => {
    const first = read("scope:/a/b.txt");
    for (const [path, expected] of [
      ["scope:/a/c.txt", true],
      ["scope:/a/.env", false],
      ["scope:/a/d/c.txt", false],
      ["scope:/c.txt", false],
      ["scope:/ab/c.txt", false],
    ] as const) {
      assert.equal(allowedBy(first, read(path)), expected, path);
    }
    // It is where it really is that counts.
    const link = act("fs::read", { path: "scope:/a/l" }, { path: fileFacts("/home/u/scope/z/l") });
    assert.equal(allowedBy(first, link), false);
    assert.equal(allowedBy(first, act("fs::stat", { path: "scope:/a/c.txt" })), false);
    assert.equal(allowedBy(first, act("fs::read", { path: "scope:/a/c.txt", as: "text" })), false);
  });
  it("has both ends in their folders", () => {
    const first = move("scope:/a/b.txt", "scope:/z/b.txt");
    assert.equal(allowedBy(first, move("scope:/a/c.txt", "scope:/z/c.txt")), true);
    assert.equal(allowedBy(first, move("scope:/a/c.txt", "scope:/a/c.txt")), false);
    assert.equal(allowedBy(first, move("scope:/z/c.txt", "scope:/z/d.txt")), false);
  });
  it("is the same program with the same first argument", () => {
    const first = run(["wc", "-l", "b"]);
    assert.equal(allowedBy(first, run(["wc", "-l", "c", "d"])), true);
    assert.equal(allowedBy(first, run(["wc", "-c", "b"])), false);
    assert.equal(allowedBy(first, run(["wc", "-l", "b"], "/home/u/scope/wc")), false);
    assert.equal(allowedBy(first, run(["uniq", "-l"])), false);
    // Git runs what its configuration says: nothing is like it.
    assert.equal(grantOf(run(["git", "log"])), undefined);
  });
  it("is another page in the same folder of the same site, where nothing stands after a question mark", () => {
    const get = (url: string): Action => ({
      version: 1,
      target: "net::get",
      args: { url },
      facts: {},
    });
    const urls = ["https://a.example/x/1", "https://a.example/x/2", "https://a.example/y/1"];
    const more = ["https://a.example/x/2?q=1", "http://a.example/x/2", "https://b.example/x/2"];
    const typed = withSession({ words: [...urls, ...more], urls: [...urls, ...more] });
    const first = get("https://a.example/x/1");
    assert.equal(allowedBy(first, get("https://a.example/x/2"), typed), true);
    for (const url of ["https://a.example/y/1", ...more]) {
      assert.equal(allowedBy(first, get(url), typed), false, url);
    }
  });
  it("is nothing where a look at each is due", () => {
    const zero = `eip155:1:0x${"0".repeat(40)}`;
    for (const action of [
      act("fs::delete", { path: "scope:/a" }),
      act("fs::read", { path: "scope:/.env" }),
      run(["bash", "-c", "ls"], "/usr/bin/bash"),
      act(
        "fs::copy",
        { path: "scope:/d", to: "scope:/e" },
        {
          path: fileFacts("/home/u/scope/d", { kind: "directory" }),
        },
      ),
      {
        version: 1 as const,
        target: "net::get",
        args: { url: "https://a.example/", secret: "key" },
        facts: {},
      },
      {
        version: 1 as const,
        target: "wallet::send",
        args: { from: zero, to: zero, asset: "ETH", value: "1" },
        facts: {},
      },
    ]) {
      assert.equal(
        patternOf(action, [{ kind: "default", id: "default" }]),
        undefined,
        action.target,
      );
    }
    const plain = read("scope:/a");
    assert.equal(patternOf(plain, [{ kind: "protected", id: "path" }]), undefined);
    assert.equal(patternOf(plain, []), undefined);
  });
});

describe("an answer alike", () => {
  it("discharges what its card showed, under a changed policy too, and no denial", () => {
    const grant = grantOf(read("scope:/a/b.txt"));
    assert.ok(grant !== undefined);
    const second = read("scope:/a/c.txt");
    const given = { ...context, grants: [grant] };
    const asks = policy(rule("q", "ask", "fs::read", 'where.path = { glob = "scope:/a/c*" }'));
    const decision = decide(asks, second, given);
    assert.deepEqual(
      [decision.verdict, decision.asks.map(({ kind }) => kind)],
      ["ask", ["rule", "default"]],
    );
    const other = policy(rule("x", "allow", "fs::stat", 'where.path = { glob = "scope:/**" }'));
    assert.equal(decide(other, second, given).verdict, "allow");
    const deny = policy(rule("d", "deny", "fs::read", 'where.path = { glob = "scope:/a/c*" }'));
    assert.equal(decide(deny, second, given).verdict, "deny");
    assert.equal(
      decide(nothing, second, { ...given, session: { ...given.session, session: "s2" } }).verdict,
      "ask",
    );
  });
  it("pays nothing, whatever a grant says", () => {
    const zero = `eip155:1:0x${"0".repeat(40)}`;
    const args = { from: zero, to: zero, asset: "ETH", value: "1" };
    const action: Action = { version: 1, target: "wallet::send", args, facts: {} };
    const typed = { ...withSession({ words: [zero] }), undriven: true as const };
    const { asks } = decide(nothing, action, typed);
    const grant: Grant = {
      id: "g",
      session: "s1",
      scope: "session",
      target: "wallet::send",
      discharges: asks,
      policyHash: nothing.hash,
      expiresMs: 1,
    };
    assert.equal(decide(nothing, action, { ...typed, grants: [grant] }).verdict, "ask");
  });
});
