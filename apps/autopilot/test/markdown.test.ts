import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { markdownCharsMax } from "../src/pure/limits.ts";
import { type Block, type Inline, parseInline, parseMarkdown } from "../src/pure/markdown.ts";

const text = (value: string): Inline => ({ type: "text", text: value });

test("the subset becomes blocks", () => {
  assert.deepEqual(
    parseMarkdown("# Total\n\nIt is **42** euro\nand `0` cents.\n\n- one\n- two\n\n1. first\n"),
    [
      { type: "heading", level: 1, parts: [text("Total")] },
      {
        type: "paragraph",
        parts: [
          text("It is "),
          { type: "strong", text: "42" },
          text(" euro\nand "),
          { type: "code", text: "0" },
          text(" cents."),
        ],
      },
      { type: "list", ordered: false, items: [[text("one")], [text("two")]] },
      { type: "list", ordered: true, items: [[text("first")]] },
    ] satisfies Block[],
  );
  assert.deepEqual(parseMarkdown("```sh\nls <b>\n# no heading\n```\n> said\n> so"), [
    { type: "code", language: "sh", text: "ls <b>\n# no heading" },
    { type: "quote", parts: [text("said\nso")] },
  ] satisfies Block[]);
  // A fence that is never closed takes the rest, as it is on its way.
  assert.deepEqual(parseMarkdown("```\nx"), [{ type: "code", language: "", text: "x" }]);
});

test("a link tells its whole address, and only a harmless one is a link", () => {
  assert.deepEqual(parseInline("see [here](https://a.example/x) and http://b.example/y."), [
    text("see "),
    { type: "link", text: "here", url: "https://a.example/x" },
    text(" and "),
    { type: "link", text: "http://b.example/y", url: "http://b.example/y" },
    text("."),
  ]);
  for (const url of [
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "data:text/html,<script>",
    "//a.example",
    "file:///etc/passwd",
    "https://a.example/\u0000",
    'https://a.example/"onclick="x',
    " https://a.example",
  ]) {
    const parts = parseInline(`[click](${url})`);
    const links = parts.filter((part) => part.type === "link");
    assert.ok(
      links.every(({ url: found }) => /^https?:\/\/[\w./]*$/.test(found)),
      `${url} became ${JSON.stringify(links)}`,
    );
    assert.ok(!links.some(({ text: label }) => label === "click"), url);
  }
});

test("markup of other languages stays text", () => {
  const hostile = "<img src=x onerror=alert(1)><script>alert(1)</script>&lt;";
  assert.deepEqual(parseMarkdown(hostile), [{ type: "paragraph", parts: [text(hostile)] }]);
});

test("marks without an end are text", () => {
  for (const odd of ["**", "*", "`", "[", "[a](", "**a", "`a", "* a *", "[a](b", "a ** b ** c"]) {
    const parts = parseInline(odd);
    assert.equal(parts.map((part) => part.text).join(""), odd);
  }
});

/** What a person reads of it. */
const plain = (blocks: readonly Block[]): string =>
  blocks
    .map((block) => {
      switch (block.type) {
        case "code":
          return block.text;
        case "list":
          return block.items
            .flat()
            .map((part) => part.text)
            .join("");
        case "cut":
          return "";
        default:
          return block.parts.map((part) => part.text).join("");
      }
    })
    .join("");

test("no word is lost, whatever is between the words", () => {
  const mark = fc.constantFrom("*", "**", "`", "[", "](", ")", "#", "- ", "> ", "1. ", "\n", " ");
  const word = fc.stringMatching(/^[a-z]{1,6}$/);
  fc.assert(
    fc.property(fc.array(fc.oneof(mark, word), { maxLength: 60 }), (pieces) => {
      const source = pieces.join("");
      const shown = plain(parseMarkdown(source));
      const letters = (value: string): string => value.replaceAll(/[^a-z]/g, "");
      // A fence's language is a label, not text.
      if (!source.includes("```")) assert.equal(letters(shown), letters(source));
    }),
    { numRuns: 500 },
  );
});

test("long and hostile texts end, cut where they are too long", () => {
  const pieces = ["[", "[](", "**", "`", "*a ", "> ", "- ", "http://", "![x](", "```\n"];
  const texts = pieces.map((piece) => piece.repeat(markdownCharsMax + 1));
  for (const each of [...texts, `${"[".repeat(markdownCharsMax)}](x)`]) {
    assert.equal(parseMarkdown(each).at(-1)?.type, "cut", each.slice(0, 9));
  }
});
