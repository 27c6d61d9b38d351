/** What waits for a slow reader is bounded, and what was dropped shows. */
import assert from "node:assert/strict";
import test from "node:test";
import { waitingOutputCharsMax } from "../src/limits.ts";
import { OutputQueue } from "../src/output-queue.ts";

test("pieces of one action are joined; those of another stand apart", () => {
  const queue = new OutputQueue();
  assert.equal(queue.waits, false);
  queue.push({ action: 1, text: "a" });
  queue.push({ action: 1, text: "" });
  queue.push({ action: 1, text: "b" });
  queue.push({ action: 2, text: "c" });
  assert.equal(queue.waits, true);
  assert.deepEqual(queue.take(), [
    { action: 1, text: "ab" },
    { action: 2, text: "c" },
  ]);
  assert.deepEqual(queue.take(), []);
});

test("what a slow reader has no room for is dropped and marked", () => {
  const queue = new OutputQueue();
  const block = "x".repeat(waitingOutputCharsMax / 4);
  for (let i = 0; i < 10; i++) queue.push({ action: 1, text: block });
  const kept = queue.take();
  assert.equal(kept.map(({ text }) => text).join("").length, waitingOutputCharsMax);
  queue.push({ action: 1, text: "later" });
  assert.deepEqual(queue.take(), [{ action: 1, text: "\n[…]\nlater" }]);
});
