/** A chain of format 1 goes on, and what does not fit is refused without a change. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, utf8Encode } from "@ioi/base";
import { SimRandom } from "@ioi/sim";
import { openWal } from "@ioi/storage";
import { chainFolder, chainResetMark } from "@ioi/validator";
import { writeFormer } from "./former.ts";
import { freshFiles, Life, Receipts } from "./support.ts";

const formerPath = `${chainFolder}/blocks-0000000000000000.log`;

for (const lastSeal of [true, false]) {
  const what = lastSeal ? "whole" : "whose last signature the Guardian has alone";
  test(`a chain of format 1, ${what}, goes on with its state, and its files stay`, async () => {
    const files = freshFiles("former");
    const receipts = new Receipts();
    const { head, height, timeMs } = await writeFormer(files, receipts, [2, 5, 9], lastSeal);
    const kept = await files.readFile(formerPath, 1e7);
    const headers = await files.readFile("headers.log", 1e7);
    const life = await Life.begin({ files, receipts });
    const { anchor } = life.chain.epochStart;
    assert.deepEqual([toHex(anchor.digest), anchor.height, anchor.timeMs], [head, height, timeMs]);
    assert.equal(life.chain.tip.size, 9);
    life.offer(12);
    await life.anchored(12);
    await life.shown();
    assert.equal(toHex(life.blocks[0]?.header.parent ?? new Uint8Array(0)), head);
    assert.equal(life.blocks[0]?.header.height, height + 1n);
    for (const name of ["receipts/2", "receipts/9", "receipts/12"]) {
      const proved = await life.chain.query(utf8Encode(name), life.chain.shown ?? 0n);
      assert.ok(proved.ok && proved.value.value !== undefined, name);
    }
    await life.end();
    assert.deepEqual(await files.readFile(formerPath, 1e7), kept);
    assert.deepEqual(await files.readFile("headers.log.format-1", 1e7), headers);
    assert.equal(await files.stat("headers.log"), undefined);
    const next = await Life.begin({ files, receipts });
    next.offer(13);
    await next.anchored(13);
    await next.end();
    assert.deepEqual([...life.bugs, ...next.bugs], []);
  });
}

test("an end at any change of the disk during the migration: the next start goes on", async () => {
  const receipts = new Receipts();
  const written = freshFiles("written");
  await writeFormer(written, receipts, [2, 5]);
  for (let stopAt = 0; ; stopAt++) {
    // After a crash of a disk on which everything is durable, changes are counted anew.
    const files = written.crash("none");
    files.stopAt(stopAt);
    let isWhole = false;
    try {
      const life = await Life.begin({ files, receipts });
      isWhole = !files.stopped;
      await life.end();
    } catch (error) {
      if (!files.stopped) throw error;
    }
    const next = await Life.begin({ files: files.crash(`${stopAt}`), receipts });
    next.offer(7);
    await next.anchored(7);
    const proved = next.chain.scan(utf8Encode("receipts/"), 10, undefined);
    assert.ok(proved.ok && proved.value.length === 4, `stopped at ${stopAt}`);
    await next.end();
    assert.deepEqual(next.bugs, []);
    if (isWhole) {
      assert.ok(stopAt > 10, `${stopAt} changes`);
      return;
    }
  }
});

test("a former chain that does not fit the Guardian is refused, and nothing is written", async () => {
  const receipts = new Receipts();
  const files = freshFiles("unfit");
  await writeFormer(files, receipts, [2, 5, 9]);
  const whole = await files.readFile(formerPath, 1e7);
  const headers = await files.readFile("headers.log", 1e7);
  const older = freshFiles("older");
  await writeFormer(older, receipts, [2, 5]);
  const stays = async (code: string): Promise<void> => {
    const before = await files.readFile(formerPath, 1e7);
    await assert.rejects(Life.begin({ files, receipts }), { code });
    assert.deepEqual(await files.readFile(formerPath, 1e7), before);
    assert.deepEqual(await files.list(chainFolder), ["blocks-0000000000000000.log"]);
  };
  await files.replaceFile(formerPath, await older.readFile(formerPath, 1e7));
  await stays("E_CHAIN_BEHIND");
  await files.replaceFile(formerPath, whole);
  await files.replaceFile("headers.log", await older.readFile("headers.log", 1e7));
  await stays("E_CHAIN_BEHIND");
  await files.remove("headers.log");
  await stays("E_CHAIN_AHEAD");
  await files.replaceFile("headers.log", headers);
  await files.replaceFile(formerPath, whole.with(3000, (whole[3000] ?? 0) ^ 1));
  await stays("E_WAL_CORRUPT");
  // The control, and the way out for who lost the blocks.
  await files.remove(formerPath);
  await assert.rejects(Life.begin({ files, receipts }), { code: "E_CHAIN_BEHIND" });
  await files.replaceFile(chainResetMark, new Uint8Array(0));
  const life = await Life.begin({ files, receipts });
  assert.equal(life.chain.epochStart.anchor.height, 2n);
  await life.end();
});

test("a file of a newer format is refused, and nothing is written", async () => {
  const files = freshFiles("newer");
  const life = await Life.begin({ files });
  await life.until(1);
  await life.end();
  const [name] = await files.list(chainFolder);
  const path = `${chainFolder}/${name}`;
  await files.remove(path);
  const wal = await openWal({ files, random: new SimRandom("n"), path, repairHint: "" });
  await wal.appendDurable(0x103, new Uint8Array(5));
  await wal.close();
  const before = await files.readFile(path, 1e7);
  await assert.rejects(Life.begin({ files }), { code: "E_CHAIN_NEWER" });
  assert.deepEqual(await files.readFile(path, 1e7), before);
});
