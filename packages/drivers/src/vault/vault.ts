/**
 * The vault of one session: what undo needs, and the journal of effects. One folder per driver
 * kind, in it one per ticket counter with `intent` (durable before the effect), `record` (what became of it) and the copies
 * `blob-N`. A driver writes below its own kind and reads below all (the files driver undoes what a
 * command did); no command of an agent can see any of it.
 *
 * Invariants: a counter is claimed once, ever (the folder's creation is the claim; pruned counters
 * stand below `horizon`); `intent` is durable before anything changes; a record is replaced, never
 * edited. Bounds: `vaultBytesMax`, `vaultAgeMsMax`, `snapshotBytesMax`.
 */
import fs from "node:fs";
import path from "node:path";
import { OperationError } from "@ioi/base";
import { type DriverKind, schema } from "@ioi/wire";
import { vaultAgeMsMax, vaultBytesMax } from "../limits.ts";
import { errnoOf, Fd, operationError, tryLock } from "../fs/syscalls.ts";
import { type Effect, effect } from "./record.ts";

const FORMAT = '{"format":1}\n';
const recordBytesMax = 16_777_216;

const syncDirectory = (folder: string): void => {
  using fd = new Fd(fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY));
  fs.fsyncSync(fd.number);
};

const writeDurable = (folder: string, name: string, bytes: Uint8Array): void => {
  const temporary = path.join(folder, `${name}.new`);
  {
    using fd = new Fd(fs.openSync(temporary, "w", 0o600));
    fs.writeFileSync(fd.number, bytes);
    fs.fsyncSync(fd.number);
  }
  fs.renameSync(temporary, path.join(folder, name));
  syncDirectory(folder);
};

const readIfAny = (file: string): Uint8Array | undefined => {
  try {
    if (fs.statSync(file).size > recordBytesMax) return undefined;
    return fs.readFileSync(file);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
};

const counterName = (counter: bigint): string => counter.toString().padStart(20, "0");

const kinds: readonly DriverKind[] = ["files", "exec", "shell"];

export class Vault {
  readonly path: string;
  readonly #kind: DriverKind;

  /** Makes the folder where it is not there; a newer format is refused untouched. */
  constructor(folder: string, kind: DriverKind) {
    this.path = folder;
    this.#kind = kind;
    fs.mkdirSync(path.join(folder, kind), { recursive: true, mode: 0o700 });
    const format = readIfAny(path.join(folder, "FORMAT"));
    if (format === undefined) writeDurable(folder, "FORMAT", Buffer.from(FORMAT));
    else if (Buffer.from(format).toString() !== FORMAT) {
      throw new OperationError(
        "E_VAULT_FORMAT",
        `${folder} has a format this version does not know`,
      );
    }
  }

  /** The folder of an effect of this driver's kind. */
  folderOf(counter: bigint): string {
    return path.join(this.path, this.#kind, counterName(counter));
  }

  /** The folder of an effect of any kind; its own where there is none. */
  findFolder(counter: bigint): string {
    const folders = kinds.map((kind) => path.join(this.path, kind, counterName(counter)));
    return folders.find((folder) => fs.existsSync(folder)) ?? this.folderOf(counter);
  }

  blobPath(counter: bigint, blob: number): string {
    return path.join(this.findFolder(counter), `blob-${blob}`);
  }

  /**
   * Takes a counter for one act; undefined where it was taken before. While it is held no other
   * instance on this vault settles the effect; it ends with the process at the latest.
   */
  claim(counter: bigint): Disposable | undefined {
    if (counter <= this.#horizon()) return undefined;
    try {
      fs.mkdirSync(this.folderOf(counter), { mode: 0o700 });
    } catch (error) {
      if (errnoOf(error) === "EEXIST") return undefined;
      throw operationError(error, "the vault cannot take an effect");
    }
    return this.hold(counter);
  }

  /** The effect of a counter, for nobody else meanwhile; undefined where an act is under way. */
  hold(counter: bigint): Disposable | undefined {
    const fd = new Fd(fs.openSync(this.folderOf(counter), "r"));
    if (tryLock(fd)) return fd;
    fd[Symbol.dispose]();
    return undefined;
  }

  /** Durable on return. The last one wins. */
  writeIntent(intent: Effect): void {
    this.#write(intent, "intent");
    syncDirectory(path.join(this.path, this.#kind));
  }

  writeRecord(record: Effect): void {
    this.#write(record, "record");
  }

  dropRecord(counter: bigint): void {
    const folder = this.folderOf(counter);
    if (!fs.existsSync(path.join(folder, "record"))) return;
    fs.rmSync(path.join(folder, "record"));
    syncDirectory(folder);
  }

  readIntent(counter: bigint): Effect | undefined {
    return this.#read(counter, "intent");
  }

  /** Of an effect of any kind. */
  readRecord(counter: bigint): Effect | undefined {
    return this.#read(counter, "record");
  }

  /** `free`: never acted on. `pruned`: forgotten. */
  state(counter: bigint): "free" | "taken" | "pruned" {
    if (fs.existsSync(this.findFolder(counter))) return "taken";
    return counter <= this.#horizon() ? "pruned" : "free";
  }

  /** There was such an effect, of any kind, and its copies are not kept any more. */
  isForgotten(counter: bigint): boolean {
    if (fs.existsSync(this.findFolder(counter))) return false;
    return kinds.some((kind) => counter <= horizonOf(path.join(this.path, kind)));
  }

  /** An effect that did not happen: its copies go, its counter stays taken. */
  writeNothing(
    of: { readonly counter: bigint; readonly target: string; readonly actionId: Uint8Array },
    atMs: number,
  ): void {
    this.dropBlobs(of.counter);
    this.writeRecord({
      version: 1,
      counter: of.counter,
      target: of.target,
      actionId: of.actionId,
      phase: "no-effect",
      atMs,
      reversible: false,
      changes: [],
      folders: [],
    });
  }

  /** The effect is of this driver's kind. */
  owns(counter: bigint): boolean {
    return fs.existsSync(this.folderOf(counter));
  }

  /** Drops the copies of an effect; its claim stays. */
  dropBlobs(counter: bigint): void {
    const folder = this.folderOf(counter);
    for (const name of fs.readdirSync(folder)) {
      if (name.startsWith("blob-")) fs.rmSync(path.join(folder, name), { force: true });
    }
  }

  counters(): readonly bigint[] {
    return countersIn(path.join(this.path, this.#kind));
  }

  #horizon(): bigint {
    return horizonOf(path.join(this.path, this.#kind));
  }

  #write(value: Effect, name: string): void {
    try {
      writeDurable(this.folderOf(value.counter), name, schema.encode(effect, value));
    } catch (error) {
      throw operationError(error, "the vault cannot be written");
    }
  }

  #read(counter: bigint, name: string): Effect | undefined {
    const bytes = readIfAny(path.join(this.findFolder(counter), name));
    if (bytes === undefined) return undefined;
    const decoded = schema.decode(effect, bytes);
    // A record that does not read is no record: what became of the effect is examined again.
    return decoded.ok ? decoded.value : undefined;
  }
}

const countersIn = (folder: string): readonly bigint[] => {
  return fs
    .readdirSync(folder)
    .filter((name) => /^[0-9]{20}$/.test(name))
    .map((name) => BigInt(name))
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
};

const horizonOf = (folder: string): bigint => {
  const bytes = readIfAny(path.join(folder, "horizon"));
  return bytes === undefined ? -1n : BigInt(Buffer.from(bytes).toString().trim());
};

interface Kept {
  /** The session's folder. */
  readonly vault: string;
  /** Of one kind in one session. */
  readonly effects: string;
  readonly counter: bigint;
  readonly folder: string;
  readonly bytes: number;
  readonly atMs: number;
}

/** Bytes on disk below a folder; what cannot be read, or goes away meanwhile, counts as nothing. */
export const bytesBelow = (folder: string): number => {
  let bytes = 0;
  const open = [folder];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const each of entriesOf(next)) {
      const child = path.join(next, each.name);
      if (each.isDirectory()) open.push(child);
      else if (each.isFile()) {
        bytes += (fs.lstatSync(child, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
      }
    }
  }
  return bytes;
};

const entriesOf = (folder: string): readonly fs.Dirent[] => {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
};

const keptIn = (vaults: string): Kept[] => {
  const kept: Kept[] = [];
  const sessions = fs.readdirSync(vaults, { withFileTypes: true }).filter((s) => s.isDirectory());
  const folders = sessions.flatMap(({ name }) =>
    kinds.map((kind) => ({ vault: name, effects: path.join(vaults, name, kind) })),
  );
  for (const { vault, effects } of folders.filter((each) => fs.existsSync(each.effects))) {
    for (const counter of countersIn(effects)) {
      const folder = path.join(effects, counterName(counter));
      const atMs = Math.trunc(fs.statSync(folder).mtimeMs);
      kept.push({ vault, effects, counter, folder, bytes: bytesBelow(folder), atMs });
    }
  }
  return kept.sort((a, b) => a.atMs - b.atMs || (a.counter < b.counter ? -1 : 1));
};

const isHeld = (folder: string): boolean => {
  using fd = new Fd(fs.openSync(folder, "r"));
  return !tryLock(fd);
};

const forget = (victim: Kept): void => {
  if (victim.counter > horizonOf(victim.effects)) {
    writeDurable(victim.effects, "horizon", Buffer.from(`${victim.counter}\n`));
  }
  fs.rmSync(victim.folder, { recursive: true, force: true });
};

export interface PruneOptions {
  readonly bytesMax?: number;
  readonly ageMsMax?: number;
  /** Vaults of sessions whose drivers run: they count, and are left alone. */
  readonly busy?: ReadonlySet<string>;
}

/**
 * Forgets the oldest effects of all sessions below `vaults` until age and size are within bounds.
 * An effect that is still being made is left alone; one that nobody settled goes by age only.
 */
export const pruneVault = (
  vaults: string,
  nowMs: number,
  options: PruneOptions = {},
): { readonly forgotten: number; readonly bytes: number } => {
  const { bytesMax = vaultBytesMax, ageMsMax = vaultAgeMsMax, busy } = options;
  const kept = keptIn(vaults);
  let bytes = kept.reduce((sum, each) => sum + each.bytes, 0);
  let forgotten = 0;
  for (const each of kept) {
    if (busy?.has(each.vault) === true) continue;
    if (bytes <= bytesMax && nowMs - each.atMs <= ageMsMax) continue;
    const settled = fs.existsSync(path.join(each.folder, "record"));
    if (!settled && (nowMs - each.atMs <= ageMsMax || isHeld(each.folder))) continue;
    forget(each);
    bytes -= each.bytes;
    forgotten += 1;
  }
  return { forgotten, bytes };
};
