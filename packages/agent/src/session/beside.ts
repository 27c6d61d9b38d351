/**
 * Actions beside the one that is performed: what its program asks for beyond its ticket, each judged,
 * permitted and reported like any other, while the program waits. Whoever drives the session performs
 * them; the machine keeps what became of them, so that the journal tells the whole session.
 *
 * Invariant: one of them begins only while an action is performed; its place among the actions stays.
 * Bound: `sessionActionsMax` over all actions.
 */
import { displayCharsMax, sessionActionsMax } from "../limits.ts";
import type { SessionInput } from "./messages.ts";
import { type ActionState, clip, type OutcomeState, type Session } from "./state.ts";

type Beside = Extract<SessionInput, { readonly type: "beside" }>;

const begun = (s: Session, { key, target, args }: Beside): ActionState | undefined => {
  const known = s.actions.find((action) => action.beside === key);
  if (known !== undefined) return known;
  if (s.stage !== "acting" || s.actions.length >= sessionActionsMax) return undefined;
  const action: ActionState = {
    n: s.actions.length + 1,
    target,
    args,
    beside: key,
    display: "",
    verdict: null,
    rules: [],
    asks: [],
    reason: "",
    instead: "",
    attempts: 1,
    reports: 0,
    redo: false,
    modelRetries: 0,
  };
  s.actions.push(action);
  return action;
};

const outcomeOf = ({ outcome }: Beside): OutcomeState | undefined =>
  outcome === undefined
    ? undefined
    : { ...outcome, reversible: false, changed: [], reportedBy: outcome.reportedBy };

/** What is known of it now, whole; it replaces what was known before. */
export const beside = (s: Session, input: Beside): void => {
  const action = begun(s, input);
  if (action === undefined) return;
  const { verdict, rules, asks, reason, instead, display, approval, ticket, receipt } = input;
  const outcome = outcomeOf(input);
  action.verdict = verdict;
  action.rules = rules;
  action.asks = asks;
  action.reason = reason;
  action.instead = instead;
  action.display = clip(display, displayCharsMax);
  if (approval !== undefined) action.approval = approval;
  if (ticket !== undefined) action.ticket = ticket;
  if (receipt !== undefined) action.receipt = receipt;
  if (outcome !== undefined) action.outcome = outcome;
  s.changed = true;
};

/** The programs that asked are gone: nobody waits for an answer any more. */
export const endBeside = (s: Session): void => {
  for (const action of s.actions) {
    if (action.beside === undefined || action.verdict !== "ask") continue;
    action.verdict = "deny";
    action.reason = "the program that asked has ended";
    s.changed = true;
  }
};
