/**
 * The lists of a word index in memory: for each term, the memories that hold it and how often, as bytes in
 * one growing buffer. A list has a region there of a power of two; one that outgrows its own moves to
 * the next larger, and what it leaves is used by the next list of that size.
 *
 * An entry is (id - previous id - 1) x 2 + (1 if it occurs once), then, if not, occurrences - 2; both as
 * LEB128. The first entry of a list has -1 before it.
 */
import { OperationError } from "@ioi/base";
import { wordListBytesMax } from "../limits.ts";

const entryBytesMax = 12;
const smallest = 4;

export interface List {
  start: number;
  used: number;
  /** Bytes of its region, as a power of two. */
  size: number;
  last: number;
  memories: number;
}

/** A list that lies elsewhere. */
export interface ReadList {
  readonly bytes: Uint8Array;
  readonly memories: number;
  readonly last: number;
}

export class Lists {
  #bytes: Uint8Array = new Uint8Array(4096);
  #end = 0;
  /** Regions that were left, by size. */
  readonly #left: number[][] = Array.from({ length: 40 }, () => []);

  /** Of all regions. */
  get bytes(): number {
    return this.#end;
  }

  add(): List {
    return { start: this.#region(smallest), used: 0, size: smallest, last: -1, memories: 0 };
  }

  append(list: List, id: number, occurrences: number): void {
    this.#reserve(list, list.used + entryBytesMax);
    const at = list.start + list.used;
    const isOnce = occurrences === 1;
    let end = this.#write(at, (id - list.last - 1) * 2 + (isOnce ? 1 : 0));
    if (!isOnce) end = this.#write(end, occurrences - 2);
    list.used += end - at;
    list.last = id;
    list.memories++;
  }

  /** A list as `bytesOf` gave it, which was looked at before. */
  adopt({ bytes, memories, last }: ReadList): List {
    let size = smallest;
    while (2 ** size < bytes.length) size++;
    const start = this.#region(size);
    this.#bytes.set(bytes, start);
    return { start, used: bytes.length, size, last, memories };
  }

  each(list: List, take: (id: number, occurrences: number) => void): void {
    const bytes = this.#bytes;
    const end = list.start + list.used;
    let id = -1;
    for (let at = list.start; at < end;) {
      let value = bytes[at++] as number;
      if (value >= 0x80) {
        value &= 0x7f;
        for (let scale = 0x80, more = true; more; scale *= 0x80) {
          const byte = bytes[at++] as number;
          value += (byte & 0x7f) * scale;
          more = byte >= 0x80;
        }
      }
      id += Math.floor(value / 2) + 1;
      if (value % 2 === 1) {
        take(id, 1);
        continue;
      }
      let occurrences = 0;
      for (let scale = 1, more = true; more; scale *= 0x80) {
        const byte = bytes[at++] as number;
        occurrences += (byte & 0x7f) * scale;
        more = byte >= 0x80;
      }
      take(id, occurrences + 2);
    }
  }

  /** The bytes of a list; they hold until something is added. */
  bytesOf(list: List): Uint8Array {
    return this.#bytes.subarray(list.start, list.start + list.used);
  }

  /** Takes memories out of a list; what is left is never longer. */
  without(list: List, isGone: (id: number) => boolean): void {
    const kept: [number, number][] = [];
    this.each(list, (id, occurrences) => {
      if (!isGone(id)) kept.push([id, occurrences]);
    });
    if (kept.length === list.memories) return;
    Object.assign(list, { used: 0, last: -1, memories: 0 });
    for (const [id, occurrences] of kept) this.append(list, id, occurrences);
  }

  drop(list: List): void {
    this.#left[list.size]?.push(list.start);
  }

  #write(from: number, value: number): number {
    let [at, rest] = [from, value];
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[at++] = (rest % 0x80) | 0x80;
    this.#bytes[at++] = rest;
    return at;
  }

  #reserve(list: List, bytes: number): void {
    let size = list.size;
    while (2 ** size < bytes) size++;
    if (size === list.size) return;
    const start = this.#region(size);
    this.#bytes.copyWithin(start, list.start, list.start + list.used);
    this.drop(list);
    list.start = start;
    list.size = size;
  }

  #region(size: number): number {
    const left = this.#left[size]?.pop();
    if (left !== undefined) return left;
    const start = this.#end;
    this.#end += 2 ** size;
    if (this.#end > wordListBytesMax) {
      throw new OperationError("E_SCS_FULL", "the word index takes no more words");
    }
    if (this.#end > this.#bytes.length) {
      const grown = new Uint8Array(
        Math.min(wordListBytesMax, Math.max(this.#end, Math.ceil(this.#bytes.length * 1.5))),
      );
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return start;
  }
}
