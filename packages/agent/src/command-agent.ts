/**
 * The command planner as an agent: `observe -> propose | say | finish`, a function of the goal and
 * of everything it was told so far. It keeps no progress, so that a restart loses nothing.
 *
 * A sequence stops at the first command that does not succeed. `/undo` reverts, newest first, what
 * the session did before it; an `undo` goal reverts what it names.
 */
import { assert, unreachable } from "@ioi/base";
import type { Agent, Look, Turn } from "./agent.ts";
import { helpText, plan, type Step } from "./planner/plan.ts";
import { clip } from "./session/state.ts";
import type { AgentStep, Goal, Observation, UndoItem } from "./session/messages.ts";
import { alikeCallsMax, reasonCharsMax, redirectsMax } from "./limits.ts";
import type { RawArguments } from "./tools.ts";

type OutcomeSeen = Extract<Observation, { readonly type: "outcome" }>;

interface Progress {
  readonly steps: readonly Step[];
  at: number;
  /** What this session did and can undo, oldest first. */
  done: UndoItem[];
  /** Actions that changed what no undo can name. */
  readonly lost: number[];
  /** Where a server said that the page is, and how often one said so. */
  redirect: { readonly url: string; readonly times: number } | undefined;
  /** What a running `/undo` still has to revert, oldest first; undefined outside one. */
  undoing: UndoItem[] | undefined;
}

const finishFailed = (code: string, message: string, next?: string): AgentStep => ({
  type: "finish",
  status: "failed",
  code,
  message: clip(message, reasonCharsMax),
  ...(next === undefined || next === "" ? {} : { next: clip(next, reasonCharsMax) }),
});

const lostMessage = (lost: readonly number[]): string =>
  `undone as far as possible; action ${lost.join(", ")} changed what cannot be undone`;

/** The next effect to undo; begins the undo whose turn it is. */
const undoStep = (progress: Progress): AgentStep => {
  progress.undoing ??= [...progress.done];
  const item = progress.undoing.at(-1);
  if (item !== undefined) {
    const counter = Number(item.counter);
    return { type: "propose", target: "fs::restore", args: { counter, paths: item.paths } };
  }
  return progress.lost.length > 0
    ? finishFailed("E_UNDO_INCOMPLETE", lostMessage(progress.lost))
    : finishFailed(
        "E_NOTHING_TO_UNDO",
        "nothing was done that can be undone, or all of it is undone",
      );
};

/** What the sequence will ask of the same target right after: the commands that follow it. */
const laterCalls = ({ steps, at }: Progress, target: string): readonly RawArguments[] => {
  const later: RawArguments[] = [];
  for (const step of steps.slice(at + 1, at + 1 + alikeCallsMax)) {
    if (step.type !== "act" || step.target !== target || step.content !== undefined) break;
    later.push(step.args);
  }
  return later;
};

/** The next step, or the end. */
const next = (progress: Progress): AgentStep => {
  const step = progress.steps[progress.at];
  if (step === undefined) return { type: "finish", status: "done" };
  if (step.type === "help") return { type: "say", text: helpText() };
  if (step.type === "act" && progress.redirect !== undefined) {
    // A secret is not taken along: it is bound to where it was sent.
    return { type: "propose", target: "net::get", args: { url: progress.redirect.url } };
  }
  if (step.type === "act") {
    const { target, args, content } = step;
    if (content !== undefined) return { type: "propose", target, args, content };
    const alike = laterCalls(progress, target);
    return { type: "propose", target, args, ...(alike.length === 0 ? {} : { alike }) };
  }
  return undoStep(progress);
};

/** A step where the success ends the sequence all the same. */
const succeeded = (
  progress: Progress,
  outcome: Extract<Observation, { readonly type: "outcome" }>,
): AgentStep | undefined => {
  const { undoing, lost } = progress;
  if (undoing !== undefined) {
    undoing.pop();
    progress.done.pop();
    if (undoing.length > 0) return undefined;
    progress.undoing = undefined;
    if (lost.length > 0) return finishFailed("E_UNDO_INCOMPLETE", lostMessage(lost));
  } else if (outcome.undo === "paths") {
    progress.done.push({ counter: outcome.counter, paths: outcome.paths });
  } else if (outcome.undo === "lost") lost.push(outcome.n);
  progress.redirect = undefined;
  progress.at += 1;
  return undefined;
};

const outcomeFailure = (
  outcome: Extract<Observation, { readonly type: "outcome" }>,
): AgentStep | undefined => {
  if (outcome.status !== "confirmed") {
    const message = outcome.message ?? `action ${outcome.n} ended as ${outcome.status}`;
    return finishFailed(outcome.code ?? "E_ACTION_FAILED", message);
  }
  if (outcome.code === "E_HTTP_STATUS" || outcome.code === "E_MEMORY_PROOF") {
    return finishFailed(outcome.code, outcome.message ?? "what was answered cannot be used");
  }
  if (outcome.exit === undefined || outcome.exit === 0) return undefined;
  const message = `the program of action ${outcome.n} ended with exit code ${outcome.exit}`;
  return finishFailed("E_PROGRAM_FAILED", message);
};

const isRedirect = ({ status, code, target }: OutcomeSeen): boolean =>
  status === "confirmed" && code === "E_HTTP_REDIRECT" && target === "net::get";

/** To follow is a proposal of its own, and is judged as one. */
const redirected = (progress: Progress, { message = "" }: OutcomeSeen): AgentStep | undefined => {
  const times = (progress.redirect?.times ?? 0) + 1;
  if (times > redirectsMax) {
    return finishFailed("E_FETCH_REDIRECTS", `the server sent on more than ${redirectsMax} times`);
  }
  progress.redirect = { url: message, times };
  return undefined;
};

/** Takes one observation in; a step where it ends the sequence. */
const absorb = (progress: Progress, seen: Observation): AgentStep | undefined => {
  switch (seen.type) {
    case "goal":
      return undefined;
    case "said":
      progress.at += 1;
      return undefined;
    case "outcome":
      if (isRedirect(seen)) return redirected(progress, seen);
      return outcomeFailure(seen) ?? succeeded(progress, seen);
    case "denied":
      return finishFailed("E_ACTION_DENIED", seen.reason, seen.instead);
    case "failed":
      return finishFailed(seen.code, seen.message);
    case "invalid":
      return finishFailed(seen.code, seen.message);
    default:
      return unreachable(seen);
  }
};

/** An agent whose every reply is a step. */
export interface CommandAgent extends Agent {
  step(turns: readonly Turn[], look?: Look): AgentStep;
}

export const commandAgent = (goal: Goal): CommandAgent => {
  assert(goal.kind === "planner" || goal.kind === "undo", `${goal.kind} is no command planner`);
  const steps: ReturnType<typeof plan> =
    goal.kind === "undo" ? { ok: true, value: [{ type: "undo" }] } : plan(goal.text);
  if (!steps.ok) {
    const { code, message, at } = steps.error;
    const where = at === undefined ? "" : `${at.file}:${at.line}:${at.column}: `;
    return { step: () => finishFailed(code, where + message) };
  }
  const step = (turns: readonly Turn[]): AgentStep => {
    const progress: Progress = {
      steps: steps.value,
      at: 0,
      done: [...goal.earlier],
      lost: [...goal.lost],
      undoing: undefined,
      redirect: undefined,
    };
    for (const { observation } of turns) {
      const last = absorb(progress, observation);
      if (last !== undefined) return last;
      // An undo begins when its turn comes, with what was done up to then.
      if (progress.steps[progress.at]?.type === "undo") undoStep(progress);
    }
    return next(progress);
  };
  return { step };
};
