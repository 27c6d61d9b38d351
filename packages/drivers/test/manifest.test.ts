/** `agent.toml`: what it may say, and where the rest is wrong. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { openManifest, programOf, readManifest } from "../src/agent/index.ts";

const good = `name = "sort"
version = "1.0.0"
entry = ["python3", "main.py"]
tools = ["fs::list"]

[budget]
actions = 10
step_seconds = 5
`;

test("a manifest says its name, its program, its tools and its budgets", () => {
  const manifest = readManifest(good);
  assert.deepEqual(manifest, {
    ok: true,
    value: {
      name: "sort",
      version: "1.0.0",
      entry: ["python3", "main.py"],
      tools: ["fs::list"],
      actions: 10,
      minutes: undefined,
      stepSeconds: 5,
    },
  });
});

test("what is wrong is named with its line and column", () => {
  const wrong: readonly [string, RegExp][] = [
    ["", /^agent\.toml:1:1: name is missing/],
    [
      good.replace('name = "sort"', 'name = "Sort it"'),
      /^agent\.toml:1:8: name is of small letters/,
    ],
    [good.replace('"1.0.0"', "1"), /^agent\.toml:2:11: version is text/],
    [good.replace('["python3", "main.py"]', "[]"), /entry names a program/],
    [good.replace('["python3", "main.py"]', '"main.py"'), /entry is a list/],
    [good.replace('["fs::list"]', "[1]"), /each of tools is text/],
    [good.replace('["fs::list"]', `[${'"x",'.repeat(65)}]`), /at most 64/],
    [`${good}network = true\n`, /^agent\.toml:9:1: unknown key "network"/],
    [`secret = "x"\n${good}`, /^agent\.toml:1:1: unknown key "secret"/],
    [good.replace("actions = 10", "actions = 0"), /actions is an integer from 1/],
    [good.replace("step_seconds = 5", "step_seconds = 601"), /integer from 1 to 600/],
    [good.replace('"main.py"', '"a\\u0000b"'), /no control characters/],
    ["name = ", /^agent\.toml:1:/],
    [`${good}${"[a".repeat(200)}`, /^agent\.toml:/],
  ];
  for (const [text, pattern] of wrong) {
    const manifest = readManifest(text);
    assert.ok(!manifest.ok, text.slice(0, 60));
    assert.match(manifest.error, pattern);
  }
});

test("the folder's own file is read, bounded, and never through a link", () => {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-agent-")));
  try {
    const file = path.join(folder, "agent.toml");
    const refused = { code: "E_AGENT_MANIFEST" };
    assert.throws(() => openManifest(folder), refused);
    fs.symlinkSync("/etc/hostname", file);
    assert.throws(() => openManifest(folder), refused);
    fs.rmSync(file);
    fs.writeFileSync(file, `${good}# ${"x".repeat(65_536)}`);
    assert.throws(() => openManifest(folder), refused);
    fs.writeFileSync(file, good);
    const manifest = openManifest(folder);
    assert.equal(
      programOf(folder, { ...manifest, entry: ["node"] }),
      fs.realpathSync(process.execPath),
    );
    assert.match(
      programOf(folder, { ...manifest, entry: ["sh"] }),
      /^\/(usr\/)?(local\/)?bin\/sh$/,
    );
    for (const entry of [["no-such-program"], ["../../bin/sh"], ["/bin/sh"], ["./missing"]]) {
      assert.throws(() => programOf(folder, { ...manifest, entry }), refused, String(entry));
    }
    fs.writeFileSync(path.join(folder, "run"), "", { mode: 0o755 });
    assert.equal(programOf(folder, { ...manifest, entry: ["./run"] }), path.join(folder, "run"));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
