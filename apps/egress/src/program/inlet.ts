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
  #held: Buffer = Buffer.alloc(0);
  #over = false;

  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    socket.once("end", () => (this.#over = true));
    socket.once("close", () => (this.#over = true));
  }

  async read<T, E>(parse: Parse<T, E>): Promise<Result<T, E> | Gone> {
    for (;;) {
      const parsed = parse(this.#held);
      if (!parsed.ok) return parsed;
      if (parsed.value !== undefined) return { ok: true, value: parsed.value };
      if (!(await this.#more())) return gone;
    }
  }

  /** Takes the first bytes away and returns them. */
  take(length: number): Buffer {
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  /** What was read and not taken. */
  rest(): Buffer {
    return this.take(this.#held.length);
  }

  async #more(): Promise<boolean> {
    while (!this.#over && !this.#signal.aborted) {
      const piece = this.#socket.read() as Buffer | null;
      if (piece !== null) {
        this.#held = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
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
