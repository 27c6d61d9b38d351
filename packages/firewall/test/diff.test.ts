import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { RE2JS } from "re2js";
import { pathMachine, findWord, type Machine } from "../src/diff/machine.ts";
import { regexMachine } from "../src/diff/regex.ts";
import { matchPattern, parsePattern } from "../src/glob.ts";
import { decide, diffPolicies, type PolicyDiff } from "../src/index.ts";
import { policy, rule } from "./support.ts";

const reading = (glob: string): string =>
  rule("r", "allow", "fs::read", `where.path = { glob = ${glob} }`);

const compared = (before: string, after: string): PolicyDiff =>
  diffPolicies(policy(before), policy(after));

const alike = (before: string, after: string): void => {
  const { widened, narrowed, undecided } = compared(before, after);
  assert.deepEqual({ widened, narrowed, undecided }, { widened: [], narrowed: [], undecided: [] });
};

/** The one target that is wider, with its arguments; what it says holds when decided. */
const wider = (before: string, after: string): object => {
  const [one, two] = [policy(before), policy(after)];
  const diff = diffPolicies(one, two);
  const [example, ...more] = diff.widened;
  assert.ok(example, JSON.stringify(diff));
  assert.deepEqual([more.length, diff.undecided, diff.notWider], [0, [], false]);
  const { target, args, action, context } = example;
  assert.equal(decide(one, action, context).verdict, example.before);
  assert.equal(decide(two, action, context).verdict, example.after);
  return { target, args, before: example.before, after: example.after };
};

suite("a comparison of policies", () => {
  test("counts a refusal of files that no sandbox keeps for programs too", () => {
    const run = rule("run", "allow", "sys::exec", 'where.argv = { profile = "closed" }');
    const loose = rule("no", "deny", "fs::move", 'where.path = { glob = "scope:/*/x" }');
    const kept = rule("no", "deny", "fs::move", 'where.path = { glob = "scope:/a/x" }');
    const saysOf = (before: string, after: string): boolean =>
      compared(`${run}${before}`, `${run}${after}`).unchanged.includes("sys::exec");
    assert.equal(saysOf("", loose), false, "the program asks now");
    assert.equal(saysOf(loose, ""), false);
    assert.equal(saysOf(loose, loose), true);
    assert.equal(saysOf("", kept), true, "what a sandbox keeps, nobody asks about");
  });

  test("finds nothing where the same is said in other words", () => {
    const { unchanged, notWider } = compared(reading('"scope:/**"'), reading('"scope:/**"'));
    assert.ok(unchanged.includes("fs::read") && notWider);
    alike(
      reading('"scope:/**/*.{pdf,csv}"'),
      reading('"scope:/**/*.pdf"') + reading('"scope:/**/*.csv"').replace('"r"', '"s"'),
    );
    alike(reading('"scope:/**"'), reading('["scope:/", "scope:/*", "scope:/*/**"]'));
    alike(reading('["scope:/**", "scope:/a/*"]'), reading('"scope:/**"'));
    const refused = (where: string): string => rule(`d${where.length}`, "deny", "fs::read", where);
    alike(
      refused("where.offset = { min = 0, max = 10 }"),
      refused("where.offset = { max = 5 }") + refused("where.offset = { min = 6, max = 10 }"),
    );
    const text = (where: string): string =>
      rule("a", "allow", "fs::search", 'where.path = { glob = "scope:/**" }') +
      rule("d", "deny", "fs::search", where);
    alike(
      text('where.text = { matches = "(a|b)+" }'),
      text('where.text = { matches = "[ab][ab]*" }'),
    );
    const host = (hosts: string): string =>
      rule("h", "allow", "net::get", `where.url = { host = ${hosts}, scheme = "https" }`);
    alike(host('"*.example.com"'), host('["a.example.com", "*.example.com"]'));
  });

  test("shows an action for what is wider", () => {
    assert.deepEqual(wider(reading('"scope:/*.pdf"'), reading('"scope:/*.{pdf,csv}"')), {
      target: "fs::read",
      args: { path: "scope:/a.csv" },
      before: "ask",
      after: "allow",
    });
    const git = (first: string): string =>
      rule(
        "g",
        "allow",
        "sys::exec",
        `where.argv = { program = "/usr/bin/git", first = ${first} }`,
      );
    assert.deepEqual(wider(git('["status"]'), git('["status", "push"]')), {
      target: "sys::exec",
      args: { argv: ["/usr/bin/git", "push"], cwd: "scope:/" },
      before: "ask",
      after: "allow",
    });
    const get = (where: string): string => rule("w", "allow", "net::get", `where.url = ${where}`);
    assert.deepEqual(
      wider(get('{ host = "a.example" }'), get('{ host = ["a.example", "*.b.example"] }')),
      {
        target: "net::get",
        args: { url: "https://any.b.example/" },
        before: "ask",
        after: "allow",
      },
    );
  });

  test("sees what another rule takes back, and what it does not", () => {
    const base =
      reading('"scope:/**"') +
      rule("d", "deny", "fs::read", 'where.path = { glob = "scope:/x/**" }');
    alike(base, base + reading('"scope:/x/y/**"').replace('"r"', '"again"'));
    const { narrowed } = compared(
      base,
      base + rule("e", "ask", "fs::read", 'where.path = { glob = "scope:/y" }'),
    );
    assert.deepEqual(
      narrowed.map(({ args, before, after }) => ({ args, before, after })),
      [{ args: { path: "scope:/y" }, before: "allow", after: "ask" }],
    );
  });

  test("says undecided where it does not know, and that counts as wider", () => {
    const exec = (where: string): string =>
      rule("a", "allow", "sys::exec", 'where.argv = { profile = "closed" }') +
      rule(
        "d",
        "deny",
        "fs::write",
        `where.path = ${where}\nwhere.create = { not = { equals = "new" } }`,
      );
    const { undecided, notWider } = compared(
      rule("a", "deny", "fs::search", 'where.text = { matches = "\\\\bx" }'),
      rule("a", "deny", "fs::search", 'where.text = { matches = "\\\\by" }'),
    );
    assert.deepEqual([undecided, notWider], [["fs::search"], false]);
    alike(exec('{ glob = "scope:/a" }'), exec('{ equals = "scope:/a" }'));
  });

  test("names settings that are wider", () => {
    const { settings, notWider } = compared(
      "[budget.session]\nactions = 10\n",
      "[budget.session]\nactions = 20\n",
    );
    assert.deepEqual(settings, [
      { name: "budget.session.actions", before: "10", after: "20", change: "widened" },
    ]);
    assert.equal(notWider, false);
  });
});

const accepts = (machine: Machine, word: string, isPath: boolean): boolean => {
  const into: Machine = {
    start: [0],
    edges: [
      ...Array.from(word, (char, at) => [
        { accepts: (each: string) => each === char, to: at + 1, noDot: false },
      ]),
      [],
    ],
    jumps: Array.from({ length: word.length + 1 }, () => []),
    accepting: new Set([word.length]),
    folds: false,
    cuts: new Set(Array.from(word, (char) => char.codePointAt(0) ?? 0)),
  };
  return findWord([into, machine], [], isPath, { left: 1e6 }).type === "word";
};

const seed = String(process.env["IOI_SEED"] ?? "machines");

suite(`machines of patterns (seed ${seed})`, () => {
  test("accept the paths that the pattern matches", () => {
    const random = new SeededRandom(seed);
    const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
    const parts = ["*", "**", "a", "a*", "*.b", ".*", "[a-b]?", "?", "{a,.b}", "*a*b"];
    const names = ["a", "ab", ".b", "x.b", "ba", "aab", "b", ".ab"];
    let matched = 0;
    for (let round = 0; round < 400; round++) {
      const text = `url:/${Array.from({ length: 1 + random.below(3) }, () => pick(parts)).join("/")}`;
      const pattern = parsePattern(text);
      assert.ok(pattern.ok);
      for (const narrow of [true, false]) {
        const machine = pathMachine([pattern.value], { folded: false, folds: false, narrow });
        const path = Array.from({ length: random.below(4) }, () => pick(names));
        const word = path.map((name) => `${name}/`).join("");
        const expected = matchPattern(pattern.value, path, 0, false, narrow);
        matched += Number(expected);
        assert.equal(accepts(machine, word, true), expected, `${text} ${word} ${narrow}`);
      }
    }
    assert.ok(matched > 50);
  });

  test("accept the texts that the expression matches", () => {
    const random = new SeededRandom(seed);
    const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
    const pieces = [
      "a",
      "[ab]",
      "[^a]",
      "\\d",
      ".",
      "(a|bc)",
      "(?:ab)?",
      "x*",
      "b+",
      "a{2}",
      "[a-c]{1,3}",
      "(b|)*",
      "\\.",
      "\\W",
    ];
    const letters = ["a", "b", "c", "x", "1", ".", " "];
    let matched = 0;
    for (let round = 0; round < 1000; round++) {
      const text = Array.from({ length: 1 + random.below(2) }, () => pick(pieces)).join("");
      const machine = regexMachine(text);
      assert.ok(machine, text);
      const word = Array.from({ length: random.below(3) }, () => pick(letters)).join("");
      const expected = RE2JS.compile(text).testExact(word);
      matched += Number(expected);
      assert.equal(accepts(machine, word, false), expected, `${text} on ${word}`);
    }
    assert.ok(matched > 20);
    for (const text of ["\\bx", "(?i)a", "[[:alpha:]]", "\\pL", "a{1001}"]) {
      assert.equal(regexMachine(text), undefined, text);
    }
  });
});
