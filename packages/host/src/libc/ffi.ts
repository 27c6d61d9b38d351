/**
 * libc through `node:ffi`. Raw system calls with `errno` as a value; the only module that touches
 * the foreign function interface. Linux x64 and arm64, glibc.
 */
import ffi from "node:ffi";

const { functions } = ffi.dlopen("libc.so.6", {
  syscall: { arguments: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], return: "i64" },
  __errno_location: { arguments: [], return: "pointer" },
});

/** A pointer to the bytes; the buffer must stay referenced until the call returns. */
export const pointerTo = (bytes: Uint8Array): bigint => ffi.getRawPointer(bytes);

/** NUL-terminated bytes of a path or name. The caller has refused NUL inside. */
export const cString = (text: string): Uint8Array => Buffer.from(`${text}\0`, "utf8");

export type SyscallResult =
  | { readonly ok: true; readonly value: bigint }
  | { readonly ok: false; readonly errno: number };

type Arg = number | bigint | Uint8Array | null;

const toWord = (arg: Arg): bigint =>
  arg === null
    ? 0n
    : typeof arg === "bigint"
      ? arg
      : typeof arg === "number"
        ? BigInt(arg)
        : pointerTo(arg);

/** One system call by number; at most six arguments. Buffers are passed by address. */
export const syscall = (number: number, ...args: readonly Arg[]): SyscallResult => {
  const words = Array.from({ length: 6 }, (_, i) => toWord(args[i] ?? null));
  const value = BigInt(
    functions.syscall(
      BigInt(number),
      words[0] as bigint,
      words[1] as bigint,
      words[2] as bigint,
      words[3] as bigint,
      words[4] as bigint,
      words[5] as bigint,
    ) as bigint | number,
  );
  if (value >= 0n) return { ok: true, value };
  const errno = ffi.getInt32(functions.__errno_location() as bigint, 0);
  return { ok: false, errno };
};

const x64 = {
  close: 3,
  mmap: 9,
  socketpair: 53,
  socket: 41,
  bind: 49,
  listen: 50,
  getsockname: 51,
  setsockopt: 54,
  sendmsg: 46,
  recvmsg: 47,
  kill: 62,
  chroot: 161,
  mount: 165,
  umount2: 166,
  pivot_root: 155,
  prctl: 157,
  setrlimit: 160,
  mkdirat: 258,
  unlinkat: 263,
  fchownat: 260,
  utimensat: 280,
  renameat2: 316,
  seccomp: 317,
  linkat: 265,
  symlinkat: 266,
  capset: 126,
  openat2: 437,
  landlock_create_ruleset: 444,
  landlock_add_rule: 445,
  landlock_restrict_self: 446,
  pidfd_open: 434,
  pidfd_send_signal: 424,
  prlimit64: 302,
  statx: 332,
  getdents64: 217,
  ioctl: 16,
  fcntl: 72,
  flock: 73,
  sethostname: 170,
  setsid: 112,
  ptrace: 101,
  fchdir: 81,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  close_range: 436,
  mount_setattr: 442,
  memfd_create: 319,
} as const;
const arm64: Readonly<Record<keyof typeof x64, number>> = {
  close: 57,
  mmap: 222,
  socketpair: 199,
  socket: 198,
  bind: 200,
  listen: 201,
  getsockname: 204,
  setsockopt: 208,
  sendmsg: 211,
  recvmsg: 212,
  kill: 129,
  chroot: 51,
  mount: 40,
  umount2: 39,
  pivot_root: 41,
  prctl: 167,
  setrlimit: 164,
  mkdirat: 34,
  unlinkat: 35,
  fchownat: 54,
  utimensat: 88,
  renameat2: 276,
  seccomp: 277,
  linkat: 37,
  symlinkat: 36,
  capset: 91,
  openat2: 437,
  landlock_create_ruleset: 444,
  landlock_add_rule: 445,
  landlock_restrict_self: 446,
  pidfd_open: 434,
  pidfd_send_signal: 424,
  prlimit64: 261,
  statx: 291,
  getdents64: 61,
  ioctl: 29,
  fcntl: 25,
  flock: 32,
  sethostname: 161,
  setsid: 157,
  ptrace: 117,
  fchdir: 50,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  close_range: 436,
  mount_setattr: 442,
  memfd_create: 279,
};

/** System call numbers of this machine's architecture. */
export const nr: Readonly<Record<keyof typeof x64, number>> =
  process.arch === "arm64" ? arm64 : x64;
