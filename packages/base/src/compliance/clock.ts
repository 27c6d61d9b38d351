/** What every `Clock` promises. */
import type { Clock } from "../ports.ts";
import { SignalSource } from "../signal.ts";
import { addMs, instant, msBetween } from "../time.ts";
import { check, checkEqual, rejectionOf, type ComplianceCase } from "./harness.ts";
import { neverAborted } from "../signal.ts";

export interface ClockFixture {
  readonly clock: Clock;
  /** Lets this much time pass; on a real clock, which needs no help, does nothing. */
  readonly elapse: (ms: number) => Promise<void>;
}

export const clockCases: readonly ComplianceCase<ClockFixture>[] = [
  {
    name: "now never goes back",
    async run({ clock, elapse }) {
      let before = clock.now();
      for (let i = 0; i < 100; i++) {
        if (i % 10 === 0) await elapse(0.01);
        const now = clock.now();
        check(now >= before, "now goes back");
        before = now;
      }
    },
  },
  {
    name: "wall is a number of milliseconds",
    async run({ clock }) {
      const wall = clock.wall();
      check(Number.isFinite(wall) && wall > 0, `the wall clock says ${wall}`);
    },
  },
  {
    name: "a sleep ends at or after its time",
    async run({ clock, elapse }) {
      const at = addMs(clock.now(), 3);
      const sleep = clock.sleepUntil(at, neverAborted);
      await elapse(3);
      await sleep;
      check(clock.now() >= at, `woke ${msBetween(clock.now(), at)} ms early`);
    },
  },
  {
    name: "a sleep until the past ends without time passing",
    async run({ clock }) {
      await clock.sleepUntil(clock.now(), neverAborted);
      await clock.sleepUntil(instant(0n), neverAborted);
    },
  },
  {
    name: "sleeps end in the order of their times",
    async run({ clock, elapse }) {
      const start = clock.now();
      const order: string[] = [];
      const sleep = async (name: string, ms: number): Promise<void> => {
        await clock.sleepUntil(addMs(start, ms), neverAborted);
        order.push(name);
      };
      const all = Promise.all([sleep("late", 12), sleep("early", 2), sleep("middle", 7)]);
      await elapse(12);
      await all;
      checkEqual(order, ["early", "middle", "late"], "order of waking");
    },
  },
  {
    name: "an aborted sleep rejects with the reason",
    async run({ clock }) {
      const source = new SignalSource();
      const reason = new Error("stop");
      const sleep = rejectionOf(
        clock.sleepUntil(addMs(clock.now(), 3_600_000), source.signal),
        "an aborted sleep",
      );
      source.abort(reason);
      check((await sleep) === reason, "the rejection is the signal's reason");
    },
  },
  {
    name: "a sleep with a signal that is aborted already rejects with the reason",
    async run({ clock }) {
      const source = new SignalSource();
      source.abort("gone");
      const sleep = clock.sleepUntil(addMs(clock.now(), 3_600_000), source.signal);
      checkEqual(await rejectionOf(sleep, "an aborted sleep"), "gone", "the reason");
    },
  },
];
