/** Compaction of a file with its index, which is not made again but taken over. */
import { type Compaction, compactMemoryFile } from "../compact.ts";
import type { Embedder } from "../embed/embedder.ts";
import { noVectors, type Place } from "../header.ts";
import type { NewSlot, Unlock } from "../keys.ts";
import { openSubstrate, withVectors } from "./open.ts";
import type { OpenOptions } from "./types.ts";

/**
 * The same memories in a file of another embedder: the log goes on, vectors are made anew by `embed` of
 * the substrate. So vectors of two embedders never lie in one file.
 */
export const changeEmbedder = async (
  place: Place,
  slot: NewSlot,
  unlock: Unlock,
  embedder: Embedder | undefined,
): Promise<Compaction> => {
  const anew = embedder === undefined ? noVectors : withVectors(place, embedder);
  return await compactMemoryFile(place, unlock, slot, undefined, anew);
};

/** See `compactMemoryFile`. */
export const compactSubstrate = async (
  place: Place,
  slot: NewSlot,
  options: OpenOptions,
): Promise<Compaction> => {
  const unlock: Unlock = options.unlock ?? { type: "none" };
  const carried = await (async () => {
    await using substrate = await openSubstrate(place, "read", options);
    return await substrate.carried();
  })();
  const done = await compactMemoryFile(place, unlock, slot, carried);
  const unlockNew: Unlock = slot.type === "open" ? { type: "none" } : slot;
  await using substrate = await openSubstrate(place, "write", { ...options, unlock: unlockNew });
  await substrate.save();
  // The old one had no index that holds, and too many vectors to make one on opening.
  if (substrate.info.stale) await substrate.rebuild(options.progress);
  const after = await place.files.stat(place.path);
  return { ...done, bytesAfter: after?.size ?? done.bytesAfter };
};
