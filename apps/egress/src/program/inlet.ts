/**
 * Reads the beginning of a connection piece by piece, as far as a parser wants; what comes after stays
 * for whoever relays it. Bounds: the parser's own, and the time that its caller gives.
 */
import type { Socket } from "node:net";
import type { Result } from "@ioi/base";

/** The other side left, or was too slow, before it had said what it wants. */
export type Gone = { readonly type: "gone" };
export const gone: Gone = { type: "gone" };

/** Undefined: more is needed. */
export type Parse<T, E> = (bytes: Buffer) => Result<T | undefined, E>;

export class Inlet {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  /** What is held is `#from` to `#to` of it; doubled, so that small pieces cost no more than large. */
  #store: Buffer = Buffer.alloc(0);
  #from = 0;
  #to = 0;
  #over = false;

  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    socket.once("end", () => (this.#over = true));
    socket.once("close", () => (this.#over = true));
  }

  /** The same, with another's time. */
  within(signal: AbortSignal): Inlet {
    const inlet = new Inlet(this.#socket, signal);
    const rest = this.rest();
    if (rest.length > 0) inlet.#push(rest);
    inlet.#over = this.#over;
    return inlet;
  }

  async read<T, E>(parse: Parse<T, E>): Promise<Result<T, E> | Gone> {
    for (;;) {
      const parsed = parse(this.#store.subarray(this.#from, this.#to));
      if (!parsed.ok) return parsed;
      if (parsed.value !== undefined) return { ok: true, value: parsed.value };
      if (!(await this.#more())) return gone;
    }
  }

  /** Takes the first bytes away and returns them. */
  take(length: number): Buffer {
    const end = Math.min(this.#from + length, this.#to);
    const taken = this.#store.subarray(this.#from, end);
    this.#from = end;
    return taken;
  }

  /** What was read and not taken. */
  rest(): Buffer {
    return this.take(this.#to - this.#from);
  }

  #push(piece: Buffer): void {
    const length = this.#to - this.#from;
    if (this.#to + piece.length > this.#store.length) {
      const grown = Buffer.alloc(Math.max(4_096, 2 * (length + piece.length)));
      this.#store.copy(grown, 0, this.#from, this.#to);
      this.#store = grown;
      this.#from = 0;
      this.#to = length;
    }
    piece.copy(this.#store, this.#to);
    this.#to += piece.length;
  }

  async #more(): Promise<boolean> {
    while (!this.#over && !this.#signal.aborted) {
      const piece = this.#socket.read() as Buffer | null;
      if (piece !== null) {
        this.#push(piece);
        return true;
      }
      await this.#stir();
    }
    return false;
  }

  /** Something can be read, or never will be. */
  #stir(): Promise<void> {
    const socket = this.#socket;
    const signal = this.#signal;
    return new Promise((resolve) => {
      const stirred = (): void => {
        for (const name of ["readable", "end", "close", "error"]) socket.off(name, stirred);
        signal.removeEventListener("abort", stirred);
        resolve();
      };
      for (const name of ["readable", "end", "close", "error"]) socket.on(name, stirred);
      signal.addEventListener("abort", stirred, { once: true });
    });
  }
}
