/**
 * What an agent's step does to its session: a proposal begins an action, a saying is kept, an end
 * ends. Invariant: nothing is proposed that its tool's schema does not accept, that this agent may
 * not propose, or that a budget has no room for.
 */
import { err } from "@ioi/base";
import {
  invalidCallsMax,
  reasonCharsMax,
  saysInRowMax,
  saysKeptMax,
  sessionProposedBytesMax,
} from "../limits.ts";
import { validateCall } from "../tools.ts";
import type { AgentStep } from "./messages.ts";
import { isModelCall, reservationFor } from "./spending.ts";
import { type ActionState, clip, displayOf, type Session } from "./state.ts";
import { conclude, enter, fail, failed, observe, withinBudget } from "./transitions.ts";

/** The tool of a proposal, where this agent may propose it and its arguments fit. */
const offered = (
  s: Session,
  { target, args, content }: Extract<AgentStep, { readonly type: "propose" }>,
): ReturnType<typeof validateCall> => {
  const known = validateCall(target, args, content !== undefined);
  const refuse = (message: string): ReturnType<typeof validateCall> =>
    err({ code: "E_AGENT_CALL_INVALID", message: `${target}: ${message}` });
  if (isModelCall({ target }) && s.goal.kind !== "model") return refuse("is not for this agent");
  return s.folder === undefined || !known.ok || s.folder.tools.includes(target)
    ? known
    : refuse("is not among the tools of its agent.toml");
};

/** The agent is told what is wrong with its proposal, a bounded number of times in a row. */
const invalid = (s: Session, complaint: string): void => {
  s.invalidInRow += 1;
  const message = clip(complaint, reasonCharsMax);
  if (s.invalidInRow >= invalidCallsMax) fail(s, "E_AGENT_INVALID_CALLS", message);
  else observe(s, { type: "invalid", code: "E_AGENT_CALL_INVALID", message });
};

const propose = (s: Session, step: Extract<AgentStep, { readonly type: "propose" }>): void => {
  const known = offered(s, step);
  if (!known.ok && known.error.code === "E_AGENT_CALL_INVALID") {
    invalid(s, known.error.message);
    return;
  }
  s.invalidInRow = 0;
  s.proposedBytes += step.content?.length ?? 0;
  if (s.proposedBytes > sessionProposedBytesMax) {
    fail(s, "E_BUDGET_REACHED", `its actions held more than ${sessionProposedBytesMax} bytes`);
    return;
  }
  const reserved = reservationFor(s, step);
  const current: ActionState = {
    n: s.actions.length + 1,
    target: step.target,
    args: step.args,
    ...(step.content === undefined ? {} : { content: step.content }),
    ...(step.alike === undefined ? {} : { alike: step.alike }),
    display: displayOf(step.target, step.args),
    verdict: null,
    rules: [],
    asks: [],
    reason: "",
    instead: "",
    attempts: 0,
    reports: 0,
    redo: false,
    modelRetries: 0,
    ...(reserved === undefined ? {} : { reserved }),
  };
  s.actions.push(current);
  s.current = current;
  if (known.ok) enter(s, "preparing");
  else unavailable(s, known.error.code, known.error.message);
};

export const unavailable = (s: Session, code: string, message: string): void => {
  const current = s.current as ActionState;
  current.verdict = "unavailable";
  current.reason = clip(message, reasonCharsMax);
  failed(s, current, code, current.reason);
};

const keepSaid = (s: Session, text: string): void => {
  s.says.push(text);
  s.saysAfter.push(s.actions.length);
  if (s.says.length <= saysKeptMax) return;
  s.says.shift();
  s.saysAfter.shift();
  s.saysDropped += 1;
};

export const step = (s: Session, next: AgentStep): void => {
  if (next.type === "propose" && !withinBudget(s, reservationFor(s, next))) return;
  s.turn += 1;
  s.messages.splice(0, s.messagesGiven);
  if (next.type === "propose") {
    s.saysInRow = 0;
    propose(s, next);
  } else if (next.type === "invalid") invalid(s, next.message);
  else if (next.type === "say") {
    s.saysInRow += 1;
    keepSaid(s, next.text);
    if (s.saysInRow <= saysInRowMax) observe(s, { type: "said" });
    else fail(s, "E_AGENT_SILENT", `the agent spoke ${saysInRowMax} times without a proposal`);
  } else if (s.messages.length > 0 && s.goal.kind !== "planner" && s.goal.kind !== "undo") {
    // The person spoke meanwhile: the agent hears it before it may end.
    observe(s, { type: "said" });
  } else if (next.status === "done") conclude(s, "done");
  else fail(s, next.code ?? "E_ACTION_FAILED", next.message ?? "the agent gave up", next.next);
};
