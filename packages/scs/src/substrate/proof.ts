/**
 * The document that shows an answer to somebody who has not the file: `specs/scs/recall.md`. All of it
 * is of one commit, the last.
 */
import { assert } from "@ioi/base";
import type { MemoryFile } from "../file.ts";
import {
  checkProofBytes,
  encodeRecallProof,
  type ProvedMemory,
  queryBytes,
} from "../recall-proof.ts";
import { commitBodyOf } from "../walk.ts";
import { depthOf, wantedOf } from "./recall.ts";
import type { RecallQuery } from "./types.ts";
import type { VectorIndex } from "./vector-index.ts";

/** The search over vectors, where there is one to prove. */
export interface ProvableSearch {
  readonly index: VectorIndex;
  readonly components: Int16Array;
}

const searchOf = ({ index, components }: ProvableSearch, query: RecallQuery) => {
  const wanted = wantedOf(query, depthOf(query));
  const { proof } = index.prove(components, wanted);
  return { parameters: index.parameters, wanted, query: queryBytes(components), proof };
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
