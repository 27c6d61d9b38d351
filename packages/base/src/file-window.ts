/** Reading a file forward in small pieces without a call for each: a window that moves. */
import type { FileHandle } from "./ports.ts";

export class FileWindow {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #windowBytes: number;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array();

  /** `size`: of the file, as far as it is read. `windowBytes`: read at a time, at least. */
  constructor(handle: FileHandle, size: number, windowBytes: number) {
    this.#handle = handle;
    this.#size = size;
    this.#windowBytes = windowBytes;
  }

  /** A view that the next call may end; shorter only where the file ends. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array> {
    const from = offset - this.#start;
    if (from < 0 || from + length > this.#bytes.length) {
      const wanted = Math.min(Math.max(length, this.#windowBytes), this.#size - offset);
      return this.#handle.read(offset, wanted).then((bytes) => {
        this.#bytes = bytes;
        this.#start = offset;
        return bytes.subarray(0, length);
      });
    }
    return this.#bytes.subarray(from, from + length);
  }
}
