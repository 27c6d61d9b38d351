/**
 * The end of a file that is written to: one call after the other, each a commit that is durable before
 * it is answered, and erasures in place. What a crash or a failure leaves: see `file.ts`.
 */
import { type FileHandle, OperationError } from "@ioi/base";
import { type CryptoProvider, MerkleTree } from "@ioi/crypto";
import { Append, type Appended, type Roots } from "./append.ts";
import { operation, type Place } from "./header.ts";
import type { FileKeys } from "./keys.ts";
import { encodeHint, hintOffset, wrappedFrom, wrappedKeyBytes } from "./layout.ts";
import { commitBytesMax, commitRecordsMax, scsBytesMax, scsWindowBytes } from "./limits.ts";
import type { Committed, Walked } from "./walk.ts";

export interface Written {
  readonly place: Place;
  readonly handle: FileHandle;
  readonly keys: FileKeys;
  /** Hash of the superblock. */
  readonly superblock: Uint8Array;
  readonly walked: Walked;
  readonly size: number;
  readonly isWritable: boolean;
  /** Where the newest table stands; 0: there is none. */
  readonly table: number;
}

export class Writer {
  readonly tree: MerkleTree;
  readonly #place: Place;
  readonly #handle: FileHandle;
  readonly #keys: FileKeys;
  readonly #superblock: Uint8Array;
  readonly #isWritable: boolean;
  #last: Committed | undefined;
  #end: number;
  #sequence: number;
  #segments: number;
  #tailBytes: number;
  #table: number;
  #poison: OperationError | undefined;
  /** The last call that writes; the next one follows it. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor({ place, handle, keys, superblock, walked, size, isWritable, table }: Written) {
    this.tree = walked.tree;
    this.#place = place;
    this.#handle = handle;
    this.#keys = keys;
    this.#superblock = superblock;
    this.#isWritable = isWritable;
    this.#last = walked.last;
    this.#end = walked.end;
    this.#sequence = walked.sequence;
    this.#segments = walked.segments;
    this.#tailBytes = Math.max(0, size - walked.end);
    this.#table = table;
  }

  get last(): Committed | undefined {
    return this.#last;
  }

  get end(): number {
    return this.#end;
  }

  /** Of the next record. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Of the next segment. */
  get segments(): number {
    return this.#segments;
  }

  get tailBytes(): number {
    return this.#tailBytes;
  }

  /** The number of the next commit. */
  get due(): number {
    return this.#last === undefined ? 0 : this.#last.body.number + 1;
  }

  /** Makes the file fit to be written to. `toErase`: payloads of keys. */
  async recover(toErase: Iterable<number>): Promise<void> {
    if (this.#tailBytes > 0) await this.#handle.truncate(this.#end);
    // After a failed sync the page cache may show a commit that the disk does not hold.
    if (this.#last !== undefined) await this.#storeAgain(this.#last.start, this.#last.end);
    for (const at of toErase) await this.#erase(at);
    await this.#handle.sync();
    this.#tailBytes = 0;
  }

  async #storeAgain(from: number, to: number): Promise<void> {
    for (let at = from; at < to; at += scsWindowBytes) {
      const bytes = await this.#handle.read(at, Math.min(scsWindowBytes, to - at));
      await this.#handle.write(at, bytes);
    }
  }

  async #erase(keyOffset: number): Promise<void> {
    await this.#handle.write(keyOffset + wrappedFrom, new Uint8Array(wrappedKeyBytes));
  }

  /** Erases wrapped keys for good. */
  async erase(keyOffsets: readonly number[]): Promise<void> {
    const real = keyOffsets.filter((at) => at > 0);
    if (real.length === 0) return;
    await this.#orPoison(async () => {
      for (const at of real) await this.#erase(at);
      await this.#handle.sync();
    });
  }

  /** The records of one commit to be. */
  append(provider: CryptoProvider): Append {
    return new Append(provider, {
      end: this.#end,
      sequence: this.#sequence,
      last: this.#last,
      tree: this.tree,
      superblock: this.#superblock,
    });
  }

  /** `segments`: how many of them it has; `table`: where its table's key stands, if it has one. */
  async commit(
    append: Append,
    atMs: number,
    roots: Roots,
    segments: number,
    table: number | undefined,
  ): Promise<void> {
    const { path } = this.#place;
    if (append.bytes > commitBytesMax || append.records > commitRecordsMax) {
      throw operation("E_SCS_INPUT", path, "more at once than one commit takes");
    }
    const appended = append.finish(this.#keys, atMs, roots);
    if (appended.committed.end > scsBytesMax) throw operation("E_SCS_FULL", path, "it is full");
    await this.#writeOut(appended);
    for (const leaf of appended.leaves) this.tree.append(leaf);
    this.#last = appended.committed;
    this.#end = appended.committed.end;
    this.#sequence = appended.sequence;
    this.#segments += segments;
    if (table !== undefined) this.#table = table;
    const { body, offset } = appended.committed;
    const hint = encodeHint({ commit: body.number, offset, table: this.#table });
    // Not synced: it may be lost, and then nothing but a piece of evidence is.
    await this.#orPoison(() => this.#handle.write(hintOffset(body.number), hint));
  }

  async #writeOut({ bytes }: Appended): Promise<void> {
    try {
      await this.#handle.writeDurable(this.#end, bytes);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (error.code === "E_FILES_FULL") {
        await this.#orPoison(() => this.#handle.truncate(this.#end));
        throw operation("E_SCS_FULL", this.#place.path, "the disk is full");
      }
      throw this.#poisoned(error);
    }
  }

  #poisoned(cause: OperationError): OperationError {
    this.#poison = new OperationError("E_SCS_POISONED", `${this.#place.path}: ${cause.message}`, {
      cause,
    });
    return this.#poison;
  }

  async #orPoison(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      throw this.#poisoned(error);
    }
  }

  /** Runs after all that was asked for before. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isWritable) {
      throw operation("E_SCS_READ_ONLY", this.#place.path, "it was opened to read");
    }
    const run = this.#writing.then(async () => {
      if (this.#poison !== undefined) throw this.#poison;
      return await work();
    });
    this.#writing = run.catch(() => undefined);
    return await run;
  }

  /** When all that was asked for is done or has failed. */
  async idle(): Promise<void> {
    await this.#writing;
  }
}
