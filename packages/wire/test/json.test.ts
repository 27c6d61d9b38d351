import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonBytesMax, jsonDepthMax, parseJson } from "@ioi/wire";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const seed = Number(process.env["IOI_SEED"] ?? 8259);

/** As the platform's objects, to compare whole. */
const plain = (value: unknown): unknown => structuredClone(value);

const rejected = (text: string | Uint8Array): string => {
  const parsed = parseJson(text);
  if (parsed.ok) return "accepted";
  assert.equal(parsed.error.code, "E_JSON_INVALID");
  return parsed.error.message;
};

test("whatever the platform writes, both readers read alike", () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 6 }),
      fc.constantFrom(undefined, 2, "\t"),
      (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        if (!text.isWellFormed() || /\\u[dD][89a-fA-F]/.test(text)) return;
        if (/(?:^|[[:,\s])-?[0-9]{16,}(?:[,\]}\s]|$)/.test(text)) return;
        const parsed = parseJson(text);
        assert.ok(parsed.ok, text);
        assert.deepEqual(plain(parsed.value), plain(JSON.parse(text)));
        assert.deepEqual(parseJson(new TextEncoder().encode(text)), parsed);
      },
    ),
    { seed, numRuns: 500 },
  );
});

test("what is accepted, the platform accepts with the same value", () => {
  const piece = fc.constantFrom(
    ...'{}[]:,"\\ \n\t0123456789-+.eEutrflasn\u0001\u00e9\ud800/',
    '"a"',
    '"b":',
    "true",
    "null",
    "1.5e3",
    "\\u0041",
    "\\ud83d\\ude00",
    "[1,",
    '{"k":',
    "}",
    "]",
  );
  let accepted = 0;
  const runs = inner ? 2000 : 20_000;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const text = pieces.join("");
      const parsed = parseJson(text);
      if (!parsed.ok) return;
      accepted++;
      assert.deepEqual(plain(parsed.value), plain(JSON.parse(text)));
    }),
    { seed, numRuns: runs },
  );
  assert.ok(accepted > runs / 200, `${accepted} accepted texts`);
});

test("one text, one meaning: what readers disagree about is refused", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{"a":1,"a":2}', /"a" stands twice at line 1, column 8/],
    ['{"a":1,"\\u0061":2}', /"a" stands twice/],
    ['{"x":{"__proto__":1,"__proto__":2}}', /"__proto__" stands twice/],
    ['"\\ud800"', /lone surrogate/],
    ['"\\udc00\\ud800"', /lone surrogate/],
    ['"\ud800"', /lone surrogate/],
    ['{"\\udfff":1}', /lone surrogate/],
    ["9007199254740992", /beyond 2\^53 - 1/],
    ["-9007199254740992", /beyond 2\^53 - 1/],
    ["[1, 123456789012345678901234567890]", /beyond 2\^53 - 1 at line 1, column 5/],
    ["1e400", /range of a double/],
    ["\ufeff1", /byte order mark/],
  ];
  for (const [text, reason] of cases) assert.match(rejected(text), reason, text);
  assert.deepEqual(parseJson("9007199254740991"), { ok: true, value: 9007199254740991 });
  assert.deepEqual(parseJson("-9007199254740991"), { ok: true, value: -9007199254740991 });
  assert.deepEqual(parseJson("1e300"), { ok: true, value: 1e300 });
  assert.deepEqual(parseJson('"\\ud83d\\ude00"'), { ok: true, value: "\u{1f600}" });
});

test("malformed texts are refused where they go wrong", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /ends where a value must stand at line 1, column 1/],
    ["  ", /ends where a value must stand at line 1, column 3/],
    ["1 2", /something follows/],
    ["[1,]", /expected a value at line 1, column 4/],
    ['{"a":1,}', /expected a key in quotes/],
    ["{a:1}", /expected a key in quotes/],
    ['{"a" 1}', /expected ":"/],
    ['{"a":1 "b":2}', /expected "," or "}"/],
    ["[1 2]", /expected "," or "]"/],
    ["[1", /expected "," or "]"/],
    ["nul", /expected a value/],
    ["True", /expected a value/],
    ["NaN", /expected a value/],
    ["01", /malformed number/],
    ["1.", /malformed number/],
    ["-", /expected a value/],
    [".5", /expected a value/],
    ["+1", /expected a value/],
    ["1e", /malformed number/],
    ["0x1", /something follows/],
    ["--1", /expected a value/],
    ['"a', /unterminated string at line 1, column 1/],
    ['"a\nb"', /control character/],
    ['"\\x"', /unknown escape at line 1, column 2/],
    ['"\\u12g4"', /malformed \\u escape/],
    ["'a'", /expected a value/],
    ["/* */1", /expected a value/],
    ['[\n1,\n  "a\t"\n]', /control character in a string at line 3, column 5/],
    ["\u00a01", /expected a value/],
  ];
  for (const [text, reason] of cases) assert.match(rejected(text), reason, JSON.stringify(text));
});

test("depth and size are bounded", () => {
  const nest = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  assert.equal(parseJson(nest(jsonDepthMax)).ok, true);
  assert.match(rejected(nest(jsonDepthMax + 1)), /deeper than 64 levels/);
  assert.match(rejected("[".repeat(1_000_000)), /deeper than 64 levels/);
  assert.match(rejected('{"a":'.repeat(65) + "1" + "}".repeat(65)), /deeper than 64 levels/);
  assert.match(rejected(" ".repeat(jsonBytesMax) + "1"), /more than/);
  assert.equal(parseJson(" ".repeat(jsonBytesMax - 1) + "1").ok, true);
  assert.match(rejected(new Uint8Array(jsonBytesMax + 1)), /more than/);
});

test("bytes are strict UTF-8", () => {
  const quoted = (...bytes: number[]): Uint8Array => Uint8Array.of(0x22, ...bytes, 0x22);
  for (const bad of [
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xff],
    [0xe2, 0x82],
    [0xf4, 0x90, 0x80, 0x80],
  ]) {
    assert.match(rejected(quoted(...bad)), /not UTF-8/);
  }
  assert.deepEqual(parseJson(quoted(0xe2, 0x82, 0xac)), { ok: true, value: "\u20ac" });
  assert.match(rejected(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)), /byte order mark/);
});

test("__proto__ is a key like any other", () => {
  const parsed = parseJson('{"__proto__":{"polluted":true},"constructor":1}');
  assert.ok(parsed.ok);
  assert.deepEqual(Object.keys(parsed.value as object), ["__proto__", "constructor"]);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});
