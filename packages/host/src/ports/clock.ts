/** The `Clock` port on Node: hrtime for durations, the wall clock for people. */
import type { Clock, Instant, Signal, WallMs } from "@ioi/base";
import { instant, wallMs } from "@ioi/base";

/** Node's timers take a signed 32-bit number of milliseconds. */
const timerMsMax = 2 ** 31 - 1;

const sleepUntil = (at: Instant, signal: Signal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    // A timer may fire early by its rounding, and a long one is split.
    const wait = (): void => {
      const left = at - process.hrtime.bigint();
      if (left <= 0n) {
        signal.removeEventListener("abort", onAbort);
        resolve();
        return;
      }
      timer = setTimeout(wait, Math.min(timerMsMax, Math.ceil(Number(left) / 1e6)));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    wait();
  });

export const systemClock: Clock = {
  now: (): Instant => instant(process.hrtime.bigint()),
  wall: (): WallMs => wallMs(Date.now()),
  sleepUntil,
};

/** Minutes by which local time is ahead of UTC at that moment, summer time and all. */
export const localOffsetMinutes = (atMs: number): number => 0 - new Date(atMs).getTimezoneOffset();
