/**
 * From the vector of an embedder to components that are committed: normalise, rotate, scale, round.
 * The one place where there are floats; it is passed once, when a memory is stored or a query asked.
 *
 * Source: a randomised Hadamard rotation in three rounds, each of random signs and two overlapping
 * transforms over the largest power of two that fits, which spreads what a few outlying dimensions hold
 * over all. Additions, multiplications, divisions and square roots alone, which IEEE 754 rounds in one
 * way, so the components are the same on every machine. This is the reference; a kernel does the same.
 */
import { concatBytes, err, ok, type Rejection, type Result, uintLE, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { mhnsw } from "@ioi/state";
import type { RotationExports } from "./kernel/exports.ts";
import { KernelRotation } from "./kernel/rotation.ts";

/** Names all of it in a file's parameters. */
export const quantiserName = "hadamard3-12/1";
const rounds = 3;
/** Standard deviations of a component that its range reaches to; the rest is cut. */
const range = 3.5;
const tag = utf8Encode("ioi/scs/rotation/v1\0");

export type VectorError = Rejection<"E_SCS_VECTOR">;

const refuse = (message: string): Result<never, VectorError> =>
  err({ code: "E_SCS_VECTOR", message });

/** Signs of one round: bits of hashes over seed, round and place. */
const signsOf = (
  hashing: Hashing,
  seed: Uint8Array,
  round: number,
  dimension: number,
): Float64Array => {
  const signs = new Float64Array(dimension);
  let hash = new Uint8Array();
  for (let i = 0; i < dimension; i++) {
    if (i % 256 === 0) {
      hash = new Uint8Array(
        hashing.sha256(concatBytes(tag, seed, uintLE(round, 4), uintLE(i / 256, 4))),
      );
    }
    signs[i] = ((hash[(i % 256) >> 3] as number) >> (i & 7)) & 1 ? -1 : 1;
  }
  return signs;
};

/**
 * In place, over `length` (a power of two) values from `from` on; keeps their norm. Two steps at a time
 * where there are two left: the same sums of the same pairs, read and written once.
 */
const transform = (values: Float64Array, from: number, length: number): void => {
  const to = from + length;
  let half = 1;
  for (; 4 * half <= length; half *= 4) {
    for (let i = from; i < to; i += 4 * half) {
      for (let k = i; k < i + half; k++) {
        const a = values[k] as number;
        const b = values[k + half] as number;
        const c = values[k + 2 * half] as number;
        const d = values[k + 3 * half] as number;
        values[k] = a + b + (c + d);
        values[k + half] = a - b + (c - d);
        values[k + 2 * half] = a + b - (c + d);
        values[k + 3 * half] = a - b - (c - d);
      }
    }
  }
  if (half < length) {
    for (let k = from; k < from + half; k++) {
      const a = values[k] as number;
      const b = values[k + half] as number;
      values[k] = a + b;
      values[k + half] = a - b;
    }
  }
  const norm = 1 / Math.sqrt(length);
  for (let i = from; i < to; i++) values[i] = (values[i] as number) * norm;
};

/** Half away from nothing: to the nearest, halves up. Exact within the range of components. */
const nearest = (value: number): number => Math.floor(value + 0.5);

/** Of what is stored: the next multiple of 8. */
export const storedDimension = (dimension: number): number => Math.ceil(dimension / 8) * 8;

export class Quantiser {
  /** Of what an embedder gives. */
  readonly dimension: number;
  /** Of what is stored: the next multiple of 8. */
  readonly stored: number;
  readonly #signs: readonly Float64Array[];
  readonly #window: number;
  readonly #scale: number;
  readonly #kernel: KernelRotation | undefined;

  /** `kernel`: turns vectors quicker, to the same components. */
  constructor(hashing: Hashing, dimension: number, seed: Uint8Array, kernel?: RotationExports) {
    this.dimension = dimension;
    this.stored = storedDimension(dimension);
    this.#signs = Array.from({ length: rounds }, (_, round) =>
      signsOf(hashing, seed, round, this.stored),
    );
    this.#window = 1;
    while (2 * this.#window <= this.stored) this.#window *= 2;
    this.#scale = (Math.sqrt(this.stored) * 2048) / range;
    this.#kernel = kernel && new KernelRotation(kernel, this.#signs);
  }

  /** Components of a vector of any length but 0; refused where it is none. */
  components(vector: Float32Array): Result<Int16Array, VectorError> {
    if (vector.length !== this.dimension) {
      return refuse(`a vector of ${vector.length} components where ${this.dimension} are due`);
    }
    const kernel = this.#kernel;
    const components =
      kernel === undefined ? this.#turn(vector) : kernel.components(vector, this.#scale);
    return components === undefined ? refuse("a vector without a direction") : ok(components);
  }

  #turn(vector: Float32Array): Int16Array | undefined {
    const values = new Float64Array(this.stored);
    values.set(vector);
    let squares = 0;
    for (let i = 0; i < values.length; i++)
      squares += (values[i] as number) * (values[i] as number);
    const norm = Math.sqrt(squares);
    if (!Number.isFinite(norm) || norm === 0) return undefined;
    for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) / norm;
    for (const signs of this.#signs) {
      for (let i = 0; i < values.length; i++) {
        values[i] = (values[i] as number) * (signs[i] as number);
      }
      transform(values, 0, this.#window);
      const rest = this.stored - this.#window;
      // Over the same window again it would undo itself.
      if (rest > 0) transform(values, rest, this.#window);
    }
    const { componentMin, componentMax } = mhnsw;
    const components = new Int16Array(this.stored);
    for (let i = 0; i < values.length; i++) {
      const component = nearest((values[i] as number) * this.#scale);
      components[i] = Math.max(componentMin, Math.min(componentMax, component));
    }
    return components;
  }
}
