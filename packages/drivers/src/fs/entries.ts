/**
 * The state of one file, folder or link: captured from an open descriptor, compared, copied.
 * Content is read in blocks with pauses in between, so that a stop is heard within a second.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { setImmediate as pause } from "node:timers/promises";
import { equalBytes, err, ok, type Result } from "@ioi/base";
import { xattrBytesMax } from "../limits.ts";
import { type Entry, sameTime, timespecOf, type Times } from "../vault/record.ts";
import { type DriverRejection, kindOf, reject } from "./roots.ts";
import { cloneInto, Fd, readAttributes, readSymlink, reopen, statFd } from "./syscalls.ts";

const BLOCK = 1_048_576;

/** What identifies a state of an object cheaply; `ctime` cannot be set by anybody. */
export interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly nlink: bigint;
}

export const identityOf = (stat: fs.BigIntStats): Identity => ({
  dev: stat.dev,
  ino: stat.ino,
  size: stat.size,
  mtimeNs: stat.mtimeNs,
  ctimeNs: stat.ctimeNs,
  nlink: stat.nlink,
});

export const sameIdentity = (a: Identity, b: Identity, withCtime: boolean): boolean =>
  a.dev === b.dev &&
  a.ino === b.ino &&
  a.size === b.size &&
  a.mtimeNs === b.mtimeNs &&
  (!withCtime || a.ctimeNs === b.ctimeNs);

export const timesOf = (stat: fs.BigIntStats): Times => ({
  atime: timespecOf(stat.atimeNs),
  mtime: timespecOf(stat.mtimeNs),
});

/** Lets the event loop turn, then throws where the work was stopped. */
export const breathe = async (signal: AbortSignal): Promise<void> => {
  await pause();
  signal.throwIfAborted();
};

/** SHA-256 of the first `size` bytes of a file that is open for reading. */
export const hashOpened = async (
  opened: Fd,
  size: number,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  const hash = createHash("sha256");
  const block = Buffer.allocUnsafe(Math.min(BLOCK, Math.max(1, size)));
  for (let at = 0; at < size;) {
    const got = fs.readSync(opened.number, block, 0, Math.min(block.length, size - at), at);
    if (got === 0) break;
    hash.update(block.subarray(0, got));
    at += got;
    if (at < size) await breathe(signal);
  }
  return Uint8Array.from(hash.digest());
};

/** As {@link hashOpened}, refused where the file changes meanwhile. */
export const hashFile = async (
  object: Fd,
  signal: AbortSignal,
): Promise<Result<Uint8Array, DriverRejection>> => {
  const before = identityOf(statFd(object));
  using opened = reopen(object, "file");
  const hash = await hashOpened(opened, Number(before.size), signal);
  return sameIdentity(before, identityOf(statFd(object)), true)
    ? ok(hash)
    : reject("E_FS_CHANGED", "the file changed while it was read");
};

export interface Captured {
  readonly entry: Entry;
  readonly identity: Identity;
}

/** The whole state of an object; `content` also hashes a file's bytes. Special files are refused. */
export const capture = async (
  parent: Fd,
  name: string,
  object: Fd,
  content: boolean,
  signal: AbortSignal,
): Promise<Result<Captured, DriverRejection>> => {
  const stat = statFd(object);
  const kind = kindOf(stat);
  if (kind === "other") return reject("E_FS_SPECIAL", `${name} is a device, socket or FIFO`);
  const common = {
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    times: timesOf(stat),
  };
  const identity = identityOf(stat);
  if (kind === "symlink") {
    return ok({ entry: { kind, ...common, target: readSymlink(object, parent, name) }, identity });
  }
  const attributes = attributesOf(object, kind);
  const kept = attributes.length === 0 ? {} : { attributes };
  if (kind === "directory") return ok({ entry: { kind, ...common, ...kept }, identity });
  const size = Number(stat.size);
  if (!content) return ok({ entry: { kind, ...common, ...kept, size }, identity });
  const sha256 = await hashFile(object, signal);
  if (!sha256.ok) return err(sha256.error);
  return ok({ entry: { kind, ...common, ...kept, size, sha256: sha256.value }, identity });
};

const attributesOf = (
  object: Fd,
  kind: "file" | "directory",
): readonly { readonly name: string; readonly value: Uint8Array }[] => {
  using opened = reopen(object, kind);
  return readAttributes(opened, xattrBytesMax);
};

/**
 * The complaint where `present` is not the recorded state; undefined where it is. A folder's own
 * times are not its state (they move with its content).
 */
export const difference = (recorded: Entry, present: Entry): string | undefined => {
  if (recorded.kind !== present.kind) return `it is a ${present.kind} now`;
  if (recorded.mode !== present.mode && recorded.kind !== "symlink") return "its mode changed";
  if (recorded.uid !== undefined && recorded.uid !== present.uid) return "its owner changed";
  if (recorded.gid !== undefined && recorded.gid !== present.gid) return "its group changed";
  if (recorded.target !== present.target) return "it points elsewhere now";
  if (recorded.kind === "directory") return undefined;
  if (recorded.size !== undefined && recorded.size !== present.size) return "its size changed";
  const { sha256 } = recorded;
  if (sha256 !== undefined && present.sha256 !== undefined && !equalBytes(sha256, present.sha256)) {
    return "its content changed";
  }
  if (recorded.times !== undefined && present.times !== undefined) {
    if (!sameTime(recorded.times.mtime, present.times.mtime)) return "it was modified since";
  }
  return undefined;
};

/** Copies the bytes of `from` into the new file `to`; shares blocks where that is possible. */
export const copyBytes = async (
  from: Fd,
  to: Fd,
  size: number,
  signal: AbortSignal,
): Promise<void> => {
  if (cloneInto(from, to)) return;
  const block = Buffer.allocUnsafe(Math.min(BLOCK, Math.max(1, size)));
  for (let at = 0; at < size;) {
    const got = fs.readSync(from.number, block, 0, Math.min(block.length, size - at), at);
    if (got === 0) return;
    for (let done = 0; done < got;) {
      done += fs.writeSync(to.number, block, done, got - done, at + done);
    }
    at += got;
    if (at < size) await breathe(signal);
  }
};

/** Writes every byte or throws. */
export const writeAll = (to: Fd, bytes: Uint8Array): void => {
  for (let done = 0; done < bytes.length;) {
    done += fs.writeSync(to.number, bytes, done, bytes.length - done, done);
  }
};
