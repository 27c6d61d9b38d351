/**
 * How a session goes on. `enter` starts a stage by emitting the effect that it waits for; the other
 * functions answer inputs and end in one `enter`, so that exactly one thing is under way.
 *
 * Invariants: `act` is emitted only with the ticket of a verdict whose counter is above every
 * earlier one; a stage is entered again only through `enter`, which gives it a new call number.
 */
import { toHex } from "@ioi/base";
import { action as actionSchema, schema } from "@ioi/wire";
import {
  actionAttemptsMax,
  callRetriesMax,
  callRetryMs,
  callRetryMsMax,
  loopRepeatsMax,
  openRetriesMax,
  reasonCharsMax,
  sessionActionsMax,
  stopAttemptsMax,
  stopRetryMs,
} from "../limits.ts";
import { undoPaths } from "../tools.ts";
import type { Observation, SessionEffect } from "./messages.ts";
import {
  type ActionState,
  clip,
  type Decision,
  isWorking,
  type OutcomeState,
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

/** Whether a budget is used up; then the session rests or, headless, fails. */
const budgetReached = (s: Session): boolean => {
  const actions = s.actions.length >= Math.min(s.actionsMax, sessionActionsMax);
  if (!actions && s.activeMs < s.wallMsMax) return false;
  const message = actions
    ? `the budget of ${Math.min(s.actionsMax, sessionActionsMax)} actions is reached`
    : `the budget of ${s.wallMsMax} ms is reached`;
  if (s.onAsk === "deny" || s.actions.length >= sessionActionsMax) {
    fail(s, "E_BUDGET_REACHED", message);
    return true;
  }
  s.failure = { code: "E_BUDGET_REACHED", message };
  rest(s, "resting");
  askHuman(s, "budget", message);
  return true;
};

/** Called when an agent proposes: the budget counts what is about to happen, not what was asked. */
export const withinBudget = (s: Session): boolean => !budgetReached(s);

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
  const { n, target, reason, instead } = s.current as ActionState;
  observe(s, { type: "denied", n, target, reason, instead });
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

const exitCode = (outcome: OutcomeState): number | undefined => {
  const given = outcome.evidence["exitCode"];
  if (given === undefined || !/^(?:-1|[0-9]{1,3})$/.test(given)) return undefined;
  const code = Number(given);
  return code <= 255 ? code : undefined;
};

export interface Undo {
  /** `lost`: something was changed, and no undo can name it. */
  readonly kind: "nothing" | "paths" | "lost";
  readonly paths: readonly string[];
}

/** What an undo of this action would have to do. */
export const undoOf = (current: ActionState): Undo => {
  const tool = toolOfAction(current);
  const { outcome, prepared } = current;
  const nothing: Undo = { kind: "nothing", paths: [] };
  if (tool === undefined || outcome === undefined || prepared === undefined) return nothing;
  if (tool.risk === "read" || current.target === "fs::restore") return nothing;
  if (outcome.status === "unknown") return { kind: "lost", paths: [] };
  if (outcome.status !== "confirmed" && outcome.status !== "partial") return nothing;
  if (tool.risk === "run" && outcome.evidence["filesChanged"] === "0") return nothing;
  const action = schema.decode(actionSchema, prepared.action);
  const paths = action.ok ? undoPaths(tool, action.value.args, outcome.changed) : [];
  return outcome.reversible && paths.length > 0
    ? { kind: "paths", paths }
    : { kind: "lost", paths: [] };
};

const outcomeObservation = (current: ActionState, outcome: OutcomeState): Observation => {
  const exit = exitCode(outcome);
  const { kind: undo, paths } = undoOf(current);
  return {
    type: "outcome",
    n: current.n,
    target: current.target,
    status: outcome.status,
    ...(outcome.code === undefined ? {} : { code: outcome.code }),
    ...(outcome.message === undefined ? {} : { message: outcome.message }),
    ...(exit === undefined ? {} : { exit }),
    counter: current.ticket?.counter ?? 0n,
    undo,
    paths,
  };
};

/** A typed sequence ends by itself and may repeat itself; an agent that loops may not. */
const loops = (s: Session, current: ActionState, outcome: OutcomeState): boolean => {
  if (s.goal.kind === "planner" || s.goal.kind === "undo") return false;
  const id = current.prepared === undefined ? current.target : toHex(current.prepared.actionId);
  const result = outcome.resultHash === undefined ? "" : toHex(outcome.resultHash);
  const key = `${id} ${outcome.status} ${result}`;
  const seen = (s.repeats.get(key) ?? 0) + 1;
  s.repeats.set(key, seen);
  return seen >= loopRepeatsMax;
};

/** The outcome of the current action is with the Guardian. */
export const afterReport = (s: Session): void => {
  const current = s.current as ActionState;
  const outcome = current.outcome as OutcomeState;
  if (s.stopping !== undefined) {
    conclude(s, "stopped");
    return;
  }
  if (current.redo) {
    current.redo = false;
    enter(s, "preparing");
    return;
  }
  if (loops(s, current, outcome)) {
    fail(s, "E_AGENT_LOOP", `action ${current.n} had the same outcome ${loopRepeatsMax} times`);
    return;
  }
  observe(s, outcomeObservation(current, outcome));
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
  if (toolOfAction(current)?.risk !== "read") {
    enter(s, "settling");
    return;
  }
  // What was read is lost; reading has no effect, so that it is done again.
  setFound(s, "no-effect", false, "workload");
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
    const { n, target } = current;
    observe(s, { type: "failed", n, target, code: error.code, message: error.message });
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
