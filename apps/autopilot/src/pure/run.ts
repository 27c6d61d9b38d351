/**
 * `ioi.run/1` as the page reads it. The JSON comes from the console, yet the page is shown whatever
 * it says: a field that is missing or of another type reads as absent, never as a crash.
 */
import { count } from "./format.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface Receipt {
  readonly index: number;
  readonly leafHash: string;
}

export interface Outcome {
  readonly status: string;
  readonly bytes: number;
  readonly content: string | undefined;
  readonly hasMore: boolean;
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly reversible: boolean;
  readonly reportedBy: string;
  readonly evidence: readonly (readonly [string, string])[];
  readonly receipt: Receipt | undefined;
}

export type Verdict = "allow" | "ask" | "deny" | "unavailable";

export interface RunAction {
  readonly n: number;
  readonly target: string;
  readonly display: string;
  readonly verdict: Verdict | undefined;
  readonly rule: string | undefined;
  readonly rules: readonly string[];
  readonly reason: string;
  readonly instead: string;
  readonly approval: string | undefined;
  readonly ticket: number | undefined;
  readonly outcome: Outcome | undefined;
  readonly receipt: Receipt | undefined;
  /** What each step at the gate took, in microseconds. */
  readonly timing: readonly (readonly [string, number])[];
}

export interface Saying {
  readonly text: string;
  readonly after: number;
}

export interface RunView {
  readonly session: string;
  readonly state: string;
  readonly model: string | undefined;
  readonly actions: readonly RunAction[];
  /** What the agent said, and the number of the last action before it. */
  readonly says: readonly Saying[];
  readonly cost: {
    readonly tokens: number;
    readonly usd: number;
    readonly actions: number;
    readonly wallMs: number;
  };
  readonly error:
    | {
        readonly code: string;
        readonly message: string;
        readonly next: string | undefined;
        readonly budget: ReachedBudget | undefined;
      }
    | undefined;
}

const fields = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : undefined;

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const textOrNone = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined;
const number = (value: unknown): number => (typeof value === "number" ? value : 0);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const texts = (value: unknown): readonly string[] =>
  list(value).filter((each) => typeof each === "string");

const receiptOf = (value: unknown): Receipt | undefined => {
  const found = fields(value);
  return found && { index: number(found["index"]), leafHash: text(found["leafHash"]) };
};

const verdicts: readonly string[] = ["allow", "ask", "deny", "unavailable"];

const outcomeOf = (value: unknown): Outcome | undefined => {
  const found = fields(value);
  return (
    found && {
      status: text(found["status"]),
      bytes: number(found["bytes"]),
      content: textOrNone(found["content"]),
      hasMore: textOrNone(found["handle"]) !== undefined,
      code: textOrNone(found["code"]),
      message: textOrNone(found["message"]),
      reversible: found["reversible"] === true,
      reportedBy: text(found["reportedBy"]),
      evidence: Object.entries(fields(found["evidence"]) ?? {}).map(([name, each]) => [
        name,
        text(each),
      ]),
      receipt: receiptOf(found["receipt"]),
    }
  );
};

const actionOf = (value: unknown): RunAction | undefined => {
  const found = fields(value);
  if (found === undefined) return undefined;
  const verdict = text(found["verdict"]);
  const ticket = fields(found["ticket"]);
  return {
    n: number(found["n"]),
    target: text(found["target"]),
    display: text(found["display"]),
    verdict: verdicts.includes(verdict) ? (verdict as Verdict) : undefined,
    rule: textOrNone(found["rule"]),
    rules: texts(found["rules"]),
    reason: text(found["reason"]),
    instead: text(found["instead"]),
    approval: textOrNone(found["approval"]),
    ticket: ticket && number(ticket["counter"]),
    outcome: outcomeOf(found["outcome"]),
    receipt: receiptOf(found["receipt"]),
    timing: Object.entries(fields(found["timing"]) ?? {}).flatMap(([name, each]) =>
      typeof each === "number" ? [[name, each] as const] : [],
    ),
  };
};

const saysOf = (says: unknown, after: unknown): readonly Saying[] => {
  const places = list(after);
  return list(says).flatMap((each, index) =>
    typeof each === "string" ? [{ text: each, after: number(places[index]) }] : [],
  );
};

const budgetOf = (value: Fields | undefined): ReachedBudget | undefined => {
  const limit = number(value?.["limit"]);
  switch (value?.["what"]) {
    case "actions":
    case "tokens":
      return { what: value["what"], limit };
    case "wallMs":
      return { what: "minutes", limit: limit / 60_000 };
    case "usd":
      return { what: "dollars", limit };
    default:
      return undefined;
  }
};

/** Undefined where the text is no `ioi.run/1`. */
export const parseRun = (json: string): RunView | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  const found = fields(value);
  if (found?.["schema"] !== "ioi.run/1") return undefined;
  const cost = fields(found["cost"]);
  const error = fields(found["error"]);
  return {
    session: text(found["session"]),
    state: text(found["state"]),
    model: textOrNone(found["model"]),
    actions: list(found["actions"])
      .map(actionOf)
      .filter((each) => each !== undefined),
    says: saysOf(found["says"], found["saysAfter"]),
    cost: {
      tokens: number(cost?.["tokens"]),
      usd: number(cost?.["usd"]),
      actions: number(cost?.["actions"]),
      wallMs: number(cost?.["wallMs"]),
    },
    error: error && {
      code: text(error["code"]),
      message: text(error["message"]),
      next: textOrNone(error["next"]),
      budget: budgetOf(fields(error["budget"])),
    },
  };
};

/** How a session stands, in a word for people. */
export const stateWords: Readonly<Record<string, string>> = {
  planned: "Planned",
  planning: "Planning",
  "waiting-model": "Waiting for the model",
  proposing: "Proposing",
  "waiting-approval": "Waits for you",
  performing: "Working",
  paused: "Paused",
  done: "Done",
  failed: "Failed",
  stopped: "Stopped",
};

export const isRunning = (state: string): boolean =>
  ["planning", "waiting-model", "proposing", "waiting-approval", "performing"].includes(state);

/** Neither at work nor over: it can go on, and it can be stopped. */
export const isResting = (state: string): boolean => state === "paused";

export interface ReachedBudget {
  readonly what: "actions" | "minutes" | "tokens" | "dollars";
  /** The most that it had, in units of `what`. */
  readonly limit: number;
}

/** Which budget a paused task has used up; undefined where none is: it can go on as it is. */
export const reachedBudget = ({ state, error }: RunView): ReachedBudget | undefined =>
  isResting(state) && error?.code === "E_BUDGET_REACHED" ? error.budget : undefined;

/** Why a task rests that the person may let go on. */
export const restWords = (view: RunView): string => {
  if (view.error === undefined) return "It rests between two actions.";
  const reached = reachedBudget(view);
  if (reached === undefined) return "A budget of this task is used up.";
  const { what, limit } = reached;
  const budget = what === "dollars" ? `$${limit}` : count(limit, what.slice(0, -1));
  return `The task's budget of ${budget} is used up.`;
};

/** Whether the person ends this rest: no card and no question of an outcome does. */
export const mayResume = ({ state, error }: RunView): boolean =>
  isResting(state) && (error === undefined || error.code === "E_BUDGET_REACHED");

export type Tone = "running" | "waits" | "good" | "bad" | "quiet";

const tones: Readonly<Record<string, Tone>> = {
  "waiting-approval": "waits",
  paused: "waits",
  done: "good",
  failed: "bad",
  stopped: "quiet",
};

export const toneOf = (state: string): Tone =>
  tones[state] ?? (isRunning(state) ? "running" : "quiet");

/** One thing that happened, as the timeline shows it. */
export const outcomeWords: Readonly<Record<string, string>> = {
  confirmed: "done",
  partial: "partly done",
  "no-effect": "no effect",
  refused: "refused by the driver",
  unknown: "unknown",
};

/** Microseconds that the action spent at the gate; 0 where nothing was measured. */
export const gateMicros = ({ timing }: RunAction): number =>
  timing.find(([name]) => name === "gateUs")?.[1] ?? 0;

/** An earlier look at the same thing that found something else: what the two differ in is shown. */
export const earlierLook = (view: RunView, action: RunAction): RunAction | undefined =>
  view.actions.findLast(
    (each) =>
      each.n < action.n &&
      each.target === action.target &&
      each.display === action.display &&
      each.outcome?.content !== undefined &&
      action.outcome?.content !== undefined &&
      !each.outcome.hasMore &&
      !action.outcome.hasMore &&
      each.outcome.content !== action.outcome.content,
  );

/** What a task that is done ended with: its answer, which stands first. */
export const answerOf = ({ state, says }: RunView): Saying | undefined =>
  state === "done" ? says.at(-1) : undefined;

/** What was said on the way, after an action; 0 is before the first. */
export const saidAfter = (view: RunView, n: number): readonly Saying[] => {
  const answer = answerOf(view);
  return view.says.filter((each) => each !== answer && each.after === n);
};
