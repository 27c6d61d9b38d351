// Left to npm test: it takes seconds.
/** `ioi gate install|uninstall` on files of every client, in a home that the test made. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { clientNames } from "../src/commands/mcp/clients.ts";
import { runWith, temporaryFolder } from "./support.ts";

/** By the clients' own documentation. */
const files: Readonly<Record<string, readonly [file: string, key: string]>> = {
  "claude-desktop": [".config/Claude/claude_desktop_config.json", "mcpServers"],
  "claude-code": [".claude.json", "mcpServers"],
  cursor: [".cursor/mcp.json", "mcpServers"],
  vscode: [".config/Code/User/mcp.json", "servers"],
  windsurf: [".codeium/windsurf/mcp_config.json", "mcpServers"],
  zed: [".config/zed/settings.json", "context_servers"],
  gemini: [".gemini/settings.json", "mcpServers"],
  lmstudio: [".lmstudio/mcp.json", "mcpServers"],
};

const textOf = (key: string): string => `{
\t// mine
\t"theme": "dark", /* stays */
\t"${key}": {
\t\t"notes": {"command":"python3", "args": ["notes.py", "./notes"], "env": {"TOKEN": "t0ken"}},
\t\t"bare":  { "command": "/usr/bin/bare" },
\t\t"far":   { "url": "https://mcp.example.com/" },
\t}
}
`;

interface Home extends Disposable {
  readonly home: string;
  readonly cwd: string;
  file(client: string): string;
  run(...argv: readonly string[]): ReturnType<typeof runWith>;
}

const homeWith = (made: Readonly<Record<string, string>>): Home => {
  const folder = temporaryFolder();
  const home = folder.path;
  const cwd = path.join(home, "project");
  fs.mkdirSync(cwd);
  const file = (client: string): string => path.join(home, files[client]?.[0] ?? "");
  for (const [client, text] of Object.entries(made)) {
    fs.mkdirSync(path.dirname(file(client)), { recursive: true });
    fs.writeFileSync(file(client), text, { mode: 0o640 });
  }
  const data = path.join(home, "data");
  const run = (...argv: readonly string[]) =>
    runWith(["gate", ...argv, "--data", data], { env: { HOME: home }, cwd });
  return { home, cwd, file, run, [Symbol.dispose]: () => folder[Symbol.dispose]() };
};

const treeOf = (folder: string): readonly string[] =>
  fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => fs.statSync(path.join(folder, name)).isFile())
    .map((name) => `${name}: ${fs.readFileSync(path.join(folder, name), "utf8")}`)
    .sort();

test("every client that is named has a file here", () => {
  assert.deepEqual([...clientNames()].sort(), Object.keys(files).sort());
});

for (const [client, [, key]] of Object.entries(files)) {
  test(`${client}: a dry run writes nothing, twice is once, and back are the very bytes`, async () => {
    const text = textOf(key);
    using place = homeWith({ [client]: text });
    const before = treeOf(place.home);
    const dry = await place.run("install", client, "--dry-run");
    assert.equal(dry.exit, 0, dry.err);
    assert.match(dry.out, /\+.*"gate"/);
    assert.match(dry.out, /far stays: it is reached over HTTP/);
    assert.deepEqual(treeOf(place.home), before);

    const installed = await place.run("install", client, "--json");
    assert.equal(installed.exit, 0, installed.err);
    const said = JSON.parse(installed.out) as { files: { changed: string[]; written: boolean }[] };
    assert.deepEqual(said.files[0]?.changed, ["notes", "bare"]);
    const file = place.file(client);
    const once = fs.readFileSync(file, "utf8");
    assert.match(once, /"--name",\s+"notes",\s+"--env",\s+"TOKEN",\s+"--",\s+"python3"/);
    assert.ok(once.includes("// mine") && once.includes("/* stays */") && once.includes("t0ken"));
    assert.equal(fs.statSync(file).mode & 0o777, 0o640);
    assert.equal(fs.readFileSync(`${file}.before-ioi`, "utf8"), text);
    const tree = treeOf(place.home);
    const again = await place.run("install", client);
    assert.match(again.out, /nothing changes/);
    assert.deepEqual(treeOf(place.home), tree);

    const dryBack = await place.run("uninstall", client, "--dry-run");
    assert.equal(dryBack.exit, 0);
    assert.deepEqual(treeOf(place.home), tree);
    const back = await place.run("uninstall", client);
    assert.equal(back.exit, 0, back.err);
    assert.deepEqual(treeOf(place.home), before);
  });
}

test("all clients at once, files of projects too, and a link stays a link", async () => {
  const made = Object.fromEntries(
    Object.entries(files).map(([client, [, key]]) => [client, textOf(key)]),
  );
  using place = homeWith(made);
  fs.writeFileSync(path.join(place.cwd, ".mcp.json"), textOf("mcpServers"));
  const real = path.join(place.home, "dotfiles-cursor.json");
  fs.renameSync(place.file("cursor"), real);
  fs.symlinkSync(real, place.file("cursor"));
  const before = treeOf(place.home);
  const ran = await place.run("install", "--json");
  assert.equal(ran.exit, 0, ran.err);
  const said = JSON.parse(ran.out) as { files: { path: string; written: boolean }[] };
  assert.equal(said.files.filter(({ written }) => written).length, 9);
  assert.ok(fs.lstatSync(place.file("cursor")).isSymbolicLink());
  assert.ok(fs.readFileSync(real, "utf8").includes('"gate"'));
  assert.equal((await place.run("uninstall")).exit, 0);
  assert.deepEqual(treeOf(place.home), before);
});

test("a file that was changed since loses its gates alone, and it is said", async () => {
  using place = homeWith({ cursor: textOf("mcpServers") });
  await place.run("install", "cursor");
  const file = place.file("cursor");
  const edited = fs.readFileSync(file, "utf8").replace('"dark"', '"light"');
  fs.writeFileSync(file, edited);
  const back = await place.run("uninstall", "cursor");
  assert.equal(back.exit, 0);
  assert.match(back.err, /was changed since: its servers alone are taken back/);
  const now = fs.readFileSync(file, "utf8");
  assert.ok(now.includes('"light"') && now.includes("// mine") && !now.includes('"gate"'), now);
  assert.ok(!fs.existsSync(`${file}.before-ioi`));
  // The next copy is of this file, not of the one before.
  fs.writeFileSync(`${file}.before-ioi`, "of another time");
  await place.run("install", "cursor");
  assert.equal(fs.readFileSync(`${file}.before-ioi`, "utf8"), now);
  await place.run("uninstall", "cursor");
  assert.equal(fs.readFileSync(file, "utf8"), now);
});

test("line ends of Windows stay, where they were and where we write", async () => {
  const text = textOf("mcpServers").replaceAll("\n", "\r\n");
  using place = homeWith({ windsurf: text });
  await place.run("install", "windsurf");
  const file = place.file("windsurf");
  const once = fs.readFileSync(file, "utf8");
  assert.ok(once.includes('"gate"'));
  assert.equal(once.replaceAll("\r\n", "").match(/[\r\n]/), null);
  await place.run("uninstall", "windsurf");
  assert.equal(fs.readFileSync(file, "utf8"), text);
});

test("no file, no such client, no JSON, no UTF-8: refused, and nothing is written", async () => {
  using place = homeWith({ gemini: '{\n"mcpServers": {\n  "x" }\n}' });
  fs.mkdirSync(path.dirname(place.file("zed")), { recursive: true });
  fs.writeFileSync(place.file("zed"), Buffer.from([0x7b, 0xff, 0x7d]));
  fs.mkdirSync(place.file("lmstudio"), { recursive: true });
  const before = treeOf(place.home);
  for (const [client, says] of [
    ["cursor", /E_CLI_GATE_CLIENT.*no configuration is there/],
    ["emacs", /no client "emacs"/],
    ["gemini", /line 3/],
    ["zed", /not UTF-8/],
    ["lmstudio", /cannot be read \(EISDIR\)/],
  ] as const) {
    const ran = await place.run("install", client);
    assert.notEqual(ran.exit, 0);
    assert.match(ran.err, says);
  }
  assert.deepEqual(treeOf(place.home), before);
});

test("a file or folder without permission: said, and nothing of it is changed", async () => {
  using place = homeWith({ cursor: textOf("mcpServers"), zed: textOf("context_servers") });
  const root = process.geteuid?.() === 0;
  // What is loaded when it fails is loaded before the rights go.
  using other = homeWith({ cursor: textOf("mcpServers"), zed: "{" });
  for (const client of ["emacs", "cursor", "zed"]) await other.run("install", client);
  await place.run("install", "--dry-run");
  fs.chmodSync(place.home, 0o755);
  fs.chmodSync(place.file("zed"), root ? 0o600 : 0o000);
  for (const client of ["cursor", "zed"]) {
    fs.chmodSync(path.dirname(place.file(client)), 0o555);
  }
  fs.chmodSync(place.file("cursor"), 0o644);
  using _rights = {
    [Symbol.dispose]: () => {
      if (root) process.seteuid?.(0);
      fs.chmodSync(path.dirname(place.file("cursor")), 0o755);
      fs.chmodSync(path.dirname(place.file("zed")), 0o755);
    },
  };
  if (root) process.seteuid?.(65_534);
  const written = await place.run("install", "cursor");
  const read = await place.run("install", "zed");
  if (root) process.seteuid?.(0);
  assert.match(written.err, /cannot be written \(EACCES\)/);
  assert.match(read.err, /cannot be read \(EACCES\)/);
  assert.deepEqual([written.exit === 0, read.exit === 0], [false, false]);
  assert.equal(fs.readFileSync(place.file("cursor"), "utf8"), textOf("mcpServers"));
});
