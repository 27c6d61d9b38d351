/** What `exec-copy.test.ts` runs on a file system that takes no overlay. Says "all of it" in the end. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { ExecDriver } from "../src/exec/driver.ts";
import { copyStageEntriesMax } from "../src/limits.ts";
import { ShellDriver } from "../src/shell/driver.ts";
import { contentRef, Session, treeState } from "./support.ts";

const session = (base?: string): Session =>
  new Session({
    kind: "exec",
    driver: (engine, profile) => new ExecDriver(engine, profile),
    ...(base === undefined ? {} : { base }),
  });

const sh = (s: Session, script: string) =>
  s.run(
    "sys::exec",
    { argv: ["sh", "-c", script], cwd: s.root },
    { obligations: [{ type: "snapshot" }, { type: "stage" }] },
  );

{
  await using s = session();
  fs.writeFileSync(s.path("a.txt"), "old");
  fs.writeFileSync(s.path("gone.txt"), "gone");
  fs.writeFileSync(s.path("same.txt"), "same", { mode: 0o640 });
  fs.mkdirSync(s.path("d/e"), { recursive: true });
  fs.writeFileSync(s.path("d/e/f"), "f");
  fs.writeFileSync(s.path("kind"), "file first");
  fs.mkdirSync(s.path("tree"));
  fs.writeFileSync(s.path("tree/x"), "x");
  fs.symlinkSync("a.txt", s.path("link"));
  const before = treeState(s.root);
  const ran = await sh(
    s,
    "echo new > a.txt; rm gone.txt; rm -r d; rm kind; mkdir kind; echo k > kind/k; rm -r tree; " +
      "echo t > tree; ln -sf kind link; touch fresh; chmod 600 same.txt; cat same.txt",
  );
  assert.equal(ran.outcome?.status, "confirmed", ran.message);
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "new\n");
  assert.equal(fs.readFileSync(s.path("tree"), "utf8"), "t\n");
  assert.equal(fs.readlinkSync(s.path("link")), "kind");
  assert.deepEqual(fs.readdirSync(s.root).sort(), [
    "a.txt",
    "fresh",
    "kind",
    "link",
    "same.txt",
    "tree",
  ]);
  assert.equal(fs.statSync(s.path("same.txt")).mode & 0o777, 0o600);
  await using files = new Session({ base: s.base });
  const undone = await files.undo(ran.counter, ran.result["changed"] as readonly string[]);
  assert.equal(undone.errorCode, "", undone.message);
  assert.deepEqual(treeState(s.root), before);

  // What is only looked at is not applied; what is protected is held back here too.
  const looked = await sh(s, "cat a.txt > /dev/null; ls -R > /dev/null");
  assert.deepEqual([looked.outcome?.status, looked.result["changed"]], ["confirmed", []]);
  const held = await sh(s, "echo x > free; echo {} > package.json; cat ../vault/* 2>/dev/null");
  assert.deepEqual([held.outcome?.status, held.errorCode], ["partial", "E_EXEC_PROTECTED"]);
  assert.deepEqual(fs.existsSync(s.path("package.json")), false);
}
{
  await using s = session();
  for (let n = 0; n <= copyStageEntriesMax; n++) fs.writeFileSync(s.path(`f${n}`), "");
  const ran = await sh(s, "echo x > new");
  assert.deepEqual([ran.outcome?.status, ran.errorCode], ["refused", "E_FS_TOO_LARGE"]);
  assert.equal(fs.existsSync(s.path("new")), false);
}
// A terminal the same way: nothing is real before it is closed, and what is protected stays.
{
  const secret = new Uint8Array(16).fill(7);
  await using s = new Session({
    kind: "shell",
    driver: (engine, profile) => new ShellDriver(engine, profile, secret),
  });
  fs.writeFileSync(s.path("a.txt"), "old");
  fs.writeFileSync(s.path("gone.txt"), "gone");
  const obligations = [{ type: "snapshot" }, { type: "stage" }] as const;
  const on = (what: string) =>
    s.run("sys::shell", { do: what, cwd: s.root }, { obligations: [...obligations] });
  const opened = await on("open");
  assert.deepEqual([opened.outcome?.status, opened.errorCode], ["confirmed", ""], opened.message);
  const content = Buffer.from("echo new > a.txt; rm gone.txt; echo {} > package.json\n");
  const args = { do: "type", cwd: s.root, input: contentRef(content) };
  await s.run("sys::shell", args, { content, obligations: [...obligations] });
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "old");
  const closed = await on("close");
  assert.deepEqual([closed.outcome?.status, closed.errorCode], ["partial", "E_EXEC_PROTECTED"]);
  assert.deepEqual(fs.readdirSync(s.root), ["a.txt"]);
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "new\n");
}
{
  await using s = new Session({
    kind: "shell",
    driver: (engine, profile) => new ShellDriver(engine, profile, new Uint8Array(16).fill(8)),
  });
  for (let n = 0; n <= copyStageEntriesMax; n++) fs.writeFileSync(s.path(`f${n}`), "");
  const obligations = [{ type: "snapshot" }, { type: "stage" }] as const;
  const ran = await s.run("sys::shell", { do: "open", cwd: s.root }, { obligations });
  assert.deepEqual([ran.outcome?.status, ran.errorCode], ["refused", "E_FS_TOO_LARGE"]);
}
process.stdout.write("all of it\n");
