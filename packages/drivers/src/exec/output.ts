/** The bounded memory of one output stream: its first and its last bytes; the rest is counted. */
import { concatBytes } from "@ioi/base";

export class KeptOutput {
  readonly #headMax: number;
  readonly #tailMax: number;
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  /** Of the whole stream. */
  bytes = 0;

  constructor(headMax: number, tailMax: number) {
    this.#headMax = headMax;
    this.#tailMax = tailMax;
  }

  push(block: Uint8Array): void {
    this.bytes += block.length;
    const forHead = Math.min(block.length, this.#headMax - this.#headBytes);
    if (forHead > 0) {
      this.#head.push(Uint8Array.from(block.subarray(0, forHead)));
      this.#headBytes += forHead;
    }
    if (forHead === block.length) return;
    // Only the end of a block can still be the end of the stream.
    const rest = Uint8Array.from(block.subarray(Math.max(forHead, block.length - this.#tailMax)));
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    if (this.#tailBytes > 2 * this.#tailMax) this.#trim();
  }

  #trim(): void {
    const all = concatBytes(...this.#tail);
    this.#tail = [all.slice(Math.max(0, all.length - this.#tailMax))];
    this.#tailBytes = this.#tail[0]?.length ?? 0;
  }

  /** What is kept, with a line in between that says how much is missing. */
  kept(): Uint8Array {
    this.#trim();
    const missing = this.bytes - this.#headBytes - this.#tailBytes;
    const gap = missing > 0 ? [Buffer.from(`\n[${missing} bytes left out]\n`)] : [];
    return concatBytes(...this.#head, ...gap, ...this.#tail);
  }
}
