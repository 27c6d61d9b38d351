/**
 * Cancellation without the platform: {@link SignalSource} makes a {@link Signal}, and
 * {@link neverAborted} is for what nobody cancels. Listeners run in the order they were added.
 */
import type { Signal } from "./ports.ts";

export class SignalSource {
  readonly signal: Signal;
  readonly #listeners = new Set<() => void>();
  #aborted = false;
  #reason: unknown = undefined;

  constructor() {
    const [aborted, reason] = [() => this.#aborted, () => this.#reason];
    const listeners = this.#listeners;
    this.signal = {
      get aborted() {
        return aborted();
      },
      get reason() {
        return reason();
      },
      throwIfAborted() {
        if (aborted()) throw reason();
      },
      addEventListener(_type, listener) {
        listeners.add(listener);
      },
      removeEventListener(_type, listener) {
        listeners.delete(listener);
      },
    };
  }

  /** The first call counts; later ones change nothing. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}

export const neverAborted: Signal = {
  aborted: false,
  reason: undefined,
  throwIfAborted: () => undefined,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};
