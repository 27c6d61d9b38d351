/**
 * Where trees keep their nodes: an ordered map from bytes to bytes, synchronous, since trees are
 * pure. {@link MemoryStore} is one in memory.
 *
 * Invariants: a write is all or nothing; a scan is bytewise. Bounds: `orderedRunMax`.
 */
import { assert, type KeyValueOp } from "@ioi/base";
import { orderedRunMax } from "./limits.ts";
import type { StateEntry } from "./tree.ts";

export interface TreeStore {
  get(key: Uint8Array): Uint8Array | undefined;
  write(ops: readonly KeyValueOp[]): void;
  /** Keys >= `from` and < `to`, in order, at most `limit`. */
  scan(from: Uint8Array, to: Uint8Array, limit: number): readonly StateEntry[];
}

/** One character a byte: code units compare as the bytes do. */
const textOf = (bytes: Uint8Array): string => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
};

const bytesOf = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
};

/** Keys in order, in runs of bounded length: inserting moves one run, not all. */
class OrderedKeys {
  readonly #runs: string[][] = [];

  /** The run that holds `key`, or where it would go. */
  #runOf(key: string): number {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const last = this.#runs[middle]?.at(-1) ?? "";
      if (last < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  static #placeIn(run: readonly string[], key: string): number {
    let [low, high] = [0, run.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((run[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  add(key: string): void {
    const at = Math.min(this.#runOf(key), this.#runs.length - 1);
    const run = this.#runs[at];
    if (run === undefined) {
      this.#runs.push([key]);
      return;
    }
    run.splice(OrderedKeys.#placeIn(run, key), 0, key);
    if (run.length > orderedRunMax) this.#runs.splice(at + 1, 0, run.splice(run.length >> 1));
  }

  remove(key: string): void {
    const at = this.#runOf(key);
    const run = this.#runs[at];
    assert(run !== undefined, "an ordered key");
    const place = OrderedKeys.#placeIn(run, key);
    assert(run[place] === key, "an ordered key");
    run.splice(place, 1);
    if (run.length === 0) this.#runs.splice(at, 1);
  }

  *from(key: string): Generator<string, void, undefined> {
    const first = this.#runOf(key);
    for (let at = first; at < this.#runs.length; at++) {
      const run = this.#runs[at] as string[];
      const start = at === first ? OrderedKeys.#placeIn(run, key) : 0;
      for (let place = start; place < run.length; place++) yield run[place] as string;
    }
  }
}

export class MemoryStore implements TreeStore {
  readonly #values = new Map<string, Uint8Array>();
  readonly #order = new OrderedKeys();

  get size(): number {
    return this.#values.size;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(textOf(key))?.slice();
  }

  write(ops: readonly KeyValueOp[]): void {
    for (const op of ops) {
      const key = textOf(op.key);
      if (op.type === "put") {
        if (!this.#values.has(key)) this.#order.add(key);
        this.#values.set(key, op.value.slice());
      } else if (this.#values.delete(key)) this.#order.remove(key);
    }
  }

  scan(from: Uint8Array, to: Uint8Array, limit: number): readonly StateEntry[] {
    const found: StateEntry[] = [];
    const end = textOf(to);
    if (limit <= 0) return found;
    for (const key of this.#order.from(textOf(from))) {
      if (key >= end) break;
      found.push({ key: bytesOf(key), value: (this.#values.get(key) as Uint8Array).slice() });
      if (found.length >= limit) break;
    }
    return found;
  }
}
