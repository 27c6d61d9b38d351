import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SeededRandom } from "@ioi/base";
import {
  decide,
  defaultPolicy,
  formatPolicy,
  importPolicy,
  learn,
  type RecordedStep,
  testPolicy,
} from "../src/index.ts";
import { act, context, hashing, parseUrl, policy, rule, run, session } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const base = policy(
  '[workspace.docs]\npath = "~/Docs"\n' +
    rule("r", "allow", "fs::read", 'where.path = { glob = "docs:/**" }') +
    rule("n", "allow", "net::get", 'where.url = { scheme = "https", site = "session" }'),
);

const fixture = (target: string, args: string, verdict: string, more = ""): string =>
  `[[test]]\ntarget = "${target}"\nargs = ${args}\nverdict = "${verdict}"\n${more}`;

const judged = (...fixtures: readonly string[]): readonly string[] => {
  const found = testPolicy(base, "t.toml", `version = 1\n${fixtures.join("")}`, parseUrl);
  assert.ok(found.ok, JSON.stringify(found));
  return found.value.map(({ actual, ok }) => `${actual} ${ok}`);
};

suite("tests of a policy", () => {
  test("hold or not, by what the policy says", () => {
    assert.deepEqual(
      judged(
        fixture("fs::read", '{ path = "docs:/a" }', "allow"),
        fixture("fs::read", '{ path = "docs:/a" }', "deny"),
        fixture("fs::read", '{ path = "scope:/a" }', "ask"),
        fixture("fs::read", '{ path = "scope:/a" }', "deny", "headless = true\n"),
        fixture("fs::read", '{ path = "docs:/a" }', "deny", 'real = { path = "~/.ssh/id" }\n'),
        fixture("fs::reed", '{ path = "docs:/a" }', "allow"),
        fixture("net::get", '{ url = "https://a.example/" }', "ask"),
        fixture(
          "net::get",
          '{ url = "https://a.example/" }',
          "allow",
          'words = ["look at https://a.example/"]\n',
        ),
      ),
      [
        "allow true",
        "allow false",
        "ask true",
        "deny true",
        "deny true",
        "refused false",
        "ask true",
        "allow true",
      ],
    );
  });

  test("say where a file of tests is wrong", () => {
    const codes = (text: string): readonly string[] => {
      const found = testPolicy(base, "t.toml", text, parseUrl);
      return found.ok ? [] : found.error.map(({ code, at }) => `${code} ${at.line}:${at.column}`);
    };
    assert.deepEqual(codes("[[test]]\n"), [
      "E_POLICY_VERSION 1:1",
      "E_POLICY_MISSING 1:1",
      "E_POLICY_MISSING 1:1",
      "E_POLICY_MISSING 1:1",
    ]);
    assert.deepEqual(codes("version = 1\ntests = 1\n"), ["E_POLICY_UNKNOWN_KEY 2:1"]);
    assert.deepEqual(codes("version = 1\ntest = 1\n"), ["E_POLICY_VALUE 2:8"]);
    assert.deepEqual(codes("version = "), ["E_POLICY_TOML 1:11"]);
  });
});

suite("a policy as text", () => {
  test("gets one shape, with its comments, and keeps it", () => {
    const given = [
      "version=1   ",
      "",
      "",
      "# about",
      "[[ rule ]] # one",
      '  id="a"',
      "where.path = { glob = [",
      '    "x",   # kept as it is',
      "] }",
      'reason = """two',
      "  [[rule]]",
      'lines"""',
      "[budget.session]",
      "actions   = 2",
      "",
    ].join("\r\n");
    const made = formatPolicy("p", given);
    assert.ok(made.ok);
    assert.equal(
      made.value,
      [
        "version = 1",
        "",
        "# about",
        "[[rule]] # one",
        'id = "a"',
        "where.path = { glob = [",
        '    "x",   # kept as it is',
        "] }",
        'reason = """two',
        "  [[rule]]",
        'lines"""',
        "",
        "[budget.session]",
        "actions = 2",
        "",
      ].join("\n"),
    );
    const again = formatPolicy("p", made.value);
    assert.deepEqual(again, made);
    const shipped = formatPolicy("p", defaultPolicy);
    assert.ok(shipped.ok);
    assert.deepEqual(policy(shipped.value).hash, policy(defaultPolicy).hash);
  });

  test("keeps its meaning, whatever is in it", () => {
    const random = new SeededRandom("shapes");
    const pieces = [
      '"',
      "'",
      '"""',
      "'''",
      "[",
      "]",
      "{",
      "}",
      "#",
      "\n",
      " ",
      "  \n",
      "\\",
      "=",
      "a = 1\n",
    ];
    const start = [
      "version = 1",
      'a = """x  ',
      ' y"""',
      "b = [ 1, # [",
      " 2 ]",
      "c = '''z ",
      "'''",
      "[t] ",
      ' d="#"',
      "",
    ].join("\n");
    let formatted = 0;
    const rounds = inner ? 400 : 3000;
    for (let round = 0; round < rounds; round++) {
      let text = start;
      for (let edit = 0; edit < 1 + random.below(3); edit++) {
        const at = random.below(text.length);
        const piece = pieces[random.below(pieces.length)] ?? "";
        text = text.slice(0, at) + piece + text.slice(at + random.below(2));
      }
      // It throws where the meaning changed.
      const made = formatPolicy("p", text);
      if (!made.ok) continue;
      formatted++;
      assert.deepEqual(formatPolicy("p", made.value), made, JSON.stringify(text));
    }
    assert.ok(formatted > rounds / 10, String(formatted));
  });

  test("takes in the rules of another, under names of their own", () => {
    const own = `version = 1\n[workspace.docs]\npath = "~/Docs"\n${rule("a", "deny", "fs::read")}`;
    const other = `version = 1\n[approval]\nexpires_minutes = 1\n[workspace.docs]\npath = "/"\n# why\n${rule("a", "ask", "fs::read")}${rule("b", "ask", "fs::stat")}`;
    const made = importPolicy(own, "o.toml", other);
    assert.ok(made.ok);
    assert.deepEqual([made.value.rules, made.value.renamed], [2, [{ from: "a", to: "a-2" }]]);
    const compiled = policy(made.value.text);
    assert.deepEqual(
      compiled.rules.map(({ id, effect }) => `${id} ${effect}`),
      ["a deny", "a-2 ask", "b ask"],
    );
    // What is not a rule or a new workspace stays where it was.
    assert.equal(compiled.approvalExpiresMinutes, 10);
    assert.deepEqual(
      compiled.workspaces.map(({ path }) => path),
      ["~/Docs"],
    );
    assert.match(made.value.text, /# From o\.toml\n\n# why\n\[\[rule\]\]/);
  });
});

suite("learning from recorded steps", () => {
  const own = {
    file: "p.toml",
    text: `version = 1\n${rule("d", "ask", "fs::read", 'where.path = { glob = "scope:/private/**" }')}`,
  };
  const step = (action: RecordedStep["action"]): RecordedStep => ({ action, session });
  const learned = (...actions: readonly RecordedStep["action"][]) => {
    const found = learn(own, actions.map(step), hashing);
    assert.ok(found.ok, JSON.stringify(found));
    return found.value;
  };

  test("gives rules for exactly what was done, that replay without an ask", () => {
    const steps = [
      act("fs::read", { path: "scope:/a.txt" }),
      act("fs::read", { path: "scope:/b.txt" }),
      act("fs::move", { path: "scope:/a.txt", to: "scope:/c/a.txt" }),
      run(["wc", "-l", "a.txt"]),
    ];
    const { toml, rules, replayed, left } = learned(...steps);
    assert.deepEqual([rules, replayed, left], [3, 4, []]);
    const after = policy(`${own.text}\n${toml}`);
    for (const each of steps) assert.equal(decide(after, each, context).verdict, "allow");
    const others = [
      act("fs::read", { path: "scope:/c.txt" }),
      act("fs::stat", { path: "scope:/a.txt" }),
      act("fs::move", { path: "scope:/b.txt", to: "scope:/c/a.txt" }),
      act("fs::move", { path: "scope:/a.txt", to: "scope:/d.txt" }),
      run(["wc", "-c", "a.txt"]),
      run(["wc", "-l", "b.txt"]),
      run(["rm", "-l", "a.txt"]),
    ];
    for (const each of others) assert.equal(decide(after, each, context).verdict, "ask");
  });

  test("leaves what no rule bounds, and what asks whatever a rule says", () => {
    const { rules, replayed, left } = learned(
      run(["python3", "x.py"]),
      act("fs::read", { path: "scope:/private/a" }),
      act("fs::write", { path: "scope:/.git/hooks/pre-commit" }),
      act("fs::read", { path: "/etc/passwd" }),
    );
    assert.deepEqual([rules, replayed, left.length], [0, 0, 4]);
    assert.match(left.map(({ why }) => why).join("\n"), /can run anything/);
    assert.match(left.map(({ why }) => why).join("\n"), /in no workspace/);
  });
});
