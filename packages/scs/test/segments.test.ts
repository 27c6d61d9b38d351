/** Segments, tables and vectors at rest: what is written is read back, and what is malformed is refused. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { MerkleTree } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { schema } from "@ioi/wire";
import { Append } from "../src/append.ts";
import { openMemoryFile } from "../src/index.ts";
import { FileKeys, openSlots } from "../src/keys.ts";
import {
  decodeSegmentHead,
  decodeSuperblock,
  encodeFrame,
  encodeKey,
  encodeSegmentHead,
  recordTypes,
  type SegmentHead,
  superblockHash,
} from "../src/layout.ts";
import { drop, parameters as parametersSchema } from "../src/messages.ts";
import { decodeTable } from "../src/table.ts";
import { decodeVectors, encodeVectors, readVectors } from "../src/vectors.ts";
import { bytesOf, freshPlace, memoriesFrom, openToWrite, placeWith } from "./support.ts";

test("vectors of any components are read back; anything else is none", () => {
  const random = new SeededRandom("vectors at rest");
  for (let round = 0; round < 200; round++) {
    const dimension = 8 * (1 + random.below(6));
    const rows = Array.from({ length: random.below(20) }, () =>
      random.chance(1, 4)
        ? undefined
        : Int16Array.from({ length: dimension }, () => random.below(4080) - 2048),
    );
    const bytes = encodeVectors(dimension, rows);
    assert.deepEqual(decodeVectors(dimension, rows.length, bytes), rows);
    assert.equal(decodeVectors(dimension + 8, rows.length, bytes), undefined);
    assert.equal(decodeVectors(dimension, rows.length, bytes.subarray(0, -1)), undefined);
    assert.equal(decodeVectors(dimension, rows.length, new Uint8Array([...bytes, 0])), undefined);
    // A component above 2031 is none that a vector has; nor is there a memory behind the last.
    const held = rows.findIndex((row) => row !== undefined);
    if (held >= 0) {
      const past = bytes.slice();
      const at = past.length - 3 * (1 + random.below(dimension / 2));
      past.set(random.chance(1, 2) ? [0xf0 + random.below(16), 0x0f] : [0, 0, 0xff], at);
      assert.equal(decodeVectors(dimension, rows.length, past), undefined);
      assert.equal(readVectors(dimension, rows.length, past, new Int16Array(dimension)), undefined);
      const far = rows.map((row, i) => (i === held ? new Int16Array(dimension).fill(2032) : row));
      assert.throws(() => encodeVectors(dimension, far), /out of range/);
    }
    if (rows.length % 8 > 0) {
      const more = bytes.slice();
      const last = 1 + Math.ceil(rows.length / 8);
      more[last] = (more[last] as number) | 0x80;
      assert.equal(decodeVectors(dimension, rows.length, more), undefined);
    }
    // A promise of more memories than there are bytes for ends at the bytes.
    assert.equal(decodeVectors(dimension, 2 ** 31, bytes), undefined);
  }
});

test("any bytes are a table or none", () => {
  const random = new SeededRandom("tables");
  const self = {
    kind: "table",
    number: 0,
    first: 0,
    count: 0,
    keyOffset: 0,
    commit: 0,
    parts: [],
  } as const;
  for (let round = 0; round < 2000; round++) {
    const bytes = random.fill(new Uint8Array(random.below(200)));
    // Half of them promise a head that fits.
    if (random.chance(1, 2) && bytes.length > 4) bytes.set([random.below(bytes.length), 0, 0, 0]);
    assert.equal(decodeTable(nodeCrypto, bytes, { ...self, parts: [] }), undefined);
  }
});

const head: SegmentHead = { number: 0, first: 0, count: 1, part: 0, parts: 1 };

test("heads of segments are read back, and parts are counted from 0", () => {
  for (const each of [head, { ...head, number: 2 ** 40, first: 7, count: 9, part: 3, parts: 4 }]) {
    assert.deepEqual(decodeSegmentHead(encodeSegmentHead(each)), each);
  }
  assert.equal(decodeSegmentHead(encodeSegmentHead({ ...head, part: 1 })), undefined);
  assert.equal(decodeSegmentHead(encodeSegmentHead(head).subarray(1)), undefined);
});

type Make = (append: Append) => void;
const segment = (
  append: Append,
  more: Partial<SegmentHead>,
  type: number = recordTypes.lex,
): void => {
  assert.ok(type === recordTypes.lex || type === recordTypes.index);
  append.add(type, encodeSegmentHead({ ...head, ...more }));
};
const key = (append: Append, of: "memory" | "segment", number: number): void => {
  const [hash, wrapped] = [new Uint8Array(32), new Uint8Array(60)];
  append.add(recordTypes.key, encodeKey({ of, number, class: 0, hash, wrapped }));
};

/** What a file says after a commit of these records, sealed as its owner would, behind three memories. */
const opened = async (make: Make): Promise<{ commits: number; damage: boolean; tail: boolean }> => {
  const place = await freshPlace("hostile");
  {
    await using file = await openToWrite(place);
    await file.add(memoriesFrom(0, 3));
  }
  const bytes = await bytesOf(place);
  const superblock = decodeSuperblock(nodeCrypto, bytes);
  assert.ok(superblock.type === "superblock");
  const parameters = schema.decode(parametersSchema, superblock.block.parameters);
  assert.ok(parameters.ok);
  const { storeId } = superblock.block;
  const master = openSlots(nodeCrypto, storeId, parameters.value.slots, { type: "none" });
  assert.ok(master);
  const keys = new FileKeys(nodeCrypto, master, superblock.block);
  await using file = await openMemoryFile(place, "read");
  const tree = new MerkleTree(nodeCrypto);
  for (const { id } of file.states()) tree.append(file.leafOf(id));
  const append = new Append(nodeCrypto, {
    end: bytes.length,
    sequence: 7,
    last: file.lastCommit,
    tree,
    superblock: superblockHash(bytes.subarray(0, 4096)),
  });
  make(append);
  const more = append.finish(keys, 1, {}).bytes;
  const joined = new Uint8Array([...bytes, ...more]);
  await using again = await openMemoryFile(await placeWith(joined), "read");
  const { commits, damage, tailBytes } = again.info;
  return { commits, damage: damage !== undefined, tail: tailBytes > 0 };
};

test("segments out of order, cut off, or of what is not there end what holds", async () => {
  const holds = { commits: 2, damage: false, tail: false };
  const good: readonly Make[] = [
    (append) => segment(append, {}, recordTypes.index),
    (append) => {
      key(append, "segment", 0);
      segment(append, { parts: 2 }, recordTypes.index);
      segment(append, { part: 1, parts: 2 }, recordTypes.index);
      append.add(recordTypes.drop, schema.encode(drop, { segments: [0], atMs: 0 }));
    },
  ];
  for (const make of good) assert.deepEqual(await opened(make), holds, "the control");
  const bad: readonly Make[] = [
    (append) => segment(append, { number: 1 }, recordTypes.index),
    (append) => segment(append, { part: 1, parts: 2 }, recordTypes.index),
    (append) => segment(append, { parts: 2 }, recordTypes.index),
    (append) => segment(append, { first: 3 }, recordTypes.index),
    (append) => segment(append, { count: 4 }, recordTypes.index),
    (append) => key(append, "segment", 1),
    (append) => key(append, "memory", 4),
    (append) => append.add(recordTypes.drop, schema.encode(drop, { segments: [0], atMs: 0 })),
    (append) => append.add(recordTypes.drop, new Uint8Array([0])),
    (append) => {
      segment(append, { parts: 2 }, recordTypes.index);
      key(append, "segment", 1);
    },
    (append) => {
      segment(append, { parts: 2 }, recordTypes.index);
      const nothing = new Uint8Array(32);
      const frame = { id: 3, class: 0, commitment: nothing, sealed: new Uint8Array() };
      append.add(recordTypes.frame, encodeFrame(frame));
    },
    (append) => {
      segment(append, { parts: 2 }, recordTypes.index);
      segment(append, { part: 1, parts: 3 }, recordTypes.index);
    },
  ];
  for (const [i, make] of bad.entries()) {
    const { commits, tail } = await opened(make);
    assert.deepEqual([commits, tail], [1, true], `case ${i}`);
  }
  // Words that the last commit does not name: read, and never written to.
  const unnamed = await opened((append) => segment(append, {}));
  assert.deepEqual(unnamed, { commits: 2, damage: true, tail: false });
});
