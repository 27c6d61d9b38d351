/** The chain while it runs: when blocks come, what they hold, what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, fromHex, toHex, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { jellyfish } from "@ioi/state";
import { verifyBlockProof } from "@ioi/consensus";
import { decodeTx, verifyStart } from "@ioi/validator";
import { anchoredCheckpoint, schema } from "@ioi/wire";
import { freshFiles, identity, Life, params, quickCrypto, Receipts, stranger } from "./support.ts";

test("a first block shows the genesis; then one comes only for what there is to commit", async () => {
  const life = await Life.begin({ files: freshFiles("time") });
  await life.until(1);
  const [first] = life.blocks;
  assert.deepEqual(
    [first?.header.height, first?.header.stateHeight, first?.txs.length],
    [1n, 0n, 0],
  );
  const before = life.height;
  await life.clock.advance(3_600_000);
  assert.equal(life.height, before, "nothing to commit, and no heartbeat");
  life.offer(3);
  await life.anchored(3);
  await life.shown();
  const after = life.height;
  // The transaction, the three blocks until a header shows the state after it, and no more.
  assert.equal(after, before + 5);
  await life.clock.advance(3_600_000);
  assert.equal(life.height, after);
  assert.deepEqual(life.chain.grade, { type: "local" });
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("with a heartbeat a block comes when the time is over; views and heights rise", async () => {
  const life = await Life.begin({ files: freshFiles("beat"), idleMs: 60_000 });
  await life.until(1);
  await life.clock.advance(30_000);
  const before = life.height;
  await life.clock.advance(58_000);
  assert.equal(life.height, before + 1);
  await life.until(before + 3);
  let [view, height] = [0n, 0n];
  for (const { header } of life.blocks) {
    assert.ok(header.view > view);
    assert.equal(header.height, height + 1n);
    ({ view, height } = header);
  }
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("every checkpoint extends the one before, with its proof; the state says which", async () => {
  const life = await Life.begin({ files: freshFiles("grow") });
  await life.until(1);
  for (const size of [1, 2, 7, 8, 100, 101]) {
    life.offer(size);
    await life.anchored(size);
    await life.shown();
    const { shown, tip } = life.chain;
    assert.deepEqual(tip.root, life.receipts.tree.root(size));
    const proved = await life.chain.query(utf8Encode(`receipts/${size}`), shown ?? 0n);
    assert.ok(proved.ok && proved.value.value !== undefined);
    const stored = schema.decode(anchoredCheckpoint, proved.value.value);
    assert.ok(stored.ok);
    const block = await life.chain.block(stored.value.height);
    assert.ok(block.ok);
    assert.deepEqual([stored.value.size, block.value.txs.length], [size, 1]);
    const verified = verifyBlockProof(nodeCrypto, proved.value.blockProof, life.chain.startHash);
    assert.ok(verified.ok);
    assert.deepEqual(verified.value.header.stateHeight, shown);
    const entry = { key: utf8Encode(`receipts/${size}`), value: proved.value.value };
    const root = verified.value.header.stateRoot;
    assert.ok(jellyfish.verifyPresent(nodeCrypto, root, entry, proved.value.proof).ok);
  }
  const absent = await life.chain.query(utf8Encode("receipts/5"), life.chain.shown ?? 0n);
  assert.ok(absent.ok && absent.value.value === undefined);
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("every block has a proof that begins at the start which the identity signed", async () => {
  const life = await Life.begin({ files: freshFiles("proofs"), segmentBlocks: 3, idleMs: 1000 });
  await life.until(9);
  const { chain } = life;
  assert.ok(verifyStart(nodeCrypto, identity.publicKey, chain.epochStart, chain.startSignature));
  assert.ok(!verifyStart(nodeCrypto, stranger.publicKey, chain.epochStart, chain.startSignature));
  for (const block of life.blocks) {
    const proof = await chain.prove(block.header.height);
    assert.ok(proof.ok);
    const verified = verifyBlockProof(nodeCrypto, proof.value, chain.startHash);
    assert.ok(verified.ok);
    assert.deepEqual([verified.value.digest, verified.value.grade], [block.id, { type: "local" }]);
    const altered = proof.value.with(-40, (proof.value.at(-40) ?? 0) ^ 1);
    assert.ok(!verifyBlockProof(nodeCrypto, altered, chain.startHash).ok);
  }
  assert.ok(!(await chain.prove(0n)).ok);
  assert.ok(!(await chain.prove(BigInt(life.height + 1))).ok);
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("checkpoints that come faster than blocks: each block extends, the newest gets in", async () => {
  const receipts = new Receipts("", quickCrypto);
  const life = await Life.begin({ files: freshFiles("fast"), receipts, provider: quickCrypto });
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
  await life.anchored(10);
  await life.shown();
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
  await life.until(1);
  life.offer(2);
  await life.anchored(2);
  await life.shown();
  // The control: without an end nothing is due before the distance of blocks.
  life.offer(3);
  life.offer(4);
  assert.equal(life.chain.tip.size, 2);
  const settling = life.chain.settle(1000);
  for (let i = 0; i < 9; i++) await life.clock.advance(11);
  assert.equal(await settling, true);
  assert.equal(life.chain.tip.size, 4);
  const { height } = life;
  // Nothing new, no block; nothing that is wrong is waited for.
  life.offer(4);
  life.chain.offer(new Receipts("another log ").note(9));
  const again = life.chain.settle(1000);
  for (let i = 0; i < 9; i++) await life.clock.advance(11);
  assert.equal(await again, true);
  assert.equal(life.chain.refused, 1);
  assert.ok(life.height <= height + 4, "what shows the state, and nothing else");
  await life.end();
  assert.deepEqual(life.bugs, []);
  const next = await Life.begin({ files, receipts: life.receipts });
  assert.equal(next.chain.tip.size, 4);
  await next.end();
});

test("an end without a disk is bounded, and the next life commits what it could not", async () => {
  const files = freshFiles("settle-full");
  const life = await Life.begin({ files });
  await life.until(1);
  files.setBytesMax(0);
  life.offer(4);
  const settling = life.chain.settle(1000);
  await life.clock.advance(1000);
  assert.equal(await settling, false);
  assert.equal(life.chain.tip.size, 0);
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
  await life.until(1);
  const { timeMs } = life.chain.head?.header ?? { timeMs: Number.NaN };
  life.clock.jumpWall(-3_600_000);
  const { height } = life;
  await life.clock.advance(11_000);
  assert.equal(life.height, height + 1);
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
  await life.until(2);
  files.setBytesMax(0);
  await life.clock.advance(20_000);
  const { height } = life;
  assert.ok(height <= 3);
  files.setBytesMax(Number.POSITIVE_INFINITY);
  await life.until(height + 2);
  assert.ok(life.log.lines.some(({ event }) => event === "chain.step-failed"));
  const heights = life.blocks.map(({ header }) => header.height);
  assert.deepEqual(
    heights,
    heights.map((_, index) => BigInt(index + 1)),
  );
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("a Guardian that refuses: its view is given up, and everything is committed in a later one", async () => {
  const life = await Life.begin({ files: freshFiles("refuses") });
  await life.until(1);
  const before = life.height;
  life.proving.refuses = true;
  life.offer(3);
  for (let s = 0; s < 130; s++) await life.clock.advance(1000);
  assert.equal(life.height, before);
  life.proving.refuses = false;
  await life.when(() => life.chain.tip.size === 3, 1000);
  await life.shown();
  const late = life.blocks.findIndex(({ header }) => header.view > header.height);
  const [below, first] = [life.blocks[late - 1], life.blocks[late]];
  assert.ok(below !== undefined && first !== undefined && first.header.view % 16n === 1n);
  // The block below was committed together with the first one of the later tenure.
  const unproved = await life.chain.prove(below.header.height);
  assert.ok(!unproved.ok);
  assert.match(unproved.error.message, /prove block/);
  const proof = await life.chain.prove(first.header.height);
  assert.ok(proof.ok && verifyBlockProof(nodeCrypto, proof.value, life.chain.startHash).ok);
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("an answer of the Guardian that is lost is given again: no view is lost", async () => {
  const life = await Life.begin({ files: freshFiles("late") });
  await life.until(1);
  life.proving.lost = 2;
  life.offer(3);
  await life.anchored(3);
  await life.shown();
  assert.equal(life.proving.lost, 0);
  for (const { header } of life.blocks) assert.equal(header.view, header.height);
  await life.end();
  assert.deepEqual(life.bugs, []);
});

test("scans of the state, and the oldest states are given up", async () => {
  const receipts = new Receipts("", quickCrypto);
  const files = freshFiles("scan");
  const life = await Life.begin({ files, receipts, provider: quickCrypto, idleMs: 1000 });
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
  assert.ok(!(await life.chain.query(utf8Encode("chain/params"), BigInt(life.height))).ok);
  await life.until(300);
  const old = await life.chain.query(utf8Encode("chain/params"), 3n);
  assert.ok(!old.ok && old.error.code === "E_CHAIN_NO_BLOCK");
  const future = await life.chain.query(utf8Encode("chain/params"), 3000n);
  assert.ok(!future.ok && future.error.code === "E_CHAIN_NO_BLOCK");
  const block = await life.chain.block(3n);
  assert.ok(block.ok && block.value.header.height === 3n);
  assert.equal(toHex(params.chain), toHex(fromHex("07".repeat(32)) ?? new Uint8Array(0)));
  await life.end();
});
