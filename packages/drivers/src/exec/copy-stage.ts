/**
 * Staging where no overlay can be mounted: a command runs on a bounded copy of the session's folders.
 * Afterwards the copy is turned into what an overlay would have left (unchanged files go, removed
 * ones become whiteouts), so that both are read and applied the same way.
 *
 * Invariants: whether a file changed is told by inode, size and times of its copy, and no program can
 * set the time of the last change; nothing masked is copied; a tree beyond the bounds is no stage, and
 * then the command does not run. Bounds: `copyStageEntriesMax`, `copyStageBytesMax`.
 */
import fs from "node:fs";
import path from "node:path";
import { ok, type Result } from "@ioi/base";
import { breathe } from "../fs/entries.ts";
import { type DriverRejection, reject, type Roots } from "../fs/roots.ts";
import { errnoOf, Fd, writeAttribute } from "../fs/syscalls.ts";
import { copyStageBytesMax, copyStageEntriesMax } from "../limits.ts";
import { openStage, type Stage } from "./stage.ts";

/** What a sandbox says where the kernel refuses an overlay. */
export const noOverlay: RegExp = /\b(?:fsopen overlay|fsconfig)\b/;

/** By relative path, parents first; empty for a folder. */
export type Manifest = ReadonlyMap<string, string>;

const keyOf = ({ ino, size, mtimeNs, ctimeNs }: fs.BigIntStats): string =>
  `${ino} ${size} ${mtimeNs} ${ctimeNs}`;

/** Undefined also where a folder above has become something else. */
const statOf = (file: string): fs.BigIntStats | undefined => {
  try {
    return fs.lstatSync(file, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
};

class Copier {
  readonly manifest = new Map<string, string>();
  readonly #roots: Roots;
  readonly #signal: AbortSignal;
  #entries = 0;
  #bytes = 0;

  constructor(roots: Roots, signal: AbortSignal) {
    this.#roots = roots;
    this.#signal = signal;
  }

  async folder(from: string, to: string, relative: string): Promise<Result<null, DriverRejection>> {
    for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
      const source = path.join(from, entry.name);
      if (this.#roots.isMasked(source)) continue;
      if (++this.#entries > copyStageEntriesMax) {
        return reject("E_FS_TOO_LARGE", `more than ${copyStageEntriesMax} entries to copy`);
      }
      if (this.#entries % 256 === 0) await breathe(this.#signal);
      const name = relative === "" ? entry.name : `${relative}/${entry.name}`;
      const copied = await this.#entry(entry, source, path.join(to, entry.name), name);
      if (!copied.ok) return copied;
    }
    return ok(null);
  }

  async #entry(
    entry: fs.Dirent,
    source: string,
    target: string,
    name: string,
  ): Promise<Result<null, DriverRejection>> {
    if (entry.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(source), target);
    else if (entry.isDirectory()) {
      const { mode } = fs.lstatSync(source);
      fs.mkdirSync(target, { mode: 0o700 });
      this.manifest.set(name, "");
      const inner = await this.folder(source, target, name);
      fs.chmodSync(target, mode & 0o7777);
      return inner;
    } else if (entry.isFile()) {
      const { size, mode, atime, mtime } = fs.lstatSync(source);
      this.#bytes += size;
      if (this.#bytes > copyStageBytesMax) {
        return reject("E_FS_TOO_LARGE", `more than ${copyStageBytesMax} bytes to copy`);
      }
      fs.copyFileSync(source, target, fs.constants.COPYFILE_FICLONE);
      fs.chmodSync(target, mode & 0o7777);
      fs.utimesSync(target, atime, mtime);
    } else return ok(null);
    const stat = statOf(target);
    if (stat !== undefined) this.manifest.set(name, keyOf(stat));
    return ok(null);
  }
}

/** As `openStage`, with a copy in the place of each layer. */
export const openCopyStage = async (
  folder: string,
  lowers: readonly string[],
  roots: Roots,
  signal: AbortSignal,
): Promise<Result<Stage, DriverRejection>> => {
  const stage = openStage(folder, lowers);
  const copies: Manifest[] = [];
  for (const { lower, upper } of stage.layers) {
    const copier = new Copier(roots, signal);
    const copied = await copier.folder(lower, upper, "");
    if (!copied.ok) return copied;
    copies.push(copier.manifest);
  }
  return ok({ ...stage, copies });
};

const whiteout = (file: string): void => {
  using made = new Fd(fs.openSync(file, "wx", 0o600));
  writeAttribute(made, "user.overlay.whiteout", new Uint8Array([121]));
};

/** Call it when no process of the command is left; once. */
export const settleCopies = ({ layers, copies = [] }: Stage): void => {
  for (const [at, { upper }] of layers.entries()) {
    for (const [name, key] of copies[at] ?? []) {
      const file = path.join(upper, name);
      const stat = statOf(file);
      if (stat === undefined) {
        // What stood in a folder that went, went with it.
        if (statOf(path.dirname(file))?.isDirectory() === true) whiteout(file);
      } else if (key !== "" && keyOf(stat) === key) fs.unlinkSync(file);
    }
  }
};
