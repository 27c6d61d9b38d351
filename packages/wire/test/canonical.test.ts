/** The canonical codec against an independent CBOR implementation, and against mutations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as cborg from "cborg";
import fc from "fast-check";
import {
  canonicalDepthMax,
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
} from "@ioi/wire";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const seed = Number(process.env["IOI_SEED"] ?? 8949);
const u64Max = (1n << 64n) - 1n;

const text = fc.string({ unit: "grapheme", maxLength: 30 }).filter((value) => value.isWellFormed());
const integer = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  fc.bigInt({ min: -(1n << 64n), max: u64Max }),
);
const { value: anyValue } = fc.letrec<{ value: CanonicalValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    integer,
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(text, tie("value"), { maxKeys: 5 }),
  ),
}));

/** With the codec's view of integers and prototypes, to compare whole. */
const normal = (value: CanonicalValue): unknown => {
  if (typeof value === "bigint") {
    return BigInt.asIntN(54, value) === value && Number.isSafeInteger(Number(value))
      ? Number(value)
      : value;
  }
  if (typeof value === "number") return value + 0;
  if (Array.isArray(value)) return value.map((each: CanonicalValue) => normal(each));
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    return new Map(
      Object.entries(value).map(([key, each]) => [key, normal(each as CanonicalValue)]),
    );
  }
  return value;
};

test("an independent implementation gives the same bytes, and reads ours", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const encoded = encodeCanonical(value);
      const theirs = cborg.encode(value, cborg.rfc8949EncodeOptions);
      assert.deepEqual(encoded, new Uint8Array(theirs));
      const decoded = decodeCanonical(encoded);
      assert.ok(decoded.ok);
      assert.deepEqual(normal(decoded.value), normal(value));
      const read = cborg.decode(encoded, { strict: true, allowIndefinite: false, useMaps: false });
      assert.deepEqual(normal(read), normal(value));
    }),
    { seed, numRuns: 500 },
  );
});

const judge = (bytes: Uint8Array): "accepted" | "refused" => {
  const decoded = decodeCanonical(bytes);
  if (!decoded.ok) {
    assert.equal(decoded.error.code, "E_CANONICAL_INVALID");
    return "refused";
  }
  assert.deepEqual(encodeCanonical(decoded.value), bytes, "accepted, so it is the one encoding");
  return "accepted";
};

test("whatever is accepted re-encodes to the same bytes: mutations", () => {
  const counts = { accepted: 0, refused: 0 };
  const runs = inner ? 600 : 3000;
  fc.assert(
    fc.property(anyValue, fc.nat(), fc.nat(255), fc.nat(3), (value, where, byte, kind) => {
      const encoded = encodeCanonical(value);
      const at = where % encoded.length;
      const mutations = [
        () => encoded.with(at, byte),
        () => encoded.slice(0, at),
        () => Uint8Array.from([...encoded.slice(0, at), byte, ...encoded.slice(at)]),
        () => Uint8Array.from([...encoded.slice(0, at), ...encoded.slice(at + 1)]),
      ];
      counts[judge((mutations[kind] as () => Uint8Array)())]++;
    }),
    { seed, numRuns: runs },
  );
  const least = runs / 30;
  assert.ok(counts.accepted > least && counts.refused > least, JSON.stringify(counts));
});

test("whatever is accepted re-encodes to the same bytes: noise", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
      judge(bytes);
    }),
    { seed, numRuns: inner ? 500 : 5000 },
  );
});

test("every two-byte string is judged", () => {
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) judge(Uint8Array.of(first, second));
  }
});

test("forms that CBOR allows and we do not", () => {
  const cases = {
    "integer not in the shortest form": "1817",
    "length not in the shortest form": "780161",
    "indefinite array": "9fff",
    "indefinite map": "bfff",
    "indefinite text": "7f6161ff",
    tag: "c11a00000000",
    "half float": "f93c00",
    "double float": "fb3ff8000000000000",
    undefined: "f7",
    "simple value": "f820",
    "false in two bytes": "f814",
    break: "ff",
    "keys out of order": "a2616201616102",
    "longer key first": "a262616101616202",
    "key twice": "a2616101616102",
    "key that is no text": "a10102",
    "text that is no UTF-8": "61ff",
    "overlong UTF-8": "62c080",
    "surrogate in UTF-8": "63eda080",
    "bytes cut off": "4201",
    "array cut off": "8201",
    "something after the value": "0000",
    "length of 2^64 - 1": "5bffffffffffffffff",
    "array of 2^64 - 1": "9bffffffffffffffff",
    nothing: "",
  };
  for (const [name, hex] of Object.entries(cases)) {
    assert.equal(judge(new Uint8Array(Buffer.from(hex, "hex"))), "refused", name);
  }
});

test("the published examples of RFC 8949, as far as they are in our subset", () => {
  const examples: readonly (readonly [CanonicalValue, string])[] = [
    [0, "00"],
    [23, "17"],
    [24, "1818"],
    [1000000, "1a000f4240"],
    [1000000000000, "1b000000e8d4a51000"],
    [18446744073709551615n, "1bffffffffffffffff"],
    [-18446744073709551616n, "3bffffffffffffffff"],
    [-1, "20"],
    [-1000, "3903e7"],
    [false, "f4"],
    [null, "f6"],
    [Uint8Array.of(1, 2, 3, 4), "4401020304"],
    ["\u6c34", "63e6b0b4"],
    ["\u{10151}", "64f0908591"],
    [[1, [2, 3], [4, 5]], "8301820203820405"],
    [{ a: 1, b: [2, 3] }, "a26161016162820203"],
    [["a", { b: "c" }], "826161a161626163"],
  ];
  for (const [value, hex] of examples) {
    assert.equal(Buffer.from(encodeCanonical(value)).toString("hex"), hex);
  }
});

test("depth is bounded both ways", () => {
  const nest = (depth: number): CanonicalValue => {
    let value: CanonicalValue = 0;
    for (let i = 0; i < depth; i++) value = [value];
    return value;
  };
  assert.equal(judge(encodeCanonical(nest(canonicalDepthMax))), "accepted");
  assert.throws(() => encodeCanonical(nest(canonicalDepthMax + 1)), { name: "InvariantError" });
  const deep = Uint8Array.from([...Array.from({ length: 100_000 }, () => 0x81), 0]);
  assert.equal(judge(deep), "refused");
});

test("what has no encoding is a bug", () => {
  const bad = [1.5, Number.NaN, 2 ** 53, 1n << 64n, -(1n << 64n) - 1n, "\ud800", { a: undefined }];
  for (const value of bad) {
    assert.throws(() => encodeCanonical(value as CanonicalValue), { name: "InvariantError" });
  }
});
