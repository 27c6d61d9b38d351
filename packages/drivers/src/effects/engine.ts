/**
 * Performs an effect: snapshot, durable intent, changes, durable record. Every target that changes
 * files is a list of changes given to this engine; undo is such a list too.
 *
 * Invariants: nothing changes before the intent is durable; with a snapshot everything that is lost
 * has a verified copy in the vault first; a failure half-way is taken back, and what cannot be
 * taken back is reported as `partial`.
 */
import fs from "node:fs";
import { equalBytes, ok, type Rejection, type Result } from "@ioi/base";
import type { ErrorCode } from "../errors.ts";
import { capture, copyBytes, hashOpened } from "../fs/entries.ts";
import { type DriverRejection, reject, type Roots } from "../fs/roots.ts";
import { errnoOf, Fd, reopen, statFd, syncFileSystem } from "../fs/syscalls.ts";
import { effectEntriesMax, snapshotBytesMax, takeBackMsMax } from "../limits.ts";
import type { Change, Effect, Entry, FolderTimes, Put } from "../vault/record.ts";
import type { Vault } from "../vault/vault.ts";
import { apply, type ApplyContext, rejectionOf } from "./apply.ts";
import {
  closeFolders,
  finishFolders,
  foldersOf,
  look,
  measuredFolders,
  openFolders,
  pathsOf,
  setFolderTimes,
  standingFolders,
  syncParents,
} from "./folders.ts";
import type { Planned } from "./plan.ts";
import { backwards } from "./undo.ts";

export interface EngineOptions {
  readonly roots: Roots;
  readonly vault: Vault;
  readonly wallMs: () => number;
  /** Called where a crash would leave the most interesting state; tests throw from it. */
  readonly fault?: (point: string) => void;
}

export interface EffectRequest {
  readonly counter: bigint;
  readonly target: string;
  readonly actionId: Uint8Array;
  readonly changes: readonly Planned[];
  /** The ticket demands that what is lost is kept. */
  readonly snapshot: boolean;
  readonly signal: AbortSignal;
  readonly undoes?: bigint;
  /** Folders that get their times from before back at the end. */
  readonly folders?: readonly FolderTimes[];
}

export interface EffectReport {
  readonly status: "confirmed" | "partial" | "no-effect";
  readonly error?: Rejection<ErrorCode>;
  readonly reversible: boolean;
  readonly changed: readonly string[];
  /** Bytes copied into the vault. */
  readonly snapshotBytes: number;
}

interface Prepared {
  readonly intent: Effect;
  readonly snapshotBytes: number;
}

const sameBytes = (before: Entry, after: Entry | undefined): boolean =>
  after?.kind === "file" &&
  after.sha256 !== undefined &&
  before.sha256 !== undefined &&
  equalBytes(after.sha256, before.sha256);

/** A file's bytes are gone after this change. */
const losesContent = ({ before, after }: Put): boolean =>
  before?.kind === "file" && !sameBytes(before, after);

/** Every byte that is lost has its copy. */
export const isReversible = (changes: readonly Change[]): boolean =>
  changes.every((each) => each.type === "rename" || !losesContent(each) || each.blob !== undefined);

export class EffectEngine {
  readonly #options: EngineOptions;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  get vault(): Vault {
    return this.#options.vault;
  }

  get roots(): Roots {
    return this.#options.roots;
  }

  wallMs(): number {
    return this.#options.wallMs();
  }

  async perform(request: EffectRequest): Promise<EffectReport> {
    const prepared = await this.#prepare(request);
    if (!prepared.ok) return this.#nothing(request, prepared.error);
    const { intent, snapshotBytes } = prepared.value;
    this.#fault("before intent");
    this.vault.writeIntent(intent);
    // A plan that failed without an effect may be followed by another one for the same ticket.
    this.vault.dropRecord(request.counter);
    this.#fault("intent");
    openFolders(this.roots, intent.changes);
    const { made, failure } = await this.#applyAll(request, intent);
    closeFolders(this.roots, intent.changes.slice(made));
    if (made === 0 && failure !== undefined) {
      const foreign = failure.code === "E_FS_CHANGED" || failure.code === "E_FS_EXISTS";
      if (!foreign) this.#setFolders(intent.folders);
      return this.#nothing(request, failure);
    }
    finishFolders(this.roots, intent.changes.slice(0, made));
    this.#setFolders(request.folders ?? []);
    syncParents(this.roots, intent.changes.slice(0, made));
    this.#fault("applied");
    const record = await this.measuredRecord(intent, (index) => index < made);
    this.vault.writeRecord(record);
    return {
      status: failure === undefined ? "confirmed" : "partial",
      ...(failure === undefined ? {} : { error: failure }),
      reversible: record.reversible,
      // Something else in the place of what was there is two changes of one path.
      changed: [...new Set(record.changes.slice(0, made).flatMap(pathsOf))],
      snapshotBytes,
    };
  }

  #fault(point: string): void {
    this.#options.fault?.(point);
  }

  async #applyAll(
    request: EffectRequest,
    intent: Effect,
  ): Promise<{ readonly made: number; readonly failure: DriverRejection | undefined }> {
    const context: ApplyContext = { ...this.#options, signal: request.signal };
    let made = 0;
    for (const planned of request.changes) {
      const done = await apply(context, planned);
      if (!done.ok) {
        // A stop must end within a second; what was made stays, recorded and undoable.
        const stay = done.error.code === "E_ABORTED";
        return {
          made: made === 0 || stay ? made : await this.#takeBack(intent, made),
          failure: done.error,
        };
      }
      made += 1;
      this.#fault("change");
    }
    return { made, failure: undefined };
  }

  /** Undoes the first `made` changes; returns how many could not be undone. */
  async #takeBack(intent: Effect, made: number): Promise<number> {
    const context: ApplyContext = {
      ...this.#options,
      signal: AbortSignal.timeout(takeBackMsMax),
    };
    const undone: Change[] = [];
    for (let left = made; left > 0; left--) {
      const planned = backwards(unfinished(intent.changes[left - 1] as Change), intent.counter);
      if (planned === undefined || !(await apply(context, planned)).ok) return left;
      undone.push(planned.change);
    }
    finishFolders(this.roots, undone);
    return 0;
  }

  /** Copies what would be lost, verifies the copies, and draws up the intent. */
  async #prepare(request: EffectRequest): Promise<Result<Prepared, DriverRejection>> {
    if (request.changes.length > effectEntriesMax) {
      return reject("E_FS_TOO_LARGE", `more than ${effectEntriesMax} entries`);
    }
    const changes: Change[] = [];
    let snapshotBytes = 0;
    let blobs = 0;
    for (const { change } of request.changes) {
      if (!request.snapshot || change.type !== "put" || !losesContent(change)) {
        changes.push(change);
        continue;
      }
      snapshotBytes += change.before?.size ?? 0;
      if (snapshotBytes > snapshotBytesMax) {
        return reject("E_FS_TOO_LARGE", `more than ${snapshotBytesMax} bytes would be lost`);
      }
      const copied = await this.#snapshot(request, change, blobs);
      if (!copied.ok) return copied;
      changes.push({ ...change, blob: blobs++ });
    }
    this.#syncBlobs(request.counter, blobs);
    const intent: Effect = {
      version: 1,
      counter: request.counter,
      target: request.target,
      actionId: request.actionId,
      phase: "intent",
      atMs: this.#options.wallMs(),
      reversible: isReversible(changes),
      changes,
      folders: foldersOf(this.roots, changes),
      ...(request.undoes === undefined ? {} : { undoes: request.undoes }),
    };
    return ok({ intent, snapshotBytes });
  }

  async #snapshot(
    request: EffectRequest,
    change: Put,
    blob: number,
  ): Promise<Result<null, DriverRejection>> {
    using spot = look(this.roots, change.path);
    const { before } = change;
    if (spot?.object === undefined || spot.stat?.isFile() !== true || before === undefined) {
      return reject("E_FS_CHANGED", `${change.path} is not what was prepared`);
    }
    try {
      using from = reopen(spot.object, "file");
      using to = new Fd(fs.openSync(this.vault.blobPath(request.counter, blob), "wx+", 0o600));
      await copyBytes(from, to, before.size ?? 0, request.signal);
      const size = Number(statFd(to).size);
      const hash = await hashOpened(to, size, request.signal);
      if (size === before.size && before.sha256 !== undefined && equalBytes(hash, before.sha256)) {
        return ok(null);
      }
      return reject("E_SNAPSHOT_FAILED", `${change.path} changed while it was copied`);
    } catch (error) {
      if (request.signal.aborted && error === request.signal.reason) {
        return reject("E_ABORTED", "the action was stopped");
      }
      return rejectionOf(error, change.path);
    }
  }

  #syncBlobs(counter: bigint, blobs: number): void {
    for (let blob = 0; blob < blobs; blob++) {
      using fd = new Fd(fs.openSync(this.vault.blobPath(counter, blob), "r"));
      if (blobs > 8) {
        syncFileSystem(fd);
        return;
      }
      fs.fsyncSync(fd.number);
    }
  }

  #setFolders(folders: readonly FolderTimes[]): void {
    for (const folder of folders) setFolderTimes(this.roots, folder.path, folder.before);
  }

  /** The intent with the states that its changes left, as they are now. */
  async measuredRecord(intent: Effect, made: (index: number) => boolean): Promise<Effect> {
    const changes: Change[] = [];
    for (const [index, change] of intent.changes.entries()) {
      changes.push(made(index) ? await this.#measured(change) : { ...change, made: false });
    }
    return {
      ...intent,
      phase: changes.every((change) => change.made) ? "confirmed" : "partial",
      changes,
      folders: measuredFolders(
        this.roots,
        [...intent.folders, ...standingFolders(changes)],
        changes,
      ),
    };
  }

  async #measured(change: Change): Promise<Change> {
    const left = change.type === "put" ? change.after : change.entry;
    const now = left === undefined ? undefined : await this.#present(change);
    if (left === undefined || now === undefined) return { ...change, made: true };
    const { sha256 } = left;
    const entry = { ...now, ...(sha256 === undefined ? {} : { sha256 }) };
    return change.type === "put"
      ? { ...change, after: entry, made: true }
      : { ...change, entry, made: true };
  }

  /** What stands there now; undefined where the effect itself shut us out. */
  async #present(change: Change): Promise<Entry | undefined> {
    try {
      using spot = look(this.roots, change.type === "put" ? change.path : change.to);
      if (spot?.object === undefined) return undefined;
      const { signal } = new AbortController();
      const now = await capture(spot.parent, spot.name, spot.object, false, signal);
      return now.ok ? now.value.entry : undefined;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return undefined;
    }
  }

  #nothing(request: EffectRequest, error: DriverRejection): EffectReport {
    this.vault.writeNothing(request, this.#options.wallMs());
    return { status: "no-effect", error, reversible: false, changed: [], snapshotBytes: 0 };
  }
}

/** As the folder stands before its final mode is set. */
const unfinished = (change: Change): Change =>
  change.type === "put" && change.after?.kind === "directory"
    ? { ...change, after: { ...change.after, mode: change.after.mode | 0o700 } }
    : change;
