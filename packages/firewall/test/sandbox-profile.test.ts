/** What refusals mean for a program in a sandbox, and which a program could go round. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSandbox, decide, lint } from "../src/index.ts";
import { context, home, policy, scope, session } from "./support.ts";

const roots = [...session.roots, { name: "notes", path: "/home/u/notes", access: "read" as const }];
const workspaces = `[workspace.notes]\npath = "/home/u/notes"\naccess = "read"\n`;

const compiled = (text: string) => compileSandbox(policy(`${workspaces}${text}`), roots, home);

const deny = (target: string, where: string, more = ""): string =>
  `[[rule]]\nid = "no"\neffect = "deny"\ntarget = [${target}]\n${where}\n${more}`;

const nothing = { profile: { hidden: [], readOnly: [] }, uncompiled: [] };

test("without refusals of files there is nothing to compile", () => {
  assert.deepEqual(compiled(""), nothing);
  assert.deepEqual(compiled(deny('"net::get"', 'where.url = { host = "example.com" }')), nothing);
  const ask = deny('"fs::read"', 'where.path = { glob = "scope:/*.env" }');
  assert.deepEqual(compiled(ask.replace('"deny"', '"ask"')), nothing);
  assert.deepEqual(compiled(`${ask}shadow = true\n`), nothing);
});

test("what may not be read is hidden, what may not be changed is held", () => {
  const read = deny('"fs::read"', 'where.path = { glob = "scope:/private/**" }');
  assert.deepEqual(compiled(read).profile, { hidden: [`${scope}/private`], readOnly: [] });
  const write = deny('"fs::write", "fs::delete"', 'where.path = { glob = "scope:/{a,b}/x.txt" }');
  assert.deepEqual(compiled(write), {
    profile: { hidden: [], readOnly: [`${scope}/a/x.txt`, `${scope}/b/x.txt`] },
    uncompiled: [],
  });
  const both = deny('"fs::copy"', 'where.to = { glob = "scope:/out/**" }');
  assert.deepEqual(compiled(both), {
    profile: { hidden: [], readOnly: [`${scope}/out`] },
    uncompiled: [],
  });
  const all = deny('"fs::read"', "");
  assert.deepEqual(compiled(all).profile.hidden, ["/home/u/notes", scope]);
});

test("a refusal around or below a folder is that folder's", () => {
  const above = deny('"fs::read"', 'where.path = { glob = "~/**" }');
  assert.deepEqual(compiled(above).profile.hidden, ["/home/u/notes", scope]);
  const elsewhere = deny('"fs::read"', 'where.path = { glob = "~/.ssh/**" }');
  assert.deepEqual(compiled(elsewhere), nothing);
  const twice = `${deny('"fs::read"', 'where.path = { glob = "scope:/a/**" }')}${deny(
    '"fs::read"',
    'where.path = { glob = "scope:/a/b/**" }',
  ).replace('"no"', '"too"')}`;
  assert.deepEqual(compiled(twice).profile.hidden, [`${scope}/a`]);
});

test("what has no fixed path, or holds only sometimes, is named with its folder", () => {
  for (const [where, more, names] of [
    ['where.path = { glob = "scope:/**/*.env" }', "", ["scope"]],
    ['where.path = { glob = "notes:/*" }', "", ["notes"]],
    ['where.path = { glob = "~/*/x" }', "", ["scope", "notes"]],
    ['where.path = { glob_nocase = "scope:/Private/**" }', "", ["scope"]],
    ['where.path = { not = { glob = "scope:/open/**" } }', "", ["scope", "notes"]],
  ] as const) {
    const { profile, uncompiled } = compiled(deny('"fs::read"', where, more));
    assert.deepEqual(profile, nothing.profile, where);
    assert.deepEqual(
      uncompiled.map(({ rule, root }) => [rule, root]),
      names.map((root) => ["no", root]),
      where,
    );
  }
  const both = deny(
    '"fs::move"',
    'where.path = { glob = "scope:/a/**" }\nwhere.to = { glob = "scope:/b/**" }',
  );
  assert.deepEqual(
    compiled(both).uncompiled.map(({ why }) => why),
    ["it depends on more than the path", "it depends on more than the path"],
  );
});

test("lint names the refusals that no sandbox can keep, and where programs ask", () => {
  const inHome = workspaces.replace("/home/u", "~");
  const findings = (text: string) =>
    lint(policy(`${inHome}${text}`))
      .filter(({ code }) => code === "uncompiled")
      .map(({ rule, message }) => [rule, message]);
  const wild = deny('"fs::read"', 'where.path = { glob = "scope:/**/*.env" }');
  assert.deepEqual(findings(wild), [
    [
      "no",
      "no sandbox can keep it (its pattern names no fixed path): programs that see scope:/ ask",
    ],
  ]);
  const home = deny('"fs::read"', 'where.path = { glob = "~/*/x" }');
  assert.match(findings(home)[0]?.[1] ?? "", /scope:\/, notes:\/ ask$/);
  assert.deepEqual(findings(deny('"fs::read"', 'where.path = { glob = "scope:/a/**" }')), []);
});

test("more paths than a sandbox takes are not forgotten", () => {
  const paths = Array.from({ length: 300 }, (_, n) => `"scope:/f${n}"`);
  const rules = [0, 100, 200].map((from, at) =>
    deny(
      '"fs::read"',
      `where.path = { glob = [${paths.slice(from, from + 100).join(", ")}] }`,
    ).replace('"no"', `"no${at}"`),
  );
  const { profile, uncompiled } = compiled(rules.join("\n"));
  assert.equal(profile.hidden.length, 256);
  assert.deepEqual(
    uncompiled.map(({ rule, root }) => [rule, root]),
    [["no2", "scope"]],
  );
});

test("a program asks where it could go round a refusal, and only then", () => {
  const run = `[[rule]]\nid = "run"\neffect = "allow"\ntarget = ["sys::exec"]\nwhere.argv = { profile = "closed" }\n`;
  const action = {
    version: 1,
    target: "sys::exec",
    args: { argv: ["/usr/bin/sort", "a.txt"], cwd: scope },
    facts: {
      program: {
        realPath: "/usr/bin/sort",
        exists: true,
        kind: "file" as const,
        sha256: new Uint8Array(32),
      },
      cwd: { realPath: scope, exists: true, kind: "directory" as const },
    },
  };
  const verdictOf = (text: string) => decide(policy(`${run}${text}`), action, context);
  const cwd = 'where.cwd = { glob = "scope:/**" }\n';
  const withCwd = (text: string) => verdictOf(`${cwd}${text}`);
  assert.equal(withCwd("").verdict, "allow");
  const fixed = deny('"fs::read"', 'where.path = { glob = "scope:/private/**" }');
  assert.equal(withCwd(fixed).verdict, "allow");
  assert.deepEqual(
    withCwd(fixed).obligations.find(({ type }) => type === "sandbox"),
    { type: "sandbox", hidden: [`${scope}/private`], readOnly: [] },
  );
  assert.equal(
    withCwd("").obligations.some(({ type }) => type === "sandbox"),
    false,
  );
  const wild = withCwd(deny('"fs::read"', 'where.path = { glob = "scope:/**/*.env" }'));
  assert.equal(wild.verdict, "ask");
  assert.deepEqual(wild.asks, [{ kind: "sandbox", id: "no" }]);
  assert.match(wild.reason, /Rule "no" refuses what no sandbox can/);
});
