/**
 * Makes one change of an effect, atomically: what a path names is the old state or the new one at
 * every moment, and a state that somebody else made in between is put back and refused.
 *
 * New content is written beside the path, synced and exchanged in one step (renameat2 with
 * RENAME_EXCHANGE); what came out of the exchange is compared with what was planned before it is
 * removed. Removal renames first and compares then. Nothing is ever overwritten blindly.
 */
import fs from "node:fs";
import { equalBytes, InvariantError, ok, type Result } from "@ioi/base";
import {
  capture,
  copyBytes,
  difference,
  hashOpened,
  type Identity,
  identityOf,
  sameIdentity,
  writeAll,
} from "../fs/entries.ts";
import { type DriverRejection, openSpot, reject, type Roots, type Spot } from "../fs/roots.ts";
import {
  createFile,
  errnoOf,
  Fd,
  makeDirectory,
  makeSymlink,
  openPath,
  openPathIfAny,
  readAttributes,
  removeAttribute,
  removeName,
  rename,
  reopen,
  setTimes,
  statFd,
  writeAttribute,
} from "../fs/syscalls.ts";
import { xattrBytesMax } from "../limits.ts";
import { type Entry, nanoseconds, type Times } from "../vault/record.ts";
import type { Vault } from "../vault/vault.ts";
import {
  isRename,
  type Planned,
  type PlannedPut,
  type PlannedRename,
  type Source,
} from "./plan.ts";

export interface ApplyContext {
  readonly roots: Roots;
  readonly vault: Vault;
  readonly signal: AbortSignal;
  /** Called at the points where a crash would leave the most interesting state. */
  readonly fault?: (point: string) => void;
}

type Done = Result<null, DriverRejection>;

const changed = (path: string): Done => reject("E_FS_CHANGED", `${path} is not what was prepared`);

/** A failure of the system as a rejection; anything else is a bug or a crash and goes up. */
export const rejectionOf = (
  error: unknown,
  path: string,
): { readonly ok: false; readonly error: DriverRejection } => {
  switch (errnoOf(error)) {
    case undefined:
      throw error;
    case "ENOSPC":
    case "EDQUOT":
      return reject("E_FS_FULL", `no room for ${path}`);
    case "EROFS":
      return reject("E_FS_READ_ONLY", `${path} is on a read-only file system`);
    case "EACCES":
    case "EPERM":
      return reject("E_FS_DENIED", `the system refuses to change ${path}`);
    case "EEXIST":
      return reject("E_FS_EXISTS", `${path} exists already`);
    case "ENOENT":
    case "ENOTEMPTY":
    case "ESTALE":
      return reject("E_FS_CHANGED", `${path} is not what was prepared`);
    case "ENAMETOOLONG":
      return reject("E_PATH_INVALID", `${path} is too long for its file system`);
    case "EFBIG":
      return reject("E_FS_TOO_LARGE", `${path} would be larger than its file system allows`);
    case "EXDEV":
      return reject("E_FS_OTHER_DEVICE", `${path} is on another file system`);
    case "EBUSY":
      return reject("E_FS_CHANGED", `${path} is in use by the system`);
    default:
      return reject("E_FS_IO", `${path}: ${errnoOf(error)}`);
  }
};

const openSource = (context: ApplyContext, source: Source): Result<Fd, DriverRejection> => {
  if (source.type === "blob" || source.type === "own") {
    const file =
      source.type === "own" ? source.file : context.vault.blobPath(source.counter, source.blob);
    return ok(new Fd(fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)));
  }
  if (source.type === "bytes") throw new InvariantError("bytes are not opened");
  const place = context.roots.locate(source.path, "read");
  if (!place.ok) return place;
  const opened = openSpot(context.roots, place.value);
  if (!opened.ok) return opened;
  using spot = opened.value;
  if (spot.object === undefined || spot.stat?.isFile() !== true) {
    return reject("E_FS_CHANGED", `${source.path} is not what was prepared`);
  }
  return ok(reopen(spot.object, "file"));
};

const setAttributes = (opened: Fd, entry: Entry): void => {
  const wanted = entry.attributes ?? [];
  const present = readAttributes(opened, xattrBytesMax);
  for (const { name } of present) {
    if (!wanted.some((each) => each.name === name)) removeAttribute(opened, name);
  }
  for (const { name, value } of wanted) {
    const now = present.find((each) => each.name === name);
    if (now === undefined || !equalBytes(now.value, value)) writeAttribute(opened, name, value);
  }
};

/** Owner, mode and attributes; owner first, because changing it clears mode bits. */
const setMeta = (opened: Fd, entry: Entry): void => {
  const { uid, gid } = statFd(opened);
  const wantUid = entry.uid ?? Number(uid);
  const wantGid = entry.gid ?? Number(gid);
  if (wantUid !== Number(uid) || wantGid !== Number(gid)) {
    fs.fchownSync(opened.number, wantUid, wantGid);
  }
  setAttributes(opened, entry);
  fs.fchmodSync(opened.number, entry.mode);
};

const applyTimes = (directory: Fd, name: string, times: Times | undefined): void => {
  if (times === undefined) return;
  setTimes(directory, name, nanoseconds(times.atime), nanoseconds(times.mtime));
};

/** The new file, whole and durable, under its temporary name. */
const buildFile = async (
  context: ApplyContext,
  planned: PlannedPut,
  after: Entry,
  spot: Spot,
): Promise<Done> => {
  const { source, change } = planned;
  if (source === undefined) throw new InvariantError("a new file needs a source");
  using file = createFile(spot.parent, change.temporary, 0o600);
  if (source.type === "bytes") writeAll(file, source.bytes);
  else {
    const opened = openSource(context, source);
    if (!opened.ok) return opened;
    using from = opened.value;
    await copyBytes(from, file, after.size ?? 0, context.signal);
    const size = Number(statFd(file).size);
    const hash = await hashOpened(file, size, context.signal);
    if (size !== after.size || after.sha256 === undefined || !equalBytes(hash, after.sha256)) {
      return reject("E_FS_CHANGED", `the source of ${change.path} changed while it was copied`);
    }
  }
  setMeta(file, after);
  applyTimes(spot.parent, change.temporary, after.times);
  fs.fsyncSync(file.number);
  return ok(null);
};

/** Compares what stands at a name with what was planned to stand there. */
const isPlanned = async (
  context: ApplyContext,
  planned: PlannedPut,
  parent: Fd,
  name: string,
  withCtime: boolean,
): Promise<boolean> => {
  const { before } = planned.change;
  using object = openPathIfAny(parent, name);
  if (object === undefined || before === undefined)
    return object === undefined && before === undefined;
  if (planned.identity !== undefined) {
    const now = identityOf(statFd(object));
    if (before.kind === "directory") {
      return now.dev === planned.identity.dev && now.ino === planned.identity.ino;
    }
    return sameIdentity(planned.identity, now, withCtime);
  }
  const present = await capture(parent, name, object, true, context.signal);
  return present.ok && difference(before, present.value.entry) === undefined;
};

const removeTemporary = (parent: Fd, name: string): void => {
  try {
    removeName(parent, name, "other");
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
};

const isAbort = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted && error === signal.reason;

/** Runs a step; its failure is a rejection, after `takeBack`. A crash takes nothing back. */
const attempt = async (
  context: ApplyContext,
  path: string,
  work: () => Promise<Done>,
  takeBack: () => void,
): Promise<Done> => {
  let result: Done;
  try {
    result = await work();
  } catch (error) {
    result = isAbort(error, context.signal)
      ? reject("E_ABORTED", "the action was stopped")
      : rejectionOf(error, path);
  }
  if (!result.ok) takeBack();
  return result;
};

/** False where the file system cannot exchange names; then the old state is replaced directly. */
const exchange = (parent: Fd, temporary: string, name: string): boolean => {
  try {
    rename(parent, temporary, parent, name, "exchange");
    return true;
  } catch (error) {
    if (errnoOf(error) !== "EINVAL") throw error;
    rename(parent, temporary, parent, name, "replace");
    return false;
  }
};

const replaceFile = (
  context: ApplyContext,
  planned: PlannedPut,
  after: Entry,
  spot: Spot,
): Promise<Done> => {
  const { change } = planned;
  const { parent, name } = spot;
  let exchanged = false;
  const work = async (): Promise<Done> => {
    const built = await buildFile(context, planned, after, spot);
    if (!built.ok) return built;
    context.fault?.("built");
    context.signal.throwIfAborted();
    if (!(await isPlanned(context, planned, parent, name, true))) return changed(change.path);
    context.fault?.("checked");
    if (change.before === undefined) {
      placeNew(parent, change.temporary, name);
      return ok(null);
    }
    exchanged = exchange(parent, change.temporary, name);
    context.fault?.("exchanged");
    if (!exchanged) return ok(null);
    if (!(await isPlanned(context, planned, parent, change.temporary, false))) {
      return changed(change.path);
    }
    removeName(parent, change.temporary, "other");
    return ok(null);
  };
  return attempt(context, change.path, work, () => {
    if (exchanged) rename(parent, change.temporary, parent, name, "exchange");
    removeTemporary(parent, change.temporary);
  });
};

/** Gives a finished temporary its name; never over something else. */
const placeNew = (parent: Fd, temporary: string, name: string): void => {
  try {
    rename(parent, temporary, parent, name, "noreplace");
  } catch (error) {
    if (errnoOf(error) !== "EINVAL") throw error;
    fs.linkSync(parent.at(temporary), parent.at(name));
    removeName(parent, temporary, "other");
  }
};

const makeNew = async (
  context: ApplyContext,
  planned: PlannedPut,
  after: Entry,
  spot: Spot,
): Promise<Done> => {
  const { change } = planned;
  const { parent, name } = spot;
  if (after.kind === "file") return replaceFile(context, planned, after, spot);
  if (after.kind === "symlink") {
    makeSymlink(parent, name, after.target ?? "");
    applyTimes(parent, name, after.times);
    return ok(null);
  }
  makeDirectory(parent, name, 0o700);
  using object = openPath(parent, name);
  using opened = reopen(object, "directory");
  // Until the tree is whole only its owner enters; the mode may shut even the owner out.
  const work = async (): Promise<Done> => {
    setMeta(opened, { ...after, mode: after.mode | 0o700 });
    return ok(null);
  };
  return attempt(context, change.path, work, () => removeName(parent, name, "directory"));
};

const remove = async (
  context: ApplyContext,
  planned: PlannedPut,
  before: Entry,
  spot: Spot,
): Promise<Done> => {
  const { change } = planned;
  const { parent, name } = spot;
  if (!(await isPlanned(context, planned, parent, name, true))) return changed(change.path);
  if (before.kind === "directory") {
    removeName(parent, name, "directory");
    return ok(null);
  }
  let moved = false;
  const work = async (): Promise<Done> => {
    rename(parent, name, parent, change.temporary, "noreplace");
    moved = true;
    context.fault?.("set aside");
    if (!(await isPlanned(context, planned, parent, change.temporary, false))) {
      return changed(change.path);
    }
    removeName(parent, change.temporary, "other");
    return ok(null);
  };
  return attempt(context, change.path, work, () => {
    if (moved) rename(parent, change.temporary, parent, name, "noreplace");
  });
};

const changeMeta = async (
  context: ApplyContext,
  planned: PlannedPut,
  after: Entry,
  spot: Spot,
): Promise<Done> => {
  const { parent, name } = spot;
  if (!(await isPlanned(context, planned, parent, name, true))) return changed(planned.change.path);
  using object = openPath(parent, name);
  using opened = reopen(object, after.kind === "directory" ? "directory" : "file");
  // Names in a folder may still change; its own mode is set when the effect is done.
  setMeta(opened, after.kind === "directory" ? { ...after, mode: after.mode | 0o700 } : after);
  if (after.kind === "file") applyTimes(parent, name, after.times);
  return ok(null);
};

/** Only mode, owner, attributes or times differ. */
const isMetaOnly = (before: Entry, after: Entry): boolean =>
  before.kind === after.kind &&
  (before.kind === "directory" ||
    (before.sha256 !== undefined &&
      after.sha256 !== undefined &&
      before.size === after.size &&
      equalBytes(before.sha256, after.sha256)));

const applyPut = async (context: ApplyContext, planned: PlannedPut): Promise<Done> => {
  const { change } = planned;
  const place = context.roots.locate(change.path, "write");
  if (!place.ok) return place;
  const opened = openSpot(context.roots, place.value);
  if (!opened.ok) return opened;
  using spot = opened.value;
  if (spot.missing.length > 0) {
    return reject("E_FS_CHANGED", `the folder of ${change.path} is gone`);
  }
  const { before, after } = change;
  if (after === undefined) {
    return before === undefined ? ok(null) : await remove(context, planned, before, spot);
  }
  if (before === undefined) return await makeNew(context, planned, after, spot);
  if (isMetaOnly(before, after) && planned.source === undefined) {
    return await changeMeta(context, planned, after, spot);
  }
  if (before.kind !== "file" || after.kind !== "file") {
    throw new InvariantError("a change of kind is two changes");
  }
  return await replaceFile(context, planned, after, spot);
};

const standsAt = (spot: Spot, identity: Identity): boolean => {
  using object = openPathIfAny(spot.parent, spot.name);
  if (object === undefined) return false;
  const now = identityOf(statFd(object));
  return now.dev === identity.dev && now.ino === identity.ino;
};

const applyRename = (context: ApplyContext, planned: PlannedRename): Done => {
  const { from, to } = planned.change;
  const fromPlace = context.roots.locate(from, "write");
  if (!fromPlace.ok) return fromPlace;
  const toPlace = context.roots.locate(to, "write");
  if (!toPlace.ok) return toPlace;
  const fromOpened = openSpot(context.roots, fromPlace.value);
  if (!fromOpened.ok) return fromOpened;
  using source = fromOpened.value;
  const toOpened = openSpot(context.roots, toPlace.value);
  if (!toOpened.ok) return toOpened;
  using target = toOpened.value;
  const { identity } = planned;
  if (identity !== undefined && !standsAt(source, identity)) return changed(from);
  if (target.missing.length > 0) return reject("E_FS_NO_PARENT", `the folder of ${to} is gone`);
  rename(source.parent, source.name, target.parent, target.name, "noreplace");
  context.fault?.("renamed");
  if (identity === undefined || standsAt(target, identity)) return ok(null);
  rename(target.parent, target.name, source.parent, source.name, "noreplace");
  return changed(from);
};

/** Makes one change. A rejection means that this change was not made. */
export const apply = async (context: ApplyContext, planned: Planned): Promise<Done> => {
  try {
    context.signal.throwIfAborted();
    return isRename(planned) ? applyRename(context, planned) : await applyPut(context, planned);
  } catch (error) {
    if (isAbort(error, context.signal)) return reject("E_ABORTED", "the action was stopped");
    return rejectionOf(
      error,
      planned.change.type === "put" ? planned.change.path : planned.change.to,
    );
  }
};
