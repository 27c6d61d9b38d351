/** Numbers: none twice, whatever crashes and wherever, also while the log starts anew. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { SimFiles } from "@ioi/sim";
import { Commitments, type Numbered } from "../src/commitments.ts";
import { orderReserve } from "../src/limits.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const noticeOf = (n: number): Numbered => ({
  session: `s-${n}`,
  sequence: BigInt(n),
  length: n,
  commitment: new Uint8Array(32).fill(n % 256),
});

const open = (files: SimFiles, recordsMax?: number): Promise<Commitments> =>
  Commitments.open(files, new SeededRandom("salt"), 1_700_000_000_000, recordsMax);

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return "";
  } catch (error) {
    return String((error as { readonly code?: unknown }).code);
  }
};

test("numbers rise by one from one, in the order of the calls", async () => {
  const commitments = await open(new SimFiles({ seed: "order" }));
  const orders = await Promise.all(
    Array.from({ length: 3000 }, (_, n) => commitments.number(noticeOf(n))),
  );
  assert.deepEqual(
    orders,
    Array.from({ length: 3000 }, (_, n) => BigInt(n + 1)),
  );
});

test("after a restart they go on above all that were reserved", async () => {
  const files = new SimFiles({ seed: "again" });
  const first = await open(files);
  await first.number(noticeOf(0));
  await first.close();
  const second = await open(files);
  const order = await second.number(noticeOf(1));
  assert.ok(order > 1n && order <= BigInt(orderReserve) + 2n, `${order}`);
});

test("where blocks are and the log was removed, numbers begin above all that were ever given", async () => {
  const files = new SimFiles({ seed: "removed" });
  const first = await open(files);
  const before = await first.number(noticeOf(0));
  await first.close();
  await files.makeDirectory("chain");
  await files.remove("commitments.log");
  const second = await open(files);
  const order = await second.number(noticeOf(1));
  assert.ok(order > 1_700_000_000_000_000n && order > before, `${order}`);
  await second.close();
  const third = await open(files);
  assert.ok((await third.number(noticeOf(2))) > order);
});

test("what is kept is numbers and hashes, never a session's content", async () => {
  const files = new SimFiles({ seed: "content" });
  const commitments = await open(files);
  await commitments.number({ ...noticeOf(1), session: "x".repeat(300) });
  await commitments.close();
  const text = Buffer.from(await files.readFile("commitments.log", 1e6)).toString("latin1");
  assert.ok(text.includes("x".repeat(64)) && !text.includes("x".repeat(65)));
});

test("a commitment of another length, or a session cut inside a letter, is no harm", async () => {
  const commitments = await open(new SimFiles({ seed: "bad" }));
  for (const length of [0, 31, 33, 64]) {
    const commitment = new Uint8Array(length);
    const refused = commitments.number({ ...noticeOf(1), commitment });
    assert.equal(await codeOf(refused), "E_RPC_MALFORMED");
  }
  const session = `${"x".repeat(63)}\u{1f600}`;
  assert.equal(await commitments.number({ ...noticeOf(1), session }), 1n);
});

test("at its bound the log starts anew: small again, numbers go on", async () => {
  const files = new SimFiles({ seed: "anew" });
  const first = await open(files, 50);
  const orders: bigint[] = [];
  for (let n = 0; n < 400; n++) orders.push(await first.number(noticeOf(n)));
  assert.equal(new Set(orders).size, 400);
  const { size } = (await files.stat("commitments.log")) ?? { size: Number.NaN };
  assert.ok(size < 50 * 200, `${size} bytes`);
  await first.close();
  assert.deepEqual(await files.list(""), ["commitments.log"]);
  const second = await open(files, 50);
  assert.ok((await second.number(noticeOf(1))) > 400n);
});

test("numbers at once while the log starts anew", async () => {
  const commitments = await open(new SimFiles({ seed: "race" }), 10);
  const work: Promise<unknown>[] = [];
  const orders: bigint[] = [];
  for (let n = 1; n < 200; n++) {
    work.push(commitments.number(noticeOf(n)).then((order) => orders.push(order)));
  }
  await Promise.all(work);
  assert.equal(new Set(orders).size, 199);
});

interface Lives {
  readonly files: SimFiles;
  readonly orders: bigint[];
  readonly finished: boolean;
}

const recordsMax = 8;

/** Lives of numbering until the machine stops at one point; the log starts anew in each. */
const live = async (stopAt: number): Promise<Lives> => {
  const files = new SimFiles({ seed: "lives" });
  files.stopAt(stopAt);
  const orders: bigint[] = [];
  let n = 0;
  try {
    for (let life = 0; life < 2; life++) {
      const commitments = await open(files, recordsMax);
      for (let step = 0; step < 12; step++) {
        orders.push(await commitments.number(noticeOf(n++)));
      }
      await commitments.close();
    }
  } catch (error) {
    if (!files.stopped) throw error;
  }
  return { files, orders, finished: !files.stopped };
};

test("no number comes twice after a loss of power at any point", async () => {
  for (let stopAt = 0; ; stopAt++) {
    const lives = await live(stopAt);
    for (let seed = 0; seed < (inner ? 2 : 12); seed++) {
      const survivor = lives.files.crash(String(seed));
      const after = await open(survivor, recordsMax);
      assert.deepEqual(await survivor.list(""), ["commitments.log"], "nothing half made is left");
      const next = [await after.number(noticeOf(1)), await after.number(noticeOf(2))];
      const all = [...lives.orders, ...next];
      assert.equal(
        new Set(all).size,
        all.length,
        `stopped at ${stopAt}, crash ${seed}: ${all.join()}`,
      );
      assert.deepEqual(
        all,
        [...all].toSorted((a, b) => (a < b ? -1 : 1)),
        "and they rise",
      );
    }
    if (lives.finished) {
      assert.ok(stopAt > 40, `${stopAt} points`);
      return;
    }
  }
});

test("the end of the process alone loses nothing", async () => {
  for (let stopAt = 0; ; stopAt++) {
    const lives = await live(stopAt);
    const after = await open(lives.files.kill(), recordsMax);
    const next = await after.number(noticeOf(1));
    assert.ok(lives.orders.every((order) => order < next));
    if (lives.finished) return;
  }
});

test("a reservation that fails reserves nothing", async () => {
  const files = new SimFiles({ seed: "full" });
  const commitments = await open(files);
  const orders: bigint[] = [];
  files.setBytesMax(0);
  for (let n = 0; n < 5; n++) {
    assert.equal(await codeOf(commitments.number(noticeOf(n))), "E_WAL_FULL");
  }
  files.setBytesMax(Number.POSITIVE_INFINITY);
  for (let n = 0; n < 5; n++) orders.push(await commitments.number(noticeOf(n)));
  for (let seed = 0; seed < 12; seed++) {
    const after = await open(files.crash(String(seed)));
    for (let n = 0; n < 20; n++) {
      assert.ok(!orders.includes(await after.number(noticeOf(1))), `crash ${seed}`);
    }
  }
});

test("a log that cannot start anew refuses, and goes on once it can", async () => {
  const files = new SimFiles({ seed: "no room" });
  const commitments = await open(files, 5);
  const orders: bigint[] = [];
  for (let n = 0; n < 4; n++) orders.push(await commitments.number(noticeOf(n)));
  files.setBytesMax(0);
  assert.notEqual(await codeOf(commitments.number(noticeOf(5))), "");
  assert.notEqual(await codeOf(commitments.number(noticeOf(5))), "");
  files.setBytesMax(Number.POSITIVE_INFINITY);
  for (let n = 6; n < 20; n++) orders.push(await commitments.number(noticeOf(n)));
  assert.equal(new Set(orders).size, orders.length);
});

test("a damaged log is refused by name, and nothing is written", async () => {
  const files = new SimFiles({ seed: "damage" });
  const first = await open(files);
  for (let n = 0; n < 3; n++) await first.number(noticeOf(n));
  await first.close();
  const second = await open(files);
  await second.number(noticeOf(4));
  await second.close();
  const bytes = await files.readFile("commitments.log", 1e6);
  await files.replaceFile("commitments.log", bytes.with(70, (bytes[70] ?? 0) ^ 1));
  const { points } = files;
  assert.equal(await codeOf(open(files)), "E_WAL_CORRUPT");
  assert.ok(files.points <= points + 1, "no more than the sync of the folder");
});
