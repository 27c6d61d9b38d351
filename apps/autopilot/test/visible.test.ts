import assert from "node:assert/strict";
import { test } from "node:test";
import { visible } from "@ioi/firewall";
import { visibleLine, visibleText } from "../src/pure/visible.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

test("every code point is shown as on a card", () => {
  const differing: string[] = [];
  for (let point = 0; point <= 0x10ffff; point += inner && point > 0x3000 ? 61 : 1) {
    const char = String.fromCodePoint(point);
    if (visibleLine(char) !== visible(char)) differing.push(point.toString(16));
  }
  assert.deepEqual(differing, []);
  const stacked = "a\u0301\u0301\u0301\u0301\u0301";
  assert.equal(visibleLine(stacked), visible(stacked));
});

test("a block keeps its lines and tabs and hides nothing else", () => {
  assert.equal(
    visibleText("a\tb\r\nc\u202Ed\u200B\rx\u0000"),
    "a\tb\nc⟨U+202E⟩d⟨U+200B⟩⟨U+000D⟩x⟨U+0000⟩",
  );
});
