/**
 * Drives one session: inputs go one at a time through the machine; each is in the journal before
 * the effects that it caused are performed, and durable before those that change the world.
 *
 * Invariants: nothing is performed whose record could not be written; what a person was shown as an
 * end is durable; a bug ends the process, a failure of the world is an input.
 */
import {
  clip,
  commandAgent,
  type CommandAgent,
  isTerminal,
  journalStep,
  type Observation,
  outcomeContentBytesMax,
  reasonCharsMax,
  rests,
  runView,
  type RunView,
  type SessionEffect,
  type SessionInput,
  SessionMachine,
  sessionContentBytesMax,
  type SessionSnapshot,
  stateOf,
  toolOf,
  type Verdict,
} from "@ioi/agent";
import { assert, type Log, OperationError, utf8Decode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { actionId } from "@ioi/crypto";
import { encodeCanonical, prepared as preparedSchema, schema } from "@ioi/wire";
import { canonicalArguments } from "./arguments.ts";
import type {
  Contents,
  Driver,
  DriverKind,
  Drivers,
  Gate,
  JournalFile,
  OpenedSession,
  SessionClock,
} from "./ends.ts";
import { updateJsonCharsMax } from "./limits.ts";
import type { SessionMetrics } from "./metrics.ts";
import { readActEnd } from "./outcomes.ts";

export interface RunnerEnds {
  readonly gate: Gate;
  readonly drivers: Drivers;
  readonly contents: Contents;
  readonly clock: SessionClock;
  /** Absolute path behind `~`. */
  readonly home: string;
  readonly log: Log;
  readonly metrics: SessionMetrics;
  /** The session's state as a listing shows it changed: it began, rests or is over. */
  readonly onMilestone: (runner: SessionRunner) => void;
}

export interface SessionUpdate {
  readonly session: string;
  readonly state: string;
  readonly json: string;
  readonly rests: boolean;
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

const noContent = new Uint8Array(0);

/** The view of a session, without contents where they would make it too large. */
export const updateOf = (state: SessionSnapshot): SessionUpdate => {
  const whole = JSON.stringify(runView(state));
  return {
    session: state.session,
    state: stateOf(state),
    json:
      whole.length <= updateJsonCharsMax
        ? whole
        : JSON.stringify(runView(state, { contents: false })),
    rests: rests(state),
  };
};

/** When an action's proposal began and went on, in microseconds. */
interface Stopwatch {
  readonly fromUs: number;
  preparedUs: number;
  proposedUs: number;
}

export class SessionRunner {
  readonly #ends: RunnerEnds;
  readonly #journal: JournalFile;
  readonly #machine: SessionMachine;
  readonly #seen: Observation[];
  readonly #log: Log;
  readonly #abort = new AbortController();
  readonly #waiting: Set<() => void> = new Set();
  #agent: CommandAgent | undefined;
  #inputs: SessionInput[] = [];
  #pumping: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #opened: OpenedSession | undefined;
  #watch: Stopwatch = { fromUs: 0, preparedUs: 0, proposedUs: 0 };
  #version = 0;
  #broken: OperationError | undefined;

  private constructor(
    ends: RunnerEnds,
    journal: JournalFile,
    machine: SessionMachine,
    seen: Observation[],
    session: string,
  ) {
    this.#ends = ends;
    this.#journal = journal;
    this.#machine = machine;
    this.#seen = seen;
    this.#log = ends.log.child({ session });
  }

  /** A new session; it is durable when this returns. */
  static async begin(
    ends: RunnerEnds,
    journal: JournalFile,
    start: Extract<SessionInput, { readonly type: "start" }>,
  ): Promise<SessionRunner> {
    const runner = new SessionRunner(ends, journal, new SessionMachine(), [], start.session);
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
    seen: Observation[],
  ): SessionRunner {
    const runner = new SessionRunner(ends, journal, machine, seen, machine.state.session);
    void runner.give({ type: "restart" });
    return runner;
  }

  get state(): SessionSnapshot {
    return this.#machine.state;
  }

  get view(): RunView {
    return runView(this.#machine.state);
  }

  get update(): SessionUpdate {
    return updateOf(this.#machine.state);
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
    let seen = -1;
    while (!signal.aborted) {
      if (this.#broken !== undefined) throw this.#broken;
      if (this.#version === seen) {
        await this.#changed(signal);
        continue;
      }
      seen = this.#version;
      const { update } = this;
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
    await this.#journal.close();
  }

  #changed(signal: AbortSignal): Promise<void> {
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
    for (const done of [...this.#waiting]) done();
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
    const at = this.#ends.clock.nowMs();
    const { effects, record } = journalStep(this.#machine, input, at, nodeCrypto.sha256);
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

  /** The journal takes no more: nothing happens that it would not know of. */
  #break(error: OperationError): void {
    this.#log.log("error", "session.journal-failed", { code: error.code });
    this.#broken = error;
    this.#abort.abort(error);
    clearTimeout(this.#timer);
    this.#ends.drivers.release(this.state.session);
    this.#ends.onMilestone(this);
    this.#wake();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const deadline = this.#machine.deadline();
    if (deadline === undefined || this.over) return;
    const waitMs = Math.min(Math.max(0, deadline - this.#ends.clock.nowMs()) + 1, 2 ** 31 - 1);
    this.#timer = setTimeout(() => void this.give({ type: "tick" }), waitMs);
  }

  #perform(effect: SessionEffect): void {
    switch (effect.type) {
      case "open":
        return this.#call(effect.call, (signal) => this.#open(effect, signal));
      case "ask-agent":
        return this.#askAgent(effect);
      case "prepare":
        return this.#call(effect.call, (signal) => this.#prepare(effect, signal));
      case "propose":
        return this.#call(effect.call, (signal) => this.#propose(effect, signal));
      case "act":
        return this.#call(effect.call, (signal) => this.#act(effect, signal));
      case "settle":
        return this.#call(effect.call, (signal) => this.#settle(effect, signal));
      case "report":
        return this.#call(effect.call, (signal) => this.#report(effect, signal));
      case "kill":
        return this.#call(effect.call, (signal) => this.#kill(effect, signal));
      case "close":
        return this.#call(effect.call, (signal) => this.#close(effect, signal));
      case "abort":
        return void this.#abortAct(effect);
      case "ask-human":
        return this.#log.log("info", "session.asks", {
          about: effect.about,
          approval: effect.approval,
          action: effect.n,
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

  async #open(effect: Of<"open">, signal: AbortSignal): Promise<SessionInput> {
    this.#opened = await this.#ends.gate.openSession(this.state.session, signal);
    return { type: "opened", call: effect.call, policyHash: this.#opened.policyHash };
  }

  #askAgent(effect: Of<"ask-agent">): void {
    this.#seen[effect.turn] = effect.observation;
    this.#agent ??= commandAgent(this.state.goal);
    const step = this.#agent(this.#seen.slice(0, effect.turn + 1));
    void this.give({ type: "step", call: effect.call, step });
  }

  async #driver(target: string, signal: AbortSignal): Promise<Driver> {
    const kind: DriverKind | null | undefined = toolOf(target)?.driver;
    assert(kind !== null && kind !== undefined, `${target} has no driver`);
    const profile = this.#opened?.profiles.get(kind);
    if (profile === undefined) {
      throw new OperationError("E_PROFILE_MISSING", `the session has no ${kind} driver`);
    }
    return await this.#ends.drivers.of(this.state.session, kind, profile, signal);
  }

  async #prepare(effect: Of<"prepare">, signal: AbortSignal): Promise<SessionInput> {
    const fromUs = this.#ends.clock.nowUs();
    const roots = this.#opened?.roots ?? [];
    const { target, content } = effect;
    const made = canonicalArguments(target, effect.args, content, roots, this.#ends.home);
    if (!made.ok) {
      throw new OperationError(made.error.code as `E_${string}`, made.error.message);
    }
    const driver = await this.#driver(target, signal);
    const { action, prepared, preparedSignature } = await driver.prepare(
      target,
      encodeCanonical(made.value.args),
      signal,
    );
    const statement = schema.decode(preparedSchema, prepared);
    if (!statement.ok) {
      throw new OperationError("E_DRIVER_MALFORMED", "what the driver prepared does not decode");
    }
    this.#watch = { fromUs, preparedUs: this.#ends.clock.nowUs(), proposedUs: 0 };
    return {
      type: "prepared",
      call: effect.call,
      action,
      actionId: actionId(nodeCrypto, action),
      nonce: statement.value.nonce,
      prepared,
      preparedSignature,
    };
  }

  async #propose(effect: Of<"propose">, signal: AbortSignal): Promise<SessionInput> {
    const watch = this.#watch;
    watch.proposedUs = this.#ends.clock.nowUs();
    const { sequence, action, prepared, preparedSignature, headless } = effect;
    const { session } = this.state;
    const reply = await this.#ends.gate.propose(
      { session, sequence, action, prepared, preparedSignature, headless },
      signal,
    );
    const nowUs = this.#ends.clock.nowUs();
    const timing = {
      gateUs: Math.round(nowUs - watch.fromUs),
      prepareUs: Math.round(watch.preparedUs - watch.fromUs),
      proposeUs: Math.round(nowUs - watch.proposedUs),
      decideUs: reply.decideUs,
      syncUs: reply.syncUs,
      signUs: reply.signUs,
    };
    const judged = {
      rules: reply.rules,
      asks: reply.asks,
      reason: reply.reason,
      instead: reply.instead,
      display: reply.display,
      timing,
      ...(reply.receipt === undefined ? {} : { receipt: reply.receipt }),
    };
    this.#ends.metrics.judged(reply.verdict, timing.gateUs);
    this.#log.log("info", "session.judged", {
      action: effect.n,
      verdict: reply.verdict,
      ticket: reply.verdict === "allow" ? reply.counter.toString() : undefined,
      approval: reply.approval === "" ? undefined : reply.approval,
    });
    const { counter, ttlMs, ticket, approval } = reply;
    const verdict: Verdict =
      reply.verdict === "allow"
        ? { type: "allow", ...judged, counter, ttlMs, ticket }
        : reply.verdict === "ask"
          ? { type: "ask", ...judged, approval }
          : { type: "deny", ...judged };
    return { type: "verdict", call: effect.call, verdict };
  }

  async #act(effect: Of<"act">, signal: AbortSignal): Promise<SessionInput> {
    const driver = await this.#driver(effect.target, signal);
    const { nonce, ticket } = effect;
    const end = await driver.act(nonce, ticket, effect.content ?? noContent, signal);
    const { input, content } = readActEnd(effect.target, end);
    this.#log.log("info", "session.acted", {
      action: effect.n,
      ticket: effect.counter.toString(),
      status: input.status,
      code: input.code,
    });
    return { ...input, call: effect.call, ...(await this.#shown(effect.n, content)) };
  }

  /** Content in place where it is text and short, else behind a handle. */
  async #shown(
    n: number,
    content: Uint8Array | undefined,
  ): Promise<{ readonly content?: string; readonly handle?: string }> {
    if (content === undefined) return {};
    const room = sessionContentBytesMax - this.state.contentBytes;
    const short = content.length <= Math.min(outcomeContentBytesMax, room);
    const text = short ? utf8Decode(content) : undefined;
    if (text !== undefined) return { content: text };
    const handle = await this.#ends.contents.keep(this.state.session, n, content);
    return handle === undefined ? {} : { handle };
  }

  async #settle(effect: Of<"settle">, signal: AbortSignal): Promise<SessionInput> {
    const driver = await this.#driver(effect.target, signal);
    const { status, reversible } = await driver.settle(effect.counter, signal);
    const known = ["confirmed", "partial", "no-effect", "unknown"] as const;
    const found = known.find((each) => each === status) ?? "unknown";
    return { type: "settled", call: effect.call, status: found, reversible };
  }

  async #report(effect: Of<"report">, signal: AbortSignal): Promise<SessionInput> {
    const { counter, status, reportedBy, outcome, outcomeSignature } = effect;
    const receipt = await this.#ends.gate.report(
      {
        session: this.state.session,
        counter,
        status,
        reportedBy,
        ...(outcome === undefined ? {} : { outcome }),
        ...(outcomeSignature === undefined ? {} : { outcomeSignature }),
      },
      signal,
    );
    return { type: "reported", call: effect.call, receipt };
  }

  async #kill(effect: Of<"kill">, signal: AbortSignal): Promise<SessionInput> {
    await this.#ends.drivers.kill(this.state.session, signal);
    return { type: "killed", call: effect.call };
  }

  async #close(effect: Of<"close">, signal: AbortSignal): Promise<SessionInput> {
    await this.#ends.gate.closeSession(this.state.session, effect.state, signal);
    return { type: "closed", call: effect.call };
  }

  /** The effect is asked to end; what does not is killed with its driver. */
  async #abortAct(effect: Of<"abort">): Promise<void> {
    const kind = toolOf(effect.target)?.driver ?? "files";
    try {
      await this.#ends.drivers.running(this.state.session, kind)?.abort(effect.nonce);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
  }

  #publish(effect: Of<"publish">): void {
    if (effect.rests && !isTerminal(this.state)) {
      // A person may take days; meanwhile nothing of the session runs.
      this.#ends.drivers.release(this.state.session);
      this.#ends.onMilestone(this);
    }
    this.#wake();
  }

  #finish(effect: Of<"finish">): void {
    this.#log.log("info", "session.over", { state: effect.state, code: effect.code });
    this.#ends.drivers.release(this.state.session);
    this.#ends.metrics.over(effect.state);
    this.#ends.onMilestone(this);
  }
}
