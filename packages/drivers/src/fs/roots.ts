/**
 * The folders that a profile opens, and places in them. A path argument is split once into a root
 * and a relative path; everything after that is relative to the root's descriptor.
 *
 * Invariants: whole segments (`/work` is not `/work-evil`); the longest root wins; no link of any
 * kind is followed; what a mask covers does not exist.
 */
import fs from "node:fs";
import { err, ok, type Rejection, type Result } from "@ioi/base";
import { type Facts, factsOfPath, kindOfMode, type Profile } from "@ioi/wire";
import type { ErrorCode } from "../errors.ts";
import { pathBytesMax } from "../limits.ts";
import {
  errnoOf,
  Fd,
  foldsCase,
  isKernelFileSystem,
  openPath,
  openTop,
  statFd,
} from "./syscalls.ts";

export type DriverRejection = Rejection<ErrorCode>;

export const reject = (
  code: ErrorCode,
  message: string,
): { readonly ok: false; readonly error: DriverRejection } => err({ code, message });

export interface Root {
  readonly name: string;
  readonly path: string;
  readonly access: "read" | "write";
  /** Undefined where the folder could not be opened when the driver started. */
  readonly fd: Fd | undefined;
}

export interface Place {
  readonly root: Root & { readonly fd: Fd };
  /** `/`-separated, empty for the root itself. */
  readonly relative: string;
  readonly path: string;
}

// C0, DEL, C1, and the separators that a terminal or a card would break at.
// oxlint-disable-next-line no-control-regex -- control characters are what this looks for
const hidden = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u;

/** The complaint about a path that is not canonical; undefined for one that is. */
export const pathComplaint = (path: string): string | undefined => {
  if (!path.startsWith("/")) return "is not absolute";
  if (hidden.test(path)) return "holds a control character";
  if (!path.isWellFormed()) return "holds a lone surrogate";
  if (path !== path.normalize("NFC")) return "is not in normal form NFC";
  if (Buffer.byteLength(path) > pathBytesMax) return `is longer than ${pathBytesMax} bytes`;
  if (path === "/") return undefined;
  for (const part of path.slice(1).split("/")) {
    if (part === "" || part === "." || part === "..") return "is not lexically normal";
    if (Buffer.byteLength(part) > 255) return "has a name longer than 255 bytes";
  }
  return undefined;
};

/** Whole-segment prefix. */
export const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);

const openRoot = (path: string): Fd | undefined => {
  try {
    using top = openTop();
    const fd = openPath(top, path.slice(1));
    if (statFd(fd).isDirectory()) return fd;
    fd[Symbol.dispose]();
    return undefined;
  } catch {
    return undefined;
  }
};

export class Roots implements Disposable {
  readonly #roots: readonly Root[];
  readonly masks: readonly string[];

  constructor(profile: Pick<Profile, "roots" | "masks">) {
    this.masks = profile.masks;
    this.#roots = profile.roots
      .map((root) => ({ ...root, fd: openRoot(root.path) }))
      .sort((a, b) => b.path.length - a.path.length);
  }

  get all(): readonly Root[] {
    return this.#roots;
  }

  /** Splits a canonical path; a path outside every root, or under a mask, is refused. */
  locate(path: string, need: "read" | "write"): Result<Place, DriverRejection> {
    const complaint = pathComplaint(path);
    if (complaint !== undefined) return reject("E_PATH_INVALID", `the path ${complaint}`);
    const root = this.#roots.find((each) => isWithin(path, each.path));
    if (root === undefined || this.isMasked(path)) {
      return reject("E_FS_OUTSIDE", `${path} is outside every folder of this session`);
    }
    if (root.fd === undefined) {
      return reject("E_FS_NO_ROOT", `the folder ${root.path} of this session cannot be opened`);
    }
    if (need === "write" && root.access !== "write") {
      return reject("E_FS_NOT_WRITABLE", `${root.path} is open for reading only`);
    }
    const relative =
      path === root.path ? "" : path.slice(root.path === "/" ? 1 : root.path.length + 1);
    return ok({ root: { ...root, fd: root.fd }, relative, path });
  }

  isMasked(path: string): boolean {
    return this.masks.some((mask) => isWithin(path, mask));
  }

  /** Something below this path is masked: a tree there cannot be moved, copied or deleted. */
  holdsMask(path: string): boolean {
    return this.masks.some((mask) => isWithin(mask, path));
  }

  /** The nearest root of a path holds it as a proper descendant. */
  isRoot(path: string): boolean {
    return this.#roots.some((each) => each.path === path);
  }

  [Symbol.dispose](): void {
    for (const root of this.#roots) root.fd?.[Symbol.dispose]();
  }
}

/** A place with what stands there held open. */
export interface Spot extends Disposable {
  readonly place: Place;
  /** The deepest folder on the way that exists. */
  readonly parent: Fd;
  /** Names between `parent` and the leaf that do not exist. */
  readonly missing: readonly string[];
  readonly name: string;
  readonly object: Fd | undefined;
  readonly stat: fs.BigIntStats | undefined;
  readonly realPath: string;
  readonly caseInsensitive: boolean;
}

export const kindOf = (stat: fs.BigIntStats): ReturnType<typeof kindOfMode> =>
  kindOfMode(stat.mode);

const realPathOf = (fd: Fd): string => fs.readlinkSync(fd.at());

const join = (folder: string, name: string): string =>
  folder === "/" ? `/${name}` : `${folder}/${name}`;

/** What `openPath` failed with, as a rejection; throws what is not about this path. */
export const rejectionOfOpen = (
  error: unknown,
  path: string,
): { readonly ok: false; readonly error: DriverRejection } => {
  switch (errnoOf(error)) {
    case "ELOOP":
      return reject("E_FS_SYMLINK", `${path} goes through a symbolic link`);
    case "EXDEV":
      return reject("E_FS_OUTSIDE", `${path} leaves its folder`);
    case "ENOTDIR":
      return reject("E_FS_NOT_A_DIRECTORY", `a part of ${path} is not a folder`);
    case "ENOENT":
      return reject("E_FS_NOT_FOUND", `${path} does not exist`);
    case "EACCES":
    case "EPERM":
      return reject("E_FS_DENIED", `the system refuses access to ${path}`);
    case "ENAMETOOLONG":
      return reject("E_PATH_INVALID", `${path} is too long for its file system`);
    case "EAGAIN":
      return reject("E_FS_CHANGED", `${path} was being renamed meanwhile`);
    default:
      throw error;
  }
};

const openParent = (
  place: Place,
): Result<{ readonly fd: Fd; readonly missing: string[] }, DriverRejection> => {
  const names = place.relative.split("/").slice(0, -1);
  const missing: string[] = [];
  for (;;) {
    try {
      const fd = openPath(place.root.fd, names.join("/"));
      const stat = statFd(fd);
      if (stat.isDirectory()) return ok({ fd, missing });
      fd[Symbol.dispose]();
      return stat.isSymbolicLink()
        ? reject("E_FS_SYMLINK", `${place.path} goes through a symbolic link`)
        : reject("E_FS_NOT_A_DIRECTORY", `a part of ${place.path} is not a folder`);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || names.length === 0)
        return rejectionOfOpen(error, place.path);
      missing.unshift(names.pop() as string);
    }
  }
};

const foldedMask = (roots: Roots, realPath: string): boolean =>
  roots.masks.some((mask) => isWithin(realPath.toLowerCase(), mask.toLowerCase()));

/**
 * Opens what stands at a place, without an effect: no link is followed, no FIFO or device opened,
 * nothing mounted. The caller disposes of it.
 */
export const openSpot = (roots: Roots, place: Place): Result<Spot, DriverRejection> => {
  using held = new DisposableStack();
  if (place.relative === "") {
    const object = held.use(openPath(place.root.fd, ""));
    const parent = held.use(openPath(place.root.fd, ""));
    const owned = held.move();
    return ok({
      place,
      parent,
      missing: [],
      name: ".",
      object,
      stat: statFd(object),
      realPath: realPathOf(object),
      caseInsensitive: foldsCase(object),
      [Symbol.dispose]: () => owned.dispose(),
    });
  }
  const opened = openParent(place);
  if (!opened.ok) return opened;
  const { fd: parent, missing } = opened.value;
  held.use(parent);
  const name = place.relative.slice(place.relative.lastIndexOf("/") + 1);
  let object: Fd | undefined;
  try {
    if (missing.length === 0) object = held.use(openPath(parent, name));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") return rejectionOfOpen(error, place.path);
  }
  const realPath =
    object === undefined ? [...missing, name].reduce(join, realPathOf(parent)) : realPathOf(object);
  const caseInsensitive = foldsCase(parent);
  if (isKernelFileSystem(parent) || (object !== undefined && isKernelFileSystem(object))) {
    return reject("E_FS_SPECIAL", `${place.path} is a door into the kernel, not a file`);
  }
  if (roots.isMasked(realPath) || (caseInsensitive && foldedMask(roots, realPath))) {
    return reject("E_FS_OUTSIDE", `${place.path} is outside every folder of this session`);
  }
  const stat = object === undefined ? undefined : statFd(object);
  const owned = held.move();
  return ok({
    place,
    parent,
    missing,
    name,
    object,
    stat,
    realPath,
    caseInsensitive,
    [Symbol.dispose]: () => owned.dispose(),
  });
};

/** What `prepare` reports of a place. */
export const factsOf = ({ realPath, caseInsensitive, stat }: Spot): Facts =>
  factsOfPath({ realPath, caseInsensitive }, stat);

const sameObject = (a: fs.BigIntStats, b: fs.BigIntStats): boolean =>
  a.dev === b.dev && a.ino === b.ino && kindOf(a) === kindOf(b);

/**
 * Whether the path still leads to what was prepared: the same folder on the way, the same object
 * (or still nothing) at its end. A rename, a swapped link or a new file in between is refused.
 */
export const recheck = (roots: Roots, spot: Spot): Result<null, DriverRejection> => {
  const again = openSpot(roots, spot.place);
  if (!again.ok) return again;
  using now = again.value;
  const changed = reject("E_FS_CHANGED", `${spot.place.path} is not what was prepared`);
  if (!sameObject(statFd(now.parent), statFd(spot.parent))) return changed;
  if (now.missing.length !== spot.missing.length) return changed;
  if (now.stat === undefined && spot.stat === undefined) return ok(null);
  if (now.stat === undefined || spot.stat === undefined) return changed;
  return sameObject(now.stat, spot.stat) ? ok(null) : changed;
};
