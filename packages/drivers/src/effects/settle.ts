/**
 * What became of an effect whose outcome was lost: the intent says what was going to happen, the
 * world says how far it came. Temporary names of a crash are taken away, so that nothing is left
 * behind. Settling again gives the same answer.
 */
import { capture, difference } from "../fs/entries.ts";
import { errnoOf, openPathIfAny, removeName, rename, statFd } from "../fs/syscalls.ts";
import type { Change, Effect, Entry, Put } from "../vault/record.ts";
import type { EffectEngine } from "./engine.ts";
import {
  closeFolders,
  finishFolders,
  look,
  parentOf,
  setFolderTimes,
  standingFolders,
} from "./folders.ts";

export interface Settlement {
  readonly status: "confirmed" | "partial" | "no-effect" | "unknown";
  readonly reversible: boolean;
}

type Found = "made" | "not made" | "neither";

const matches = async (
  engine: EffectEngine,
  path: string,
  state: Entry | undefined,
): Promise<boolean> => {
  using spot = look(engine.roots, path);
  if (spot?.object === undefined || state === undefined) {
    return spot?.object === undefined && state === undefined;
  }
  const signal = new AbortController().signal;
  const present = await capture(spot.parent, spot.name, spot.object, true, signal);
  if (!present.ok) return false;
  const loose =
    state.kind === "directory" ? { ...present.value.entry, mode: state.mode } : present.value.entry;
  return difference(state, loose) === undefined;
};

/**
 * Takes away, or puts back, what a crash left beside the path. Returns the folder where nobody else
 * changed a name since (its times are then only ours to put back).
 */
const clearTemporary = async (engine: EffectEngine, put: Put): Promise<string | undefined> => {
  using spot = look(engine.roots, put.path);
  if (spot === undefined || spot.missing.length > 0) return undefined;
  using left = openPathIfAny(spot.parent, put.temporary);
  if (left === undefined) return undefined;
  const ours = statFd(spot.parent).mtimeNs <= statFd(left).ctimeNs;
  try {
    if (spot.object === undefined && put.after === undefined) {
      // Set aside for removal, not removed: it goes back, the change was not made.
      rename(spot.parent, put.temporary, spot.parent, spot.name, "noreplace");
    } else removeName(spot.parent, put.temporary, "other");
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
  return ours ? parentOf(put.path) : undefined;
};

const examine = async (engine: EffectEngine, change: Change): Promise<Found> => {
  if (change.type === "rename") {
    const there = await matches(engine, change.to, change.entry);
    const here = await matches(engine, change.from, change.entry);
    if (there && !here) return "made";
    return here && !there ? "not made" : "neither";
  }
  // `before` is the stricter of the two: it has the modification time.
  if (await matches(engine, change.path, change.before)) return "not made";
  return (await matches(engine, change.path, change.after)) ? "made" : "neither";
};

/** Clears the temporaries of all changes; folders that only this touched get their times back. */
const clear = async (engine: EffectEngine, intent: Effect): Promise<void> => {
  const cleared = new Set<string>();
  for (const change of intent.changes) {
    const folder = change.type === "put" ? await clearTemporary(engine, change) : undefined;
    if (folder !== undefined) cleared.add(folder);
  }
  for (const { path, before } of [...intent.folders, ...standingFolders(intent.changes)]) {
    if (cleared.has(path)) setFolderTimes(engine.roots, path, before);
  }
};

const conclude = async (engine: EffectEngine, intent: Effect): Promise<Settlement> => {
  await clear(engine, intent);
  const found: Found[] = [];
  for (const change of intent.changes) found.push(await examine(engine, change));
  const made = (index: number): boolean => found[index] === "made";
  finishFolders(
    engine.roots,
    intent.changes.filter((_, index) => made(index)),
  );
  closeFolders(
    engine.roots,
    intent.changes.filter((_, index) => found[index] === "not made"),
  );
  if (found.every((each) => each === "not made")) {
    return finishRecord(engine, { ...intent, phase: "no-effect", changes: [], reversible: false });
  }
  const record = await engine.measuredRecord(intent, made);
  return found.includes("neither")
    ? finishRecord(engine, { ...record, phase: "unknown", reversible: false })
    : finishRecord(engine, record);
};

const finishRecord = (engine: EffectEngine, record: Effect): Settlement => {
  engine.vault.writeRecord(record);
  if (record.phase === "no-effect") engine.vault.dropBlobs(record.counter);
  return settlementOf(record);
};

const settlementOf = (record: Effect): Settlement => {
  const { phase, reversible } = record;
  if (phase === "running") return { status: "no-effect", reversible: false };
  return phase === "intent"
    ? { status: "unknown", reversible: false }
    : { status: phase, reversible };
};

/**
 * The answer for one counter. A counter that never began an effect had none; one that the vault
 * has forgotten is unknown, and so is one that another instance is performing.
 */
export const settle = async (engine: EffectEngine, counter: bigint): Promise<Settlement> => {
  const { vault } = engine;
  const state = vault.state(counter);
  if (state !== "taken") {
    return { status: state === "free" ? "no-effect" : "unknown", reversible: false };
  }
  const known = vault.readRecord(counter);
  if (known !== undefined) return settlementOf(known);
  if (!vault.owns(counter)) return { status: "unknown", reversible: false };
  using held = vault.hold(counter);
  if (held === undefined) return { status: "unknown", reversible: false };
  // The act may have ended while its lock was waited for.
  const record = vault.readRecord(counter);
  if (record !== undefined) return settlementOf(record);
  const intent = vault.readIntent(counter);
  if (intent === undefined || intent.phase === "running") {
    vault.writeNothing(intent ?? { counter, target: "", actionId: new Uint8Array(32) }, 0);
    return { status: "no-effect", reversible: false };
  }
  try {
    return await conclude(engine, intent);
  } catch (error) {
    // What cannot be looked at cannot be told; it stays open, and is asked again.
    if (errnoOf(error) === undefined) throw error;
    return { status: "unknown", reversible: false };
  }
};

/** Counters that a former instance claimed and left without a record. */
export const unfinished = (engine: EffectEngine): readonly bigint[] =>
  engine.vault.counters().filter((counter) => engine.vault.readRecord(counter) === undefined);
