/** A memory file with every kind of record, proofs of what it answers, and what it opens as. */
import { OperationError } from "@ioi/base";
import { createSubstrate, openSubstrate, type Place } from "@ioi/scs";
import { SimFiles } from "@ioi/sim";
import type { RecallTrust } from "@ioi/verifier";
import { verifyRecall } from "@ioi/verifier";
import { memoryOf, path } from "../scs-crash/memories.ts";
import { madeWith, openedWith } from "../scs-crash/substrate.ts";
import { placeOn } from "../scs-crash/world.ts";

export interface Proof {
  readonly bytes: Uint8Array;
  /** All that whoever asked knows. */
  readonly trust: RecallTrust;
}

export interface World {
  readonly file: Uint8Array;
  /** The file before its last commits. */
  readonly earlier: Uint8Array;
  /** Root of its log, which its owner knows, and what each memory says (undefined: forgotten). */
  readonly logRoot: Uint8Array;
  readonly texts: readonly (string | undefined)[];
  /** Several questions to the same commit, one to an earlier one. */
  readonly proofs: readonly Proof[];
}

const proofOf = async (place: Place, text: string, how?: "exact"): Promise<Proof> => {
  await using opened = await openSubstrate(place, "read", openedWith);
  const query = { text, k: 4 };
  const nearest = how && { how };
  const { proof, answers } = await opened.prove(query, { nearest });
  const { lastCommit: commit, storeId: store } = opened.info;
  if (commit === undefined) throw new Error("a file without a commit");
  const memories = answers.map(({ id }) => id);
  const verdict = verifyRecall(proof, { commit });
  if (!verdict.ok) throw new Error(`the proof does not verify: ${verdict.reason}`);
  const { search } = verdict;
  const asked = search === undefined ? {} : { query: search.query, wanted: search.wanted };
  const due = how && { nearest: how };
  return { bytes: proof, trust: { commit, store, memories, ...asked, ...due } };
};

export const makeWorld = async (seed: string): Promise<World> => {
  const place = placeOn(new SimFiles({ seed }), seed);
  await createSubstrate(place, madeWith);
  {
    await using opened = await openSubstrate(place, "write", openedWith);
    for (let n = 0; n < 16; n += 4) await opened.remember([0, 1, 2, 3].map((i) => memoryOf(n + i)));
  }
  const earlierProof = await proofOf(place, "memory 3");
  const earlier = await place.files.readFile(path, 1 << 30);
  {
    await using opened = await openSubstrate(place, "write", openedWith);
    await opened.tomb([2]);
    await opened.supersede(5, 6);
    await opened.forget([9]);
    await opened.rebuild();
    await opened.remember([16, 17].map((n) => memoryOf(n)));
  }
  const proofs = [
    await proofOf(place, "memory 7"),
    await proofOf(place, "memory 11", "exact"),
    earlierProof,
  ];
  await using opened = await openSubstrate(place, "read", openedWith);
  const texts: (string | undefined)[] = [];
  for (const { id, state } of opened.file.states()) {
    texts.push(state === "forgotten" ? undefined : (await opened.file.read(id)).text);
  }
  const { logRoot } = opened.info;
  return { file: await place.files.readFile(path, 1 << 30), earlier, logRoot, texts, proofs };
};

export interface OpenedAs {
  readonly logRoot: Uint8Array;
  readonly damage: string | undefined;
  /** By number; a code where it says that it cannot be read. */
  readonly texts: readonly (string | undefined)[];
  readonly refused: readonly string[];
  /** Whether what was opened for reading is as it was. */
  readonly isUntouched: boolean;
}

/** What bytes open as, to read; a code where they are refused. Whatever else is thrown is a fault. */
export const openAs = async (
  bytes: Uint8Array,
  extent: "all" | undefined,
): Promise<OpenedAs | string> => {
  const place = placeOn(new SimFiles({ seed: "tampered" }), "tampered");
  await place.files.replaceFile(path, bytes);
  try {
    const given = { ...openedWith, ...(extent === undefined ? {} : { extent }) };
    await using opened = await openSubstrate(place, "read", given);
    const texts: (string | undefined)[] = [];
    const refused: string[] = [];
    for (const { id, state } of opened.file.states()) {
      try {
        texts.push(state === "forgotten" ? undefined : (await opened.file.read(id)).text);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        texts.push(error.code);
        refused.push(error.code);
      }
    }
    const { logRoot, damage } = opened.info;
    const after = await place.files.readFile(path, 1 << 30);
    const isUntouched = Buffer.compare(after, bytes) === 0;
    return { logRoot, damage, texts, refused, isUntouched };
  } catch (error) {
    if (error instanceof OperationError) return error.code;
    throw error;
  }
};
