/**
 * Frames on a byte stream: 4 bytes of length, big-endian, then that many bytes.
 *
 * `FrameReader` takes chunks as they come and gives back whole frames. A frame that announces more
 * than the bound ends the stream before any of its bytes are kept: at most one frame is buffered.
 */
import { assert, concatBytes, err, ok, type Rejection, type Result, uintBE } from "@ioi/base";
import { frameBytesMax } from "./limits.ts";

const headBytes = 4;

export type FrameError = Rejection<"E_FRAME_TOO_LARGE">;

export const encodeFrame = (payload: Uint8Array): Uint8Array => {
  assert(payload.length <= frameBytesMax, `a frame of ${payload.length} bytes`);
  return concatBytes(uintBE(payload.length, headBytes), payload);
};

export class FrameReader {
  readonly #bytesMax: number;
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  #error: FrameError | undefined;

  constructor(bytesMax: number = frameBytesMax) {
    assert(bytesMax > 0 && bytesMax <= frameBytesMax, `a bound of ${bytesMax}`);
    this.#bytesMax = bytesMax;
  }

  /** Bytes of a frame that is not whole yet; not zero at the end of a stream means it was cut. */
  get pendingBytes(): number {
    return this.#buffered;
  }

  /** The frames that are whole now. After an error nothing more is read. */
  push(chunk: Uint8Array): Result<readonly Uint8Array[], FrameError> {
    if (this.#error !== undefined) return err(this.#error);
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const frames: Uint8Array[] = [];
    while (this.#buffered >= headBytes) {
      const length = this.#announced();
      if (length > this.#bytesMax) {
        this.#chunks = [];
        this.#buffered = 0;
        this.#error = {
          code: "E_FRAME_TOO_LARGE",
          message: `a frame of ${length} bytes; at most ${this.#bytesMax} are allowed`,
        };
        return err(this.#error);
      }
      if (this.#buffered < headBytes + length) break;
      this.#take(headBytes);
      frames.push(this.#take(length));
    }
    return ok(frames);
  }

  #announced(): number {
    let length = 0;
    for (let i = 0; i < headBytes; i++) length = length * 256 + this.#byteAt(i);
    return length;
  }

  #byteAt(index: number): number {
    let at = index;
    for (const chunk of this.#chunks) {
      if (at < chunk.length) return chunk[at] as number;
      at -= chunk.length;
    }
    return 0;
  }

  /** The first `length` bytes, copied. */
  #take(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const chunk = this.#chunks[0] as Uint8Array;
      const part = chunk.subarray(0, length - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#buffered -= length;
    return bytes;
  }
}
