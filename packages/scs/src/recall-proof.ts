/**
 * What shows an answer of recall to somebody who has not the file: one canonical document,
 * `specs/scs/recall.md`. `@ioi/verifier` reads it (`verifyRecall`) and shares no code with this.
 */
import { OperationError } from "@ioi/base";
import { schema } from "@ioi/wire";
import { recallAnswersMax, recallProofBytesMax, recordPayloadBytesMax } from "./limits.ts";

const { array, bytes, int, oneOf, optional, record } = schema;

export const recallProof = record({
  schema: oneOf("ioi.recall-proof/1"),
  /** Id of the file. */
  store: bytes(16),
  /** Body of the commit, as it stands in the file, and its seal. */
  commit: bytes(undefined, 4096),
  seal: bytes(32),
  /** The search over the index of that commit; absent where none was asked. */
  search: optional(
    record({
      parameters: record({
        dimension: int(8, 2048),
        m: int(2, 16),
        efConstruction: int(2, 4096),
        salt: bytes(32),
      }),
      wanted: record({
        ef: int(1, 4096),
        rerank: int(1, 4096),
        final: int(1, 4096),
        k: int(1, 4096),
      }),
      /** Components of 16 bits, little-endian. */
      query: bytes(undefined, 4096),
      proof: bytes(undefined, recallProofBytesMax),
      /** That none is nearer; absent where nobody asked for it. */
      nearest: optional(
        record({
          challenge: optional(bytes(32)),
          certificate: bytes(undefined, recallProofBytesMax),
        }),
      ),
    }),
  ),
  /** In the order of the answer. */
  answers: array(
    record({
      /** The 48 bytes before a frame's sealed content, and the hash of that. */
      head: bytes(48),
      sealed: bytes(32),
      /** Its place in the log, and the hashes that lead from there to the root. */
      leaf: int(),
      path: array(bytes(32), 64),
      /** Salt and all. */
      content: bytes(undefined, recordPayloadBytesMax),
    }),
    recallAnswersMax,
  ),
});
export type RecallProof = schema.Infer<typeof recallProof>;
export type ProvedMemory = RecallProof["answers"][number];

export const queryBytes = (query: Int16Array): Uint8Array => {
  const raw = new Uint8Array(2 * query.length);
  const view = new DataView(raw.buffer);
  for (const [i, component] of query.entries()) view.setInt16(2 * i, component, true);
  return raw;
};

/** Refuses what is more than a proof holds: memories are as large as their owner made them. */
export const checkProofBytes = (bytes: number): void => {
  if (bytes <= recallProofBytesMax) return;
  const why = `a proof of these answers has more than ${recallProofBytesMax} bytes`;
  throw new OperationError("E_SCS_QUERY", why);
};

export const encodeRecallProof = (proof: RecallProof): Uint8Array => {
  const encoded = schema.encode(recallProof, proof);
  checkProofBytes(encoded.length);
  return encoded;
};
