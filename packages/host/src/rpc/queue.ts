/** A single-consumer queue of messages as an async iterable; ends once, with or without an error. */
export class MessageQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #wake: (() => void) | undefined;
  #end: { readonly error: unknown } | { readonly done: true } | undefined;
  readonly #onDrained: (() => void) | undefined;

  constructor(onDrained?: () => void) {
    this.#onDrained = onDrained;
  }

  get length(): number {
    return this.#items.length;
  }

  push(item: T): void {
    if (this.#end !== undefined) return;
    this.#items.push(item);
    this.#wake?.();
  }

  /** Throws away what nobody took; nothing is taken in any more. */
  clear(): void {
    this.#items = [];
    this.finish();
  }

  finish(): void {
    this.#end ??= { done: true };
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      while (this.#items.length > 0) {
        const item = this.#items.shift() as T;
        if (this.#items.length === 0) this.#onDrained?.();
        yield item;
      }
      if (this.#end !== undefined) {
        if ("error" in this.#end) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
