import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { analyseArgv, decide } from "../src/index.ts";
import { asked, context, policy, rule, ruleIds, run } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const script = (text: string, shell = "bash"): ReturnType<typeof analyseArgv> =>
  analyseArgv([shell, "-c", text], `/usr/bin/${shell}`);
const isDynamic = (text: string): boolean => script(text)?.dynamic !== undefined;

describe("a script is decided only when it runs", () => {
  for (const text of [
    "$X",
    "${X}",
    'echo "$X"',
    'echo "${X:-y}"',
    "echo $(id)",
    "echo `id`",
    'echo "`id`"',
    "cat <(id)",
    "echo $((1+1))",
    "((x=1))",
    "echo *.txt",
    "echo a?",
    "echo [ab]",
    "echo {a,b}",
    "echo ~",
    "echo ~root/x",
    "X=~ true",
    "cat <<E\n$X\nE",
    "cat <<< x",
    "[[ a == b ]]",
    "echo $'a'",
    'echo $"a"',
    "if",
    'echo "a',
    "f() { id; }; f",
    "function f { id; }",
    "source x",
    ". ./x",
    "alias ls=id",
    "trap id EXIT",
    "read X",
    "eval '$X'",
    "eval 'echo $X'",
    "eval if",
    "coproc id",
    "select x in a; do id; done",
    "case a in a) id;; esac",
    "for ((i=0;;)); do id; done",
    "LD_PRELOAD=x ls",
    "PATH=. ls",
    "GIT_SSH_COMMAND=x git fetch",
    "export PAGER=x",
    "export BASH_ENV",
    "a[0]=1",
    "echo x | xargs rm",
    "sudo ls",
    "ls &> x",
    "ls >& x",
    "ls > $X",
    "cd / && echo x > y",
    "sh -c '$X'",
    "bash -c 'bash -c \"\\$X\"'",
    "env -S 'sh -c x'",
    "env PAGER=x git log",
    "timeout --weird 5 sh -c x",
    "zsh -c 'echo x'",
    "find . -name '*' | while read f; do id; done",
    "printf -v X y",
    "echo a\r",
    `echo ${"(".repeat(50)}`,
    "x".repeat(70_000),
    Array.from({ length: 300 }, () => "id").join(";"),
  ]) {
    it(text.slice(0, 60), () => {
      assert.ok(isDynamic(text));
    });
  }
  it("also in shells that other programs start", () => {
    for (const argv of [
      ["env", "sh", "-c", "$X"],
      ["nice", "-n", "5", "bash", "-c", "$X"],
      ["timeout", "-k", "1", "5", "sh", "-c", "$X"],
      ["nohup", "setsid", "-w", "sh", "-c", "$X"],
      ["busybox", "sh", "-c", "$X"],
      ["bash", "--norc", "-euo", "pipefail", "-c", "$X"],
      ["sh", "-ec", "$X"],
      ["sh", "-c", "--", "$X"],
      ["bash", "--rcfile", "x", "-c", "ls"],
      ["sudo", "ls"],
      ["watch", "ls"],
      ["parallel", "ls"],
      ["fish", "-c", "ls"],
      ["pwsh", "-Command", "ls"],
      ["sh", "-s"],
    ]) {
      assert.ok(analyseArgv(argv, undefined)?.dynamic !== undefined, argv.join(" "));
    }
    assert.ok(analyseArgv(["mysh", "-c", "$X"], "/usr/bin/dash")?.dynamic !== undefined);
  });
});

describe("a plain script", () => {
  for (const text of [
    "ls",
    "ls -la a.txt",
    "git log --oneline | head -n 5",
    "echo 'a b' \"c d\" e\\ f",
    "a && b || c; d & wait",
    "! grep -q x y",
    "{ ls; }; (ls)",
    "if true; then ls; else id; fi",
    "while false; do ls; done",
    "for f in a b; do ls; done",
    "ls > out.txt 2>&1",
    "ls >> out.txt < in.txt 2> /dev/null",
    "cat <<'E'\n$X\nE",
    "X=1 make",
    "cd sub && make",
    "echo '$X' '*' '~' '`id`'",
    "eval 'ls -l'",
    "# comment\nls",
  ]) {
    it(text.slice(0, 60), () => {
      assert.equal(script(text)?.dynamic, undefined);
    });
  }
  it("tells its commands and redirects", () => {
    assert.deepEqual(script("X=1 git push 'a b' > out.txt && sh -c 'curl x < in' | env nice cat"), {
      dynamic: undefined,
      commands: [
        ["git", "push", "a b"],
        ["sh", "-c", "curl x < in"],
        ["curl", "x"],
        ["env", "nice", "cat"],
        ["nice", "cat"],
        ["cat"],
      ],
      redirects: [
        { path: "out.txt", writes: true },
        { path: "in", writes: false },
      ],
    });
  });
  it("is nothing at all for programs that run no script", () => {
    for (const argv of [["ls"], ["python3", "-c", "print(1)"], ["sh", "x.sh"], ["bash"]]) {
      assert.equal(analyseArgv(argv, undefined), undefined);
    }
  });
});

describe("rules", () => {
  const all = rule("all", "allow", "sys::exec", 'where.argv = { profile = "closed" }');
  it("that refuse a program refuse it in a script, and in wrappers", () => {
    const compiled = policy(
      all + rule("curl", "deny", "sys::exec", 'where.argv = { program = "/usr/bin/curl" }'),
    );
    for (const argv of [
      ["sh", "-c", "ls; curl x"],
      ["sh", "-c", "ls | /usr/bin/curl x"],
      ["env", "curl", "x"],
      ["sh", "-c", "(if true; then env X=1 curl x; fi)"],
      ["sh", "-c", "eval 'curl x'"],
      ["sh", "-c", "echo $(curl x)"],
    ]) {
      assert.ok(ruleIds(decide(compiled, run(argv), context)).includes("curl"), argv.join(" "));
    }
    // The control: without it the same command runs.
    assert.equal(decide(policy(all), run(["sh", "-c", "ls; curl x"]), context).verdict, "allow");
    assert.equal(decide(compiled, run(["sh", "-c", "ls; curling x"]), context).verdict, "allow");
  });
  it("fire on a name in a script without being sure, on the program itself surely", () => {
    const compiled = policy(
      all +
        rule(
          "git",
          "ask",
          "sys::exec",
          'where.argv = { program = ["/usr/bin/git", "/usr/bin/dash"] }',
        ),
    );
    const truth = (argv: readonly string[], real?: string): string | undefined =>
      decide(compiled, run(argv, real), context).rules.find(({ id }) => id === "git")?.truth;
    assert.equal(truth(["env", "git", "log"]), "unknown");
    assert.equal(truth(["sh", "-c", "git log"], "/usr/bin/dash"), "true");
    assert.equal(truth(["env", "sh", "-c", "/usr/bin/git log"]), "unknown");
    assert.equal(truth(["git", "log"]), "true");
    const unsure = policy(
      all + rule("t", "deny", "sys::exec", 'where.argv = { program = "/usr/bin/tool" }'),
    );
    const lookedUp = run(["sh", "-c", "tool"]);
    const { program: _, ...facts } = lookedUp.facts;
    assert.equal(decide(unsure, { ...lookedUp, facts }, context).rules[0]?.truth, "unknown");
  });
  it("fire as surely as the surest of what is in there", () => {
    const compiled = policy(all + rule("w", "ask", ["fs::write", "sys::exec"]));
    const decision = decide(compiled, run(["sh", "-c", "ls > a"]), context);
    assert.deepEqual(
      decision.rules.map(({ id, truth }) => `${id} ${truth}`),
      ["w true", "all true"],
    );
    const argvRule = policy(
      all +
        rule(
          "x",
          "ask",
          "sys::exec",
          'where.argv = { program = ["/usr/bin/ls", "/usr/bin/id"], rest = { matches = "a" } }',
        ),
    );
    const { program: _, ...facts } = run(["sh", "-c", "ls a"]).facts;
    const unsure = decide(argvRule, { ...run(["sh", "-c", "ls a"]), facts }, context);
    assert.equal(unsure.rules[0]?.truth, "unknown");
    const either = policy(
      all +
        rule(
          "e",
          "ask",
          "sys::exec",
          'where.argv = { any = [{ program = "/usr/bin/tool" }, { first = ["a"] }] }',
        ),
    );
    assert.equal(
      decide(either, { ...run(["sh", "-c", "ls a"]), facts }, context).rules[0]?.truth,
      "true",
    );
  });
  it("on files hold for redirects", () => {
    const compiled = policy(
      all + rule("w", "deny", "fs::write", 'where.path = { glob = "scope:/private/**" }'),
    );
    const on = (text: string): readonly string[] =>
      ruleIds(decide(compiled, run(["sh", "-c", text]), context));
    assert.ok(on("echo x > private/a").includes("w"));
    assert.ok(on("echo x >> ../scope/private/a").includes("w"));
    assert.ok(!on("cat < private/a").includes("w"));
    assert.ok(!on("echo x > open/a").includes("w"));
  });
  it("redirects into protected paths ask", () => {
    const decision = decide(
      policy(all),
      run(["sh", "-c", "echo x > .git/hooks/pre-commit"]),
      context,
    );
    assert.deepEqual(asked(decision), ["protected argv"]);
    assert.equal(decision.reversible, false);
  });
});

describe("hostile scripts", () => {
  for (const unit of [
    "$(",
    "<(",
    '"$(',
    "f() ",
    "coproc ",
    "((",
    "{ ",
    "if ",
    "while ",
    "[[ ",
    "`",
    "eval ",
    "${a:-",
    "case a in ",
    "<<E\n",
    "time ",
  ]) {
    it(`of ${unit.trim()} upon each other ask, and end`, () => {
      for (const times of [100, 250, 300, 15_000 / unit.length, 65_000 / unit.length]) {
        const text = unit.repeat(times);
        assert.ok(isDynamic(`id; ${text}`), `${times} times`);
      }
    });
  }
});

describe("any text at all", () => {
  const seed = Number(process.env["IOI_SEED"] ?? 911);
  it("is judged without an exception, and a dollar outside quotes is dynamic", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
        script(text.replaceAll("\0", ""));
      }),
      { seed, numRuns: inner ? 200 : 1000 },
    );
    const shellish = fc.array(
      fc.constantFrom(
        "a",
        " ",
        ";",
        "|",
        "'",
        '"',
        "$",
        "(",
        ")",
        "`",
        "{",
        "}",
        "<",
        ">",
        "\\",
        "\n",
        "&",
        "if",
        "then",
        "fi",
        "#",
        "=",
        "*",
        "~",
      ),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(shellish, (parts) => {
        const text = parts.join("");
        const found = script(text);
        if (/^[^'"\\#]*\$[a({][^'"\\#]*$/.test(text) && found?.dynamic === undefined) {
          assert.fail(`${JSON.stringify(text)} counts as plain`);
        }
      }),
      { seed, numRuns: inner ? 500 : 5000 },
    );
  });
});
