/** How a server's folders are shown where the policy refuses changes below them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { folderBinds } from "../src/mcp/folder-binds.ts";

const roots = [
  { path: "/w", access: "write" as const },
  { path: "/r", access: "read" as const },
];
const there = new Set(["/w", "/w/a", "/w/a/b", "/w/a/b/x", "/r", "/r/y"]);
const binds = (...refused: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    folderBinds(roots, refused, (path) => there.has(path)).map(({ path, access }) => [
      path,
      access,
    ]),
  );

test("what is refused is mounted for reading, and what leads to it cannot be moved", () => {
  assert.deepEqual(binds(), { "/w": "write", "/r": "read" });
  assert.deepEqual(binds("/w/a/b/x"), {
    "/w": "write",
    "/w/a": "write",
    "/w/a/b": "write",
    "/w/a/b/x": "read",
    "/r": "read",
  });
  // Where it lies in a folder that is only read there is nothing to keep.
  assert.deepEqual(binds("/r/y"), { "/w": "write", "/r": "read" });
  assert.deepEqual(binds("/elsewhere"), { "/w": "write", "/r": "read" });
});

test("of what is not there the nearest folder takes its place, and all below it", () => {
  assert.deepEqual(binds("/w/a/new/deep"), { "/w": "write", "/w/a": "read", "/r": "read" });
  assert.deepEqual(binds("/w/new"), { "/w": "read", "/r": "read" });
  assert.deepEqual(binds("/w/a/b/x", "/w/a/new")["/w/a/b/x"], "read");
  assert.deepEqual(binds("/w/a/b/x", "/w/a/new")["/w/a/b"], "read");
  assert.deepEqual(binds("/w"), { "/w": "read", "/r": "read" });
});
