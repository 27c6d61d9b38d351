/** The chain while it runs: when blocks come, what they hold, what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, fromHex, toHex, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { jellyfish } from "@ioi/state";
import { decodeTx, verifySeal } from "@ioi/validator";
import { anchoredCheckpoint, schema } from "@ioi/wire";
import { freshFiles, identity, Life, openHeaders, params, Receipts, stranger } from "./support.ts";

test("a first block at once, one for what there is to commit, one when the time is over", async () => {
  const life = await Life.begin({ files: freshFiles("time"), idleMs: 60_000 });
  await life.until(0);
  await life.clock.advance(30_000);
  assert.equal(life.height, 0, "nothing to commit, and the time is not over");
  life.offer(3);
  await life.anchored(3);
  assert.equal(life.height, 1);
  await life.clock.advance(58_000);
  assert.equal(life.height, 1);
  await life.clock.advance(3000);
  assert.equal(life.height, 2);
  assert.deepEqual(
    life.blocks
      .map(({ header, counter, txs }) => ({ ...header, counter, txs: txs.length }))
      .map(({ slot, height, counter, txs, receiptsSize }) => [
        slot,
        height,
        counter,
        txs,
        receiptsSize,
      ]),
    [
      [1n, 0n, 1n, 0, 0],
      [2n, 1n, 2n, 1, 3],
      [3n, 2n, 3n, 0, 3],
    ],
  );
  for (const block of life.blocks) {
    assert.ok(verifySeal(nodeCrypto, identity.publicKey, block.encoded, block));
  }
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("every checkpoint extends the one before, with its proof; the state says which", async () => {
  const life = await Life.begin({ files: freshFiles("grow") });
  await life.until(0);
  for (const size of [1, 2, 7, 8, 100, 101]) {
    life.offer(size);
    await life.anchored(size);
    const { head } = life.chain;
    assert.equal(head?.header.receiptsSize, size);
    assert.deepEqual(head.header.receiptsRoot, life.receipts.tree.root(size));
    const proved = await life.chain.query(utf8Encode(`receipts/${size}`), head.header.height);
    assert.ok(proved.ok && proved.value.value !== undefined);
    const stored = schema.decode(anchoredCheckpoint, proved.value.value);
    assert.ok(stored.ok);
    assert.deepEqual([stored.value.size, stored.value.height], [size, head.header.height]);
    const entry = { key: utf8Encode(`receipts/${size}`), value: proved.value.value };
    const root = head.header.stateRoot;
    assert.ok(jellyfish.verifyPresent(nodeCrypto, root, entry, proved.value.proof).ok);
  }
  const absent = await life.chain.query(utf8Encode("receipts/5"), 3n);
  assert.ok(absent.ok && absent.value.value === undefined);
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("checkpoints that come faster than blocks: each block extends, the newest gets in", async () => {
  const life = await Life.begin({ files: freshFiles("fast") });
  life.receipts.grow(500);
  for (let size = 1; size <= 40; size++) life.offer(size);
  await life.anchored(40);
  let size = 0;
  for (const { txs } of life.blocks) {
    for (const tx of txs) {
      const decoded = decodeTx(tx);
      assert.ok(decoded.ok);
      assert.equal(decoded.value.from, size);
      size = Number(decoded.value.note.split("\n")[1]);
    }
  }
  assert.equal(size, 40);
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("a checkpoint that does not extend the last one is refused and changes nothing", async () => {
  const life = await Life.begin({ files: freshFiles("refuse") });
  life.offer(10);
  await life.until(1);
  const other = new Receipts("another log ");
  const before = life.chain.head?.id;
  const bad: readonly (readonly [string, string])[] = [
    ["smaller", life.receipts.note(9)],
    ["of the same size, another root", other.note(10)],
    ["larger, of a log that is no continuation", other.note(20)],
    ["larger, which the log's owner cannot prove", other.note(25)],
    ["by a stranger", life.receipts.note(12, stranger)],
    ["of another log's name", life.receipts.note(12, identity, "ioi/receipts/other")],
    ["malformed", "ioi/receipts/test\n12\n"],
    ["empty", ""],
    ["with the signature cut", life.receipts.note(12).slice(0, -20)],
    ["endless", "x".repeat(200_000)],
  ];
  for (const [index, [what, note]] of bad.entries()) {
    // One comes with a proof, but of the other log.
    life.proving.now = what.includes("continuation") ? other : life.receipts;
    life.chain.offer(note);
    await life.when(() => life.chain.refused > index);
    assert.equal(life.chain.refused, index + 1, what);
    assert.ok(equalBytes(life.chain.head?.id ?? new Uint8Array(0), before ?? new Uint8Array(1)));
  }
  // Known already: nothing new, nothing wrong.
  life.offer(10);
  await life.clock.advance(500);
  assert.equal(life.chain.refused, bad.length);
  life.proving.now = life.receipts;
  life.offer(12);
  // And the next good one gets in.
  await life.anchored(12);
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("a life that ends puts what was offered into a last block, at once and only then", async () => {
  const files = freshFiles("settle");
  const life = await Life.begin({ files });
  await life.until(0);
  // The control: without an end nothing is due before the distance of blocks.
  life.offer(4);
  assert.equal(life.height, 0);
  assert.equal(await life.chain.settle(1000), true);
  assert.deepEqual([life.height, life.chain.head?.header.receiptsSize], [1, 4]);
  // Nothing new, no block; nothing that is wrong is waited for.
  life.offer(4);
  life.chain.offer(new Receipts("another log ").note(9));
  assert.equal(await life.chain.settle(1000), true);
  assert.deepEqual([life.height, life.chain.refused], [1, 1]);
  await life.end();
  assert.deepEqual(life.bugs, []);
  const next = await Life.begin({ files, receipts: life.receipts });
  assert.equal(next.chain.head?.header.receiptsSize, 4);
  await next.end();
});

test("an end without a disk is bounded, and the next life commits what it could not", async () => {
  const files = freshFiles("settle-full");
  const life = await Life.begin({ files });
  await life.until(0);
  files.setBytesMax(0);
  life.offer(4);
  const settling = life.chain.settle(1000);
  await life.clock.advance(1000);
  assert.equal(await settling, false);
  assert.equal(life.height, 0);
  await life.end();
  files.setBytesMax(Number.POSITIVE_INFINITY);
  const next = await Life.begin({ files, receipts: life.receipts });
  next.offer(4);
  await next.anchored(4);
  await next.end();
  assert.deepEqual([...life.bugs, ...next.bugs], []);
});

test("a clock that is set back delays no block and takes no time back", async () => {
  const life = await Life.begin({ files: freshFiles("back"), idleMs: 10_000 });
  await life.until(0);
  const { timeMs } = life.chain.head?.header ?? { timeMs: Number.NaN };
  life.clock.jumpWall(-3_600_000);
  await life.clock.advance(11_000);
  assert.equal(life.height, 1);
  assert.ok((life.chain.head?.header.timeMs ?? 0) >= timeMs);
  await life.end();
});

test("after a restart with a clock that is behind, blocks go on", async () => {
  const files = freshFiles("behind");
  const first = await Life.begin({ files, idleMs: 10_000 });
  await first.until(2);
  const timeMs = first.chain.head?.header.timeMs ?? 0;
  await first.end();
  // A new clock begins where the first one began, long before the newest block's time.
  const second = await Life.begin({ files, idleMs: 10_000 });
  await second.until(3);
  assert.ok((second.chain.head?.header.timeMs ?? 0) >= timeMs);
  await second.end();
  assert.deepEqual([...first.bugs, ...second.bugs], []);
});

test("a full disk, and a signer that does not answer, are tried again", async () => {
  const files = freshFiles("full");
  const life = await Life.begin({ files, idleMs: 1000 });
  await life.until(1);
  files.setBytesMax(0);
  await life.clock.advance(20_000);
  assert.equal(life.height, 1);
  files.setBytesMax(Number.POSITIVE_INFINITY);
  await life.until(3);
  assert.ok(life.log.lines.some(({ event }) => event === "chain.step-failed"));
  const slots = life.blocks.map(({ header }) => header.slot);
  assert.deepEqual(slots, [1n, 2n, 3n, 4n].slice(0, slots.length));
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("the Guardian signs a slot once, in order, on one chain, and the same header the same", async () => {
  const files = freshFiles("signer");
  const life = await Life.begin({ files, idleMs: 1000 });
  await life.until(2);
  const [, one, two] = life.blocks;
  assert.ok(one !== undefined && two !== undefined);
  const { headers } = life;
  const again = await headers.sign(two.encoded);
  assert.deepEqual([again.counter, toHex(again.signature)], [two.counter, toHex(two.signature)]);
  const { encode } = schema;
  const { chainHeader } = await import("@ioi/wire");
  const next = { ...two.header, slot: 4n, height: 3n, parent: two.id };
  const refused = async (header: Uint8Array): Promise<void> =>
    await assert.rejects(headers.sign(header), { code: "E_HEADER_REFUSED" });
  await refused(one.encoded);
  await refused(encode(chainHeader, { ...two.header, timeMs: two.header.timeMs + 1 }));
  await refused(encode(chainHeader, { ...next, slot: 3n }));
  await refused(encode(chainHeader, { ...next, height: 4n }));
  await refused(encode(chainHeader, { ...next, parent: one.id }));
  await refused(encode(chainHeader, { ...next, chain: new Uint8Array(32) }));
  await refused(two.encoded.slice(0, -1));
  await refused(new Uint8Array(5000));
  await life.end();
  const headers2 = await openHeaders(files);
  await assert.rejects(headers2.sign(one.encoded), { code: "E_HEADER_REFUSED" });
  const restarted = await headers2.sign(two.encoded);
  assert.deepEqual(
    [restarted.counter, toHex(restarted.signature)],
    [two.counter, toHex(two.signature)],
  );
  const signed = await headers2.sign(encode(chainHeader, { ...next, slot: 9n }));
  assert.equal(signed.counter, two.counter + 1n);
  await headers2.close();
});

test("scans of the state, and the oldest states are given up", async () => {
  const life = await Life.begin({ files: freshFiles("scan"), idleMs: 1000 });
  for (const size of [1, 2, 3]) {
    life.offer(size);
    await life.anchored(size);
  }
  const scanned = life.chain.scan(utf8Encode("receipts/"), 10, undefined);
  assert.ok(scanned.ok);
  assert.deepEqual(
    scanned.value.map(({ key }) => Buffer.from(key).toString()),
    ["receipts/1", "receipts/2", "receipts/3", "receipts/checkpoint"],
  );
  const params0 = await life.chain.query(utf8Encode("chain/params"), 0n);
  assert.ok(params0.ok && params0.value.value !== undefined);
  await life.until(300);
  const old = await life.chain.query(utf8Encode("chain/params"), 3n);
  assert.ok(!old.ok && old.error.code === "E_STATE_VERSION");
  const future = await life.chain.query(utf8Encode("chain/params"), 3000n);
  assert.ok(!future.ok && future.error.code === "E_CHAIN_NO_BLOCK");
  const block = await life.chain.block(3n);
  assert.ok(block.ok && block.value.header.height === 3n);
  assert.equal(toHex(params.chain), toHex(fromHex("07".repeat(32)) ?? new Uint8Array(0)));
  await life.end();
});
