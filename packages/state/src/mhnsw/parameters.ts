/**
 * What an index is made with, and the numbers that its vectors and queries are: `specs/scs/mhnsw.md`,
 * sections 1 to 3. Everything that is committed is an integer.
 */
import { assert, concatBytes, uintBE, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { indexDimensionMax } from "../limits.ts";

/** Names the whole of it: levels, order, search, proof. Another search is another algorithm. */
export const mhnswAlgorithm = "mhnsw/1";

export interface MhnswParameters {
  /** Multiple of 8. */
  readonly dimension: number;
  /** Neighbours of a node above the bottom layer; twice as many on it. 2 to 16. */
  readonly m: number;
  readonly efConstruction: number;
  /** 32 bytes: what levels are drawn from, together with the number of the node. */
  readonly salt: Uint8Array;
}

/** Why there is no index of these; undefined: there is. */
export const parametersComplaint = ({
  dimension,
  m,
  efConstruction,
  salt,
}: MhnswParameters): string | undefined => {
  if (dimension % 8 !== 0 || dimension < 8 || dimension > indexDimensionMax) return "its dimension";
  if (!Number.isInteger(m) || m < 2 || m > 16) return "its m";
  const isWidth = Number.isInteger(efConstruction) && efConstruction >= m && efConstruction <= 4096;
  if (!isWidth) return "its efConstruction";
  return salt.length === 32 ? undefined : "its salt";
};

export const checkParameters = (parameters: MhnswParameters): void => {
  const wrong = parametersComplaint(parameters);
  assert(wrong === undefined, `an index cannot be made: ${wrong}`);
};

/** Components of stored vectors and of queries, of 12 bits. */
export const componentMin = -2048;
export const componentMax = 2031;

/** The upper 7 bits, biased: 0 to 127 stand for -64 to 63. */
export const upper = (component: number): number => ((component + 16) >> 5) + 64;
/** The lower 5 bits: 0 to 31 stand for -16 to 15. */
export const lower = (component: number): number => component - ((upper(component) - 64) << 5) + 16;

/** A vector as it is stored: one byte a component, and five bits of it. */
export interface StoredVector {
  readonly upper: Uint8Array;
  readonly lower: Uint8Array;
}

export const storeVector = (components: Int16Array): StoredVector => {
  const stored = {
    upper: new Uint8Array(components.length),
    lower: new Uint8Array(components.length),
  };
  for (const [i, component] of components.entries()) {
    assert(component >= componentMin && component <= componentMax, "a component out of range");
    stored.upper[i] = upper(component);
    stored.lower[i] = lower(component);
  }
  return stored;
};

/** One bit a component, eight a byte from the least significant on: whether it is 0 or more. */
export const codeOf = (upperBits: Uint8Array): Uint8Array => {
  const code = new Uint8Array(upperBits.length / 8);
  for (const [i, value] of upperBits.entries()) {
    if (value >= 64) code[i >> 3] = (code[i >> 3] as number) | (1 << (i & 7));
  }
  return code;
};

const clamp = (value: number, min: number, max: number): number =>
  value < min ? min : value > max ? max : value;

/** A query, of 12 bits a component; it is asked in two narrower widths too. */
export interface Query {
  readonly whole: Int16Array;
}

/** For the upper bits of vectors. */
export const byteOf = ({ whole }: Query): Int8Array =>
  Int8Array.from(whole, (value) => clamp((value + 8) >> 4, -128, 127));

/** For codes. */
export const smallOf = ({ whole }: Query): Int8Array =>
  Int8Array.from(whole, (value) => clamp((value + 32) >> 6, -31, 31));

export const makeQuery = (components: Int16Array): Query => ({ whole: components });

const levelTag = utf8Encode("ioi/scs/level/v1\0");
/** Layers above the bottom one, at most. */
export const levelMax = 8;

/** Leading zero nibbles of a hash: each level has a sixteenth of the nodes of the one below. */
export const levelOf = (hashing: Hashing, salt: Uint8Array, id: number): number => {
  const hash = hashing.sha256(concatBytes(levelTag, salt, uintBE(id, 8)));
  let level = 0;
  while (level < levelMax) {
    const byte = hash[level >> 1] as number;
    if ((level % 2 === 0 ? byte >> 4 : byte & 15) !== 0) break;
    level++;
  }
  return level;
};

/** Nodes of one batch, at most. */
export const batchMax = 64;

/** Nodes of the batch that begins with this one: all look for neighbours in the graph as it stood then. */
export const batchSize = (start: number): number => Math.max(1, Math.min(batchMax, start >> 5));

/** Whether a batch begins with this node. */
export const isBatchStart = (id: number): boolean => {
  let start = 0;
  while (start < id) start += batchSize(start);
  return start === id;
};
