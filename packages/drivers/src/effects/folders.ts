/**
 * Times and modes of folders around an effect. A folder's times move whenever a name in it changes,
 * so they are noted before, set last, and put back by undo where nobody else moved them since.
 */
import fs from "node:fs";
import { timesOf } from "../fs/entries.ts";
import { openSpot, type Roots, type Spot } from "../fs/roots.ts";
import { errnoOf, reopen, setTimes, statFd, syncFileSystem, SystemError } from "../fs/syscalls.ts";
import {
  type Change,
  type Entry,
  type FolderTimes,
  nanoseconds,
  sameTime,
  type Times,
} from "../vault/record.ts";

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

export const pathsOf = (change: Change): readonly string[] =>
  change.type === "put" ? [change.path] : [change.from, change.to];

/**
 * Opens a place for looking; undefined where nothing can be reached under it any more. A folder
 * that keeps us out is a failure: what stands behind it is not known.
 */
export const look = (roots: Roots, path: string): Spot | undefined => {
  const place = roots.locate(path, "read");
  if (!place.ok) return undefined;
  const opened = openSpot(roots, place.value);
  if (opened.ok) return opened.value;
  if (opened.error.code === "E_FS_DENIED") throw new SystemError(`open ${path}`, "EACCES");
  return undefined;
};

const folderTimes = (roots: Roots, path: string): Times | undefined => {
  using spot = look(roots, path);
  return spot?.stat?.isDirectory() === true ? timesOf(spot.stat) : undefined;
};

/** Folders that stand before and after the changes, and whose times these move. */
export const foldersOf = (roots: Roots, changes: readonly Change[]): readonly FolderTimes[] => {
  const madeOrGone = new Set<string>();
  const paths = new Set<string>();
  for (const change of changes) {
    for (const path of pathsOf(change)) paths.add(parentOf(path));
    if (change.type === "rename") {
      if (change.entry.kind === "directory") paths.add(change.from);
    } else if (change.before === undefined || change.after === undefined) {
      madeOrGone.add(change.path);
    } else if (change.before.kind === "directory") paths.add(change.path);
  }
  const folders: FolderTimes[] = [];
  for (const path of [...paths].sort()) {
    if (madeOrGone.has(path)) continue;
    const before = folderTimes(roots, path);
    if (before !== undefined) folders.push({ path, before });
  }
  return folders;
};

/** Folders that were to be removed and were not; names in them may have gone all the same. */
export const standingFolders = (changes: readonly Change[]): readonly FolderTimes[] =>
  changes.flatMap((change) => {
    if (change.type !== "put" || change.made || change.after !== undefined) return [];
    const { path, before } = change;
    return before?.kind === "directory" && before.times !== undefined
      ? [{ path, before: before.times }]
      : [];
  });

/** A moved folder is found under its new name after the effect. */
const movedPath = (path: string, changes: readonly Change[]): string => {
  const move = changes.find((each) => each.type === "rename" && each.from === path);
  return move?.type === "rename" ? move.to : path;
};

export const measuredFolders = (
  roots: Roots,
  folders: readonly FolderTimes[],
  changes: readonly Change[],
): readonly FolderTimes[] =>
  folders.map((folder) => {
    const path = movedPath(folder.path, changes);
    const after = folderTimes(roots, path);
    return { path, before: folder.before, ...(after === undefined ? {} : { after }) };
  });

export const setFolderTimes = (roots: Roots, path: string, times: Times): void => {
  using spot = look(roots, path);
  if (spot?.object === undefined || spot.stat?.isDirectory() !== true) return;
  try {
    setTimes(spot.object, ".", nanoseconds(times.atime), nanoseconds(times.mtime));
  } catch (error) {
    // Times of a folder that belongs to another user cannot be set; its content is right.
    if (errnoOf(error) === undefined) throw error;
  }
};

const finish = (roots: Roots, path: string, entry: Entry | undefined): void => {
  if (entry?.kind !== "directory") return;
  using spot = look(roots, path);
  if (spot?.object === undefined) return;
  if ((Number(statFd(spot.object).mode) & 0o7777) !== entry.mode) {
    fs.chmodSync(spot.object.at(), entry.mode);
  }
  if (entry.times !== undefined) setFolderTimes(roots, path, entry.times);
};

/** Final mode and times of new folders, when nothing changes in them any more; deepest first. */
export const finishFolders = (roots: Roots, changes: readonly Change[]): void => {
  for (const change of changes.toReversed()) {
    if (change.type === "put") finish(roots, change.path, change.after);
  }
};

const goes = (change: Change): Entry | undefined =>
  change.type === "put" && change.after === undefined && change.before?.kind === "directory"
    ? change.before
    : undefined;

/** Folders that go must let their content go first, whatever their mode. */
export const openFolders = (roots: Roots, changes: readonly Change[]): void => {
  for (const change of changes) {
    const entry = goes(change);
    if (entry === undefined || change.type !== "put" || (entry.mode & 0o300) === 0o300) continue;
    using spot = look(roots, change.path);
    if (spot?.object === undefined || spot.stat?.isDirectory() !== true) continue;
    try {
      fs.chmodSync(spot.object.at(), entry.mode | 0o700);
    } catch (error) {
      // Not ours to open: the removal below it will say so.
      if (errnoOf(error) === undefined) throw error;
    }
  }
};

/** Folders that were to go and stand after all get their mode and times back. */
export const closeFolders = (roots: Roots, changes: readonly Change[]): void => {
  for (const change of changes.toReversed()) {
    if (change.type === "put") finish(roots, change.path, goes(change));
  }
};

/** Folders whose times the present still has as an effect left them, with the times from before. */
export const untouchedFolders = (
  roots: Roots,
  folders: readonly FolderTimes[],
): readonly FolderTimes[] =>
  folders.filter((folder) => {
    const now = folderTimes(roots, folder.path);
    return (
      now !== undefined && folder.after !== undefined && sameTime(now.mtime, folder.after.mtime)
    );
  });

/** Names are durable after this. */
export const syncParents = (roots: Roots, changes: readonly Change[]): void => {
  const parents = new Set(changes.flatMap((change) => pathsOf(change).map(parentOf)));
  for (const path of parents) {
    using spot = look(roots, path);
    if (spot?.object === undefined || spot.stat?.isDirectory() !== true) continue;
    using opened = reopen(spot.object, "directory");
    if (parents.size > 8) {
      syncFileSystem(opened);
      return;
    }
    fs.fsyncSync(opened.number);
  }
};
