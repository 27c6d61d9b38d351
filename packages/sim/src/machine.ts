/**
 * Runs a machine in virtual time, synchronously: what `MachineRunner` in `@ioi/host` does with a
 * real clock. `@ioi/base/compliance` holds what both must do.
 */
import type { Instant, Machine } from "@ioi/base";
import { assert, instant, InvariantError } from "@ioi/base";
import { simMachineStepsMax } from "./limits.ts";

export interface TimedInput<Input> {
  readonly at: Instant;
  readonly input: Input;
}

export interface SimMachineRun<Input, Effect> {
  readonly machine: Machine<Input, Effect>;
  /** What the machine is given at its deadline. */
  readonly tick: Input;
  /** Those of one time keep their order. */
  readonly inputs: readonly TimedInput<Input>[];
  /** The last time at which something happens. */
  readonly until: Instant;
  /** The world's answer to an effect: inputs to come, none of them in the past. */
  readonly respond?: (effect: Effect, at: Instant) => readonly TimedInput<Input>[];
}

export interface TimedEffect<Effect> {
  readonly at: Instant;
  readonly effect: Effect;
}

export const runMachine = <Input, Effect>(
  run: SimMachineRun<Input, Effect>,
): readonly TimedEffect<Effect>[] => {
  const { machine, tick, until, respond } = run;
  const waiting = [...run.inputs].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const effects: TimedEffect<Effect>[] = [];
  let now = instant(0n);

  const insert = (input: TimedInput<Input>): void => {
    assert(input.at >= now, "an answer in the past");
    const place = waiting.findIndex((other) => other.at > input.at);
    if (place < 0) waiting.push(input);
    else waiting.splice(place, 0, input);
  };
  const handle = (input: Input): void => {
    for (const effect of machine.handle(input, now)) {
      effects.push({ at: now, effect });
      for (const answer of respond?.(effect, now) ?? []) insert(answer);
    }
  };

  for (let step = 0; step < simMachineStepsMax; step++) {
    const deadline = machine.deadline();
    const next = waiting[0];
    // A deadline that is due comes before an input of the same time.
    if (deadline !== undefined && (next === undefined || deadline <= next.at)) {
      if (deadline > until) return effects;
      if (deadline > now) now = instant(deadline);
      handle(tick);
      if (machine.deadline() === deadline) {
        throw new InvariantError("the machine did not move the deadline of its tick");
      }
    } else if (next !== undefined) {
      if (next.at > until) return effects;
      waiting.shift();
      now = next.at;
      handle(next.input);
    } else return effects;
  }
  throw new InvariantError("the machine never comes to rest");
};
