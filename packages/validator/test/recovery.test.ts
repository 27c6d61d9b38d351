/**
 * The end at any point: a loss of power at every change of the disk that chain and signer share, and
 * what is found afterwards. Controls: files whose syncs do nothing, and a signer that forgets.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Files, toHex, utf8Encode } from "@ioi/base";
import { carelessFiles, type SimFiles, SimRandom } from "@ioi/sim";
import { openWal } from "@ioi/storage";
import { verifyBlockProof } from "@ioi/consensus";
import { chainFolder, chainResetMark, decodeTx } from "@ioi/validator";
import { freshFiles, idOf, Life, openSession, params, quickCrypto, Receipts } from "./support.ts";

interface Tip {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Where the newest block in a file of the chain ends. */
const endOfBlock = async (files: SimFiles, path: string): Promise<number> => {
  const copy = files.crash("copy");
  const wal = await openWal({ files: copy, random: new SimRandom("w"), path, repairHint: "" });
  let [end, last] = [fileHeaderBytes, 0];
  for await (const { type, payload } of wal.read(0)) {
    end += recordOverheadBytes + payload.length;
    if (type === blockRecord) last = end;
  }
  await wal.close();
  return last;
};

const blockRecord = 1;
/** As `@ioi/storage` frames a record, and what its file begins with. */
const recordOverheadBytes = 36;
const fileHeaderBytes = 32;

interface Run {
  readonly files: SimFiles;
  readonly finished: boolean;
  /** Ids of the blocks that were committed, by height. */
  readonly committed: readonly string[];
}

const lives = 2;
const blocksPerLife = 2;
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

const checkpointIn = (tx: Uint8Array): Tip => {
  const decoded = decodeTx(tx);
  assert.ok(decoded.ok);
  const [, size = "", root = ""] = decoded.value.note.split("\n");
  return { size: Number(size), root: new Uint8Array(Buffer.from(root, "base64")) };
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
    let [view, parent] = [0n, toHex(params.chain)];
    for (let height = 1; height <= life.height; height++) {
      const block = await life.chain.block(BigInt(height));
      assert.ok(block.ok);
      const { header, txs } = block.value;
      assert.equal(header.view, view + 1n, `no view is lost, height ${height}`);
      assert.equal(toHex(header.parent), parent);
      [view, parent] = [header.view, idOf(block.value)];
      const known = committed[height];
      if (known !== undefined && known !== parent) return "lost";
      for (const tx of txs) {
        const { size, root } = checkpointIn(tx);
        assert.equal(toHex(root), toHex(receipts.tree.root(size)), `receipts at ${height}`);
      }
    }
    const proof = await life.chain.prove(BigInt(life.height));
    assert.ok(proof.ok && verifyBlockProof(quickCrypto, proof.value, life.chain.startHash).ok);
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

test("the end of the process between the Guardian's answer and its place on the disk", async () => {
  const files = freshFiles("between");
  const first = await Life.begin({ files, idleMs: 1000 });
  await first.until(2);
  const { head } = first.chain;
  await first.end();
  // Everything after the newest block is cut off: votes, certificates, the mark of the commit.
  const path = `${chainFolder}/${(await files.list(chainFolder))[0]}`;
  const bytes = await files.readFile(path, 1e7);
  await files.replaceFile(path, bytes.slice(0, await endOfBlock(files, path)));
  const second = await Life.begin({ files, idleMs: 1000 });
  assert.deepEqual(second.chain.head?.id, head?.id, "the Guardian gives its answer again");
  await second.until(4);
  assert.deepEqual(
    second.blocks.map(({ header }) => header.view),
    second.blocks.map(({ header }) => header.height),
    "no view is lost",
  );
  await second.end();
  assert.deepEqual([...first.bugs, ...second.bugs], []);
});

test("what a life left is gone on with at once", async () => {
  const files = freshFiles("at once");
  const receipts = new Receipts();
  const first = await Life.begin({ files, receipts });
  first.offer(5);
  await first.anchored(5);
  assert.ok((first.chain.shown ?? 0n) < BigInt(first.height), "no header shows the state yet");
  await first.end();
  const second = await Life.begin({ files, receipts });
  for (let step = 0; step < 30; step++) await second.clock.advance(11);
  const proved = await second.chain.query(utf8Encode("receipts/5"), second.chain.shown ?? 0n);
  assert.ok(proved.ok && proved.value.value !== undefined);
  await second.end();
  assert.deepEqual([...first.bugs, ...second.bugs], []);
});

test("a Guardian that forgets, or a chain that was set back, is found at the start", async () => {
  const files = freshFiles("forget");
  const first = await Life.begin({ files, idleMs: 1000 });
  await first.until(2);
  await first.end();
  const path = `${chainFolder}/${(await files.list(chainFolder))[0]}`;
  const old = await files.readFile(path, 1e7);
  const oldSession = await files.readFile("session.log", 1e7);
  const second = await Life.begin({ files, idleMs: 1000 });
  await second.until(5);
  await second.end();
  const newest = await files.readFile(path, 1e7);
  await files.replaceFile(path, old);
  await assert.rejects(Life.begin({ files }), { code: "E_CHAIN_BEHIND" });
  await files.replaceFile(path, newest);
  const newestSession = await files.readFile("session.log", 1e7);
  await files.replaceFile("session.log", oldSession);
  await assert.rejects(Life.begin({ files }), { code: "E_CHAIN_AHEAD" });
  await files.remove("session.log");
  await assert.rejects(Life.begin({ files }), { code: "E_CHAIN_AHEAD" });
  assert.deepEqual(await files.readFile(path, 1e7), newest, "nothing was written");
  await files.replaceFile("session.log", newestSession);
  const third = await Life.begin({ files, idleMs: 1000 });
  await third.until(6);
  await third.end();
});

test("a torn tail is cut with a count; a damaged middle is refused and nothing is written", async () => {
  const files = freshFiles("damage");
  const first = await Life.begin({ files, idleMs: 1000 });
  await first.until(4);
  await first.end();
  const path = `${chainFolder}/${(await files.list(chainFolder))[0]}`;
  const bytes = await files.readFile(path, 1e7);
  for (const at of [5000, 15_000, 25_000]) {
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
  await life.until(6);
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
  assert.deepEqual(first.bugs, []);
  const names = await files.list(chainFolder);
  assert.ok(names.length >= 5, names.join());
  const second = await Life.begin({ files, receipts, segmentBlocks: 4, idleMs: 1000 });
  const heights = [1, 6, 19, 2, 11, 7, 20, 13].filter((height) => height < ids.length);
  for (const height of heights) {
    const block = await second.chain.block(BigInt(height));
    assert.ok(block.ok);
    assert.equal(idOf(block.value), ids[height - 1]);
  }
  const all = second.chain.scan(utf8Encode("receipts/"), 100, undefined);
  assert.ok(all.ok);
  assert.equal(all.value.length, 21);
  await second.end();
  assert.deepEqual([...first.bugs, ...second.bugs], []);
});

test("the session's own log starts anew at its bound and forgets nothing that counts", async () => {
  const files = freshFiles("anew");
  const life = await Life.begin({ files, idleMs: 1000 });
  await life.until(20);
  const { signing } = life.session;
  await life.end();
  const session = await openSession(files);
  assert.deepEqual(session.signing, signing);
  const { size } = (await files.stat("session.log")) ?? { size: Number.NaN };
  assert.ok(size < 8 * 5500, `${size} bytes`);
  await session.close();
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
  // Begun on what was voted for last: the newest committed block, or one above it.
  const { anchor, epoch } = second.chain.epochStart;
  assert.equal(epoch.number, 1n);
  assert.ok(last !== undefined && anchor.height >= last.header.height);
  second.offer(9);
  await second.anchored(9);
  const [block] = second.blocks;
  assert.ok(block !== undefined);
  assert.deepEqual(block.header.parent, anchor.digest);
  assert.equal(block.header.height, anchor.height + 1n);
  assert.ok(block.header.view > last.header.view && block.header.timeMs > last.header.timeMs);
  const lost = await second.chain.block(1n);
  assert.ok(!lost.ok && lost.error.code === "E_CHAIN_NO_BLOCK");
  await second.end();
  assert.equal(await files.stat(chainResetMark), undefined);
  const third = await Life.begin({ files, receipts, idleMs: 1000 });
  await third.until(second.height + 4);
  const proved = await third.chain.query(utf8Encode("receipts/9"), third.chain.shown ?? 0n);
  assert.ok(proved.ok && proved.value.value !== undefined);
  await third.end();
  assert.deepEqual([...first.bugs, ...second.bugs, ...third.bugs], []);
});
