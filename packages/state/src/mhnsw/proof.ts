/**
 * Proofs of retrieval: what a search read, so that somebody who holds the root alone can run it again.
 * Encoding: `specs/scs/mhnsw.md`, section 8. The verifier is in `@ioi/verifier` and shares no code.
 */
import { assert } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { type Commitment, hashBytes, neighboursHash, packLower } from "./commitment.ts";
import type { GraphView } from "./graph.ts";
import type { Query } from "./parameters.ts";
import type { Answer, Found, SearchParameters } from "./search.ts";

export const proofVersion = 1;

/** Bytes one after the other, in an array that grows by doubling. */
export class Writer {
  #bytes = new Uint8Array(128 * 1024);
  #length = 0;

  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const longer = new Uint8Array(2 * this.#length);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    return at;
  }

  byte(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  bytes(values: Uint8Array): void {
    const at = this.#room(values.length);
    const bytes = this.#bytes;
    // Of a hash, the call would cost more than the copy.
    if (values.length > hashBytes) bytes.set(values, at);
    else for (let i = 0; i < values.length; i++) bytes[at + i] = values[i] as number;
  }

  /** Codes of nodes, one after the other. */
  codes(graph: GraphView, ids: Int32Array): void {
    const at = this.#room((ids.length * graph.parameters.dimension) / 8);
    graph.copyCodes(ids, this.#bytes, at);
  }

  /** LEB128 of a number below 2^32. */
  varint(value: number): void {
    assert(Number.isInteger(value) && value >= 0 && value < 2 ** 32, "a number out of range");
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 128);
    this.byte(rest);
  }

  /** Rising numbers as differences: the first, then one less than each step. */
  rising(numbers: ArrayLike<number>): void {
    let next = 0;
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i] as number;
      this.varint(number - next);
      next = number + 1;
    }
  }

  /** Of 8 bytes, little-endian. */
  long(value: number): void {
    let rest = value;
    for (let i = 0; i < 8; i++) {
      this.byte(rest % 256);
      rest = Math.floor(rest / 256);
    }
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Bits that one pass of sorting goes by, and those of a node's number. */
const [digitBits, numberBits] = [8, 24];

/** Rising, each once: by digits from the last on, which compares nothing. */
const sorted = (numbers: Int32Array<ArrayBuffer>): Int32Array => {
  let [all, next] = [numbers, new Int32Array(numbers.length)];
  const last = (1 << digitBits) - 1;
  for (let shift = 0; shift < numberBits; shift += digitBits) {
    const [from, to] = [all, next];
    const ends = new Int32Array(last + 1);
    for (let i = 0; i < from.length; i++) {
      const digit = ((from[i] as number) >> shift) & last;
      ends[digit] = (ends[digit] as number) + 1;
    }
    for (let i = 1; i <= last; i++) ends[i] = (ends[i] as number) + (ends[i - 1] as number);
    for (let i = from.length - 1; i >= 0; i--) {
      const number = from[i] as number;
      const digit = (number >> shift) & last;
      const place = (ends[digit] as number) - 1;
      ends[digit] = place;
      to[place] = number;
    }
    [all, next] = [to, from];
  }
  let count = 0;
  for (const number of all) {
    if (count === 0 || all[count - 1] !== number) all[count++] = number;
  }
  return all.subarray(0, count);
};

/** All that the opened lists name, and the entry. */
const namedBy = (graph: GraphView, opened: Found["trace"]["opened"]): Int32Array => {
  let length = 1;
  for (const [id, layers] of opened) {
    for (const layer of layers) length += graph.neighbours(id, layer).length;
  }
  const named = new Int32Array(length);
  named[0] = graph.entry;
  let at = 1;
  for (const [id, layers] of opened) {
    for (const layer of layers) {
      const all = graph.neighbours(id, layer);
      named.set(all, at);
      at += all.length;
    }
  }
  return sorted(named);
};

/** Where a number stands among rising ones, from `from` on. */
const placeOf = (numbers: Int32Array, number: number, from: number): number => {
  let [low, high] = [from, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] as number) < number) low = middle + 1;
    else high = middle;
  }
  assert(numbers[low] === number, "a neighbour is not in the dictionary");
  return low;
};

const nobody = new Int32Array();

/** How much of a vector is shown. */
const shown = { hash: 0, upper: 1, whole: 2 } as const;

export interface Source {
  readonly hashing: Hashing;
  readonly graph: GraphView;
  readonly commitment: Commitment;
}

const writeVector = (
  out: Writer,
  { hashing, graph, commitment }: Source,
  id: number,
  how: keyof typeof shown,
): void => {
  if (how === "hash") {
    out.bytes(commitment.vectorHash(id));
    return;
  }
  const { upper, lower } = graph.vector(id);
  const packed = packLower(lower);
  out.bytes(upper);
  out.bytes(how === "whole" ? packed : hashing.sha256(packed));
};

const writeLists = (
  out: Writer,
  { hashing, graph }: Source,
  id: number,
  opened: ReadonlySet<number> | undefined,
  dictionary: Int32Array,
): void => {
  const level = graph.level(id);
  for (let layer = 0; layer <= level; layer++) {
    if (opened?.has(layer) !== true) {
      out.byte(0);
      out.bytes(neighboursHash(hashing, graph, id, layer));
      continue;
    }
    const all = graph.neighbours(id, layer);
    out.byte(1);
    out.byte(all.length);
    let next = 0;
    for (let i = 0; i < all.length; i++) {
      const place = placeOf(dictionary, all[i] as number, next);
      out.varint(place - next);
      next = place + 1;
    }
  }
};

/** `opened`: layers whose lists are shown; `dictionary`: what those name. */
export const writeLeaf = (
  out: Writer,
  source: Source,
  id: number,
  how: keyof typeof shown,
  opened?: ReadonlySet<number>,
  dictionary: Int32Array = nobody,
): void => {
  const { graph } = source;
  out.byte(graph.level(id));
  out.byte(graph.isGone(id) ? 1 : 0);
  out.byte(shown[how]);
  out.bytes(graph.frame(id));
  writeVector(out, source, id, how);
  writeLists(out, source, id, opened, dictionary);
};

/** Hashes beside the ways from the leaves up, level by level, without what is empty. */
export const writeSiblings = (
  out: Writer,
  { commitment, graph }: Source,
  leaves: Int32Array,
): void => {
  const beside: [level: number, index: number][] = [];
  let here = [...leaves];
  for (let level = 0; level < commitment.depth; level++) {
    const above: number[] = [];
    for (let i = 0; i < here.length; i++) {
      const index = here[i] as number;
      const other = index ^ 1;
      if (here[i + 1] === other) i++;
      else if (other * 2 ** level < graph.size) beside.push([level, other]);
      above.push(index >> 1);
    }
    here = above;
  }
  out.varint(beside.length);
  for (const [level, index] of beside) out.bytes(commitment.at(level, index));
};

const encodeProof = (source: Source, { trace, final }: Found): Uint8Array => {
  const { graph } = source;
  const { opened, passed, ranked } = trace;
  const out = new Writer();
  out.byte(proofVersion);
  out.long(graph.size);
  out.long(Math.max(0, graph.entry));
  out.byte(Math.max(0, graph.maxLevel));
  if (graph.size === 0) return out.done();
  const dictionary = namedBy(graph, opened);
  out.varint(dictionary.length);
  out.rising(dictionary);
  out.codes(graph, dictionary);
  const leaves = sorted(Int32Array.of(...opened.keys(), ...passed, ...ranked));
  const [isRanked, isFinal] = [new Set(ranked), new Set(final)];
  out.varint(leaves.length);
  out.rising(leaves);
  for (const id of leaves) {
    const how = isFinal.has(id) ? "whole" : isRanked.has(id) ? "upper" : "hash";
    writeLeaf(out, source, id, how, opened.get(id), dictionary);
  }
  writeSiblings(out, source, leaves);
  return out.done();
};

export interface Proved {
  readonly answers: readonly Answer[];
  readonly proof: Uint8Array;
}

/** Searches, and proves it. `commitment.root()` is what the proof is against. */
export const prove = (
  hashing: Hashing,
  graph: GraphView,
  commitment: Commitment,
  query: Query,
  wanted: SearchParameters,
): Proved => {
  commitment.root();
  const found = graph.find(query, wanted);
  return { answers: found.answers, proof: encodeProof({ hashing, graph, commitment }, found) };
};
