/**
 * Compaction: a new file with what can still be read, in the place of the old one. Numbers of memories
 * stay; keys are new; what was forgotten leaves nothing but its number. Vectors come along; words are made
 * again. The first record names the file and the log that it was made from. Section 9 of `specs/scs/format.md`.
 *
 * After a crash there is the old file or the new one, and beside it at most an unfinished copy, which
 * the next compaction replaces.
 */
import { equalBytes, OperationError, parentPath } from "@ioi/base";
import type { MemoryState } from "./file-types.ts";
import type { MemoryFile } from "./file.ts";
import { createMemoryFile, lockPath, type Place } from "./header.ts";
import type { NewSlot, Unlock } from "./keys.ts";
import type { Compacted, Parameters } from "./messages.ts";
import { openMemoryFile } from "./open.ts";

/** Bytes of contents in one commit of the new file. */
const batchBytes = 4 * 1024 * 1024;
/** Memories in one commit of the new file; each is two or three records. */
const batchMemories = 8192;

export interface Compaction {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly memories: number;
  readonly dropped: number;
}

const accountOf = (file: MemoryFile, atMs: number): Compacted | undefined => {
  const { storeId, logSize, logRoot, lastCommit } = file.info;
  return lastCommit === undefined
    ? undefined
    : { store: storeId, commit: lastCommit, logSize, logRoot, atMs };
};

/** Vectors as they are: of what was forgotten there are none. */
const copyVectors = async (from: MemoryFile, to: MemoryFile, path: string): Promise<void> => {
  for (const segment of from.segments()) {
    const { kind, number, first, count } = segment;
    if (kind !== "vector") continue;
    const bytes = await from.readSegment(segment);
    if (bytes === undefined) {
      throw new OperationError("E_SCS_DAMAGED", `${path}: segment ${number} does not open`, {
        next: "Have it made again from the memories, then compact: ./ioi scs doctor FILE --mend",
      });
    }
    await to.writeSegments({ segments: [{ kind, first, count, bytes }] });
  }
};

const copy = async (
  from: MemoryFile,
  to: MemoryFile,
  { path, now }: Place,
  vectors: "with vectors" | "without vectors",
): Promise<number> => {
  const atMs = now();
  const states = from.states();
  let account = accountOf(from, atMs);
  let batch: ({ class: number; bytes: Uint8Array } | undefined)[] = [];
  let bytes = 0;
  let dropped = 0;
  const store = async (): Promise<void> => {
    await to.addContents(batch, () => ({}), account);
    account = undefined;
    batch = [];
    bytes = 0;
  };
  for (const { id, state, class: kept } of states) {
    // A damaged memory is not dropped silently: reading it is an error, and the old file stays.
    const content = state === "forgotten" ? undefined : await from.readContent(id);
    batch.push(content && { class: kept, bytes: content });
    bytes += content?.length ?? 0;
    if (content === undefined) dropped++;
    if (bytes >= batchBytes || batch.length >= batchMemories) await store();
  }
  if (batch.length > 0 || account !== undefined) await store();
  const superseded = new Set(from.superseded().map(({ id }) => id));
  // What was replaced by something that is forgotten now must not come back for it.
  const isLeftOut = ({ id, state }: MemoryState): boolean =>
    state === "tombed" || (state === "superseded" && !superseded.has(id));
  await to.tomb(states.filter(isLeftOut).map(({ id }) => id));
  for (const { id, by } of from.superseded()) await to.supersede(id, by);
  if (vectors === "with vectors") await copyVectors(from, to, path);
  return dropped;
};

/** The snapshot of an index, without its leaves, and the commit that it is the index of. */
export interface CarriedIndex {
  readonly commit: Uint8Array;
  readonly bytes: Uint8Array;
}

const removeIfThere = ({ files }: Place, path: string): Promise<void> =>
  files.remove(path).catch((error: unknown) => {
    if (!(error instanceof OperationError) || error.code !== "E_FILES_NOT_FOUND") throw error;
  });

/**
 * Compacts a file in its place. `slot`: how the new file is to be opened; it may be another way.
 * `index`: taken over if the file is still at its commit. `anew`: of another embedder, so vectors are not
 * taken over.
 */
export const compactMemoryFile = async (
  place: Place,
  unlock: Unlock,
  slot: NewSlot,
  index?: CarriedIndex,
  anew?: Pick<Parameters, "index" | "embedder">,
): Promise<Compaction> => {
  const { files, path } = place;
  await using from = await openMemoryFile(place, "write", unlock);
  const beside: Place = { ...place, path: `${path}.compacting` };
  await removeIfThere(place, beside.path);
  const { index: indexed, embedder } = anew ?? from.info.parameters;
  await createMemoryFile(beside, { index: indexed, embedder }, slot);
  const unlockNew: Unlock = slot.type === "open" ? { type: "none" } : slot;
  let dropped: number;
  {
    await using to = await openMemoryFile(beside, "write", unlockNew);
    dropped = await copy(from, to, place, anew === undefined ? "with vectors" : "without vectors");
    const { lastCommit, memories: count } = from.info;
    if (index !== undefined && lastCommit && equalBytes(index.commit, lastCommit)) {
      const { bytes } = index;
      await to.writeSegments({ segments: [{ kind: "index", first: 0, count, bytes }] });
    }
  }
  const bytesBefore = from.info.bytes;
  await files.rename(beside.path, path);
  // Nobody waits for it: whoever compacts holds the lock of the file itself.
  await removeIfThere(place, lockPath(beside.path));
  await files.syncDirectory(parentPath(path));
  const after = await files.stat(path);
  const { memories } = from.info;
  return { bytesBefore, bytesAfter: after?.size ?? 0, memories, dropped };
};
