// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fd, readAttribute, writeAttribute } from "../src/fs/syscalls.ts";
import { globMatcher } from "../src/files/glob.ts";
import { readBytesMax, searchMatchesMax } from "../src/limits.ts";
import { type Args, Session, treeState } from "./support.ts";

const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each)),
  );

test("a read is bounded and says what is left", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("big"), Buffer.alloc(3_000_000, 7));
  const first = await s.run("fs::read", { path: s.path("big") });
  assert.equal((first.result["content"] as Uint8Array).length, 1_048_576);
  assert.deepEqual([first.result["size"], first.result["truncated"]], [3_000_000, true]);
  const rest = await s.run("fs::read", {
    path: s.path("big"),
    offset: 2_500_000,
    length: readBytesMax,
  });
  assert.equal((rest.result["content"] as Uint8Array).length, 500_000);
  assert.equal(rest.result["truncated"], false);
  const behind = await s.run("fs::read", { path: s.path("big"), offset: 9_000_000 });
  assert.deepEqual(
    [(behind.result["content"] as Uint8Array).length, behind.result["truncated"]],
    [0, false],
  );
  const tooMuch = await s.prepare("fs::read", { path: s.path("big"), length: readBytesMax + 1 });
  assert.equal(tooMuch, "E_ARGUMENTS_INVALID");
});

test("a read leaves the access time alone", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a"), "a");
  fs.utimesSync(s.path("a"), 1000, 2000);
  assert.equal((await s.run("fs::read", { path: s.path("a") })).outcome?.status, "confirmed");
  assert.equal(fs.statSync(s.path("a")).atimeMs, 1_000_000);
});

test("prepare tells facts and no content, and changes nothing", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a"), "content", { mode: 0o604 });
  const before = treeState(s.root);
  const stat = fs.statSync(s.path("a"));
  const looked = await s.prepare("fs::move", { path: s.path("a"), to: s.path("x/y/z") });
  assert.ok(typeof looked !== "string");
  assert.deepEqual(plain(looked.action.facts), {
    path: {
      realPath: s.path("a"),
      caseInsensitive: false,
      exists: true,
      kind: "file",
      dev: String(stat.dev),
      ino: String(stat.ino),
      size: 7,
      nlink: 1,
      mode: 0o604,
    },
    to: { realPath: s.path("x/y/z"), caseInsensitive: false, exists: false },
  });
  assert.deepEqual(treeState(s.root), before);
});

test("a write says new, replace or any, and means it", async () => {
  await using s = new Session();
  assert.equal((await s.write("a", "1", "replace")).errorCode, "E_FS_NOT_FOUND");
  assert.equal((await s.write("a", "1", "new")).result["bytes"], 1);
  assert.equal((await s.write("a", "2", "new")).errorCode, "E_FS_EXISTS");
  assert.equal((await s.write("a", "22", "replace")).result["bytes"], 2);
  assert.equal((await s.write("x/y", "1")).errorCode, "E_FS_NO_PARENT");
  fs.mkdirSync(s.path("d"));
  assert.equal((await s.write("d", "1")).errorCode, "E_FS_IS_A_DIRECTORY");
  assert.equal(fs.readFileSync(s.path("a"), "utf8"), "22");
});

test("content that is not what was permitted is not written", async () => {
  await using s = new Session();
  const good = Buffer.from("good");
  const looked = await s.prepare("fs::write", {
    path: s.path("a"),
    content: { sha256: new Uint8Array(32), length: 4, head: "" },
    create: "any",
  });
  assert.ok(typeof looked !== "string");
  const acted = await s.act(looked.prepared.nonce, s.ticket(looked), good);
  assert.equal(acted.errorCode, "E_CONTENT_MISMATCH");
  assert.equal(fs.existsSync(s.path("a")), false);
});

test("a set-user-id file loses the bit with its content and gets it back by undo", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a"), "old");
  fs.chmodSync(s.path("a"), 0o4755);
  const before = treeState(s.root);
  const wrote = await s.write("a", "new");
  assert.equal(fs.statSync(s.path("a")).mode & 0o7777, 0o755);
  assert.equal((await s.undo(wrote.counter, [s.path("a")])).outcome?.status, "confirmed");
  assert.deepEqual(treeState(s.root), before);
});

test("undo is refused when somebody changed the result, and says what", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a"), "old");
  const wrote = await s.write("a", "new");
  fs.writeFileSync(s.path("a"), "theirs");
  const undone = await s.undo(wrote.counter, [s.path("a")]);
  assert.deepEqual([undone.outcome?.status, undone.errorCode], ["refused", "E_RESTORE_CHANGED"]);
  assert.match(undone.message, /a: its size changed/);
  assert.equal(fs.readFileSync(s.path("a"), "utf8"), "theirs");
  const made = await s.run("fs::mkdir", { path: s.path("d") });
  fs.writeFileSync(s.path("d/theirs"), "t");
  const kept = await s.undo(made.counter, [s.path("d")]);
  assert.equal(kept.errorCode, "E_RESTORE_CHANGED");
  const moved = await s.run("fs::move", { path: s.path("d"), to: s.path("e") });
  fs.writeFileSync(s.path("e/theirs"), "changed");
  assert.equal(
    (await s.undo(moved.counter, [s.path("d"), s.path("e")])).errorCode,
    "E_RESTORE_CHANGED",
  );
  const gone = await s.run("fs::delete", { path: s.path("e") });
  fs.writeFileSync(s.path("e"), "in the way");
  assert.equal((await s.undo(gone.counter, [s.path("e")])).errorCode, "E_RESTORE_CHANGED");
});

test("undo names every path, is itself undone, and knows what it cannot do", async () => {
  await using s = new Session();
  fs.writeFileSync(s.path("a"), "old");
  const moved = await s.run("fs::move", { path: s.path("a"), to: s.path("b") });
  assert.equal((await s.undo(moved.counter, [s.path("a")])).errorCode, "E_RESTORE_PATHS");
  assert.equal((await s.undo(99_999_999n, [s.path("a")])).errorCode, "E_RESTORE_UNKNOWN");
  const wrote = await s.write("b", "new");
  const after = treeState(s.root);
  const undone = await s.undo(wrote.counter, [s.path("b")]);
  assert.deepEqual(undone.result["restored"], [s.path("b")]);
  const redone = await s.undo(undone.counter, [s.path("b")]);
  assert.equal(redone.outcome?.status, "confirmed");
  assert.deepEqual(treeState(s.root), after);
  const bare = await s.run("fs::delete", { path: s.path("b") }, { obligations: [] });
  assert.deepEqual([bare.outcome?.status, bare.outcome?.reversible], ["confirmed", false]);
  assert.equal((await s.undo(bare.counter, [s.path("b")])).errorCode, "E_RESTORE_IRREVERSIBLE");
});

test("extended attributes survive a write and come back after a deletion", async (t) => {
  await using s = new Session();
  fs.writeFileSync(s.path("a"), "old");
  const open = (): Fd => new Fd(fs.openSync(s.path("a"), "r+"));
  const read = (): string | undefined => {
    using fd = open();
    return readAttribute(fd, "user.note", 64)?.toString();
  };
  try {
    using fd = open();
    writeAttribute(fd, "user.note", Buffer.from("kept"));
  } catch {
    t.skip("no extended attributes on this file system");
    return;
  }
  await s.write("a", "new");
  assert.equal(read(), "kept");
  const gone = await s.run("fs::delete", { path: s.path("a") });
  assert.equal((await s.undo(gone.counter, [s.path("a")])).outcome?.status, "confirmed");
  assert.equal(read(), "kept");
});

test("search finds by name and by text, in order, within its bounds", async () => {
  await using s = new Session();
  fs.mkdirSync(s.path("d"));
  fs.writeFileSync(s.path("d/a.txt"), "one\ntwo needle\nthree\nneedle needle\n");
  fs.writeFileSync(s.path("b.md"), "no match\nneedle");
  fs.writeFileSync(s.path("c.txt"), "nothing");
  const byName = await s.run("fs::search", { path: s.root, name: "*.txt" });
  assert.deepEqual(plain(byName.result["matches"]), [
    { path: s.path("c.txt") },
    { path: s.path("d/a.txt") },
  ]);
  const byText = await s.run("fs::search", { path: s.root, text: "needle" });
  assert.deepEqual(plain(byText.result["matches"]), [
    { path: s.path("b.md"), line: 2, text: "needle" },
    { path: s.path("d/a.txt"), line: 2, text: "two needle" },
    { path: s.path("d/a.txt"), line: 4, text: "needle needle" },
  ]);
  const both = await s.run("fs::search", { path: s.root, name: "*.md", text: "needle" });
  assert.equal((both.result["matches"] as readonly unknown[]).length, 1);
  assert.equal(both.result["more"], false);
  fs.writeFileSync(s.path("many"), "needle\n".repeat(searchMatchesMax + 10));
  const many = await s.run("fs::search", { path: s.root, text: "needle" });
  assert.equal((many.result["matches"] as readonly unknown[]).length, searchMatchesMax);
  assert.equal(many.result["more"], true);
});

test("search neither looks into nor tells names with a leading dot, unless they are named", async () => {
  await using s = new Session();
  for (const folder of ["a", ".hidden", "a/.git"]) fs.mkdirSync(s.path(folder));
  for (const file of [".env", "a/.env", ".hidden/b", "a/.git/config", "plain", "a/plain"]) {
    fs.writeFileSync(s.path(file), "needle");
  }
  const found = async (args: Args): Promise<readonly unknown[]> => {
    const { result } = await s.run("fs::search", args);
    assert.equal(result["more"], false);
    return (result["matches"] as readonly { readonly path: string }[]).map(({ path }) => path);
  };
  const open = [s.path("a/plain"), s.path("plain")];
  assert.deepEqual(await found({ path: s.root, text: "needle" }), open);
  assert.deepEqual(await found({ path: s.root }), [s.path("a"), ...open]);
  assert.deepEqual(await found({ path: s.root, name: ".*" }), []);
  assert.deepEqual(await found({ path: s.path(".hidden"), text: "needle" }), [s.path(".hidden/b")]);
  // The names themselves are told by a listing, which has no content.
  const listed = await s.run("fs::list", { path: s.root });
  const entries = listed.result["entries"] as readonly { readonly name: string }[];
  assert.deepEqual(
    entries.map(({ name }) => name),
    [".env", ".hidden", "a", "plain"],
  );
});

test("prepare says whether a folder that is taken whole holds names with a leading dot", async () => {
  await using s = new Session();
  for (const folder of ["plain/d", "dots/d/e", "holder/.d"]) {
    fs.mkdirSync(s.path(folder), { recursive: true });
    fs.writeFileSync(s.path(`${folder}/file`), "x");
  }
  fs.writeFileSync(s.path("dots/d/e/.env"), "secret");
  fs.symlinkSync(s.path("dots"), s.path("plain/link"));
  const said = async (target: string, name: string): Promise<unknown> => {
    const looked = await s.prepare(target, {
      path: s.path(name),
      ...(target === "fs::delete" ? {} : { to: s.path("to") }),
    });
    assert.ok(typeof looked !== "string");
    return looked.action.facts["path"]?.dotNames;
  };
  for (const target of ["fs::copy", "fs::move", "fs::delete"]) {
    assert.equal(await said(target, "plain"), false, target);
    assert.equal(await said(target, "dots"), true, target);
    assert.equal(await said(target, "holder"), true, target);
    assert.equal(await said(target, "plain/d/file"), undefined, target);
  }
});

test("a folder that got a name with a leading dot after the decision is left alone", async () => {
  for (const target of ["fs::copy", "fs::move", "fs::delete"]) {
    for (const [late, expected] of [
      ["plain", "confirmed"],
      [".env", "refused"],
    ] as const) {
      await using s = new Session();
      fs.mkdirSync(s.path("d/e"), { recursive: true });
      const looked = await s.prepare(target, {
        path: s.path("d"),
        ...(target === "fs::delete" ? {} : { to: s.path("to") }),
      });
      assert.ok(typeof looked !== "string");
      fs.writeFileSync(s.path(`d/e/${late}`), "late");
      const ticket = s.ticket(looked, { obligations: [{ type: "snapshot" }] });
      const acted = await s.act(looked.prepared.nonce, ticket);
      assert.equal(acted.outcome?.status, expected, `${target} ${late}: ${acted.message}`);
      if (late === ".env") {
        assert.equal(acted.errorCode, "E_FS_CHANGED");
        assert.deepEqual(fs.readdirSync(s.path("d/e")), [".env"]);
      }
    }
  }
});

test("search agrees with a naive one, across the borders of its blocks", async () => {
  await using s = new Session();
  const lines = fc.array(
    fc.oneof(
      fc.constant("needle"),
      fc.nat(300_000).map((n) => "x".repeat(n)),
      fc.string({ maxLength: 5 }).map((each) => each.replaceAll("\n", "")),
    ),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(lines, async (all) => {
      fs.writeFileSync(s.path("f"), all.join("\n"));
      const found = await s.run("fs::search", { path: s.root, text: "needle" });
      const matches = found.result["matches"] as readonly { readonly line: number }[];
      const expected = all.flatMap((line, index) => (line.includes("needle") ? [index + 1] : []));
      assert.deepEqual(
        matches.map(({ line }) => line),
        expected,
      );
    }),
    { numRuns: 20 },
  );
});

test("globs", () => {
  for (const [pattern, yes, no] of [
    ["*.txt", ["a.txt", ".txt"], ["a.txt2", "atxt"]],
    ["a?c", ["abc", "aéc"], ["ac", "abbc"]],
    ["[a-c]*[!0-9]", ["ax", "bé"], ["dx", "a1"]],
    ["{a,b}.{x,y}", ["a.x", "b.y"], ["c.x", "a.z"]],
    ["[", ["["], ["a"]],
    ["a*b*c", ["abc", "aXbYc"], ["acb"]],
    ["e\u0301", ["\u00e9"], ["e"]],
  ] as const) {
    const matcher = globMatcher(pattern);
    for (const name of yes) assert.equal(matcher(name), true, `${pattern} ${name}`);
    for (const name of no) assert.equal(matcher(name), false, `${pattern} ${name}`);
  }
  // Would take longer than the age of the universe by trying every way.
  assert.equal(globMatcher("*a".repeat(40) + "b")("a".repeat(255)), false);
});

test("a folder that cannot be kept whole is not deleted", async () => {
  await using s = new Session();
  fs.mkdirSync(s.path("d"));
  fs.writeFileSync(s.path("d/huge"), "");
  fs.truncateSync(s.path("d/huge"), 2 ** 31);
  const refused = await s.run("fs::delete", { path: s.path("d") });
  assert.deepEqual([refused.outcome?.status, refused.errorCode], ["refused", "E_FS_TOO_LARGE"]);
  assert.equal(fs.existsSync(s.path("d/huge")), true);
});
