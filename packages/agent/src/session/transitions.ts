/**
 * How a session goes on. `enter` starts a stage by emitting the effect that it waits for; the other
 * functions answer inputs and end in one `enter`, so that exactly one thing is under way.
 *
 * Invariants: `act` is emitted only with the ticket of a verdict whose counter is above every
 * earlier one; a stage is entered again only through `enter`, which gives it a new call number.
 */
import { toHex } from "@ioi/base";
import {
  actionAttemptsMax,
  callRetriesMax,
  callRetryMs,
  callRetryMsMax,
  loopRepeatsMax,
  modelRetriesMax,
  modelRetryMs,
  modelRetryMsMax,
  openRetriesMax,
  reasonCharsMax,
  sessionActionsMax,
  stopAttemptsMax,
  stopRetryMs,
} from "../limits.ts";
import type { Observation, SessionEffect } from "./messages.ts";
import { outcomeObservation, told } from "./observations.ts";
import { countRepeat } from "./repeats.ts";
import { budgetEffect, budgetWords } from "./budget-words.ts";
import { commitCost, isModelCall, overspent, reservationOf, retryOf } from "./spending.ts";
import {
  type ActionState,
  clip,
  type Cost,
  type Decision,
  isWorking,
  type OutcomeState,
  type ReachedBudget,
  rests,
  type Session,
  type Stage,
  stateOf,
  type Stopping,
  toolOfAction,
} from "./state.ts";

export const emit = (s: Session, effect: SessionEffect): void => {
  s.out.push(effect);
};

const newCall = (s: Session): number => {
  s.call = s.nextCall;
  s.nextCall += 1;
  return s.call;
};

const rest = (s: Session, stage: Stage): void => {
  s.stage = stage;
  s.call = 0;
  s.changed = true;
};

const askHuman = (
  s: Session,
  about: "approval" | "outcome" | "budget",
  text: string,
  approval?: string,
): void => {
  const n = s.current?.n ?? 0;
  const bounded = clip(text, reasonCharsMax);
  emit(
    s,
    approval === undefined
      ? { type: "ask-human", about, n, text: bounded }
      : { type: "ask-human", about, n, text: bounded, approval },
  );
};

/** The end: nothing is handled after it. */
export const end = (s: Session, state: "done" | "failed" | "stopped"): void => {
  s.ending = state;
  rest(s, "ended");
  s.retry = undefined;
  const code = s.failure?.code;
  emit(s, code === undefined ? { type: "finish", state } : { type: "finish", state, code });
};

/** Ends the session as `state`, after the gate was told. */
export const conclude = (s: Session, state: "done" | "failed" | "stopped"): void => {
  s.ending = state;
  if (s.everOpened) enter(s, "closing");
  else end(s, state);
};

export const fail = (s: Session, code: string, message: string, next?: string): void => {
  const bounded = clip(message, reasonCharsMax);
  s.failure = next === undefined ? { code, message: bounded } : { code, message: bounded, next };
  s.changed = true;
  conclude(s, "failed");
};

/** The budget that is used up, or would be by `cost`. */
const reachedBudget = (s: Session, cost: Cost | undefined): ReachedBudget | undefined => {
  const limit = Math.min(s.actionsMax, sessionActionsMax);
  if (s.actions.length >= limit) return { what: "actions", limit, used: s.actions.length };
  if (s.activeMs >= s.wallMsMax) return { what: "wallMs", limit: s.wallMsMax, used: s.activeMs };
  return cost === undefined ? undefined : overspent(s, cost);
};

/** Whether a budget is used up; then the session rests or, headless, fails. */
const budgetReached = (s: Session, cost?: Cost): boolean => {
  const budget = reachedBudget(s, cost);
  if (budget === undefined) return false;
  const failure = { code: "E_BUDGET_REACHED", message: budgetWords(budget), budget };
  if (s.onAsk === "deny" || s.actions.length >= sessionActionsMax) {
    fail(s, failure.code, failure.message);
    s.failure = failure;
    return true;
  }
  s.failure = failure;
  rest(s, "resting");
  askHuman(s, "budget", budgetEffect(budget));
  return true;
};

/** Called when an agent proposes: the budget counts what is about to happen, not what was asked. */
export const withinBudget = (s: Session, cost?: Cost): boolean => !budgetReached(s, cost);

const enterAsking = (s: Session): void => {
  if (s.pauseAsked) {
    rest(s, "resting");
    return;
  }
  if (s.activeMs >= s.wallMsMax && budgetReached(s)) return;
  const { turn, observation, messages } = s;
  s.messagesGiven = messages.length;
  emit(s, { type: "ask-agent", call: newCall(s), turn, observation, messages: [...messages] });
};

/** A new try begins: what the last one brought is void. */
const forgetTry = (current: ActionState): void => {
  if (current.verdict === "allow") current.verdict = null;
  current.reports = 0;
  delete current.prepared;
  delete current.ticket;
  delete current.ticketBytes;
  delete current.outcome;
};

const enterPreparing = (s: Session, current: ActionState): void => {
  current.attempts += 1;
  forgetTry(current);
  if (current.attempts > actionAttemptsMax) {
    fail(s, "E_SESSION_ATTEMPTS", `action ${current.n} was tried ${actionAttemptsMax} times`);
    return;
  }
  const { n, target, args, content } = current;
  const call = newCall(s);
  emit(
    s,
    content === undefined
      ? { type: "prepare", call, n, target, args }
      : { type: "prepare", call, n, target, args, content },
  );
};

const enterReporting = (s: Session, current: ActionState): void => {
  const outcome = current.outcome as OutcomeState;
  current.reports += 1;
  const common = {
    type: "report",
    call: newCall(s),
    n: current.n,
    counter: current.ticket?.counter ?? 0n,
    status: outcome.status,
    reportedBy: outcome.reportedBy,
  } as const;
  const signed = outcome.signed;
  emit(
    s,
    signed === undefined
      ? common
      : { ...common, outcome: signed.outcome, outcomeSignature: signed.signature },
  );
};

const enterResolving = (s: Session, current: ActionState): void => {
  rest(s, "resolving");
  const message = `it is not known whether action ${current.n} happened: ${current.display}`;
  s.failure = { code: "E_OUTCOME_UNKNOWN", message: clip(message, reasonCharsMax) };
  askHuman(s, "outcome", message);
};

const enterDeciding = (s: Session, current: ActionState): void => {
  rest(s, "deciding");
  const at = s.early.findIndex((each) => each.approval === current.approval);
  const [early] = at < 0 ? [] : s.early.splice(at, 1);
  if (early === undefined) askHuman(s, "approval", current.reason, current.approval ?? "");
  else decide(s, early);
};

/** Stands where a rule would, for the denial of a person. */
export const personRuleId = "builtin:person";
/** For an ask that expired. */
const expiredRuleId = "builtin:expired";

/** The person answered the open approval. */
export const decide = (s: Session, decision: Decision): void => {
  const current = s.current as ActionState;
  if (decision.approved) {
    enter(s, "preparing");
    return;
  }
  current.verdict = "deny";
  const [rule, reason] = decision.expired
    ? [expiredRuleId, "nobody answered in time"]
    : [personRuleId, "a person denied it"];
  current.rules = [rule];
  current.reason = decision.reason === "" ? reason : decision.reason;
  denied(s);
};

/** The current action is refused; the agent is told why, and what would be allowed. */
export const denied = (s: Session): void => {
  const current = s.current as ActionState;
  const repeats = countRepeat(s, current, "denied");
  if (repeats === "loop") {
    failLoop(s, current);
    return;
  }
  const { n, target, reason, instead } = current;
  observe(s, { type: "denied", n, target, reason, instead, ...told(repeats) });
};

/** The current action came to nothing before anybody could decide on it. */
export const failed = (s: Session, current: ActionState, code: string, message: string): void => {
  const repeats = countRepeat(s, current, code);
  if (repeats === "loop") {
    failLoop(s, current);
    return;
  }
  const { n, target } = current;
  observe(s, { type: "failed", n, target, code, message, ...told(repeats) });
};

const failLoop = (s: Session, { n }: ActionState): void => {
  const times = loopRepeatsMax + 1;
  fail(s, "E_AGENT_LOOP", `action ${n} ended as ${times - 1} others like it had`);
};

const needsGate: ReadonlySet<Stage> = new Set([
  "asking",
  "preparing",
  "proposing",
  "deciding",
  "acting",
  "settling",
  "reporting",
  "closing",
]);

/** Begins a stage; what it needs first (the gate) comes first. */
export const enter = (s: Session, stage: Stage): void => {
  s.retry = undefined;
  s.changed = true;
  const current = s.current;
  if (needsGate.has(stage) && !s.opened) {
    s.afterOpen = stage;
    s.stage = "opening";
    emit(s, { type: "open", call: newCall(s) });
    return;
  }
  s.stage = stage;
  if (stage === "asking") enterAsking(s);
  else if (stage === "killing") emit(s, { type: "kill", call: newCall(s) });
  else if (stage === "closing") {
    emit(s, { type: "close", call: newCall(s), state: s.ending ?? "failed" });
  } else if (current === undefined) enter(s, "asking");
  else if (stage === "preparing") enterPreparing(s, current);
  else if (stage === "deciding") enterDeciding(s, current);
  else if (stage === "resolving") enterResolving(s, current);
  else if (stage === "reporting") enterReporting(s, current);
  else if (stage === "settling") {
    const counter = current.ticket?.counter ?? 0n;
    emit(s, { type: "settle", call: newCall(s), n: current.n, target: current.target, counter });
  }
};

/** Tells the agent what became of its step and asks for the next one. */
export const observe = (s: Session, observation: Observation): void => {
  s.observation = observation;
  s.current = undefined;
  enter(s, "asking");
};

/** A call of a model is made again after a wait; false where it was made often enough. */
const askModelAgain = (s: Session, current: ActionState, afterMs: number): boolean => {
  if (current.modelRetries >= modelRetriesMax) return false;
  current.modelRetries += 1;
  current.reserved = reservationOf(s, current);
  if (overspent(s, current.reserved) !== undefined) return false;
  const waitMs = Math.max(afterMs, modelRetryMs * 2 ** (current.modelRetries - 1));
  s.stage = "preparing";
  later(s, "preparing", Math.min(waitMs, modelRetryMsMax));
  s.changed = true;
  return true;
};

/** The report of a call of a model: it is made again, or its end is told and its prompt dropped. */
const afterModelCall = (s: Session, current: ActionState, outcome: OutcomeState): void => {
  const retry = current.redo ? { afterMs: 0 } : retryOf(outcome);
  current.redo = false;
  if (retry !== undefined && askModelAgain(s, current, retry.afterMs)) return;
  delete current.reserved;
  delete current.content;
  observe(s, outcomeObservation(current, outcome, undefined));
};

/** The outcome of the current action is with the Guardian. */
export const afterReport = (s: Session): void => {
  const current = s.current as ActionState;
  const outcome = current.outcome as OutcomeState;
  if (s.stopping !== undefined) {
    conclude(s, "stopped");
    return;
  }
  if (isModelCall(current)) {
    afterModelCall(s, current, outcome);
    return;
  }
  if (current.redo) {
    current.redo = false;
    enter(s, "preparing");
    return;
  }
  const result = outcome.resultHash === undefined ? "" : toHex(outcome.resultHash);
  const repeats = countRepeat(s, current, `${outcome.status} ${result}`);
  if (repeats === "loop") failLoop(s, current);
  else observe(s, outcomeObservation(current, outcome, repeats));
};

/** An outcome that no driver signed: found out after a crash, or told by a person. */
export const setFound = (
  s: Session,
  status: OutcomeState["status"],
  reversible: boolean,
  reportedBy: "workload" | "person",
): void => {
  const current = s.current as ActionState;
  current.outcome = { status, bytes: 0, reversible, reportedBy, evidence: {}, changed: [] };
  commitCost(s, current);
  s.changed = true;
};

/**
 * A driver's outcome that was not reported before the driver ended: its instance is gone, so that
 * its signature says nothing any more, and the report is the workload's word.
 */
export const disown = (s: Session): void => {
  const outcome = s.current?.outcome;
  if (s.current === undefined || outcome === undefined || outcome.signed === undefined) return;
  const { signed: _signed, ...rest } = outcome;
  s.current.outcome = { ...rest, reportedBy: "workload" };
};

/** The driver of the current effect is gone without an answer. */
export const lost = (s: Session): void => {
  const current = s.current as ActionState;
  const model = isModelCall(current);
  if (toolOfAction(current)?.risk !== "read" && !model) {
    enter(s, "settling");
    return;
  }
  // What was read is lost; reading has no effect, so that it is done again. A model may have
  // answered, and charged for it.
  setFound(s, model ? "unknown" : "no-effect", false, "workload");
  current.redo = true;
  enter(s, "reporting");
};

/** The driver of a pending effect answered after a crash what became of it. */
export const settle = (
  s: Session,
  status: "confirmed" | "partial" | "no-effect" | "unknown",
  reversible: boolean,
): void => {
  const current = s.current as ActionState;
  if (status === "unknown") {
    enter(s, "resolving");
    return;
  }
  setFound(s, status, reversible, "workload");
  current.redo = status === "no-effect";
  enter(s, "reporting");
};

/** The stop goes on with what is still missing: the kill, a report, the gate's word. */
export const continueStop = (s: Session): void => {
  const stopping = s.stopping;
  if (stopping === undefined) return;
  if (!stopping.killed) {
    enter(s, "killing");
    return;
  }
  const current = s.current;
  if (current?.verdict !== "allow" || current.ticket === undefined) {
    conclude(s, "stopped");
    return;
  }
  if (current.outcome === undefined) setFound(s, "unknown", false, "workload");
  else disown(s);
  if (current.outcome?.receipt === undefined) enter(s, "reporting");
  else conclude(s, "stopped");
};

interface CallError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

const stopCallFailed = (s: Session, stopping: Stopping, error: CallError): void => {
  stopping.attempts += 1;
  if (stopping.attempts > stopAttemptsMax) {
    s.failure = { code: "E_STOP_UNANSWERED", message: clip(error.message, reasonCharsMax) };
    end(s, "failed");
  } else if (error.retryable || s.stage === "killing") later(s, s.stage, stopRetryMs);
  else {
    // The gate refused the report or the session: that is its word.
    end(s, "stopped");
  }
};

/** The session's end is decided; only the gate is still to be told. */
export const isClosing = (s: Session): boolean =>
  s.stage === "closing" || (s.stage === "opening" && s.afterOpen === "closing");

/** A call came to nothing. */
export const callFailed = (s: Session, error: CallError): void => {
  const { stage, current } = s;
  if (s.stopping !== undefined) stopCallFailed(s, s.stopping, error);
  else if (stage === "acting") lost(s);
  else if (error.retryable && s.retries < (stage === "opening" ? openRetriesMax : callRetriesMax)) {
    s.retries += 1;
    const waitMs = Math.min(callRetryMs * 2 ** (s.retries - 1), callRetryMsMax);
    later(s, stage === "proposing" ? "preparing" : stage, waitMs);
  } else if (isClosing(s)) end(s, s.ending ?? "failed");
  else if (stage === "settling") enter(s, "resolving");
  else if (stage === "reporting" && current?.outcome?.signed !== undefined) {
    disown(s);
    enter(s, "reporting");
    // The first report arrived, only its answer was lost.
  } else if (stage === "reporting" && (current?.reports ?? 0) > 1) afterReport(s);
  else if (stage === "preparing" && current !== undefined) {
    delete current.reserved;
    failed(s, current, error.code, error.message);
  } else fail(s, error.code, error.message);
};

const later = (s: Session, stage: Stage, waitMs: number): void => {
  s.call = 0;
  s.retry = { stage, atMs: s.lastMs + waitMs };
};

/** Publishes the state once, if a person would see a difference. */
export const publishIfChanged = (s: Session): void => {
  if (!s.changed || s.stage === "new") return;
  s.changed = false;
  emit(s, { type: "publish", state: stateOf(s), rests: rests(s) });
};

/** When time alone changes something. */
export const deadlineOf = (s: Session): number | undefined => {
  if (s.retry !== undefined) return s.retry.atMs;
  if (!isWorking(s) || s.stage !== "asking") return undefined;
  return s.lastMs + Math.max(0, s.wallMsMax - s.activeMs);
};

/** Time passed: a failed call is made again, a budget of time may be used up. */
export const tick = (s: Session): void => {
  const retry = s.retry;
  if (retry !== undefined) {
    if (s.lastMs >= retry.atMs) enter(s, retry.stage === "opening" ? s.afterOpen : retry.stage);
    return;
  }
  if (s.stage === "asking" && s.activeMs >= s.wallMsMax) budgetReached(s);
};
