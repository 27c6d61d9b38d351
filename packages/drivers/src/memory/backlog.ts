/**
 * Memories that were kept while their model did not answer: they wait for their vectors, and get them from
 * whatever is remembered once it answers again, the oldest first and before anything new, so that the
 * index stays in the order of the log. Bound: `memoryBacklogMs` of an action.
 */
import { OperationError } from "@ioi/base";
import { memoryBacklogMs, memoryEmbedTextsMax } from "../limits.ts";
import type { MemoryUse, OpenMemory } from "./file.ts";
import type { Chosen } from "./vectors.ts";

/** How many are still without a vector, and why, where the model ended answering meanwhile. */
export interface Waiting {
  readonly left: number;
  readonly why?: string;
}

export const workOff = async (
  { substrate, embedder }: OpenMemory,
  use: MemoryUse,
  signal: AbortSignal,
): Promise<Waiting> => {
  let left = await substrate.unembedded();
  if (use !== "create" || embedder === undefined) return { left };
  const until = performance.now() + memoryBacklogMs;
  try {
    while (left > 0 && performance.now() < until) {
      const done = await substrate.embed(memoryEmbedTextsMax, { signal });
      ({ left } = done);
      if (done.embedded === 0) break;
    }
    return { left };
  } catch (error) {
    const isLost = error instanceof OperationError && error.code === "E_MEMORY_EMBEDDER";
    if (!isLost) throw error;
    return { left, why: error.message };
  }
};

const whyNot = (chosen: Chosen, embedder: OpenMemory["embedder"]): string | undefined => {
  if (chosen.type === "unreachable") return chosen.why;
  if (chosen.type === "none" || embedder === chosen.embedder) return undefined;
  const { name } = chosen.embedder.identity;
  return `those of ${name} are made once something is remembered`;
};

/** What memories are found by now, for the receipt and whoever reads the answer. */
export const foundBy = async (
  { substrate, embedder }: OpenMemory,
  chosen: Chosen,
  lost: string | undefined,
): Promise<Readonly<Record<string, string>>> => {
  const { identity } = embedder ?? { identity: substrate.info.parameters.embedder };
  const { vectorsLost } = substrate;
  if (chosen.type === "none" && identity.kind === "hashed" && vectorsLost === undefined) return {};
  const why = lost ?? vectorsLost ?? whyNot(chosen, embedder);
  const without = await substrate.unembedded();
  const isEmbedded = embedder !== undefined && embedder.identity.kind !== "hashed";
  const isByVectors = isEmbedded && vectorsLost === undefined;
  return {
    found_by: isByVectors ? `words and vectors of ${identity.name}`.slice(0, 256) : "words",
    ...(why === undefined ? {} : { no_vectors: why.slice(0, 256) }),
    ...(without === 0 ? {} : { without_vectors: String(without) }),
  };
};
