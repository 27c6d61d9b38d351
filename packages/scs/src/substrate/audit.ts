/** The index made again from the log: whether whoever built it left anything out. */
import type { MemoryFile } from "../file.ts";
import type { Audit, Progress } from "./types.ts";
import type { VectorStore } from "./vector-store.ts";

/** `words`: whether those are the same as made again from the memories. */
export const audit = async (
  file: MemoryFile,
  vectors: VectorStore | undefined,
  words: boolean,
  progress: Progress | undefined,
): Promise<Audit> => {
  const committed = file.lastCommit?.body.indexRoot ?? new Uint8Array();
  if (vectors === undefined) return { ok: words, committed, rebuilt: committed, nodes: 0, words };
  const nodes = await vectors.nodes();
  const rebuilt = await vectors.build(nodes, progress);
  // Of a file without a memory there is no commit to compare with.
  const isIndexed = file.lastCommit === undefined || rebuilt.isOf(committed);
  return {
    ok: words && isIndexed,
    committed,
    rebuilt: rebuilt.root(),
    nodes: nodes.length,
    words,
  };
};
