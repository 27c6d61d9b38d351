/**
 * `ioi.run/1`: a session as scripts and people read it. A pure function of the session's state; the
 * order of its fields is part of it, so that its JSON is the same for the same journal.
 *
 * Bounds: contents by `outcomeContentBytesMax` and `sessionContentBytesMax`; what is longer is
 * behind `handle`.
 */
import { type ExitCode, exitCodes, toHex } from "@ioi/base";
import { errors } from "../errors.ts";
import type { SessionState, Timing } from "./messages.ts";
import { type ActionState, type ReachedBudget, type SessionSnapshot, stateOf } from "./state.ts";

export interface ReceiptView {
  readonly index: number;
  readonly leafHash: string;
}

export interface RunAction {
  readonly n: number;
  readonly target: string;
  readonly display: string;
  readonly verdict: "allow" | "ask" | "deny" | "unavailable" | null;
  /** The rule that decided; null where a default did. */
  readonly rule: string | null;
  readonly rules: readonly string[];
  readonly reason: string;
  readonly instead: string;
  readonly approval: string | null;
  readonly ticket: { readonly counter: number; readonly ttlMs: number } | null;
  readonly outcome: {
    readonly status: string;
    readonly bytes: number;
    readonly handle: string | null;
    readonly content: string | null;
    readonly code: string | null;
    readonly message: string | null;
    readonly reversible: boolean;
    readonly reportedBy: string;
    readonly evidence: { readonly [name: string]: string };
    readonly receipt: ReceiptView | null;
  } | null;
  /** The leaf of the verdict; the outcome's leaf stands with the outcome. */
  readonly receipt: ReceiptView | null;
  readonly timing: Timing | null;
}

export interface BudgetView {
  readonly what: "actions" | "wallMs" | "tokens" | "usd";
  readonly limit: number;
  readonly used: number;
}

export interface RunView {
  readonly schema: "ioi.run/1";
  readonly session: string;
  readonly state: SessionState;
  /** The model that decides; null where none takes part. */
  readonly model: string | null;
  readonly actions: readonly RunAction[];
  /** What the agent said, oldest first. */
  readonly says: readonly string[];
  /** The number of the last action before each of `says`, and how many older ones were dropped. */
  readonly saysAfter: readonly number[];
  readonly saysDropped: number;
  readonly cost: {
    readonly tokens: number;
    readonly usd: number;
    readonly actions: number;
    readonly wallMs: number;
  };
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly next: string | null;
    /** With `E_BUDGET_REACHED`: which, the most that it had, and what is used. */
    readonly budget: BudgetView | null;
  } | null;
}

const receiptView = (
  receipt: { readonly index: bigint; readonly leafHash: Uint8Array } | undefined,
): ReceiptView | null =>
  receipt === undefined
    ? null
    : { index: Number(receipt.index), leafHash: toHex(receipt.leafHash) };

const outcomeView = (outcome: ActionState["outcome"], contents: boolean): RunAction["outcome"] =>
  outcome === undefined
    ? null
    : {
        status: outcome.status,
        bytes: outcome.bytes,
        handle: outcome.handle ?? null,
        content: contents ? (outcome.content ?? null) : null,
        code: outcome.code ?? null,
        message: outcome.message ?? null,
        reversible: outcome.reversible,
        reportedBy: outcome.reportedBy,
        evidence: outcome.evidence,
        receipt: receiptView(outcome.receipt),
      };

const actionView = (action: Readonly<ActionState>, contents: boolean): RunAction => ({
  n: action.n,
  target: action.target,
  display: action.display,
  verdict: action.verdict,
  rule: action.rules[0] ?? null,
  rules: action.rules,
  reason: action.reason,
  instead: action.instead,
  approval: action.approval ?? null,
  ticket:
    action.ticket === undefined
      ? null
      : { counter: Number(action.ticket.counter), ttlMs: action.ticket.ttlMs },
  outcome: outcomeView(action.outcome, contents),
  receipt: receiptView(action.receipt),
  timing: action.timing ?? null,
});

const nextOf = (code: string): string | null =>
  Object.hasOwn(errors, code) ? errors[code as keyof typeof errors].next : null;

const budgetView = (budget: ReachedBudget | undefined): BudgetView | null => {
  if (budget === undefined) return null;
  const { what, limit, used } = budget;
  return what === "microusd"
    ? { what: "usd", limit: limit / 1_000_000, used: used / 1_000_000 }
    : { what, limit, used };
};

const errorView = (s: SessionSnapshot): RunView["error"] => {
  if (s.failure !== undefined) {
    const { code, message, next, budget } = s.failure;
    return { code, message, next: next ?? nextOf(code), budget: budgetView(budget) };
  }
  const stage = s.stage === "opening" ? s.afterOpen : s.stage;
  if (stage !== "deciding" || s.current?.approval === undefined) return null;
  const { approval, display } = s.current;
  return {
    code: "E_APPROVAL_PENDING",
    message: `approval ${approval} waits: ${display}`,
    next: `./ioi approve ${approval}`,
    budget: null,
  };
};

export interface ViewOptions {
  /** Leave contents out, where a message would become too large. */
  readonly contents: boolean;
}

export const runView = (
  s: SessionSnapshot,
  options: ViewOptions = { contents: true },
): RunView => ({
  schema: "ioi.run/1",
  session: s.session,
  state: stateOf(s),
  model: s.goal.kind === "model" ? (s.model?.id ?? s.modelWish ?? null) : null,
  actions: s.actions.map((action) => actionView(action, options.contents)),
  says: s.says,
  saysAfter: s.saysAfter,
  saysDropped: s.saysDropped,
  cost: {
    tokens: s.tokens,
    usd: s.microusd / 1_000_000,
    actions: s.actions.length,
    wallMs: s.activeMs,
  },
  error: errorView(s),
});

/** The exit code of a command that showed this view; `lookup` knows codes of other packages. */
export const exitOf = (
  view: Pick<RunView, "state" | "error">,
  lookup: (code: string) => ExitCode | undefined = () => undefined,
): ExitCode => {
  if (view.state === "done") return exitCodes.done;
  if (view.error === null) return exitCodes.failed;
  const { code } = view.error;
  return (
    (Object.hasOwn(errors, code) ? errors[code as keyof typeof errors].exit : lookup(code)) ??
    exitCodes.failed
  );
};
