/**
 * Actions that a running program asks for beside its own: prepared by the same driver, proposed, and
 * performed while the program goes on; what became of each is an input of the session.
 *
 * What a driver has somebody else do (`by`), as a memory's vectors, is prepared and performed by that one,
 * and what it found goes back to the driver that asked.
 *
 * The start of a server lasts beyond the call that needed it: until the session rests, or ends.
 *
 * Invariants: nothing is granted without a ticket of its own; each ticket gets its outcome, before the
 * program's action gets its own where it does not last. Bounds: `besideMax` at once, `besideAskMsMax`.
 */
import {
  callTarget,
  clip,
  reasonCharsMax,
  type SessionInput,
  type SessionSnapshot,
} from "@ioi/agent";
import { type Log, OperationError } from "@ioi/base";
import { startTool } from "@ioi/firewall";
import { decodeCanonical, prepared as preparedSchema, schema } from "@ioi/wire";
import type {
  ActWant,
  Driver,
  Gate,
  PersonDecision,
  ProposalVerdict,
  ReportInput,
} from "./ends.ts";
import { besideAskMsMax, besideMax } from "./limits.ts";
import { readActEnd } from "./outcomes.ts";

type Beside = Extract<SessionInput, { readonly type: "beside" }>;
type Known = Omit<Beside, "type" | "key" | "target" | "args">;

/** The running act that programs ask through. */
export interface ProgramAct {
  readonly driver: Driver;
  readonly counter: bigint;
  readonly signal: AbortSignal;
  /** The program waits for nothing any more. */
  readonly ended: AbortSignal;
  /** Who performs what is asked for; absent: the driver itself. */
  readonly by?: Performer;
}

/** Another driver that performs what one asks for, and what becomes of what it finds. */
export interface Performer {
  readonly driver: Driver;
  readonly content: Uint8Array;
  readonly found: (content: Uint8Array) => Promise<void>;
}

/** Undefined: there is nobody who could; the driver that asked goes on without. */
export type FindPerformer = () => Promise<
  { readonly by: Performer; readonly args: Uint8Array } | undefined
>;

export interface BesideEnds {
  readonly gate: Gate;
  readonly log: Log;
  readonly give: (input: SessionInput) => Promise<void>;
}

type Answer = Pick<PersonDecision, "approved" | "reason" | "expired">;

/** Proposals of the machine count from the epoch's beginning; these from its middle. */
const sequenceOf = ({ epoch }: SessionSnapshot, at: number): number =>
  epoch * 2 ** 32 + 2 ** 31 + at;

const judgedOf = (verdict: ProposalVerdict): Known => ({
  verdict: verdict.verdict,
  rules: verdict.rules,
  asks: verdict.asks,
  reason: clip(verdict.reason, reasonCharsMax),
  instead: clip(verdict.instead, reasonCharsMax),
  display: verdict.display,
  ...(verdict.receipt === undefined ? {} : { receipt: verdict.receipt }),
  ...(verdict.verdict === "ask" ? { approval: verdict.approval } : {}),
  ...(verdict.verdict === "allow"
    ? { ticket: { counter: verdict.counter, ttlMs: verdict.ttlMs } }
    : {}),
});

const argsOf = (bytes: Uint8Array): Beside["args"] => {
  const decoded = decodeCanonical(bytes);
  return decoded.ok && typeof decoded.value === "object" && decoded.value !== null
    ? (decoded.value as Beside["args"])
    : {};
};

const isStart = ({ target, args }: ActWant): boolean =>
  target === callTarget && argsOf(args)["tool"] === startTool;

/** Who hears what became of it. */
interface Told {
  readonly tell: (known: Known) => Promise<void>;
  readonly refuse: (reason: string) => Promise<void>;
}

export class BesideActions {
  readonly #ends: BesideEnds;
  readonly #state: SessionSnapshot;
  /** Approvals that a person is asked for, and answers that came before anybody waited. */
  readonly #waiting: Map<string, (answer: Answer) => void> = new Map();
  readonly #running: Set<Promise<void>> = new Set();
  /** Servers that were started, and go on running. */
  readonly #lasting: Map<Promise<void>, () => Promise<void>> = new Map();
  #proposals = 0;
  #keys = 0;

  constructor(ends: BesideEnds, state: SessionSnapshot) {
    this.#ends = ends;
    this.#state = state;
  }

  /** A person's answer; false where nothing here waits for it. */
  decided({ approval, ...answer }: PersonDecision): boolean {
    const waiting = this.#waiting.get(approval);
    waiting?.(answer);
    return waiting !== undefined;
  }

  /** One thing that the program asks for. `find`: who performs it, where it is not the driver. */
  want(act: ProgramAct, want: ActWant, find?: FindPerformer): void {
    const key = Math.max(this.#keys, ...this.#state.actions.map((each) => each.beside ?? 0)) + 1;
    this.#keys = key;
    const running = this.#run(act, want, key, find).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** All of them have their outcomes. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #run(
    act: ProgramAct,
    want: ActWant,
    key: number,
    find: FindPerformer | undefined,
  ): Promise<void> {
    const { driver, counter } = act;
    const refuse = async (reason: string): Promise<void> => {
      await driver.refuse(counter, want.id, clip(reason, reasonCharsMax)).catch(() => undefined);
    };
    try {
      if (this.#running.size >= besideMax) return await refuse("too many things are asked at once");
      if (find === undefined) return await this.#judge(act, want, key, refuse);
      const found = await find();
      if (found === undefined) return await refuse("");
      const { by, args } = found;
      await this.#judge({ ...act, by }, { ...want, args }, key, refuse);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.#ends.log.log("warn", "session.beside-failed", { key, code: error.code });
      await refuse(error.message);
    }
  }

  async #judge(
    act: ProgramAct,
    want: ActWant,
    key: number,
    refuse: (reason: string) => Promise<void>,
  ): Promise<void> {
    const { signal } = act;
    const { driver } = act.by ?? act;
    const { target, args } = want;
    const tell = (known: Known): Promise<void> =>
      this.#ends.give({ type: "beside", key, target, args: argsOf(args), ...known });
    // As often as a yes is found to be for something else: the policy may have changed.
    for (let tries = 0; tries < 3; tries++) {
      const made = await driver.prepare(target, args, signal);
      const statement = schema.decode(preparedSchema, made.prepared);
      if (!statement.ok) {
        throw new OperationError("E_DRIVER_MALFORMED", "what the driver prepared does not decode");
      }
      this.#proposals += 1;
      const verdict = await this.#ends.gate.propose(
        {
          session: this.#state.session,
          sequence: sequenceOf(this.#state, this.#proposals),
          ...made,
          headless: this.#state.onAsk === "deny",
        },
        signal,
      );
      const known = judgedOf(verdict);
      await tell(known);
      if (verdict.verdict === "allow" && isStart(want)) {
        this.#last(act, verdict, statement.value.nonce, known, { tell, refuse });
        return;
      }
      if (verdict.verdict === "allow") {
        const outcome = await this.#perform(
          act,
          target,
          verdict,
          statement.value.nonce,
          known,
          tell,
        );
        // What its ticket did not let happen; the program need not wait for it.
        const { status, message = status } = outcome;
        const isLost = act.by === undefined ? status === "refused" : status !== "confirmed";
        if (isLost) await refuse(message);
        return;
      }
      if (verdict.verdict === "deny") return await refuse(verdict.reason);
      const answer = await this.#answer(verdict.approval, AbortSignal.any([signal, act.ended]));
      if (answer.approved) continue;
      const reason = answer.expired ? "nobody answered in time" : answer.reason;
      await tell({
        ...known,
        verdict: "deny",
        reason: reason === "" ? "a person said no" : reason,
      });
      return await refuse(reason === "" ? "a person said no" : reason);
    }
    await refuse("what was approved asks again");
  }

  #last(
    { driver, ...act }: ProgramAct,
    verdict: ProposalVerdict,
    nonce: Uint8Array,
    known: Known,
    { tell, refuse }: Told,
  ): void {
    // Whoever stops the session ends it, and hears what it was.
    const { signal } = new AbortController();
    const running = { ...act, driver, signal };
    const performing = this.#perform(running, callTarget, verdict, nonce, known, tell, true);
    const done = performing.then(
      async ({ status, message = status }) => {
        // The call that needed it would wait for what never began; one that ran is not waited for.
        if (status !== "confirmed") await refuse(message);
      },
      (error: unknown) => {
        if (!(error instanceof OperationError)) throw error;
        this.#ends.log.log("warn", "session.beside-failed", { code: error.code });
      },
    );
    this.#lasting.set(done, () => driver.abort(nonce));
    void done.finally(() => this.#lasting.delete(done));
  }

  get lasting(): number {
    return this.#lasting.size;
  }

  /** Servers end, and their starts have their outcomes. */
  async endLasting(): Promise<void> {
    await Promise.all(
      [...this.#lasting].map(async ([done, end]) => {
        try {
          await end();
        } catch (error) {
          if (!(error instanceof OperationError)) throw error;
          // Whoever kills its driver ends it.
          return;
        }
        await done;
      }),
    );
  }

  #answer(approval: string, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve) => {
      const settle = (answer: Answer): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", gone);
        this.#waiting.delete(approval);
        resolve(answer);
      };
      const gone = (): void =>
        settle({ approved: false, reason: "the program that asked has ended", expired: false });
      const late = (): void => settle({ approved: false, reason: "", expired: true });
      const timer = setTimeout(late, besideAskMsMax);
      signal.addEventListener("abort", gone, { once: true });
      this.#waiting.set(approval, settle);
      if (signal.aborted) gone();
    });
  }

  async #perform(
    { by, signal: own, ended, ...act }: ProgramAct,
    target: string,
    { counter, ticket }: ProposalVerdict,
    nonce: Uint8Array,
    known: Known,
    tell: (known: Known) => Promise<void>,
    lasts = false,
  ): Promise<NonNullable<Known["outcome"]>> {
    const report = { session: this.#state.session, counter };
    const { driver, content: given } = by ?? { driver: act.driver, content: new Uint8Array(0) };
    // What nobody waits for any more is not worth asking somebody else.
    const signal = by === undefined ? own : AbortSignal.any([own, ended]);
    const lasting = new AbortController().signal;
    let outcome: NonNullable<Known["outcome"]>;
    let content: Uint8Array | undefined;
    let signed: Pick<ReportInput, "outcome" | "outcomeSignature" | "requests"> | undefined;
    const deadlineMs = lasts ? Number.POSITIVE_INFINITY : undefined;
    try {
      const acting = driver.act(nonce, ticket, given, signal, undefined, undefined, deadlineMs);
      const end = await acting;
      const { input, requests, content: found } = readActEnd(target, end);
      content = found;
      const { status, bytes, code, message, evidence, resultHash } = input;
      signed = {
        outcome: end.outcome,
        outcomeSignature: end.outcomeSignature,
        ...(requests === undefined ? {} : { requests }),
      };
      outcome = {
        status,
        bytes,
        evidence,
        resultHash,
        reportedBy: "driver",
        ...(code === undefined ? {} : { code }),
        ...(message === undefined ? {} : { message }),
      };
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      // Nobody says any more what went over it.
      outcome = { status: "unknown", bytes: 0, evidence: {}, reportedBy: "workload" };
    }
    await tell({ ...known, outcome });
    const { status, reportedBy } = outcome;
    const receipt = await this.#ends.gate.report(
      { ...report, status, reportedBy, ...signed },
      lasting,
    );
    await tell({ ...known, outcome: { ...outcome, receipt } });
    if (content !== undefined) await by?.found(content);
    return outcome;
  }

  /** After a crash: tickets whose outcome nobody reported. */
  async recover(signal: AbortSignal): Promise<void> {
    const { session, actions } = this.#state;
    for (const action of actions) {
      const { beside: key, ticket, verdict, outcome } = action;
      if (key === undefined || ticket === undefined || verdict !== "allow") continue;
      if (outcome?.receipt !== undefined) continue;
      const lost = { status: "unknown", bytes: 0, evidence: {}, reportedBy: "workload" } as const;
      const { status, reportedBy } = lost;
      const { counter } = ticket;
      const receipt = await this.#ends.gate
        .report({ session, counter, status, reportedBy }, signal)
        .catch(() => undefined);
      const { target, args, rules, asks, reason, instead, display } = action;
      await this.#ends.give({
        type: "beside",
        key,
        target,
        args,
        verdict,
        rules,
        asks,
        reason,
        instead,
        display,
        ticket,
        outcome: receipt === undefined ? lost : { ...lost, receipt },
      });
    }
  }
}
