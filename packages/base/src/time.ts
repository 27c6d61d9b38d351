/** Instants of a monotonic clock and milliseconds of the wall clock, kept apart by their types. */
import type { Brand } from "./brand.ts";

/** Nanoseconds of a monotonic clock; comparable only within one boot of one process. */
export type Instant = Brand<bigint, "Instant">;
/** Milliseconds since 1970-01-01 UTC by the wall clock; may jump. */
export type WallMs = Brand<number, "WallMs">;

export const instant = (ns: bigint): Instant => ns as Instant;
export const wallMs = (ms: number): WallMs => ms as WallMs;

export const addMs = (at: Instant, ms: number): Instant =>
  (at + BigInt(Math.round(ms * 1e6))) as Instant;
/** Milliseconds from `from` to `to`, fractional. */
export const msBetween = (from: Instant, to: Instant): number => Number(to - from) / 1e6;

/**
 * A wall clock for deadlines: it never goes back. While the real one is behind, it goes on by the
 * monotonic clock; set forward, or after a sleep of the machine, it follows the real one.
 */
export const steadyWall = (clock: { now(): Instant; wall(): WallMs }): (() => WallMs) => {
  let at = clock.now();
  let lastMs: number = clock.wall();
  return () => {
    const now = clock.now();
    lastMs = Math.max(clock.wall(), lastMs + msBetween(at, now));
    at = now;
    return wallMs(Math.floor(lastMs));
  };
};
