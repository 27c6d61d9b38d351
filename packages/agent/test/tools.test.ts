import assert from "node:assert/strict";
import test from "node:test";
import { toolName, toolOf, tools, toolSchema, undoPaths, validateCall } from "../src/index.ts";

const code = (...call: Parameters<typeof validateCall>): string => {
  const result = validateCall(...call);
  return result.ok ? "ok" : `${result.error.code}: ${result.error.message}`;
};

test("a call matches its tool's schema or is refused by name", () => {
  assert.equal(code("fs::read", { path: "a" }, false), "ok");
  assert.equal(code("fs::read", { path: "a", offset: 0, length: 9 }, false), "ok");
  assert.equal(code("fs::write", { path: "a", create: "any" }, true), "ok");
  assert.match(code("fs::read", {}, false), /path is missing/);
  assert.match(code("fs::read", { path: "" }, false), /path must be/);
  assert.match(code("fs::read", { path: 1 }, false), /path must be/);
  assert.match(code("fs::read", { path: "a", offset: -1 }, false), /offset must be/);
  assert.match(code("fs::read", { path: "a", deep: true }, false), /no argument deep/);
  assert.match(code("fs::read", { path: "a" }, true), /takes no content/);
  assert.match(code("fs::write", { path: "a", create: "any" }, false), /content is missing/);
  assert.match(code("fs::write", { path: "a", create: "some" }, true), /create must be one of/);
  assert.match(code("fs::write", { path: "a", content: "x", create: "any" }, true), /content/);
  assert.match(code("sys::exec", { argv: [] }, false), /argv must be/);
  assert.match(code("sys::exec", { argv: ["a", 1] }, false), /argv must be/);
  assert.match(code("no::such", {}, false), /no tool no::such/);
  assert.match(code("browser::open", { url: "http://x" }, false), /^E_TARGET_UNAVAILABLE/);
});

test("schemas are closed objects, names hold no colons, targets are unique", () => {
  assert.equal(new Set(tools.map((tool) => tool.target)).size, tools.length);
  for (const tool of tools) {
    assert.match(toolName(tool), /^[a-z_]+$/);
    const schema = toolSchema(tool);
    assert.equal(schema["additionalProperties"], false);
    assert.ok(Array.isArray(schema["required"]));
  }
  const write = toolOf("fs::write");
  assert.ok(write !== undefined);
  assert.deepEqual(toolSchema(write)["required"], ["path", "content", "create"]);
});

test("an undo names the paths of the effect", () => {
  const paths = (target: string, args: Readonly<Record<string, string>>): unknown => {
    const tool = toolOf(target);
    assert.ok(tool !== undefined);
    return undoPaths(tool, args, ["/w/changed"]);
  };
  assert.deepEqual(paths("fs::move", { path: "/a", to: "/b" }), ["/a", "/b"]);
  assert.deepEqual(paths("fs::copy", { path: "/a", to: "/b" }), ["/b"]);
  assert.deepEqual(paths("fs::read", { path: "/a" }), []);
  assert.deepEqual(paths("sys::exec", {}), ["/w/changed"]);
});
