/**
 * Folders in which the terminals of one driver stage what is written. They go with the driver; what
 * a former one left is removed by the next, and told from what runs by a lock.
 */
import fs from "node:fs";
import path from "node:path";
import type { Result } from "@ioi/base";
import { openCopyStage } from "../exec/copy-stage.ts";
import { openStage, type Stage } from "../exec/stage.ts";
import type { DriverRejection, Roots } from "../fs/roots.ts";
import type { Fd } from "../fs/syscalls.ts";
import { lockOf, removeLeft, removeStage, stagesFolder } from "../vault/leftovers.ts";

export class Stages implements Disposable {
  readonly #folder: string;
  readonly #lock: Fd | undefined;

  /** `vault`: the folder of the driver's kind; `name`: of this driver alone. */
  constructor(vault: string, name: string) {
    const all = path.join(vault, stagesFolder);
    fs.mkdirSync(all, { recursive: true, mode: 0o700 });
    removeLeft(all);
    this.#folder = path.join(all, name);
    fs.mkdirSync(this.#folder, { mode: 0o700 });
    this.#lock = lockOf(this.#folder);
  }

  open(name: string, lowers: readonly string[]): Stage {
    return openStage(path.join(this.#folder, name), lowers);
  }

  /** A copy of the folders instead, where no overlay can be mounted. */
  async openCopy(
    name: string,
    lowers: readonly string[],
    roots: Roots,
    signal: AbortSignal,
  ): Promise<Result<Stage, DriverRejection>> {
    const folder = path.join(this.#folder, name);
    const stage = await openCopyStage(folder, lowers, roots, signal);
    if (!stage.ok) removeStage(folder);
    return stage;
  }

  [Symbol.dispose](): void {
    removeStage(this.#folder);
    this.#lock?.[Symbol.dispose]();
  }
}
