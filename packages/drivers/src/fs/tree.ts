/**
 * A folder tree as a list, parents first, names in code unit order. Never follows a link; bounded in
 * entries and depth; special files and names that are not UTF-8 are refused, because what cannot be
 * recorded cannot be undone.
 */
import { ok, type Result } from "@ioi/base";
import { effectEntriesMax, treeDepthMax } from "../limits.ts";
import { breathe, capture, type Captured } from "./entries.ts";
import { type DriverRejection, isWithin, type Place, reject, type Roots } from "./roots.ts";
import { errnoOf, type Fd, openPath, openPathIfAny, readNames, statFd } from "./syscalls.ts";

export interface TreeItem extends Captured {
  readonly path: string;
}

export interface TreeOptions {
  /** Hash the content of files. */
  readonly content: boolean;
  readonly bytesMax: number;
  readonly signal: AbortSignal;
}

class Walk {
  readonly items: TreeItem[] = [];
  readonly #options: TreeOptions;
  readonly #device: bigint;
  #bytes = 0;

  constructor(options: TreeOptions, device: bigint) {
    this.#options = options;
    this.#device = device;
  }

  async visit(
    parent: Fd,
    name: string,
    object: Fd,
    path: string,
    depth: number,
  ): Promise<Result<null, DriverRejection>> {
    if (depth > treeDepthMax) return reject("E_FS_TOO_LARGE", `${path} is too deep`);
    if (this.items.length >= effectEntriesMax) {
      return reject("E_FS_TOO_LARGE", `more than ${effectEntriesMax} entries below this folder`);
    }
    const stat = statFd(object);
    if (stat.dev !== this.#device) return reject("E_FS_SPECIAL", `${path} is another file system`);
    if (stat.isFile()) this.#bytes += Number(stat.size);
    if (this.#options.content && this.#bytes > this.#options.bytesMax) {
      return reject(
        "E_FS_TOO_LARGE",
        `more than ${this.#options.bytesMax} bytes below this folder`,
      );
    }
    const { content, signal } = this.#options;
    const captured = await capture(parent, name, object, content, signal);
    if (!captured.ok) return captured;
    this.items.push({ path, ...captured.value });
    if (this.items.length % 64 === 0) await breathe(signal);
    return stat.isDirectory() ? this.#children(object, path, depth) : ok(null);
  }

  async #children(folder: Fd, path: string, depth: number): Promise<Result<null, DriverRejection>> {
    const names: string[] = [];
    for (const { name } of readNames(folder)) {
      if (name === undefined) return reject("E_FS_NAME", `a name in ${path} is not UTF-8`);
      if (names.length >= effectEntriesMax) {
        return reject("E_FS_TOO_LARGE", `more than ${effectEntriesMax} entries in ${path}`);
      }
      names.push(name);
    }
    for (const name of names.sort()) {
      using child = openPath(folder, name);
      const visited = await this.visit(folder, name, child, `${path}/${name}`, depth + 1);
      if (!visited.ok) return visited;
    }
    return ok(null);
  }
}

/** Everything at and below an object that stands at `place`. */
export const readTree = async (
  roots: Roots,
  spot: { readonly parent: Fd; readonly name: string; readonly object: Fd; readonly place: Place },
  options: TreeOptions,
): Promise<Result<readonly TreeItem[], DriverRejection>> => {
  const { path } = spot.place;
  if (roots.holdsMask(path)) {
    return reject("E_FS_OUTSIDE", `${path} holds something that no driver may touch`);
  }
  if (roots.all.some((root) => isWithin(root.path, path))) {
    return reject("E_FS_ROOT", `${path} is, or holds, a folder of this session itself`);
  }
  const walk = new Walk(options, statFd(spot.object).dev);
  const visited = await walk.visit(spot.parent, spot.name, spot.object, path, 0);
  return visited.ok ? ok(walk.items) : visited;
};

/**
 * Whether some name below a folder begins with a dot. What cannot be looked through within the
 * bounds of an effect counts as holding one.
 */
export const holdsDotNames = (top: Fd): boolean => {
  let entries = 0;
  const below = (folder: Fd, depth: number): boolean => {
    if (depth > treeDepthMax) return true;
    for (const { name, mayBeFolder } of readNames(folder)) {
      entries += 1;
      if (name === undefined || name.startsWith(".") || entries > effectEntriesMax) return true;
      if (!mayBeFolder) continue;
      using child = openPathIfAny(folder, name);
      if (child === undefined || !statFd(child).isDirectory()) continue;
      if (below(child, depth + 1)) return true;
    }
    return false;
  };
  try {
    return below(top, 0);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return true;
  }
};

/** The same of a tree that was read, whose first item is its top. */
export const hasDotNames = (items: readonly TreeItem[]): boolean => {
  const length = items[0]?.path.length ?? 0;
  return items.some(({ path }) => path.slice(length).includes("/."));
};
