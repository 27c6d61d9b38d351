/**
 * Vectors to search among: from a file of fvecs, or from a seed. The seeded ones are clustered, vary
 * in few directions within a cluster, and have some dimensions that are eight times as wide, as those
 * of language models do. All have the length 1.
 */
import fs from "node:fs";
import { OperationError, SeededRandom } from "@ioi/base";

export interface VectorSet {
  readonly dimension: number;
  readonly count: number;
  /** One after the other. */
  readonly base: Float32Array;
  readonly queries: readonly Float32Array[];
}

/** Directions in which the vectors of a cluster vary. */
const directions = 32;
/** Every so many dimensions, one is an outlier. */
const outlierEvery = 96;
const outlierScale = 8;

class Normal {
  readonly #random: SeededRandom;
  #spare: number | undefined;

  constructor(seed: string) {
    this.#random = new SeededRandom(seed);
  }

  /** Box and Muller. */
  next(): number {
    const spare = this.#spare;
    if (spare !== undefined) {
      this.#spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.#random.float()));
    const angle = 2 * Math.PI * this.#random.float();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  many(count: number, scale: number): Float32Array {
    return Float32Array.from({ length: count }, () => scale * this.next());
  }

  below(bound: number): number {
    return this.#random.below(bound);
  }
}

const normalise = (vector: Float32Array): void => {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const by = 1 / Math.sqrt(sum);
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * by;
};

const split = (all: Float32Array, dimension: number, count: number): VectorSet => ({
  dimension,
  count,
  base: all.subarray(0, count * dimension),
  queries: Array.from({ length: all.length / dimension - count }, (_, i) =>
    all.subarray((count + i) * dimension, (count + i + 1) * dimension),
  ),
});

export const seededVectors = (
  seed: string,
  count: number,
  queries: number,
  dimension: number,
): VectorSet => {
  const normal = new Normal(seed);
  const clusters = Math.ceil(Math.sqrt(count));
  const basis = normal.many(directions * dimension, 1 / Math.sqrt(directions));
  const centres = normal.many(clusters * dimension, 0.8);
  const all = new Float32Array((count + queries) * dimension);
  for (let at = 0; at < all.length; at += dimension) {
    const vector = all.subarray(at, at + dimension);
    const centre = normal.below(clusters) * dimension;
    for (let i = 0; i < dimension; i++) {
      vector[i] = (centres[centre + i] as number) + 0.15 * normal.next();
    }
    for (let k = 0; k < directions; k++) {
      const by = normal.next();
      for (let i = 0; i < dimension; i++) {
        vector[i] = (vector[i] as number) + by * (basis[k * dimension + i] as number);
      }
    }
    for (let i = 7; i < dimension; i += outlierEvery) {
      vector[i] = (vector[i] as number) * outlierScale;
    }
    normalise(vector);
  }
  return split(all, dimension, count);
};

/** Of a file of fvecs: the first `count`, and the last as queries. */
export const vectorsOfFile = (file: string, count: number, queries: number): VectorSet => {
  const wrong = (why: string): OperationError => new OperationError("E_TEST", `${file}: ${why}`);
  const handle = fs.openSync(file, "r");
  try {
    const head = Buffer.alloc(4);
    fs.readSync(handle, head, 0, 4, 0);
    const dimension = head.readInt32LE();
    if (dimension < 8 || dimension > 2048) throw wrong(`no fvecs: ${dimension} dimensions`);
    const row = 4 + 4 * dimension;
    const rows = Math.floor(fs.fstatSync(handle).size / row);
    if (rows <= queries) throw wrong(`${rows} vectors are too few`);
    const taken = Math.min(count, rows - queries);
    const all = new Float32Array((taken + queries) * dimension);
    const bytes = Buffer.alloc(row);
    for (let i = 0; i < taken + queries; i++) {
      fs.readSync(handle, bytes, 0, row, (i < taken ? i : rows - queries + i - taken) * row);
      if (bytes.readInt32LE() !== dimension) throw wrong(`vector ${i} has another dimension`);
      for (let k = 0; k < dimension; k++) all[i * dimension + k] = bytes.readFloatLE(4 + 4 * k);
      normalise(all.subarray(i * dimension, (i + 1) * dimension));
    }
    return split(all, dimension, taken);
  } finally {
    fs.closeSync(handle);
  }
};

/** The nearest of every query, by looking at all. */
export const exactNearest = (
  { base, queries, dimension, count }: VectorSet,
  k: number,
): readonly ReadonlySet<number>[] =>
  queries.map((query) => {
    const best: { id: number; score: number }[] = [];
    let worst = Number.NEGATIVE_INFINITY;
    for (let id = 0; id < count; id++) {
      let score = 0;
      const at = id * dimension;
      for (let i = 0; i < dimension; i++) {
        score += (base[at + i] as number) * (query[i] as number);
      }
      if (score <= worst) continue;
      best.push({ id, score });
      best.sort((a, b) => b.score - a.score);
      if (best.length > k) best.pop();
      if (best.length === k) worst = (best.at(-1) as { score: number }).score;
    }
    return new Set(best.map(({ id }) => id));
  });

/** The part of the nearest that was found. */
export const recallOf = (
  truth: readonly ReadonlySet<number>[],
  found: readonly (readonly number[])[],
): number => {
  let [hits, due] = [0, 0];
  for (const [i, ids] of found.entries()) {
    const nearest = truth[i] as ReadonlySet<number>;
    due += nearest.size;
    for (const id of ids) if (nearest.has(id)) hits++;
  }
  return hits / due;
};
