/** The configuration of MCP clients with the gate before its servers, and back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { saysTheSame, serverName, unwrap, wrap } from "../src/commands/mcp/wrap.ts";

const options = { key: "mcpServers", program: "/opt/ioi/ioi", data: "/home/u/ioi-data" };

const claude = `{
  // servers of mine
  "mcpServers": {
    "My Files": { "command": "npx", "args": ["-y", "@x/files", "/home/u/docs"] },
    "tokens":   { "command": "node", "args": ["t.js"], "env": { "TOKEN": "secret" } },
    "plain":    { "command": "/usr/bin/notes" },
    "far":      { "url": "https://mcp.example.com/" },
  },
  "theme": "dark"
}
`;

const wrapped = (text: string): string => {
  const made = wrap(text, options);
  assert.ok(made.ok);
  return made.value.text;
};
const unwrapped = (text: string): string => {
  const made = unwrap(text, "mcpServers");
  assert.ok(made.ok);
  return made.value.text;
};

test("commands go behind the gate, comments stay, what is no command is told", () => {
  const made = wrap(claude, options);
  assert.ok(made.ok);
  const { text, changed, left } = made.value;
  assert.deepEqual(changed, ["My Files", "tokens", "plain"]);
  assert.deepEqual(left, [{ name: "far", why: "it is reached over HTTP" }]);
  assert.ok(text.includes("// servers of mine"));
  assert.ok(text.includes('"theme": "dark"'));
  assert.ok(/"--name",\s+"my-files",\s+"--",\s+"npx",\s+"-y",\s+"@x\/files"/.test(text), text);
  // Values of variables stay where they were; the gate is told their names.
  assert.ok(/"--env",\s+"TOKEN",\s+"--",\s+"node"/.test(text), text);
  assert.equal(text.split("secret").length, 2);
});

test("wrapping twice is wrapping once, and unwrapping says what was said", () => {
  const once = wrapped(claude);
  const again = wrap(once, options);
  assert.ok(again.ok);
  assert.equal(again.value.text, once);
  assert.deepEqual(again.value.changed, []);
  assert.ok(saysTheSame(unwrapped(once), claude));
  assert.equal(unwrapped(claude), claude);
  // What changed meanwhile is kept.
  const edited = once.replace('"theme": "dark"', '"theme": "light"');
  assert.ok(unwrapped(edited).includes('"theme": "light"'));
  assert.ok(!saysTheSame(unwrapped(edited), claude));
});

test("what is no configuration is refused with its line", () => {
  for (const text of ["", "{", '{ "mcpServers": { "a": ', "not json", '{"mcpServers":{}}}']) {
    const made = wrap(text, options);
    assert.equal(made.ok, false, text);
  }
  for (const text of ["{}", "[]", '"x"', '{"mcpServers":[1]}', '{"mcpServers":{"a":3}}']) {
    const made = wrap(text, options);
    assert.ok(made.ok, text);
    assert.equal(made.value.text, text);
  }
});

test("names for people become names for policies", () => {
  assert.equal(serverName("My Files (work)"), "my-files-work");
  assert.equal(serverName("漢字"), "server");
  assert.equal(serverName("9lives"), "lives");
  assert.equal(serverName("x".repeat(100)).length, 48);
});

test("any commands come back as they were", () => {
  const random = new SeededRandom("gate-wrap");
  const words = ["--", "-y", "a b", '"', "\\", "ioi", "gate", "mcp", "ü", "", "/x/y"];
  for (let round = 0; round < 200; round++) {
    const servers = Object.fromEntries(
      Array.from({ length: random.below(4) }, (_, at) => {
        const args = Array.from({ length: random.below(5) }, () => words[random.below(11)] ?? "");
        return [`s${at}`, { command: words[random.below(9)] ?? "x", args, at }];
      }),
    );
    const text = JSON.stringify({ before: round, mcpServers: servers }, undefined, 2);
    const back = unwrapped(wrapped(text));
    assert.ok(saysTheSame(back, text), `gate-wrap, round ${round}: ${text}\n${back}`);
  }
});
