/** The log files: bounded whatever comes, structured, and without content. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { after, test } from "node:test";
import { logFilesMax, logFileBytesMax, logLineCharsMax } from "../src/limits.ts";
import { LogFiles, logFileName } from "../src/log-files.ts";

const folders: string[] = [];
after(() => {
  for (const folder of folders) fs.rmSync(folder, { recursive: true });
});

const folderOf = (): string => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-logs-"));
  folders.push(folder);
  return folder;
};

const linesOf = (folder: string, name: string = logFileName): string[] =>
  fs.readFileSync(path.join(folder, name), "utf8").split("\n").slice(0, -1);

/** What a process wrote, in pieces. */
const follow = async (logs: LogFiles, pieces: readonly (string | Uint8Array)[]): Promise<void> => {
  const stream = new PassThrough();
  logs.follow(stream, "guardian");
  for (const piece of pieces) {
    stream.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  stream.end();
  await new Promise((resolve) => setImmediate(resolve));
};

const parsed = (line: string | undefined): Record<string, unknown> =>
  JSON.parse(line ?? "null") as Record<string, unknown>;

test("a line is appended for its owner alone, also after a restart", () => {
  const folder = folderOf();
  new LogFiles(folder).write('{"a":1}');
  new LogFiles(folder).write('{"b":2}');
  assert.deepEqual(linesOf(folder), ['{"a":1}', '{"b":2}']);
  assert.equal(fs.statSync(path.join(folder, logFileName)).mode & 0o777, 0o600);
});

test("files are rotated by size and bounded in number, of letters of any width", () => {
  const folder = folderOf();
  let logs = new LogFiles(folder);
  let written = 0;
  for (const letter of ["x", "é", "中", "😀"]) {
    const line = JSON.stringify({ text: letter.repeat(logLineCharsMax / letter.length - 20) });
    const bytes = Buffer.byteLength(line) + 1;
    for (let size = 0; size < logFileBytesMax * 1.6; size += bytes) {
      logs.write(`${line.slice(0, -1)},"n":${written++}}`);
    }
    // A restart in the middle of a file goes on with it.
    logs = new LogFiles(folder);
  }
  const names = fs.readdirSync(folder).toSorted();
  assert.deepEqual(
    names,
    [logFileName, ...[1, 2, 3].map((n) => `${logFileName}.${n}`)].slice(0, logFilesMax),
  );
  for (const name of names) {
    const { size } = fs.statSync(path.join(folder, name));
    assert.ok(size <= logFileBytesMax, `${name}: ${size} bytes`);
    assert.ok(size > 0, name);
  }
  const kept = names
    .toReversed()
    .flatMap((name) => linesOf(folder, name).map((line) => parsed(line)));
  const numbers = kept.map(({ n }) => n as number);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => written - numbers.length + i),
    "the newest ones, none lost between files",
  );
});

test("a line larger than a file is one file, and rotation goes on", () => {
  const folder = folderOf();
  const logs = new LogFiles(folder);
  logs.write("x".repeat(logFileBytesMax + 10));
  logs.write("y");
  assert.deepEqual(linesOf(folder), ["y"]);
  assert.ok(fs.statSync(path.join(folder, `${logFileName}.1`)).size > logFileBytesMax);
});

test("a log that cannot be written stops nothing, and is said to be broken until it can", () => {
  const folder = folderOf();
  const logs = new LogFiles(folder);
  const file = path.join(folder, logFileName);
  logs.write("a");
  fs.rmSync(file);
  fs.mkdirSync(file);
  logs.write("b");
  assert.equal(logs.broken, true);
  fs.rmdirSync(file);
  logs.write("c");
  assert.equal(logs.broken, false);
  assert.deepEqual(linesOf(folder), ["c"]);
});

test("JSON lines pass as they are, however they are cut", async () => {
  const folder = folderOf();
  const line = JSON.stringify({ event: "gate.decided", text: "äß😀".repeat(20) });
  const bytes = Buffer.from(`${line}\n${line}\n`);
  await follow(
    new LogFiles(folder),
    Array.from(bytes, (byte) => Uint8Array.of(byte)),
  );
  assert.deepEqual(linesOf(folder), [line, line]);
});

test("any other line keeps its length and not its text", async () => {
  const folder = folderOf();
  const canary = "kanarienvogel";
  await follow(new LogFiles(folder), [
    `Error: cannot read ${canary}\n`,
    `{"not json": ${canary}}\n`,
    `[1,"${canary}"]\n`,
    `"${canary}"\n`,
    `    throw new Error("${canary}");\n\n\n`,
    `{"long":"${canary.repeat(1000)}"}\n`,
    canary,
  ]);
  const lines = linesOf(folder).map((line) => parsed(line));
  assert.equal(lines.length, 7, "empty lines are none");
  for (const { time, length, ...rest } of lines) {
    assert.ok(typeof time === "string" && typeof length === "number" && length > 0);
    assert.deepEqual(rest, { level: "error", event: "process.stderr", process: "guardian" });
  }
  assert.equal(lines[0]?.["length"], `Error: cannot read ${canary}`.length);
  assert.doesNotMatch(fs.readFileSync(path.join(folder, logFileName), "utf8"), /kanarien/);
});

test("where a crash happened is kept: the lines that name code, and a bounded part of them", async () => {
  const folder = folderOf();
  const frame = "    at open (file:///opt/ioi/packages/guardian/src/gate.ts:1:2)";
  await follow(new LogFiles(folder), [
    `node:internal/process:1\n${frame}\n`,
    `    at ${"x".repeat(2000)}\n`,
  ]);
  const texts = linesOf(folder).map((line) => parsed(line)["text"] as string);
  assert.deepEqual(texts.slice(0, 2), ["node:internal/process:1", frame]);
  assert.equal(texts[2]?.length, 300);
});

test("a line without an end is bounded in memory and in the file", async () => {
  const folder = folderOf();
  await follow(new LogFiles(folder), [
    ...Array.from({ length: 200 }, () => "y".repeat(10_000)),
    "\n",
    '{"after":1}\n',
  ]);
  const lines = linesOf(folder);
  assert.equal(lines.length, 2);
  assert.ok((parsed(lines[0])["length"] as number) <= logLineCharsMax + 10_000);
  assert.equal(lines[1], '{"after":1}');
});

test("the last words of a process that dies in the middle of a line are counted", async () => {
  const folder = folderOf();
  await follow(new LogFiles(folder), ['{"event":"last"}']);
  assert.deepEqual(linesOf(folder), ['{"event":"last"}']);
});
