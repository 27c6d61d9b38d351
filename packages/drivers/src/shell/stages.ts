/**
 * Folders in which the terminals of one driver stage what is written. They go with the driver; what
 * a former one left is removed by the next, and told from what runs by a lock.
 */
import fs from "node:fs";
import path from "node:path";
import { type Stage, openStage, removeStage } from "../exec/stage.ts";
import { Fd, tryLock } from "../fs/syscalls.ts";

/** Beside the effects of a kind in its vault; no counter has this name. */
const folderName = "stages";

const lockOf = (folder: string): Fd | undefined => {
  const fd = new Fd(fs.openSync(folder, "r"));
  if (tryLock(fd)) return fd;
  fd[Symbol.dispose]();
  return undefined;
};

export class Stages implements Disposable {
  readonly #folder: string;
  readonly #lock: Fd | undefined;

  /** `vault`: the folder of the driver's kind; `name`: of this driver alone. */
  constructor(vault: string, name: string) {
    const all = path.join(vault, folderName);
    fs.mkdirSync(all, { recursive: true, mode: 0o700 });
    for (const left of fs.readdirSync(all)) {
      const folder = path.join(all, left);
      using lock = lockOf(folder);
      if (lock !== undefined) removeStage(folder);
    }
    this.#folder = path.join(all, name);
    fs.mkdirSync(this.#folder, { mode: 0o700 });
    this.#lock = lockOf(this.#folder);
  }

  open(name: string, lowers: readonly string[]): Stage {
    return openStage(path.join(this.#folder, name), lowers);
  }

  [Symbol.dispose](): void {
    removeStage(this.#folder);
    this.#lock?.[Symbol.dispose]();
  }
}
