/**
 * A write-ahead log over the `Files` port. Format: wal-format.ts.
 *
 * - A record that `appendDurable` acknowledged, or that was appended before a `flush` returned, is
 *   there after any crash; recovery gives a prefix of what was appended.
 * - Concurrent appends share one write and one sync (group commit), in the order of the calls.
 * - Recovery cuts off an interrupted tail and refuses a damaged middle without writing anything.
 * - After a failed write or sync nobody knows what the disk holds: the log is poisoned, every
 *   later append is rejected, and opening it again recovers. A full disk alone is survived: the
 *   appends that did not fit are rejected and their bytes cut off.
 * - Recovered records that the log does not prove durable are written again before they are
 *   relied on: after a failed sync the page cache may show what the disk does not hold.
 *
 * One writer at a time; the owner of the folder holds its lock.
 */
import type { FileHandle, Files, Random } from "@ioi/base";
import { assert, FileWindow, OperationError, parentPath } from "@ioi/base";
import {
  walBatchBytesMax,
  walBytesMax,
  walPayloadBytesMax,
  walQueueBytesMax,
  walQueueMax,
  walWindowBytes,
} from "./limits.ts";
import {
  checkPayload,
  decodeRecordHeader,
  encodeRecord,
  encodeWalHeader,
  recordHeaderBytes,
  recordOverheadBytes,
  type WalRecord,
} from "./wal-format.ts";
import { scanFile, type WalBad } from "./wal-scan.ts";

export interface WalOptions {
  readonly files: Files;
  readonly path: string;
  /** For the salt of a new log. */
  readonly random: Random;
  /** What to do about a damaged log, for the error: "ioi doctor repair receipts". */
  readonly repairHint: string;
}

export interface WalRecovery {
  /** Whole records found. */
  readonly records: number;
  /** Bytes of an interrupted append that were cut off. */
  readonly cutBytes: number;
}

export interface Wal extends AsyncDisposable {
  readonly recovery: WalRecovery;
  /** Records in the file; the next one gets this sequence. */
  readonly records: number;
  /**
   * Resolves when the record is in the file: it survives the end of the process, not that of the
   * machine. `type` is an unsigned 32-bit number of the caller; the payload must not change
   * until then.
   */
  append(type: number, payload: Uint8Array): Promise<{ readonly sequence: number }>;
  /** Resolves when the record, and every one before it, is durable. */
  appendDurable(type: number, payload: Uint8Array): Promise<{ readonly sequence: number }>;
  /** Resolves when everything appended before is durable. */
  flush(): Promise<void>;
  /** The records from a sequence on, up to those that are there at the call. */
  read(from: number): AsyncGenerator<WalRecord, void, undefined>;
  /** Stores what waits, then closes. Closing twice is fine. */
  close(): Promise<void>;
}

/** Opens the log, or makes it if nothing has its name. Its directory must be there. */
export const openWal = async (options: WalOptions): Promise<Wal> => {
  const { files, path } = options;
  if ((await files.stat(path)) === undefined) {
    await files.replaceFile(path, encodeWalHeader(options.random.fill(new Uint8Array(4))));
  } else {
    // The process that made the log may have ended before its name was durable.
    await files.syncDirectory(parentPath(path));
  }
  const handle = await files.open(path, "write");
  try {
    return await recover(handle, options);
  } catch (error) {
    await handle.close();
    throw error;
  }
};

const recover = async (handle: FileHandle, options: WalOptions): Promise<Wal> => {
  const size = await handle.size();
  const offsets: number[] = [];
  const scan = await scanFile(handle, size, (_record, offset) => {
    offsets.push(offset);
  });
  if (scan.firstBad !== undefined && scan.firstBad.kind !== "tail") {
    throw openError(scan.firstBad, options);
  }
  if (scan.end < size) await handle.truncate(scan.end);
  await storeAgain(handle, offsets[scan.durable] ?? scan.end, scan.end);
  await handle.sync();
  const recovery = { records: scan.records, cutBytes: size - scan.end };
  return new WalWriter(handle, options.path, scan.seed, recovery, offsets, scan.end);
};

/** Dirties the pages, so that the next sync stores them or fails. */
const storeAgain = async (handle: FileHandle, from: number, to: number): Promise<void> => {
  for (let at = from; at < to; at += walWindowBytes) {
    await handle.write(at, await handle.read(at, Math.min(walWindowBytes, to - at)));
  }
};

const openError = (bad: WalBad, options: WalOptions): OperationError => {
  const where = `${options.path}: record ${bad.index} at byte ${bad.offset}: ${bad.reason}`;
  switch (bad.kind) {
    case "newer":
      return new OperationError("E_WAL_NEWER", `${options.path}: ${bad.reason}`);
    case "foreign":
      return new OperationError("E_WAL_FOREIGN", `${options.path}: ${bad.reason}`);
    case "header":
    case "middle":
    case "tail":
      return new OperationError("E_WAL_CORRUPT", where, { next: options.repairHint });
  }
};

interface Waiting {
  /** Absent for a flush. */
  readonly record: WalRecord | undefined;
  readonly durable: boolean;
  readonly resolve: (value: { readonly sequence: number }) => void;
  readonly reject: (error: OperationError) => void;
}

const bytesOf = (waiting: Waiting): number =>
  waiting.record === undefined ? 0 : recordOverheadBytes + waiting.record.payload.length;

class WalWriter implements Wal {
  readonly recovery: WalRecovery;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #seed: number;
  /** Where each record of the file begins. */
  readonly #offsets: number[];
  #end: number;
  /** Records known to be durable. */
  #durable: number;
  /** The sequence of the next append. */
  #next: number;
  #queue: Waiting[] = [];
  #queueBytes = 0;
  #draining: Promise<void> | undefined;
  #poison: OperationError | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    handle: FileHandle,
    path: string,
    seed: number,
    recovery: WalRecovery,
    offsets: number[],
    end: number,
  ) {
    this.#handle = handle;
    this.#path = path;
    this.#seed = seed;
    this.recovery = recovery;
    this.#offsets = offsets;
    this.#end = end;
    this.#durable = offsets.length;
    this.#next = offsets.length;
  }

  get records(): number {
    return this.#offsets.length;
  }

  append(type: number, payload: Uint8Array): Promise<{ readonly sequence: number }> {
    return this.#enqueue(type, payload, false);
  }

  appendDurable(type: number, payload: Uint8Array): Promise<{ readonly sequence: number }> {
    return this.#enqueue(type, payload, true);
  }

  async flush(): Promise<void> {
    this.#checkOpen();
    if (this.#poison !== undefined) throw this.#poison;
    if (this.#queue.length === 0 && this.#draining === undefined) {
      if (this.#durable === this.#next) return;
    }
    await this.#push(undefined, true);
  }

  #checkOpen(): void {
    assert(this.#closed === undefined, `${this.#path}: the log is closed`);
  }

  async #enqueue(
    type: number,
    payload: Uint8Array,
    durable: boolean,
  ): Promise<{ readonly sequence: number }> {
    this.#checkOpen();
    assert(Number.isInteger(type) && type >= 0 && type < 2 ** 32, `a record of type ${type}`);
    assert(payload.length <= walPayloadBytesMax, `a record of ${payload.length} bytes`);
    if (this.#poison !== undefined) throw this.#poison;
    const size = recordOverheadBytes + payload.length;
    if (this.#end + this.#queueBytes + size > walBytesMax) {
      throw new OperationError("E_WAL_FULL", `${this.#path} has reached its largest size`);
    }
    if (this.#queue.length >= walQueueMax || this.#queueBytes + size > walQueueBytesMax) {
      throw new OperationError("E_WAL_BUSY", `${this.#path}: too many records wait`, {
        retryable: true,
      });
    }
    const record = { sequence: this.#next, type, payload };
    this.#next += 1;
    return await this.#push(record, durable);
  }

  #push(record: WalRecord | undefined, durable: boolean): Promise<{ readonly sequence: number }> {
    return new Promise((resolve, reject) => {
      const waiting = { record, durable, resolve, reject };
      this.#queue.push(waiting);
      this.#queueBytes += bytesOf(waiting);
      this.#draining ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // One turn later, so that appends made together are written together.
    await Promise.resolve();
    while (this.#queue.length > 0 && this.#poison === undefined) await this.#commit();
    this.#draining = undefined;
  }

  #takeBatch(): readonly Waiting[] {
    let [count, bytes] = [0, 0];
    for (const waiting of this.#queue) {
      const size = bytesOf(waiting);
      if (count > 0 && bytes + size > walBatchBytesMax) break;
      bytes += size;
      count += 1;
    }
    this.#queueBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  async #commit(): Promise<void> {
    const batch = this.#takeBatch();
    const buffer = new Uint8Array(batch.reduce((sum, waiting) => sum + bytesOf(waiting), 0));
    const starts: number[] = [];
    let at = 0;
    for (const { record } of batch) {
      if (record === undefined) continue;
      starts.push(this.#end + at);
      at = encodeRecord(buffer, at, this.#seed, this.#durable, record);
    }
    const durable = batch.some((waiting) => waiting.durable);
    try {
      if (buffer.length === 0) await this.#handle.sync();
      else if (durable) await this.#handle.writeDurable(this.#end, buffer);
      else await this.#handle.write(this.#end, buffer);
    } catch (error) {
      await this.#failed(batch, error);
      return;
    }
    for (const start of starts) this.#offsets.push(start);
    this.#end += buffer.length;
    if (durable) this.#durable = this.#offsets.length;
    for (const { record, resolve } of batch) {
      resolve({ sequence: record?.sequence ?? this.#offsets.length });
    }
  }

  async #failed(batch: readonly Waiting[], cause: unknown): Promise<void> {
    const full = cause instanceof OperationError && cause.code === "E_FILES_FULL";
    const error = full && (await this.#cutBack()) ? this.#fullError(cause) : this.#setPoison(cause);
    const rejected = [...batch, ...this.#queue];
    this.#queue = [];
    this.#queueBytes = 0;
    this.#next = this.#offsets.length;
    for (const { reject } of rejected) reject(error);
  }

  /** The write that did not fit may have left a part of itself. */
  async #cutBack(): Promise<boolean> {
    try {
      await this.#handle.truncate(this.#end);
      return true;
    } catch {
      return false;
    }
  }

  #fullError(cause: unknown): OperationError {
    return new OperationError("E_WAL_FULL", `${this.#path}: the disk is full`, {
      cause,
      retryable: true,
    });
  }

  #setPoison(cause: unknown): OperationError {
    const why = cause instanceof Error ? cause.message : "a write failed";
    this.#poison ??= new OperationError("E_WAL_POISONED", `${this.#path}: ${why}`, { cause });
    return this.#poison;
  }

  async *read(from: number): AsyncGenerator<WalRecord, void, undefined> {
    this.#checkOpen();
    assert(Number.isSafeInteger(from) && from >= 0, `read from ${from}`);
    const count = this.#offsets.length;
    const window = new FileWindow(this.#handle, this.#end, walWindowBytes);
    for (let sequence = from; sequence < count; sequence++) {
      const offset = this.#offsets[sequence] ?? 0;
      const header = decodeRecordHeader(await window.read(offset, recordHeaderBytes), this.#seed);
      const rest =
        header === undefined
          ? undefined
          : await window.read(offset + recordHeaderBytes, header.length + 4);
      if (header === undefined || rest === undefined || !checkPayload(header, rest)) {
        throw new OperationError(
          "E_WAL_CORRUPT",
          `${this.#path}: record ${sequence} at byte ${offset} has changed since it was opened`,
        );
      }
      yield { sequence, type: header.type, payload: rest.slice(0, header.length) };
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.#draining;
      if (this.#poison === undefined && this.#durable < this.#offsets.length) {
        await this.#handle.sync();
      }
    } finally {
      await this.#handle.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
