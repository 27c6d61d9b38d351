/**
 * All sessions of the workload: begun, resumed after the processes ended, followed, stopped,
 * undone, listed.
 *
 * Invariants: a session has one runner at most; a session that is not over is resumed at the start
 * of the process; a broken journal concerns its session alone.
 */
import {
  type AgentFolder,
  clip,
  errors,
  type Goal,
  type OnAsk,
  type SessionInput,
  type SessionSnapshot,
  stateOf,
  type UndoItem,
  type Undo,
  undoOf,
} from "@ioi/agent";
import { type Log, OperationError, utf8Encode } from "@ioi/base";
import type { Gate, PersonDecision } from "./ends.ts";
import { activeSessionsMax, listSessionsMax, summaryTextCharsMax } from "./limits.ts";
import {
  type RunnerEnds,
  type SessionOutput,
  SessionRunner,
  type SessionUpdate,
  updateOf,
} from "./runner.ts";
import {
  isSessionId,
  type Journals,
  type KeptContents,
  proofHandle,
  type Piece,
  type SessionIndex,
  type Summary,
  type Undoing,
} from "./store.ts";

export type AgentChoice = "planner" | "model" | "folder";
export type Budgets = Omit<Extract<SessionInput, { readonly type: "budget" }>, "type">;

export interface StartInput {
  readonly session: string;
  readonly text: string;
  readonly workspace: string;
  readonly onAsk: OnAsk;
  /** Absent: the command planner. */
  readonly agent?: AgentChoice;
  /** Id of a confirmed model; absent: the default one. */
  readonly model?: string;
  readonly folder?: AgentFolder;
  /** Files that the person picked, absolute. */
  readonly attachments?: readonly string[];
  readonly persons?: readonly string[];
  readonly budgets?: Budgets;
}

export interface UndoInput {
  /** The session whose actions are undone. */
  readonly session: string;
  /** One action of it, or 0 for all. */
  readonly action: number;
  readonly undoSession: string;
  readonly onAsk: OnAsk;
}

/** What a person may tell a session that runs. */
export type PersonInput = Extract<
  SessionInput,
  { readonly type: "message" | "pause" | "resume" | "budget" }
>;

/** A session, running or over. */
export interface Followed {
  /** The present state, then every change until it rests. */
  follow(signal: AbortSignal): AsyncIterable<SessionUpdate>;
  /** Beside them what actions write while they run. */
  followAll(signal: AbortSignal): AsyncIterable<SessionUpdate | SessionOutput>;
}

export interface SessionsOptions {
  readonly ends: Omit<RunnerEnds, "onMilestone" | "contents">;
  readonly gate: Gate;
  readonly journals: Journals;
  readonly contents: KeptContents;
  readonly index: SessionIndex;
  readonly log: Log;
}

const failed = (code: keyof typeof errors, message: string): OperationError =>
  new OperationError(code, message, { next: errors[code].next });

const unknown = (session: string): OperationError =>
  new OperationError("E_SESSION_UNKNOWN", `there is no session ${session.slice(0, 64)}`);

/** Effects that a confirmed `fs::restore` of this session reverted. */
const undoneBy = (state: SessionSnapshot): readonly Undoing[] =>
  state.actions.flatMap(({ target, args, outcome, ticket }) => {
    const counter = args["counter"];
    return target === "fs::restore" &&
      ticket !== undefined &&
      outcome?.status === "confirmed" &&
      (typeof counter === "number" || typeof counter === "bigint")
      ? [{ counter: BigInt(counter), by: ticket.counter }]
      : [];
  });

const countersOf = (undone: readonly Undoing[]): ReadonlySet<bigint> =>
  new Set(undone.map(({ counter }) => counter));

/** Effects of this session that can be undone, but those that it undid itself. */
const reversibleOf = (state: SessionSnapshot): readonly bigint[] => {
  const undone = countersOf(undoneBy(state));
  return state.actions.flatMap((each) => {
    const counter = each.ticket?.counter;
    const left = counter !== undefined && undoOf(each).kind === "paths" && !undone.has(counter);
    return left ? [counter] : [];
  });
};

/** What an undo of an action does; of an undo's own actions, where the session is nothing else. */
const undoIn = ({ goal }: SessionSnapshot, action: SessionSnapshot["actions"][number]): Undo => {
  const { target, args, outcome } = action;
  if (goal.kind !== "undo" || target !== "fs::restore") return undoOf(action);
  const { paths } = args;
  const texts = Array.isArray(paths) ? paths.filter((each) => typeof each === "string") : [];
  const whole = outcome?.status === "confirmed" && outcome.reversible && texts.length > 0;
  return whole ? { kind: "paths", paths: texts } : { kind: "nothing", paths: [] };
};

const summaryOf = (state: SessionSnapshot): Summary => ({
  session: state.session,
  state: stateOf(state),
  text: clip(state.goal.text, summaryTextCharsMax),
  workspace: state.workspace,
  createdMs: Math.max(0, Math.round(state.startedMs)),
  actions: state.actions.length,
  over: state.stage === "ended",
  reversible: reversibleOf(state),
});

/** A summary as a listing shows it. */
export interface Listed extends Summary {
  /** Actions that can be undone and are not undone yet. */
  readonly undoable: number;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #ends: RunnerEnds;
  readonly #runners: Map<string, SessionRunner> = new Map();
  /** Sessions that begin at this moment. */
  readonly #beginning: Map<string, Promise<Followed>> = new Map();
  readonly #abort = new AbortController();
  /** Writes of the index, one after the other. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#ends = {
      ...options.ends,
      contents: options.contents,
      onMilestone: (runner) => this.#milestone(runner),
    };
  }

  /** Resumes what is not over, then listens for the person's decisions. */
  async recover(): Promise<void> {
    const { journals, contents, index, log } = this.#options;
    const known = await index.all();
    const over = new Set(known.filter((each) => each.over).map((e) => e.session));
    const begun = new Map(known.map(({ session, createdMs }) => [session, createdMs]));
    const ageOf = (session: string): number => begun.get(session) ?? Number.MAX_SAFE_INTEGER;
    const all = [...(await journals.list())].sort((a, b) => ageOf(a) - ageOf(b));
    await contents.recover(all);
    for (const session of all) {
      if (over.has(session)) continue;
      try {
        await this.#resume(session);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        log.log("error", "session.journal-unreadable", { session, code: error.code });
      }
    }
    void this.#hearDecisions();
  }

  async #resume(session: string): Promise<void> {
    const opened = await this.#options.journals.resume(session);
    if (opened === undefined) return;
    const { journal, restored } = opened;
    const { machine, told } = restored;
    if (machine.state.stage === "ended") {
      await journal.close();
      await this.#options.index.put(summaryOf(machine.state), undoneBy(machine.state));
      return;
    }
    this.#options.log.log("info", "session.resumed", { session, stage: machine.state.stage });
    this.#runners.set(session, SessionRunner.resume(this.#ends, journal, machine, told));
    this.#options.ends.metrics.active(this.#runners.size);
  }

  async #hearDecisions(): Promise<void> {
    for await (const decision of this.#options.gate.decisions(this.#abort.signal)) {
      this.#decided(decision);
    }
  }

  #decided(decision: PersonDecision): void {
    const { session, scopeChanged } = decision;
    const runner = this.#runners.get(session);
    if (runner === undefined) return;
    if (scopeChanged === true) {
      runner.scopeChanged();
      return;
    }
    void runner.decided(decision);
  }

  /** Starts a session, or follows it where it was started already. */
  async start(input: StartInput): Promise<Followed> {
    const kind = input.agent ?? "planner";
    const goal: Goal = { text: input.text, kind, earlier: [], lost: [] };
    return await this.#begin(input, input.folder?.name ?? kind, goal);
  }

  /** A session of its own that undoes what another one did. */
  async undo(input: UndoInput): Promise<Followed> {
    const { session, undoSession, onAsk, action } = input;
    const state = await this.#stateOf(session);
    const { earlier, lost } = await this.#undoable(state, action);
    const text = `/undo ${session}${action === 0 ? "" : ` action ${action}`}`;
    const start = { session: undoSession, text, workspace: state.workspace, onAsk };
    return await this.#begin(start, "undo", { text, kind: "undo", earlier, lost });
  }

  async #begin(input: StartInput, agent: string, goal: Goal): Promise<Followed> {
    const {
      session,
      workspace,
      onAsk,
      model,
      folder,
      attachments = [],
      persons = [],
      budgets,
    } = input;
    if (!isSessionId(session)) {
      throw new OperationError("E_SESSION_ID", "this is no name that a session can have");
    }
    const { journals } = this.#options;
    const known = this.#runners.get(session) ?? this.#beginning.get(session);
    if (known !== undefined) return await known;
    if (this.#runners.size + this.#beginning.size >= activeSessionsMax) {
      throw new OperationError("E_SESSIONS_ACTIVE", `${this.#runners.size} sessions are under way`);
    }
    const begin = async (): Promise<Followed> => {
      if (await journals.has(session)) return await this.#finished(session);
      const journal = await journals.create(session);
      const start = {
        type: "start",
        session,
        workspace,
        onAsk,
        agent,
        goal,
        ...(model === undefined ? {} : { model }),
        ...(folder === undefined ? {} : { folder }),
        ...(attachments.length === 0 ? {} : { attachments }),
        ...(persons.length === 0 ? {} : { persons }),
        ...budgets,
      } as const;
      const runner = await SessionRunner.begin(this.#ends, journal, start);
      if (!runner.over) this.#runners.set(session, runner);
      this.#options.ends.metrics.active(this.#runners.size);
      return runner;
    };
    const beginning = begin().finally(() => this.#beginning.delete(session));
    this.#beginning.set(session, beginning);
    return await beginning;
  }

  async follow(session: string): Promise<Followed> {
    return (
      this.#runners.get(session) ??
      (await this.#beginning.get(session)) ??
      (await this.#finished(session))
    );
  }

  async list(limit: number): Promise<readonly Listed[]> {
    await this.#writing;
    const undone = await this.#options.index.undone();
    const all = new Map((await this.#options.index.all()).map((each) => [each.session, each]));
    for (const [session, runner] of this.#runners) all.set(session, summaryOf(runner.state));
    return [...all.values()]
      .sort((a, b) => b.createdMs - a.createdMs || (a.session < b.session ? 1 : -1))
      .slice(0, limit === 0 ? listSessionsMax : Math.min(limit, listSessionsMax))
      .map((each) => ({
        ...each,
        undoable: each.reversible.filter((counter) => !undone.has(counter)).length,
      }));
  }

  /** A piece of what an action found. */
  async content(
    session: string,
    n: number,
    offset: number,
    length: number,
    part: "" | "proof" = "",
  ): Promise<Piece> {
    const outcome = (await this.#stateOf(session)).actions.find((each) => each.n === n)?.outcome;
    if (part === "proof") return await this.#proof(session, n, offset, length);
    const { content, handle } = outcome ?? {};
    if (content !== undefined) {
      const whole = utf8Encode(content);
      return { bytes: whole.subarray(offset, offset + length), total: whole.length };
    }
    if (handle === undefined) {
      throw failed("E_CONTENT_NONE", `action ${n} of ${session} has no content`);
    }
    const piece = await this.#options.contents.read(handle, offset, length);
    if (piece !== undefined) return piece;
    throw failed("E_CONTENT_FORGOTTEN", `the content of action ${n} of ${session} is gone`);
  }

  /** A piece of what shows an answer of recall. */
  async #proof(session: string, n: number, offset: number, length: number): Promise<Piece> {
    const piece = await this.#options.contents.read(proofHandle(session, n), offset, length);
    if (piece !== undefined) return piece;
    throw failed("E_CONTENT_NONE", `action ${n} of ${session} has no proof, or none any more`);
  }

  /** Stops one session, or all; returns those that are over now. */
  async stop(session: string, signal: AbortSignal): Promise<readonly string[]> {
    if (session !== "" && !this.#runners.has(session)) {
      await this.#finished(session);
      return [];
    }
    const stopped = session === "" ? [...this.#runners.keys()] : [session];
    await Promise.all(
      stopped.map(async (each) => {
        const runner = this.#runners.get(each);
        void runner?.give({ type: "stop", reason: "a person stopped it" });
        await runner?.ended(signal);
      }),
    );
    return stopped;
  }

  async resolve(session: string, resolution: "happened" | "did-not-happen"): Promise<void> {
    const runner = this.#runners.get(session);
    if (runner === undefined) await this.#finished(session);
    if (runner?.state.stage !== "resolving") {
      throw new OperationError("E_SESSION_NOT_ASKING", `session ${session} asks nothing`);
    }
    await runner.give({ type: "resolve", resolution });
  }

  /** What the program of a session reads; false where none runs that reads. */
  async input(session: string, bytes: Uint8Array, end: boolean): Promise<boolean> {
    return (await this.#runners.get(session)?.input(bytes, end)) === true;
  }

  /** An input of the person for a session that is not over. */
  async showChange(session: string, approval: string): Promise<void> {
    await this.#runners.get(session)?.showChange(approval);
  }

  async give(session: string, input: PersonInput): Promise<void> {
    const runner = this.#runners.get(session);
    if (runner === undefined) {
      await this.#finished(session);
      throw failed("E_SESSION_OVER", `session ${session} is over`);
    }
    await runner.give(input);
  }

  /** Ends a pause, or a rest at a budget, which only a higher budget ends for long. */
  async resume(session: string, budgets: Budgets): Promise<void> {
    if (Object.keys(budgets).length > 0) await this.give(session, { type: "budget", ...budgets });
    await this.give(session, { type: "resume" });
  }

  /** Makes durable what is acknowledged. Sessions that are not over go on at the next start. */
  async drain(): Promise<void> {
    this.#abort.abort(new OperationError("E_RPC_CANCELLED", "the workload ends"));
    await Promise.all([...this.#runners.values()].map((runner) => runner.close()));
    await this.#writing;
  }

  #milestone(runner: SessionRunner): void {
    const { state } = runner;
    const entry = summaryOf(state);
    const undone = entry.over ? undoneBy(state) : [];
    this.#writing = this.#writing.then(() => this.#options.index.put(entry, undone));
    if (runner.over) void this.#retire(state.session, runner, this.#writing);
  }

  async #retire(session: string, runner: SessionRunner, indexed: Promise<void>): Promise<void> {
    if (this.#runners.get(session) === runner) this.#runners.delete(session);
    this.#options.ends.metrics.active(this.#runners.size);
    await indexed;
    await runner.close();
  }

  /** A session without a runner: what its journal tells. */
  async #finished(session: string): Promise<Followed> {
    const { journals } = this.#options;
    if (!isSessionId(session) || !(await journals.has(session))) throw unknown(session);
    const { machine } = await journals.read(session);
    const update = updateOf(machine.state);
    const follow = async function* (): AsyncGenerator<SessionUpdate> {
      yield { ...update, rests: true };
    };
    return { follow, followAll: follow };
  }

  async #stateOf(session: string): Promise<SessionSnapshot> {
    const { journals } = this.#options;
    const runner = this.#runners.get(session);
    if (runner !== undefined) return runner.state;
    if (!isSessionId(session) || !(await journals.has(session))) throw unknown(session);
    return (await journals.read(session)).machine.state;
  }

  /** What a session did that can be undone, oldest first, and what cannot. */
  async #undoable(state: SessionSnapshot, action: number): Promise<Pick<Goal, "earlier" | "lost">> {
    await this.#writing;
    const earlier: UndoItem[] = [];
    const lost: number[] = [];
    const undone = countersOf(undoneBy(state));
    const already = await this.#options.index.undone();
    for (const each of state.actions) {
      const { kind, paths } = undoIn(state, each);
      const counter = each.ticket?.counter;
      if (counter === undefined || kind === "nothing" || undone.has(counter)) continue;
      if ((action !== 0 && each.n !== action) || already.has(counter)) continue;
      if (kind === "paths") earlier.push({ counter, paths });
      else lost.push(each.n);
    }
    return { earlier, lost };
  }
}
