/**
 * Undo: the changes of a recorded effect, backwards. It is planned only where the present state is
 * exactly what the effect left; else it is refused before anything changes.
 */
import { equalBytes, ok, type Result } from "@ioi/base";
import { capture, difference, type Identity } from "../fs/entries.ts";
import { type DriverRejection, reject, type Roots, type Spot } from "../fs/roots.ts";
import { readTree } from "../fs/tree.ts";
import { readNames } from "../fs/syscalls.ts";
import type { Change, Effect, Entry, FolderTimes, Put, Rename } from "../vault/record.ts";
import { look, untouchedFolders } from "./folders.ts";
import { type Planned, type Source, temporaryName } from "./plan.ts";
import { treeDigest } from "./digest.ts";

const backwardsPut = (
  change: Put,
  counter: bigint,
  identity: Identity | undefined,
): Planned | undefined => {
  const { path, before, after } = change;
  const content = before?.kind === "file" && !sameContent(before, after);
  if (content && change.blob === undefined) return undefined;
  const source: Source | undefined =
    content && change.blob !== undefined ? { type: "blob", counter, blob: change.blob } : undefined;
  return {
    change: {
      type: "put",
      path,
      ...(after === undefined ? {} : { before: after }),
      ...(before === undefined ? {} : { after: before }),
      temporary: temporaryName(),
      made: false,
    },
    ...(identity === undefined ? {} : { identity }),
    ...(source === undefined ? {} : { source }),
  };
};

const sameContent = (a: Entry, b: Entry | undefined): boolean =>
  b?.kind === "file" &&
  a.sha256 !== undefined &&
  b.sha256 !== undefined &&
  equalBytes(a.sha256, b.sha256);

/** The change that takes one change back; undefined where what was lost is not in the vault. */
export const backwards = (
  change: Change,
  counter: bigint,
  identity?: Identity,
): Planned | undefined => {
  if (change.type === "put") return backwardsPut(change, counter, identity);
  const { from, to, entry, digest } = change;
  return {
    change: {
      type: "rename",
      from: to,
      to: from,
      entry,
      ...(digest === undefined ? {} : { digest }),
      made: false,
    },
    ...(identity === undefined ? {} : { identity }),
  };
};

export interface UndoPlan {
  readonly changes: readonly Planned[];
  readonly folders: readonly FolderTimes[];
}

const refuse = (path: string, why: string): ReturnType<typeof reject> =>
  reject("E_RESTORE_CHANGED", `${path}: ${why}; the present state is not what the effect left`);

/** What `path` is once the changes that were planned so far are made. */
type Expected = Map<string, Entry | undefined>;

const checkPresent = async (
  spot: Spot | undefined,
  change: Put,
  signal: AbortSignal,
): Promise<Result<Identity | undefined, DriverRejection>> => {
  const { path, after } = change;
  if (after === undefined) {
    return spot === undefined || spot.object === undefined
      ? ok(undefined)
      : refuse(path, "something stands there again");
  }
  if (spot?.object === undefined) return refuse(path, "it is gone");
  const present = await capture(spot.parent, spot.name, spot.object, true, signal);
  if (!present.ok) return refuse(path, present.error.message);
  const why = difference(after, present.value.entry);
  if (why !== undefined) return refuse(path, why);
  return ok(present.value.identity);
};

/** A folder that undo removes must hold nothing but what undo removes as well. */
const checkEmptied = (spot: Spot | undefined, path: string, expected: Expected) => {
  if (spot?.object === undefined) return ok(null);
  for (const { name } of readNames(spot.object)) {
    const child = `${path}/${name ?? ""}`;
    if (name === undefined || !expected.has(child) || expected.get(child) !== undefined) {
      return refuse(path, `${name ?? "another entry"} was added to it`);
    }
  }
  return ok(null);
};

const planPut = async (
  roots: Roots,
  change: Put,
  counter: bigint,
  expected: Expected,
  signal: AbortSignal,
): Promise<Result<Planned, DriverRejection>> => {
  const { path, before, after } = change;
  let identity: Identity | undefined;
  using spot = look(roots, path);
  if (!expected.has(path)) {
    const present = await checkPresent(spot, change, signal);
    if (!present.ok) return present;
    identity = present.value;
  }
  if (after?.kind === "directory" && before?.kind !== "directory") {
    const emptied = checkEmptied(spot, path, expected);
    if (!emptied.ok) return emptied;
  }
  expected.set(path, before);
  const planned = backwards(change, counter, identity);
  return planned === undefined
    ? reject("E_RESTORE_IRREVERSIBLE", `what stood at ${path} was not kept`)
    : ok(planned);
};

const planRename = async (
  roots: Roots,
  change: Rename,
  counter: bigint,
  signal: AbortSignal,
): Promise<Result<Planned, DriverRejection>> => {
  const { from, to, entry, digest } = change;
  using origin = look(roots, from);
  if (origin === undefined || origin.missing.length > 0) {
    return refuse(from, "the folder it stood in is gone");
  }
  if (origin.object !== undefined) return refuse(from, "something stands there again");
  using spot = look(roots, to);
  if (spot?.object === undefined) return refuse(to, "it is gone");
  const present = await capture(spot.parent, spot.name, spot.object, true, signal);
  if (!present.ok) return refuse(to, present.error.message);
  const why = difference(entry, present.value.entry);
  if (why !== undefined) return refuse(to, why);
  if (digest !== undefined) {
    const items = await readTree(
      roots,
      { ...spot, object: spot.object },
      { content: false, bytesMax: 0, signal },
    );
    if (!items.ok || !equalBytes(treeDigest(items.value), digest)) {
      return refuse(to, "something in it changed");
    }
  }
  return ok(backwards(change, counter, present.value.identity) as Planned);
};

/** The undo of a recorded effect, checked against the present. */
export const planUndo = async (
  roots: Roots,
  record: Effect,
  signal: AbortSignal,
): Promise<Result<UndoPlan, DriverRejection>> => {
  const expected: Expected = new Map();
  const changes: Planned[] = [];
  for (const change of record.changes.toReversed()) {
    if (!change.made) continue;
    const planned =
      change.type === "put"
        ? await planPut(roots, change, record.counter, expected, signal)
        : await planRename(roots, change, record.counter, signal);
    if (!planned.ok) return planned;
    changes.push(planned.value);
    signal.throwIfAborted();
  }
  return ok({ changes, folders: untouchedFolders(roots, record.folders) });
};
