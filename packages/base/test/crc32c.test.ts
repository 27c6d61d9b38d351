import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c, fromHex, utf8Encode } from "@ioi/base";
import fc from "fast-check";

test("the vectors of RFC 3720, appendix B.4", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  const command = fromHex(
    "01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000",
  );
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(ascending), 0x46dd794e);
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
  assert.equal(crc32c(command ?? new Uint8Array()), 0xd9963a56);
});

test("other known values", () => {
  assert.equal(crc32c(new Uint8Array()), 0);
  assert.equal(crc32c(utf8Encode("a")), 0xc1d04330);
  assert.equal(crc32c(utf8Encode("123456789")), 0xe3069283);
});

const bitwise = (bytes: Uint8Array): number => {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
};

test("every length agrees with the definition, and a checksum goes on where another ended", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
      assert.equal(crc32c(bytes), bitwise(bytes));
      assert.equal(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at))), bitwise(bytes));
    }),
    { numRuns: 1000 },
  );
});
