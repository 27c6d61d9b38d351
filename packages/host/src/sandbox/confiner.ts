/**
 * Runs as the first process inside fresh namespaces, builds the sandbox and becomes the program.
 * The parent strips the types of this file and starts it by `node -e`, so it is one file, has no
 * value imports, and never lets the event loop turn (a message waiting on the IPC channel is for
 * the program). Sources: mount(2), open_tree(2), pivot_root(2), openat2(2), capabilities(7),
 * landlock(7), seccomp(2).
 *
 * The new root is mounted over the old one, so no folder of the machine is needed for it: paths
 * from "/" still mean the old root until pivot_root. Names of mounts are opened without following
 * a link, so a folder that an agent can write cannot move a mount elsewhere.
 */
import type { ConfinerPlan, LandlockPlan, MountStep } from "./plan.ts";

const ffi = process.getBuiltinModule("node:ffi");
const fs = process.getBuiltinModule("node:fs");

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
const plan = JSON.parse(planText()) as ConfinerPlan;

const AT_FDCWD = -100;
const EPERM = 1;
const ENOENT = 2;
const ENOTDIR = 20;
const EINVAL = 22;
const ELOOP = 40;
const O_PATH_CLOEXEC = 0o10000000 | 0o2000000;
const RESOLVE_NO_SYMLINKS = 4;
const RESOLVE_NO_MAGICLINKS = 2;
const RESOLVE_BENEATH = 8;
const OPEN_TREE_CLONE_CLOEXEC = 1 | 0o2000000;
const AT_RECURSIVE = 0x8000;
const AT_EMPTY_PATH = 0x1000;
const MOVE_EMPTY_PATHS = 0x4 | 0x40;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CREATE = 6;
const ATTR_RDONLY = 1;
const ATTR_NOSUID = 2;
const ATTR_NODEV = 4;
const ATTR_NOEXEC = 8;
const MNT_DETACH = 2;
const BRIDGE_BACKLOG = 64;

class SetupError extends Error {
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: errno ${errno}`);
    this.errno = errno;
  }
}

type Arg = number | bigint | Uint8Array | string | null;

/** Buffers stay reachable from `args` during the call. */
const call = (name: string, ...args: Arg[]): number => {
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

const errnoOf = (error: unknown): number => (error instanceof SetupError ? error.errno : 0);

const isAbsent = (error: unknown): boolean =>
  errnoOf(error) === ENOENT || errnoOf(error) === ENOTDIR;

/** A path relative to the new root, which is the working directory while it is built. */
const below = (path: string): string => path.slice(1);

const openPath = (path: string, resolve: number): number => {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(O_PATH_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  return call("openat2", AT_FDCWD, path, how, 24);
};
const openOutside = (path: string): number =>
  openPath(path, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
const openInside = (path: string): number =>
  openPath(below(path), RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH);

const setAttributes = (fd: number, set: number, recursive: boolean): void => {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(set), 0);
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  call("mount_setattr", fd, "", flags, attributes, 32);
};

/** A new file system, not attached yet. */
const newFileSystem = (type: string, options: Record<string, string | null>, attr: number) => {
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

const attach = (mount: number, path: string): void => {
  const target = openInside(path);
  call("move_mount", mount, "", target, "", MOVE_EMPTY_PATHS);
  fs.closeSync(target);
};

/** A place to mount on; made where it is missing, with its parents. */
const place = (path: string, isFolder: boolean): void => {
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

const bind = (step: MountStep & { type: "bind" }): void => {
  let source: number;
  try {
    source = openOutside(step.path);
  } catch (error) {
    if (step.optional) return optionalLink(step.path, errnoOf(error));
    throw error;
  }
  const isFolder = fs.fstatSync(source).isDirectory();
  place(step.path, isFolder);
  const flags = OPEN_TREE_CLONE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH;
  const tree = call("open_tree", source, "", flags);
  const attributes =
    step.access === "device"
      ? ATTR_NOSUID | ATTR_NOEXEC
      : ATTR_NOSUID | ATTR_NODEV | (step.access === "read" ? ATTR_RDONLY : 0);
  setAttributes(tree, attributes, true);
  attach(tree, step.path);
  fs.closeSync(tree);
  fs.closeSync(source);
};

/** System files that are links (the time zone) keep being links. */
const optionalLink = (path: string, errno: number): void => {
  if (errno === ENOENT || errno === ENOTDIR) return;
  const link = fs.lstatSync(path);
  if (link.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(path), below(path));
};

const pin = (path: string): void => {
  let tree: number;
  try {
    const flags = OPEN_TREE_CLONE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH;
    const folder = openInside(path);
    tree = call("open_tree", folder, "", flags);
    fs.closeSync(folder);
  } catch (error) {
    if (isAbsent(error) || errnoOf(error) === ELOOP) return;
    throw error;
  }
  attach(tree, path);
  fs.closeSync(tree);
};

/** Where a link leads that stands at the name of a mask or above it; nowhere if it dangles. */
const maskBehindLink = (path: string): void => {
  let real: string;
  try {
    real = fs.realpathSync(path);
  } catch {
    return;
  }
  if (real !== path) mask(real);
};

/** An empty folder or file that cannot be written hides what lies there. */
const mask = (path: string): void => {
  let target: number;
  try {
    target = openInside(path);
  } catch (error) {
    if (isAbsent(error)) return;
    if (errnoOf(error) === ELOOP) return maskBehindLink(path);
    throw error;
  }
  const isFolder = fs.fstatSync(target).isDirectory();
  fs.closeSync(target);
  const attributes = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;
  let cover: number;
  if (isFolder) {
    cover = newFileSystem("tmpfs", { size: "4096", nr_inodes: "1", mode: "555" }, attributes);
  } else {
    const empty = openInside("/.empty");
    cover = call("open_tree", empty, "", OPEN_TREE_CLONE_CLOEXEC | AT_EMPTY_PATH);
    fs.closeSync(empty);
    setAttributes(cover, attributes, false);
  }
  attach(cover, path);
  fs.closeSync(cover);
};

/** A folder of the old root as an option of an overlay. */
const layer = (path: string): string => {
  const folder = openOutside(path);
  fs.closeSync(folder);
  return path.replace(/[\\:,]/g, "\\$&");
};

/** An overlay of a folder alone: the same content on inodes that are not the folder's. */
const seenThrough = (lower: string): string => {
  const view = "/.view";
  place("/.none", true);
  place(view, true);
  const options = { lowerdir: `.none:${lower}`, userxattr: null };
  const mount = newFileSystem("overlay", options, ATTR_NOSUID | ATTR_NODEV | ATTR_RDONLY);
  attach(mount, view);
  fs.closeSync(mount);
  return below(view);
};

const overlay = (step: MountStep & { type: "overlay" }): void => {
  place(step.path, true);
  let lower: string;
  try {
    lower = layer(step.lower);
  } catch (error) {
    if (!isAbsent(error) || step.lower === step.path) throw error;
    lower = layer(step.path);
  }
  const options = {
    lowerdir: step.twice ? seenThrough(lower) : lower,
    upperdir: layer(step.upper),
    workdir: layer(step.work),
    userxattr: null,
  };
  const mount = newFileSystem("overlay", options, ATTR_NOSUID | ATTR_NODEV);
  attach(mount, step.path);
  fs.closeSync(mount);
  // The overlay holds its own copy; the view is without masks and must not stay.
  if (step.twice) call("umount2", options.lowerdir, MNT_DETACH);
};

/** Where the machine has mounts of its own below the folder, there is no way to see it without. */
const alias = (step: MountStep & { type: "alias" }): void => {
  const folder = openInside(step.from);
  let tree: number;
  try {
    tree = call("open_tree", folder, "", OPEN_TREE_CLONE_CLOEXEC | AT_EMPTY_PATH);
  } catch (error) {
    if (errnoOf(error) !== EINVAL) throw error;
    return;
  } finally {
    fs.closeSync(folder);
  }
  setAttributes(tree, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV, false);
  place(step.path, true);
  attach(tree, step.path);
  fs.closeSync(tree);
};

const tmpfs = (bytes: number, files: number, mode: number): number => {
  const options = { size: String(bytes), nr_inodes: String(files), mode: mode.toString(8) };
  return newFileSystem("tmpfs", options, ATTR_NOSUID | ATTR_NODEV);
};

const procAttributes = ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;

/** Below a sandbox that shows its whole /proc for reading only, the kernel allows no more here. */
const newProcesses = (options: Record<string, string>): number => {
  try {
    return newFileSystem("proc", options, procAttributes);
  } catch (error) {
    if (errnoOf(error) !== EPERM) throw error;
    return newFileSystem("proc", options, procAttributes | ATTR_RDONLY);
  }
};

const mountProcesses = (step: MountStep & { type: "proc" }): void => {
  place(step.path, true);
  const mount = newProcesses(step.onlyProcesses ? { subset: "pid" } : {});
  attach(mount, step.path);
  if (step.pids !== null) {
    try {
      fs.writeFileSync(`${below(step.path)}/sys/kernel/pid_max`, String(step.pids));
    } catch {
      // An older kernel, or a namespace below another: the limit per user or the outer bound holds.
    }
  }
  if (step.access === "read") setAttributes(mount, ATTR_RDONLY, false);
  fs.closeSync(mount);
};

const terminals = (path: string): void => {
  place(path, true);
  const options = { ptmxmode: "666", mode: "620" };
  const mount = newFileSystem("devpts", options, ATTR_NOSUID | ATTR_NOEXEC);
  attach(mount, path);
  fs.closeSync(mount);
};

const freeze = (path: string): void => {
  const folder = openInside(path);
  const tree = call(
    "open_tree",
    folder,
    "",
    OPEN_TREE_CLONE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH,
  );
  setAttributes(tree, procAttributes | ATTR_RDONLY, true);
  attach(tree, path);
  fs.closeSync(tree);
  fs.closeSync(folder);
};

const perform = (step: MountStep, root: number): void => {
  switch (step.type) {
    case "folder":
      place(step.path, true);
      return fs.chmodSync(below(step.path), step.mode);
    case "link":
      return fs.symlinkSync(step.target, below(step.path));
    case "text":
      return fs.writeFileSync(below(step.path), step.text, { mode: 0o444, flag: "wx" });
    case "tmpfs": {
      place(step.path, true);
      const mount = tmpfs(step.bytes, step.files, step.mode);
      attach(mount, step.path);
      return fs.closeSync(mount);
    }
    case "bind":
      return bind(step);
    case "proc":
      return mountProcesses(step);
    case "terminals":
      return terminals(step.path);
    case "freeze":
      return freeze(step.path);
    case "overlay":
      return overlay(step);
    case "alias":
      return alias(step);
    case "pin":
      return pin(step.path);
    case "mask":
      return mask(step.path);
    case "seal":
      return setAttributes(root, ATTR_RDONLY, false);
  }
};

const buildRoot = (): void => {
  const root = tmpfs(plan.rootBytes, 4096, 0o755);
  call("move_mount", root, "", AT_FDCWD, "/", 0x4);
  call("fchdir", root);
  fs.closeSync(fs.openSync(".empty", "wx", 0o444));
  for (const step of plan.mounts) perform(step, root);
  fs.closeSync(root);
};

const enterRoot = (): void => {
  call("pivot_root", ".", ".");
  call("umount2", ".", MNT_DETACH);
  process.chdir("/");
  try {
    process.chdir(plan.cwd);
  } catch (error) {
    throw new SetupError(`working directory ${plan.cwd}: ${String(error)}`, ENOENT);
  }
};

const landlockRuleset = (wanted: LandlockPlan): number => {
  const attributes = Buffer.alloc(24);
  attributes.writeBigUInt64LE(BigInt(wanted.files), 0);
  attributes.writeBigUInt64LE(BigInt(wanted.network), 8);
  attributes.writeBigUInt64LE(BigInt(wanted.scoped), 16);
  const ruleset = call("landlock_create_ruleset", attributes, wanted.attributeBytes, 0);
  const fileOnly = BigInt(1 | 2 | 4) | (1n << 14n) | (1n << 15n);
  for (const rule of wanted.rules) {
    let fd: number;
    try {
      fd = openPath(rule.path, 0);
    } catch (error) {
      if (errnoOf(error) === ENOENT) continue;
      throw error;
    }
    const isFolder = fs.fstatSync(fd).isDirectory();
    const rights = isFolder ? BigInt(rule.rights) : BigInt(rule.rights) & fileOnly;
    const attribute = Buffer.alloc(12);
    attribute.writeBigUInt64LE(rights, 0);
    attribute.writeInt32LE(fd, 8);
    call("landlock_add_rule", ruleset, 1, attribute, 0);
    fs.closeSync(fd);
  }
  return ruleset;
};

const limitResources = (): void => {
  for (const [resource, value] of plan.limits) {
    const limit = Buffer.alloc(16);
    limit.writeBigUInt64LE(BigInt(value), 0);
    limit.writeBigUInt64LE(BigInt(value), 8);
    call("prlimit64", 0, resource, limit, null);
  }
};

/** No capability, in no set, and none to be had by being root or by executing a file. */
const dropCapabilities = (): void => {
  const PR_CAPBSET_DROP = 24;
  const PR_SET_SECUREBITS = 28;
  const PR_CAP_AMBIENT = 47;
  const PR_CAP_AMBIENT_CLEAR_ALL = 4;
  call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (let capability = 0; capability < 64; capability++) {
    try {
      call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0);
    } catch {
      break;
    }
  }
  // All locked but the "keep" bit, which setpriv sets; without a capability it keeps nothing.
  call("prctl", PR_SET_SECUREBITS, 0xcf, 0, 0, 0);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x20080522, 0);
  call("capset", header, Buffer.alloc(24));
};

const filterSystemCalls = (): void => {
  const instructions = Buffer.from(plan.filter, "base64");
  const program = Buffer.alloc(16);
  program.writeUInt16LE(instructions.length / 8, 0);
  program.writeBigUInt64LE(ffi.getRawPointer(instructions), 8);
  call("seccomp", 1, 0, program);
};

/** The runtime took these out of its environment when it opened the channel. */
const channelVariables = (): Record<string, string> => {
  const found: Record<string, string> = {};
  for (const entry of fs.readFileSync("/proc/self/environ", "utf8").split("\0")) {
    const cut = entry.indexOf("=");
    const name = entry.slice(0, cut);
    if (name === "NODE_CHANNEL_FD" || name === "NODE_CHANNEL_SERIALIZATION_MODE") {
      found[name] = entry.slice(cut + 1);
    }
  }
  return found;
};

/** The runtime marked every descriptor above 2 close-on-exec; the program's own are unmarked. */
const keepDescriptors = (channel: string | undefined): void => {
  const CLOSE_RANGE_CLOEXEC = 4;
  const F_SETFD = 2;
  call("close_range", 3, 0xffffffff, CLOSE_RANGE_CLOEXEC);
  const kept = channel === undefined ? plan.descriptors : [...plan.descriptors, Number(channel)];
  for (const descriptor of kept) call("fcntl", descriptor, F_SETFD, 0);
};

/** Before capabilities go: the device comes up, one socket listens, and leaves for who serves it. */
const buildBridge = ({ descriptor, port, words }: NonNullable<ConfinerPlan["bridge"]>): void => {
  const SIOCGIFFLAGS = 0x8913;
  const SIOCSIFFLAGS = 0x8914;
  const IFF_UP = 1;
  const socket = call("socket", 2, 1 | 0o2000000, 0);
  const request = Buffer.alloc(40);
  request.write("lo");
  call("ioctl", socket, SIOCGIFFLAGS, request);
  request.writeInt16LE(request.readInt16LE(16) | IFF_UP, 16);
  call("ioctl", socket, SIOCSIFFLAGS, request);
  const address = Buffer.alloc(16);
  address.writeUInt16LE(2, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  call("bind", socket, address, address.length);
  call("listen", socket, BRIDGE_BACKLOG);
  const text = Buffer.from(words, "hex");
  const control = Buffer.alloc(24);
  control.writeBigUInt64LE(20n, 0);
  control.writeInt32LE(1, 8);
  control.writeInt32LE(1, 12);
  control.writeInt32LE(socket, 16);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(ffi.getRawPointer(text), 0);
  vector.writeBigUInt64LE(BigInt(text.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(ffi.getRawPointer(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(ffi.getRawPointer(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  call("sendmsg", descriptor, header, 0x4040);
  // Reachable until the kernel has read them.
  void [text, control, vector];
  fs.closeSync(socket);
};

const confine = (): void => {
  const PR_SET_PDEATHSIG = 1;
  const PR_SET_NO_NEW_PRIVS = 38;
  const SIGKILL = 9;
  call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const channel = channelVariables();
  keepDescriptors(channel["NODE_CHANNEL_FD"]);
  call("sethostname", plan.hostname, plan.hostname.length);
  buildRoot();
  enterRoot();
  const ruleset = plan.landlock === null ? null : landlockRuleset(plan.landlock);
  if (plan.bridge !== null) buildBridge(plan.bridge);
  limitResources();
  dropCapabilities();
  call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (ruleset !== null) call("landlock_restrict_self", ruleset, 0);
  filterSystemCalls();
  fs.accessSync(plan.argv[0] ?? "", fs.constants.X_OK);
  // The waiting `unshare` holds a copy of this descriptor, so its end would tell nothing.
  if (plan.status !== null) fs.writeSync(plan.status, plan.started);
  process.execve?.(plan.argv[0] ?? "", [...plan.argv], { ...plan.env, ...channel });
};

try {
  confine();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const text = JSON.stringify({ code: "E_SANDBOX_SETUP", message });
  if (plan.status !== null) fs.writeSync(plan.status, text);
  fs.writeSync(2, `sandbox: ${message}\n`);
  process.exit(125);
}
