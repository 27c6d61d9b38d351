/** Lines of a stream, each at most so long: what is longer is dropped up to its end and said. */
const newline = 10;

export interface LineEvents {
  readonly line: (bytes: Uint8Array) => void;
  /** A line was longer than the bound. */
  readonly tooLong: () => void;
}

export class LineReader {
  readonly #bytesMax: number;
  readonly #events: LineEvents;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #skips = false;

  constructor(bytesMax: number, events: LineEvents) {
    this.#bytesMax = bytesMax;
    this.#events = events;
  }

  push(block: Uint8Array): void {
    let from = 0;
    for (;;) {
      const end = block.indexOf(newline, from);
      if (end === -1) break;
      this.#take(block.subarray(from, end));
      this.#end();
      from = end + 1;
    }
    this.#take(block.subarray(from));
  }

  #take(piece: Uint8Array): void {
    if (piece.length === 0 || this.#skips) return;
    this.#bytes += piece.length;
    if (this.#bytes > this.#bytesMax) {
      this.#skips = true;
      this.#pieces = [];
      this.#events.tooLong();
      return;
    }
    this.#pieces.push(Uint8Array.from(piece));
  }

  #end(): void {
    const skipped = this.#skips;
    const [only] = this.#pieces;
    const line =
      this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    this.#skips = false;
    if (skipped) return;
    const text = line.at(-1) === 13 ? line.subarray(0, -1) : line;
    if (text.length > 0) this.#events.line(text);
  }
}
