import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, crc32c, utf8Encode } from "@ioi/base";
import { leafHash, verifyInclusion } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles } from "@ioi/sim";
import { compactMemoryFile, createMemoryFile, openMemoryFile } from "../src/index.ts";
import { contentCommitment } from "../src/keys.ts";
import { memoryTimeMsMax } from "../src/limits.ts";
import { logLeaf } from "../src/walk.ts";
import {
  bytesOf,
  codeOf,
  freshPlace,
  given,
  memoriesFrom,
  memoryOf,
  openToRead,
  openToWrite,
  path,
  placeOn,
  placeWith,
  textOf,
} from "./support.ts";

test("memories are stored, read back, and there again after opening", async () => {
  const place = await freshPlace("stored");
  {
    await using file = await openToWrite(place);
    assert.deepEqual(await file.add(memoriesFrom(0, 3)), [0, 1, 2]);
    assert.deepEqual(await file.add(memoriesFrom(3, 2)), [3, 4]);
    assert.equal((await file.read(4)).text, textOf(4));
  }
  await using file = await openToRead(place);
  assert.deepEqual(await file.read(3), {
    id: 3,
    class: 0,
    text: textOf(3),
    mediaType: "text/plain",
    atMs: 1_700_000_000_000,
    origin: { kind: "user", from: "test" },
    source: "",
    tags: ["n0"],
  });
  const { memories, commits, logSize, tailBytes, damage } = file.info;
  assert.deepEqual(
    { memories, commits, logSize, tailBytes, damage },
    {
      memories: 5,
      commits: 2,
      logSize: 5,
      tailBytes: 0,
      damage: undefined,
    },
  );
  await assert.rejects(file.add([memoryOf(9)]), { code: "E_SCS_READ_ONLY" });
  await assert.rejects(file.read(5), { code: "E_SCS_NO_MEMORY" });
});

test("what is forgotten is gone from the file, and everything else still holds", async () => {
  const place = await freshPlace("forgotten");
  {
    await using file = await openToWrite(place);
    await file.add(memoriesFrom(0, 4));
  }
  const before = await bytesOf(place);
  // The positive control: before, whoever has the file has the memory.
  await using control = await openToRead(await placeWith(before));
  assert.equal((await control.read(2)).text, textOf(2));
  {
    await using file = await openToWrite(place);
    const { path: proof, leaf, size } = file.prove(1);
    const root = file.info.logRoot;
    await file.forget([2]);
    await assert.rejects(file.read(2), { code: "E_SCS_NO_MEMORY" });
    // A proof of another memory, made before, holds under the root of before.
    const content = await file.readContent(1);
    const commitment = contentCommitment(nodeCrypto, content);
    assert.equal(commitment.length, 32);
    const hash = leafHash(nodeCrypto, logLeaf(1, await digestOf(before, 1)));
    const claim = { index: leaf, size, leafHash: hash, proof, root };
    assert.equal(verifyInclusion(nodeCrypto, claim).ok, true);
  }
  await using file = await openToRead(place);
  assert.deepEqual(
    file.states().map(({ state }) => state),
    ["live", "live", "forgotten", "live"],
  );
  assert.equal((await file.read(3)).text, textOf(3));
  // The key as it was wrapped stands nowhere in the file any more.
  const after = Buffer.from(await bytesOf(place));
  const wrapped = wrappedKeys(before);
  assert.equal(wrapped.length, 4);
  assert.deepEqual(
    wrapped.map((key) => after.includes(key)),
    [true, true, false, true],
  );
});

/** The wrapped key of every KEY record, found by the layout alone. */
const wrappedKeys = (bytes: Uint8Array): readonly Buffer[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const keys: Buffer[] = [];
  for (let at = 5120; at < bytes.length;) {
    const length = view.getUint32(at + 8, true);
    if (bytes[at + 4] === 5) keys.push(Buffer.from(bytes.slice(at + 24 + 48, at + 24 + 108)));
    at += Math.ceil((24 + length + 4) / 8) * 8;
  }
  return keys;
};

const digestOf = async (bytes: Uint8Array, id: number): Promise<Uint8Array> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 5120; at < bytes.length;) {
    const length = view.getUint32(at + 8, true);
    const payload = bytes.subarray(at + 24, at + 24 + length);
    if (bytes[at + 4] === 1 && view.getUint32(at + 24, true) === id) {
      const sealed = nodeCrypto.sha256(payload.subarray(48));
      return nodeCrypto.sha256(Buffer.concat([payload.subarray(0, 48), sealed]));
    }
    at += Math.ceil((24 + length + 4) / 8) * 8;
  }
  throw new Error(`no frame ${id}`);
};

test("left out and replaced memories stay readable and say what they are", async () => {
  const place = await freshPlace("marked");
  {
    await using file = await openToWrite(place);
    await file.add(memoriesFrom(0, 3));
    await file.tomb([0]);
    await file.supersede(1, 2);
    await assert.rejects(file.supersede(2, 7), { code: "E_SCS_NO_MEMORY" });
    await assert.rejects(file.supersede(2, 2), { code: "E_SCS_INPUT" });
    assert.equal((await file.read(0)).text, textOf(0));
  }
  await using file = await openToRead(place);
  assert.deepEqual(
    file.states().map(({ state }) => state),
    ["tombed", "superseded", "live"],
  );
});

test("a passphrase, a key that somebody else keeps, and neither", async () => {
  const scrypt = { log2Cost: 10, blockSize: 8, parallel: 1 };
  const key = new Uint8Array(32).fill(7);
  const right = { type: "passphrase", passphrase: utf8Encode("right") } as const;
  const wrong = { type: "passphrase", passphrase: utf8Encode("wrong") } as const;
  const kept = { type: "external", name: "guardian", key } as const;
  for (const [slot, opens, fails] of [
    [{ ...right, scrypt }, right, wrong],
    [kept, kept, { ...kept, key: new Uint8Array(32) }],
    [kept, kept, { ...kept, name: "other" }],
    [kept, kept, { type: "none" }],
  ] as const) {
    const place = placeOn(new SimFiles({ seed: "slot" }));
    await createMemoryFile(place, given, slot);
    {
      await using file = await openMemoryFile(place, "write", opens);
      await file.add([{ ...memoryOf(1), text: "a canary in a memory" }]);
    }
    for (const mode of ["read", "write"] as const) {
      await assert.rejects(openMemoryFile(place, mode, fails), { code: "E_SCS_KEY" });
    }
    await using file = await openMemoryFile(place, "read", opens);
    assert.equal((await file.read(0)).text, "a canary in a memory");
    assert.equal(Buffer.from(await bytesOf(place)).includes("canary"), false);
  }
});

test("one writer at a time; readers beside it", async () => {
  const place = await freshPlace("lock");
  await using writer = await openToWrite(place);
  await assert.rejects(openToWrite(place), { code: "E_SCS_LOCKED" });
  await writer.add(memoriesFrom(0, 1));
  await using reader = await openToRead(place);
  assert.equal(reader.info.memories, 1);
});

test("calls that write follow each other", async () => {
  const place = await freshPlace("order");
  await using file = await openToWrite(place);
  const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => file.add([memoryOf(n)])));
  assert.deepEqual(
    ids.flat(),
    Array.from({ length: 20 }, (_, n) => n),
  );
  for (let n = 0; n < 20; n++) assert.equal((await file.read(n)).text, textOf(n));
});

test("what cannot be a memory is refused, and nothing of its call is stored", async () => {
  const place = await freshPlace("input");
  await using file = await openToWrite(place);
  const bad: readonly object[] = [
    { text: "" },
    { text: "\ud800" },
    { text: "é".repeat(5 * 1024 * 1024) },
    { text: "x".repeat(100 * 1024 * 1024) },
    { tags: ["a", "a"] },
    { tags: [""] },
    { tags: Array.from({ length: 65 }, (_, n) => `${n}`) },
    { class: -1 },
    { class: 2 ** 32 },
    { class: 0.5 },
    { saidMs: -1 },
    { saidMs: memoryTimeMsMax + 1 },
    { source: "x".repeat(3000) },
  ];
  for (const each of bad) {
    await assert.rejects(file.add([memoryOf(0), { ...memoryOf(1), ...each }]), {
      code: "E_SCS_INPUT",
    });
  }
  assert.equal(file.info.memories, 0);
  assert.deepEqual(await file.add([]), []);
  assert.equal(file.info.commits, 0);
});

test("compaction keeps numbers, drops what was forgotten, and names where it comes from", async () => {
  const place = await freshPlace("compact");
  let root: Uint8Array;
  {
    await using file = await openToWrite(place);
    await file.add(memoriesFrom(0, 40));
    await file.tomb([1]);
    await file.supersede(2, 3);
    await file.forget([4, 5, ...Array.from({ length: 20 }, (_, n) => 10 + n)]);
    root = file.info.logRoot;
  }
  const done = await compactMemoryFile(place, { type: "none" }, { type: "open" });
  assert.deepEqual([done.memories, done.dropped], [40, 22]);
  assert.ok(done.bytesAfter < done.bytesBefore, `${done.bytesAfter} of ${done.bytesBefore}`);
  for (const beside of [`${place.path}.compacting`, `${place.path}.compacting.lock`]) {
    assert.equal(await place.files.stat(beside), undefined, `${beside} is left`);
  }
  await using file = await openToWrite(place);
  assert.deepEqual(file.info.compactedFrom?.logRoot, root);
  const states = file.states().map(({ state }) => state);
  assert.deepEqual(states.slice(0, 7), [
    "live",
    "tombed",
    "superseded",
    "live",
    "forgotten",
    "forgotten",
    "live",
  ]);
  assert.equal((await file.read(39)).text, textOf(39));
  await assert.rejects(file.read(4), { code: "E_SCS_NO_MEMORY" });
  assert.deepEqual(await file.add([memoryOf(40)]), [40]);
});

test("a full disk is survived, a failed sync is not", async () => {
  const files = new SimFiles({ seed: "full" });
  const place = placeOn(files);
  await createMemoryFile(place, given, { type: "open" });
  {
    await using file = await openToWrite(place);
    await file.add(memoriesFrom(0, 2));
    files.setBytesMax((await files.stat(path))?.size ?? 0);
    await assert.rejects(file.add(memoriesFrom(2, 2)), { code: "E_SCS_FULL" });
    files.setBytesMax(1 << 30);
    assert.deepEqual(await file.add(memoriesFrom(2, 1)), [2]);
    files.failSync();
    await assert.rejects(file.add(memoriesFrom(3, 1)), { code: "E_SCS_POISONED" });
    await assert.rejects(file.add(memoriesFrom(3, 1)), { code: "E_SCS_POISONED" });
  }
  await using file = await openToWrite(place);
  assert.ok(file.info.memories >= 3);
  assert.equal((await file.read(2)).text, textOf(2));
});

test("files that are none, of the future, or cut short", async () => {
  const place = await freshPlace("foreign");
  const good = await bytesOf(place);
  const newer = good.slice();
  newer[8] = 2;
  new DataView(newer.buffer).setUint32(4056, crc32c(newer.subarray(0, 4056)), true);
  const feature = good.slice();
  feature[12] = 1;
  new DataView(feature.buffer).setUint32(4056, crc32c(feature.subarray(0, 4056)), true);
  const cases: readonly (readonly [Uint8Array, string])[] = [
    [new Uint8Array(), "E_SCS_FOREIGN"],
    [utf8Encode("SQLite format 3\0"), "E_SCS_FOREIGN"],
    [good.slice(0, 4000), "E_SCS_DAMAGED"],
    [newer, "E_SCS_NEWER"],
    [feature, "E_SCS_NEWER"],
    [good.map((byte, at) => (at === 70 ? byte ^ 1 : byte)), "E_SCS_DAMAGED"],
  ];
  for (const [bytes, code] of cases) {
    const other = await placeWith(bytes);
    for (const open of [openToRead, openToWrite]) {
      await assert.rejects(open(other), { code }, `${bytes.length} bytes`);
    }
    assert.deepEqual(await bytesOf(other), bytes, "nothing was written");
  }
  // Two files in one: the first is read, and nothing is cut off.
  const joined = await placeWith(concatBytes(good, good));
  await assert.rejects(openToWrite(joined), { code: "E_SCS_DAMAGED" });
  {
    await using file = await openToRead(joined);
    assert.match(file.info.damage ?? "", /another memory file begins/);
  }
  assert.deepEqual(await bytesOf(joined), concatBytes(good, good));
  await assert.rejects(openToRead(placeOn(new SimFiles({ seed: "none" }))), (error: unknown) => {
    assert.equal(codeOf(error), "E_SCS_MISSING");
    return true;
  });
});
