import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalize } from "json-canonicalize";
import { encodeJcs, jcsBytes, type JsonValue, parseJson } from "@ioi/wire";

const seed = Number(process.env["IOI_SEED"] ?? 8785);
const folder = join(
  process.env["IOI_VECTORS"] ?? join(import.meta.dirname, "../../../../shared/vectors"),
  "jcs",
);

test("public vectors", (t) => {
  if (!existsSync(folder)) {
    t.skip(`no public vectors at ${folder}`);
    return;
  }
  const names = readdirSync(join(folder, "input"));
  for (const name of names) {
    const parsed = parseJson(readFileSync(join(folder, "input", name)));
    assert.ok(parsed.ok, name);
    const expected = readFileSync(join(folder, "output", name));
    assert.deepEqual(Buffer.from(jcsBytes(parsed.value)), expected, name);
    const hex = readFileSync(join(folder, "outhex", name.replace(".json", ".txt")), "utf8");
    assert.equal(Buffer.from(jcsBytes(parsed.value)).toString("hex"), hex.replaceAll(/\s/g, ""));
  }
  t.diagnostic(`${names.length} files`);
  assert.ok(names.length >= 6);
});

test("numbers are those of RFC 8785, appendix B", () => {
  const table: readonly (readonly [string, string])[] = [
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["ffefffffffffffff", "-1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["c340000000000000", "-9007199254740992"],
    ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"],
    ["44b52d02c7e14af6", "1e+23"],
    ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"],
    ["444b1ae4d6e2ef4f", "999999999999999900000"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"],
    ["41b3de4355555554", "333333333.33333325"],
    ["41b3de4355555555", "333333333.3333333"],
    ["41b3de4355555556", "333333333.3333334"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
    ["43143ff3c1cb0959", "1424953923781206.2"],
  ];
  for (const [bits, text] of table) {
    assert.equal(encodeJcs(Buffer.from(bits, "hex").readDoubleBE()), text, bits);
  }
});

const wellFormed = fc.jsonValue({ maxDepth: 5 }).filter((value) => {
  const text = JSON.stringify(value);
  return text.isWellFormed() && !/\\u[dD][89a-fA-F]/.test(text);
});

test("an independent implementation gives the same text", () => {
  fc.assert(
    fc.property(wellFormed, (value) => {
      assert.equal(encodeJcs(value as JsonValue), canonicalize(value));
    }),
    { seed, numRuns: 500 },
  );
});

test("the text is JSON for the same value, and a fixed point", () => {
  fc.assert(
    fc.property(wellFormed, (value) => {
      const text = encodeJcs(value as JsonValue);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.equal(encodeJcs(JSON.parse(text)), text);
    }),
    { seed, numRuns: 300 },
  );
});

test("members go by UTF-16 units, not by code points", () => {
  // U+FB33 is one unit, U+1F600 begins with the lower unit U+D83D.
  assert.equal(encodeJcs({ "\ufb33": 1, "\u{1f600}": 2 }), '{"\u{1f600}":2,"\ufb33":1}');
});

test("what JSON does not have is a bug", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  for (const bad of [
    Number.NaN,
    Infinity,
    undefined,
    1n,
    () => 1,
    "\ud800",
    { "\udc00": 1 },
    cyclic,
  ]) {
    assert.throws(() => encodeJcs(bad as never), { name: "InvariantError" });
  }
});
