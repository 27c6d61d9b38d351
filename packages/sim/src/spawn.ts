/** The `Spawn` of scripted programs: functions in the place of processes. */
import type { Clock, Signal, Spawn, SpawnRequest, SpawnResult } from "@ioi/base";
import { addMs, assert, OperationError } from "@ioi/base";

export interface SimProgramResult {
  /** Code 0 if absent. */
  readonly exit?: SpawnResult["exit"];
  readonly stdout?: Uint8Array;
  readonly stderr?: Uint8Array;
  /** Virtual time it takes; needs a clock. */
  readonly ms?: number;
}

/** "never" does not end until it is killed. */
export type SimProgram = (request: SpawnRequest) => SimProgramResult | "never";

const nothing = new Uint8Array();

const untilAborted = (signal: Signal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

export class SimSpawn implements Spawn {
  readonly #programs: ReadonlyMap<string, SimProgram>;
  readonly #clock: Clock | undefined;
  /** Every request that started a program, in order. */
  readonly requests: SpawnRequest[] = [];

  constructor(programs: ReadonlyMap<string, SimProgram>, clock?: Clock) {
    this.#programs = programs;
    this.#clock = clock;
  }

  async run(request: SpawnRequest, signal: Signal): Promise<SpawnResult> {
    signal.throwIfAborted();
    const program = this.#programs.get(request.program);
    if (program === undefined) {
      throw new OperationError("E_SPAWN_NOT_FOUND", `start ${request.program}: no such program`);
    }
    this.requests.push(request);
    const result = program(request);
    if (result === "never") return await untilAborted(signal);
    if (result.ms !== undefined) {
      assert(this.#clock !== undefined, "a program that takes time needs a clock");
      await this.#clock.sleepUntil(addMs(this.#clock.now(), result.ms), signal);
    }
    const [stdout, stderr] = [result.stdout ?? nothing, result.stderr ?? nothing];
    return {
      exit: result.exit ?? { code: 0 },
      stdout: stdout.slice(0, request.outputBytesMax),
      stderr: stderr.slice(0, request.outputBytesMax),
      stdoutBytes: stdout.length,
      stderrBytes: stderr.length,
    };
  }
}
