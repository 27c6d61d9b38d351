/** Small indices of the reference, honest and lying, with certificates that none is nearer. */
import type { SeededRandom } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { mhnsw } from "@ioi/state";
import { type NearestClaim, verifyRetrieval } from "@ioi/verifier";

export const parameters = {
  dimension: 16,
  m: 8,
  efConstruction: 24,
  salt: new Uint8Array(32).fill(5),
};
/** So wide that a search over a few hundred finds all that ways lead to. */
export const wanted = { ef: 768, rerank: 768, final: 768, k: 4 };

/** Vectors around a few centres, of 12 bits. */
export const vectorsOf = (random: SeededRandom, count: number): readonly Int16Array[] => {
  const { dimension } = parameters;
  const centres = Array.from({ length: 8 }, () =>
    Int16Array.from({ length: dimension }, () => random.below(2400) - 1200),
  );
  return Array.from({ length: count }, () =>
    random.pick(centres).map((value) => value + random.below(1200) - 600),
  );
};

const frameOf = (n: number): Uint8Array => nodeCrypto.sha256(Uint8Array.of(n & 255, n >> 8));

export const build = (vectors: readonly Int16Array[]): mhnsw.Graph => {
  const graph = new mhnsw.Graph(nodeCrypto, parameters);
  for (const [n, vector] of vectors.entries()) graph.add(vector, frameOf(n));
  return graph;
};

export const scoreOf = (a: Int16Array, b: Int16Array): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** Numbers of the nearest, by looking at everything. */
export const nearestOf = (
  vectors: readonly Int16Array[],
  query: Int16Array,
  count: number,
): readonly number[] =>
  vectors
    .map((vector, id) => ({ id, score: scoreOf(vector, query) }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, count)
    .map(({ id }) => id);

/** What a lying builder does: no way leads to these any more. */
export const cutOff = (graph: mhnsw.Graph, hidden: ReadonlySet<number>): void => {
  for (let id = 0; id < graph.size; id++) {
    if (hidden.has(id)) continue;
    for (let layer = 0; layer <= graph.level(id); layer++) {
      const list = graph.neighbours(id, layer) as number[];
      list.splice(0, list.length, ...list.filter((other) => !hidden.has(other)));
    }
  }
};

export interface Asked {
  /** Of the search, verified; without a certificate yet. */
  readonly claim: Omit<NearestClaim, "certificate" | "challenge">;
  readonly answers: readonly mhnsw.Answer[];
  /** `told`: other answers, as somebody who lies has them. */
  readonly certify: (draw: mhnsw.Draw, told?: readonly mhnsw.Answer[]) => mhnsw.Certified;
}

/** Searches, proves, and verifies that; an error where the proof does not hold. */
export const ask = (graph: mhnsw.Graph, query: Int16Array): Asked => {
  const commitment = new mhnsw.Commitment(nodeCrypto, graph);
  const made = mhnsw.makeQuery(query);
  const { answers, proof } = mhnsw.prove(nodeCrypto, graph, commitment, made, wanted);
  const asked = { root: commitment.root(), parameters, query, wanted };
  const searched = verifyRetrieval({ ...asked, proof });
  if (!searched.ok) throw new Error(searched.reason);
  const certify: Asked["certify"] = (draw, told = answers) =>
    mhnsw.certify(nodeCrypto, graph, commitment, { query: made, wanted, answers: told }, draw);
  return { claim: { asked, searched }, certify, answers };
};
