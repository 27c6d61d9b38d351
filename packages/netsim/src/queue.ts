/** What is to happen, by time; what happens at one time keeps its order. A binary heap. */

interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly value: T;
}

const isBefore = <T>(a: Entry<T>, b: Entry<T>): boolean =>
  a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs;

export class TimeQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #order = 0;

  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  push(atMs: number, value: T): void {
    const heap = this.#heap;
    const entry = { atMs, order: this.#order++, value };
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  /** What is due at that time or before. */
  take(nowMs: number): T | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.#sink(last);
    return first.value;
  }

  #sink(entry: Entry<T>): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const isRight = left !== undefined && right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (child === undefined || !isBefore(child, entry)) break;
      heap[at] = child;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = entry;
  }
}
