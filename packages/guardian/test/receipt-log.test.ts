/**
 * The receipt log alone: order, durability at every point where the machine can stop, and the tree
 * against a recomputation that shares no code with it.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { SeededRandom, unwrap } from "@ioi/base";
import { verifyCheckpoint } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles } from "@ioi/sim";
import { openWal } from "@ioi/storage";
import { type Leaf, leaf as leafSchema, schema } from "@ioi/wire";
import {
  checkpointsPath,
  type LoggedLeaf,
  ReceiptLog,
  receiptsPath,
  type SignedCheckpoint,
  verifyLog,
} from "../src/index.ts";
import { codeOf } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const identity = unwrap(nodeCrypto.importPrivate("ml-dsa-65", new Uint8Array(32).fill(3)), "key");
const origin = "ioi.test/receipts";
const hash = new Uint8Array(32).fill(1);

const leafOf = (n: number): Leaf =>
  n % 3 === 0
    ? { type: "policy", atMs: n, policyHash: hash }
    : { type: "revoke", atMs: n, session: `s-${n % 5}`, reason: "x".repeat(n % 256) };

const openLog = async (
  files: SimFiles,
  durable = true,
): Promise<{ log: ReceiptLog; found: Leaf[] }> => {
  const found: Leaf[] = [];
  const random = new SeededRandom("salt");
  const options = { files, random, provider: nodeCrypto, identity, origin, durable };
  const log = await ReceiptLog.open(options, (leaf, index) => {
    assert.equal(index, found.length);
    found.push(leaf);
  });
  return { log, found };
};

/** RFC 9162, section 2.1.1, word for word: MTH of a list. */
const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array => {
  const { length } = leaves;
  const first = leaves[0];
  if (first === undefined) return nodeCrypto.sha256(new Uint8Array());
  if (length === 1) return nodeCrypto.sha256(Buffer.concat([Uint8Array.of(0), first]));
  let k = 1;
  while (k * 2 < length) k *= 2;
  const [left, right] = [merkleRoot(leaves.slice(0, k)), merkleRoot(leaves.slice(k))];
  return nodeCrypto.sha256(Buffer.concat([Uint8Array.of(1), left, right]));
};

const rootOf = (leaves: readonly Leaf[]): Uint8Array =>
  merkleRoot(leaves.map((leaf) => schema.encode(leafSchema, leaf)));

test("indices follow the order of the calls, whoever waits for what", async () => {
  const { log } = await openLog(new SimFiles({ seed: "order" }));
  const calls = Array.from({ length: 200 }, (_, n) =>
    n % 4 === 1 ? log.appendSoon(leafOf(n)) : log.append(leafOf(n)),
  );
  const logged = await Promise.all(calls);
  assert.deepEqual(
    logged.map(({ index }) => index),
    Array.from({ length: 200 }, (_, n) => n),
  );
  let n = 0;
  for await (const { index, leaf, hash: read, encoded } of log.read(0)) {
    assert.deepEqual([index, leaf], [n, leafOf(n)]);
    assert.deepEqual(read, logged[n]?.hash);
    assert.deepEqual(encoded, schema.encode(leafSchema, leafOf(n)));
    n++;
  }
  assert.equal(n, 200);
});

test("the root of every size is that of RFC 9162, recomputed", async () => {
  const { log } = await openLog(new SimFiles({ seed: "root" }));
  const leaves: Leaf[] = [];
  for (let n = 0; n < 40; n++) {
    leaves.push(leafOf(n));
    await log.append(leafOf(n));
    const { size, root } = await log.checkpoint();
    assert.equal(size, n + 1);
    assert.deepEqual(root, rootOf(leaves), `of ${size}`);
  }
});

test("a reopened log is the same log", async () => {
  const files = new SimFiles({ seed: "again" });
  const { log } = await openLog(files);
  for (let n = 0; n < 25; n++) await log.append(leafOf(n));
  const before = await log.checkpoint();
  await log.close();
  const again = await openLog(files);
  assert.deepEqual(
    again.found,
    Array.from({ length: 25 }, (_, n) => leafOf(n)),
  );
  assert.equal(again.log.size, 25);
  assert.equal(again.log.cutBytes, 0);
  assert.deepEqual((await again.log.checkpoint()).root, before.root);
  assert.equal((await again.log.append(leafOf(25))).index, 25);
});

test("a checkpoint verifies under the identity, and both files offline", async () => {
  const files = new SimFiles({ seed: "offline" });
  const { log } = await openLog(files);
  for (let n = 0; n < 7; n++) await log.append(leafOf(n));
  const { note, size, root } = await log.checkpoint();
  const key = { name: origin, publicKey: identity.publicKey };
  const opened = unwrap(verifyCheckpoint(nodeCrypto, key, note), "note");
  assert.deepEqual([opened.size, opened.root], [size, root]);
  await log.append(leafOf(7));
  await log.close();
  const receipts = await files.readFile(receiptsPath, 1e6);
  const checkpoints = await files.readFile(checkpointsPath, 1e6);
  const report = verifyLog(nodeCrypto, { receipts, checkpoints }, identity.publicKey);
  assert.deepEqual([report.ok, report.size, report.checked], [true, 8, 7]);
});

test("how many leaves no checkpoint covers is known", async () => {
  const { log } = await openLog(new SimFiles({ seed: "count" }));
  assert.equal(log.uncheckpointed, 0);
  for (let n = 0; n < 5; n++) await log.append(leafOf(n));
  assert.equal(log.uncheckpointed, 5);
  await log.checkpoint();
  assert.equal(log.uncheckpointed, 0);
  await log.append(leafOf(5));
  assert.equal(log.uncheckpointed, 1);
});

test("a record that is no leaf, or of another type, ends the opening and names itself", async () => {
  for (const [type, payload] of [
    [1, Uint8Array.of(0xff)],
    [1, schema.encode(leafSchema, leafOf(1)).subarray(1)],
    [2, schema.encode(leafSchema, leafOf(1))],
  ] as const) {
    const files = new SimFiles({ seed: "foreign" });
    const { log } = await openLog(files);
    await log.append(leafOf(0));
    await log.close();
    const random = new SeededRandom("x");
    const wal = await openWal({ files, random, path: receiptsPath, repairHint: "" });
    await wal.appendDurable(type, payload);
    await wal.close();
    await assert.rejects(openLog(files), { code: "E_RECEIPTS_CORRUPT", message: /record 1/ });
  }
});

test("a changed byte of a durable leaf is refused on opening, naming the record", async () => {
  const files = new SimFiles({ seed: "damage" });
  const { log } = await openLog(files);
  for (let n = 0; n < 4; n++) await log.append(leafOf(n));
  await log.close();
  const bytes = await files.readFile(receiptsPath, 1e6);
  const at = 32 + 36 + 10;
  await files.replaceFile(receiptsPath, bytes.with(at, (bytes[at] ?? 0) ^ 1));
  await assert.rejects(openLog(files), { code: "E_WAL_CORRUPT", message: /record 0/ });
});

test("a log cut back below a checkpoint of its own is refused; counters would repeat", async () => {
  const files = new SimFiles({ seed: "rollback" });
  const { log } = await openLog(files);
  for (let n = 0; n < 3; n++) await log.append(leafOf(n));
  const old = await files.readFile(receiptsPath, 1e6);
  for (let n = 3; n < 6; n++) await log.append(leafOf(n));
  await log.checkpoint();
  await log.close();
  await files.replaceFile(receiptsPath, old);
  await assert.rejects(openLog(files), { code: "E_RECEIPTS_CORRUPT", message: /checkpoint/ });
  // The control: without the checkpoint the old log is a log like any other.
  await files.remove(checkpointsPath);
  assert.equal((await openLog(files)).log.size, 3);
});

test("a log with other leaves than its checkpoint signed is refused", async () => {
  const files = new SimFiles({ seed: "other" });
  const { log } = await openLog(files);
  for (let n = 0; n < 3; n++) await log.append(leafOf(n));
  await log.checkpoint();
  await log.close();
  const other = new SimFiles({ seed: "other" });
  const forged = await openLog(other);
  for (let n = 10; n < 14; n++) await forged.log.append(leafOf(n));
  await forged.log.close();
  await files.replaceFile(receiptsPath, await other.readFile(receiptsPath, 1e6));
  await assert.rejects(openLog(files), { code: "E_RECEIPTS_CORRUPT", message: /checkpoint/ });
});

test("a leaf that would not decode is not written", async () => {
  const files = new SimFiles({ seed: "bound" });
  const { log } = await openLog(files);
  const long: Leaf = { type: "revoke", atMs: 1, session: "s", reason: "x".repeat(257) };
  await assert.rejects(log.append(long));
  await assert.rejects(log.appendSoon({ ...long, reason: "\ud800" }));
  assert.equal((await log.append(leafOf(1))).index, 0);
  await log.close();
  assert.deepEqual((await openLog(files)).found, [leafOf(1)]);
});

interface Life {
  readonly files: SimFiles;
  /** Leaves whose durable append returned, by index. */
  readonly promised: Map<number, Leaf>;
  readonly checkpoints: SignedCheckpoint[];
  readonly finished: boolean;
}

/** Three lives of appends of every kind; stops at one point. */
const live = async (seed: string, stopAt: number | undefined, durable: boolean): Promise<Life> => {
  const files = new SimFiles({ seed });
  if (stopAt !== undefined) files.stopAt(stopAt);
  const random = new SeededRandom(seed);
  const promised = new Map<number, Leaf>();
  const checkpoints: SignedCheckpoint[] = [];
  let n = 0;
  const keep = async (leaf: Leaf, logged: Promise<LoggedLeaf>): Promise<void> => {
    promised.set((await logged).index, leaf);
  };
  try {
    for (let generation = 0; generation < 3; generation++) {
      const { log } = await openLog(files, durable);
      for (let i = 0; i < 4; i++) {
        const group = Array.from({ length: 1 + random.below(3) }, () => leafOf(n++));
        const soon = random.chance(1, 3) ? log.appendSoon(leafOf(n++)) : undefined;
        const noted = random.chance(1, 4) ? log.checkpoint() : undefined;
        await Promise.all([
          ...group.map((leaf) => keep(leaf, log.append(leaf))),
          soon,
          noted?.then((checkpoint) => checkpoints.push(checkpoint)),
        ]);
      }
      await log.close();
    }
  } catch (error) {
    if (!files.stopped) throw error;
  }
  // Failures of one cause arrive apart: those behind the first settle before the crash.
  await new Promise((resolve) => setImmediate(resolve));
  return { files, promised, checkpoints, finished: !files.stopped };
};

interface Losses {
  readonly lost: number;
  readonly refused: number;
  readonly points: number;
}

const everyStop = async (seed: string, durable: boolean): Promise<Losses> => {
  let [lost, refused] = [0, 0];
  for (let stopAt = 0; ; stopAt++) {
    const life = await live(seed, stopAt, durable);
    for (let i = 0; i < (inner ? 2 : 8); i++) {
      const survivor = life.files.crash(String(i));
      const opened = await openLog(survivor).catch(() => undefined);
      if (opened === undefined) {
        refused++;
        continue;
      }
      const { found, log } = opened;
      const missing = [...life.promised].filter(
        ([index, leaf]) => !isDeepStrictEqual({ ...found[index] }, leaf),
      );
      if (missing.length > 0) lost++;
      for (const { size, root } of life.checkpoints) {
        assert.ok(size <= found.length, `a checkpoint of ${size} over ${found.length} leaves`);
        assert.deepEqual(rootOf(found.slice(0, size)), root);
      }
      const [receipts, checkpoints] = [
        await survivor.readFile(receiptsPath, 1e6),
        await survivor.readFile(checkpointsPath, 1e6),
      ];
      const report = verifyLog(nodeCrypto, { receipts, checkpoints }, identity.publicKey);
      const newest = Math.max(0, ...life.checkpoints.map(({ size }) => size));
      assert.ok(report.ok && report.checked >= newest, "a checkpoint that was told is kept");
      assert.deepEqual((await log.checkpoint()).root, rootOf(found), "the tree of what is there");
    }
    if (life.finished) return { lost, refused, points: stopAt };
  }
};

for (const seed of ["one", "two"]) {
  test(`seed ${seed}: whatever index was returned is there after any crash`, async () => {
    const { lost, refused, points } = await everyStop(seed, true);
    assert.deepEqual({ lost, refused }, { lost: 0, refused: 0 });
    assert.ok(points > 25, `${points} points`);
  });
}

test("the control: a volatile log loses some of them", async () => {
  const random = new SeededRandom("volatile");
  const files = new SimFiles({ seed: "volatile" });
  const { log } = await openLog(files, false);
  const first = await log.append(leafOf(random.below(9)));
  assert.equal(first.index, 0);
  let lost = 0;
  for (let i = 0; i < 40; i++) {
    if ((await openLog(files.crash(String(i)))).found.length === 0) lost++;
  }
  assert.ok(lost > 0 && lost < 40, `${lost} of 40`);
});

test("after a failed sync nothing is promised any more, and a restart is sound", async () => {
  const files = new SimFiles({ seed: "sync" });
  const { log } = await openLog(files);
  await log.append(leafOf(0));
  files.failSync();
  assert.equal(await codeOf(log.append(leafOf(1))), "E_WAL_POISONED");
  assert.equal(await codeOf(log.append(leafOf(2))), "E_WAL_POISONED");
  assert.equal(await codeOf(log.checkpoint()), "E_WAL_POISONED");
  assert.equal(log.size, 1, "the tree holds what was promised");
  const { found } = await openLog(files.kill());
  assert.deepEqual(found[0], leafOf(0));
});

test("on a full disk a leaf is refused, and goes in once there is room", async () => {
  const files = new SimFiles({ seed: "full" });
  const { log } = await openLog(files);
  await log.append(leafOf(0));
  files.setBytesMax(0);
  const codes = await Promise.all([1, 2, 3].map((n) => codeOf(log.append(leafOf(n)))));
  assert.deepEqual(codes, ["E_WAL_FULL", "E_WAL_FULL", "E_WAL_FULL"]);
  files.setBytesMax(Number.POSITIVE_INFINITY);
  assert.equal((await log.append(leafOf(4))).index, 1);
  await log.close();
  assert.deepEqual((await openLog(files)).found, [leafOf(0), leafOf(4)]);
});
