/**
 * The session machine: a goal becomes proposed actions, one at a time, each permitted, performed
 * and reported before the next.
 *
 * Source: agent.md section 1 of the design; the states are those of `ioi.kernel.v1.SessionUpdate`.
 * Invariants, each a property of the tests: no `act` without the ticket of an allow; no two acts
 * for one counter; an ended session emits nothing; the effects are a function of the inputs and
 * their times, so that a journal of inputs is the whole truth about a session.
 * Bounds: `../limits.ts`. Time that goes back is read as time that stood still.
 */
import { type Machine, unreachable, type WallMs } from "@ioi/base";
import {
  agentActionsDefault,
  agentMicrousdDefault,
  agentTokensDefault,
  agentWallMsDefault,
  displayCharsMax,
  messagesMax,
  sessionActionsMax,
  sessionContentBytesMax,
  sessionWallMsDefault,
} from "../limits.ts";
import type { AgentKind, SessionEffect, SessionInput, Verdict } from "./messages.ts";
import { beside, endBeside } from "./beside.ts";
import { step, unavailable } from "./steps.ts";
import { commitCost, isModelCall } from "./spending.ts";
import {
  type ActionState,
  clip,
  isTerminal,
  isWorking,
  newSession,
  type OutcomeState,
  type Session,
  type SessionSnapshot,
  type Stopping,
} from "./state.ts";
import {
  afterReport,
  callFailed,
  continueStop,
  deadlineOf,
  decide,
  denied,
  disown,
  emit,
  end,
  enter,
  fail,
  isClosing,
  lost,
  publishIfChanged,
  setFound,
  settle,
  tick,
} from "./transitions.ts";

type Of<T extends SessionInput["type"]> = Extract<SessionInput, { readonly type: T }>;
type Budgets = Omit<Of<"budget">, "type">;

/** Decisions that are kept for a verdict still on its way. */
const earlyDecisionsMax = 16;

/** A typed sequence is as long as it is; what decides by itself has bounds of its own. */
const defaultBudgets = (kind: AgentKind): Required<Budgets> =>
  kind === "planner" || kind === "undo"
    ? {
        actionsMax: sessionActionsMax,
        wallMsMax: sessionWallMsDefault,
        tokensMax: 0,
        microusdMax: 0,
      }
    : {
        actionsMax: agentActionsDefault,
        wallMsMax: agentWallMsDefault,
        tokensMax: agentTokensDefault,
        microusdMax: agentMicrousdDefault,
      };

const setBudgets = (s: Session, given: Budgets): void => {
  s.actionsMax = given.actionsMax ?? s.actionsMax;
  s.wallMsMax = given.wallMsMax ?? s.wallMsMax;
  s.tokensMax = given.tokensMax ?? s.tokensMax;
  s.microusdMax = given.microusdMax ?? s.microusdMax;
};

const start = (s: Session, input: Of<"start">): void => {
  s.session = input.session;
  s.workspace = input.workspace;
  s.onAsk = input.onAsk;
  s.agent = input.agent;
  s.goal = input.goal;
  s.startedMs = s.lastMs;
  s.modelWish = input.model;
  s.folder = input.folder;
  s.attachments = input.attachments ?? [];
  s.persons = input.persons ?? [];
  setBudgets(s, defaultBudgets(input.goal.kind));
  setBudgets(s, input);
  enter(s, "asking");
};

const prepared = (s: Session, input: Of<"prepared">): void => {
  const current = s.current as ActionState;
  const { action, actionId, nonce } = input;
  current.prepared = { action, actionId, nonce };
  s.stage = "proposing";
  s.call = s.nextCall;
  s.nextCall += 1;
  s.proposals += 1;
  emit(s, {
    type: "propose",
    call: s.call,
    n: current.n,
    // Proposals whose record a crash took must not share a number with later ones.
    sequence: s.epoch * 2 ** 32 + s.proposals,
    action,
    prepared: input.prepared,
    preparedSignature: input.preparedSignature,
    headless: s.onAsk === "deny",
    ...(current.alike === undefined ? {} : { alike: current.alike }),
  });
  s.changed = true;
};

const judge = (current: ActionState, verdict: Exclude<Verdict, { type: "unavailable" }>): void => {
  current.verdict = verdict.type;
  current.rules = verdict.rules;
  current.asks = verdict.asks;
  current.reason = verdict.reason;
  current.instead = verdict.instead;
  current.timing = verdict.timing;
  if (verdict.display !== "") current.display = clip(verdict.display, displayCharsMax);
  if (verdict.receipt !== undefined) current.receipt = verdict.receipt;
};

const permit = (
  s: Session,
  current: ActionState,
  verdict: Extract<Verdict, { type: "allow" }>,
): void => {
  s.lastCounter = verdict.counter;
  current.ticket = { counter: verdict.counter, ttlMs: verdict.ttlMs };
};

const allow = (s: Session, verdict: Extract<Verdict, { type: "allow" }>): void => {
  const current = s.current as ActionState;
  const nonce = current.prepared?.nonce;
  if (verdict.counter <= s.lastCounter || verdict.ticket.length === 0 || nonce === undefined) {
    current.verdict = null;
    fail(s, "E_GATE_REPLY_INVALID", `the ticket's counter ${verdict.counter} is not new`);
    return;
  }
  permit(s, current, verdict);
  s.stage = "acting";
  s.call = s.nextCall;
  s.nextCall += 1;
  s.changed = true;
  const { n, target, content } = current;
  const { counter, ticket } = verdict;
  const act = { type: "act", call: s.call, n, target, counter, nonce, ticket } as const;
  emit(s, content === undefined ? act : { ...act, content });
};

const judged = (s: Session, verdict: Verdict): void => {
  const current = s.current as ActionState;
  if (verdict.type === "unavailable") {
    unavailable(s, verdict.code, verdict.message);
    return;
  }
  judge(current, verdict);
  if (verdict.type === "allow") allow(s, verdict);
  else if (verdict.type === "deny") denied(s);
  else if (s.onAsk === "deny") {
    current.verdict = "deny";
    denied(s);
  } else {
    current.approval = verdict.approval;
    enter(s, "deciding");
  }
};

/** The proposal that was under way when the stop came still got its answer. */
const judgedWhileStopping = (s: Session, verdict: Verdict): void => {
  const current = s.current as ActionState;
  if (verdict.type !== "unavailable") judge(current, verdict);
  if (verdict.type === "allow" && verdict.counter > s.lastCounter) {
    // A ticket that nobody uses: its intent is reported as not done.
    permit(s, current, verdict);
    setFound(s, "no-effect", false, "workload");
  } else if (verdict.type === "allow") current.verdict = null;
};

/** An answer to what was under way when the stop came. */
const answersStop = (s: Session, stopping: Stopping, input: SessionInput): void => {
  const waits = stopping.killed && s.stage === "proposing";
  if (input.type === "verdict" && s.current?.ticket === undefined) {
    judgedWhileStopping(s, input.verdict);
  } else if (input.type === "outcome" && input.counter === s.current?.ticket?.counter) {
    if (s.current.outcome === undefined) setOutcome(s, input);
  } else if (input.type !== "call-failed") return;
  stopping.awaited = 0;
  if (waits) continueStop(s);
};

const setOutcome = (s: Session, input: Of<"outcome">): void => {
  const current = s.current as ActionState;
  const size = input.content?.length ?? 0;
  const kept = input.content !== undefined && s.contentBytes + size <= sessionContentBytesMax;
  if (kept) s.contentBytes += size;
  const outcome: OutcomeState = {
    status: input.status,
    bytes: input.bytes,
    reversible: input.reversible,
    reportedBy: "driver",
    ...(input.code === undefined ? {} : { code: input.code }),
    ...(input.message === undefined ? {} : { message: input.message }),
    evidence: input.evidence,
    changed: input.changed,
    ...(kept ? { content: input.content as string } : {}),
    ...(input.handle === undefined ? {} : { handle: input.handle }),
    resultHash: input.resultHash,
    signed: { outcome: input.outcome, signature: input.outcomeSignature },
  };
  current.outcome = outcome;
  commitCost(s, current);
  s.changed = true;
};

/** What is not known to have happened is asked; a call of a model that is lost is made again. */
const performed = (s: Session, status: OutcomeState["status"]): void => {
  if (status !== "unknown") enter(s, "reporting");
  else if (isModelCall(s.current)) lost(s);
  else enter(s, "resolving");
};

const reported = (s: Session, input: Of<"reported">): void => {
  const current = s.current as ActionState;
  current.outcome = { ...(current.outcome as OutcomeState), receipt: input.receipt };
  afterReport(s);
};

const stop = (s: Session, input: Of<"stop">): void => {
  if (s.stopping !== undefined || isClosing(s)) return;
  const awaited = s.stage === "proposing" || s.stage === "acting" ? s.call : 0;
  s.stopping = { reason: input.reason, attempts: 0, killed: false, awaited };
  s.failure = { code: "E_SESSION_STOPPED", message: input.reason || "a person stopped it" };
  const current = s.current;
  if (s.stage === "acting" && current?.prepared !== undefined) {
    const { n, target, prepared: was } = current;
    emit(s, { type: "abort", n, target, nonce: was.nonce });
  }
  continueStop(s);
};

const killed = (s: Session): void => {
  const stopping = s.stopping;
  if (stopping === undefined) return;
  stopping.killed = true;
  if (stopping.awaited !== 0 && s.current?.ticket === undefined) {
    // The gate may still permit; what it permitted must be reported as not done.
    s.stage = "proposing";
    s.call = stopping.awaited;
  } else continueStop(s);
};

const resolve = (s: Session, resolution: "happened" | "did-not-happen"): void => {
  if (s.stage !== "resolving") return;
  const happened = resolution === "happened";
  s.failure = undefined;
  setFound(s, happened ? "confirmed" : "no-effect", false, "person");
  (s.current as ActionState).redo = !happened;
  enter(s, "reporting");
};

const budget = (s: Session, input: Of<"budget">): void => {
  setBudgets(s, input);
  if (s.stage === "resting" && !s.pauseAsked) {
    s.failure = undefined;
    enter(s, "asking");
  }
};

const resume = (s: Session): void => {
  s.pauseAsked = false;
  if (s.stage !== "resting") return;
  s.failure = undefined;
  enter(s, "asking");
};

const restart = (s: Session): void => {
  const stage = s.stage === "opening" ? s.afterOpen : s.stage;
  s.epoch += 1;
  s.opened = false;
  s.call = 0;
  s.retry = undefined;
  s.retries = 0;
  disown(s);
  endBeside(s);
  if (s.stopping !== undefined) {
    s.stopping.killed = false;
    s.stopping.awaited = 0;
    continueStop(s);
  } else if (stage === "acting") lost(s);
  else if (stage === "proposing") enter(s, "preparing");
  else if (stage === "resting") s.changed = true;
  else enter(s, stage);
};

const decision = (s: Session, input: Of<"decision">): void => {
  const { approval, approved, reason, expired = false } = input;
  if (s.stage === "deciding" && s.current?.approval === approval) {
    decide(s, { approved, reason, expired });
    return;
  }
  if (s.early.some((each) => each.approval === approval)) return;
  if (s.early.length >= earlyDecisionsMax) s.early.shift();
  s.early.push({ approval, approved, reason, expired });
};

/** Answers to calls; only the awaited one counts, and only of the kind that the stage awaits. */
const answers = (s: Session, input: SessionInput): void => {
  const stage = s.stage;
  if (!("call" in input) || input.call === 0) return;
  if (s.stopping !== undefined && input.call === s.stopping.awaited) {
    answersStop(s, s.stopping, input);
    return;
  }
  if (input.call !== s.call) return;
  if (input.type === "call-failed") {
    callFailed(s, input);
    return;
  }
  const retries = s.retries;
  // A proposal is retried by preparing anew: that prepare's success is not yet one.
  if (input.type !== "prepared") s.retries = 0;
  if (input.type === "opened" && stage === "opening") {
    s.opened = true;
    s.everOpened = true;
    s.model = input.model ?? s.model;
    s.roots = input.roots ?? s.roots;
    s.servers = input.servers ?? s.servers;
    enter(s, s.afterOpen);
  } else if (input.type === "step" && stage === "asking") step(s, input.step);
  else if (input.type === "prepared" && stage === "preparing") prepared(s, input);
  else if (input.type === "verdict" && stage === "proposing") judged(s, input.verdict);
  else if (input.type === "outcome" && stage === "acting") {
    if (input.counter !== s.current?.ticket?.counter) lost(s);
    else {
      setOutcome(s, input);
      performed(s, input.status);
    }
  } else if (input.type === "settled" && stage === "settling") {
    settle(s, input.status, input.reversible);
  } else if (input.type === "reported" && stage === "reporting") reported(s, input);
  else if (input.type === "killed" && stage === "killing") killed(s);
  else if (input.type === "closed" && stage === "closing") end(s, s.ending ?? "failed");
  else s.retries = retries;
};

const take = (s: Session, input: SessionInput): void => {
  switch (input.type) {
    case "start":
      return;
    case "decision":
      return decision(s, input);
    case "message":
      if (s.messages.length < messagesMax) s.messages.push(input.text);
      return;
    case "budget":
      return budget(s, input);
    case "pause":
      s.pauseAsked = true;
      return;
    case "resume":
      return resume(s);
    case "stop":
      return stop(s, input);
    case "resolve":
      return resolve(s, input.resolution);
    case "beside":
      return beside(s, input);
    case "restart":
      return restart(s);
    case "tick":
      return tick(s);
    case "opened":
    case "step":
    case "prepared":
    case "verdict":
    case "outcome":
    case "settled":
    case "reported":
    case "killed":
    case "closed":
    case "call-failed":
      return answers(s, input);
    default:
      return unreachable(input);
  }
};

export class SessionMachine implements Machine<SessionInput, SessionEffect, WallMs> {
  readonly #s: Session = newSession();

  handle(input: SessionInput, now: WallMs): readonly SessionEffect[] {
    const s = this.#s;
    if (isTerminal(s)) return [];
    const at = s.stage === "new" ? now : Math.max(now, s.lastMs);
    // A restart's pause is nobody's work.
    if (isWorking(s) && input.type !== "restart") s.activeMs += at - s.lastMs;
    s.lastMs = at;
    s.out = [];
    if (input.type === "start" && s.stage === "new") start(s, input);
    else if (s.stage !== "new") take(s, input);
    publishIfChanged(s);
    return s.out;
  }

  deadline(): WallMs | undefined {
    return deadlineOf(this.#s) as WallMs | undefined;
  }

  get state(): SessionSnapshot {
    return this.#s;
  }
}
