/** What of a command's changes is held back, and what is hidden from it. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { execSession, sh, text } from "./exec-support.ts";
import { Session, treeState } from "./support.ts";

const stateOf = (file: string): string => {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return "absent";
  return stat.isFile() ? `${stat.mode} ${fs.readFileSync(file, "utf8")}` : "folder";
};

test("a protected path is held back and named, and the rest is applied", async () => {
  for (const [script, path, alsoHeld] of [
    ["echo x > .git/hooks/pre-commit", ".git/hooks/pre-commit", []],
    ["echo x > .git/config", ".git/config", []],
    ["echo '{}' > package.json", "package.json", []],
    ["echo '{}' > d/Package.JSON", "d/Package.JSON", []],
    ["rm Makefile", "Makefile", []],
    // What was moved to a place that is held stays where it was.
    ["mv plain .envrc", ".envrc", ["plain"]],
    ["mv d .husky", ".husky", [".husky/in", "d", "d/in"]],
    ["mkdir run.service; echo x > run.service/in", "run.service", ["run.service/in"]],
    ["mkdir e; mv Makefile e", "Makefile", ["e/Makefile"]],
    ["rm -r d; mkdir d; echo x > d/package.json", "d/package.json", []],
    ["chmod 700 Makefile; touch .bashrc", ".bashrc", ["Makefile"]],
    ["ln -s plain .profile; exit 3", ".profile", []],
  ] as const) {
    await using s = execSession();
    fs.mkdirSync(s.path(".git/hooks"), { recursive: true });
    fs.mkdirSync(s.path("d"));
    fs.writeFileSync(s.path("d/in"), "in");
    for (const file of ["Makefile", "plain", ".git/config"]) fs.writeFileSync(s.path(file), file);
    const before = treeState(s.root);
    const was = stateOf(s.path(path));
    const ran = await sh(s, `echo new > a; echo told; ${script}`);
    assert.deepEqual([ran.outcome?.status, ran.errorCode], ["partial", "E_EXEC_PROTECTED"], script);
    assert.ok(ran.message.includes(`${s.path(path)} (`), ran.message);
    assert.deepEqual(
      ran.result["held"],
      [path, ...alsoHeld].map((each) => s.path(each)).sort(),
      script,
    );
    assert.equal(ran.outcome?.evidence["heldBack"], String(alsoHeld.length + 1));
    assert.equal(text(ran.result["stdout"]), "told\n");
    assert.equal(fs.readFileSync(s.path("a"), "utf8"), "new\n");
    assert.equal(stateOf(s.path(path)), was, script);
    assert.equal(fs.readFileSync(s.path("plain"), "utf8"), "plain", script);
    await using files = new Session({ base: s.base });
    const undone = await files.undo(ran.counter, ran.result["changed"] as readonly string[]);
    assert.equal(undone.errorCode, "", undone.message);
    assert.deepEqual(treeState(s.root), before, script);
    // Control: without that line the same command is confirmed.
    const plain = await sh(s, "echo new > a; echo told; cat .git/config Makefile");
    assert.equal(plain.outcome?.status, "confirmed", plain.message);
    assert.deepEqual(plain.result["held"], []);
  }
});

test("a command that changed protected paths alone has no effect at all", async () => {
  await using s = execSession();
  const ran = await sh(s, "echo '{}' > package.json");
  assert.deepEqual([ran.outcome?.status, ran.errorCode], ["no-effect", "E_EXEC_PROTECTED"]);
  assert.match(ran.message, /package\.json \(.*nothing it wrote was applied/);
  assert.deepEqual(ran.result["held"], [s.path("package.json")]);
  assert.deepEqual(fs.readdirSync(s.root), []);
});

test("what a rule refuses is hidden from a command, or kept from its changes", async () => {
  await using s = execSession();
  for (const folder of ["private", "keep"]) fs.mkdirSync(s.path(folder));
  fs.writeFileSync(s.path("private/key"), "canary");
  fs.writeFileSync(s.path("secret.txt"), "canary");
  fs.writeFileSync(s.path("keep/a"), "old");
  const script =
    "cat private/key secret.txt; ls -R; mv private gone; echo new > keep/a; echo b > keep/b; echo new > free; exit 0";
  const args = { argv: ["sh", "-c", script], cwd: s.root };
  const usual = [{ type: "snapshot" }, { type: "stage" }] as const;
  const sandbox = {
    type: "sandbox",
    hidden: [s.path("private"), s.path("secret.txt")],
    readOnly: [s.path("keep")],
  } as const;
  const ran = await s.run("sys::exec", args, { obligations: [...usual, sandbox] });
  assert.deepEqual([ran.outcome?.status, ran.errorCode], ["partial", "E_EXEC_PROTECTED"]);
  assert.doesNotMatch(text(ran.result["stdout"]), /canary|^key$/m);
  assert.deepEqual(ran.result["held"], [s.path("keep/a"), s.path("keep/b")]);
  assert.match(ran.message, /keep\/a \(a rule refuses it\)/);
  assert.equal(fs.readFileSync(s.path("keep/a"), "utf8"), "old");
  assert.equal(fs.readFileSync(s.path("private/key"), "utf8"), "canary");
  assert.equal(fs.readFileSync(s.path("free"), "utf8"), "new\n");
  // Control: without the obligation it sees and changes all of it.
  const plain = await s.run("sys::exec", args, { obligations: usual });
  assert.match(text(plain.result["stdout"]), /canarycanary/);
  assert.equal(fs.readFileSync(s.path("keep/a"), "utf8"), "new\n");
  assert.equal(fs.existsSync(s.path("private")), false);
});
