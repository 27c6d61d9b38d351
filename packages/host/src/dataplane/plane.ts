/**
 * The data plane: messages from one process to another through shared memory, and beside it a
 * socket pair whose bytes are only a bell and whose end is the other process's end.
 *
 * Who finds nothing to do says so in the memory, looks once more and sleeps; the other rings when
 * it sees that. While both are busy no system call is made.
 * Invariants: the memory is released when either process dies or breaks the order; what the reader
 * hands out is a private copy that was checked after it was copied; nothing in the memory is used
 * as an offset. Bounds: `planeMessageBytesMax` for a message, one message in the making.
 */
import type { Duplex } from "node:stream";
import { OperationError } from "@ioi/base";
import { type Guard, guardOf, type PlaneKind } from "./guard.ts";
import { planeMessageBytesMax, planeTurnMax } from "./limits.ts";
import type { SharedRegion } from "./region.ts";
import {
  flagMore,
  type Place,
  placeOf,
  type PlaneShape,
  readerSleeps,
  regionBytes,
  slotWord,
  writerSleeps,
} from "./slots.ts";

export interface PlaneOptions {
  readonly region: SharedRegion;
  /** To the other end: a byte is a ring, its end is the end. */
  readonly bell: Duplex;
  readonly kind: PlaneKind;
  readonly shape: PlaneShape;
}

const slotWords = 8;
const ring = Buffer.from([1]);

/** What both ends have: the memory, the bell, and their end. */
class End {
  readonly #bell: Duplex;
  readonly region: SharedRegion;
  readonly shape: PlaneShape;
  readonly guard: Guard;
  readonly #ownFlag: number;
  readonly #otherFlag: number;
  #wake: (() => void) | undefined;
  #failure: OperationError | undefined;
  /** Resolves when the plane is over and its memory released. */
  readonly closed: Promise<void>;

  constructor(options: PlaneOptions, ownFlag: number, otherFlag: number) {
    const { region, bell, kind, shape } = options;
    if (region.bytes.length !== regionBytes(shape)) {
      throw new OperationError("E_DATAPLANE_REGION", "the region has another size");
    }
    this.region = region;
    this.shape = shape;
    this.guard = guardOf(kind, ownFlag === writerSleeps ? "seal" : "open", shape.slotBytes);
    this.#bell = bell;
    this.#ownFlag = ownFlag;
    this.#otherFlag = otherFlag;
    this.closed = new Promise((resolve) => {
      const end = (): void => {
        this.fail(new OperationError("E_DATAPLANE_CLOSED", "the other process is gone"));
        resolve();
      };
      bell.on("error", end);
      bell.once("end", end);
      bell.once("close", end);
      if (bell.destroyed) end();
    });
    bell.on("data", () => this.#wake?.());
  }

  get over(): boolean {
    return this.#failure !== undefined;
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The plane is over, for this reason; the first one counts. */
  fail(error: OperationError): OperationError {
    this.#failure ??= error;
    this.region.release();
    this.guard.end();
    this.#bell.destroy();
    this.#wake?.();
    return this.#failure;
  }

  /** Something changed that the other end may wait for. */
  ring(): void {
    if (Atomics.exchange(this.region.words, this.#otherFlag, 0) !== 0) this.#bell.write(ring);
  }

  /** Sleeps until the bell, unless there is something to do after all. */
  async sleep(nothingToDo: () => boolean): Promise<void> {
    const { words } = this.region;
    const rung = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    Atomics.store(words, this.#ownFlag, 1);
    if (!this.over && nothingToDo()) await rung;
    this.#wake = undefined;
    Atomics.store(words, this.#ownFlag, 0);
  }

  /** The turn of a slot: ours, not ours yet, or a broken order. */
  isTurn(place: Place, ours: number, before: number): boolean {
    const turn = Atomics.load(this.region.words, place.words + slotWord.turn);
    if (turn === ours) return true;
    if (turn === before) return false;
    // A region that was released shows zeros.
    this.check();
    throw this.fail(new OperationError("E_DATAPLANE_BROKEN", `turn ${turn} where ${ours} is due`));
  }

  pass(place: Place, turn: number): void {
    Atomics.store(this.region.words, place.words + slotWord.turn, turn);
  }
}

export class PlaneWriter {
  readonly #end: End;
  #next = 0;
  /** One message after another. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: PlaneOptions) {
    this.#end = new End(options, writerSleeps, readerSleeps);
  }

  get closed(): Promise<void> {
    return this.#end.closed;
  }

  close(): void {
    this.#end.fail(new OperationError("E_DATAPLANE_CLOSED", "the plane was closed"));
  }

  /** Resolves when the message stands in the memory; the caller may then change its bytes. */
  async send(message: Uint8Array): Promise<void> {
    if (message.length > planeMessageBytesMax) {
      throw new OperationError("E_RPC_TOO_LARGE", `message of ${message.length} bytes`);
    }
    const sent = this.#last.then(() => this.#send(message));
    this.#last = sent.catch(() => undefined);
    await sent;
  }

  async #send(message: Uint8Array): Promise<void> {
    const { slotBytes } = this.#end.shape;
    let at = 0;
    do {
      const end = Math.min(message.length, at + slotBytes);
      await this.#place(message.subarray(at, end), end < message.length ? flagMore : 0);
      at = end;
    } while (at < message.length);
  }

  #place(fragment: Uint8Array, flags: number): Promise<void> | undefined {
    const end = this.#end;
    end.check();
    const place = placeOf(this.#next, end.shape);
    if (this.#isFree(place)) {
      this.#put(place, fragment, flags);
      return undefined;
    }
    return (async () => {
      while (!this.#isFree(place)) await end.sleep(() => !this.#isFree(place));
      end.check();
      this.#put(place, fragment, flags);
    })();
  }

  /** Before it is free it holds what was not read. */
  #isFree(place: Place): boolean {
    this.#end.check();
    return this.#end.isTurn(place, place.free, (place.free - 1) | 0);
  }

  #put(place: Place, fragment: Uint8Array, flags: number): void {
    const { region, guard } = this.#end;
    const words = region.words.subarray(place.words, place.words + slotWords);
    const content = guard.close(this.#next, fragment, flags, words);
    region.bytes.set(content, place.offset);
    words[slotWord.length] = content.length;
    words[slotWord.flags] = flags;
    this.#next++;
    this.#end.pass(place, place.full);
    this.#end.ring();
  }
}

export class PlaneReader {
  readonly #end: End;
  /** Private: what is handed out was copied here first. */
  readonly #copy: Uint8Array;
  readonly #words = new Int32Array(slotWords);
  readonly #half: number;
  #next = 0;

  constructor(options: PlaneOptions) {
    this.#end = new End(options, readerSleeps, writerSleeps);
    this.#copy = new Uint8Array(options.shape.slotBytes);
    this.#half = Math.max(1, options.shape.slots >> 1);
  }

  get closed(): Promise<void> {
    return this.#end.closed;
  }

  close(): void {
    this.#end.fail(new OperationError("E_DATAPLANE_CLOSED", "the plane was closed"));
  }

  /** The next message. Throws E_DATAPLANE_BROKEN or E_DATAPLANE_CLOSED; the plane is then over. */
  async receive(): Promise<Uint8Array> {
    return Uint8Array.from(await this.borrow());
  }

  /** The same without an allocation: the bytes are the caller's until it asks for the next. */
  async borrow(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for (;;) {
      const { content, more } = this.#take() ?? (await this.#wait());
      bytes += content.length;
      if (bytes > planeMessageBytesMax) {
        throw this.#end.fail(new OperationError("E_DATAPLANE_BROKEN", "a message without end"));
      }
      // Others get their turn also where there is always more.
      if (this.#next % planeTurnMax === 0) await new Promise((go) => setImmediate(go));
      if (!more && parts.length === 0) return content;
      parts.push(Uint8Array.from(content));
      if (!more) return Buffer.concat(parts);
    }
  }

  /**
   * The next message, which was announced to be so long: copied once, to where it stays. Throws as
   * `receive`; another length is a broken order.
   */
  async receiveExactly(length: number): Promise<Uint8Array> {
    const end = this.#end;
    const broken = (what: string): OperationError =>
      end.fail(new OperationError("E_DATAPLANE_BROKEN", what));
    if (length > planeMessageBytesMax) throw broken(`a message of ${length} bytes is announced`);
    const message = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    for (let at = 0; ;) {
      const room = message.subarray(at);
      const { content, more } = this.#take(room) ?? (await this.#wait(room));
      if (content.length > room.length)
        throw broken(`more than the ${length} bytes that were announced`);
      if (content.buffer !== message.buffer) room.set(content);
      at += content.length;
      if (this.#next % planeTurnMax === 0) await new Promise((go) => setImmediate(go));
      if (!more && at < length) throw broken(`${at} bytes where ${length} were announced`);
      if (!more) return message;
      if (content.length === 0) throw broken("a fragment of nothing that goes on");
    }
  }

  async #wait(
    into: Uint8Array = this.#copy,
  ): Promise<{ readonly content: Uint8Array; readonly more: boolean }> {
    const place = placeOf(this.#next, this.#end.shape);
    for (;;) {
      this.#end.ring();
      await this.#end.sleep(() => !this.#isFull(place));
      const taken = this.#take(into);
      if (taken !== undefined) return taken;
    }
  }

  #isFull(place: Place): boolean {
    this.#end.check();
    return this.#end.isTurn(place, place.full, place.free);
  }

  /** `into`: where the private copy may lie, if it has room. */
  #take(
    into: Uint8Array = this.#copy,
  ): { readonly content: Uint8Array; readonly more: boolean } | undefined {
    const end = this.#end;
    const place = placeOf(this.#next, end.shape);
    if (!this.#isFull(place)) return undefined;
    // Read once: what stands there may change under our eyes.
    const words = this.#words;
    words.set(end.region.words.subarray(place.words, place.words + slotWords));
    const length = words[slotWord.length] as number;
    const flags = words[slotWord.flags] as number;
    if (length < 0 || length > end.shape.slotBytes || (flags & ~flagMore) !== 0) {
      throw end.fail(new OperationError("E_DATAPLANE_BROKEN", `a fragment of ${length} bytes`));
    }
    const copy = (length <= into.length ? into : this.#copy).subarray(0, length);
    copy.set(end.region.bytes.subarray(place.offset, place.offset + length));
    const content = this.#opened(copy, flags, words);
    this.#next++;
    end.pass(place, place.next);
    // A writer that waits is woken for many slots at once; before we sleep, in any case.
    if (this.#next % this.#half === 0) end.ring();
    return { content, more: flags === flagMore };
  }

  #opened(copy: Uint8Array, flags: number, words: Int32Array): Uint8Array {
    try {
      return this.#end.guard.open(this.#next, copy, flags, words);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      throw this.#end.fail(error);
    }
  }
}
