/**
 * Staging areas, and those that terminals of a driver left behind that ended before it could clean up:
 * the next driver of the session removes them, or the launcher's care of the vault. What is still
 * worked in is told by a lock.
 */
import fs from "node:fs";
import path from "node:path";
import { errnoOf, Fd, tryLock } from "../fs/syscalls.ts";

/** Beside the effects of a kind in its vault; no counter has this name. */
export const stagesFolder = "stages";

const openFolders = (folder: string): void => {
  for (const child of fs.readdirSync(folder, { withFileTypes: true })) {
    if (!child.isDirectory()) continue;
    const full = path.join(folder, child.name);
    fs.chmodSync(full, 0o700);
    openFolders(full);
  }
};

/** The kernel, or the command, may leave folders in it that only their mode keeps closed. */
export const removeStage = (folder: string): void => {
  try {
    openFolders(folder);
    fs.rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    // Gone already, or being removed by another instance; else it goes when the vault is pruned.
    if (errnoOf(error) === undefined) throw error;
  }
};

/** Undefined where somebody else has it. */
export const lockOf = (folder: string): Fd | undefined => {
  const fd = new Fd(fs.openSync(folder, "r"));
  if (tryLock(fd)) return fd;
  fd[Symbol.dispose]();
  return undefined;
};

/** Removes what nobody works in any more; how much there was. */
export const removeLeft = (all: string): number => {
  let removed = 0;
  for (const left of fs.readdirSync(all)) {
    const folder = path.join(all, left);
    using lock = lockOf(folder);
    if (lock === undefined) continue;
    removeStage(folder);
    removed++;
  }
  return removed;
};

/** Of all sessions below `vaults`. */
export const pruneStages = (vaults: string): number =>
  fs
    .readdirSync(vaults, { withFileTypes: true })
    .filter((each) => each.isDirectory())
    .map(({ name }) => path.join(vaults, name, "shell", stagesFolder))
    .filter((folder) => fs.existsSync(folder))
    .reduce((removed, folder) => removed + removeLeft(folder), 0);
