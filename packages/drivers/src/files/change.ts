/**
 * The targets that change: write, mkdir, copy, move, delete, restore. Each only draws up changes;
 * the engine makes them.
 *
 * Nothing is overwritten by copy and move. A file with several names is not written. Folders of the
 * session itself, and what holds a masked folder, stay where they are.
 */
import { type ContentRef } from "@ioi/wire";
import { equalBytes, ok, type Result } from "@ioi/base";
import { type ActContext, type ActReport, refused } from "../core/driver.ts";
import { treeDigest } from "../effects/digest.ts";
import type { EffectEngine, EffectReport } from "../effects/engine.ts";
import { parentOf, pathsOf } from "../effects/folders.ts";
import { type Planned, plannedPut } from "../effects/plan.ts";
import { planUndo } from "../effects/undo.ts";
import { capture, type Captured } from "../fs/entries.ts";
import { type DriverRejection, isWithin, recheck, reject, type Spot } from "../fs/roots.ts";
import { hasDotNames, readTree, type TreeItem, type TreeOptions } from "../fs/tree.ts";
import { copyBytesMax, snapshotBytesMax } from "../limits.ts";
import { type Before, changedSince } from "./before.ts";
import type { Change, Effect, Entry, FolderTimes } from "../vault/record.ts";

type Changes = Result<readonly Planned[], DriverRejection>;

interface Report {
  readonly bytes: number;
  readonly result: ActReport["result"];
}

const reportOf = (effect: EffectReport, of: Report): ActReport => {
  const { error } = effect;
  return {
    status: effect.status === "no-effect" && error !== undefined ? "no-effect" : effect.status,
    ...(error === undefined ? {} : { code: error.code, message: error.message }),
    result: effect.status === "confirmed" ? of.result : {},
    bytes: effect.status === "confirmed" ? of.bytes : 0,
    reversible: effect.reversible,
    evidence: {
      filesChanged: String(effect.changed.length),
      snapshotBytes: String(effect.snapshotBytes),
      bytes: String(of.bytes),
    },
  };
};

/** Draws up under a fresh look, then performs; a plan that cannot be made is a refusal. */
const perform = async (
  engine: EffectEngine,
  target: string,
  context: ActContext,
  changes: Changes,
  report: Report,
  undo?: { readonly undoes: bigint; readonly folders: readonly FolderTimes[] },
): Promise<ActReport> => {
  if (!changes.ok) return refused(changes.error);
  const effect = await engine.perform({
    counter: context.counter,
    actionId: context.actionId,
    target,
    changes: changes.value,
    snapshot: context.obligations.has("snapshot"),
    signal: context.signal,
    ...undo,
  });
  return reportOf(effect, report);
};

const captureSpot = (
  spot: Spot,
  signal: AbortSignal,
): Promise<Result<Captured, DriverRejection>> | undefined =>
  spot.object === undefined
    ? undefined
    : capture(spot.parent, spot.name, spot.object, true, signal);

const noParent = (spot: Spot): DriverRejection | undefined =>
  spot.missing.length === 0
    ? undefined
    : reject("E_FS_NO_PARENT", `the folder of ${spot.place.path} does not exist`).error;

const planWrite = async (
  engine: EffectEngine,
  spot: Spot,
  looked: Before,
  args: { readonly content: ContentRef; readonly create: "new" | "replace" | "any" },
  context: ActContext,
): Promise<Changes> => {
  const { path } = spot.place;
  const checked = recheck(engine.roots, spot);
  if (!checked.ok) return checked;
  const missing = noParent(spot);
  if (missing !== undefined) return { ok: false, error: missing };
  const { length: size, sha256 } = args.content;
  const source = { type: "bytes", bytes: context.content } as const;
  if (spot.object === undefined || spot.stat === undefined) {
    if (args.create === "replace") return reject("E_FS_NOT_FOUND", `${path} does not exist`);
    const after: Entry = { kind: "file", mode: 0o644, size, sha256 };
    return ok([plannedPut(path, undefined, after, source)]);
  }
  if (args.create === "new") return reject("E_FS_EXISTS", `${path} exists already`);
  if (spot.stat.isDirectory()) return reject("E_FS_IS_A_DIRECTORY", `${path} is a folder`);
  if (spot.stat.isSymbolicLink()) return reject("E_FS_SYMLINK", `${path} is a symbolic link`);
  if (spot.stat.nlink > 1n) {
    return reject("E_FS_HARD_LINK", `${path} is one of ${spot.stat.nlink} names of its file`);
  }
  const before = await captureSpot(spot, context.signal);
  if (before === undefined || !before.ok) return before ?? reject("E_FS_CHANGED", path);
  const changed = changedSince(path, looked, before.value);
  if (changed !== undefined) return changed;
  const { mode, uid, gid, attributes } = before.value.entry;
  const after: Entry = {
    kind: "file",
    // New content never inherits the right to run as somebody else.
    mode: mode & 0o1777,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    size,
    sha256,
    ...(attributes === undefined ? {} : { attributes }),
  };
  return ok([plannedPut(path, before.value, after, source)]);
};

export const writeTarget = async (
  engine: EffectEngine,
  spot: Spot,
  looked: Before,
  args: { readonly content: ContentRef; readonly create: "new" | "replace" | "any" },
  context: ActContext,
): Promise<ActReport> => {
  const bytes = context.content.length;
  const plan = await planWrite(engine, spot, looked, args, context);
  return perform(engine, "fs::write", context, plan, { bytes, result: { bytes } });
};

const planMkdir = (engine: EffectEngine, spot: Spot): Changes => {
  const { path } = spot.place;
  const checked = recheck(engine.roots, spot);
  if (!checked.ok) return checked;
  if (spot.object !== undefined) return reject("E_FS_EXISTS", `${path} exists already`);
  const names = [...spot.missing, spot.name];
  const above = path.slice(0, path.length - names.join("/").length - 1);
  const changes: Planned[] = [];
  for (let count = 1; count <= names.length; count++) {
    const made = `${above}/${names.slice(0, count).join("/")}`;
    changes.push(plannedPut(made, undefined, { kind: "directory", mode: 0o755 }));
  }
  return ok(changes);
};

export const mkdirTarget = (
  engine: EffectEngine,
  spot: Spot,
  context: ActContext,
): Promise<ActReport> =>
  perform(engine, "fs::mkdir", context, planMkdir(engine, spot), { bytes: 0, result: {} });

/** Source and destination as the action names them, checked once more. */
const checkPair = (
  engine: EffectEngine,
  from: Spot,
  to: Spot,
): Result<{ readonly object: NonNullable<Spot["object"]> }, DriverRejection> => {
  for (const spot of [from, to]) {
    const checked = recheck(engine.roots, spot);
    if (!checked.ok) return checked;
  }
  if (from.object === undefined) {
    return reject("E_FS_NOT_FOUND", `${from.place.path} does not exist`);
  }
  const missing = noParent(to);
  if (missing !== undefined) return { ok: false, error: missing };
  if (isWithin(to.place.path, from.place.path)) {
    return reject("E_FS_INTO_ITSELF", `${to.place.path} lies in ${from.place.path}`);
  }
  if (to.object !== undefined) return reject("E_FS_EXISTS", `${to.place.path} exists already`);
  return ok({ object: from.object });
};

/** What is taken whole: a file, or a folder with all that is in it. */
export interface Whole {
  readonly spot: Spot;
  /** What `prepare` said of the names below, on which the policy decided. */
  readonly dotNames: boolean | undefined;
}

/** The tree below, unless it holds now what it was said not to hold. */
const readWhole = async (
  engine: EffectEngine,
  { spot, dotNames }: Whole,
  object: NonNullable<Spot["object"]>,
  options: TreeOptions,
): Promise<Result<readonly TreeItem[], DriverRejection>> => {
  const items = await readTree(engine.roots, { ...spot, object }, options);
  if (items.ok && dotNames === false && hasDotNames(items.value)) {
    return reject("E_FS_CHANGED", `${spot.place.path} holds a name with a leading dot by now`);
  }
  return items;
};

const under = (path: string, from: string, to: string): string => to + path.slice(from.length);

/** The same tree under another name; with `whole` also owners, times and attributes. */
const copies = (
  items: readonly TreeItem[],
  from: string,
  to: string,
  whole: boolean,
): readonly Planned[] =>
  items.map(({ path, entry }) => {
    const { kind, mode, size, sha256, target } = entry;
    const after: Entry = whole
      ? entry
      : {
          kind,
          mode: kind === "symlink" ? 0o777 : mode & 0o1777,
          ...(size === undefined ? {} : { size }),
          ...(sha256 === undefined ? {} : { sha256 }),
          ...(target === undefined ? {} : { target }),
        };
    const source = kind === "file" ? ({ type: "path", path } as const) : undefined;
    return plannedPut(under(path, from, to), undefined, after, source);
  });

const removals = (items: readonly TreeItem[]): readonly Planned[] =>
  items.toReversed().map((item) => plannedPut(item.path, item, undefined));

const contentBytes = (items: readonly TreeItem[]): number =>
  items.reduce((sum, { entry }) => sum + (entry.kind === "file" ? (entry.size ?? 0) : 0), 0);

export const copyTarget = async (
  engine: EffectEngine,
  whole: Whole,
  to: Spot,
  context: ActContext,
): Promise<ActReport> => {
  const from = whole.spot;
  const pair = checkPair(engine, from, to);
  if (!pair.ok) return refused(pair.error);
  const { signal } = context;
  const options = { content: true, bytesMax: copyBytesMax, signal };
  const items = await readWhole(engine, whole, pair.value.object, options);
  if (!items.ok) return refused(items.error);
  const bytes = contentBytes(items.value);
  const plan = copies(items.value, from.place.path, to.place.path, false);
  return perform(engine, "fs::copy", context, ok(plan), { bytes, result: { bytes } });
};

export const moveTarget = async (
  engine: EffectEngine,
  whole: Whole,
  to: Spot,
  context: ActContext,
): Promise<ActReport> => {
  const from = whole.spot;
  const pair = checkPair(engine, from, to);
  if (!pair.ok) return refused(pair.error);
  const { object } = pair.value;
  const { signal } = context;
  const items = await readWhole(engine, whole, object, { content: false, bytesMax: 0, signal });
  if (!items.ok) return refused(items.error);
  const [top] = items.value;
  if (top === undefined) return refused(reject("E_FS_CHANGED", "nothing to move").error);
  const change: Change = {
    type: "rename",
    from: from.place.path,
    to: to.place.path,
    entry: top.entry,
    ...(top.entry.kind === "directory" ? { digest: treeDigest(items.value) } : {}),
    made: false,
  };
  const plan = ok([{ change, identity: top.identity }]);
  const report = { bytes: 0, result: { moved: items.value.length } };
  const moved = await perform(engine, "fs::move", context, plan, report);
  return moved.code === "E_FS_OTHER_DEVICE"
    ? moveAcross(engine, whole, object, to, context)
    : moved;
};

/** Between two mounts a move is a copy and a removal, in one effect. */
const moveAcross = async (
  engine: EffectEngine,
  whole: Whole,
  object: NonNullable<Spot["object"]>,
  to: Spot,
  context: ActContext,
): Promise<ActReport> => {
  const from = whole.spot;
  const { signal } = context;
  const bytesMax = copyBytesMax;
  const items = await readWhole(engine, whole, object, { content: true, bytesMax, signal });
  if (!items.ok) return refused(items.error);
  const plan = [
    ...copies(items.value, from.place.path, to.place.path, true),
    ...removals(items.value),
  ];
  const report = { bytes: contentBytes(items.value), result: { moved: items.value.length } };
  return perform(engine, "fs::move", context, ok(plan), report);
};

export const deleteTarget = async (
  engine: EffectEngine,
  whole: Whole & { readonly before: Before },
  context: ActContext,
): Promise<ActReport> => {
  const { spot } = whole;
  const checked = recheck(engine.roots, spot);
  if (!checked.ok) return refused(checked.error);
  const { object } = spot;
  const { path } = spot.place;
  if (object === undefined) {
    return refused(reject("E_FS_NOT_FOUND", `${path} does not exist`).error);
  }
  const { signal } = context;
  const bytesMax = snapshotBytesMax;
  const items = await readWhole(engine, whole, object, { content: true, bytesMax, signal });
  if (!items.ok) return refused(items.error);
  const [top] = items.value;
  const changed = top?.entry.kind === "file" ? changedSince(path, whole.before, top) : undefined;
  if (changed !== undefined) return refused(changed.error);
  const report = {
    bytes: contentBytes(items.value),
    result: { deleted: items.value.length },
  };
  return perform(engine, "fs::delete", context, ok(removals(items.value)), report);
};

const ancestors = function* (path: string): Generator<string> {
  for (let at = path; at !== "/"; at = parentOf(at)) yield at;
  yield "/";
};

/**
 * A path that an effect touched and that an undo does not name. What lies below a named path is
 * named with it, and so is a folder above one that the effect made on the way.
 */
export const uncovered = (record: Effect, paths: readonly string[]): string | undefined => {
  const named = new Set(paths);
  const above = new Set(paths.flatMap((each) => [...ancestors(each)]));
  const covered = (path: string): boolean => {
    for (const each of ancestors(path)) if (named.has(each)) return true;
    return false;
  };
  for (const change of record.changes) {
    const made = change.type === "put" && change.after?.kind === "directory";
    const missing = pathsOf(change).find((path) => !covered(path) && !(made && above.has(path)));
    if (missing !== undefined) return missing;
  }
  return undefined;
};

export const restoreTarget = async (
  engine: EffectEngine,
  args: { readonly counter: bigint; readonly paths: readonly string[] },
  prepared: Uint8Array,
  context: ActContext,
): Promise<ActReport> => {
  const record = restorable(engine, args);
  if (!record.ok) return refused(record.error);
  if (!equalBytes(record.value.actionId, prepared)) {
    return refused(reject("E_FS_CHANGED", "the record of the effect changed").error);
  }
  const plan = await planUndo(engine.roots, record.value, context.signal);
  if (!plan.ok) return refused(plan.error);
  const { changes, folders } = plan.value;
  const restored = [...new Set(changes.flatMap(({ change }) => pathsOf(change)))];
  const undo = { undoes: args.counter, folders };
  const report = { bytes: 0, result: { restored } };
  return perform(engine, "fs::restore", context, ok(changes), report, undo);
};

/** The record of an effect that can be undone, or why there is none. */
export const restorable = (
  engine: EffectEngine,
  args: { readonly counter: bigint; readonly paths: readonly string[] },
): Result<Effect, DriverRejection> => {
  if (engine.vault.isForgotten(args.counter)) {
    return reject(
      "E_RESTORE_FORGOTTEN",
      `what undo needs of the effect ${args.counter} is not kept any more`,
    );
  }
  const record = engine.vault.readRecord(args.counter);
  if (record === undefined || (record.phase !== "confirmed" && record.phase !== "partial")) {
    return reject("E_RESTORE_UNKNOWN", `nothing to undo under counter ${args.counter}`);
  }
  if (!record.reversible) {
    return reject("E_RESTORE_IRREVERSIBLE", `the effect ${args.counter} was made without a copy`);
  }
  const missing = uncovered(record, args.paths);
  if (missing !== undefined) {
    return reject("E_RESTORE_PATHS", `the effect ${args.counter} touched ${missing} as well`);
  }
  return ok(record);
};
