/** The kernels against the reference: one graph, one root, the same answers, for every build. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { mhnsw } from "@ioi/state";
import { wasmSource } from "@ioi/host/wasm";
import { verifyRetrieval } from "@ioi/verifier";
import type { KernelExports } from "../src/kernel/exports.ts";
import { KernelGraph } from "../src/kernel/index.ts";
import * as builds from "../src/kernel/wasm.gen.ts";

type Source = ReturnType<typeof wasmSource<KernelExports>>;
const sources: readonly Source[] = [builds.simd, builds.relaxed].map((build) =>
  wasmSource<KernelExports>(build),
);

/** The root of the seeded index below, whatever it is made with. */
const golden = "efa52f87476ceed276b574ff85f50594125896845df2eb35233a92d24f6d854d";

const seeded = (dimension: number, count: number): readonly Int16Array[] => {
  const random = new SeededRandom(`kernel ${dimension}`);
  const centres = Array.from({ length: 20 }, () =>
    Int16Array.from({ length: dimension }, () => random.below(2000) - 1000),
  );
  return Array.from({ length: count }, () => {
    const centre = random.pick(centres);
    return centre.map((value) => {
      const component = value + random.below(1400) - 700;
      return Math.max(mhnsw.componentMin, Math.min(mhnsw.componentMax, component));
    });
  });
};

const wanted = { ef: 40, rerank: 32, final: 16, k: 8 };
const frame = new Uint8Array(32).fill(9);

for (const [dimension, m, count] of [
  [64, 8, 700],
  [8, 2, 120],
  [136, 16, 300],
  [1096, 4, 60],
] as const) {
  test(`dimension ${dimension}, m ${m}: both kernels are the reference`, () => {
    const parameters = { dimension, m, efConstruction: 48, salt: new Uint8Array(32).fill(5) };
    const all = seeded(dimension, count + 30);
    const reference = new mhnsw.Graph(nodeCrypto, parameters);
    const kernels = sources.map(
      (source) => new KernelGraph(nodeCrypto, parameters, source.open(), count),
    );
    for (const vector of all.slice(0, count)) {
      const { touched } = reference.add(vector, frame);
      for (const kernel of kernels) {
        assert.deepEqual(kernel.add(vector, frame).touched, touched);
      }
    }
    for (const id of [1, 5, 6]) for (const graph of [reference, ...kernels]) graph.bury(id);
    const root = toHex(new mhnsw.Commitment(nodeCrypto, reference).root());
    for (const kernel of kernels) {
      assert.equal(toHex(new mhnsw.Commitment(nodeCrypto, kernel).root()), root);
      for (const vector of all.slice(count)) {
        const query = mhnsw.makeQuery(vector);
        const found = mhnsw.search(reference, query, wanted);
        assert.deepEqual(kernel.find(query, wanted), found);
        assert.deepEqual(kernel.search(query, wanted), found.answers);
      }
      assert.throws(() => kernel.add(all[0] as Int16Array, frame), { code: "E_SCS_FULL" });
    }
    if (dimension === 64) assert.equal(root, golden);
  });
}

const small = { dimension: 64, m: 8, efConstruction: 48, salt: new Uint8Array(32).fill(5) };
const rootOf = (graph: mhnsw.GraphView): string =>
  toHex(new mhnsw.Commitment(nodeCrypto, graph).root());

test("built by one to four threads, in parts of any length: one graph", async (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const count = 2600;
  const all = seeded(64, count);
  const frames = all.map(() => frame);
  const one = new KernelGraph(nodeCrypto, small, (sources[0] as Source).open(), count);
  for (const vector of all) one.add(vector, frame);
  const root = rootOf(one);
  for (const [threads, source] of [1, 2, 3, 4].map((n) => [n, random.pick(sources)] as const)) {
    const kernel = source.open();
    const graph = new KernelGraph(nodeCrypto, small, kernel, count, threads);
    await graph.employ(source);
    const commitment = new mhnsw.Commitment(nodeCrypto, graph);
    while (graph.size < count) {
      const until = Math.min(count, graph.size + 1 + random.below(400));
      const from = graph.size;
      commitment.touch(graph.addAll(all.slice(from, until), frames.slice(from, until)));
      if (random.chance(1, 4)) commitment.root();
    }
    graph.dismiss();
    assert.equal(toHex(commitment.root()), root, `${threads} threads`);
    assert.equal(rootOf(graph), root, `${threads} threads, hashed anew`);
  }
});

/** A graph of the first so many, from a snapshot that was made after `snapAt`; the rest added. */
const again = (lists: Uint8Array, vectors: readonly Int16Array[]): KernelGraph => {
  const graph = new KernelGraph(nodeCrypto, small, (sources[1] as Source).open(), vectors.length);
  const loaded = graph.load(
    lists,
    (id) => vectors[id] as Int16Array,
    () => frame,
  );
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.error.message);
  for (const vector of vectors.slice(loaded.value)) graph.add(vector, frame);
  return graph;
};

test("a snapshot and what was added since make the same graph, wherever it was taken", () => {
  const all = seeded(64, 400);
  const graph = new KernelGraph(nodeCrypto, small, (sources[0] as Source).open(), all.length);
  const snapshots = new Map<number, Uint8Array>([[0, graph.lists()]]);
  for (const vector of all) {
    graph.add(vector, frame);
    if (graph.size % 37 === 0) snapshots.set(graph.size, graph.lists());
  }
  const root = rootOf(graph);
  for (const [size, lists] of snapshots) assert.equal(rootOf(again(lists, all)), root, `${size}`);
  const loaded = again(graph.lists(), all);
  const commitment = new mhnsw.Commitment(nodeCrypto, loaded);
  const leaves = new mhnsw.Commitment(nodeCrypto, graph).leaves();
  assert.ok(commitment.restore(leaves).ok);
  assert.equal(toHex(commitment.root()), root);
  assert.equal(new mhnsw.Commitment(nodeCrypto, loaded).restore(leaves.subarray(32)).ok, false);
  leaves[70] = (leaves[70] as number) ^ 1;
  assert.ok(commitment.restore(leaves).ok);
  assert.notEqual(toHex(commitment.root()), root);
});

test("a snapshot is refused for each thing that no graph has", () => {
  const two = seeded(64, 2);
  const load = (...bytes: readonly number[]): string => {
    const graph = new KernelGraph(nodeCrypto, small, (sources[0] as Source).open(), 80);
    const loaded = graph.load(
      Uint8Array.from(bytes),
      (id) => two[id % 2] as Int16Array,
      () => frame,
    );
    return loaded.ok ? "taken" : loaded.error.message.replace(/^.*: /, "");
  };
  const head = [1, 2, 0, 0, 0];
  assert.equal(load(...head, 0, 0, 1, 1, 1, 0), "taken");
  assert.equal(load(2, 2, 0, 0, 0, 0, 0, 1, 1, 1, 0), "it has another version");
  assert.equal(load(1, 81, 0, 0, 0, ...Array<number>(162).fill(0)), "it has another length");
  assert.equal(load(1, 65, 0, 0, 0, ...Array<number>(130).fill(0)), "it ends within a batch");
  assert.equal(load(...head, 9, 0, 1, 1, 1, 0), "a level is out of range");
  assert.equal(load(...head, 0, 0, 17, 1, 1, 0), "a list is too long");
  assert.equal(load(...head, 0, 0, 1, 2, 1, 0), "a neighbour is out of range");
  assert.equal(load(...head, 0, 0, 1, 0, 1, 0), "a neighbour is out of range");
  assert.equal(load(...head, 1, 0, 1, 1, 1, 1, 1, 0), "a neighbour is not on its layer");
  assert.equal(load(...head, 0, 0, 1, 0x81, 0, 1, 0), "a number is not in its shortest form");
  assert.equal(load(...head, 0, 0, 1, 1, 1), "it is cut off");
  assert.equal(load(...head, 0, 0, 1, 1, 1, 0, 0), "bytes follow");
  const high = [1, 64, 0, 0, 0, ...Array<number>(64).fill(8), ...Array<number>(9 * 64).fill(0)];
  assert.equal(load(...high), "too many nodes stand above the bottom");
});

test("a hostile snapshot is refused, or is lists that a graph can have", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const all = seeded(64, 224);
  const graph = new KernelGraph(nodeCrypto, small, (sources[0] as Source).open(), all.length);
  for (const vector of all) graph.add(vector, frame);
  const lists = graph.lists();
  const query = mhnsw.makeQuery(all[3] as Int16Array);
  let [refused, taken] = [0, 0];
  const attempt = (bytes: Uint8Array): void => {
    const other = new KernelGraph(nodeCrypto, small, (sources[1] as Source).open(), all.length);
    const loaded = other.load(
      bytes,
      (id) => all[id] as Int16Array,
      () => frame,
    );
    if (loaded.ok) {
      taken++;
      assert.equal(rootOf(other) === rootOf(graph), false);
      other.search(query, wanted);
      if (other.size < all.length) other.add(all[0] as Int16Array, frame);
    } else {
      refused++;
      assert.equal(loaded.error.code, "E_SCS_INDEX");
      assert.equal(other.size, 0);
    }
  };
  for (let i = 0; i < 60; i++) {
    const bytes = lists.slice();
    bytes[random.below(bytes.length)] = random.below(256);
    if (!bytes.every((byte, at) => byte === lists[at])) attempt(bytes);
    attempt(lists.slice(0, random.below(lists.length)));
    attempt(Uint8Array.of(...lists, 0));
    attempt(random.fill(new Uint8Array(random.below(300))));
  }
  attempt(Uint8Array.of(1, 255, 255, 255, 255));
  assert.ok(refused > 100, `${refused} refused, ${taken} taken`);
});

test("the kernels are those of the sources beside them", () => {
  const folder = join(import.meta.dirname, "../kernel");
  const texts = ["simd", "relaxed", "mhnsw"].map((name) =>
    readFileSync(join(folder, `${name}.as.txt`), "utf8"),
  );
  const hash = createHash("sha256").update(texts.join("\0")).digest("hex");
  assert.equal(hash, builds.sources);
});

test("a component that no vector has: none takes it, the reference, a kernel or the verifier", () => {
  const parameters = { dimension: 8, m: 2, efConstruction: 8, salt: new Uint8Array(32) };
  const reference = new mhnsw.Graph(nodeCrypto, parameters);
  const kernels = sources.map(
    (source) => new KernelGraph(nodeCrypto, parameters, source.open(), 8),
  );
  const most = new Int16Array(8).fill(mhnsw.componentMax);
  for (const graph of [reference, ...kernels]) {
    const far = most.slice().fill(mhnsw.componentMax + 1, 3, 4);
    assert.throws(() => graph.add(far, frame), /out of range/);
  }
  for (const kernel of kernels) assert.throws(() => kernel.addAll([most.map(() => 2047)], [frame]));
  const graph = new mhnsw.Graph(nodeCrypto, parameters);
  graph.add(most, frame);
  const few = { ef: 1, rerank: 1, final: 1, k: 1 };
  const commitment = new mhnsw.Commitment(nodeCrypto, graph);
  const { proof } = mhnsw.prove(nodeCrypto, graph, commitment, mhnsw.makeQuery(most), few);
  const claim = { root: commitment.root(), parameters, query: most, wanted: few, proof };
  assert.equal(verifyRetrieval(claim).ok, true);
  // Head, dictionary of one, leaf's number, level, whether it is gone, what is shown, record.
  const upperAt = 18 + 3 + 2 + 3 + 32;
  assert.equal(proof[upperAt], 127);
  assert.deepEqual(verifyRetrieval({ ...claim, proof: proof.with(upperAt, 128) }), {
    ok: false,
    reason: "a component is out of range",
  });
});
