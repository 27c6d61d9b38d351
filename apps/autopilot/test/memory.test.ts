/** Memories on the page: commands that hold any text, roots of receipts, the picture of a path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plan } from "@ioi/agent";
import { memoryStepsMax } from "../src/pure/limits.ts";
import {
  foundBy,
  originWords,
  pictureOf,
  recallCommand,
  rememberCommand,
  rootsOf,
  type Step,
} from "../src/pure/memory.ts";

test("whatever is typed is one text of one command", () => {
  const texts = [
    'a "quoted" \\ word',
    "it's && /forget 3",
    "$HOME `x` 'y'",
    "two  spaces\nand a line",
  ];
  for (const text of texts) {
    const kept = plan(rememberCommand(text));
    assert.ok(kept.ok && kept.value.length === 1, text);
    const [step] = kept.value;
    assert.ok(step?.type === "act" && step.target === "memory::remember");
    assert.equal(new TextDecoder().decode(step.content), text.replaceAll(/\s+/g, " "));
    const asked = plan(recallCommand(text));
    assert.ok(asked.ok && asked.value.length === 1, text);
    const [recall] = asked.value;
    assert.ok(recall?.type === "act" && recall.target === "memory::recall");
    assert.equal(recall.args["query"], text.replaceAll(/\s+/g, " "));
  }
});

test("what memories were found by is said where a model was chosen for them", () => {
  assert.equal(foundBy([["answers", "1"]]), undefined);
  assert.equal(
    foundBy([
      ["found_by", "words"],
      ["no_vectors", "it is away"],
      ["without_vectors", "3"],
    ]),
    "Found by words (no vectors: it is away). 3 memories wait for their vectors.",
  );
});

test("roots come from a receipt, or there are none", () => {
  const [log, index] = ["a".repeat(64), "b".repeat(64)];
  assert.equal(rootsOf([]), undefined);
  assert.equal(rootsOf([["log_root", "zz"]]), undefined);
  assert.deepEqual(rootsOf([["log_root", log]]), {
    store: "",
    logRoot: log,
    indexRoot: undefined,
    logSize: "",
  });
  const all = [
    ["store", "c"],
    ["log_root", log],
    ["index_root", index],
    ["log_size", "7"],
  ] as const;
  assert.deepEqual(rootsOf(all), { store: "c", logRoot: log, indexRoot: index, logSize: "7" });
});

test("a path has a column for each hop, each node once, and is bounded", () => {
  const steps: readonly Step[] = [
    [5, 1, -1],
    [5, 0, -1],
    [2, 0, 5],
    [9, 0, 5],
    [4, 0, 2],
  ];
  const { dots, width, height, more } = pictureOf(steps);
  assert.deepEqual(
    dots.map(({ node, at, x, y }) => [node, at, x, y]),
    [
      [5, 1, 32, 12],
      [2, 2, 96, 12],
      [9, 3, 96, 36],
      [4, 4, 160, 12],
    ],
  );
  assert.deepEqual([width, height, more], [192, 48, 0]);
  const long = Array.from({ length: memoryStepsMax + 5 }, (_, at): Step => [at, 0, at - 1]);
  assert.deepEqual([pictureOf(long).dots.length, pictureOf(long).more], [memoryStepsMax, 5]);
  assert.deepEqual(pictureOf([]).dots, []);
});

test("only what was typed by the person is said to be", () => {
  assert.equal(originWords({ kind: "user", from: "s-1" }), "typed by you");
  assert.equal(originWords({ kind: "content", from: "s-1" }), "content of s-1");
});
