/**
 * Drives one session: inputs go one at a time through the machine; each is in the journal before
 * the effects that it caused are performed, and durable before those that change the world.
 *
 * Invariants: nothing is performed whose record could not be written; what a person was shown as an
 * end is durable; a bug ends the process, a failure of the world is an input.
 */
import {
  clip,
  isTerminal,
  journalStep,
  reasonCharsMax,
  rests,
  runView,
  type SessionEffect,
  type SessionInput,
  SessionMachine,
  type SessionSnapshot,
  stateOf,
} from "@ioi/agent";
import { type Log, OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { type ActionOutput, type CallEnds, SessionCalls } from "./calls.ts";
import type { JournalFile, PersonDecision } from "./ends.ts";
import { followCostRatio, followIntervalMs, updateJsonCharsMax } from "./limits.ts";
import { OutputQueue } from "./output-queue.ts";
import { AgentSeat } from "./seat.ts";
import { Told } from "./told.ts";

export interface RunnerEnds extends CallEnds {
  readonly log: Log;
  /** The session's state as a listing shows it changed: it began, rests or is over. */
  readonly onMilestone: (runner: SessionRunner) => void;
}

export interface SessionUpdate {
  readonly type: "state";
  readonly session: string;
  readonly state: string;
  readonly json: string;
  readonly rests: boolean;
}

/** What an action wrote just now. */
export interface SessionOutput extends ActionOutput {
  readonly type: "output";
  readonly session: string;
}

type Of<T extends SessionEffect["type"]> = Extract<SessionEffect, { readonly type: T }>;

/** Their records are on the disk before they are performed. */
const durableFirst: ReadonlySet<SessionEffect["type"]> = new Set<SessionEffect["type"]>([
  "open",
  "act",
  "ask-human",
  "kill",
  "finish",
]);

const sha256 = (bytes: Uint8Array): Uint8Array => nodeCrypto.sha256(bytes);

/** The view of a session, without contents where they would make it too large. */
export const updateOf = (state: SessionSnapshot): SessionUpdate => {
  const whole = JSON.stringify(runView(state));
  return {
    type: "state",
    session: state.session,
    state: stateOf(state),
    json:
      whole.length <= updateJsonCharsMax
        ? whole
        : JSON.stringify(runView(state, { contents: false })),
    rests: rests(state),
  };
};

export class SessionRunner {
  readonly #ends: RunnerEnds;
  readonly #journal: JournalFile;
  readonly #machine: SessionMachine;
  readonly #told: Told;
  readonly #seat: AgentSeat;
  readonly #outputs: Set<OutputQueue> = new Set();
  readonly #calls: SessionCalls;
  readonly #log: Log;
  /** How far the session is ahead of a clock that was set back while it did not run. */
  readonly #aheadMs: number;
  readonly #abort = new AbortController();
  readonly #waiting: Set<() => void> = new Set();
  #inputs: SessionInput[] = [];
  #pumping: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #version = 0;
  #broken: OperationError | undefined;

  private constructor(
    ends: RunnerEnds,
    journal: JournalFile,
    machine: SessionMachine,
    told: Told,
    session: string,
  ) {
    this.#ends = ends;
    this.#journal = journal;
    this.#machine = machine;
    this.#told = told;
    this.#aheadMs = Math.max(0, machine.state.lastMs - ends.clock.nowMs());
    this.#log = ends.log.child({ session });
    this.#calls = new SessionCalls(
      ends,
      machine.state,
      this.#log,
      (output) => this.#write(output),
      (input) => this.give(input),
    );
    const program = (signal: AbortSignal) => this.#calls.program(signal);
    this.#seat = new AgentSeat({ contents: ends.contents, program }, machine.state);
  }

  /** A new session; it is durable when this returns. */
  static async begin(
    ends: RunnerEnds,
    journal: JournalFile,
    start: Extract<SessionInput, { readonly type: "start" }>,
  ): Promise<SessionRunner> {
    const runner = new SessionRunner(
      ends,
      journal,
      new SessionMachine(),
      new Told(),
      start.session,
    );
    await runner.give(start);
    if (runner.#broken !== undefined) throw runner.#broken;
    ends.onMilestone(runner);
    return runner;
  }

  /** A session whose process ended: what was under way is void, and found out anew. */
  static resume(
    ends: RunnerEnds,
    journal: JournalFile,
    machine: SessionMachine,
    told: Told,
  ): SessionRunner {
    const runner = new SessionRunner(ends, journal, machine, told, machine.state.session);
    void runner.give({ type: "restart" });
    return runner;
  }

  get state(): SessionSnapshot {
    return this.#machine.state;
  }

  get update(): SessionUpdate {
    return updateOf(this.#machine.state);
  }

  /** A person's answer, for the session or for what its program asked. */
  async decided(decision: PersonDecision): Promise<void> {
    if (this.#calls.decidedBeside(decision)) return;
    const { approval, approved, reason, expired } = decision;
    await this.give({
      type: "decision",
      approval,
      approved,
      reason: clip(reason, reasonCharsMax),
      ...(expired ? { expired } : {}),
    });
  }

  /** What a person types for the program that runs. */
  async input(bytes: Uint8Array, end: boolean): Promise<boolean> {
    return await this.#calls.input(bytes, end);
  }

  /** The next action is prepared by drivers that reach what the session may reach now. */
  scopeChanged(): void {
    this.#calls.scopeChanged();
  }

  /** What waits for a person is looked at once more, and what it would change is shown. */
  async showChange(approval: string): Promise<void> {
    await this.#calls.showChange(approval, this.#abort.signal);
  }

  /** Nothing is to be driven any more. */
  get over(): boolean {
    return isTerminal(this.#machine.state) || this.#broken !== undefined;
  }

  /** Takes an input; resolves when it is in the journal and its effects have begun. */
  give(input: SessionInput): Promise<void> {
    this.#inputs.push(input);
    this.#pumping ??= this.#pump();
    return this.#pumping;
  }

  /** The present state, then every change; slow readers miss what came between. */
  async *follow(signal: AbortSignal): AsyncGenerator<SessionUpdate, void, undefined> {
    for await (const each of this.#updates(signal, undefined)) {
      if (each.type === "state") yield each;
    }
  }

  /** Beside them what actions write while they run, as far as the reader keeps up. */
  async *followAll(
    signal: AbortSignal,
  ): AsyncGenerator<SessionUpdate | SessionOutput, void, undefined> {
    const queue = new OutputQueue();
    this.#outputs.add(queue);
    try {
      yield* this.#updates(signal, queue);
    } finally {
      this.#outputs.delete(queue);
    }
  }

  async *#updates(
    signal: AbortSignal,
    queue: OutputQueue | undefined,
  ): AsyncGenerator<SessionUpdate | SessionOutput, void, undefined> {
    let seen = -1;
    let nextUs = 0;
    while (!signal.aborted) {
      if (this.#broken !== undefined) throw this.#broken;
      for (const output of queue?.take() ?? []) {
        yield { type: "output", session: this.state.session, ...output };
      }
      if (this.#version === seen) {
        await this.#changed(signal, queue);
        continue;
      }
      // A view is the whole session: told at every step it would cost more than the steps.
      const waitMs = Math.ceil((nextUs - this.#ends.clock.nowUs()) / 1000);
      if (waitMs > 0 && !rests(this.state)) {
        await this.#changed(AbortSignal.any([signal, AbortSignal.timeout(waitMs)]), queue);
        continue;
      }
      const beganUs = this.#ends.clock.nowUs();
      seen = this.#version;
      const { update } = this;
      const costUs = this.#ends.clock.nowUs() - beganUs;
      nextUs = beganUs + Math.max(followIntervalMs * 1000, costUs * followCostRatio);
      yield update;
      if (update.rests && this.#version === seen) return;
    }
  }

  /** Resolves when the session is over, or when it cannot go on. */
  async ended(signal: AbortSignal): Promise<void> {
    while (!this.over && !signal.aborted) await this.#changed(signal);
  }

  /** Ends the driving, not the session: it goes on when its journal is opened again. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#abort.abort(new OperationError("E_RPC_CANCELLED", "the workload ends"));
    await this.#pumping;
    await this.#seat.rest();
    await this.#journal.close();
  }

  #changed(signal: AbortSignal, queue?: OutputQueue): Promise<void> {
    if (queue?.waits === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) done();
    });
  }

  #wake(): void {
    this.#version += 1;
    for (const done of this.#waiting) done();
  }

  /** An action wrote something: nobody keeps it, whoever looks sees it. */
  #write(output: ActionOutput): void {
    for (const queue of this.#outputs) queue.push(output);
    if (this.#outputs.size > 0) for (const done of this.#waiting) done();
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const input = this.#inputs.shift();
        if (input === undefined || this.over || this.#abort.signal.aborted) break;
        await this.#handle(input);
      }
    } finally {
      this.#pumping = undefined;
    }
  }

  async #handle(input: SessionInput): Promise<void> {
    const at = this.#nowMs();
    const { effects, record } = journalStep(this.#machine, input, at, sha256);
    try {
      await this.#journal.append(
        record,
        effects.some((effect) => durableFirst.has(effect.type)),
      );
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.#break(error);
      return;
    }
    for (const effect of effects) this.#perform(effect);
    this.#arm();
  }

  #nowMs(): number {
    return this.#ends.clock.nowMs() + this.#aheadMs;
  }

  /** The journal takes no more: nothing happens that it would not know of. */
  #break(error: OperationError): void {
    this.#log.log("error", "session.journal-failed", { code: error.code });
    this.#broken = error;
    this.#abort.abort(error);
    clearTimeout(this.#timer);
    this.#release();
    this.#ends.onMilestone(this);
    this.#wake();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const deadline = this.#machine.deadline();
    if (deadline === undefined || this.over) return;
    const waitMs = Math.min(Math.max(0, deadline - this.#nowMs()) + 1, 2 ** 31 - 1);
    this.#timer = setTimeout(() => void this.give({ type: "tick" }), waitMs);
  }

  #perform(effect: SessionEffect): void {
    switch (effect.type) {
      case "open":
        return this.#call(effect.call, (signal) => this.#calls.open(effect, signal));
      case "ask-agent":
        return this.#call(effect.call, (signal) => this.#askAgent(effect, signal));
      case "prepare":
        return this.#call(effect.call, (signal) => this.#calls.prepare(effect, signal));
      case "propose":
        return this.#call(effect.call, (signal) => this.#calls.propose(effect, signal));
      case "act":
        return this.#call(effect.call, (signal) => this.#calls.act(effect, signal));
      case "settle":
        return this.#call(effect.call, (signal) => this.#calls.settle(effect, signal));
      case "report":
        return this.#call(effect.call, (signal) => this.#calls.report(effect, signal));
      case "kill":
        return this.#call(effect.call, (signal) => this.#calls.kill(effect, signal));
      case "close":
        return this.#call(effect.call, (signal) => this.#calls.close(effect, signal));
      case "abort":
        return this.#calls.abort(effect);
      case "ask-human":
        return this.#log.log("info", "session.asks", {
          about: effect.about,
          approval: effect.approval,
          n: effect.n,
        });
      case "publish":
        return this.#publish(effect);
      case "finish":
        return this.#finish(effect);
    }
  }

  /** Its end is an input; a failure of the world is one too. */
  #call(call: number, work: (signal: AbortSignal) => Promise<SessionInput>): void {
    const failed = (error: unknown): SessionInput => {
      if (!(error instanceof OperationError)) throw error;
      const message = clip(error.message, reasonCharsMax);
      return { type: "call-failed", call, code: error.code, message, retryable: error.retryable };
    };
    void work(this.#abort.signal)
      .catch(failed)
      .then((input) => this.give(input));
  }

  async #askAgent(effect: Of<"ask-agent">, signal: AbortSignal): Promise<SessionInput> {
    this.#told.asked(effect);
    const step = await this.#seat.step(this.#told, effect.turn, signal);
    this.#told.answered(effect.call, step);
    return { type: "step", call: effect.call, step };
  }

  /** Nothing of the session runs: neither its drivers nor the program of its agent. */
  #release(): void {
    void this.#calls.release();
    void this.#seat.rest();
  }

  #publish(effect: Of<"publish">): void {
    if (effect.rests && !isTerminal(this.state)) {
      // A person may take days; meanwhile nothing of the session runs.
      this.#release();
      this.#ends.onMilestone(this);
    }
    this.#wake();
  }

  #finish(effect: Of<"finish">): void {
    this.#log.log("info", "session.over", { state: effect.state, code: effect.code });
    this.#release();
    this.#ends.metrics.over(effect.state);
    this.#ends.onMilestone(this);
  }
}
