import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { card, decide, defaultPolicy, display, letterWarnings, visible } from "../src/index.ts";
import type { Action } from "@ioi/wire";
import { act, context, fileFacts, policy, run, scope, session } from "./support.ts";

const shipped = policy(defaultPolicy);

const shell = (what: string, head?: string): Action => ({
  version: 1,
  target: "sys::shell",
  args: {
    do: what,
    cwd: "/home/u/scope",
    ...(head === undefined ? {} : { input: { sha256: new Uint8Array(32), length: 9, head } }),
  },
  facts: { cwd: { realPath: "/home/u/scope", exists: true, kind: "directory" } },
});

describe("a card", () => {
  it("of a terminal says what it can do; what is typed into it is not asked about", () => {
    const asked = decide(shipped, shell("open"), context);
    assert.deepEqual([asked.verdict, asked.rules.map(({ id }) => id)], ["ask", ["terminal"]]);
    const text = card(shell("open"), asked, context);
    assert.match(
      text,
      /^sandbox {3}can run anything inside: scope:\/ \(\/home\/u\/scope\); no network$/m,
    );
    assert.match(
      text,
      /^writes {4}are held back until it is closed, then applied; can be undone$/m,
    );
    for (const action of [shell("type", "rm -r /\n"), shell("read"), shell("close")]) {
      assert.equal(decide(shipped, action, context).verdict, "allow");
    }
    assert.equal(decide(shipped, shell("resize"), context).verdict, "deny");
  });

  it("of a terminal with a network says so, and so does its reason", () => {
    const without = shell("open");
    const open: Action = { ...without, args: { ...without.args, network: "egress" } };
    const said = decide(shipped, open, context);
    assert.deepEqual([said.verdict, said.rules.map(({ id }) => id)], ["ask", ["terminal-network"]]);
    assert.match(said.reason, /reaches what the rules name for it/);
    assert.match(card(open, said, context), /; a network$/m);
    assert.match(decide(shipped, without, context).reason, /no network\./);
    for (const text of [said.reason, card(open, said, context)])
      assert.doesNotMatch(text, /no network/);
  });

  it("has the whole action, what asks, and what can be undone", () => {
    const action = run(["sh", "-c", "$X"], "/usr/bin/dash");
    assert.equal(
      card(action, decide(shipped, action, context), context),
      [
        "sys::exec: run a program in the sandbox",
        "program   sh",
        "  1       -c",
        '  2       "$X"',
        "is        /usr/bin/dash  sha256 0000000000000000",
        "sandbox   can run anything inside: scope:/ (/home/u/scope); no network",
        "decides   only while it runs: a variable in the script",
        "cwd       scope:/  (/home/u/scope)",
        "          is there: directory",
        "asks      dynamic argv",
        "why       What runs is decided only while it runs: a variable in the script.",
        "undo      kept for undo before it happens",
        "answers   once",
        "session   s1, agent planner",
        "",
      ].join("\n"),
    );
  });
  it("shows where a path really is, how many names it has, and why it is protected", () => {
    const action = act(
      "fs::write",
      { path: "scope:/package.json" },
      { path: fileFacts(`${scope}/other.json`, { nlink: 2 }) },
    );
    const text = card(action, decide(shipped, action, context), context);
    assert.match(text, /really \/home\/u\/scope\/other.json/);
    assert.match(text, /2 names/);
    assert.match(text, /protected path: package manifests and build files/);
    assert.match(text, /begins {4}"hello"/);
  });
  it("has exactly its own lines, whatever the action holds", () => {
    const evil = "x\nundo      kept for undo before it happens\r\u2028\u0085y";
    const action = run(["echo", evil]);
    const text = card(action, decide(shipped, action, context), context);
    const lines = text.split(/[\n\r\u2028\u0085]/);
    assert.equal(lines.filter((line) => line.startsWith("undo")).length, 1);
    assert.match(text, /x\u27e8U\+000A\u27e9undo/);
  });
  it("cuts long values and says how long they were", () => {
    const action = run(["echo", "a".repeat(100_000)]);
    const text = card(action, decide(shipped, action, context), context);
    assert.ok(text.length < 4000);
    assert.match(text, /\(100000 characters in all\)/);
    const many = run(["echo", ...Array.from({ length: 500 }, () => "a")]);
    assert.match(card(many, decide(shipped, many, context), context), /and 461 more arguments/);
  });
  it("offers a session only where every ask can be answered so", () => {
    const dot = act("fs::read", { path: "scope:/.env" });
    assert.match(
      card(dot, decide(shipped, dot, context), context),
      /answers {3}once, or this session/,
    );
    const plain = act("fs::read", { path: "/home/u/scope/a/b.txt" });
    assert.match(
      card(plain, decide(policy(""), plain, context), context),
      /answers {3}once, alike, or this session\nalike {5}at most 20 like it in 30 minutes; same but for\n {10}path: any name in scope:\/a\n/,
    );
  });
});

describe("text for a person", () => {
  it("shows what cannot be seen", () => {
    for (const [text, expected] of [
      ["a\u202eb", "a\u27e8U+202E\u27e9b"],
      ["a\u200bb", "a\u27e8U+200B\u27e9b"],
      ["a\ufeffb", "a\u27e8U+FEFF\u27e9b"],
      ["a\u00a0b", "a\u27e8U+00A0\u27e9b"],
      ["a\u3164b", "a\u27e8U+3164\u27e9b"],
      ["a\u{e0041}b", "a\u27e8U+E0041\u27e9b"],
      ["a\u2066b\u2069", "a\u27e8U+2066\u27e9b\u27e8U+2069\u27e9"],
      ["a\tb", "a\u27e8U+0009\u27e9b"],
      ["a\u27e8b", "a\u27e8U+27E8\u27e9b"],
      ["a\ud800", "a\u27e8U+D800\u27e9"],
      ["caf\u00e9 \u6f22\u5b57 \u{1f600}", "caf\u00e9 \u6f22\u5b57 \u{1f600}"],
    ] as const) {
      assert.equal(visible(text), expected);
    }
    assert.match(visible(`a${"\u0301".repeat(20)}`), /U\+0301/);
  });
  it("names words of mixed alphabets", () => {
    assert.deepEqual(letterWarnings("p\u0430ypal.com"), [
      'mixes Latin and Cyrillic letters in "p\u0430ypal"',
    ]);
    assert.deepEqual(letterWarnings("\uff41dmin"), [
      'letters that only look plain in "\uff41dmin"',
    ]);
    assert.deepEqual(letterWarnings("\u043f\u0440\u0438\u0432\u0435\u0442 world caf\u00e9"), []);
    const action = act("fs::read", { path: "scope:/p\u0430ypal" });
    assert.match(
      card(action, decide(shipped, action, context), context),
      /letters {3}mixes Latin and Cyrillic/,
    );
  });
});

describe("one line", () => {
  it("has the target and where", () => {
    assert.equal(
      display(act("fs::move", { path: "scope:/a b", to: "scope:/c" }), session),
      'fs::move "scope:/a b" -> scope:/c',
    );
    assert.equal(display(act("fs::read", { path: "scope:/a" })), "fs::read /home/u/scope/a");
    assert.equal(display(run(["sh", "-c", "$X\n"])), 'sys::exec sh -c "$X\u27e8U+000A\u27e9"');
    assert.equal(
      display(act("fs::write", { path: "scope:/a" }), session),
      "fs::write scope:/a any",
    );
    assert.ok(display(run(["x", "a".repeat(5000)])).length < 200);
    assert.equal(display(shell("type", "ls \u202e x\n")), 'sys::shell type "ls ⟨U+202E⟩ x"');
    assert.equal(
      display({ version: 1, target: "net::listen", args: {}, facts: {} }),
      "net::listen",
    );
  });
});
