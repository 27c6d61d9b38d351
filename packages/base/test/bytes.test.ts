import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  InvariantError,
  toHex,
  uintBE,
} from "../src/index.ts";

const bytes = fc.uint8Array({ maxLength: 64 });

test("hex agrees with Buffer and comes back", () => {
  fc.assert(
    fc.property(bytes, (value) => {
      assert.equal(toHex(value), Buffer.from(value).toString("hex"));
      assert.deepEqual(fromHex(toHex(value)), new Uint8Array(value));
    }),
  );
});

test("what is not lower-case hex is refused", () => {
  for (const text of ["0", "0G", "AB", " 00", "00 ", "0x00", "é0", "00\n"]) {
    assert.equal(fromHex(text), undefined, text);
  }
  assert.deepEqual(fromHex(""), new Uint8Array());
});

test("the order of bytes agrees with Buffer", () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(a, b));
      assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0);
      assert.ok(equalBytes(a, a.slice()));
    }),
  );
});

test("concatenation agrees with Buffer", () => {
  fc.assert(
    fc.property(fc.array(bytes), (parts) => {
      assert.deepEqual(concatBytes(...parts), new Uint8Array(Buffer.concat(parts)));
    }),
  );
});

test("big-endian integers", () => {
  assert.deepEqual(uintBE(0, 1), Uint8Array.of(0));
  assert.deepEqual(uintBE(0x01_02_03, 4), Uint8Array.of(0, 1, 2, 3));
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const expected = Buffer.alloc(8);
      expected.writeBigUInt64BE(value);
      assert.deepEqual(uintBE(value, 8), new Uint8Array(expected));
    }),
  );
  for (const [value, width] of [
    [256, 1],
    [-1, 4],
    [2n ** 64n, 8],
  ] as const) {
    assert.throws(() => uintBE(value, width), InvariantError);
  }
});
