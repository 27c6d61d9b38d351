/**
 * Cancellation without the platform: {@link SignalSource} makes a {@link Signal}, and
 * {@link neverAborted} is for what nobody cancels. Listeners run in the order they were added.
 */
import type { Signal } from "./ports.ts";

export class SignalSource {
  readonly signal: Signal;
  readonly #listeners = new Map<() => void, boolean>();
  #aborted = false;
  #reason: unknown = undefined;

  constructor() {
    const source = this;
    this.signal = {
      get aborted() {
        return source.#aborted;
      },
      get reason() {
        return source.#reason;
      },
      throwIfAborted() {
        if (source.#aborted) throw source.#reason;
      },
      addEventListener(_type, listener, options) {
        if (!source.#listeners.has(listener)) {
          source.#listeners.set(listener, options?.once ?? false);
        }
      },
      removeEventListener(_type, listener) {
        source.#listeners.delete(listener);
      },
    };
  }

  /** The first call counts; later ones change nothing. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const listeners = [...this.#listeners.keys()];
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
