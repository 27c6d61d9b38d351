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
import { type KernelExports, KernelGraph } from "../src/kernel/index.ts";
import * as builds from "../src/kernel/wasm.gen.ts";

/** As far as it is used here; the language's own types do not have it. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}
const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Engine };

const instantiate = (base64: string): KernelExports => {
  const module = new WebAssembly.Module(Buffer.from(base64, "base64"));
  return new WebAssembly.Instance(module, { env: { abort: () => {} } }).exports as KernelExports;
};

/** The root of the seeded index below, whatever it is made with. */
const golden = "f73f709d100425b1a7a841df9c356cf25bd2a09c83fdf7d498a950472973e823";

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
    const kernels = [builds.simd, builds.relaxed].map(
      (build) => new KernelGraph(nodeCrypto, parameters, instantiate(build), count),
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
        const { answers } = mhnsw.search(reference, query, wanted);
        assert.deepEqual(kernel.search(query, wanted), answers);
      }
      assert.throws(() => kernel.add(all[0] as Int16Array, frame), { code: "E_SCS_FULL" });
    }
    if (dimension === 64) assert.equal(root, golden);
  });
}

test("the kernels are those of the sources beside them", () => {
  const folder = join(import.meta.dirname, "../kernel");
  const sources = ["simd", "relaxed", "mhnsw"].map((name) =>
    readFileSync(join(folder, `${name}.as.txt`), "utf8"),
  );
  const hash = createHash("sha256").update(sources.join("\0")).digest("hex");
  assert.equal(hash, builds.sources);
});
