/** Files and the data folder on a real file system: what the compliance suite cannot show. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import nodePath from "node:path";
import { test, type TestContext } from "node:test";
import type { OperationError } from "@ioi/base";
import { checkSyncLatch } from "@ioi/base/compliance";
import { realSyncCalls } from "../src/ports/file-handle.ts";
import { openFiles as openFilesWith } from "../src/ports/files.ts";
import { errors, openDataFolder, openFiles } from "../src/ports/index.ts";

const temporary = (t: TestContext): string => {
  const path = fs.mkdtempSync(nodePath.join(fs.realpathSync(os.tmpdir()), "ioi-files-"));
  t.after(() => fs.rmSync(path, { recursive: true, force: true }));
  return path;
};

/** Names, modes, contents and times of a tree. */
const snapshot = (path: string): unknown => {
  const stat = fs.lstatSync(path);
  const common = [stat.mode, stat.mtimeMs, stat.ctimeMs];
  if (!stat.isDirectory()) return [...common, fs.readFileSync(path, "latin1")];
  const names = fs.readdirSync(path).toSorted();
  return [...common, names.map((name) => [name, snapshot(nodePath.join(path, name))])];
};

const ports = JSON.stringify(import.meta.resolve("../src/ports/index.ts"));
const node = (script: string): readonly string[] => [
  process.execPath,
  "--no-warnings",
  "--input-type=module",
  "-e",
  `import { openDataFolder, openFiles } from ${ports}; ${script}`,
];

test("after a failed sync a handle stays failed, though the disk says all is well again", async (t) => {
  let fails = 0;
  const failing = (): void => {
    if (fails === 0) return;
    fails -= 1;
    throw Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });
  };
  const files = openFilesWith(temporary(t), {
    fdatasyncSync(fd) {
      failing();
      realSyncCalls.fdatasyncSync(fd);
    },
    async datasync(handle) {
      failing();
      await realSyncCalls.datasync(handle);
    },
  });
  await checkSyncLatch(files, () => {
    fails = 1;
  });
  await files.replaceFile("a", Buffer.from("old"));
  fails = 1;
  await assert.rejects(files.replaceFile("a", Buffer.from("new")), { code: "E_FILES_SYNC_FAILED" });
  assert.equal(Buffer.from(await files.readFile("a", 9)).toString(), "old");
});

test("the order of a durable write and of a replacement", async (t) => {
  const calls: string[] = [];
  const path = temporary(t);
  const files = openFilesWith(path, {
    fdatasyncSync: (fd) => void calls.push(`datasync with ${fs.fstatSync(fd).size} bytes`),
    datasync: async () => {
      calls.push(`datasync, a is ${fs.existsSync(nodePath.join(path, "a")) ? "there" : "not"}`);
    },
  });
  await files.replaceFile("a", Buffer.from("x"));
  await using handle = await files.open("a", "write");
  await handle.writeDurable(0, Buffer.from("four"));
  assert.deepEqual(calls, ["datasync, a is not", "datasync with 4 bytes"]);
});

test("links are not followed, and what is no file is not opened", async (t) => {
  const [path, outside] = [temporary(t), nodePath.join(temporary(t), "outside")];
  fs.writeFileSync(outside, "outside");
  fs.symlinkSync(outside, nodePath.join(path, "link"));
  fs.symlinkSync("nowhere", nodePath.join(path, "broken"));
  assert.equal(spawnSync("mkfifo", [nodePath.join(path, "fifo")]).status, 0);
  const files = openFiles(path);
  for (const name of ["link", "broken"]) {
    await assert.rejects(files.open(name, "read"), { code: "E_FILES_DENIED" });
    await assert.rejects(files.open(name, "write"), { code: "E_FILES_DENIED" });
    await assert.rejects(files.open(name, "create"), { code: "E_FILES_EXISTS" });
    await assert.rejects(files.readFile(name, 99), { code: "E_FILES_DENIED" });
    await assert.rejects(files.lock(name), { code: "E_FILES_DENIED" });
    assert.equal((await files.stat(name))?.kind, "symlink");
  }
  // Nobody writes to the FIFO: an open that waits for a writer would never end.
  await assert.rejects(files.open("fifo", "read"), { code: "E_FILES_DENIED" });
  await assert.rejects(files.readFile("fifo", 9), { code: "E_FILES_DENIED" });
  assert.equal((await files.stat("fifo"))?.kind, "other");
  await files.replaceFile("link", Buffer.from("inside"));
  assert.equal((await files.stat("link"))?.kind, "file");
  assert.equal(fs.readFileSync(outside, "utf8"), "outside");
  // The control: the platform's own call follows the link.
  fs.symlinkSync(outside, nodePath.join(path, "again"));
  assert.equal(fs.readFileSync(nodePath.join(path, "again"), "utf8"), "outside");
});

test(
  "a lock names its holder and ends with it, however it ends",
  { timeout: 20_000 },
  async (t) => {
    const path = temporary(t);
    const [program = "", ...args] = node(
      `await openFiles(${JSON.stringify(path)}).lock("lock"); console.log("locked");
     setInterval(() => undefined, 1000);`,
    );
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const files = openFiles(path);
    await assert.rejects(files.lock("lock"), {
      code: "E_FILES_LOCKED",
      message: `lock is locked by process ${child.pid}`,
    });
    const exit = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exit;
    await using lock = await files.lock("lock");
    assert.ok(lock);
    assert.equal(fs.readFileSync(nodePath.join(path, "lock"), "utf8"), `${process.pid}\n`);
  },
);

test("the data folder: made private, and opened again", async (t) => {
  const path = nodePath.join(temporary(t), "new", "data");
  {
    await using folder = await openDataFolder(path);
    assert.equal(folder.path, path);
    assert.equal(folder.created, true);
    await folder.files.replaceFile("a", Buffer.from("kept"));
  }
  assert.equal(fs.statSync(path).mode & 0o777, 0o700);
  assert.equal(fs.statSync(nodePath.join(path, "FORMAT")).mode & 0o777, 0o600);
  assert.equal(fs.readFileSync(nodePath.join(path, "FORMAT"), "utf8"), '{"format":3}\n');
  fs.chmodSync(path, 0o755);
  await using folder = await openDataFolder(path);
  assert.equal(folder.created, false);
  assert.equal(Buffer.from(await folder.files.readFile("a", 9)).toString(), "kept");
  assert.equal(fs.statSync(path).mode & 0o777, 0o700);
});

test("the data folder: an empty folder, or what an interrupted first start left", async (t) => {
  const path = temporary(t);
  fs.writeFileSync(nodePath.join(path, "lock"), "123\n");
  fs.writeFileSync(nodePath.join(path, ".FORMAT.tmp"), '{"for');
  await using folder = await openDataFolder(path);
  assert.equal(folder.created, true);
  assert.deepEqual(fs.readdirSync(path).toSorted(), ["FORMAT", "lock"]);
});

test("the data folder: one kernel at a time, and the message says which", async (t) => {
  const path = temporary(t);
  const folder = await openDataFolder(path);
  await assert.rejects(openDataFolder(path), (error: OperationError) => {
    assert.equal(error.code, "E_DATA_LOCKED");
    assert.equal(error.message, `${path} is in use by process ${process.pid}`);
    assert.match(error.next ?? "", new RegExp(`kill ${process.pid}`));
    return true;
  });
  await folder[Symbol.asyncDispose]();
  await (await openDataFolder(path))[Symbol.asyncDispose]();
});

test("the data folder: what is something else's, newer or damaged is not touched", async (t) => {
  const cases: readonly (readonly [string, string, `E_DATA_${string}`, RegExp])[] = [
    ["FORMAT", '{"format":4}\n', "E_DATA_NEWER", /has format 4; .* up to 3/],
    ["FORMAT", '{"format":4,"more":[]}', "E_DATA_NEWER", /has format 4/],
    ["FORMAT", "", "E_DATA_CORRUPT", /FORMAT is damaged/],
    ["FORMAT", '{"format":0}', "E_DATA_CORRUPT", /FORMAT is damaged/],
    ["FORMAT", '{"format":"1"}', "E_DATA_CORRUPT", /FORMAT is damaged/],
    ["FORMAT", "null", "E_DATA_CORRUPT", /FORMAT is damaged/],
    ["FORMAT", "[1]", "E_DATA_CORRUPT", /FORMAT is damaged/],
    ["thesis.txt", "my work", "E_DATA_FOREIGN", /holds "thesis.txt" and no FORMAT/],
    [".hidden", "", "E_DATA_FOREIGN", /holds ".hidden"/],
  ];
  for (const [name, content, code, message] of cases) {
    const path = temporary(t);
    fs.writeFileSync(nodePath.join(path, name), content);
    const before = snapshot(path);
    await assert.rejects(openDataFolder(path), { code, message });
    assert.deepEqual(snapshot(path), before, `${name} ${content}`);
  }
});

test("the data folder: a file in its place", async (t) => {
  const path = nodePath.join(temporary(t), "file");
  fs.writeFileSync(path, "x");
  await assert.rejects(openDataFolder(path), { code: "E_DATA_DENIED" });
  await assert.rejects(openDataFolder(nodePath.join(path, "data")), { code: "E_DATA_DENIED" });
  assert.equal(fs.readFileSync(path, "utf8"), "x");
});

/** Runs a script where `D` is a file system of its own; undefined where that is not possible. */
const onTmpfs = (t: TestContext, options: string, script: string): string[] | undefined => {
  const path = temporary(t);
  if (spawnSync("unshare", ["-rm", "true"]).status !== 0) {
    t.skip("no user and mount namespaces here");
    return undefined;
  }
  const mount = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"';
  const prelude = `const D = ${JSON.stringify(path)};
    const { execFileSync } = await import("node:child_process");
    const remount = (o) => execFileSync("mount", ["-o", "remount," + o, D]);
    const tell = async (work) => console.log(await work().then(() => "done", (e) => e.code));
    const fill = async (files, name) => {
      await using handle = await files.open(name, "create");
      for (let at = 0; ; at += 65536) await handle.write(at, new Uint8Array(65536));
    };`;
  const result = spawnSync(
    "unshare",
    ["-rm", "sh", "-c", mount, "sh", options, path, ...node(prelude + script)],
    { encoding: "utf8" },
  );
  assert.equal(result.stderr, "");
  return result.stdout.trim().split("\n");
};

test("a full disk: clear errors, the old content stays, and room helps", (t) => {
  const told = onTmpfs(
    t,
    "size=16m",
    `const files = openFiles(D);
     await files.replaceFile("a", Buffer.from("old"));
     await tell(() => fill(files, "filler"));
     await tell(() => files.replaceFile("a", new Uint8Array(100_000)));
     console.log(Buffer.from(await files.readFile("a", 9)).toString());
     console.log((await files.list("")).join());
     await tell(async () => {
       await using handle = await files.open("a", "write");
       await handle.writeDurable(0, new Uint8Array(100_000));
     });
     await files.remove("filler");
     await tell(() => files.replaceFile("a", new Uint8Array(100_000)));`,
  );
  if (told === undefined) return;
  assert.deepEqual(told, [
    "E_FILES_FULL",
    "E_FILES_FULL",
    "old",
    "a,filler",
    "E_FILES_FULL",
    "done",
  ]);
});

test("the data folder: a full disk", (t) => {
  const told = onTmpfs(
    t,
    "size=4m",
    `await tell(() => openDataFolder(D));
     remount("size=16m");
     await tell(async () => (await openDataFolder(D))[Symbol.asyncDispose]());
     await tell(() => fill(openFiles(D), "filler"));
     await tell(() => openDataFolder(D));`,
  );
  if (told === undefined) return;
  assert.deepEqual(told, ["E_DATA_FULL", "done", "E_FILES_FULL", "E_DATA_FULL"]);
});

test("the data folder: a read-only file system", (t) => {
  const told = onTmpfs(
    t,
    "size=16m",
    `remount("ro");
     await tell(() => openDataFolder(D + "/new"));
     await tell(() => openDataFolder(D));
     remount("rw");
     await tell(async () => (await openDataFolder(D))[Symbol.asyncDispose]());
     remount("ro");
     await tell(() => openDataFolder(D));
     await tell(() => openFiles(D).replaceFile("a", Buffer.from("x")));
     await tell(() => openFiles(D).remove("FORMAT"));`,
  );
  if (told === undefined) return;
  assert.deepEqual(told, [
    "E_DATA_READ_ONLY",
    "E_DATA_READ_ONLY",
    "done",
    "E_DATA_READ_ONLY",
    "E_FILES_READ_ONLY",
    "E_FILES_READ_ONLY",
  ]);
});

test("every code of the ports says what, why and what next", () => {
  for (const [code, entry] of Object.entries(errors)) {
    for (const text of [entry.what, entry.why, entry.next]) assert.ok(text.length > 10, code);
  }
});
