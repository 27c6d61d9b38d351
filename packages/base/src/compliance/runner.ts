/** What every runner of a `Machine` does, in virtual and in real time. */
import type { Machine } from "../machine.ts";
import { addMs, instant, msBetween, type Instant } from "../time.ts";
import { checkEqual, type ComplianceCase } from "./harness.ts";

export interface RunnerScript<Input, Effect> {
  readonly machine: Machine<Input, Effect>;
  readonly tick: Input;
  /** In the order of their times. */
  readonly inputs: readonly { readonly at: Instant; readonly input: Input }[];
  readonly until: Instant;
}

export interface TimedEffect<Effect> {
  readonly at: Instant;
  readonly effect: Effect;
}

export interface RunnerFixture {
  readonly start: Instant;
  readonly run: <Input, Effect>(
    script: RunnerScript<Input, Effect>,
  ) => Promise<readonly TimedEffect<Effect>[]>;
}

type Input = { readonly type: "set"; readonly ms: number; readonly name: string } | "tick";

/** An alarm clock: names wait for their times; everything it is told comes back as an effect. */
class Alarm implements Machine<Input, string> {
  readonly #waiting: { readonly at: bigint; readonly name: string }[] = [];

  handle(input: Input, now: bigint): readonly string[] {
    if (input !== "tick") {
      this.#waiting.push({ at: addMs(instant(now), input.ms), name: input.name });
      return [`set ${input.name}`];
    }
    const due = this.#waiting.filter(({ at }) => at <= now);
    for (const item of due) this.#waiting.splice(this.#waiting.indexOf(item), 1);
    return due.length === 0 ? ["nothing due"] : due.map(({ name }) => `ring ${name}`);
  }

  deadline(): bigint | undefined {
    let first: bigint | undefined;
    for (const { at } of this.#waiting) if (first === undefined || at < first) first = at;
    return first;
  }
}

interface Step {
  readonly ms: number;
  readonly input: Input;
}

const set = (atMs: number, name: string, ms: number): Step => ({
  ms: atMs,
  input: { type: "set", ms, name },
});

const runAlarm = async (
  { start, run }: RunnerFixture,
  steps: readonly Step[],
  untilMs: number,
): Promise<readonly string[]> => {
  const effects = await run<Input, string>({
    machine: new Alarm(),
    tick: "tick",
    inputs: steps.map(({ ms, input }) => ({ at: addMs(start, ms), input })),
    until: addMs(start, untilMs),
  });
  return effects.map(({ at, effect }) => `${msBetween(start, at)} ${effect}`);
};

export const runnerCases: readonly ComplianceCase<RunnerFixture>[] = [
  {
    name: "inputs are handled in order, at their time",
    async run(fixture) {
      checkEqual(
        await runAlarm(fixture, [set(1, "a", 100), set(1, "b", 100), set(3, "c", 100)], 10),
        ["1 set a", "1 set b", "3 set c"],
        "the effects",
      );
    },
  },
  {
    name: "the deadline gives a tick at its time, and an earlier one replaces it",
    async run(fixture) {
      checkEqual(
        await runAlarm(fixture, [set(0, "late", 9), set(2, "early", 3), set(2, "too", 3)], 20),
        ["0 set late", "2 set early", "2 set too", "5 ring early", "5 ring too", "9 ring late"],
        "the effects",
      );
    },
  },
  {
    name: "a deadline that is due comes before an input of the same time",
    async run(fixture) {
      checkEqual(
        await runAlarm(fixture, [set(0, "a", 5), set(5, "b", 2)], 6),
        ["0 set a", "5 ring a", "5 set b"],
        "the effects",
      );
    },
  },
  {
    name: "a deadline in the past is due at once",
    async run(fixture) {
      checkEqual(
        await runAlarm(fixture, [set(4, "past", -3)], 6),
        ["4 set past", "4 ring past"],
        "the effects",
      );
    },
  },
  {
    name: "nothing happens after the end",
    async run(fixture) {
      checkEqual(
        await runAlarm(fixture, [set(0, "a", 8), set(9, "b", 1)], 5),
        ["0 set a"],
        "the effects",
      );
    },
  },
];
