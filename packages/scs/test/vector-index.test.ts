/** The index of a file: many added at once, by threads, and what growing keeps. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { wasmSource } from "@ioi/host/wasm";
import { type KernelExports, type KernelSource, simdKernel } from "../src/index.ts";
import { type NewNode, VectorIndex } from "../src/substrate/vector-index.ts";

const kernel = wasmSource<KernelExports>(simdKernel);
const alone: KernelSource = { open: () => kernel.open() };
const parameters = { dimension: 8, m: 4, efConstruction: 16, salt: new Uint8Array(32).fill(7) };
const leaf = new Uint8Array(32).fill(3);

/** All unpacked into one place, as they are read from a file. */
const nodesFrom = (first: number, count: number): readonly NewNode[] => {
  const row = new Int16Array(parameters.dimension);
  return Array.from({ length: count }, (_, i) => ({
    memory: 2 * (first + i),
    components: () => {
      const random = new SeededRandom(`node ${first + i}`);
      return row.map((_value, at) => (row[at] = random.below(4000) - 2000));
    },
    leaf,
  }));
};

test("added one by one, or many at once by threads: one index, also when it grows", async () => {
  let started = 0;
  const threaded: KernelSource = {
    ...alone,
    threads: 3,
    start: async (graph, layouts) => {
      started += layouts.length;
      await kernel.start(graph, layouts);
    },
  };
  const one = new VectorIndex(nodeCrypto, alone, parameters, 0);
  for (const node of nodesFrom(0, 4500)) one.add([node]);
  const many = new VectorIndex(nodeCrypto, threaded, parameters, 0);
  one.bury(8);
  for (const [from, count] of [
    [0, 1500],
    [1500, 2800],
    [4300, 200],
  ] as const) {
    await many.employ();
    many.add(nodesFrom(from, count));
    many.bury(8);
  }
  many.dismiss();
  assert.equal(started, 4, "two threads, and two again when it had grown");
  assert.equal(toHex(many.root()), toHex(one.root()));
  const again = new VectorIndex(nodeCrypto, threaded, parameters, 4500);
  assert.ok(again.restore(many.snapshot(), nodesFrom(0, 4500), (memory) => memory === 8));
  assert.equal(toHex(again.root()), toHex(one.root()));
});

test("threads that were never started, or were dismissed, are not waited for", async () => {
  const threaded: KernelSource = {
    ...alone,
    threads: 4,
    start: (graph, layouts) => kernel.start(graph, layouts),
  };
  const index = new VectorIndex(nodeCrypto, threaded, parameters, 0);
  index.add(nodesFrom(0, 300));
  await index.employ();
  index.add(nodesFrom(300, 300));
  index.dismiss();
  await index.employ();
  index.add(nodesFrom(600, 300));
  const one = new VectorIndex(nodeCrypto, alone, parameters, 0);
  one.add(nodesFrom(0, 900));
  assert.equal(toHex(index.root()), toHex(one.root()));
});
