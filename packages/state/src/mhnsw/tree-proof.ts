/**
 * Proofs that a record stands in an index, or that none with its key does. A record is a key and a value
 * of which its vector is made; records stand in the order of their keys, so that two neighbours show
 * that nothing is between them, for an index whose builder keeps to that order.
 *
 * Encoding, numbers big-endian: kind u8 (1 there, 2 not), nodes u64, entry u64, level of the entry u8,
 * code of the entry; then position u64, and one leaf (there), or those of the records before and after
 * the position (not). A leaf: level u8, hashes of its lists, hashes beside its way; where it shows what
 * is not the key: that key (length u16), the hash of its value and of its vector before these.
 */
import { compareBytes, concatBytes, equalBytes, err, ok, type Result, uintBE } from "@ioi/base";
import { utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { stateKeyBytesMax } from "../limits.ts";
import type { StateEntry, StateProof, StateProofError } from "../tree.ts";
import {
  type Commitment,
  hashBytes,
  hashLeaf,
  hashPair,
  neighboursHash,
  rootOf,
  vectorHash,
} from "./commitment.ts";
import type { GraphView } from "./graph.ts";
import { levelMax, type MhnswParameters, storeVector } from "./parameters.ts";

const recordTag = utf8Encode("ioi/state/mhnsw/record/v1\0");
const [there, missing] = [1, 2];

/** What a leaf commits to of a record. */
export const recordHash = (hashing: Hashing, key: Uint8Array, valueHash: Uint8Array): Uint8Array =>
  hashing.sha256(concatBytes(recordTag, uintBE(key.length, 2), key, valueHash));

/** An index of records, and what they are. */
export interface Indexed {
  readonly hashing: Hashing;
  readonly graph: GraphView;
  readonly commitment: Commitment;
  /** In the order of their keys. */
  readonly entries: readonly StateEntry[];
}

const headOf = (kind: number, { graph }: Indexed): Uint8Array => {
  const { size, entry, maxLevel, parameters } = graph;
  const code = size === 0 ? new Uint8Array(parameters.dimension / 8) : graph.code(entry);
  const numbers = [uintBE(size, 8), uintBE(Math.max(0, entry), 8)];
  return concatBytes(Uint8Array.of(kind), ...numbers, Uint8Array.of(Math.max(0, maxLevel)), code);
};

const wayOf = ({ hashing, graph, commitment }: Indexed, id: number): Uint8Array => {
  const level = graph.level(id);
  const lists = Array.from({ length: level + 1 }, (_, layer) =>
    neighboursHash(hashing, graph, id, layer),
  );
  const beside = Array.from({ length: commitment.depth }, (_, at) =>
    commitment.at(at, (id >> at) ^ 1).slice(),
  );
  return concatBytes(Uint8Array.of(level), ...lists, ...beside);
};

export const proveThere = (indexed: Indexed, id: number): StateProof =>
  concatBytes(headOf(there, indexed), uintBE(id, 8), wayOf(indexed, id));

/** `position`: how many keys are before the one that is missing. */
export const proveMissing = (indexed: Indexed, position: number): StateProof => {
  const { hashing, entries, commitment } = indexed;
  const parts = [headOf(missing, indexed), uintBE(position, 8)];
  for (const id of [position - 1, position]) {
    const entry = entries[id];
    if (entry === undefined) continue;
    const { key, value } = entry;
    const shown = [uintBE(key.length, 2), key, hashing.sha256(value), commitment.vectorHash(id)];
    parts.push(...shown, wayOf(indexed, id));
  }
  return concatBytes(...parts);
};

class Malformed extends Error {}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new Malformed("it is cut off");
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  /** Big-endian, below 2^24, which is what numbers of nodes are; keys are shorter still. */
  number(width: number): number {
    let value = 0;
    for (const byte of this.take(width)) value = Math.min(value * 256 + byte, 2 ** 32);
    if (value >= 2 ** 24) throw new Malformed("a number is too large");
    return value;
  }

  end(): void {
    if (this.#at < this.#bytes.length) throw new Malformed("bytes follow it");
  }
}

interface Head {
  readonly size: number;
  readonly depth: number;
  readonly rootWith: (tree: Uint8Array) => Uint8Array;
}

const readHead = (
  reader: Reader,
  hashing: Hashing,
  parameters: MhnswParameters,
  due: number,
): Head => {
  if (reader.number(1) !== due) throw new Malformed("it shows something else");
  const [size, entry, maxLevel] = [reader.number(8), reader.number(8), reader.number(1)];
  const entryCode = reader.take(parameters.dimension / 8);
  const depth = size <= 1 ? 0 : Math.ceil(Math.log2(size));
  const rootWith = (tree: Uint8Array): Uint8Array =>
    rootOf(hashing, parameters, { size, entry, entryCode, maxLevel, tree });
  return { size, depth, rootWith };
};

/** The root above a leaf, whose vector and record are known. */
const readWay = (
  reader: Reader,
  hashing: Hashing,
  { depth, rootWith }: Head,
  leaf: { readonly id: number; readonly vector: Uint8Array; readonly record: Uint8Array },
): Uint8Array => {
  const level = reader.number(1);
  if (level > levelMax) throw new Malformed("a level is out of range");
  const lists = Array.from({ length: level + 1 }, () => reader.take(hashBytes));
  let hash = hashLeaf(hashing, { ...leaf, level, isGone: false, lists });
  for (let at = 0; at < depth; at++) {
    const beside = reader.take(hashBytes);
    const isRight = (leaf.id >> at) % 2 === 1;
    hash = isRight ? hashPair(hashing, beside, hash) : hashPair(hashing, hash, beside);
  }
  return rootWith(hash);
};

const judged = (run: () => boolean): Result<true, StateProofError> => {
  let why = "it is of another key, value or root";
  try {
    if (run()) return ok(true);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    why = error.message;
  }
  return err({ code: "E_STATE_PROOF", message: `a proof of an index: ${why}` });
};

export type VectorOf = (value: Uint8Array) => Int16Array;

export const verifyThere = (
  hashing: Hashing,
  parameters: MhnswParameters,
  vectorOf: VectorOf,
  root: Uint8Array,
  { key, value }: StateEntry,
  proof: StateProof,
): Result<true, StateProofError> =>
  judged(() => {
    const reader = new Reader(proof);
    const head = readHead(reader, hashing, parameters, there);
    const id = reader.number(8);
    const vector = vectorHash(hashing, storeVector(vectorOf(value)));
    const record = recordHash(hashing, key, hashing.sha256(value));
    const shown = readWay(reader, hashing, head, { id, vector, record });
    reader.end();
    return id < head.size && key.length <= stateKeyBytesMax && equalBytes(shown, root);
  });

export const verifyMissing = (
  hashing: Hashing,
  parameters: MhnswParameters,
  root: Uint8Array,
  key: Uint8Array,
  proof: StateProof,
): Result<true, StateProofError> =>
  judged(() => {
    const reader = new Reader(proof);
    const head = readHead(reader, hashing, parameters, missing);
    const position = reader.number(8);
    if (position > head.size) throw new Malformed("its position is out of range");
    if (head.size === 0) {
      reader.end();
      return equalBytes(head.rootWith(new Uint8Array(hashBytes)), root);
    }
    let isShown = true;
    for (const id of [position - 1, position]) {
      if (id < 0 || id >= head.size) continue;
      const other = reader.take(reader.number(2));
      const valueHash = reader.take(hashBytes);
      const vector = reader.take(hashBytes);
      const record = recordHash(hashing, other, valueHash);
      const isApart = id < position ? compareBytes(other, key) < 0 : compareBytes(key, other) < 0;
      const shown = readWay(reader, hashing, head, { id, vector, record });
      isShown &&= isApart && equalBytes(shown, root);
    }
    reader.end();
    return isShown;
  });
