/**
 * Loops: an agent that does the same thing with the same end again and again is told so once, then
 * ended. A typed sequence ends by itself and may repeat itself.
 *
 * Invariant: what is compared is the action's id (its canonical form and what was found) and its
 * end, so that polling for a change is no loop. Calls of models are bounded elsewhere.
 */
import { toHex } from "@ioi/base";
import { encodeCanonical } from "@ioi/wire";
import { loopRepeatsMax, repeatedArgsBytesMax } from "../limits.ts";
import { isModelCall } from "./spending.ts";
import type { ActionState, Session } from "./state.ts";

/** Undefined where the arguments are too large to be remembered. */
const nameOf = (action: ActionState): string | undefined => {
  if (action.prepared !== undefined) return toHex(action.prepared.actionId);
  const args = encodeCanonical(action.args);
  return args.length > repeatedArgsBytesMax ? undefined : `${action.target} ${toHex(args)}`;
};

/** Counts this end of this action; a number where the agent is told of it, `loop` where it ends. */
export const countRepeat = (
  s: Session,
  action: ActionState,
  end: string,
): number | "loop" | undefined => {
  const { kind } = s.goal;
  if (kind === "planner" || kind === "undo" || isModelCall(action)) return undefined;
  const name = nameOf(action);
  if (name === undefined) return undefined;
  const key = `${name} ${end}`;
  const seen = (s.repeats.get(key) ?? 0) + 1;
  s.repeats.set(key, seen);
  if (seen > loopRepeatsMax) return "loop";
  return seen === loopRepeatsMax ? seen : undefined;
};
