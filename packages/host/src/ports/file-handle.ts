/**
 * One open file of the `Files` port.
 *
 * `writeDurable` calls write and fdatasync on the calling thread: for the record of a log, the hop
 * to the thread pool and back costs more (0.06 ms of 0.20) than it saves, as the caller waits for
 * the disk anyway. After one failed sync the handle refuses every later one: the kernel drops the
 * pages it could not store, so a second fdatasync would succeed without the data.
 */
import fs from "node:fs";
import type { FileHandle as NodeHandle } from "node:fs/promises";
import type { FileHandle, OperationError } from "@ioi/base";
import { assert, InvariantError } from "@ioi/base";
import { syncWriteBytesMax } from "./limits.ts";
import { filesError, orFilesError, syncError } from "./files-errors.ts";

/** The calls that make data durable; a test puts failing ones in their place. */
export interface SyncCalls {
  readonly fdatasyncSync: (fd: number) => void;
  readonly datasync: (handle: NodeHandle) => Promise<void>;
}

export const realSyncCalls: SyncCalls = {
  fdatasyncSync: (fd) => fs.fdatasyncSync(fd),
  datasync: (handle) => handle.datasync(),
};

const checkRange = (offset: number, length: number): void =>
  assert(
    Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(length) && length >= 0,
    `a range of ${length} bytes at ${offset}`,
  );

export class NodeFileHandle implements FileHandle {
  readonly #handle: NodeHandle;
  readonly #path: string;
  readonly #calls: SyncCalls;
  #syncFailure: OperationError | undefined;
  #closed = false;

  constructor(handle: NodeHandle, path: string, calls: SyncCalls) {
    this.#handle = handle;
    this.#path = path;
    this.#calls = calls;
  }

  #checkOpen(): void {
    if (this.#closed) throw new InvariantError(`${this.#path}: the handle is closed`);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#checkOpen();
    checkRange(offset, length);
    return await orFilesError(`read ${this.#path}`, async () => {
      const bytes = new Uint8Array(length);
      let at = 0;
      while (at < length) {
        const { bytesRead } = await this.#handle.read(bytes, at, length - at, offset + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    });
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    checkRange(offset, bytes.length);
    if (bytes.length <= syncWriteBytesMax) {
      // Into the page cache: a few microseconds, where a hop to the thread pool takes a hundred.
      this.#writeSync(offset, bytes);
      return;
    }
    await orFilesError(`write ${this.#path}`, async () => {
      let at = 0;
      while (at < bytes.length) {
        const { bytesWritten } = await this.#handle.write(
          bytes,
          at,
          bytes.length - at,
          offset + at,
        );
        at += bytesWritten;
      }
    });
  }

  #writeSync(offset: number, bytes: Uint8Array): void {
    try {
      let at = 0;
      while (at < bytes.length) {
        at += fs.writeSync(this.#handle.fd, bytes, at, bytes.length - at, offset + at);
      }
    } catch (error) {
      throw filesError(error, `write ${this.#path}`);
    }
  }

  async writeDurable(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkOpen();
    checkRange(offset, bytes.length);
    this.#checkSyncs();
    this.#writeSync(offset, bytes);
    try {
      this.#calls.fdatasyncSync(this.#handle.fd);
    } catch (error) {
      throw this.#latch(error);
    }
  }

  async sync(): Promise<void> {
    this.#checkOpen();
    this.#checkSyncs();
    try {
      await this.#calls.datasync(this.#handle);
    } catch (error) {
      throw this.#latch(error);
    }
    // A sync that another call saw fail meanwhile has not stored this caller's data either.
    this.#checkSyncs();
  }

  #checkSyncs(): void {
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
  }

  #latch(error: unknown): OperationError {
    this.#syncFailure ??= syncError(error, `sync ${this.#path}`);
    return this.#syncFailure;
  }

  async truncate(length: number): Promise<void> {
    this.#checkOpen();
    checkRange(length, 0);
    await orFilesError(`truncate ${this.#path}`, () => this.#handle.truncate(length));
  }

  async size(): Promise<number> {
    this.#checkOpen();
    return (await orFilesError(`stat ${this.#path}`, () => this.#handle.stat())).size;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await orFilesError(`close ${this.#path}`, () => this.#handle.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
