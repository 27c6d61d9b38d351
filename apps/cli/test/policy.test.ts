import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runWith, temporaryFolder } from "./support.ts";

const policy = `version = 1
[[rule]]
id = "readable"
effect = "allow"
target = ["fs::read"]
where.path = { glob = "scope:/**" }

[[rule]]
id = "counted"
effect = "allow"
target = ["sys::exec"]
where.argv = { program = "/usr/bin/wc", rest = { matches = "[a-z.]{1,20}" } }
where.cwd = { glob = "scope:/**" }
`;

const withPolicy = async (
  use: (
    ioi: (...argv: readonly string[]) => ReturnType<typeof runWith>,
    root: string,
  ) => Promise<void>,
): Promise<void> => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "w"));
  writeFileSync(join(folder.path, "w/a.txt"), "hi\n");
  writeFileSync(join(folder.path, "policy.toml"), policy);
  await use(
    (...argv) =>
      runWith(["policy", ...argv], {
        cwd: folder.path,
      }),
    folder.path,
  );
};

const asked = ["--policy", "policy.toml", "--workspace", "w"];

test("check: allow 0, ask 4, deny 3, with every rule that was looked at", () =>
  withPolicy(async (ioi) => {
    const allowed = await ioi("check", "fs::read", "--arg", "path=a.txt", ...asked, "--json");
    assert.equal(allowed.exit, 0);
    const checked = JSON.parse(allowed.out);
    assert.equal(checked.schema, "ioi.policy-check/1");
    assert.equal(checked.verdict, "allow");
    assert.deepEqual(checked.rules, [
      { id: "readable", effect: "allow", tier: "user", truth: "true" },
    ]);
    assert.deepEqual(
      checked.evaluated.map(({ id, fired }: { id: string; fired: boolean }) => [id, fired]),
      [["readable", true]],
    );
    const write = ["check", "fs::write", "--arg", "path=b.txt", "--arg", "content=x", ...asked];
    assert.equal((await ioi(...write)).exit, 4);
    assert.equal((await ioi(...write, "--headless")).exit, 3);
    const outside = await ioi("check", "fs::read", "--arg", "path=/etc/shadow", ...asked);
    assert.equal(outside.exit, 3);
    assert.match(outside.out, /^DENY fs::read: .*\n {2}allowed instead: /);
  }));

test("check: facts are looked up, so a link out of the folder is seen", () =>
  withPolicy(async (ioi, root) => {
    symlinkSync("/etc/passwd", join(root, "w/link.txt"));
    const { exit, out } = await ioi(
      "check",
      "fs::read",
      "--arg",
      "path=link.txt",
      ...asked,
      "--json",
    );
    assert.notEqual(exit, 0, out);
  }));

test("check: a folder that holds a name with a leading dot is not taken whole by a wildcard", () =>
  withPolicy(async (ioi, root) => {
    const rule = ["allow", "fs::delete"].map((text) => JSON.stringify(text));
    writeFileSync(
      join(root, "policy.toml"),
      `version = 1\n[[rule]]\nid = "d"\neffect = ${rule[0]}\ntarget = [${rule[1]}]\nwhere.path = { glob = "scope:/**" }\n`,
    );
    mkdirSync(join(root, "w/d/e"), { recursive: true });
    const check = () => ioi("check", "fs::delete", "--arg", "path=d", ...asked);
    assert.equal((await check()).exit, 0);
    writeFileSync(join(root, "w/d/e/.env"), "x");
    assert.equal((await check()).exit, 4);
  }));

test("check: the action as JSON, from a file, and as flags with JSON values", () =>
  withPolicy(async (ioi, root) => {
    const action = { target: "sys::exec", args: { argv: ["/usr/bin/wc", "a.txt"] } };
    const given = await ioi("check", "--action", JSON.stringify(action), ...asked, "--json");
    assert.equal(JSON.parse(given.out).verdict, "allow", given.out + given.err);
    writeFileSync(join(root, "action.json"), JSON.stringify(action));
    const filed = await ioi("check", "--action", "@action.json", ...asked);
    assert.equal(filed.exit, 0);
    const argv = `argv=${JSON.stringify(action.args.argv)}`;
    assert.equal((await ioi("check", "sys::exec", "--arg", argv, ...asked)).exit, 0);
  }));

test("check: what is no action is refused with a code", () =>
  withPolicy(async (ioi) => {
    const twice = '{"target":"fs::read","args":{"path":"a.txt","path":"../b"}}';
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["check", ...asked], 2, /name a target/],
      [["check", "fs::reed", ...asked], 2, /did you mean "?fs::read/],
      [["check", "fs::read", ...asked], 2, /"path" is missing/],
      [["check", "fs::read", "--arg", "path", ...asked], 2, /NAME=VALUE/],
      [["check", "sys::exec", "--arg", "argv=wc", ...asked], 2, /takes JSON/],
      [["check", "--action", "{", ...asked], 2, /E_ARGUMENTS_JSON.*line 1, column 2/],
      [["check", "--action", twice, ...asked], 2, /E_ARGUMENTS_JSON.*"path"/],
      [["check", "fs::read", "--arg", "x=1", ...asked], 2, /unknown argument "x"\. It takes: path/],
      [["check", "--action", "[]", ...asked], 2, /--action is/],
      [["check", "net::listen", "--arg", "port=1", ...asked], 7, /no driver/],
      [["check", "fs::read", "--arg", "path=x", "--workspace", "none"], 5, /is not a folder/],
      [["check", "fs::read", "--arg", "path=x", "--policy", "none"], 5, /cannot read/],
    ];
    for (const [argv, exit, message] of cases) {
      const ran = await ioi(...argv);
      assert.equal(ran.exit, exit, `${argv.join(" ")}: ${ran.err}`);
      assert.match(ran.err, message);
    }
  }));

test("explain: why, and a rule that would allow it", () =>
  withPolicy(async (ioi) => {
    const write = ["explain", "fs::write", "--arg", "path=b.txt", "--arg", "content=x", ...asked];
    const { exit, out } = await ioi(...write, "--json");
    assert.equal(exit, 0);
    const explained = JSON.parse(out);
    assert.equal(explained.verdict, "ask");
    assert.equal(explained.change.type, "add-rule");
    assert.match(explained.change.toml, /effect = "allow"/);
    assert.match(
      (await ioi(...write)).out,
      /change: with this rule it would be allow\n {2}\[\[rule\]\]/,
    );
  }));

test("lint: line and column of an error, 6; a sound policy 0; the shipped one 0", () =>
  withPolicy(async (ioi, root) => {
    assert.equal((await ioi("lint", "policy.toml")).exit, 0);
    assert.equal((await ioi("lint", "--data", "none")).exit, 0);
    writeFileSync(join(root, "bad.toml"), policy.replace('effect = "allow"', 'efect = "allow"'));
    const bad = await ioi("lint", "bad.toml", "--json");
    assert.equal(bad.exit, 6);
    const report = JSON.parse(bad.out);
    assert.equal(report.ok, false);
    const [first] = report.errors;
    assert.equal(first.code, "E_POLICY_UNKNOWN_KEY");
    assert.deepEqual(first.at, { file: "bad.toml", line: 4, column: 1 });
    assert.match(
      (await ioi("lint", "bad.toml")).out,
      /^error\[E_POLICY_UNKNOWN_KEY\]: bad\.toml:4:1: /,
    );
    const used = await ioi("check", "fs::read", "--arg", "path=a", "--policy", "bad.toml");
    assert.equal(used.exit, 5);
    assert.match(used.err, /error\[E_POLICY_UNKNOWN_KEY\]: bad\.toml:4:1: .*effect.*Next: /);
  }));

test("lint: a rule that never matters is doubtful, 6", () =>
  withPolicy(async (ioi, root) => {
    const shadowed = `${policy}
[[rule]]
id = "nothing"
effect = "deny"
target = ["fs::read"]
where.path = { glob = "scope:/**" }
`;
    writeFileSync(join(root, "shadowed.toml"), shadowed);
    const { exit, out } = await ioi("lint", "shadowed.toml");
    assert.equal(exit, 6, out);
    assert.match(
      out,
      /^warning\[shadowed\]: shadowed\.toml:\d+:\d+: rule "readable" never matters/m,
    );
  }));
