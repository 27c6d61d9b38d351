/**
 * Who needs the kernel beside the command that started it: it ends with that command, or where others
 * hold it by then, with the last of them. A holder is a connection: one that is killed holds no more.
 *
 * Bounds: `holdersMax`. A person's stop ends the kernel whoever holds it.
 */
import { OperationError } from "@ioi/base";
import { holdersMax } from "./limits.ts";

export class Holders {
  readonly #stop: () => void;
  #held = 0;
  /** The command that started the kernel is gone. */
  #left = false;
  #over = false;

  constructor(stop: () => void) {
    this.#stop = stop;
  }

  /** Yields once, and holds until `signal`. */
  async *hold(signal: AbortSignal): AsyncGenerator<object> {
    if (this.#over) {
      throw new OperationError("E_RPC_UNAVAILABLE", "the kernel ends", { retryable: true });
    }
    if (this.#held >= holdersMax) {
      throw new OperationError("E_KERNEL_HELD", `${this.#held} programs hold the kernel`);
    }
    this.#held++;
    try {
      yield {};
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    } finally {
      this.#held--;
      this.#look();
    }
  }

  /** Says how many hold it still. */
  leave(): number {
    this.#left = true;
    this.#look();
    return this.#held;
  }

  #look(): void {
    if (!this.#left || this.#held > 0 || this.#over) return;
    this.#over = true;
    this.#stop();
  }
}
