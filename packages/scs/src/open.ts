/**
 * Opening a file: its superblock, its lock, its key, the walk, and, to write, its recovery.
 * See `file.ts` for what opening promises.
 */
import { type FileHandle, OperationError, parentPath } from "@ioi/base";
import { MemoryFile } from "./file.ts";
import { operation, type Place, readHeader } from "./header.ts";
import { Fold } from "./kept.ts";
import { FileKeys, openSlots, type Unlock } from "./keys.ts";
import { recordsFrom } from "./layout.ts";
import { type Walked, walkFile } from "./walk.ts";

const lockPath = (path: string): string => `${path}.lock`;

export type OpenMode = "read" | "write";

/** Opens a file. `unlock`: what to open its slots with; an open slot needs nothing. */
export const openMemoryFile = async (
  place: Place,
  mode: OpenMode,
  unlock: Unlock = { type: "none" },
): Promise<MemoryFile> => {
  const { files, path } = place;
  if ((await files.stat(path)) === undefined) {
    throw new OperationError("E_FILES_NOT_FOUND", `${path} is not there`);
  }
  const lock = mode === "write" ? await takeLock(place) : undefined;
  try {
    // The process that made the file may have ended before its name was durable.
    if (mode === "write") await files.syncDirectory(parentPath(path));
    const handle = await files.open(path, mode);
    try {
      return await open(place, handle, lock, unlock);
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    await lock?.[Symbol.asyncDispose]();
    throw error;
  }
};

const takeLock = async ({ files, path }: Place): Promise<AsyncDisposable> => {
  try {
    return await files.lock(lockPath(path));
  } catch (error) {
    if (!(error instanceof OperationError) || error.code !== "E_FILES_LOCKED") throw error;
    throw operation("E_SCS_LOCKED", path, error.message);
  }
};

const open = async (
  place: Place,
  handle: FileHandle,
  lock: AsyncDisposable | undefined,
  unlock: Unlock,
): Promise<MemoryFile> => {
  const { path, provider } = place;
  const size = await handle.size();
  const header = await readHeader(handle, place);
  const master = openSlots(provider, header.storeId, header.parameters.slots, unlock);
  if (master === undefined) throw operation("E_SCS_KEY", path, "no slot of it opens");
  const keys = new FileKeys(provider, master, header);
  const fold = new Fold();
  const lastShreds: number[] = [];
  let lastCommit = -1;
  const walked = await walkFile(handle, {
    hashing: provider,
    size,
    superblock: header.hash,
    checkSeal: (body, seal) => keys.checkCommit(body, seal),
    visit: (entry, { number }) => {
      fold.take(entry);
      if (number !== lastCommit) lastShreds.length = 0;
      lastCommit = number;
      if (entry.type === "shred") lastShreds.push(entry.frame);
    },
  });
  if (walked.last?.body.number !== lastCommit) lastShreds.length = 0;
  const damage = damageOf(size, walked);
  const file = new MemoryFile({ place, handle, lock, header, keys, fold, walked, size, damage });
  if (lock !== undefined) await file.recover(lastShreds);
  return file;
};

const damageOf = (size: number, { evidence, stopped }: Walked): string | undefined => {
  if (size < recordsFrom) return "the file ends before its first record";
  return evidence === undefined
    ? undefined
    : `byte ${stopped?.offset ?? size}: ${stopped?.reason ?? "the file ends"}; ${evidence}`;
};
