/** The canonical rules of paths and patterns, line by line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decide, defaultPolicy } from "../src/index.ts";
import { parsePattern } from "../src/glob.ts";
import { act, fileFacts, policy, rule, ruleIds, scope, verdict, withSession } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const seed = Number(process.env["IOI_SEED"] ?? 7311);

/** Whether a rule with that effect fires for `scope:/<path>`. */
const fires = (effect: "allow" | "deny", condition: string, path: string, more = {}): boolean => {
  const compiled = policy(rule("r", effect, "fs::read", `where.path = ${condition}`));
  const full = path === "" ? scope : `${scope}/${path}`;
  const action = act("fs::read", { path: full }, { path: fileFacts(full, more) });
  return ruleIds(decide(compiled, action, withSession({ productFolders: [] }))).includes("r");
};

const glob = (pattern: string): string => `{ glob = ${JSON.stringify(`scope:/${pattern}`)} }`;

const both = (pattern: string, path: string, expected: boolean): void => {
  for (const effect of ["allow", "deny"] as const) {
    assert.equal(fires(effect, glob(pattern), path), expected, `${effect} ${pattern} ${path}`);
  }
};

describe("wildcards", () => {
  it("* ? and [a-z] never cross a slash", () => {
    both("*", "a", true);
    both("*", "a/b", false);
    both("a?b", "a/b", false);
    both("a?b", "axb", true);
    both("a[.-0]b".replace(".-0", "x-z"), "ayb", true);
    both("a[x-z]b", "aab", false);
    both("*.pdf", "x/a.pdf", false);
    both("?", "\u{1f600}", true);
  });
  it("** stands for any number of whole segments, none included", () => {
    both("**", "", true);
    both("**", "a/b/c", true);
    both("**/*.pdf", "a.pdf", true);
    both("**/*.pdf", "x/y/a.pdf", true);
    both("a/**", "a", true);
    both("a/**/b", "a/b", true);
    both("a/**/b", "a/x/y/b", true);
    both("a/**/b", "ab", false);
    both("**/a/**/b/**", "x/a/y/a/b/z", true);
  });
  it("{a,b} stands for both, a class for one character of it", () => {
    both("*.{pdf,csv}", "a.csv", true);
    both("*.{pdf,csv}", "a.txt", false);
    both("{a/b,c}/d", "a/b/d", true);
    both("{a,{b,c}}", "c", true);
    both("[*]", "*", true);
    both("[*]", "a", false);
    both("[{,}]x", ",x", true);
  });
  it("a wildcard matches a leading dot where it asks or denies, not where it allows", () => {
    for (const [pattern, path] of [
      ["*", ".env"],
      ["**", ".git/config"],
      ["**", "a/.b/c"],
      ["?x", ".x"],
      ["[.]x", ".x"],
      ["*.txt", ".txt"],
      ["a/**/b", "a/.x/b"],
      ["**/b", ".x/b"],
    ] as const) {
      assert.equal(fires("allow", glob(pattern), path), false, `allow ${pattern} ${path}`);
      assert.equal(fires("deny", glob(pattern), path), true, `deny ${pattern} ${path}`);
    }
    both(".*", ".env", true);
    both("**/.env", "a/.env", true);
    both("a*", "a.b", true);
    assert.equal(fires("allow", '{ prefix = "scope:/a" }', "a/.b"), false);
    assert.equal(fires("deny", '{ prefix = "scope:/a" }', "a/.b"), true);
  });
  it("an exception in an allow is as wide as a refusal", () => {
    const condition = '{ glob = ["scope:/**", "scope:/.x"], not = { glob = "scope:/*" } }';
    assert.equal(fires("allow", condition, "a/b"), true);
    assert.equal(fires("allow", condition, ".x"), false);
    // The control: as narrow as a permission, the exception would let it through.
    assert.equal(fires("allow", '{ glob = ["scope:/**", "scope:/.x"] }', ".x"), true);
  });
  it("literals are not patterns", () => {
    const equals = (path: string): string => `{ equals = ${JSON.stringify(`scope:/${path}`)} }`;
    assert.equal(fires("deny", equals("*"), "a"), false);
    assert.equal(fires("deny", equals("*"), "*"), true);
    assert.equal(fires("deny", '{ one_of = ["scope:/a", "scope:/b"] }', "b"), true);
    assert.equal(fires("deny", '{ prefix = "scope:/a" }', "ab"), false);
    assert.equal(fires("deny", '{ prefix = "scope:/a" }', "a/b"), true);
    assert.equal(fires("deny", '{ prefix = "scope:/a" }', "a"), true);
  });
});

describe("names", () => {
  it("are compared in NFC", () => {
    assert.equal(fires("deny", glob("cafe\u0301*"), "caf\u00e9s"), true);
    const real = { realPath: `${scope}/cafe\u0301` };
    assert.equal(fires("deny", glob("caf\u00e9"), "x", real), true);
  });
  it("fold case only where the mount does, or the rule says so", () => {
    assert.equal(fires("deny", glob("Secret"), "secret"), false);
    assert.equal(fires("deny", glob("Secret"), "secret", { caseInsensitive: true }), true);
    assert.equal(fires("deny", '{ glob_nocase = "scope:/Secret" }', "SECRET"), true);
    assert.equal(fires("deny", '{ glob_nocase = "scope:/[a-c]*" }', "Bx"), true);
    assert.equal(fires("deny", '{ glob_nocase = "scope:/*\u03c3*" }', "x\u03a3"), true);
    assert.equal(fires("deny", '{ glob_nocase = "scope:/stra\u00dfe" }', "STRASSE"), true);
    // What folding takes apart is put together again, however it was spelled before.
    assert.equal(fires("deny", '{ glob_nocase = "scope:/\u0390" }', "\u03aa\u0301"), true);
  });
  it("of the folder fold too on such a mount", () => {
    const path = "/HOME/u/SCOPE/a";
    const action = act("fs::read", { path }, { path: fileFacts(path, { caseInsensitive: true }) });
    const compiled = policy(rule("r", "allow", "fs::read", `where.path = ${glob("**")}`));
    assert.equal(verdict(compiled, action), "allow");
    const exact = act("fs::read", { path });
    assert.equal(verdict(compiled, exact), "deny");
  });
});

describe("matching", () => {
  it("takes time in the product of the lengths, whatever the pattern", () => {
    const pattern = parsePattern(`scope:/${"**/*a*a*a*/".repeat(15)}b`);
    assert.ok(pattern.ok);
    const path = Array.from({ length: 1000 }, () => "a".repeat(60))
      .join("/")
      .slice(0, 3800);
    assert.equal(fires("deny", glob(`${"**/*a*a*a*/".repeat(15)}b`), path), false);
    assert.equal(fires("deny", glob(`${"*a".repeat(100)}b`), "a".repeat(250)), false);
  });
  it("agrees with the definition of ** by recursion", () => {
    const matches = (
      pattern: readonly string[],
      path: readonly string[],
      narrow: boolean,
    ): boolean => {
      const [first, ...rest] = pattern;
      if (first === undefined) return path.length === 0;
      const [head, ...tail] = path;
      if (first === "**") {
        if (matches(rest, path, narrow)) return true;
        return (
          head !== undefined && !(narrow && head.startsWith(".")) && matches(pattern, tail, narrow)
        );
      }
      if (head === undefined) return false;
      const fits = first === "*" ? !(narrow && head.startsWith(".")) : first === head;
      return fits && matches(rest, tail, narrow);
    };
    const part = fc.constantFrom("a", "b", ".x", "*", "**");
    const name = fc.constantFrom("a", "b", ".x");
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 7 }),
        fc.array(name, { minLength: 1, maxLength: 7 }),
        (pattern, path) => {
          for (const effect of ["allow", "deny"] as const) {
            const expected = matches(pattern, path, effect === "allow");
            assert.equal(fires(effect, glob(pattern.join("/")), path.join("/")), expected);
          }
        },
      ),
      { seed, numRuns: inner ? 150 : 1500 },
    );
  });
});

describe("a folder that is taken whole", () => {
  const folder = (dotNames?: boolean) =>
    fileFacts(`${scope}/docs`, {
      kind: "directory",
      ...(dotNames === undefined ? {} : { dotNames }),
    });
  const targets = ["fs::copy", "fs::move", "fs::delete"];
  const anywhere = 'where.path = { glob = "scope:/**" }';
  const allows = targets
    .map((target) => {
      const to = target === "fs::delete" ? "" : '\nwhere.to = { glob = "scope:/**" }';
      return rule(`may-${target.slice(4)}`, "allow", target, anywhere + to);
    })
    .join("");
  const taken = (target: string, dotNames?: boolean) =>
    act(
      target,
      { path: "scope:/docs", ...(target === "fs::delete" ? {} : { to: "scope:/other" }) },
      { path: folder(dotNames) },
    );
  const below = (effect: string, glob: string) =>
    rule("below", effect, targets, `where.path = { glob = "${glob}" }`);

  it("is not allowed by a wildcard if a name in it begins with a dot, or nobody looked", () => {
    for (const target of targets) {
      assert.equal(verdict(policy(allows), taken(target, false)), "allow", target);
      assert.equal(verdict(policy(allows), taken(target, true)), "ask", target);
      assert.equal(verdict(policy(allows), taken(target)), "ask", target);
    }
  });
  it("is asked about and refused with what may be in it, as unknown", () => {
    for (const target of targets) {
      for (const [glob, dots] of [
        ["scope:/docs/secret/*", false],
        ["scope:/**/*.key", false],
        ["scope:/*/a", false],
        ["scope:/docs/.env", true],
        ["scope:/**/.*", true],
        ["scope:/**/.ssh/**", true],
        ["scope:/docs/{.a,.b}", true],
        ["scope:/docs/.[a-e]*", true],
      ] as const) {
        const compiled = policy(allows + below("deny", glob));
        assert.equal(verdict(compiled, taken(target, true)), "deny", glob);
        const { rules } = decide(compiled, taken(target, false), withSession({}));
        const truths = rules.filter(({ id }) => id === "below").map(({ truth }) => truth);
        assert.deepEqual(truths, dots ? [] : ["unknown"], glob);
      }
      for (const glob of ["scope:/doc/**", "scope:/docs-2/**", "scope:/other/*/x/docs"]) {
        const where = `where.path = { glob = "${glob}" }`;
        const compiled = policy(allows + rule("beside", "deny", target, where));
        assert.equal(verdict(compiled, taken(target, false)), "allow", glob);
      }
    }
  });
  it("brings what is in it to where it goes", () => {
    const where = 'where.to = { glob = "scope:/other/.env" }';
    const compiled = policy(allows + rule("to", "ask", ["fs::copy", "fs::move"], where));
    assert.equal(verdict(compiled, taken("fs::copy", false)), "allow");
    const asked = decide(compiled, taken("fs::copy", true), withSession({}));
    assert.deepEqual(ruleIds(asked), ["to"]);
    assert.match(asked.reason, /the folder may hold what the rule is about/);
  });
  it("is judged by its name where only its name is looked at", () => {
    for (const target of ["fs::list", "fs::search", "fs::stat"]) {
      const compiled = policy(rule("look", "allow", target, anywhere), [
        "project",
        rule("below", "deny", target, 'where.path = { glob = "scope:/**/.*" }'),
      ]);
      const action = act(target, { path: "scope:/docs" }, { path: folder(true) });
      assert.equal(verdict(compiled, action), "allow", target);
    }
  });
  it("asks under the shipped policy if it holds a name with a leading dot", () => {
    const shipped = policy(defaultPolicy);
    for (const target of targets) {
      assert.equal(verdict(shipped, taken(target, false)), "allow", target);
      const decision = decide(shipped, taken(target, true), withSession({}));
      assert.equal(decision.verdict, "ask", target);
      assert.match(decision.reason, /begin with a dot/);
    }
  });
});
