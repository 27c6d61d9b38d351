/**
 * How often a task asks: the person's patience is a budget too. Source: the design of the agent,
 * section 3. With more than `cardsPerMinuteMax` cards in a minute, or more than `cardsPerTaskMax`
 * in a task, the next card pauses the task: it sums up what was asked and offers a wider scope. Its
 * answer, whatever it is, begins the count anew.
 *
 * Pure: the counts are part of the fold over the log, so that a restart does not forget them.
 */
import { equalBytes } from "@ioi/base";
import { widening } from "@ioi/firewall";
import type { AskSource, Leaf } from "@ioi/wire";
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

export const isPause = (asks: readonly AskSource[]): boolean =>
  asks.some(({ kind }) => kind === "cards");

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
