/**
 * Runs a machine in the world: real inputs, real time, effects performed in the order in which the
 * machine returned them, one handle call at a time. `runMachine` in `@ioi/sim` does the same in
 * virtual time; `@ioi/base/compliance` holds what both must do.
 *
 * A deadline that is due comes before inputs that wait, so that a flood cannot starve a timer.
 */
import type { Clock, Machine, Signal } from "@ioi/base";
import { BoundedQueue, instant, InvariantError, SignalSource } from "@ioi/base";
import { machineInputsMax } from "./limits.ts";

export interface MachineRunnerOptions<Input, Effect> {
  readonly machine: Machine<Input, Effect>;
  /** What the machine is given at its deadline. */
  readonly tick: Input;
  readonly clock: Clock;
  /**
   * Performs one effect. A returned promise is awaited before the next effect (a record that must
   * be durable before a message leaves); what takes long is started, and its end sent as an input.
   */
  readonly perform: (effect: Effect) => void | Promise<void>;
  readonly inputsMax?: number;
}

export class MachineRunner<Input, Effect> {
  readonly #options: MachineRunnerOptions<Input, Effect>;
  readonly #inputs: BoundedQueue<{ readonly input: Input }>;
  #wake = new SignalSource();
  #state: "new" | "running" | "ended" = "new";

  constructor(options: MachineRunnerOptions<Input, Effect>) {
    this.#options = options;
    this.#inputs = new BoundedQueue(options.inputsMax ?? machineInputsMax);
  }

  /** False when the queue is full or the runner has ended: the input is not taken. */
  send(input: Input): boolean {
    if (this.#state === "ended" || !this.#inputs.push({ input })) return false;
    this.#wake.abort(undefined);
    return true;
  }

  /** Runs until the signal aborts, or rejects with what `perform` or the machine threw. */
  async run(signal: Signal): Promise<void> {
    if (this.#state !== "new") throw new InvariantError("a runner runs once");
    this.#state = "running";
    const onAbort = (): void => this.#wake.abort(undefined);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      while (!signal.aborted) {
        if (!(await this.#step())) await this.#wait(signal);
      }
    } finally {
      this.#state = "ended";
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** True if there was something to do. */
  async #step(): Promise<boolean> {
    const { machine, clock, tick } = this.#options;
    const now = clock.now();
    const deadline = machine.deadline();
    if (deadline !== undefined && deadline <= now) {
      await this.#performAll(machine.handle(tick, now));
      if (machine.deadline() === deadline) {
        throw new InvariantError("the machine did not move the deadline of its tick");
      }
      return true;
    }
    const next = this.#inputs.shift();
    if (next === undefined) return false;
    await this.#performAll(machine.handle(next.input, now));
    return true;
  }

  async #performAll(effects: readonly Effect[]): Promise<void> {
    for (const effect of effects) {
      const done = this.#options.perform(effect);
      if (done !== undefined) await done;
    }
  }

  /** Until an input, the deadline or the end. */
  async #wait(signal: Signal): Promise<void> {
    this.#wake = new SignalSource();
    // What arrived before the new source existed has woken the old one.
    if (signal.aborted || this.#inputs.size > 0) return;
    const { signal: woken } = this.#wake;
    const deadline = this.#options.machine.deadline();
    if (deadline === undefined) {
      await new Promise<void>((resolve) => woken.addEventListener("abort", resolve));
      return;
    }
    await this.#options.clock.sleepUntil(instant(deadline), woken).catch((error: unknown) => {
      if (!woken.aborted) throw error;
    });
  }
}
