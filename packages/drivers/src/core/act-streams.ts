/**
 * What goes in and out of an act while it runs: what its program writes and asks for, and what is typed
 * for it. Bounds: `inputHeldBytesMax`; what is written is bounded by the driver that pushes it.
 */
import { OperationError } from "@ioi/base";
import { inputHeldBytesMax } from "../limits.ts";
import type { ActWant, InputSource } from "./driver.ts";

/** What is typed for a program, until somebody reads it. Bounds: `inputHeldBytesMax`. */
export class Input implements InputSource {
  #held: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #take: ((bytes: Uint8Array | undefined) => void) | undefined;

  read(take: (bytes: Uint8Array | undefined) => void): void {
    this.#take = take;
    for (const bytes of this.#held) take(bytes);
    this.#held = [];
    if (this.#ended) take(undefined);
  }

  give(bytes: Uint8Array, end: boolean): void {
    if (this.#ended) return;
    if (this.#take === undefined) {
      this.#bytes += bytes.length;
      if (this.#bytes > inputHeldBytesMax) {
        throw new OperationError("E_ARGUMENTS_INVALID", "the program reads no more input");
      }
      this.#held.push(bytes);
    } else if (bytes.length > 0) this.#take(bytes);
    if (!end) return;
    this.#ended = true;
    this.#take?.(undefined);
  }
}

/** One of these comes of an act while it runs. */
export type StreamEvent =
  | { readonly case: "output" | "errors"; readonly value: Uint8Array }
  | { readonly case: "want"; readonly value: ActWant };

/** What comes of an act while it runs, on its way to the reader; the driver bounds what it pushes. */
export class OutputQueue {
  #blocks: StreamEvent[] = [];
  #wake: (() => void) | undefined;
  #finished = false;

  push(event: StreamEvent): void {
    this.#blocks.push(event);
    this.#wake?.();
  }

  finish(): void {
    this.#finished = true;
    this.#wake?.();
  }

  async *read(): AsyncGenerator<StreamEvent> {
    for (;;) {
      const blocks = this.#blocks;
      this.#blocks = [];
      yield* blocks;
      if (this.#blocks.length > 0) continue;
      if (this.#finished) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
