/**
 * Containers with a bound that is given at construction: a queue that refuses when it is full, and a
 * map that forgets its least recently used.
 */
import { assert } from "./result.ts";

const checkCapacity = (capacity: number): number => {
  assert(Number.isSafeInteger(capacity) && capacity >= 1, `a capacity of ${capacity}`);
  return capacity;
};

/** First in, first out. A full queue refuses; what to do then is the caller's decision. */
export class BoundedQueue<T> {
  readonly capacity: number;
  readonly #items: (T | undefined)[] = [];
  #head = 0;
  #size = 0;

  constructor(capacity: number) {
    this.capacity = checkCapacity(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** False, and nothing is kept, when the queue is full. */
  push(item: T): boolean {
    if (this.#size === this.capacity) return false;
    this.#items[(this.#head + this.#size) % this.capacity] = item;
    this.#size += 1;
    return true;
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.capacity;
    this.#size -= 1;
    return item;
  }

  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#items[this.#head];
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
    this.#size = 0;
  }
}

/** A map that forgets the entry which was read or written longest ago. */
export class Lru<K, V> {
  readonly capacity: number;
  readonly #entries = new Map<K, V>();

  constructor(capacity: number) {
    this.capacity = checkCapacity(capacity);
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  get(key: K): V | undefined {
    if (!this.#entries.has(key)) return undefined;
    const value = this.#entries.get(key) as V;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** The entry that was forgotten to make room, if one was. */
  set(key: K, value: V): readonly [K, V] | undefined {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.capacity) return undefined;
    const [oldest] = this.#entries;
    assert(oldest !== undefined, "an entry");
    this.#entries.delete(oldest[0]);
    return oldest;
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
