/** The index of memory files, measured: built by threads, searched, proved, verified. */
import { nodeCrypto } from "@ioi/host/crypto";
import { wasmSource } from "@ioi/host/wasm";
import { type KernelExports, KernelGraph, Quantiser, relaxedKernel } from "@ioi/scs";
import { mhnsw } from "@ioi/state";
import { verifyNearest, verifyRetrieval } from "@ioi/verifier";
import type { VectorSet } from "./data.ts";
import type { GraphShape, Search } from "./peers.ts";

const source = wasmSource<KernelExports>(relaxedKernel);
const salt = nodeCrypto.sha256(new Uint8Array());
const frame = nodeCrypto.sha256(salt);
/** Vectors between two roots. */
const batch = 1024;

/** Milliseconds of this process's processor time, all threads together: others' work is not in it. */
export const cpuMs = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

export interface OurIndex {
  readonly graph: KernelGraph;
  readonly commitment: mhnsw.Commitment;
  readonly rootUsPerInsert: number;
  search(wanted: mhnsw.SearchParameters): Search;
}

const componentsOf = (quantiser: Quantiser, vector: Float32Array): Int16Array => {
  const components = quantiser.components(vector);
  if (!components.ok) throw new Error(components.error.message);
  return components.value;
};

/** Built by one thread or by as many as there are processors; roots as often as a file has them. */
export const buildOurs = async (
  set: VectorSet,
  { m, efConstruction }: GraphShape,
  isParallel: boolean,
  timed: (work: () => void) => void,
): Promise<OurIndex> => {
  const { base, count, dimension, queries } = set;
  const quantiser = new Quantiser(nodeCrypto, dimension, salt, source.open());
  const parameters = { dimension: quantiser.stored, m, efConstruction, salt };
  const threads = isParallel ? source.threads : 1;
  const kernel = source.open();
  const graph = new KernelGraph(nodeCrypto, parameters, kernel, count, threads);
  await graph.employ(source);
  const commitment = new mhnsw.Commitment(nodeCrypto, graph);
  let rootMs = 0;
  for (let from = 0; from < count; from += batch) {
    const length = Math.min(batch, count - from);
    let touched: Iterable<number> = [];
    timed(() => {
      const vectors = Array.from({ length }, (_, i) =>
        componentsOf(quantiser, base.subarray((from + i) * dimension, (from + i + 1) * dimension)),
      );
      touched = graph.addAll(
        vectors,
        vectors.map(() => frame),
      );
    });
    commitment.touch(touched);
    rootMs += cpuMs(() => commitment.root());
  }
  graph.dismiss();
  return {
    graph,
    commitment,
    rootUsPerInsert: (rootMs * 1000) / count,
    // From what an embedder gives to numbers: the rotation is part of the search.
    search: (wanted) => (query) =>
      graph
        .search(mhnsw.makeQuery(componentsOf(quantiser, queries[query] as Float32Array)), wanted)
        .map(({ id }) => id),
  };
};

export interface Proofs {
  readonly bytes: readonly number[];
  readonly proveMs: readonly number[];
  readonly verifyMs: readonly number[];
}

/** Proves every query and verifies it; a proof that does not hold is an error. */
export const measureProofs = (
  { queries, dimension }: VectorSet,
  { graph, commitment }: OurIndex,
  wanted: mhnsw.SearchParameters,
): Proofs => {
  const quantiser = new Quantiser(nodeCrypto, dimension, salt);
  const root = commitment.root();
  const [bytes, proveMs, verifyMs]: [number[], number[], number[]] = [[], [], []];
  for (const vector of queries) {
    const query = mhnsw.makeQuery(componentsOf(quantiser, vector));
    let proved: mhnsw.Proved | undefined;
    proveMs.push(
      cpuMs(() => {
        proved = mhnsw.prove(nodeCrypto, graph, commitment, query, wanted);
      }),
    );
    const { proof, answers } = proved as mhnsw.Proved;
    bytes.push(proof.length);
    const claim = { root, parameters: graph.parameters, query: query.whole, wanted, proof };
    let isShown = false;
    verifyMs.push(
      cpuMs(() => {
        const verdict = verifyRetrieval(claim);
        isShown = verdict.ok && verdict.answers.every(({ id }, i) => id === answers[i]?.id);
      }),
    );
    if (!isShown) throw new Error("a proof does not show its answers");
  }
  return { bytes, proveMs, verifyMs };
};

/** Queries that are certified: each reads hundreds of vectors. */
const certifiedMax = 50;

export interface Certificates extends Proofs {
  /** Queries to which something that was drawn is nearer than the answers. */
  readonly nearer: number;
}

/** Draws leaves for some queries and verifies that none is nearer, beside their proofs. */
export const measureNearest = (
  { queries, dimension }: VectorSet,
  { graph, commitment }: OurIndex,
  wanted: mhnsw.SearchParameters,
): Certificates => {
  const quantiser = new Quantiser(nodeCrypto, dimension, salt);
  const { parameters } = graph;
  const root = commitment.root();
  const [bytes, proveMs, verifyMs]: [number[], number[], number[]] = [[], [], []];
  let nearer = 0;
  for (const vector of queries.slice(0, certifiedMax)) {
    const query = mhnsw.makeQuery(componentsOf(quantiser, vector));
    const { proof, answers } = mhnsw.prove(nodeCrypto, graph, commitment, query, wanted);
    const asked = { root, parameters, query: query.whole, wanted };
    const searched = verifyRetrieval({ ...asked, proof });
    if (!searched.ok) throw new Error("a proof does not show its answers");
    const draw = { how: "sampled" } as const;
    let made: mhnsw.Certified | undefined;
    const ms = cpuMs(() => {
      made = mhnsw.certify(nodeCrypto, graph, commitment, { query, wanted, answers }, draw);
    });
    const { certificate, nearer: found } = made as mhnsw.Certified;
    if (found > 0) {
      nearer += 1;
      continue;
    }
    let isShown = false;
    const claim = { asked, searched, challenge: undefined, certificate };
    verifyMs.push(
      cpuMs(() => {
        isShown = verifyNearest(claim).ok;
      }),
    );
    if (!isShown) throw new Error("a certificate does not verify");
    proveMs.push(ms);
    bytes.push(certificate.length);
  }
  return { bytes, proveMs, verifyMs, nearer };
};
