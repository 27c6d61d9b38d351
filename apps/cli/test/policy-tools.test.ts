import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runWith, temporaryFolder } from "./support.ts";

const policy = `version = 1

[workspace.docs]
path = "~/Docs"

[[rule]]
id = "pdfs"
effect = "allow"
target = ["fs::read"]
where.path = { glob = "docs:/**/*.pdf" }
`;
const wider = policy.replace("*.pdf", "*.{pdf,csv}");
const tests = `version = 1
[[test]]
name = "papers"
target = "fs::read"
args = { path = "docs:/a.pdf" }
verdict = "allow"
`;

const withFiles = async (
  use: (
    ioi: (...argv: readonly string[]) => ReturnType<typeof runWith>,
    file: (name: string) => string,
  ) => Promise<void>,
): Promise<void> => {
  using folder = temporaryFolder();
  const file = (name: string): string => join(folder.path, name);
  for (const [name, text] of Object.entries({ "old.toml": policy, "new.toml": wider })) {
    writeFileSync(file(name), text);
  }
  writeFileSync(file("t.toml"), tests);
  await use((...argv) => runWith(["policy", ...argv], { cwd: folder.path }), file);
};

test("test: 0 where every test holds, 6 where one does not, where there is none, and on errors", () =>
  withFiles(async (ioi, file) => {
    const good = await ioi("test", "t.toml", "--policy", "old.toml", "--json");
    assert.equal(good.exit, 0, good.err);
    const { ok, total, passed, failed } = JSON.parse(good.out);
    assert.deepEqual({ ok, total, passed, failed }, { ok: true, total: 1, passed: 1, failed: 0 });
    writeFileSync(file("t.toml"), tests.replace('"allow"', '"deny"'));
    const bad = await ioi("test", "t.toml", "--policy", "old.toml");
    assert.equal(bad.exit, 6);
    assert.match(bad.out, /^t\.toml:2: "papers" is allow, not deny\. .*\n.*0 of 1 tests hold/);
    writeFileSync(file("t.toml"), "version = 1\n");
    assert.equal((await ioi("test", "t.toml", "--policy", "old.toml")).exit, 6);
    writeFileSync(file("t.toml"), "version = 1\ntset = 1\n");
    const wrong = await ioi("test", "t.toml", "--policy", "old.toml");
    assert.equal(wrong.exit, 6);
    assert.match(wrong.out, /E_POLICY_UNKNOWN_KEY\]: t\.toml:2:1: .*did you mean "test"/);
  }));

test("diff: 6 with an action where something is wider, else 0", () =>
  withFiles(async (ioi) => {
    const found = await ioi("diff", "old.toml", "new.toml");
    assert.equal(found.exit, 6);
    assert.match(found.out, /^WIDER fs::read: ask -> allow, as for path=docs:\/a\.csv\n/);
    const json = JSON.parse((await ioi("diff", "old.toml", "new.toml", "--json")).out);
    assert.equal(json.schema, "ioi.policy-diff/1");
    assert.deepEqual(json.widened, [
      {
        target: "fs::read",
        before: "ask",
        after: "allow",
        args: { path: "docs:/a.csv" },
        rulesBefore: [],
        rulesAfter: ["pdfs"],
      },
    ]);
    const narrower = await ioi("diff", "new.toml", "old.toml");
    assert.equal(narrower.exit, 0);
    assert.match(narrower.out, /^narrower fs::read: allow -> ask/);
    const same = await ioi("diff", "old.toml", "old.toml");
    assert.deepEqual([same.exit, same.out], [0, "Every action is judged as before.\n"]);
    assert.equal((await ioi("diff", "old.toml", "none.toml")).exit, 5);
  }));

test("fmt: prints, checks and writes one shape", () =>
  withFiles(async (ioi, file) => {
    const given = policy.replace("effect = ", "effect=");
    writeFileSync(file("p.toml"), given);
    assert.equal((await ioi("fmt", "p.toml")).out, policy);
    assert.equal((await ioi("fmt", "p.toml", "--check")).exit, 6);
    assert.equal(readFileSync(file("p.toml"), "utf8"), given);
    assert.equal((await ioi("fmt", "p.toml", "--write")).exit, 0);
    assert.equal(readFileSync(file("p.toml"), "utf8"), policy);
    assert.equal((await ioi("fmt", "p.toml", "--check")).exit, 0);
    writeFileSync(file("p.toml"), "version =");
    assert.equal((await ioi("fmt", "p.toml", "--write")).exit, 5);
    assert.equal(readFileSync(file("p.toml"), "utf8"), "version =");
  }));

test("import: shows what it allows, and writes only when it is told to", () =>
  withFiles(async (ioi, file) => {
    const argv = ["import", "new.toml", "--policy", "old.toml"];
    const shown = await ioi(...argv);
    assert.equal(shown.exit, 0, shown.err);
    assert.match(shown.out, /^WIDER fs::read/);
    assert.match(shown.out, /rule "pdfs" is called "pdfs-2" here\n.*nothing is written/);
    assert.equal(readFileSync(file("old.toml"), "utf8"), policy);
    assert.equal((await ioi(...argv, "--write")).exit, 0);
    assert.match(
      readFileSync(file("old.toml"), "utf8"),
      /# From new\.toml\n\n\[\[rule\]\]\nid = "pdfs-2"/,
    );
    writeFileSync(file("new.toml"), "version = 1\n");
    assert.equal((await ioi(...argv)).exit, 2);
  }));

test("learn: what is no journal is refused", () =>
  withFiles(async (ioi, file) => {
    assert.match((await ioi("learn", "none")).err, /E_CLI_FILE.*no journal none/);
    writeFileSync(file("j.log"), "no journal at all, not even near");
    const wrong = await ioi("learn", "j.log");
    assert.equal(wrong.exit, 6);
    assert.match(wrong.err, /E_(JOURNAL|WAL)_/);
  }));
