/**
 * The end at any point: a loss of power at every change of the disk that chain and signer share, and
 * what is found afterwards. Controls: files whose syncs do nothing, and a signer that forgets.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Files, toHex, utf8Encode } from "@ioi/base";
import { carelessFiles, type SimFiles } from "@ioi/sim";
import { chainFolder, chainResetMark } from "@ioi/validator";
import { freshFiles, idOf, Life, openHeaders, quickCrypto, Receipts } from "./support.ts";

interface Run {
  readonly files: SimFiles;
  readonly finished: boolean;
  /** Ids of the blocks that were committed, by height. */
  readonly committed: readonly string[];
}

const lives = 2;
const blocksPerLife = 3;
const settings = { provider: quickCrypto, segmentBlocks: 2, idleMs: 1000 };

const run = async (
  seed: string,
  stopAt: number | undefined,
  show: (files: SimFiles) => Files,
): Promise<Run> => {
  const files = freshFiles(seed);
  const receipts = new Receipts("", quickCrypto);
  const committed: string[] = [];
  if (stopAt !== undefined) files.stopAt(stopAt);
  try {
    for (let life = 0; life < lives; life++) {
      const now = await Life.begin({ files: show(files), receipts, ...settings });
      now.chain.watch((block) => {
        committed[Number(block.header.height)] = idOf(block);
      });
      for (let i = 0; i < blocksPerLife && now.bugs.length === 0; i++) {
        if (i % 2 === 0) now.offer(receipts.tree.size + 3);
        await now.until(now.height + 1);
      }
      await now.end();
      if (now.bugs.length > 0) throw now.bugs[0];
    }
  } catch (error) {
    if (!files.stopped) throw error;
  }
  return { files, finished: !files.stopped, committed };
};

type Finding = "fine" | "lost" | "refused";

/** Everything that was committed is there, the same; the chain goes on, slots and counters rise. */
const examine = async (
  { files, committed }: Run,
  seed: string,
  show: (files: SimFiles) => Files,
): Promise<Finding> => {
  const survivor = files.crash(seed);
  const receipts = new Receipts("", quickCrypto);
  receipts.grow(200);
  let life: Life;
  try {
    life = await Life.begin({ files: show(survivor), receipts, ...settings });
  } catch (error) {
    assert.match(`${(error as { code?: string }).code}`, /^E_(CHAIN_|WAL_)/);
    return "refused";
  }
  try {
    await life.until(Math.max(life.height, committed.length - 1) + 1);
    if (life.bugs.length > 0) throw life.bugs[0];
    let [slot, counter, parent] = [0n, 0n, "00".repeat(32)];
    for (let height = 0; height <= life.height; height++) {
      const block = await life.chain.block(BigInt(height));
      assert.ok(block.ok);
      const { header } = block.value;
      assert.ok(header.slot > slot && block.value.counter > counter, `height ${height}`);
      assert.equal(toHex(header.parent), parent);
      [slot, counter, parent] = [header.slot, block.value.counter, idOf(block.value)];
      const known = committed[height];
      if (known !== undefined && known !== parent) return "lost";
      const root = receipts.tree.root(header.receiptsSize);
      assert.equal(toHex(header.receiptsRoot), toHex(root), `receipts at ${height}`);
    }
    return "fine";
  } finally {
    await life.end();
  }
};

const everyStop = async (
  seed: string,
  show: (files: SimFiles) => Files,
  { first, step }: { readonly first: number; readonly step: number },
): Promise<Record<Finding, number> & { readonly points: number }> => {
  const found = { fine: 0, lost: 0, refused: 0, points: 0 };
  for (let stopAt = first; ; stopAt += step) {
    const end = await run(seed, stopAt, show);
    found[await examine(end, `${stopAt}`, show)] += 1;
    if (end.finished) return { ...found, points: stopAt };
  }
};

// Every change of the disk is a point in one of the tests.
const parts = 4;
for (let first = 0; first < parts; first++) {
  test(`a loss of power at any change, part ${first}: nothing is lost, the chain goes on`, async (t) => {
    const step = { first, step: parts };
    const { lost, refused, points } = await everyStop("power", (files) => files, step);
    assert.deepEqual({ lost, refused }, { lost: 0, refused: 0 });
    assert.ok(points > 40, `${points} points`);
    t.diagnostic(`${points} points`);
  });
}

test("control: with syncs that do nothing, what was committed is lost, or the loss is found", async () => {
  const { lost, refused } = await everyStop("careless", carelessFiles, { first: 0, step: 7 });
  assert.ok(lost + refused > 0);
});

test("the end of the process between the signature and its place on the disk", async () => {
  const files = freshFiles("between");
  const first = await Life.begin({ files, idleMs: 1000 });
  await first.until(1);
  await first.end();
  // The last seal is cut off: as if it had not been written.
  const path = `${chainFolder}/${(await files.list(chainFolder))[0]}`;
  const bytes = await files.readFile(path, 1e7);
  await files.replaceFile(path, bytes.slice(0, -40));
  const second = await Life.begin({ files, idleMs: 1000 });
  assert.ok(second.chain.cutBytes > 0);
  assert.equal(second.height, 1, "the Guardian gives its answer again");
  await second.until(3);
  await second.end();
  assert.deepEqual([...first.bugs, ...second.bugs], []);
});

test("a signer that forgets, or a chain that was set back, is found at the start", async () => {
  const files = freshFiles("forget");
  const first = await Life.begin({ files, idleMs: 1000 });
  await first.until(1);
  await first.end();
  const path = `${chainFolder}/${(await files.list(chainFolder))[0]}`;
  const old = await files.readFile(path, 1e7);
  const oldHeaders = await files.readFile("headers.log", 1e7);
  const second = await Life.begin({ files, idleMs: 1000 });
  await second.until(3);
  await second.end();
  const newest = await files.readFile(path, 1e7);
  await files.replaceFile(path, old);
  await assert.rejects(Life.begin({ files }), { code: "E_CHAIN_BEHIND" });
  await files.replaceFile(path, newest);
  await files.replaceFile("headers.log", oldHeaders);
  await assert.rejects(Life.begin({ files }), { code: "E_CHAIN_AHEAD" });
  await files.remove("headers.log");
  await assert.rejects(Life.begin({ files }), { code: "E_CHAIN_AHEAD" });
});

test("a torn tail is cut with a count; a damaged middle is refused and nothing is written", async () => {
  const files = freshFiles("damage");
  const first = await Life.begin({ files, idleMs: 1000 });
  await first.until(4);
  await first.end();
  const path = `${chainFolder}/${(await files.list(chainFolder))[0]}`;
  const bytes = await files.readFile(path, 1e7);
  for (const at of [5000, 9000, 12_000]) {
    await files.replaceFile(path, bytes.with(at, (bytes[at] ?? 0) ^ 1));
    await assert.rejects(Life.begin({ files }), (error: { code: string; next?: string }) => {
      assert.equal(error.code, "E_WAL_CORRUPT");
      assert.match(`${error.next}`, /chain/);
      return true;
    });
    assert.deepEqual(
      await files.readFile(path, 1e7),
      bytes.with(at, (bytes[at] ?? 0) ^ 1),
      "as it was",
    );
  }
  await files.replaceFile(path, new Uint8Array([...bytes, 1, 2, 3, 4, 5]));
  const life = await Life.begin({ files, idleMs: 1000 });
  assert.equal(life.chain.cutBytes, 5);
  await life.until(5);
  await life.end();
});

test("many files: blocks of each are read, the state goes on from file to file", async () => {
  const files = freshFiles("files");
  const receipts = new Receipts();
  const first = await Life.begin({ files, receipts, segmentBlocks: 4, idleMs: 1000 });
  for (let size = 1; size <= 20; size++) {
    first.offer(size);
    await first.anchored(size);
  }
  const ids = first.blocks.map(idOf);
  await first.end();
  const names = await files.list(chainFolder);
  assert.ok(names.length >= 5, names.join());
  const second = await Life.begin({ files, receipts, segmentBlocks: 4, idleMs: 1000 });
  const heights = [0, 5, 19, 2, 11, 7, 20, 13].filter((height) => height < ids.length);
  for (const height of heights) {
    const block = await second.chain.block(BigInt(height));
    assert.ok(block.ok);
    assert.equal(idOf(block.value), ids[height]);
  }
  const all = second.chain.scan(utf8Encode("receipts/"), 100, undefined);
  assert.ok(all.ok);
  assert.equal(all.value.length, 21);
  await second.end();
  assert.deepEqual([...first.bugs, ...second.bugs], []);
});

test("the headers' own log starts anew at its bound and forgets nothing that counts", async () => {
  const files = freshFiles("anew");
  const life = await Life.begin({ files, idleMs: 1000 });
  await life.until(20);
  await life.end();
  const headers = await openHeaders(files);
  assert.equal(headers.last?.counter, life.chain.head?.counter);
  const { size } = (await files.stat("headers.log")) ?? { size: Number.NaN };
  assert.ok(size < 8 * 4500, `${size} bytes`);
  await headers.close();
});

test("a lost chain begins anew where it is asked to, after the header that was signed last", async () => {
  const files = freshFiles("reset");
  const receipts = new Receipts();
  const first = await Life.begin({ files, receipts, idleMs: 1000 });
  first.offer(5);
  await first.anchored(5);
  await first.until(3);
  const last = first.chain.head;
  await first.end();
  for (const name of await files.list(chainFolder)) await files.remove(`${chainFolder}/${name}`);
  await assert.rejects(Life.begin({ files, receipts }), { code: "E_CHAIN_BEHIND" });
  for (const name of await files.list(chainFolder)) await files.remove(`${chainFolder}/${name}`);
  await files.replaceFile(chainResetMark, new Uint8Array(0));
  const second = await Life.begin({ files, receipts, idleMs: 1000 });
  assert.deepEqual(second.chain.head?.id, last?.id);
  second.offer(9);
  await second.anchored(9);
  const block = second.blocks[0];
  assert.ok(block !== undefined && last !== undefined);
  assert.deepEqual(block.header.parent, last.id);
  assert.equal(block.header.height, last.header.height + 1n);
  assert.ok(block.header.slot > last.header.slot && block.counter > last.counter);
  const lost = await second.chain.block(1n);
  assert.ok(!lost.ok && lost.error.code === "E_CHAIN_NO_BLOCK");
  await second.end();
  assert.equal(await files.stat(chainResetMark), undefined);
  const third = await Life.begin({ files, receipts, idleMs: 1000 });
  await third.until(second.height + 1);
  const proved = await third.chain.query(utf8Encode("receipts/9"), BigInt(third.height));
  assert.ok(proved.ok && proved.value.value !== undefined);
  await third.end();
  assert.deepEqual([...first.bugs, ...second.bugs, ...third.bugs], []);
});
