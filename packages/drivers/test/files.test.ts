import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { Session, treeState } from "./support.ts";

test("reads, lists, stats", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a.txt"), "hello");
  fs.mkdirSync(s.path("d"));
  const read = await s.run("fs::read", { path: s.path("a.txt") });
  assert.equal(read.outcome?.status, "confirmed");
  assert.deepEqual(Buffer.from(read.result["content"] as Uint8Array).toString(), "hello");
  assert.deepEqual(
    { ...read.result, content: null },
    {
      content: null,
      size: 5,
      offset: 0,
      truncated: false,
    },
  );
  const part = await s.run("fs::read", { path: s.path("a.txt"), offset: 1, length: 2 });
  assert.equal(Buffer.from(part.result["content"] as Uint8Array).toString(), "el");
  assert.equal(part.result["truncated"], true);
  const list = await s.run("fs::list", { path: s.root });
  const entries = list.result["entries"] as unknown as { name: string; kind: string }[];
  assert.deepEqual(
    entries.map((e) => [e.name, e.kind]),
    [
      ["a.txt", "file"],
      ["d", "directory"],
    ],
  );
  const stat = await s.run("fs::stat", { path: s.path("a.txt") });
  assert.equal(stat.result["size"], 5);
  const gone = await s.run("fs::read", { path: s.path("nope") });
  assert.equal(gone.errorCode, "E_FS_NOT_FOUND");
  assert.equal(gone.outcome?.status, "refused");
});

test("write, move, delete and their undo restore bytes, modes and times", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a.txt"), "old", { mode: 0o640 });
  fs.utimesSync(s.path("a.txt"), 1_000_000.5, 1_000_001.25);
  fs.mkdirSync(s.path("d/e"), { recursive: true });
  fs.writeFileSync(s.path("d/e/x"), "x");
  fs.symlinkSync("x", s.path("d/e/l"));
  const before = treeState(s.root);
  const w = await s.write("a.txt", "new content");
  assert.deepEqual([w.outcome?.status, w.message], ["confirmed", ""]);
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "new content");
  assert.equal(fs.statSync(s.path("a.txt")).mode & 0o777, 0o640);
  const n = await s.write("d/new.txt", "n");
  const m = await s.run("fs::move", { path: s.path("a.txt"), to: s.path("d/b.txt") });
  assert.deepEqual([m.outcome?.status, m.message], ["confirmed", ""]);
  const d = await s.run("fs::delete", { path: s.path("d") });
  assert.deepEqual([d.outcome?.status, d.message], ["confirmed", ""]);
  assert.equal(fs.existsSync(s.path("d")), false);
  for (const { counter, paths } of [
    { counter: d.counter, paths: ["d"] },
    { counter: m.counter, paths: ["a.txt", "d/b.txt"] },
    { counter: n.counter, paths: ["d/new.txt"] },
    { counter: w.counter, paths: ["a.txt"] },
  ]) {
    const undone = await s.undo(
      counter,
      paths.map((p) => s.path(p)),
    );
    assert.deepEqual(
      [undone.outcome?.status, undone.errorCode, undone.message],
      ["confirmed", "", ""],
    );
  }
  assert.deepEqual(treeState(s.root), before);
});
