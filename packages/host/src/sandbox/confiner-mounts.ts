/**
 * The confiner's mounts, step by step. One program with `confiner.ts`. The new root is mounted over
 * the old one, so no folder of the machine is needed for it: paths from "/" still mean the old root
 * until pivot_root. Names of mounts are opened without following a link, so a folder that an agent
 * can write cannot move a mount elsewhere.
 */
import {
  fs,
  plan,
  AT_FDCWD,
  EPERM,
  ENOENT,
  ENOTDIR,
  EINVAL,
  ELOOP,
  OPEN_TREE_CLONE_CLOEXEC,
  AT_RECURSIVE,
  AT_EMPTY_PATH,
  ATTR_RDONLY,
  ATTR_NOSUID,
  ATTR_NODEV,
  ATTR_NOEXEC,
  MNT_DETACH,
  call,
  errnoOf,
  isAbsent,
  below,
  openOutside,
  openInside,
  setAttributes,
  newFileSystem,
  attach,
  place,
} from "./confiner-calls.ts";
import type { MountStep } from "./plan.ts";

const bind = (step: MountStep & { type: "bind" }): void => {
  let source: number;
  try {
    source = openOutside(step.from ?? step.path);
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
  } catch (error) {
    // Anything else would leave the mask out without a word.
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return;
    throw error;
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

export const buildRoot = (): void => {
  const root = tmpfs(plan.rootBytes, 4096, 0o755);
  call("move_mount", root, "", AT_FDCWD, "/", 0x4);
  call("fchdir", root);
  fs.closeSync(fs.openSync(".empty", "wx", 0o444));
  for (const step of plan.mounts) perform(step, root);
  fs.closeSync(root);
};
