/**
 * The file system relative to open descriptors. Names are single components; nothing here walks a
 * string twice. What `node:fs` cannot say (openat2, renameat2, utimensat, xattr, FICLONE) goes
 * through libc; the rest uses `/proc/self/fd/N/name`, which resolves exactly one component.
 *
 * Source: openat2(2), renameat2(2), utimensat(2), ioctl_ficlone(2), getdents64(2).
 */
import fs from "node:fs";
import { OperationError, utf8Decode } from "@ioi/base";
import { cString, nr, syscall, type SyscallResult } from "@ioi/host/libc";

const O_PATH = 0o10000000;
const O_NOFOLLOW = 0o400000;
const O_CLOEXEC = 0o2000000;
const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
const O_NOATIME = 0o1000000;

const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_NO_SYMLINKS = 0x04n;
const RESOLVE_BENEATH = 0x08n;

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const LOCK_EX = 2;
const LOCK_NB = 4;
const FICLONE = 0x40049409;
const FS_IOC_GETFLAGS = 0x80086601;
const FS_CASEFOLD_FL = 0x4000_0000;

/** Numbers that the shared table does not carry. */
const own =
  process.arch === "arm64"
    ? { fgetxattr: 10, flistxattr: 13, fsetxattr: 7, syncfs: 267, fremovexattr: 16 }
    : { fgetxattr: 193, flistxattr: 196, fsetxattr: 190, syncfs: 306, fremovexattr: 199 };

const errnoNames: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  4: "EINTR",
  5: "EIO",
  11: "EAGAIN",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  18: "EXDEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  61: "ENODATA",
  95: "EOPNOTSUPP",
  122: "EDQUOT",
};

export const errnoName = (errno: number): string => errnoNames[errno] ?? `errno ${errno}`;

/** The name (`ENOENT`) of what a system call or `node:fs` failed with; undefined for other errors. */
export const errnoOf = (error: unknown): string | undefined => {
  if (error instanceof SystemError) return error.errno;
  const code = (error as { readonly code?: unknown } | null)?.code;
  return error instanceof Error && typeof code === "string" && /^E[A-Z0-9]+$/.test(code)
    ? code
    : undefined;
};

/** A system call that failed. Caught where it is turned into a rejection. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly errno: string;
  constructor(call: string, errno: string) {
    super(`${call}: ${errno}`);
    this.errno = errno;
  }
}

const must = (call: string, result: SyscallResult): bigint => {
  if (result.ok) return result.value;
  throw new SystemError(call, errnoName(result.errno));
};

/** An open descriptor that closes when its scope ends. */
export class Fd implements Disposable {
  readonly number: number;
  #open = true;
  constructor(number: number) {
    this.number = number;
  }
  /** The way to the same object, or to a name directly below it. */
  at(name?: string): string {
    return name === undefined
      ? `/proc/self/fd/${this.number}`
      : `/proc/self/fd/${this.number}/${name}`;
  }
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    fs.closeSync(this.number);
  }
}

let openat2Works = true;

/** Makes every later resolution walk component by component; for tests of that path. */
export const forceComponentWalk = (on: boolean): void => {
  openat2Works = !on;
};

const openat2 = (directory: Fd, relative: string): Fd | undefined => {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(O_PATH | O_NOFOLLOW | O_CLOEXEC), 0);
  how.writeBigUInt64LE(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS, 16);
  const path = cString(relative === "" ? "." : relative);
  for (let attempt = 0; ; attempt++) {
    const result = syscall(nr.openat2, directory.number, path, how, how.length);
    if (result.ok) return new Fd(Number(result.value));
    // EAGAIN: somebody renamed below us while the kernel looked; EINTR: a signal.
    if ((result.errno === 11 || result.errno === 4) && attempt < 16) continue;
    if (result.errno === 38 || result.errno === 1) return undefined;
    throw new SystemError("openat2", errnoName(result.errno));
  }
};

const walk = (directory: Fd, relative: string): Fd => {
  const names = relative === "" ? [] : relative.split("/");
  let current = new Fd(fs.openSync(directory.at("."), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  for (const [index, name] of names.entries()) {
    if (name === "" || name === "." || name === "..") {
      current[Symbol.dispose]();
      throw new SystemError("open", "EXDEV");
    }
    try {
      const next = new Fd(fs.openSync(current.at(name), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (index < names.length - 1 && fs.fstatSync(next.number).isSymbolicLink()) {
        next[Symbol.dispose]();
        throw new SystemError("open", "ELOOP");
      }
      current[Symbol.dispose]();
      current = next;
    } catch (error) {
      current[Symbol.dispose]();
      throw error;
    }
  }
  return current;
};

/**
 * An O_PATH descriptor of what stands at `relative` below `directory`; opens nothing, follows no
 * link of any kind, never leaves `directory`. A link as the last component is opened as itself.
 */
export const openPath = (directory: Fd, relative: string): Fd => {
  if (openat2Works) {
    const fd = openat2(directory, relative);
    if (fd !== undefined) return fd;
    openat2Works = false;
  }
  return walk(directory, relative);
};

/** As {@link openPath}; undefined where nothing stands there. */
export const openPathIfAny = (directory: Fd, relative: string): Fd | undefined => {
  try {
    return openPath(directory, relative);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
};

/** The root folder of the file system, to resolve absolute paths from; not open for reading. */
export const openTop = (): Fd => new Fd(fs.openSync("/", O_PATH | O_DIRECTORY | O_CLOEXEC));

/** Reopens the same object for reading. The caller knows that it is a file or a folder. */
export const reopen = (object: Fd, kind: "file" | "directory"): Fd => {
  const flags = fs.constants.O_RDONLY | O_CLOEXEC | (kind === "directory" ? O_DIRECTORY : 0);
  try {
    return new Fd(fs.openSync(object.at(), flags | O_NOATIME));
  } catch (error) {
    // Only the owner may leave the access time alone.
    if (errnoOf(error) !== "EPERM") throw error;
    return new Fd(fs.openSync(object.at(), flags));
  }
};

/** A new file that nobody else made, for writing. */
export const createFile = (directory: Fd, name: string, mode: number): Fd =>
  new Fd(
    fs.openSync(
      directory.at(name),
      fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | O_NOFOLLOW | O_CLOEXEC,
      mode,
    ),
  );

export const statFd = (fd: Fd): fs.BigIntStats => fs.fstatSync(fd.number, { bigint: true });

export const makeDirectory = (directory: Fd, name: string, mode: number): void => {
  must("mkdirat", syscall(nr.mkdirat, directory.number, cString(name), mode));
};

export const makeSymlink = (directory: Fd, name: string, target: string): void => {
  must("symlinkat", syscall(nr.symlinkat, cString(target), directory.number, cString(name)));
};

export const readSymlink = (link: Fd, directory: Fd, name: string): string => {
  const target = fs.readlinkSync(directory.at(name), { encoding: "buffer" });
  const again = fs.lstatSync(directory.at(name), { bigint: true });
  if (again.ino !== statFd(link).ino) throw new SystemError("readlink", "EAGAIN");
  return target.toString("utf8");
};

export const removeName = (directory: Fd, name: string, kind: "directory" | "other"): void => {
  const flags = kind === "directory" ? AT_REMOVEDIR : 0;
  must("unlinkat", syscall(nr.unlinkat, directory.number, cString(name), flags));
};

export type RenameHow = "noreplace" | "exchange" | "replace";

const renameFlags: Readonly<Record<RenameHow, number>> = {
  noreplace: RENAME_NOREPLACE,
  exchange: RENAME_EXCHANGE,
  replace: 0,
};

/**
 * `noreplace` fails with EEXIST, `exchange` swaps two names in one step, `replace` takes the place
 * of what stood there. File systems without the first two fail with EINVAL.
 */
export const rename = (
  from: Fd,
  fromName: string,
  to: Fd,
  toName: string,
  how: RenameHow,
): void => {
  const flags = renameFlags[how];
  must(
    "renameat2",
    syscall(nr.renameat2, from.number, cString(fromName), to.number, cString(toName), flags),
  );
};

const timespecs = (atimeNs: bigint, mtimeNs: bigint): Buffer => {
  const bytes = Buffer.alloc(32);
  for (const [index, ns] of [atimeNs, mtimeNs].entries()) {
    const nano = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    bytes.writeBigInt64LE((ns - nano) / 1_000_000_000n, index * 16);
    bytes.writeBigInt64LE(nano, index * 16 + 8);
  }
  return bytes;
};

/** Both times to the nanosecond; a link's own times, not its target's. */
export const setTimes = (directory: Fd, name: string, atimeNs: bigint, mtimeNs: bigint): void => {
  const times = timespecs(atimeNs, mtimeNs);
  must(
    "utimensat",
    syscall(nr.utimensat, directory.number, cString(name), times, AT_SYMLINK_NOFOLLOW),
  );
};

/** An exclusive lock on an open folder, gone with its descriptor; false where another has it. */
export const tryLock = (opened: Fd): boolean => {
  const result = syscall(nr.flock, opened.number, LOCK_EX | LOCK_NB);
  if (!result.ok && result.errno !== 11) throw new SystemError("flock", errnoName(result.errno));
  return result.ok;
};

/** Shares the blocks of `from` where the file system can; false where it cannot. */
export const cloneInto = (from: Fd, to: Fd): boolean =>
  syscall(nr.ioctl, to.number, FICLONE, from.number).ok;

/** Everything written to the file system that holds `opened` is durable after this. */
export const syncFileSystem = (opened: Fd): void => {
  must("syncfs", syscall(own.syncfs, opened.number));
};

const keptAttribute = (name: string): boolean =>
  (name.startsWith("user.") && !name.startsWith("user.overlay.")) ||
  name.startsWith("system.posix_acl_");

/** Extended attributes that a copy keeps (the person's own and access lists). */
export const readAttributes = (
  opened: Fd,
  bytesMax: number,
): readonly { readonly name: string; readonly value: Uint8Array }[] => {
  const names = Buffer.alloc(bytesMax);
  const listed = syscall(own.flistxattr, opened.number, names, names.length);
  if (!listed.ok) {
    if (listed.errno === 95 || listed.errno === 1 || listed.errno === 13) return [];
    throw new SystemError("flistxattr", errnoName(listed.errno));
  }
  const all = names.toString("utf8", 0, Number(listed.value)).split("\0");
  const kept: { readonly name: string; readonly value: Uint8Array }[] = [];
  for (const name of all.filter(keptAttribute).sort()) {
    const value = Buffer.alloc(bytesMax);
    const got = syscall(own.fgetxattr, opened.number, cString(name), value, value.length);
    if (got.ok) kept.push({ name, value: Uint8Array.from(value.subarray(0, Number(got.value))) });
    else if (got.errno !== 61) throw new SystemError("fgetxattr", errnoName(got.errno));
  }
  return kept;
};

export const writeAttribute = (opened: Fd, name: string, value: Uint8Array): void => {
  const bytes = Buffer.from(value);
  must("fsetxattr", syscall(own.fsetxattr, opened.number, cString(name), bytes, bytes.length, 0));
};

export const removeAttribute = (opened: Fd, name: string): void => {
  must("fremovexattr", syscall(own.fremovexattr, opened.number, cString(name)));
};

/** One attribute by exact name; undefined where it is not there or not readable. */
export const readAttribute = (opened: Fd, name: string, bytesMax: number): Buffer | undefined => {
  const value = Buffer.alloc(bytesMax);
  const got = syscall(own.fgetxattr, opened.number, cString(name), value, value.length);
  return got.ok ? value.subarray(0, Number(got.value)) : undefined;
};

const foldingFileSystems: ReadonlySet<number> = new Set([
  0x4d44, 0x2011bab0, 0x5346544e, 0x7366746e, 0xff534d42, 0xfe534d42, 0x482b,
]);
const kernelFileSystems: ReadonlySet<number> = new Set([
  0x9fa0, 0x62656572, 0x1cd1, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11,
  0xde5e81e4, 0x19800202, 0x6e736673,
]);

const fileSystemType = (object: Fd): number => Number(fs.statfsSync(object.at()).type) >>> 0;

/** procfs, sysfs, devpts and their kin: "files" there are doors into the kernel. */
export const isKernelFileSystem = (object: Fd): boolean =>
  kernelFileSystems.has(fileSystemType(object));

/** Whether names below this folder are compared without case. */
export const foldsCase = (directory: Fd): boolean => {
  if (foldingFileSystems.has(fileSystemType(directory))) return true;
  try {
    using opened = reopen(directory, "directory");
    const flags = Buffer.alloc(8);
    const got = syscall(nr.ioctl, opened.number, FS_IOC_GETFLAGS, flags);
    return got.ok && (flags.readUInt32LE(0) & FS_CASEFOLD_FL) !== 0;
  } catch (error) {
    // A folder that may be entered but not read: its flags are not for us either.
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
};

export interface DirectoryEntry {
  /** Undefined where the name is not UTF-8. */
  readonly name: string | undefined;
  readonly raw: Uint8Array;
  /** False where the file system says that it is none. */
  readonly mayBeFolder: boolean;
}

/** `d_type` of a folder, and of what the file system does not tell. */
const [DT_UNKNOWN, DT_DIR] = [0, 4];

/** The names below a folder in the kernel's order, read in bounded blocks. */
export function* readNames(directory: Fd): Generator<DirectoryEntry> {
  using opened = reopen(directory, "directory");
  const block = Buffer.alloc(65_536);
  for (;;) {
    const got = must("getdents64", syscall(nr.getdents64, opened.number, block, block.length));
    if (got === 0n) return;
    for (let at = 0; at < Number(got);) {
      const length = block.readUInt16LE(at + 16);
      const end = block.indexOf(0, at + 19);
      const raw = Uint8Array.from(block.subarray(at + 19, end));
      const type = block[at + 18];
      at += length;
      const name = utf8Decode(raw);
      if (name === "." || name === "..") continue;
      yield { name, raw, mayBeFolder: type === DT_DIR || type === DT_UNKNOWN };
    }
  }
}

/** Turns a failure of the system into one that a person can act on. */
export const operationError = (error: unknown, what: string): OperationError => {
  const errno = errnoOf(error);
  const code =
    errno === "ENOSPC" || errno === "EDQUOT"
      ? "E_FS_FULL"
      : errno === "EROFS"
        ? "E_FS_READ_ONLY"
        : errno === "EACCES" || errno === "EPERM"
          ? "E_FS_DENIED"
          : "E_FS_IO";
  return new OperationError(code, `${what}: ${errno ?? String(error)}`, { cause: error });
};
