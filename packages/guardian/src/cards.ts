/**
 * How often a task asks: the person's patience is a budget too. Source: the design of the agent,
 * section 3. With more than `cardsPerMinuteMax` cards in a minute, or more than `cardsPerTaskMax`
 * in a task, the next card pauses the task: it sums up what was asked and offers a wider scope. Its
 * answer, whatever it is, begins the count anew.
 *
 * Pure: the counts are part of the fold over the log, so that a restart does not forget them.
 */
import { equalBytes } from "@ioi/base";
import { type Decision, visible, widening } from "@ioi/firewall";
import type { Action, AskSource, Leaf } from "@ioi/wire";
import { alikeId } from "./alike.ts";
import type { GuardianCore } from "./core.ts";
import type { SessionRecord } from "./ledger.ts";
import { cardMinuteMs, cardsPerMinuteMax, cardsPerTaskMax } from "./limits.ts";

type Intent = Extract<Leaf, { readonly type: "intent" }>;

/** A card that a person was shown. */
export interface CountedCard {
  readonly atMs: number;
  readonly intent: Intent;
}

/** The same action asked again, as after a restart, is the same card. */
export const countedAfter = (
  cards: readonly CountedCard[],
  intent: Intent,
): readonly CountedCard[] =>
  cards.some((card) => equalBytes(card.intent.actionId, intent.actionId))
    ? cards
    : [...cards, { atMs: intent.atMs, intent }].slice(-(cardsPerTaskMax + 1));

/** The limit that one more card would break; undefined where none would. */
export const cardLimit = (
  cards: readonly CountedCard[],
  actionId: Uint8Array,
  nowMs: number,
): AskSource | undefined => {
  if (cards.some(({ intent }) => equalBytes(intent.actionId, actionId))) return undefined;
  if (cards.length >= cardsPerTaskMax) return { kind: "cards", id: "task" };
  const recent = cards.filter(({ atMs }) => nowMs - atMs < cardMinuteMs);
  return recent.length >= cardsPerMinuteMax ? { kind: "cards", id: "minute" } : undefined;
};

/**
 * What was denied once is not asked again, and who is asked too often is asked to look at the whole.
 * Neither ever turns an ask into an allow.
 */
export const patiently = (
  core: Pick<GuardianCore, "ledger" | "reasons" | "ports" | "wall">,
  checked: {
    readonly session: SessionRecord;
    readonly action: Action;
    readonly actionId: Uint8Array;
  },
  decision: Decision,
): Decision => {
  if (decision.verdict !== "ask") return decision;
  const { session, action, actionId: id } = checked;
  const denial =
    core.ledger.deniedBy(session.id, id) ??
    core.ledger.deniedBy(session.id, alikeId(core.ports.provider, action));
  if (denial !== undefined) {
    const rule = { id: "builtin:person", effect: "deny", tier: "builtin", truth: "true" } as const;
    const said = core.reasons.get(denial) ?? "";
    const why = said === "" ? "" : `: ${visible(said)}`;
    return {
      ...decision,
      verdict: "deny",
      rules: [rule, ...decision.rules],
      grantsUsed: [],
      reason: `A person denied exactly this before${why}.`,
      instead: "",
    };
  }
  const limit = cardLimit(session.cards, id, core.wall());
  return limit === undefined ? decision : { ...decision, asks: [...decision.asks, limit] };
};

/** What a person could add to the task so that cards like these do not come again. */
export const offersOf = (cards: readonly Pick<CountedCard, "intent">[]): readonly AskSource[] => {
  const offers = new Map<string, AskSource>();
  for (const { intent } of cards) {
    for (const offer of widening(intent.target, intent.asks)) offers.set(offer.id, offer);
  }
  return [...offers.values()];
};

const whyPaused = (id: string): string =>
  id === "task"
    ? `paused    this task has asked ${cardsPerTaskMax} times`
    : `paused    this task has asked ${cardsPerMinuteMax} times within a minute`;

/** The head of the card that pauses: what was asked, and what "this session" would add. */
export const pauseText = (
  limit: AskSource,
  asked: readonly string[],
  offers: readonly AskSource[],
): string => {
  const lines = [whyPaused(limit.id)];
  for (const each of asked) lines.push(`asked     ${each}`);
  lines.push(
    offers.length === 0
      ? "offer     nothing would spare such questions but a rule of the policy"
      : `offer     "this session" also gives the task: ${offers.map(({ id }) => id).join(", ")}`,
    "goes on   with any answer to this:",
    "",
  );
  return lines.join("\n");
};
