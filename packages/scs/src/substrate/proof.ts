/**
 * The document that shows an answer to somebody who has not the file: `specs/scs/recall.md`. All of it
 * is of one commit, the last.
 */
import { assert, OperationError } from "@ioi/base";
import type { mhnsw } from "@ioi/state";
import type { MemoryFile } from "../file.ts";
import { operation } from "../header.ts";
import {
  checkProofBytes,
  encodeRecallProof,
  type ProvedMemory,
  queryBytes,
} from "../recall-proof.ts";
import { commitBodyOf } from "../walk.ts";
import { depthOf, isWhole, wantedOf } from "./recall.ts";
import type { ProveOptions, RecallQuery } from "./types.ts";
import type { ProvedVectors, VectorIndex } from "./vector-index.ts";

/** The search over vectors, where there is one to prove. */
export interface ProvableSearch {
  readonly index: VectorIndex;
  readonly components: Int16Array;
  /** Whether and how it is shown that none is nearer. */
  readonly nearest: mhnsw.Draw | undefined;
}

/**
 * What of a question is proved by vectors: `index`, if it is the one that is committed. Undefined where
 * that is nothing, an error where something is asked for.
 */
export const provableSearch = (
  {
    query,
    components,
    index,
  }: {
    readonly query: RecallQuery;
    readonly components: Int16Array | undefined;
    readonly index: VectorIndex | undefined;
  },
  { nearest }: ProveOptions,
  path: string,
): ProvableSearch | undefined => {
  if (components === undefined) {
    if (nearest === undefined) return undefined;
    const why = `${path}: what is nearest is shown of a search by vectors`;
    throw new OperationError("E_SCS_QUERY", why, { next: "Ask by vectors, with an embedder." });
  }
  if (index !== undefined && isWhole(query)) return { index, components, nearest };
  if (query.by !== "vectors" && nearest === undefined) return undefined;
  const why = isWhole(query) ? "the index is to be made anew" : "it is filtered";
  throw operation("E_SCS_STALE", path, `a search by vectors is asked for: ${why}`);
};

/** An E_SCS_NEARER where something is nearer, as a search that looks at some of an index may have it. */
const certificateOf = (index: VectorIndex, proved: ProvedVectors, draw: mhnsw.Draw) => {
  if (draw.how === "exact") checkProofBytes(index.exactBytesMin);
  const { certificate, opened, nearer } = proved.certify(draw);
  if (nearer > 0) {
    const why = `${nearer} of ${opened} vectors that were looked at are nearer than the answers`;
    throw new OperationError("E_SCS_NEARER", why);
  }
  const { challenge } = draw;
  const isDrawn = opened < index.size;
  return {
    ...(challenge === undefined || !isDrawn ? {} : { challenge }),
    certificate,
  };
};

const searchOf = ({ index, components, nearest }: ProvableSearch, query: RecallQuery) => {
  const wanted = wantedOf(query, depthOf(query));
  const proved = index.prove(components, wanted);
  return {
    parameters: index.parameters,
    wanted,
    query: queryBytes(components),
    proof: proved.proof,
    ...(nearest === undefined ? {} : { nearest: certificateOf(index, proved, nearest) }),
  };
};

const answerOf = async (file: MemoryFile, id: number): Promise<ProvedMemory> => {
  const { head, sealed, content } = await file.show(id);
  const { leaf, path } = file.prove(id);
  return { head, sealed, leaf, path, content };
};

export const proofOf = async (
  file: MemoryFile,
  query: RecallQuery,
  ids: readonly number[],
  search: ProvableSearch | undefined,
): Promise<Uint8Array> => {
  const last = file.lastCommit;
  assert(last !== undefined || ids.length === 0, "answers from a file without a commit");
  if (last === undefined) return new Uint8Array();
  const answers: ProvedMemory[] = [];
  let bytes = 0;
  for (const id of ids) {
    const answer = await answerOf(file, id);
    // Before the next is read: together they may be any size.
    checkProofBytes((bytes += answer.content.length));
    answers.push(answer);
  }
  return encodeRecallProof({
    schema: "ioi.recall-proof/1",
    store: file.info.storeId,
    commit: commitBodyOf(last),
    seal: last.seal,
    ...(search === undefined ? {} : { search: searchOf(search, query) }),
    answers,
  });
};
