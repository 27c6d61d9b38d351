import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareText, utf8Decode, utf8Encode } from "../src/index.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const platformDecode = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
};

/** Any UTF-16, lone surrogates included. */
const anyText = fc
  .array(fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xd800, max: 0xdfff })))
  .map((units) => String.fromCharCode(...units));

/** Mostly well-formed, with the bytes that matter at the edges. */
const hardBytes = fc
  .array(
    fc.oneof(
      fc.nat(255),
      fc.constantFrom(0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5),
      fc.integer({ min: 0x80, max: 0xbf }),
    ),
    { maxLength: 12 },
  )
  .map((list) => Uint8Array.from(list));

test("encoding agrees with TextEncoder", () => {
  fc.assert(
    fc.property(anyText, (text) => assert.deepEqual(utf8Encode(text), encoder.encode(text))),
    { numRuns: 2000 },
  );
});

test("decoding agrees with a fatal TextDecoder", () => {
  fc.assert(
    fc.property(hardBytes, (bytes) => assert.equal(utf8Decode(bytes), platformDecode(bytes))),
    { numRuns: inner ? 2000 : 20_000 },
  );
});

test("every code point comes back", () => {
  for (let code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 61) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const text = String.fromCodePoint(code);
    assert.equal(utf8Decode(utf8Encode(text)), text);
  }
});

test("every sequence of two bytes, and three after the leads with a rule of their own", () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) {
      const two = Uint8Array.of(a, b);
      assert.equal(utf8Decode(two), platformDecode(two), `${a} ${b}`);
      if (a === 0xe0 || a === 0xed || a === 0xf0 || a === 0xf4) {
        const four = Uint8Array.of(a, b, 0x80, 0x80);
        assert.equal(utf8Decode(four), platformDecode(four), `${a} ${b}`);
        const three = Uint8Array.of(a, b, 0x80);
        assert.equal(utf8Decode(three), platformDecode(three), `${a} ${b}`);
      }
    }
  }
});

test("a long text is decoded whole", () => {
  const text = "aé\u{ffff}\u{1f600}".repeat(5000);
  assert.equal(utf8Decode(utf8Encode(text)), text);
});

test("the order of texts is the order of their code points", () => {
  const byCodePoints = (a: string, b: string): number => {
    const [x, y] = [[...a], [...b]];
    for (let i = 0; i < Math.min(x.length, y.length); i++) {
      const difference = (x[i]?.codePointAt(0) ?? 0) - (y[i]?.codePointAt(0) ?? 0);
      if (difference !== 0) return Math.sign(difference);
    }
    return Math.sign(x.length - y.length);
  };
  // As fast-check's own "binary", which lists all code points before the first.
  const unit = fc
    .nat(0x10ffff)
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code));
  const text = fc.string({ unit, maxLength: 4 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(Math.sign(compareText(a, b)), byCodePoints(a, b));
    }),
    { numRuns: inner ? 500 : 5000 },
  );
  const names = ["\u{1f600}", "\u{ff5e}"];
  assert.deepEqual(names.toSorted(compareText), names.toReversed());
  assert.deepEqual(names.toSorted(), names, "unlike the order of UTF-16");
});
