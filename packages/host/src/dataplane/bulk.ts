/**
 * Bulk beside a stream of frames: what is large stands in shared memory, and a frame in the stream
 * says that it is due and which message it is, so that the order is the stream's.
 *
 * Streams may come and go over one plane: a message whose frame was lost is passed over by its
 * number. Invariants: nobody waits longer than `bulkWaitMs` for the other end; a plane that broke the order
 * is over, for both, and what follows goes as frames again. Bounds: `bulkSkipMax`.
 */
import { OperationError } from "@ioi/base";
import { bulkBytesMin, bulkSkipMax, bulkWaitMs } from "./limits.ts";
import type { PlaneReader, PlaneWriter } from "./plane.ts";

/** What the frame says. */
export interface Announced {
  readonly number: bigint;
  readonly length: number;
}

/** Ends the plane where the work is not done in time; the work then fails by itself. */
const inTime = async <T>(
  work: Promise<T>,
  plane: { close(): void },
  waitMs: number,
): Promise<T> => {
  const timer = setTimeout(() => plane.close(), waitMs);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
};

export interface BulkOptions {
  readonly bytesMin?: number;
  readonly waitMs?: number;
}

export class BulkSender {
  readonly #writer: PlaneWriter;
  readonly #bytesMin: number;
  readonly #waitMs: number;
  #next = 0n;
  #open = true;

  constructor(writer: PlaneWriter, options: BulkOptions = {}) {
    this.#writer = writer;
    this.#bytesMin = options.bytesMin ?? bulkBytesMin;
    this.#waitMs = options.waitMs ?? bulkWaitMs;
    void writer.closed.then(() => {
      this.#open = false;
    });
  }

  get open(): boolean {
    return this.#open;
  }

  get closed(): Promise<void> {
    return this.#writer.closed;
  }

  close(): void {
    this.#writer.close();
  }

  /**
   * Undefined where the bytes are to go as a frame. Else the announcement, which must leave at once:
   * the other end makes room only for what was announced. `placed`: the bytes are the caller's again.
   */
  put(
    bytes: Uint8Array,
  ): { readonly announced: Announced; readonly placed: Promise<void> } | undefined {
    if (!this.#open || bytes.length < this.#bytesMin) return undefined;
    const announced = { number: this.#next++, length: bytes.length };
    const placed = inTime(this.#writer.send(bytes), this.#writer, this.#waitMs);
    return { announced, placed };
  }
}

export class BulkReceiver {
  readonly #reader: PlaneReader;
  readonly #waitMs: number;
  #next = 0n;
  /** One after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(reader: PlaneReader, options: BulkOptions = {}) {
    this.#reader = reader;
    this.#waitMs = options.waitMs ?? bulkWaitMs;
  }

  get closed(): Promise<void> {
    return this.#reader.closed;
  }

  close(): void {
    this.#reader.close();
  }

  /** The bytes that were announced. Throws E_DATAPLANE_BROKEN or E_DATAPLANE_CLOSED. */
  async take(announced: Announced): Promise<Uint8Array> {
    const turn = this.#last.then(() => this.#take(announced));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  async #take({ number, length }: Announced): Promise<Uint8Array> {
    const skipped = number - this.#next;
    if (skipped < 0n || skipped > BigInt(bulkSkipMax)) {
      throw this.#broken(`message ${number} where ${this.#next} is due`);
    }
    while (this.#next++ < number) await inTime(this.#reader.receive(), this.#reader, this.#waitMs);
    return await inTime(this.#reader.receiveExactly(length), this.#reader, this.#waitMs);
  }

  #broken(what: string): OperationError {
    this.#reader.close();
    return new OperationError("E_DATAPLANE_BROKEN", what);
  }
}
