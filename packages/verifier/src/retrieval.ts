/**
 * Verifies a proof of retrieval: that a search over a committed index, with the verifier's own query
 * and parameters, returns exactly these answers. It runs the search again over what the proof opens.
 *
 * One module without imports, so that it can be carried anywhere: Node from 20 on, browsers, other
 * engines. Source: `specs/scs/mhnsw.md`, whose sections stand at the functions. Integers only. Total:
 * any bytes give a verdict, and time is bounded by their number.
 *
 * What a good verdict shows: the answers are in the index under this root, and the search, run on this
 * index, returns them in this order. What it does not show: that they are the nearest of all; that
 * whoever built the index left no way out (build it again from its log, and compare the roots).
 */

export interface IndexParameters {
  readonly dimension: number;
  readonly m: number;
  readonly efConstruction: number;
  readonly salt: Uint8Array;
}

export interface Wanted {
  readonly ef: number;
  readonly rerank: number;
  readonly final: number;
  readonly k: number;
}

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

export type RetrievalVerdict =
  | { readonly ok: true; readonly size: number; readonly answers: readonly RetrievedAnswer[] }
  | { readonly ok: false; readonly reason: string };

/** What is wrong, on its way to the verdict; nothing else is thrown. */
class Wrong extends Error {}

const check: (holds: boolean, what: string) => asserts holds = (holds, what) => {
  if (!holds) throw new Wrong(what);
};

// SHA-256, FIPS 180-4.

const primes = (count: number): number[] => {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p !== 0)) found.push(n);
  return found;
};

/** The first 32 bits of the fractional part of a root of a prime, exactly: by integers. */
const fraction = (prime: number, root: 2 | 3): number => {
  const target = BigInt(prime) << BigInt(32 * root);
  let [low, high] = [0n, 1n << 40n];
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** BigInt(root) <= target) low = middle;
    else high = middle;
  }
  return Number(low & 0xffffffffn) | 0;
};

const roundConstants = Int32Array.from(primes(64), (prime) => fraction(prime, 3));
const firstState = Int32Array.from(primes(8), (prime) => fraction(prime, 2));

const compress = (state: Int32Array, block: DataView, at: number, words: Int32Array): void => {
  for (let i = 0; i < 16; i++) words[i] = block.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const [x, y] = [words[i - 15] as number, words[i - 2] as number];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[i] = ((words[i - 16] as number) + s0 + (words[i - 7] as number) + s1) | 0;
  }
  let a = state[0] as number;
  let b = state[1] as number;
  let c = state[2] as number;
  let d = state[3] as number;
  let e = state[4] as number;
  let f = state[5] as number;
  let g = state[6] as number;
  let h = state[7] as number;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 =
      (h + s1 + ((e & f) ^ (~e & g)) + (roundConstants[i] as number) + (words[i] as number)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) {
    state[i] = ((state[i] as number) + word) | 0;
  }
};

const words = new Int32Array(64);

export const sha256OfParts = (...parts: readonly Uint8Array[]): Uint8Array => {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const padded = new Uint8Array(Math.ceil((length + 9) / 64) * 64);
  let at = 0;
  for (const part of parts) {
    padded.set(part, at);
    at += part.length;
  }
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(padded.length - 4, (length << 3) >>> 0);
  const state = firstState.slice();
  for (let block = 0; block < padded.length; block += 64) compress(state, view, block, words);
  const hash = new Uint8Array(32);
  const out = new DataView(hash.buffer);
  for (const [i, word] of state.entries()) out.setInt32(4 * i, word);
  return hash;
};

const little = (value: number, width: number): Uint8Array => {
  const bytes = new Uint8Array(width);
  let rest = value;
  for (let i = 0; i < width; i++) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
};

const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

// Section 8: reading.

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    check(this.#at + length <= this.#bytes.length, "the proof is cut off");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  byte(): number {
    return this.take(1)[0] as number;
  }

  /** Little-endian, exact. */
  number(width: number): number {
    let value = 0;
    for (const byte of this.take(width).slice().reverse()) value = value * 256 + byte;
    check(Number.isSafeInteger(value), "a number is too large");
    return value;
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
  rising(count: number, bound: number): number[] {
    check(count <= this.#bytes.length - this.#at, "the proof is cut off");
    const numbers: number[] = [];
    let next = 0;
    for (let i = 0; i < count; i++) {
      const number = next + this.varint();
      check(number < bound, "a number is out of range");
      numbers.push(number);
      next = number + 1;
    }
    return numbers;
  }

  end(): void {
    check(this.#at === this.#bytes.length, "bytes follow the proof");
  }
}

interface Vector {
  readonly upper: Uint8Array;
  /** Absent where only the upper bits are shown. */
  readonly lower: Uint8Array | undefined;
}

interface Leaf {
  readonly level: number;
  readonly gone: boolean;
  readonly frame: Uint8Array;
  readonly vector: Vector | undefined;
  readonly vectorHash: Uint8Array;
  /** By layer; undefined where only its hash is shown. */
  readonly neighbours: readonly (readonly number[] | undefined)[];
  readonly hashes: readonly Uint8Array[];
}

interface Opened {
  readonly size: number;
  readonly entry: number;
  readonly maxLevel: number;
  readonly codes: ReadonlyMap<number, Uint8Array>;
  readonly leaves: ReadonlyMap<number, Leaf>;
  readonly siblings: readonly Uint8Array[];
}

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

const readLeaf = (
  reader: Reader,
  { dimension, m }: IndexParameters,
  dictionary: readonly number[],
  codes: ReadonlyMap<number, Uint8Array>,
): Leaf => {
  const [level, flags, kind] = [reader.byte(), reader.byte(), reader.byte()];
  check(level <= levelMax && flags <= 1, "a leaf is malformed");
  const frame = reader.take(32);
  const { vector, vectorHash } = readVector(reader, dimension, kind);
  const neighbours: (readonly number[] | undefined)[] = [];
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
    const ids = reader.rising(count, dictionary.length).map((at) => dictionary[at] as number);
    const parts = ids.flatMap((id) => [little(id, 4), codes.get(id) as Uint8Array]);
    neighbours.push(ids);
    hashes.push(sha256OfParts(Uint8Array.of(2, count), ...parts));
  }
  return { level, gone: flags === 1, frame, vector, vectorHash, neighbours, hashes };
};

const readProof = ({ proof, parameters }: RetrievalClaim): Opened => {
  const reader = new Reader(proof);
  check(reader.byte() === 1, "the proof has another version");
  const [size, entry, maxLevel] = [reader.number(8), reader.number(8), reader.byte()];
  check(size < 2 ** 24 && maxLevel <= levelMax, "the index is malformed");
  check(size === 0 ? entry === 0 && maxLevel === 0 : entry < size, "the entry is malformed");
  const codes = new Map<number, Uint8Array>();
  const leaves = new Map<number, Leaf>();
  const siblings: Uint8Array[] = [];
  if (size > 0) {
    const dictionary = reader.rising(reader.varint(), size);
    for (const id of dictionary) codes.set(id, reader.take(parameters.dimension / 8));
    const ids = reader.rising(reader.varint(), size);
    for (const id of ids) leaves.set(id, readLeaf(reader, parameters, dictionary, codes));
    const count = reader.varint();
    for (let i = 0; i < count; i++) siblings.push(reader.take(32));
  }
  reader.end();
  return { size, entry, maxLevel, codes, leaves, siblings };
};

// Section 7: what is committed.

const leafHash = (id: number, leaf: Leaf): Uint8Array =>
  sha256OfParts(
    Uint8Array.of(0),
    little(id, 8),
    Uint8Array.of(leaf.level, leaf.gone ? 1 : 0),
    leaf.vectorHash,
    leaf.frame,
    ...leaf.hashes,
  );

/** The tree's root, from the leaves and the hashes beside their ways; every one of those is used. */
const treeRoot = ({ size, leaves, siblings }: Opened): Uint8Array => {
  if (size === 0) return new Uint8Array(32);
  check(leaves.size > 0, "no leaf is shown");
  let here = [...leaves].map(([id, leaf]) => ({ index: id, hash: leafHash(id, leaf) }));
  let empty: Uint8Array = new Uint8Array(32);
  let used = 0;
  for (let width = 1; width < size; width *= 2) {
    const above: typeof here = [];
    for (let i = 0; i < here.length; i++) {
      const { index, hash } = here[i] as { index: number; hash: Uint8Array };
      const next = here[i + 1];
      let beside: Uint8Array | undefined;
      if (index % 2 === 0 && next?.index === index + 1) {
        beside = next.hash;
        i++;
      } else {
        const other = index % 2 === 0 ? index + 1 : index - 1;
        beside = other * width < size ? siblings[used++] : empty;
      }
      check(beside !== undefined, "a hash is missing");
      const [left, right] = index % 2 === 0 ? [hash, beside] : [beside, hash];
      const up = Math.floor(index / 2);
      above.push({ index: up, hash: sha256OfParts(Uint8Array.of(1), left, right) });
    }
    empty = sha256OfParts(Uint8Array.of(1), empty, empty);
    here = above;
  }
  check(used === siblings.length, "a hash is not used");
  return (here[0] as { hash: Uint8Array }).hash;
};

const algorithm = Uint8Array.from("mhnsw/1", (char) => char.charCodeAt(0));

const indexRoot = (parameters: IndexParameters, opened: Opened): Uint8Array => {
  const { dimension, m, efConstruction, salt } = parameters;
  const { size, entry, maxLevel, codes } = opened;
  const entryCode = size === 0 ? new Uint8Array(dimension / 8) : codes.get(entry);
  check(entryCode !== undefined, "the code of the entry is missing");
  return sha256OfParts(
    Uint8Array.of(4),
    little(algorithm.length, 2),
    algorithm,
    little(dimension, 2),
    little(m, 1),
    little(efConstruction, 2),
    salt,
    little(size, 8),
    little(entry, 8),
    entryCode,
    little(maxLevel, 1),
    treeRoot(opened),
  );
};

/** What is shown of one node more than once says the same. */
const checkCodes = ({ codes, leaves }: Opened): void => {
  for (const [id, { vector }] of leaves) {
    const code = codes.get(id);
    if (vector === undefined || code === undefined) continue;
    const agrees = vector.upper.every(
      (value, i) => (((code[i >> 3] as number) >> (i & 7)) & 1) === (value >= 64 ? 1 : 0),
    );
    check(agrees, "a code is not that of its vector");
  }
};

// Section 6: the search.

interface Ranked {
  readonly id: number;
  readonly score: number;
}

const isBetter = (a: Ranked, b: Ranked): boolean =>
  a.score > b.score || (a.score === b.score && a.id < b.id);
const bestFirst = (a: Ranked, b: Ranked): number => b.score - a.score || a.id - b.id;

const clamp = (value: number, min: number, max: number): number =>
  Math.min(max, Math.max(min, value));

/** A list that is kept in order, best first; short enough for insertion to be quick. */
const insert = (list: Ranked[], item: Ranked): void => {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBetter(list[middle] as Ranked, item)) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, item);
};

/** Runs over what is opened, and remembers what it used. */
class Replay {
  readonly #opened: Opened;
  readonly #small: Int8Array;
  readonly #usedLists = new Set<string>();
  readonly #usedCodes = new Set<number>();

  constructor(opened: Opened, query: Int16Array) {
    this.#opened = opened;
    this.#small = Int8Array.from(query, (value) => clamp((value + 32) >> 6, -31, 31));
  }

  #rank(id: number): Ranked {
    const code = this.#opened.codes.get(id);
    check(code !== undefined, "a code is missing");
    this.#usedCodes.add(id);
    let score = 0;
    for (const [i, q] of this.#small.entries()) {
      score += ((code[i >> 3] as number) >> (i & 7)) & 1 ? q : -q;
    }
    return { id, score };
  }

  #list(id: number, layer: number): readonly number[] {
    const leaf = this.#opened.leaves.get(id);
    const list = leaf?.neighbours[layer];
    check(list !== undefined, "a list that the search reads is not shown");
    this.#usedLists.add(`${id}/${layer}`);
    return list;
  }

  #climb(from: Ranked, layer: number): Ranked {
    for (let best = from; ;) {
      let better = best;
      for (const rank of this.#list(best.id, layer).map((id) => this.#rank(id))) {
        if (isBetter(rank, better)) better = rank;
      }
      if (better === best) return best;
      best = better;
    }
  }

  /** The best `ef`, best first. */
  beam(ef: number): readonly Ranked[] {
    const { entry, maxLevel } = this.#opened;
    let start = this.#rank(entry);
    for (let layer = maxLevel; layer > 0; layer--) start = this.#climb(start, layer);
    const seen = new Set([start.id]);
    const open = [start];
    const kept = [start];
    for (let best = open.shift(); best !== undefined; best = open.shift()) {
      const worst = kept.at(-1) as Ranked;
      if (kept.length >= ef && isBetter(worst, best)) break;
      for (const id of this.#list(best.id, 0)) {
        if (seen.has(id)) continue;
        seen.add(id);
        const rank = this.#rank(id);
        if (kept.length >= ef) {
          if (isBetter(kept.at(-1) as Ranked, rank)) continue;
          kept.pop();
        }
        insert(kept, rank);
        insert(open, rank);
      }
    }
    return kept;
  }

  /** Nothing is shown that the search did not read. */
  checkUsed(ranked: ReadonlySet<number>, final: ReadonlySet<number>, passed: ReadonlySet<number>) {
    const { codes, leaves } = this.#opened;
    check(this.#usedCodes.size === codes.size, "a code is not used");
    for (const [id, leaf] of leaves) {
      const lists = leaf.neighbours.flatMap((list, layer) => (list === undefined ? [] : [layer]));
      const used = lists.every((layer) => this.#usedLists.has(`${id}/${layer}`));
      const read = lists.length > 0 || ranked.has(id) || passed.has(id);
      const due = final.has(id) ? "whole" : ranked.has(id) ? "upper" : "hash";
      const { vector } = leaf;
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

const upperScore = (query: Int16Array, { upper }: Vector): number =>
  upper.reduce(
    (sum, value, i) => sum + clamp(((query[i] as number) + 8) >> 4, -128, 127) * (value - 64),
    0,
  );

const wholeScore = (query: Int16Array, upper: Uint8Array, lower: Uint8Array): number =>
  upper.reduce(
    (sum, value, i) => sum + (query[i] as number) * (((value - 64) << 5) + lowerAt(lower, i) - 16),
    0,
  );

const runAgain = (claim: RetrievalClaim, opened: Opened): readonly RetrievedAnswer[] => {
  const { query, wanted } = claim;
  if (opened.size === 0) return [];
  const leafOf = (id: number): Leaf => {
    const leaf = opened.leaves.get(id);
    check(leaf !== undefined, "a leaf that the search reads is not shown");
    return leaf;
  };
  const vectorOf = (id: number): Vector => {
    const { vector } = leafOf(id);
    check(vector !== undefined, "a vector that the search reads is not shown");
    return vector;
  };
  const replay = new Replay(opened, query);
  const [live, passed]: [number[], number[]] = [[], []];
  for (const { id } of replay.beam(wanted.ef)) {
    if (live.length >= wanted.rerank) break;
    (leafOf(id).gone ? passed : live).push(id);
  }
  const final = live
    .map((id) => ({ id, score: upperScore(query, vectorOf(id)) }))
    .sort(bestFirst)
    .slice(0, wanted.final)
    .map(({ id }) => id);
  replay.checkUsed(new Set(live), new Set(final), new Set(passed));
  return final
    .map((id) => {
      const { upper, lower } = vectorOf(id);
      check(lower !== undefined, "a vector that the search reads is not shown");
      return { id, score: wholeScore(query, upper, lower), frame: leafOf(id).frame.slice() };
    })
    .sort(bestFirst)
    .slice(0, wanted.k);
};

const checkClaim = ({ root, parameters, query, wanted }: RetrievalClaim): void => {
  const { dimension, m, efConstruction, salt } = parameters;
  const isWhole = [dimension, m, efConstruction, ...Object.values(wanted)].every(
    (n: number) => Number.isInteger(n) && n >= 1,
  );
  const { ef, rerank, final, k } = wanted;
  check(
    isWhole &&
      root.length === 32 &&
      salt.length === 32 &&
      dimension % 8 === 0 &&
      dimension <= 2048 &&
      m >= 2 &&
      m <= 16 &&
      efConstruction <= 4096 &&
      ef <= 4096 &&
      rerank <= ef &&
      final <= rerank &&
      k <= final,
    "the claim is malformed",
  );
  check(query.length === dimension, "the query has another dimension");
  check(
    query.every((value) => value >= -2048 && value <= 2047),
    "the query is out of range",
  );
};

/** The verdict on a claim. Never throws. */
export const verifyRetrieval = (claim: RetrievalClaim): RetrievalVerdict => {
  try {
    checkClaim(claim);
    const opened = readProof(claim);
    check(same(indexRoot(claim.parameters, opened), claim.root), "it is of another index");
    checkCodes(opened);
    return { ok: true, size: opened.size, answers: runAgain(claim, opened) };
  } catch (error) {
    const reason = error instanceof Wrong ? error.message : "the proof is malformed";
    return { ok: false, reason };
  }
};
