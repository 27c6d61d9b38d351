/** The log in use: order, group commit, failures of the disk, bounds. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import nodePath from "node:path";
import { test } from "node:test";
import type { FileHandle, Files } from "@ioi/base";
import { OperationError, utf8Encode } from "@ioi/base";
import { openFiles, systemRandom } from "@ioi/host/ports";
import { SimFiles } from "@ioi/sim";
import { errors, openWal, scanWal, walPayloadBytesMax, walQueueMax } from "../src/index.ts";
import { bytesOf, openLog, path, payloadOf, readAll, repairHint } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const text = (n: number): { type: number; text: string } => ({
  type: n,
  text: Buffer.from(payloadOf(n)).toString(),
});

test("what was appended is read, from any record on, also after opening again", async () => {
  const files = new SimFiles({ seed: "s" });
  {
    await using log = await openLog(files);
    assert.deepEqual(log.recovery, { records: 0, cutBytes: 0 });
    for (let n = 0; n < 10; n++) {
      const append = n % 2 === 0 ? log.append(n, payloadOf(n)) : log.appendDurable(n, payloadOf(n));
      assert.deepEqual(await append, { sequence: n });
    }
    assert.equal(log.records, 10);
    assert.deepEqual(await readAll(log, 7), [text(7), text(8), text(9)]);
    assert.deepEqual(await readAll(log, 10), []);
    assert.deepEqual(await readAll(log, 99), []);
  }
  await using log = await openLog(files);
  assert.deepEqual(log.recovery, { records: 10, cutBytes: 0 });
  assert.deepEqual(
    await readAll(log),
    Array.from({ length: 10 }, (_, n) => text(n)),
  );
  assert.deepEqual(await log.appendDurable(2 ** 32 - 1, new Uint8Array()), { sequence: 10 });
  assert.deepEqual(await readAll(log, 10), [{ type: 2 ** 32 - 1, text: "" }]);
});

test("reading is of the records that are there at the call", async () => {
  const files = new SimFiles({ seed: "s" });
  await using log = await openLog(files);
  for (let n = 0; n < 3; n++) await log.append(n, payloadOf(n));
  const read: number[] = [];
  for await (const { sequence } of log.read(1)) {
    read.push(sequence);
    await log.append(9, payloadOf(9));
  }
  assert.deepEqual(read, [1, 2]);
});

/** Counts what reaches the disk. */
const counting = (files: Files, count: Record<string, number>): Files => {
  const wrap = (handle: FileHandle): FileHandle =>
    new Proxy(handle, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (typeof name === "string") count[name] = (count[name] ?? 0) + 1;
          return Reflect.apply(value, target, args);
        };
      },
    });
  return new Proxy(files, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "open") return value.bind(target);
      return async (at: string, mode: "read" | "write" | "create") =>
        wrap(await target.open(at, mode));
    },
  });
};

test("concurrent appends share one write and one sync, in the order of the calls", async () => {
  const count: Record<string, number> = {};
  await using log = await openLog(counting(new SimFiles({ seed: "s" }), count));
  const before = { ...count };
  const appends = Array.from({ length: 50 }, (_, n) =>
    n % 3 === 0 ? log.append(n, payloadOf(n)) : log.appendDurable(n, payloadOf(n)),
  );
  assert.deepEqual(
    await Promise.all(appends),
    appends.map((_, sequence) => ({ sequence })),
  );
  assert.equal(count["writeDurable"], 1);
  assert.equal(count["write"], before["write"]);
  assert.equal(count["sync"], before["sync"]);
  await log.flush();
  assert.equal(count["sync"], before["sync"], "nothing is left to flush");
  await Promise.all([log.append(1, payloadOf(1)), log.append(2, payloadOf(2))]);
  assert.equal(count["write"], (before["write"] ?? 0) + 1);
  await Promise.all([log.flush(), log.flush()]);
  assert.equal(count["sync"], (before["sync"] ?? 0) + 1, "two flushes share one sync");
});

test("flush covers what was appended before it and is not written yet", async () => {
  const files = new SimFiles({ seed: "s" });
  await using log = await openLog(files);
  const append = log.append(1, payloadOf(1));
  await log.flush();
  await append;
  for (let i = 0; i < 20; i++) {
    await using after = await openLog(files.crash(`${i}`));
    assert.deepEqual(await readAll(after), [text(1)]);
  }
});

test("what was recovered is durable, though it was only written before", async () => {
  for (let i = 0; i < 20; i++) {
    const files = new SimFiles({ seed: `${i}` });
    const log = await openLog(files);
    await log.append(0, payloadOf(0));
    const disk = files.kill();
    await using next = await openLog(disk);
    assert.equal(next.recovery.records, 1);
    await next.flush();
    await using last = await openLog(disk.crash("power"));
    assert.deepEqual(await readAll(last), [text(0)]);
  }
});

test("after a failed sync every later append is rejected; opening again recovers", async () => {
  const files = new SimFiles({ seed: "s" });
  const log = await openLog(files);
  await log.appendDurable(0, payloadOf(0));
  files.failSync();
  const failed = [log.appendDurable(1, payloadOf(1)), log.append(2, payloadOf(2))];
  const late = failed.map((it) => assert.rejects(it, { code: "E_WAL_POISONED" }));
  await Promise.all(late);
  for (const again of [
    () => log.append(3, payloadOf(3)),
    () => log.appendDurable(3, payloadOf(3)),
    () => log.flush(),
  ]) {
    await assert.rejects(again(), {
      code: "E_WAL_POISONED",
      message: "it.log: sync it.log: simulated",
    });
  }
  assert.deepEqual(await readAll(log), [text(0)]);
  await log.close();
  await using next = await openLog(files.kill());
  assert.ok(next.recovery.records >= 1);
  assert.deepEqual((await readAll(next))[0], text(0));
});

test("what a failed sync dropped is stored again before it is relied on", async () => {
  for (let i = 0; i < (inner ? 6 : 40); i++) {
    const files = new SimFiles({ seed: `${i}` });
    const log = await openLog(files);
    // Larger than a sector, so that a later append does not store them by the way.
    await log.appendDurable(0, new Uint8Array(2000).fill(0x30));
    await log.append(1, new Uint8Array(2000).fill(0x31));
    files.failSync();
    await assert.rejects(log.appendDurable(2, new Uint8Array(2000).fill(0x32)), {
      code: "E_WAL_POISONED",
    });
    // The page cache still shows all three, and the next process believes it.
    const disk = files.kill();
    {
      await using next = await openLog(disk);
      assert.equal(next.recovery.records, 3);
      await next.appendDurable(3, payloadOf(3));
    }
    await using last = await openLog(disk.crash("power"));
    const large = [0, 1, 2].map((n) => ({ type: n, text: `${n}`.repeat(2000) }));
    assert.deepEqual(await readAll(last), [...large, text(3)]);
  }
});

test("a full disk rejects what does not fit, and the log goes on when there is room", async () => {
  const files = new SimFiles({ seed: "s" });
  {
    await using log = await openLog(files);
    await log.appendDurable(0, payloadOf(0));
    const size = (await bytesOf(files)).length;
    files.setBytesMax(size + 50);
    for (const append of [
      log.appendDurable(1, payloadOf(1)),
      log.append(2, payloadOf(2)),
      log.appendDurable(3, payloadOf(3)),
    ]) {
      await assert.rejects(append, { code: "E_WAL_FULL", retryable: true });
    }
    assert.equal((await bytesOf(files)).length, size, "the part that did fit is cut off");
    await assert.rejects(log.append(4, payloadOf(4)), { code: "E_WAL_FULL" });
    files.setBytesMax(1_000_000);
    assert.deepEqual(await log.appendDurable(5, payloadOf(5)), { sequence: 1 });
  }
  await using log = await openLog(files.crash("power"));
  assert.deepEqual(await readAll(log), [text(0), text(5)]);
});

test("a disk that turns read-only poisons the log", async () => {
  const files = new SimFiles({ seed: "s" });
  const log = await openLog(files);
  files.setReadOnly(true);
  await assert.rejects(log.append(0, payloadOf(0)), { code: "E_WAL_POISONED" });
  files.setReadOnly(false);
  await assert.rejects(log.append(0, payloadOf(0)), { code: "E_WAL_POISONED" });
  await log.close();
});

test("closing stores what waits; a closed log is a bug to use", async () => {
  const files = new SimFiles({ seed: "s" });
  const log = await openLog(files);
  const append = log.append(0, payloadOf(0));
  await Promise.all([log.close(), log.close()]);
  await append;
  for (const use of [
    () => log.append(1, payloadOf(1)),
    () => log.flush(),
    () => log.read(0).next(),
  ]) {
    await assert.rejects(use(), { name: "InvariantError" });
  }
  for (let i = 0; i < 20; i++) {
    await using after = await openLog(files.crash(`${i}`));
    assert.deepEqual(await readAll(after), [text(0)]);
  }
});

test("bounds: the payload, the type, the queue", async () => {
  const files = new SimFiles({ seed: "s", sectorBytes: 4096 });
  await using log = await openLog(files);
  const large = new Uint8Array(walPayloadBytesMax + 1);
  await assert.rejects(log.append(0, large), { name: "InvariantError" });
  for (const type of [-1, 1.5, 2 ** 32]) {
    await assert.rejects(log.append(type, payloadOf(0)), { name: "InvariantError" });
  }
  await log.append(0, large.subarray(1));
  const all = Array.from({ length: walQueueMax + 10 }, () => log.append(1, new Uint8Array(1)));
  const results = await Promise.allSettled(all);
  const rejected = results.filter(({ status }) => status === "rejected");
  assert.equal(rejected.length, 10);
  for (const result of rejected) {
    assert.ok(result.status === "rejected" && result.reason instanceof OperationError);
    assert.equal(result.reason.code, "E_WAL_BUSY");
    assert.equal(result.reason.retryable, true);
  }
  assert.equal(log.records, 1 + walQueueMax);
  const held = await log.append(2, payloadOf(2));
  assert.equal(held.sequence, log.records - 1);
  const bytes = await files.readFile(path, 40_000_000);
  assert.equal(scanWal(bytes).records, log.records);
});

test("damage that appears while the log is open is found on reading", async () => {
  const files = new SimFiles({ seed: "s" });
  await using log = await openLog(files);
  await log.append(0, payloadOf(0));
  await log.append(1, payloadOf(1));
  await using other = await files.open(path, "write");
  await other.write((await other.size()) - 10, utf8Encode("!"));
  await assert.rejects(readAll(log), { code: "E_WAL_CORRUPT", message: /record 1 at byte/ });
});

test("on a real disk", async (t) => {
  const root = fs.mkdtempSync(nodePath.join(os.tmpdir(), "ioi-wal-"));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  const files = openFiles(root);
  const options = { files, path: "real.log", random: systemRandom, repairHint };
  {
    await using log = await openWal(options);
    await Promise.all([0, 1, 2].map((n) => log.appendDurable(n, payloadOf(n))));
    await log.append(3, payloadOf(3));
  }
  fs.appendFileSync(nodePath.join(root, "real.log"), "torn");
  await using log = await openWal(options);
  assert.deepEqual(log.recovery, { records: 4, cutBytes: 4 });
  assert.deepEqual(await readAll(log), [0, 1, 2, 3].map(text));
  assert.equal(fs.statSync(nodePath.join(root, "real.log")).mode & 0o777, 0o600);
});

test("every code of storage says what, why and what next", () => {
  for (const [code, entry] of Object.entries(errors)) {
    for (const say of [entry.what, entry.why, entry.next]) assert.ok(say.length > 10, code);
  }
});
