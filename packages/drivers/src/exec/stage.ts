/**
 * The staging area of a command, and what it holds afterwards as changes to the real folders.
 *
 * Source: Linux Documentation/filesystems/overlayfs.rst (whiteouts, opaque directories,
 * `userxattr`). Renames of folders are off under `userxattr`, so a redirect is refused.
 * Invariants: a real file whose inode changed after the command began is a conflict, and then
 * nothing at all is applied.
 */
import fs from "node:fs";
import path from "node:path";
import { equalBytes, ok, type Result } from "@ioi/base";
import { look } from "../effects/folders.ts";
import { type Planned, plannedPut } from "../effects/plan.ts";
import { capture, type Captured, hashFile, timesOf } from "../fs/entries.ts";
import { type DriverRejection, reject, type Roots, type Spot } from "../fs/roots.ts";
import { readTree, type TreeItem } from "../fs/tree.ts";
import {
  Fd,
  openPath,
  readAttribute,
  readAttributes,
  readNames,
  reopen,
  statFd,
} from "../fs/syscalls.ts";
import { copyBytesMax, effectEntriesMax, xattrBytesMax } from "../limits.ts";
import type { Entry } from "../vault/record.ts";

export interface Layer {
  /** The real folder. */
  readonly lower: string;
  readonly upper: string;
  readonly work: string;
}

export interface Stage {
  readonly folder: string;
  readonly layers: readonly Layer[];
  /** Inodes that changed after this were changed by somebody else meanwhile. */
  readonly startNs: bigint;
  /** Of a stage of copies, one for each layer: what stood in it. */
  readonly copies?: readonly ReadonlyMap<string, string>[];
}

/** An upper folder shows its own mode as the root's, so it gets the real one's. */
export const openStage = (folder: string, lowers: readonly string[]): Stage => {
  // Without a folder to write there is no layer, and still a stage.
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const layers = lowers.map((lower, index): Layer => {
    const base = path.join(folder, String(index));
    const upper = path.join(base, "upper");
    const work = path.join(base, "work");
    fs.mkdirSync(upper, { recursive: true, mode: 0o700 });
    fs.mkdirSync(work, { mode: 0o700 });
    fs.chmodSync(upper, fs.statSync(lower).mode & 0o7777);
    return { lower, upper, work };
  });
  const probe = path.join(folder, "probe");
  fs.writeFileSync(probe, "", { flag: "wx", mode: 0o600 });
  return { folder, layers, startNs: fs.statSync(probe, { bigint: true }).ctimeNs };
};

export interface StagedChanges {
  readonly changes: readonly Planned[];
  /** FIFOs and sockets that the command left; they are not taken over. */
  readonly skipped: number;
}

type Step = Result<null, DriverRejection>;

const isWhiteout = (object: Fd, stat: fs.BigIntStats): boolean => {
  if (stat.isCharacterDevice()) return stat.rdev === 0n;
  if (!stat.isFile() || stat.size !== 0n) return false;
  using opened = reopen(object, "file");
  return readAttribute(opened, "user.overlay.whiteout", 16) !== undefined;
};

const overlayMark = (object: Fd, name: string): string | undefined => {
  using opened = reopen(object, "directory");
  return readAttribute(opened, name, 4096)?.toString("utf8");
};

class Reader {
  readonly changes: Planned[] = [];
  skipped = 0;
  readonly #roots: Roots;
  readonly #startNs: bigint;
  readonly #signal: AbortSignal;

  constructor(roots: Roots, startNs: bigint, signal: AbortSignal) {
    this.#roots = roots;
    this.#startNs = startNs;
    this.#signal = signal;
  }

  /** `covered`: nothing of the real folder shows through, whatever stands there. */
  async folder(upper: Fd, upperPath: string, real: string, covered: boolean): Promise<Step> {
    const names: string[] = [];
    for (const { name } of readNames(upper)) {
      if (name === undefined) return reject("E_FS_NAME", `a name in ${real} is not UTF-8`);
      if (names.length >= effectEntriesMax) return this.#tooMany();
      names.push(name);
    }
    if (covered) {
      const hidden = await this.#hidden(real, new Set(names));
      if (!hidden.ok) return hidden;
    }
    for (const name of names.sort()) {
      if (this.changes.length > effectEntriesMax) return this.#tooMany();
      this.#signal.throwIfAborted();
      using object = openPath(upper, name);
      const at = { upper, name, object, upperPath: path.join(upperPath, name) };
      const step = await this.#entry(at, `${real}/${name}`, covered);
      if (!step.ok) return step;
    }
    return ok(null);
  }

  #tooMany(): Step {
    return reject("E_FS_TOO_LARGE", `the command changed more than ${effectEntriesMax} entries`);
  }

  /** Real entries that an opaque folder hides are gone for the command. */
  async #hidden(real: string, kept: ReadonlySet<string>): Promise<Step> {
    using spot = look(this.#roots, real);
    if (spot?.object === undefined || spot.stat?.isDirectory() !== true) return ok(null);
    for (const { name } of readNames(spot.object)) {
      if (name === undefined) return reject("E_FS_NAME", `a name in ${real} is not UTF-8`);
      if (kept.has(name)) continue;
      const removed = await this.#remove(`${real}/${name}`);
      if (!removed.ok) return removed;
    }
    return ok(null);
  }

  async #entry(at: UpperEntry, real: string, covered: boolean): Promise<Step> {
    const stat = statFd(at.object);
    if (isWhiteout(at.object, stat)) return this.#remove(real);
    if (stat.isDirectory()) return this.#directory(at, stat, real, covered);
    if (stat.isSymbolicLink()) return this.#symlink(at, real);
    if (stat.isFile()) return this.#file(at, stat, real);
    this.skipped += 1;
    return ok(null);
  }

  async #directory(
    at: UpperEntry,
    stat: fs.BigIntStats,
    real: string,
    covered: boolean,
  ): Promise<Step> {
    if (overlayMark(at.object, "user.overlay.redirect") !== undefined) {
      return reject("E_EXEC_NOT_STAGED", `${real} was renamed in a way that cannot be followed`);
    }
    const opaque = covered || overlayMark(at.object, "user.overlay.opaque") === "y";
    using spot = look(this.#roots, real);
    const mode = Number(stat.mode & 0o7777n);
    if (spot?.object !== undefined && spot.stat?.isDirectory() === true) {
      const before = await this.#before(spot);
      if (!before.ok) return before;
      if (before.value.entry.mode !== mode) {
        const after: Entry = { ...before.value.entry, mode };
        this.changes.push(plannedPut(real, before.value, after));
      }
    } else {
      const removed = await this.#remove(real);
      if (!removed.ok) return removed;
      const after: Entry = { kind: "directory", mode, times: timesOf(stat) };
      this.changes.push(plannedPut(real, undefined, after));
    }
    return this.folder(at.object, at.upperPath, real, opaque);
  }

  async #symlink(at: UpperEntry, real: string): Promise<Step> {
    const staged = await capture(at.upper, at.name, at.object, false, this.#signal);
    if (!staged.ok) return staged;
    const { target } = staged.value.entry;
    using spot = look(this.#roots, real);
    if (spot?.object !== undefined && spot.stat?.isSymbolicLink() === true) {
      const before = await this.#before(spot);
      if (!before.ok) return before;
      if (before.value.entry.target === target) return ok(null);
    }
    const removed = await this.#remove(real);
    if (!removed.ok) return removed;
    const { times } = staged.value.entry;
    const after: Entry = {
      kind: "symlink",
      mode: 0o777,
      ...(target === undefined ? {} : { target }),
      ...(times === undefined ? {} : { times }),
    };
    this.changes.push(plannedPut(real, undefined, after));
    return ok(null);
  }

  async #file(at: UpperEntry, stat: fs.BigIntStats, real: string): Promise<Step> {
    const sha256 = await hashFile(at.object, this.#signal);
    if (!sha256.ok) return sha256;
    const attributes = stagedAttributes(at.object);
    const after: Entry = {
      kind: "file",
      mode: Number(stat.mode & 0o1777n),
      size: Number(stat.size),
      sha256: sha256.value,
      times: timesOf(stat),
      ...(attributes.length === 0 ? {} : { attributes }),
    };
    const source = { type: "own", file: at.upperPath } as const;
    using spot = look(this.#roots, real);
    if (spot?.object === undefined || spot.stat?.isFile() !== true) {
      const removed = await this.#remove(real);
      if (!removed.ok) return removed;
      this.changes.push(plannedPut(real, undefined, after, source));
      return ok(null);
    }
    const before = await this.#before(spot);
    if (!before.ok) return before;
    return this.#changedFile(before.value, after, real, spot, source);
  }

  #changedFile(
    before: Captured,
    staged: Entry,
    real: string,
    spot: Spot,
    source: { readonly type: "own"; readonly file: string },
  ): Step {
    const { entry } = before;
    const same =
      entry.sha256 !== undefined &&
      staged.sha256 !== undefined &&
      equalBytes(entry.sha256, staged.sha256);
    // The same bytes may keep a mode that runs as somebody else; new bytes never get it.
    const kept = same ? entry.mode & 0o6000 : 0;
    const after: Entry = {
      ...staged,
      mode: staged.mode | kept,
      ...(entry.uid === undefined ? {} : { uid: entry.uid }),
      ...(entry.gid === undefined ? {} : { gid: entry.gid }),
    };
    if (!same && (spot.stat?.nlink ?? 0n) > 1n) {
      return reject("E_FS_HARD_LINK", `${real} is one of several names of its file`);
    }
    const untouched =
      same &&
      entry.mode === after.mode &&
      entry.times?.mtime.s === after.times?.mtime.s &&
      entry.times?.mtime.n === after.times?.mtime.n;
    if (untouched) return ok(null);
    this.changes.push(plannedPut(real, before, after, same ? undefined : source));
    return ok(null);
  }

  /** What really stands there, unless somebody changed it meanwhile. */
  async #before(spot: Spot): Promise<Result<Captured, DriverRejection>> {
    if (spot.object === undefined) return reject("E_FS_CHANGED", `${spot.place.path} is gone`);
    const captured = await capture(spot.parent, spot.name, spot.object, true, this.#signal);
    if (!captured.ok) return captured;
    return this.#conflict(spot.place.path, captured.value) ?? captured;
  }

  /** A folder's inode changes with every name in it; only files and links tell of a conflict. */
  #conflict(real: string, { entry, identity }: Captured) {
    return entry.kind !== "directory" && identity.ctimeNs > this.#startNs
      ? reject("E_FS_CHANGED", `${real} was changed by somebody else while the command ran`)
      : undefined;
  }

  async #remove(real: string): Promise<Step> {
    using spot = look(this.#roots, real);
    if (spot?.object === undefined) return ok(null);
    const items = await readTree(
      this.#roots,
      { ...spot, object: spot.object },
      { content: true, bytesMax: copyBytesMax, signal: this.#signal },
    );
    if (!items.ok) return items;
    for (const item of items.value.toReversed()) {
      const conflict = this.#conflict(item.path, item);
      if (conflict !== undefined) return conflict;
      this.changes.push(removal(item));
    }
    return ok(null);
  }
}

interface UpperEntry {
  readonly upper: Fd;
  readonly name: string;
  readonly object: Fd;
  readonly upperPath: string;
}

const removal = (item: TreeItem): Planned => plannedPut(item.path, item, undefined);

const stagedAttributes = (object: Fd) => {
  using opened = reopen(object, "file");
  return readAttributes(opened, xattrBytesMax);
};

/** Reads every layer; call it when no process of the command is left. */
export const readStage = async (
  roots: Roots,
  stage: Stage,
  signal: AbortSignal,
): Promise<Result<StagedChanges, DriverRejection>> => {
  const reader = new Reader(roots, stage.startNs, signal);
  for (const { lower, upper } of stage.layers) {
    using top = new Fd(fs.openSync(upper, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY));
    const step = await reader.folder(top, upper, lower, false);
    if (!step.ok) return step;
  }
  return ok({ changes: reader.changes, skipped: reader.skipped });
};
