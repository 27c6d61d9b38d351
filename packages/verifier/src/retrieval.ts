/**
 * Verifies a proof of retrieval: that a search over a committed index, with the verifier's own query
 * and parameters, returns exactly these answers. It runs the search again over what the proof opens.
 *
 * One module without imports, so that it can be carried anywhere: Node from 20 on, browsers, other
 * engines. Source: `specs/scs/mhnsw.md`, whose sections stand at the functions. Integers only. Total:
 * any bytes give a verdict, and time is bounded by their number.
 *
 * What a good verdict shows: the answers are in the index under this root, and the search, run on this
 * index, returns them in this order. Not that they are the nearest of all (`nearest.ts`), nor that its
 * builder left no way out (build it again from its log, and compare the roots).
 */

export interface IndexParameters {
  readonly dimension: number;
  readonly m: number;
  readonly efConstruction: number;
  readonly salt: Uint8Array;
}

export type Wanted = Readonly<Record<"ef" | "rerank" | "final" | "k", number>>;

export interface RetrievalClaim {
  /** Of the index: 32 bytes that the verifier trusts. */
  readonly root: Uint8Array;
  readonly parameters: IndexParameters;
  /** Components of 12 bits, -2048 to 2047. */
  readonly query: Int16Array;
  readonly wanted: Wanted;
  readonly proof: Uint8Array;
}

export interface RetrievedAnswer {
  readonly id: number;
  readonly score: number;
  /** Hash of the record that it was made from, in its log. */
  readonly frame: Uint8Array;
}

export interface Searched {
  readonly answers: readonly RetrievedAnswer[];
  /** Lists that it read, in order; `from`: whose list named the node first, -1 for the entry. */
  readonly steps: readonly (readonly [node: number, layer: number, from: number])[];
}

export type RetrievalVerdict =
  /** `leavesRoot`: of the tree over the leaves, which the index's root covers. */
  | ({ readonly ok: true; readonly size: number; readonly leavesRoot: Uint8Array } & Searched)
  | { readonly ok: false; readonly reason: string };

/** What is wrong, on its way to the verdict; nothing else is thrown. */
export class Wrong extends Error {}

export const check: (holds: boolean, what: string) => asserts holds = (holds, what) => {
  if (!holds) throw new Wrong(what);
};

// SHA-256, FIPS 180-4.

const wordsOf = (hex: string): Int32Array =>
  Int32Array.from(hex.match(/.{8}/g) ?? [], (word) => Number.parseInt(word, 16));

const roundConstants = wordsOf(
  "428a2f9871374491b5c0fbcfe9b5dba53956c25b59f111f1923f82a4ab1c5ed5d807aa9812835b01243185be" +
    "550c7dc372be5d7480deb1fe9bdc06a7c19bf174e49b69c1efbe47860fc19dc6240ca1cc2de92c6f4a7484aa" +
    "5cb0a9dc76f988da983e5152a831c66db00327c8bf597fc7c6e00bf3d5a7914706ca63511429296727b70a85" +
    "2e1b21384d2c6dfc53380d13650a7354766a0abb81c2c92e92722c85a2bfe8a1a81a664bc24b8b70c76c51a3" +
    "d192e819d6990624f40e3585106aa07019a4c1161e376c082748774c34b0bcb5391c0cb34ed8aa4a5b9cca4f" +
    "682e6ff3748f82ee78a5636f84c878148cc7020890befffaa4506cebbef9a3f7c67178f2",
);
const firstState = wordsOf("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19");
const words = new Int32Array(64);

/** Of 64 bytes from `at` on. */
const compress = (state: Int32Array, bytes: Uint8Array, at: number): void => {
  for (let i = 0, from = at; i < 16; i++, from += 4) {
    const high = ((bytes[from] as number) << 24) | ((bytes[from + 1] as number) << 16);
    words[i] = high | ((bytes[from + 2] as number) << 8) | (bytes[from + 3] as number);
  }
  for (let i = 16; i < 64; i++) {
    const x = words[i - 15] as number;
    const y = words[i - 2] as number;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[i] = ((words[i - 16] as number) + s0 + (words[i - 7] as number) + s1) | 0;
  }
  const from = (i: number): number => state[i] as number;
  let [a, b, c, d] = [from(0), from(1), from(2), from(3)];
  let [e, f, g, h] = [from(4), from(5), from(6), from(7)];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const chosen = g ^ (e & (f ^ g));
    const t1 = (h + s1 + chosen + (roundConstants[i] as number) + (words[i] as number)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const most = (a & b) | (c & (a | b));
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + s0 + most) | 0;
  }
  const after = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i++) state[i] = ((state[i] as number) + (after[i] as number)) | 0;
};

/** What is hashed, padded: grown to the longest, and used again. */
let padded = new Uint8Array(4096);

export const sha256OfParts = (...parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0;
  for (const part of parts) length += part.length;
  const end = Math.ceil((length + 9) / 64) * 64;
  if (end > padded.length) padded = new Uint8Array(2 * end);
  let at = 0;
  for (const part of parts) {
    padded.set(part, at);
    at += part.length;
  }
  padded.fill(0, length, end);
  padded[length] = 0x80;
  new DataView(padded.buffer).setBigUint64(end - 8, BigInt(length * 8));
  const state = firstState.slice();
  for (let block = 0; block < end; block += 64) compress(state, padded, block);
  const hash = new Uint8Array(32);
  for (let i = 0; i < 32; i++) hash[i] = (state[i >> 2] as number) >>> (24 - 8 * (i & 3));
  return hash;
};

export const little = (value: number, width: number): Uint8Array => {
  const bytes = new Uint8Array(width);
  for (let i = 0, rest = value; i < width; i++, rest = Math.floor(rest / 256)) bytes[i] = rest;
  return bytes;
};

// Section 8: reading.

export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // Not Node's own kind, whose slices are no copies.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  take(length: number): Uint8Array {
    check(this.#at + length <= this.#bytes.length, "the proof is cut off");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  byte(): number {
    return this.take(1)[0] as number;
  }

  /** Of 8 bytes, little-endian; what is too large is refused by its bound. */
  long(): number {
    return Number(new DataView(this.take(8).slice().buffer).getBigUint64(0, true));
  }

  /** LEB128 in its shortest form, below 2^32. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 5; shift++) {
      const byte = this.byte();
      value += (byte & 127) * 128 ** shift;
      if (byte < 128) {
        check(byte !== 0 || shift === 0, "a number is not in its shortest form");
        check(value < 2 ** 32, "a number is too large");
        return value;
      }
    }
    throw new Wrong("a number is too long");
  }

  /** Rising numbers below `bound`. */
  rising(count: number, bound: number): Int32Array {
    check(count <= this.#bytes.length - this.#at, "the proof is cut off");
    const numbers = new Int32Array(count);
    let next = 0;
    for (let i = 0; i < count; i++) {
      const number = next + this.varint();
      check(number < bound, "a number is out of range");
      numbers[i] = number;
      next = number + 1;
    }
    return numbers;
  }

  end(): void {
    check(this.#at === this.#bytes.length, "bytes follow the proof");
  }
}

/** Lower bits are absent where only the upper ones are shown. */
export type Vector = { readonly upper: Uint8Array; readonly lower: Uint8Array | undefined };

export interface Leaf {
  readonly gone: boolean;
  readonly frame: Uint8Array;
  readonly vector: Vector | undefined;
  /** By layer, places in the dictionary; undefined where only its hash is shown. */
  readonly neighbours: readonly (Int32Array | undefined)[];
  /** Section 7. */
  readonly hash: Uint8Array;
}

/** Numbers of nodes, rising, and the code of each, one after the other. */
interface Dictionary {
  readonly ids: Int32Array;
  readonly codes: Uint8Array;
  readonly codeBytes: number;
}

const codeAt = ({ codes, codeBytes }: Dictionary, place: number): Uint8Array =>
  codes.subarray(place * codeBytes, (place + 1) * codeBytes);

/** The first place, in rising order, where something holds that then goes on holding. */
const firstPlace = (count: number, holds: (place: number) => boolean): number => {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** Where a number stands in a dictionary; -1 where it does not. */
const placeOf = ({ ids }: Dictionary, id: number): number => {
  const place = firstPlace(ids.length, (at) => (ids[at] as number) >= id);
  return ids[place] === id ? place : -1;
};

const levelMax = 8;
/** The vector as far as it is shown, and its hash. */
const readVector = (
  reader: Reader,
  dimension: number,
  kind: number,
): { readonly vector: Vector | undefined; readonly vectorHash: Uint8Array } => {
  check(kind <= 2, "a vector is shown in an unknown way");
  if (kind === 0) return { vector: undefined, vectorHash: reader.take(32) };
  const upper = reader.take(dimension);
  const inRange = upper.every((value) => value < 128);
  check(inRange, "a component is out of range");
  const lower = kind === 2 ? reader.take(Math.ceil((dimension * 5) / 8)) : undefined;
  const lowerHash = lower === undefined ? reader.take(32) : sha256OfParts(lower);
  const hashes = [sha256OfParts(upper), lowerHash];
  const vectorHash = sha256OfParts(Uint8Array.of(3), little(dimension, 2), ...hashes);
  return { vector: { upper, lower }, vectorHash };
};

/** Section 7: of a list of neighbours. */
const listHash = ({ ids, codes, codeBytes }: Dictionary, places: Int32Array): Uint8Array => {
  const bytes = new Uint8Array(2 + places.length * (4 + codeBytes));
  bytes.set([2, places.length]);
  let at = 2;
  for (const place of places) {
    const id = ids[place] as number;
    for (let i = 0; i < 4; i++) bytes[at++] = id >>> (8 * i);
    for (let i = 0; i < codeBytes; i++) bytes[at++] = codes[place * codeBytes + i] as number;
  }
  return sha256OfParts(bytes);
};

export const readLeaf = (
  reader: Reader,
  { dimension, m }: IndexParameters,
  dictionary: Dictionary,
  id: number,
): Leaf => {
  const [level, flags, kind] = [reader.byte(), reader.byte(), reader.byte()];
  check(level <= levelMax && flags <= 1, "a leaf is malformed");
  const frame = reader.take(32);
  const { vector, vectorHash } = readVector(reader, dimension, kind);
  const neighbours: (Int32Array | undefined)[] = [];
  const hashes: Uint8Array[] = [];
  for (let layer = 0; layer <= level; layer++) {
    const how = reader.byte();
    check(how <= 1, "a list is shown in an unknown way");
    if (how === 0) {
      neighbours.push(undefined);
      hashes.push(reader.take(32));
      continue;
    }
    const count = reader.byte();
    check(count <= (layer === 0 ? 2 * m : m), "a list is too long");
    const places = reader.rising(count, dictionary.ids.length);
    neighbours.push(places);
    hashes.push(listHash(dictionary, places));
  }
  const head = [Uint8Array.of(0), little(id, 8), Uint8Array.of(level, flags)];
  const hash = sha256OfParts(...head, vectorHash, frame, ...hashes);
  return { gone: flags === 1, frame, vector, neighbours, hash };
};

const readProof = ({ proof, parameters }: RetrievalClaim) => {
  const reader = new Reader(proof);
  check(reader.byte() === 1, "the proof has another version");
  const [size, entry, maxLevel] = [reader.long(), reader.long(), reader.byte()];
  check(size < 2 ** 24 && maxLevel <= levelMax, "the index is malformed");
  check(size === 0 ? entry === 0 && maxLevel === 0 : entry < size, "the entry is malformed");
  const codeBytes = parameters.dimension / 8;
  const leaves = new Map<number, Leaf>();
  const siblings: Uint8Array[] = [];
  let dictionary: Dictionary = { ids: new Int32Array(), codes: new Uint8Array(), codeBytes };
  if (size > 0) {
    const ids = reader.rising(reader.varint(), size);
    dictionary = { ids, codes: reader.take(ids.length * codeBytes), codeBytes };
    for (const id of reader.rising(reader.varint(), size)) {
      leaves.set(id, readLeaf(reader, parameters, dictionary, id));
    }
    for (let left = reader.varint(); left > 0; left--) siblings.push(reader.take(32));
  }
  reader.end();
  return { size, entry, maxLevel, dictionary, leaves, siblings };
};

type Opened = ReturnType<typeof readProof>;
type Leaves = Pick<Opened, "size" | "leaves" | "siblings">;

// Section 7: what is committed.

/** The tree's root, from the leaves and the hashes beside their ways; every one of those is used. */
export const treeRoot = ({ size, leaves, siblings }: Leaves): Uint8Array => {
  if (size === 0) return new Uint8Array(32);
  check(leaves.size > 0, "no leaf is shown");
  let here = [...leaves].map(([id, { hash }]): [index: number, hash: Uint8Array] => [id, hash]);
  let empty: Uint8Array = new Uint8Array(32);
  let used = 0;
  for (let width = 1; width < size; width *= 2) {
    const above: typeof here = [];
    for (let i = 0; i < here.length; i++) {
      const [index, hash] = here[i] as [number, Uint8Array];
      const [other, next] = [index ^ 1, here[i + 1]];
      let beside = empty;
      if (next?.[0] === other) {
        beside = next[1];
        i++;
      } else if (other * width < size) {
        check(used < siblings.length, "a hash is missing");
        beside = siblings[used++] as Uint8Array;
      }
      const pair = index % 2 === 0 ? [hash, beside] : [beside, hash];
      above.push([index >> 1, sha256OfParts(Uint8Array.of(1), ...pair)]);
    }
    empty = sha256OfParts(Uint8Array.of(1), empty, empty);
    here = above;
  }
  check(used === siblings.length, "a hash is not used");
  return (here[0] as [number, Uint8Array])[1];
};

const algorithm = Uint8Array.from("mhnsw/1", (char) => char.charCodeAt(0));

const indexRoot = (parameters: IndexParameters, opened: Opened, tree: Uint8Array): Uint8Array => {
  const { dimension, m, efConstruction, salt } = parameters;
  const { size, entry, maxLevel, dictionary } = opened;
  const place = placeOf(dictionary, entry);
  check(size === 0 || place >= 0, "the code of the entry is missing");
  const entryCode = size === 0 ? new Uint8Array(dimension / 8) : codeAt(dictionary, place);
  const made = [little(dimension, 2), little(m, 1), little(efConstruction, 2), salt];
  const way = [little(size, 8), little(entry, 8), entryCode, little(maxLevel, 1), tree];
  const name = [Uint8Array.of(4), little(algorithm.length, 2), algorithm];
  return sha256OfParts(...name, ...made, ...way);
};

/** What is shown of one node more than once says the same. */
const checkCodes = ({ dictionary, leaves }: Opened): void => {
  for (const [id, { vector }] of leaves) {
    const place = placeOf(dictionary, id);
    if (vector === undefined || place < 0) continue;
    const code = codeAt(dictionary, place);
    const { upper } = vector;
    for (let i = 0; i < upper.length; i++) {
      const bit = ((code[i >> 3] as number) >> (i & 7)) & 1;
      check(bit === (upper[i] as number) >> 6, "a code is not that of its vector");
    }
  }
};

// Section 6: the search. A score of codes or upper bits and a number, as one number: larger is better.

const rankOf = (score: number, id: number): number =>
  (score + 2 ** 28) * 2 ** 24 + (2 ** 24 - 1 - id);
const idOf = (rank: number): number => 2 ** 24 - 1 - (rank % 2 ** 24);

const clamp = (value: number, min: number, max: number): number =>
  value < min ? min : value > max ? max : value;

/** Into a list that is kept in order, best first; short enough for insertion to be quick. */
const insert = (list: number[], rank: number): void => {
  const place = firstPlace(list.length, (at) => (list[at] as number) <= rank);
  list.splice(place, 0, rank);
};

/** For every byte of a code and every value of it, what its bits add to the score. */
const tableOf = (query: Int16Array): Int16Array => {
  const small = Int8Array.from(query, (value) => clamp((value + 32) >> 6, -31, 31));
  const table = new Int16Array(query.length * 32);
  for (let at = 0; at < table.length; at++) {
    const first = (at >> 8) * 8;
    const lowest = 31 - Math.clz32(at & -at & 255);
    if (lowest < 0)
      for (let i = 0; i < 8; i++) table[at] = (table[at] as number) - (small[first + i] as number);
    else table[at] = (table[at & (at - 1)] as number) + 2 * (small[first + lowest] as number);
  }
  return table;
};

/** Runs over what is opened, and remembers what it used. */
class Replay {
  readonly #opened: Opened;
  readonly #table: Int16Array;
  readonly #usedCodes: Uint8Array;
  /** By place: whose list named the node first. */
  readonly #namedBy: Int32Array;
  readonly steps: [node: number, layer: number, from: number][] = [];

  constructor(opened: Opened, query: Int16Array) {
    this.#opened = opened;
    this.#table = tableOf(query);
    this.#usedCodes = new Uint8Array(opened.dictionary.ids.length);
    this.#namedBy = new Int32Array(opened.dictionary.ids.length).fill(-1);
  }

  #rank(place: number): number {
    const { ids, codes, codeBytes } = this.#opened.dictionary;
    check(place >= 0, "a code is missing");
    this.#usedCodes[place] = 1;
    let score = 0;
    const from = place * codeBytes;
    for (let i = 0; i < codeBytes; i++) {
      score += this.#table[i * 256 + (codes[from + i] as number)] as number;
    }
    return rankOf(score, ids[place] as number);
  }

  #list(id: number, layer: number): Int32Array {
    const { leaves, dictionary, entry } = this.#opened;
    const list = leaves.get(id)?.neighbours[layer];
    check(list !== undefined, "a list that the search reads is not shown");
    this.steps.push([id, layer, this.#namedBy[placeOf(dictionary, id)] as number]);
    for (const place of list) {
      const isFirst = this.#namedBy[place] === -1 && dictionary.ids[place] !== entry;
      if (isFirst) this.#namedBy[place] = id;
    }
    return list;
  }

  #climb(from: number, layer: number): number {
    for (let best = from; ;) {
      let better = best;
      for (const place of this.#list(idOf(best), layer)) {
        better = Math.max(better, this.#rank(place));
      }
      if (better === best) return best;
      best = better;
    }
  }

  /** The best `ef`, best first. What is open is among them, so that inserting stays quick. */
  beam(ef: number): readonly number[] {
    const { entry, maxLevel, dictionary } = this.#opened;
    let start = this.#rank(placeOf(dictionary, entry));
    for (let layer = maxLevel; layer > 0; layer--) start = this.#climb(start, layer);
    const seen = new Uint8Array(dictionary.ids.length);
    seen[placeOf(dictionary, idOf(start))] = 1;
    const open = [start];
    const kept = [start];
    for (let best = open.shift(); best !== undefined; best = open.shift()) {
      if (kept.length >= ef && best < (kept.at(-1) as number)) break;
      for (const place of this.#list(idOf(best), 0)) {
        if (seen[place] === 1) continue;
        seen[place] = 1;
        const rank = this.#rank(place);
        if (kept.length >= ef) {
          if (rank < (kept.at(-1) as number)) continue;
          if (open.at(-1) === kept.pop()) open.pop();
        }
        insert(kept, rank);
        insert(open, rank);
      }
    }
    return kept.map(idOf);
  }

  /** Nothing is shown that the search did not read. */
  checkUsed(ranked: ReadonlySet<number>, final: ReadonlySet<number>, passed: ReadonlySet<number>) {
    check(!this.#usedCodes.includes(0), "a code is not used");
    const usedLists = new Set(this.steps.map(([id, layer]) => id * 16 + layer));
    for (const [id, { vector, neighbours }] of this.#opened.leaves) {
      const lists = neighbours.flatMap((list, layer) =>
        list === undefined ? [] : [id * 16 + layer],
      );
      const used = lists.every((list) => usedLists.has(list));
      const read = lists.length > 0 || ranked.has(id) || passed.has(id);
      const due = final.has(id) ? "whole" : ranked.has(id) ? "upper" : "hash";
      const shown = vector === undefined ? "hash" : vector.lower === undefined ? "upper" : "whole";
      check(used && read && shown === due, "something is shown that the search did not read");
    }
  }
}

const lowerAt = (packed: Uint8Array, i: number): number => {
  const bit = i * 5;
  const pair = (packed[bit >> 3] as number) | ((packed[(bit >> 3) + 1] ?? 0) << 8);
  return (pair >> (bit & 7)) & 31;
};

export const sumOf = (count: number, term: (i: number) => number): number => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += term(i);
  return sum;
};

export const wholeScore = (query: Int16Array, { upper, lower }: Vector): number => {
  check(lower !== undefined, "a vector that the search reads is not shown");
  const component = (i: number): number =>
    (((upper[i] as number) - 64) << 5) + lowerAt(lower, i) - 16;
  return sumOf(upper.length, (i) => (query[i] as number) * component(i));
};

const runAgain = (claim: RetrievalClaim, opened: Opened): Searched => {
  const { query, wanted } = claim;
  if (opened.size === 0) return { answers: [], steps: [] };
  const leafOf = (id: number): Leaf => {
    const leaf = opened.leaves.get(id);
    check(leaf !== undefined, "a leaf that the search reads is not shown");
    return leaf;
  };
  const shownOf = (id: number): Vector => {
    const { vector } = leafOf(id);
    check(vector !== undefined, "a vector that the search reads is not shown");
    return vector;
  };
  const byte = query.map((value) => clamp((value + 8) >> 4, -128, 127));
  const upperScore = ({ upper }: Vector): number =>
    sumOf(upper.length, (i) => (byte[i] as number) * ((upper[i] as number) - 64));
  const replay = new Replay(opened, query);
  const [live, passed]: [number[], number[]] = [[], []];
  for (const id of replay.beam(wanted.ef)) {
    if (live.length >= wanted.rerank) break;
    (leafOf(id).gone ? passed : live).push(id);
  }
  const final = live
    .map((id) => rankOf(upperScore(shownOf(id)), id))
    .sort((a, b) => b - a)
    .slice(0, wanted.final)
    .map(idOf);
  replay.checkUsed(new Set(live), new Set(final), new Set(passed));
  const answers = final
    .map((id) => ({ id, score: wholeScore(query, shownOf(id)), frame: leafOf(id).frame.slice() }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, wanted.k);
  return { answers, steps: replay.steps };
};

const checkClaim = ({ root, parameters, query, wanted }: RetrievalClaim): void => {
  const { dimension, m, efConstruction, salt } = parameters;
  const { ef, rerank, final, k } = wanted;
  const bounds: readonly (readonly [value: number, min: number, max: number])[] = [
    [root.length, 32, 32],
    [salt.length, 32, 32],
    [dimension / 8, 1, 256],
    [m, 2, 16],
    [efConstruction, 1, 4096],
    [ef, 1, 4096],
    [rerank, 1, ef],
    [final, 1, rerank],
    [k, 1, final],
  ];
  for (const [value, min, max] of bounds) {
    check(Number.isInteger(value) && value >= min && value <= max, "the claim is malformed");
  }
  check(query.length === dimension, "the query has another dimension");
  const inRange = query.every((value) => value >= -2048 && value <= 2047);
  check(inRange, "the query is out of range");
};

/** The verdict on a claim. Never throws. */
export const verifyRetrieval = (claim: RetrievalClaim): RetrievalVerdict => {
  try {
    checkClaim(claim);
    const opened = readProof(claim);
    const leavesRoot = treeRoot(opened);
    const root = indexRoot(claim.parameters, opened, leavesRoot);
    const isSame = root.every((byte, i) => byte === claim.root[i]);
    check(isSame, "it is of another index");
    checkCodes(opened);
    return { ok: true, size: opened.size, leavesRoot, ...runAgain(claim, opened) };
  } catch (error) {
    const reason = error instanceof Wrong ? error.message : "the proof is malformed";
    return { ok: false, reason };
  }
};
