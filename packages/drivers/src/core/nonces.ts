/**
 * Prepared actions that wait for their ticket. A nonce names one, is made here, and is deleted the
 * first time anybody acts on it, whatever comes of that.
 *
 * Bounds: `preparedMax` (the oldest goes first), `preparedAgeMsMax`. Age by a monotonic clock.
 */
import { toHex } from "@ioi/base";
import { preparedAgeMsMax, preparedMax } from "../limits.ts";
import type { PreparedAction } from "./driver.ts";

export interface Waiting {
  readonly nonce: Uint8Array;
  readonly target: string;
  readonly actionId: Uint8Array;
  /** Canonical. */
  readonly action: Uint8Array;
  readonly prepared: PreparedAction;
  readonly madeMs: number;
}

export class NonceTable implements Disposable {
  readonly #waiting = new Map<string, Waiting>();

  add(entry: Waiting): void {
    this.#dropOld(entry.madeMs);
    while (this.#waiting.size >= preparedMax) {
      const [oldest] = this.#waiting.keys();
      if (oldest !== undefined) this.#drop(oldest);
    }
    this.#waiting.set(toHex(entry.nonce), entry);
  }

  /** Removes and returns; the caller disposes of the prepared action. */
  take(nonce: Uint8Array, nowMs: number): Waiting | undefined {
    this.#dropOld(nowMs);
    const key = toHex(nonce);
    const entry = this.#waiting.get(key);
    this.#waiting.delete(key);
    return entry;
  }

  /** What waits goes on waiting. */
  look(nonce: Uint8Array, nowMs: number): Waiting | undefined {
    this.#dropOld(nowMs);
    return this.#waiting.get(toHex(nonce));
  }

  get size(): number {
    return this.#waiting.size;
  }

  #dropOld(nowMs: number): void {
    for (const [key, entry] of this.#waiting) {
      if (nowMs - entry.madeMs <= preparedAgeMsMax) return;
      this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.#waiting.get(key)?.prepared[Symbol.dispose]();
    this.#waiting.delete(key);
  }

  [Symbol.dispose](): void {
    for (const key of this.#waiting.keys()) this.#drop(key);
  }
}
