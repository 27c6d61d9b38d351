/**
 * What model calls cost: reserved before a call is proposed, committed when its end is known. A call
 * whose end is lost has cost what was reserved.
 *
 * Invariants: spent and reserved together never exceed a budget when a call is proposed; nothing is
 * committed twice. Bounds: the estimates round up. Amounts: tokens, millionths of a dollar.
 */
import { promptBytesPerToken } from "../limits.ts";
import { embedTarget, inferTarget } from "../tools.ts";
import type { AgentStep, SessionModel } from "./messages.ts";
import type { ActionState, Cost, OutcomeState, ReachedBudget, Session } from "./state.ts";

export const isModelCall = (action: { readonly target: string } | undefined): boolean =>
  action?.target === inferTarget;

/** Never less than a tokeniser counts for prose; prompts of other scripts cost more bytes too. */
export const estimateTokens = (bytes: number): number => Math.ceil(bytes / promptBytesPerToken);

/** Where a price and a count are absurd, the highest amount that is still exact. */
const priced = (tokens: number, microusdPerMillion: number): number =>
  Math.min(Number.MAX_SAFE_INTEGER, Math.ceil((tokens * microusdPerMillion) / 1_000_000));

export const costOf = (
  model: SessionModel | undefined,
  inputTokens: number,
  outputTokens: number,
): Cost => ({
  tokens: inputTokens + outputTokens,
  microusd:
    priced(inputTokens, model?.inputMicrousd ?? 0) +
    priced(outputTokens, model?.outputMicrousd ?? 0),
});

/** The most that a proposed call can cost; undefined for what is no call of a model. */
export const reservationFor = (
  s: Session,
  step: Extract<AgentStep, { readonly type: "propose" }>,
): Cost | undefined => {
  if (step.target === embedTarget) return reservationOf(s, step);
  const longest = step.args["max_tokens"];
  if (!isModelCall(step) || typeof longest !== "number") return undefined;
  return reservationOf(s, step);
};

/** The same for a call that is under way. */
export const reservationOf = (
  s: Session,
  call: Pick<ActionState, "args" | "content"> & { readonly target: string },
): Cost => {
  const told = estimateTokens(call.content?.length ?? 0);
  // Its model may be another than the session's: the Guardian sets the money aside by that one's price.
  if (call.target === embedTarget) return { tokens: told, microusd: 0 };
  const longest = call.args["max_tokens"];
  const output = typeof longest === "number" ? longest : 0;
  return costOf(s.model, told, output);
};

/** Which budget this would go beyond; undefined where there is room. */
export const overspent = (s: Session, cost: Cost): ReachedBudget | undefined => {
  if (s.tokens + cost.tokens > s.tokensMax) {
    return { what: "tokens", limit: s.tokensMax, used: s.tokens };
  }
  if (s.microusd + cost.microusd > s.microusdMax) {
    return { what: "microusd", limit: s.microusdMax, used: s.microusd };
  }
  return undefined;
};

/** `1.2345`; at least two decimals, no more than are needed. */
export const dollars = (microusd: number): string => {
  const digits = String(microusd).padStart(7, "0");
  const fraction = digits.slice(-6).replace(/0{1,4}$/, "");
  return `${digits.slice(0, -6)}.${fraction}`;
};

const counted = (text: string | undefined): number | undefined =>
  text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;

const spentBy = (reserved: Cost, outcome: OutcomeState): Cost => {
  const { evidence, status } = outcome;
  const [input, output] = [counted(evidence["tokens_in"]), counted(evidence["tokens_out"])];
  const microusd = counted(evidence["microusd"]);
  // Nobody answered, so that nobody charges.
  const none = status === "no-effect" || status === "refused";
  return {
    tokens:
      input === undefined && output === undefined
        ? none
          ? 0
          : reserved.tokens
        : (input ?? 0) + (output ?? 0),
    microusd: microusd ?? (none ? 0 : reserved.microusd),
  };
};

/** The end of the current call is known: what it cost is spent, once. */
export const commitCost = (s: Session, action: ActionState): void => {
  const { reserved, outcome } = action;
  if (reserved === undefined || outcome === undefined) return;
  delete action.reserved;
  const spent = spentBy(reserved, outcome);
  s.tokens = Math.min(Number.MAX_SAFE_INTEGER, s.tokens + spent.tokens);
  s.microusd = Math.min(Number.MAX_SAFE_INTEGER, s.microusd + spent.microusd);
};

/** Whether the call came to nothing for a passing reason, and how long its server wants to rest. */
export const retryOf = (outcome: OutcomeState): { readonly afterMs: number } | undefined => {
  const failed = outcome.status === "no-effect" || outcome.status === "partial";
  if (!failed || outcome.evidence["retryable"] !== "yes") return undefined;
  return { afterMs: counted(outcome.evidence["retry_after_ms"]) ?? 0 };
};
