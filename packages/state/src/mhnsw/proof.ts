/**
 * Proofs of retrieval: what a search read, so that somebody who holds the root alone can run it again.
 * Encoding: `specs/scs/mhnsw.md`, section 8. The verifier is in `@ioi/verifier` and shares no code.
 */
import { assert, concatBytes, uintLE } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { type Commitment, neighboursHash, packLower } from "./commitment.ts";
import type { GraphView } from "./graph.ts";
import type { Query } from "./parameters.ts";
import { type Answer, search, type SearchParameters, type Trace } from "./search.ts";

export const proofVersion = 1;

/** LEB128 of a number below 2^32. */
const varint = (value: number): Uint8Array => {
  assert(Number.isInteger(value) && value >= 0 && value < 2 ** 32, "a number out of range");
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
};

/** Rising numbers as differences: the first, then one less than each step. */
const rising = (numbers: readonly number[]): Uint8Array[] =>
  numbers.map((number, i) => varint(i === 0 ? number : number - (numbers[i - 1] as number) - 1));

const byNumber = (a: number, b: number): number => a - b;
const sorted = (numbers: Iterable<number>): number[] => [...new Set(numbers)].sort(byNumber);

/** How much of a vector is shown. */
const shown = { hash: 0, upper: 1, whole: 2 } as const;

const encodeLeaf = (
  hashing: Hashing,
  graph: GraphView,
  commitment: Commitment,
  id: number,
  parts: {
    readonly vector: keyof typeof shown;
    readonly opened: ReadonlySet<number>;
    readonly place: (id: number) => number;
  },
): Uint8Array => {
  const level = graph.level(id);
  const vector = graph.vector(id);
  const lower = packLower(vector.lower);
  const vectorPart = {
    hash: () => [commitment.vectorHash(id)],
    upper: () => [vector.upper, hashing.sha256(lower)],
    whole: () => [vector.upper, lower],
  }[parts.vector]();
  const layers = Array.from({ length: level + 1 }, (_, layer) => {
    if (!parts.opened.has(layer)) {
      return concatBytes(Uint8Array.of(0), neighboursHash(hashing, graph, id, layer));
    }
    const places = graph.neighbours(id, layer).map(parts.place);
    return concatBytes(Uint8Array.of(1, places.length), ...rising(places));
  });
  const head = Uint8Array.of(level, graph.isGone(id) ? 1 : 0, shown[parts.vector]);
  return concatBytes(head, graph.frame(id), ...vectorPart, ...layers);
};

/** Hashes beside the ways from the leaves up, level by level, without what is empty. */
const siblings = (
  commitment: Commitment,
  size: number,
  leaves: readonly number[],
): readonly Uint8Array[] => {
  const hashes: Uint8Array[] = [];
  let here = leaves;
  for (let level = 0; level < commitment.depth; level++) {
    const present = new Set(here);
    for (const index of here) {
      const other = index ^ 1;
      if (!present.has(other) && other * 2 ** level < size)
        hashes.push(commitment.at(level, other));
    }
    here = sorted(here.map((index) => index >> 1));
  }
  return hashes;
};

const encodeProof = (
  hashing: Hashing,
  graph: GraphView,
  commitment: Commitment,
  { opened, passed, ranked }: Trace,
  final: ReadonlySet<number>,
): Uint8Array => {
  const size = graph.size;
  const head = [
    Uint8Array.of(proofVersion),
    uintLE(size, 8),
    uintLE(Math.max(0, graph.entry), 8),
    uintLE(Math.max(0, graph.maxLevel), 1),
  ];
  if (size === 0) return concatBytes(...head);
  const seen: number[] = [graph.entry];
  for (const [id, layers] of opened) {
    for (const layer of layers) seen.push(...graph.neighbours(id, layer));
  }
  const dictionary = sorted(seen);
  const places = new Map(dictionary.map((id, place) => [id, place] as const));
  const place = (id: number): number => {
    const at = places.get(id);
    assert(at !== undefined, "a neighbour is not in the dictionary");
    return at;
  };
  const leaves = sorted([...opened.keys(), ...passed, ...ranked]);
  const isRanked = new Set(ranked);
  const encoded = leaves.map((id) =>
    encodeLeaf(hashing, graph, commitment, id, {
      vector: final.has(id) ? "whole" : isRanked.has(id) ? "upper" : "hash",
      opened: opened.get(id) ?? new Set(),
      place,
    }),
  );
  const beside = siblings(commitment, size, leaves);
  return concatBytes(
    ...head,
    varint(dictionary.length),
    ...rising(dictionary),
    ...dictionary.map((id) => graph.code(id)),
    varint(leaves.length),
    ...rising(leaves),
    ...encoded,
    varint(beside.length),
    ...beside,
  );
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
  const { answers, trace, final } = search(graph, query, wanted);
  const proof = encodeProof(hashing, graph, commitment, trace, new Set(final));
  return { answers, proof };
};
