/** Verification of the bytes of a log, and what recovery makes of damage. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, crc32c, OperationError, SeededRandom, utf8Encode } from "@ioi/base";
import { SimFiles } from "@ioi/sim";
import fc from "fast-check";
import { scanWal, type WalBad } from "../src/index.ts";
import { encodeRecord, encodeWalHeader, recordOverheadBytes } from "../src/wal-format.ts";
import { bytesOf, filesWith, makeLog, openLog, payloadOf, readAll, repairHint } from "./support.ts";

const offsetsOf = (bytes: Uint8Array): number[] => {
  const offsets: number[] = [];
  const scan = scanWal(bytes, (_record, offset) => void offsets.push(offset));
  assert.equal(scan.firstBad, undefined);
  return [...offsets, scan.end];
};

const indexAt = (offsets: readonly number[], at: number): number =>
  Math.max(
    0,
    offsets.findLastIndex((offset) => offset <= at),
  );

test("a whole log is whole, and its records are those that were appended", async () => {
  const { bytes } = await makeLog(9);
  const found: unknown[] = [];
  const scan = scanWal(bytes, ({ sequence, type, payload }) => {
    found.push({ sequence, type, payload: payload.slice() });
  });
  assert.deepEqual(
    found,
    Array.from({ length: 9 }, (_, n) => ({ sequence: n, type: n, payload: payloadOf(n) })),
  );
  assert.equal(scan.records, 9);
  assert.equal(scan.end, bytes.length);
  assert.equal(scan.durable, 8);
});

test("any changed byte is reported, with the record it belongs to", async () => {
  const { bytes } = await makeLog(6);
  const offsets = offsetsOf(bytes);
  const changed = bytes.slice();
  for (let at = 0; at < bytes.length; at++) {
    for (const mask of [0x01, 0x80, 0xff, 1 + (at % 255)]) {
      changed[at] = (bytes[at] ?? 0) ^ mask;
      const { firstBad } = scanWal(changed);
      const index = indexAt(offsets, at);
      assert.ok(firstBad !== undefined, `byte ${at} ^ ${mask}`);
      assert.equal(firstBad.index, index, `byte ${at} ^ ${mask}`);
      assert.equal(firstBad.offset, at < 32 ? 0 : offsets[index]);
      if (at >= 32) assert.equal(firstBad.kind, index < 5 ? "middle" : "tail", `byte ${at}`);
    }
    changed[at] = bytes[at] ?? 0;
  }
  assert.equal(scanWal(changed).firstBad, undefined, "the control is whole");
});

test("a log that ends anywhere is whole up to there, and opens with the rest cut off", async () => {
  const { bytes } = await makeLog(5);
  const offsets = offsetsOf(bytes);
  for (let length = 32; length < bytes.length; length++) {
    const cut = bytes.slice(0, length);
    const whole = offsets.filter((offset) => offset > 32 && offset <= length).length;
    const boundary = offsets.includes(length);
    const scan = scanWal(cut);
    assert.equal(scan.records, whole);
    assert.equal(scan.firstBad?.kind, boundary ? undefined : "tail");
    if (length % 7 !== 0 && !boundary) continue;
    const files = await filesWith(cut);
    await using log = await openLog(files);
    assert.deepEqual(log.recovery, { records: whole, cutBytes: length - (offsets[whole] ?? 0) });
    assert.deepEqual(await bytesOf(files), bytes.slice(0, offsets[whole]));
  }
  for (let length = 0; length < 32; length++) {
    assert.equal(scanWal(bytes.slice(0, length)).firstBad?.kind, "header");
  }
});

test("garbage of any kind after the last record is cut off", async () => {
  const { bytes } = await makeLog(3);
  const random = new SeededRandom("garbage");
  for (const tail of [new Uint8Array(1), new Uint8Array(5000), random.fill(new Uint8Array(700))]) {
    const files = await filesWith(concatBytes(bytes, tail));
    await using log = await openLog(files);
    assert.deepEqual(log.recovery, { records: 3, cutBytes: tail.length });
    await log.appendDurable(3, payloadOf(3));
    assert.equal(scanWal(await bytesOf(files)).records, 4);
  }
});

test("scanning is total", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.ok(scanWal(bytes).firstBad !== undefined);
      const scan = scanWal(concatBytes(encodeWalHeader(new Uint8Array(4)), bytes));
      assert.equal(scan.firstBad === undefined, bytes.length === 0);
    }),
  );
});

/** Opening refuses with this error and changes nothing. */
const checkRefused = async (
  bytes: Uint8Array,
  expected: { readonly code: string; readonly message: RegExp; readonly next?: string | undefined },
): Promise<void> => {
  const files = await filesWith(bytes);
  const points = files.points;
  await assert.rejects(openLog(files), (error) => {
    assert.ok(error instanceof OperationError);
    assert.equal(error.code, expected.code);
    assert.match(error.message, expected.message);
    assert.equal(error.next, expected.next);
    return true;
  });
  // The one change is the sync of the directory, which writes nothing.
  assert.equal(files.points, points + 1);
  assert.deepEqual(await bytesOf(files), bytes);
};

test("a damaged middle is refused: which record, where, how to repair", async () => {
  const { bytes } = await makeLog(6);
  const offsets = offsetsOf(bytes);
  for (const index of [0, 2, 4]) {
    for (const within of [0, 4, 13, 21, 29, 40]) {
      const damaged = bytes.slice();
      const at = (offsets[index] ?? 0) + within;
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      await checkRefused(damaged, {
        code: "E_WAL_CORRUPT",
        message: new RegExp(`^it\\.log: record ${index} at byte ${offsets[index]}: .* damaged$`),
        next: repairHint,
      });
    }
  }
});

test("records that are missing from the middle, doubled or from elsewhere are damage", async () => {
  const { bytes } = await makeLog(6);
  const offsets = offsetsOf(bytes);
  const part = (from: number, to: number): Uint8Array => bytes.slice(offsets[from], offsets[to]);
  const head = bytes.slice(0, 32);
  const cases: readonly (readonly [Uint8Array, WalBad["kind"], number])[] = [
    [concatBytes(head, part(0, 2), part(3, 6)), "middle", 2],
    [concatBytes(head, part(1, 6)), "middle", 0],
    [concatBytes(head, part(0, 3), part(2, 6)), "middle", 3],
    [concatBytes(head, part(0, 3), part(2, 3)), "tail", 3],
    [concatBytes(encodeWalHeader(Uint8Array.of(9, 9, 9, 9)), part(0, 6)), "tail", 0],
  ];
  for (const [changed, kind, index] of cases) {
    const { firstBad } = scanWal(changed);
    assert.deepEqual([firstBad?.kind, firstBad?.index], [kind, index], `${firstBad?.reason}`);
  }
});

test("the file header: damaged, of another kind, newer", async () => {
  const { bytes } = await makeLog(2);
  const corrupt = (message: RegExp) => ({ code: "E_WAL_CORRUPT", message, next: repairHint });
  for (const at of [0, 7, 8, 12, 20, 31]) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0x20;
    await checkRefused(damaged, corrupt(/record 0 at byte 0: the file header has changed/));
  }
  await checkRefused(bytes.slice(0, 31), corrupt(/the file header is cut off/));
  await checkRefused(new Uint8Array(), corrupt(/the file header is cut off/));
  await checkRefused(utf8Encode("a letter of some length, which is not a log"), {
    code: "E_WAL_FOREIGN",
    message: /the file is not a log/,
  });
  const newer = bytes.slice();
  const view = new DataView(newer.buffer);
  view.setUint32(8, 2, true);
  view.setUint32(28, crc32c(newer.subarray(0, 28)), true);
  await checkRefused(newer, { code: "E_WAL_NEWER", message: /format 2, which is newer/ });
});

const encode = (seed: number, sequence: number, durable: number, payload: Uint8Array) => {
  const bytes = new Uint8Array(recordOverheadBytes + payload.length);
  encodeRecord(bytes, 0, seed, durable, { sequence, type: 1, payload });
  return bytes;
};

test("a bad record before records that never were durable is an interrupted tail", async () => {
  const header = encodeWalHeader(Uint8Array.of(1, 2, 3, 4));
  const { seed } = scanWal(header);
  const records = (durable: number): Uint8Array[] =>
    [0, 1, 2, 3].map((n) => encode(seed, n, n === 3 ? durable : 0, payloadOf(n)));
  for (const [durable, kind] of [
    [1, "tail"],
    [2, "middle"],
  ] as const) {
    const [first, second, ...rest] = records(durable);
    assert.ok(first !== undefined && second !== undefined);
    second[50] = (second[50] ?? 0) ^ 1;
    const bytes = concatBytes(header, first, second, ...rest);
    assert.equal(scanWal(bytes).firstBad?.kind, kind, `the last record proves ${durable}`);
    if (kind === "tail") {
      await using log = await openLog(await filesWith(bytes));
      assert.equal(log.recovery.records, 1);
      assert.equal(log.recovery.cutBytes, bytes.length - header.length - first.length);
    }
  }
});

test("a record that a payload quotes is not taken for a record", async () => {
  const { bytes } = await makeLog(6);
  const offsets = offsetsOf(bytes);
  const quoted = bytes.slice(offsets[5], offsets[6]);
  // In another log: the salt differs.
  const other = new SimFiles({ seed: "other" });
  {
    await using log = await openLog(other, "another salt");
    await log.appendDurable(1, concatBytes(quoted, quoted));
  }
  const cut = (await bytesOf(other)).slice(0, -1);
  cut[33] = (cut[33] ?? 0) ^ 1;
  assert.equal(scanWal(cut).firstBad?.kind, "tail");
  // In the same log, whose salt was seen: the record's own header says where it ends.
  const files = new SimFiles({ seed: "same" });
  {
    await using log = await openLog(files);
    await log.appendDurable(1, quoted);
  }
  const torn = (await bytesOf(files)).slice(0, -1);
  assert.equal(scanWal(torn).firstBad?.kind, "tail");
  await using log = await openLog(await filesWith(torn));
  assert.deepEqual(await readAll(log), []);
});

test("a damage far before its proof is found across the windows of a file", async () => {
  const files = new SimFiles({ seed: "large", sectorBytes: 4096 });
  {
    await using log = await openLog(files);
    const large = new SeededRandom("large").fill(new Uint8Array(1_500_000));
    for (let n = 0; n < 3; n++) await log.appendDurable(n, large);
    await log.appendDurable(3, utf8Encode("the proof"));
  }
  const bytes = await bytesOf(files);
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  bytes[33] = (bytes[33] ?? 0) ^ 1;
  assert.equal(scanWal(bytes).firstBad?.kind, "middle");
  await assert.rejects(openLog(await filesWith(bytes)), { code: "E_WAL_CORRUPT" });
});
