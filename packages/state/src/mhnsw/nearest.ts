/**
 * Certificates that none is nearer than the answers of a search: all leaves of an index opened, or those
 * that a rule draws. `specs/scs/mhnsw.md`, section 12. The verifier is in `@ioi/verifier` and shares no
 * code.
 */
import { assert, concatBytes, uintLE, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { Commitment } from "./commitment.ts";
import type { GraphView } from "./graph.ts";
import type { Query } from "./parameters.ts";
import { type Source, writeLeaf, Writer, writeSiblings } from "./proof.ts";
import { type Answer, type SearchParameters, wholeScore } from "./search.ts";

const version = 1;
const modes = { exact: 0, sampled: 1 } as const;
const tag = utf8Encode("ioi/scs/nearest/v1\0");

/** Leaves that are drawn; of an index that has no more, all are opened. */
const sampleMax = 460;

export interface Draw {
  readonly how: "exact" | "sampled";
  /** 32 bytes that the verifier chose when the root was known to it. */
  readonly challenge?: Uint8Array | undefined;
}

/** What was searched for in the index of this root, and found. */
export interface Searched {
  readonly query: Query;
  readonly wanted: SearchParameters;
  readonly answers: readonly Answer[];
}

const drawn = (
  hashing: Hashing,
  root: Uint8Array,
  size: number,
  { query, wanted, answers }: Searched,
  challenge: Uint8Array | undefined,
): Int32Array => {
  assert(challenge === undefined || challenge.length === 32, "a challenge of 32 bytes");
  const { whole } = query;
  const { ef, rerank, final, k } = wanted;
  const seed = hashing.sha256(
    concatBytes(
      tag,
      challenge === undefined ? Uint8Array.of(0) : concatBytes(Uint8Array.of(1), challenge),
      root,
      uintLE(whole.length, 2),
      ...Array.from(whole, (component) =>
        uintLE(component < 0 ? component + 65_536 : component, 2),
      ),
      ...[ef, rerank, final, k, answers.length].map((value) => uintLE(value, 2)),
      ...answers.map(({ id }) => uintLE(id, 4)),
    ),
  );
  const range = 2 ** 32;
  const ids = new Set<number>();
  for (let block = 0; ids.size < sampleMax; block++) {
    const hash = hashing.sha256(concatBytes(seed, uintLE(block, 4)));
    const words = Array.from({ length: 8 }, (_, i) =>
      hash.subarray(4 * i, 4 * i + 4).reduceRight((sum, byte) => sum * 256 + byte, 0),
    );
    for (const word of words) {
      if (ids.size < sampleMax && word < range - (range % size)) ids.add(word % size);
    }
  }
  return Int32Array.from(ids).sort((a, b) => a - b);
};

/** Whether a node is before the last answer, by its whole vector and by the most its upper bits allow. */
const nearness = (graph: GraphView, { query, wanted, answers }: Searched) => {
  const last = answers.length < wanted.k ? undefined : answers.at(-1);
  const isBefore = (id: number, score: number): boolean =>
    last === undefined || score > last.score || (score === last.score && id < last.id);
  const { whole } = query;
  return {
    isNearer: (id: number): boolean => isBefore(id, wholeScore(whole, graph.vector(id))),
    mayBeNearer: (id: number): boolean => {
      const { upper } = graph.vector(id);
      let most = 0;
      for (let i = 0; i < whole.length; i++) {
        const q = whole[i] as number;
        most += 32 * q * ((upper[i] as number) - 64) + (q < 0 ? -16 * q : 15 * q);
      }
      return isBefore(id, most);
    },
  };
};

export interface Certified {
  readonly certificate: Uint8Array;
  /** Nodes that it opens. */
  readonly opened: number;
  /** How many of those are nearer than the answers: with any, no verifier takes it. */
  readonly nearer: number;
}

/**
 * The certificate beside a proof of that search. A search looks at some of an index, so it may pass over
 * what is nearer, and then there is nothing to certify.
 */
export const certify = (
  hashing: Hashing,
  graph: GraphView,
  commitment: Commitment,
  searched: Searched,
  { how, challenge }: Draw,
): Certified => {
  const root = commitment.root();
  const { size } = graph;
  const mode = size <= sampleMax ? "exact" : how;
  const ids =
    mode === "sampled"
      ? drawn(hashing, root, size, searched, challenge)
      : Int32Array.from({ length: size }, (_, id) => id);
  const source: Source = { hashing, graph, commitment };
  const isAnswer = new Set(searched.answers.map(({ id }) => id));
  const { isNearer, mayBeNearer } = nearness(graph, searched);
  const out = new Writer();
  out.byte(version);
  out.byte(modes[mode]);
  let nearer = 0;
  for (const id of ids) {
    const isNothing = graph.isGone(id) || isAnswer.has(id);
    const shown = isNothing ? "hash" : mayBeNearer(id) ? "whole" : "upper";
    if (shown === "whole" && isNearer(id)) nearer++;
    writeLeaf(out, source, id, shown);
  }
  if (mode === "sampled") writeSiblings(out, source, ids);
  return { certificate: out.done(), opened: ids.length, nearer };
};
