import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { diffLines } from "../src/pure/diff.ts";
import { diffLinesMax } from "../src/pure/limits.ts";

/** Length of the longest common subsequence, by the table of the textbook. */
const common = (a: readonly string[], b: readonly string[]): number => {
  const rows = Array.from({ length: a.length + 1 }, () =>
    Array.from({ length: b.length + 1 }, () => 0),
  );
  for (const [i, left] of a.entries()) {
    for (const [j, right] of b.entries()) {
      const row = rows[i + 1] ?? [];
      row[j + 1] =
        left === right ? (rows[i]?.[j] ?? 0) + 1 : Math.max(rows[i]?.[j + 1] ?? 0, row[j] ?? 0);
    }
  }
  return rows[a.length]?.[b.length] ?? 0;
};

test("what stayed and what went is the old text, what stayed and what came the new one", () => {
  const lines = fc.array(fc.constantFrom("a", "b", "c", ""), { maxLength: 14 });
  fc.assert(
    fc.property(lines, lines, (a, b) => {
      const whole = (list: readonly string[]): string => list.map((line) => `${line}\n`).join("");
      const found = diffLines(whole(a), whole(b)) ?? [];
      assert.deepEqual(
        found.filter(({ type }) => type !== "added").map(({ text }) => text),
        a,
      );
      assert.deepEqual(
        found.filter(({ type }) => type !== "removed").map(({ text }) => text),
        b,
      );
      assert.deepEqual(
        found.flatMap(({ before }) => before ?? []),
        a.map((_, index) => index + 1),
      );
      // Nothing that stayed is shown as gone and come again.
      assert.equal(found.filter(({ type }) => type === "same").length, common(a, b));
    }),
    { numRuns: 400 },
  );
});

test("texts that are too long are not compared", () => {
  assert.equal(diffLines("x\n".repeat(diffLinesMax + 1), ""), undefined);
  assert.deepEqual(diffLines("", ""), []);
});
