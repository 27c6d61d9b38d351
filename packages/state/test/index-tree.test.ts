/** The index as a state tree keeps every promise of a tree. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStore, mhnsw, type TreeKind } from "@ioi/state";
import { treeCases } from "@ioi/state/compliance";
import { hashing } from "./support.ts";

const parameters = { dimension: 8, m: 4, efConstruction: 16, salt: new Uint8Array(32) };
const index: TreeKind = mhnsw.indexTree(parameters);

for (const { name, run } of treeCases) {
  test(`mhnsw: ${name}`, () => run(index, hashing));
}

test("the root is that of the index over the records in the order of their keys", () => {
  const vectorOf = mhnsw.leadingVector(8);
  const tree = mhnsw.indexTree(parameters).open(new MemoryStore(), hashing);
  const graph = new mhnsw.Graph(hashing, parameters);
  for (const n of [5, 3, 9, 7]) tree.set(Uint8Array.of(n), Uint8Array.of(n, n, 200, n));
  const root = tree.commit(1n);
  for (const [id, n] of [3, 5, 7, 9].entries()) {
    graph.add(vectorOf(Uint8Array.of(n, n, 200, n)), tree.indexed.graph.frame(id));
  }
  assert.deepEqual(new mhnsw.Commitment(hashing, graph).root(), root);
});

test("control: another vector, or another order of vectors, is another root", () => {
  const rootOf = (entries: readonly (readonly [number, number])[]): Uint8Array => {
    const tree = index.open(new MemoryStore(), hashing);
    for (const [key, value] of entries) tree.set(Uint8Array.of(key), Uint8Array.of(value, 1));
    return tree.commit(1n);
  };
  const root = rootOf([
    [1, 10],
    [2, 20],
  ]);
  const others = [
    rootOf([[1, 10]]),
    rootOf([
      [1, 20],
      [2, 10],
    ]),
    rootOf([
      [1, 10],
      [3, 20],
    ]),
  ];
  for (const other of others) assert.notDeepEqual(other, root);
});
