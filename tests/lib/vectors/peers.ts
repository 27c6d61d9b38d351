/**
 * Other indices over vectors, in a folder of their own: hnswlib-node, usearch, sqlite-vec. Installed by
 * their lockfile; one that cannot be had here says why.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import type { Scratch } from "../kernel.ts";
import { installPeer, peerVersion } from "../peers.ts";
import type { VectorSet } from "./data.ts";

const run = promisify(execFile);

/** Of every index: neighbours of a node, and width while building. */
export interface GraphShape {
  readonly m: number;
  readonly efConstruction: number;
}

export type Search = (query: number) => readonly number[];

/** One that is filled; `at` gives its search of a width, which is one for those that look at all. */
export interface FilledPeer {
  readonly isExact: boolean;
  at(width: number, k: number): Search;
}

export interface VectorPeer {
  readonly name: string;
  readonly version: string;
  /** Calls `timed` around what is building, and nothing else. */
  fill(set: VectorSet, shape: GraphShape, timed: (work: () => void) => void): FilledPeer;
}

export interface MissingPeer {
  readonly name: string;
  readonly why: string;
}

/** Vectors of one piece of building: what converts them is not timed. */
const piece = 1000;

const pieces = function* ({ base, count, dimension }: VectorSet): Generator<[number, number[][]]> {
  for (let from = 0; from < count; from += piece) {
    const vectors = Array.from({ length: Math.min(piece, count - from) }, (_, i) =>
      Array.from(base.subarray((from + i) * dimension, (from + i + 1) * dimension)),
    );
    yield [from, vectors];
  }
};

interface Hnswlib {
  readonly HierarchicalNSW: new (
    space: "ip",
    dimension: number,
  ) => {
    initIndex(count: number, m: number, efConstruction: number, seed: number): void;
    addPoint(vector: readonly number[], id: number): void;
    setEf(ef: number): void;
    searchKnn(query: readonly number[], k: number): { readonly neighbors: readonly number[] };
  };
}

const hnswlib = ({ HierarchicalNSW }: Hnswlib, version: string): VectorPeer => ({
  name: "hnswlib-node",
  version,
  fill: (set, { m, efConstruction }, timed) => {
    const index = new HierarchicalNSW("ip", set.dimension);
    index.initIndex(set.count, m, efConstruction, 100);
    for (const [from, vectors] of pieces(set)) {
      timed(() => {
        for (const [i, vector] of vectors.entries()) index.addPoint(vector, from + i);
      });
    }
    const queries = set.queries.map((query) => Array.from(query));
    return {
      isExact: false,
      at: (width, k) => {
        index.setEf(width);
        return (query) => index.searchKnn(queries[query] as number[], k).neighbors;
      },
    };
  },
});

interface UsearchIndex {
  add(keys: BigUint64Array, vectors: Float32Array, threads: number): void;
  search(query: Float32Array, k: number, threads: number): { readonly keys: BigUint64Array };
  save(file: string): void;
  load(file: string): void;
}

interface Usearch {
  readonly Index: new (shape: object) => UsearchIndex;
}

const usearch = (
  { Index }: Usearch,
  version: string,
  kind: "f32" | "bf16",
  folder: string,
): VectorPeer => ({
  name: `usearch ${kind}`,
  version,
  fill: (set, { m, efConstruction }, timed) => {
    const shapeOf = (width: number): object => ({
      dimensions: set.dimension,
      metric: "ip",
      quantization: kind,
      connectivity: m,
      expansion_add: efConstruction,
      expansion_search: width,
    });
    const index = new Index(shapeOf(64));
    const keys = BigUint64Array.from({ length: set.count }, (_, i) => BigInt(i));
    timed(() => index.add(keys, set.base, 1));
    // The width is fixed when an index is made, so every width is one of its own.
    const file = path.join(folder, `${kind}.usearch`);
    index.save(file);
    return {
      isExact: false,
      at: (width, k) => {
        const other = new Index(shapeOf(width));
        other.load(file);
        return (query) =>
          Array.from(other.search(set.queries[query] as Float32Array, k, 1).keys, Number);
      },
    };
  },
});

const sqliteVec = async (extension: string, version: string): Promise<VectorPeer> => {
  const { DatabaseSync } = await import("node:sqlite");
  return {
    name: "sqlite-vec",
    version,
    fill: ({ base, count, dimension, queries }, _shape, timed) => {
      const database = new DatabaseSync(":memory:", { allowExtension: true });
      database.loadExtension(extension);
      database.exec(`create virtual table v using vec0(embedding float[${dimension}])`);
      const insert = database.prepare("insert into v(rowid, embedding) values (?, ?)");
      const blob = (vector: Float32Array): Uint8Array =>
        new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
      timed(() => {
        database.exec("begin");
        for (let id = 0; id < count; id++) {
          insert.run(BigInt(id), blob(base.subarray(id * dimension, (id + 1) * dimension)));
        }
        database.exec("commit");
      });
      const select = database.prepare("select rowid from v where embedding match ? and k = ?");
      return {
        isExact: true,
        at: (_width, k) => (query) =>
          select.all(blob(queries[query] as Float32Array), k).map((row) => Number(row["rowid"])),
      };
    },
  };
};

/** hnswlib-node ships its source; this is what its own build asks the compiler for. */
const compileHnswlib = async (folder: string): Promise<void> => {
  const at = (...names: string[]): string => path.join(folder, "node_modules", ...names);
  const release = at("hnswlib-node", "build", "Release");
  fs.mkdirSync(release, { recursive: true });
  const include = [`-I${at("node-api-headers", "include")}`, `-I${at("node-addon-api")}`];
  const defines = ["-DNAPI_DISABLE_CPP_EXCEPTIONS", "-DBUILDING_NODE_EXTENSION"];
  const how = ["-O3", "-std=c++17", "-shared", "-fPIC", ...defines, ...include];
  const output = path.join(release, "addon.node");
  const source = at("hnswlib-node", "src", "addon.cc");
  await run("g++", [...how, "-o", output, source], { timeout: 300_000 });
};

/** Every peer, or why it is not here. */
export const vectorPeers = async (
  scratch: Scratch,
): Promise<readonly (VectorPeer | MissingPeer)[]> => {
  const names = ["hnswlib-node", "usearch f32", "usearch bf16", "sqlite-vec"];
  const installed = await installPeer("vectors", scratch);
  if (installed.type === "missing") return names.map((name) => ({ name, why: installed.why }));
  const { folder } = installed;
  const require = createRequire(path.join(folder, "package.json"));
  const version = (name: string): string => peerVersion(folder, name);
  const attempt = async (
    name: string,
    open: () => VectorPeer | Promise<VectorPeer>,
  ): Promise<VectorPeer | MissingPeer> => {
    try {
      return await open();
    } catch (error) {
      return { name, why: String(error).split("\n", 1)[0] as string };
    }
  };
  const loadUsearch = (kind: "f32" | "bf16") => (): VectorPeer =>
    usearch(require("usearch") as Usearch, version("usearch"), kind, folder);
  return [
    await attempt("hnswlib-node", async () => {
      await compileHnswlib(folder);
      return hnswlib(require("hnswlib-node") as Hnswlib, version("hnswlib-node"));
    }),
    await attempt("usearch f32", loadUsearch("f32")),
    await attempt("usearch bf16", loadUsearch("bf16")),
    await attempt("sqlite-vec", () => {
      const extension = require("sqlite-vec") as { getLoadablePath(): string };
      return sqliteVec(extension.getLoadablePath(), version("sqlite-vec"));
    }),
  ];
};
