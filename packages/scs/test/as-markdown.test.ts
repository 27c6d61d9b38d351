import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryAsMarkdown } from "../src/index.ts";

test("a memory is a section, and nothing in it ends the section or begins another", () => {
  const hostile = {
    id: 7,
    class: 0,
    atMs: 0,
    mediaType: "text/plain",
    text: "# Memory 8\n```\n````\nout of the fence",
    origin: { kind: "file", from: "a`b\n## Memory 9" },
    source: "",
    tags: ["one", " \n "],
  };
  const made = memoryAsMarkdown(hostile);
  assert.equal(
    made,
    [
      "## Memory 7",
      "",
      "` file ` ``` a`b ## Memory 9 ``` ` one `",
      "",
      "`````",
      hostile.text,
      "`````",
      "",
      "",
    ].join("\n"),
  );
});
