/**
 * The `Clock` in virtual time: it stands still until the test moves it. Sleepers wake in the order
 * of their times, those of one time in the order they went to sleep. The wall clock can jump.
 */
import type { Clock, Instant, Signal, WallMs } from "@ioi/base";
import { addMs, assert, instant, msBetween, wallMs } from "@ioi/base";
import { simSettleTurns } from "./limits.ts";

interface Sleeper {
  readonly at: Instant;
  readonly wake: () => void;
}

/** 2026-01-01T00:00:00Z. */
const defaultWall = wallMs(1_767_225_600_000);

export class SimClock implements Clock {
  #now: Instant;
  readonly #start: Instant;
  #wallAtStart: number;
  #sleepers: Sleeper[] = [];

  constructor(options: { readonly start?: Instant; readonly wall?: WallMs } = {}) {
    this.#start = options.start ?? instant(1_000_000_000n);
    this.#now = this.#start;
    this.#wallAtStart = options.wall ?? defaultWall;
  }

  now(): Instant {
    return this.#now;
  }

  wall(): WallMs {
    return wallMs(Math.floor(this.#wallAtStart + msBetween(this.#start, this.#now)));
  }

  /** Sets the wall clock forward or back; the monotonic clock does not notice. */
  jumpWall(ms: number): void {
    this.#wallAtStart += ms;
  }

  sleepUntil(at: Instant, signal: Signal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      if (at <= this.#now) {
        resolve();
        return;
      }
      const onAbort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal.reason);
      };
      const sleeper: Sleeper = {
        at,
        wake: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const place = this.#sleepers.findIndex((other) => other.at > at);
      if (place < 0) this.#sleepers.push(sleeper);
      else this.#sleepers.splice(place, 0, sleeper);
    });
  }

  /** When the next sleeper wakes, if one sleeps. */
  next(): Instant | undefined {
    return this.#sleepers[0]?.at;
  }

  /** Moves time to `at`, waking who is due on the way, each at its own time. */
  async advanceTo(at: Instant): Promise<void> {
    assert(at >= this.#now, "virtual time does not go back");
    for (;;) {
      await settle();
      const sleeper = this.#sleepers[0];
      if (sleeper === undefined || sleeper.at > at) break;
      this.#sleepers.shift();
      if (sleeper.at > this.#now) this.#now = sleeper.at;
      sleeper.wake();
    }
    this.#now = at;
  }

  async advance(ms: number): Promise<void> {
    await this.advanceTo(addMs(this.#now, ms));
  }
}

/** Lets what is ready run. Ported code has nothing but promises, so turns of them are enough. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < simSettleTurns; turn++) await Promise.resolve();
};
