/** A reached budget in words: for people, and as journals have it. */
import { dollars } from "./spending.ts";
import type { ReachedBudget } from "./state.ts";

const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;

/** `5 minutes`, `1 minute and 30 seconds`, `200 ms`. */
const duration = (ms: number): string => {
  if (ms < 1000) return `${ms} ms`;
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  if (minutes === 0) return counted(seconds, "second");
  const whole = counted(minutes, "minute");
  return rest === 0 ? whole : `${whole} and ${counted(rest, "second")}`;
};

/** A reached budget as a sentence for a person. */
export const budgetWords = ({ what, limit, used }: ReachedBudget): string => {
  switch (what) {
    case "actions":
      return `the budget of ${counted(limit, "action")} is used up`;
    case "wallMs":
      return `the budget of ${duration(limit)} is used up`;
    case "tokens":
      return `the budget of ${counted(limit, "token")} is reached: ${used} used`;
    case "microusd":
      return `the budget of $${dollars(limit)} is reached: $${dollars(used)} spent`;
  }
};

/** The same as journals have had it from the beginning: a replay gives every effect byte for byte. */
export const budgetEffect = ({ what, limit, used }: ReachedBudget): string => {
  switch (what) {
    case "actions":
      return `the budget of ${limit} actions is reached`;
    case "wallMs":
      return `the budget of ${limit} ms is reached`;
    case "tokens":
      return `the budget of ${limit} tokens is reached: ${used} are used`;
    case "microusd":
      return `the budget of $${dollars(limit)} is reached: $${dollars(used)} are spent`;
  }
};
