/**
 * Of every memory, the beginning of the hash of its text: enough to tell that it was there before. Kept in
 * pages, and found by an open table of numbers; about 15 bytes a memory.
 */
import { assert } from "@ioi/base";

/** Bytes of the hash of a text that are kept. */
export const textHashBytes = 6;
/** Of a memory that was forgotten. */
export const nothing = 0;

const pageSize = 4096;
const high = 2 ** 32;

interface Page {
  readonly low: Uint32Array;
  readonly high: Uint16Array;
}

export class TextHashes {
  readonly #pages: Page[] = [];
  #length = 0;
  /** Numbers of memories, and one more; 0: a free place. */
  #places = new Uint32Array(1024);
  #taken = 0;

  get length(): number {
    return this.#length;
  }

  /** As a number of 48 bits; undefined: there is no such memory. */
  at(id: number): number | undefined {
    if (id < 0 || id >= this.#length) return undefined;
    const page = this.#pages[Math.floor(id / pageSize)] as Page;
    const at = id % pageSize;
    return (page.high[at] as number) * high + (page.low[at] as number);
  }

  /** Of the next memory. */
  push(hash: number): void {
    const id = this.#length++;
    const page = Math.floor(id / pageSize);
    this.#pages[page] ??= { low: new Uint32Array(pageSize), high: new Uint16Array(pageSize) };
    this.#set(id, hash);
    if (hash === nothing || this.find(hash) !== undefined) return;
    if (this.#taken >= this.#places.length * 0.75) this.#grow();
    this.#take(id, hash);
  }

  /** Of a memory that is forgotten. */
  clear(id: number): void {
    if (id < this.#length) this.#set(id, nothing);
  }

  /** The first memory that had it when it came, unless that was forgotten. */
  find(hash: number): number | undefined {
    const mask = this.#places.length - 1;
    for (let at = hash % this.#places.length; ; at = (at + 1) & mask) {
      const id = (this.#places[at] as number) - 1;
      if (id < 0) return undefined;
      if (this.at(id) === hash) return id;
    }
  }

  #set(id: number, hash: number): void {
    const page = this.#pages[Math.floor(id / pageSize)] as Page;
    page.low[id % pageSize] = hash % high;
    page.high[id % pageSize] = Math.floor(hash / high);
  }

  #take(id: number, hash: number): void {
    const mask = this.#places.length - 1;
    let at = hash % this.#places.length;
    while (this.#places[at] !== 0) at = (at + 1) & mask;
    this.#places[at] = id + 1;
    this.#taken++;
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Uint32Array(2 * before.length);
    this.#taken = 0;
    for (const place of before) {
      const hash = place === 0 ? nothing : this.at(place - 1);
      assert(hash !== undefined, "a place of no memory");
      // What was forgotten needs no place any more.
      if (hash !== nothing) this.#take(place - 1, hash);
    }
  }
}
