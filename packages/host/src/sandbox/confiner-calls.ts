/**
 * The confiner's system calls and the tools its mounts are made with. One program with `confiner.ts`:
 * the parent joins the parts, so there are no imports but those of the parts among themselves.
 */
import type { ConfinerPlan } from "./plan.ts";

export const ffi = process.getBuiltinModule("node:ffi");
export const fs = process.getBuiltinModule("node:fs");

const libc = ffi.dlopen("libc.so.6", {
  syscall: { arguments: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], return: "i64" },
  __errno_location: { arguments: [], return: "pointer" },
}).functions;

const planText = (): string => {
  let text = "";
  for (let index = 0; ; index++) {
    const piece = process.env[`IOI_SANDBOX_PLAN_${index}`];
    if (piece === undefined) return text;
    text += piece;
  }
};
export const plan = JSON.parse(planText()) as ConfinerPlan;

export const AT_FDCWD = -100;
export const EPERM = 1;
export const ENOENT = 2;
export const ENOTDIR = 20;
export const EINVAL = 22;
export const ELOOP = 40;
const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
const RESOLVE_NO_SYMLINKS = 4;
const RESOLVE_NO_MAGICLINKS = 2;
const RESOLVE_BENEATH = 8;
export const OPEN_TREE_CLONE_CLOEXEC = 1 | 0o2000000;
export const AT_RECURSIVE = 0x8000;
export const AT_EMPTY_PATH = 0x1000;
const MOVE_EMPTY_PATHS = 0x4 | 0x40;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CREATE = 6;
export const ATTR_RDONLY = 1;
export const ATTR_NOSUID = 2;
export const ATTR_NODEV = 4;
export const ATTR_NOEXEC = 8;
export const MNT_DETACH = 2;
export const BRIDGE_BACKLOG = 64;

export class SetupError extends Error {
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: errno ${errno}`);
    this.errno = errno;
  }
}

type Arg = number | bigint | Uint8Array | string | null;

/** Buffers stay reachable from `args` during the call. */
export const call = (name: string, ...args: Arg[]): number => {
  const number = plan.nr[name];
  if (number === undefined) throw new SetupError(`${name} has no number`, 38);
  const held = args.map((arg) => (typeof arg === "string" ? Buffer.from(`${arg}\0`) : arg));
  const words = [0, 1, 2, 3, 4, 5].map((index) => {
    const arg = held[index] ?? 0;
    return typeof arg === "object" ? ffi.getRawPointer(arg) : BigInt(arg);
  }) as [bigint, bigint, bigint, bigint, bigint, bigint];
  const value = libc.syscall(BigInt(number), ...words);
  if (value >= 0n) return Number(value);
  const errno = ffi.getInt32(libc.__errno_location(), 0);
  throw new SetupError(`${name} ${args.filter((arg) => typeof arg === "string").join(" ")}`, errno);
};

export const errnoOf = (error: unknown): number => (error instanceof SetupError ? error.errno : 0);

export const isAbsent = (error: unknown): boolean =>
  errnoOf(error) === ENOENT || errnoOf(error) === ENOTDIR;

/** A path relative to the new root, which is the working directory while it is built. */
export const below = (path: string): string => path.slice(1);

export const openPath = (path: string, resolve: number): number => {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(O_PATH_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  return call("openat2", AT_FDCWD, path, how, 24);
};
export const openOutside = (path: string): number =>
  openPath(path, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
export const openInside = (path: string): number =>
  openPath(below(path), RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH);

export const setAttributes = (fd: number, set: number, recursive: boolean): void => {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(set), 0);
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  call("mount_setattr", fd, "", flags, attributes, 32);
};

/** A new file system, not attached yet. */
export const newFileSystem = (
  type: string,
  options: Record<string, string | null>,
  attr: number,
) => {
  const context = call("fsopen", type, 1);
  for (const [key, value] of Object.entries(options)) {
    if (value === null) call("fsconfig", context, FSCONFIG_SET_FLAG, key, null, 0);
    else call("fsconfig", context, FSCONFIG_SET_STRING, key, value, 0);
  }
  call("fsconfig", context, FSCONFIG_CREATE, null, null, 0);
  const mount = call("fsmount", context, 1, attr);
  fs.closeSync(context);
  return mount;
};

export const attach = (mount: number, path: string): void => {
  const target = openInside(path);
  call("move_mount", mount, "", target, "", MOVE_EMPTY_PATHS);
  fs.closeSync(target);
};

/** A place to mount on; made where it is missing, with its parents. */
export const place = (path: string, isFolder: boolean): void => {
  try {
    fs.closeSync(openInside(path));
    return;
  } catch (error) {
    if (errnoOf(error) !== ENOENT) throw error;
  }
  const name = below(path);
  const cut = name.lastIndexOf("/");
  if (cut > 0) place(path.slice(0, cut + 1), true);
  if (isFolder) fs.mkdirSync(name, { mode: 0o755 });
  else fs.closeSync(fs.openSync(name, "wx", 0o444));
};
