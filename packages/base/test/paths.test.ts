import assert from "node:assert/strict";
import { test } from "node:test";
import {
  filesNameBytesMax,
  filesPathBytesMax,
  InvariantError,
  isReplacementName,
  lastSegment,
  parentPath,
  pathSegments,
  replacementPath,
} from "../src/index.ts";

test("paths inside the grammar", () => {
  assert.deepEqual(pathSegments(""), []);
  assert.deepEqual(pathSegments("a"), ["a"]);
  assert.deepEqual(pathSegments("a/.b/c..d/...".replace("...", "..e")), ["a", ".b", "c..d", "..e"]);
  assert.deepEqual(pathSegments("x".repeat(filesNameBytesMax)).length, 1);
});

test("paths outside the grammar", () => {
  const bad = ["/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/..", "\0", "a\0"];
  bad.push("x".repeat(filesNameBytesMax + 1), "é".repeat(filesNameBytesMax / 2 + 1));
  bad.push("a/".repeat(filesPathBytesMax / 2) + "a");
  for (const path of bad) assert.throws(() => pathSegments(path), InvariantError, path);
});

test("parents, names, replacements", () => {
  assert.equal(parentPath("a/b/c"), "a/b");
  assert.equal(parentPath("a"), "");
  assert.equal(lastSegment("a/b/c"), "c");
  assert.equal(lastSegment("a"), "a");
  assert.equal(replacementPath("a/b"), "a/.b.tmp");
  assert.equal(replacementPath("b"), ".b.tmp");
  for (const name of [".b.tmp", "..tmp.tmp"]) assert.ok(isReplacementName(name), name);
  for (const name of ["b.tmp", ".tmp", ".b.tmpx", "b"]) assert.ok(!isReplacementName(name), name);
});
