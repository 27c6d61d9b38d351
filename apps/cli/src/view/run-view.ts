/** A session for a person: one block an action, as soon as it is settled. */
import {
  dollars,
  inferTarget,
  personRuleId,
  type RunAction,
  type RunView,
  toolOf,
} from "@ioi/agent";
import type { OperationError } from "@ioi/base";
import type { CommandContext } from "../context.ts";
import { type Output, visible } from "../io.ts";
import { failWith, hint } from "../report.ts";

/** Kept of what was shown while an action ran, to compare with what is said of it. */
const shownCharsMax = 65_536;

const indent = (text: string): string =>
  visible(text)
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");

/** Nothing of it will change any more, unless a person acts. */
const isSettled = (action: RunAction): boolean =>
  action.verdict === "deny" ||
  action.verdict === "unavailable" ||
  // The receipt of an outcome comes a moment after it.
  (action.outcome !== null && action.outcome.receipt !== null);

/** Who decided: a rule, the default, or the person who answered its ask. */
const deciderOf = ({ rule, verdict, approval }: RunAction): string => {
  if (rule === personRuleId) return "by you";
  const by = rule === null ? "by default" : `by ${rule}`;
  return verdict === "allow" && approval !== null ? `${by}, and you` : by;
};

const verdictLine = (output: Output, action: RunAction): string => {
  const by = deciderOf(action);
  switch (action.verdict) {
    case "allow":
      return `${output.paint("green", "allowed")} ${by}`;
    case "deny":
      return `${output.paint("red", "DENIED")} ${by}: ${visible(action.reason)}`;
    case "ask":
      return `${output.paint("yellow", "ASKS")} ${by}: ${visible(action.reason)}`;
    case "unavailable":
      return `${output.paint("red", "NOT AVAILABLE")}: ${visible(action.reason)}`;
    case null:
      return "not judged";
  }
};

/** Changed something that an undo could concern: reading leaves nothing, an undo is not undone. */
const isChange = ({ target, outcome }: RunAction): boolean =>
  !["read", "model"].includes(toolOf(target)?.risk ?? "") &&
  target !== "fs::restore" &&
  outcome?.evidence["filesChanged"] !== "0" &&
  (outcome?.status === "confirmed" || outcome?.status === "partial");

const outcomeLine = (action: RunAction): string => {
  const parts: string[] = [];
  if (action.ticket !== null) parts.push(`ticket ${action.ticket.counter}`);
  const { outcome } = action;
  if (outcome !== null) {
    parts.push(`${outcome.status}, ${outcome.bytes} bytes`);
    const { tokens_in: input, tokens_out: output, microusd } = outcome.evidence;
    if (input !== undefined && output !== undefined) {
      parts.push(`${input} tokens in, ${output} out, $${dollars(Number(microusd ?? 0))}`);
    }
    if (outcome.code !== null) parts.push(outcome.code);
    if (isChange(action)) parts.push(outcome.reversible ? "can be undone" : "cannot be undone");
  }
  const receipts = [action.receipt, outcome?.receipt ?? null].filter((each) => each !== null);
  if (receipts.length > 0) {
    const noun = receipts.length === 1 ? "receipt" : "receipts";
    parts.push(`${noun} ${receipts.map(({ index }) => index).join(" and ")}`);
  }
  return parts.join("; ");
};

const printAction = (output: Output, action: RunAction, more: string, wasShown: boolean): void => {
  output.line(`${output.paint("bold", String(action.n))} ${visible(action.display)}`);
  output.line(`  ${verdictLine(output, action)}`);
  const details = outcomeLine(action);
  if (details !== "") output.line(`  ${details}`);
  if (action.verdict === "deny" && action.rule !== personRuleId && action.instead !== "") {
    output.line(`  Allowed instead: ${visible(action.instead)}`);
  }
  const { outcome } = action;
  if (outcome?.message) output.line(indent(outcome.message));
  // A model's reply is what it says and what it calls: both are shown by themselves.
  if (action.target === inferTarget) return;
  if (outcome?.content && !wasShown) output.line(indent(outcome.content));
  if (outcome?.handle) output.line(`  too much to show here: ${more}`);
};

/** Prints what was not printed yet of a session that grows. */
/** `356 ms`, `3.1 s`, `5 min 3 s`. */
export const duration = (ms: number): string => {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

export class RunPrinter {
  /** Whether what actions write is shown while they run: to somebody who looks. */
  readonly streams: boolean;
  readonly #out: (text: string) => void;
  /** What of each action was shown while it ran. */
  readonly #shown: Map<number, string> = new Map();
  readonly #output: Output;
  readonly #data: string | undefined;
  readonly #printed = new Set<number>();
  #said = 0;

  constructor({ output, dataGiven, io }: CommandContext) {
    this.streams = io.stdoutIsTerminal && !output.json;
    this.#out = (text) => io.out(text);
    this.#output = output;
    this.#data = dataGiven;
  }

  update(view: RunView): void {
    for (const action of view.actions) {
      if (this.#printed.has(action.n) || !isSettled(action)) continue;
      this.#printed.add(action.n);
      this.#print(view.session, action);
    }
    for (const [at, text] of view.says.entries()) {
      if (view.saysDropped + at < this.#said) continue;
      const after = view.saysAfter[at] ?? 0;
      if (!this.#wasShown(text, after)) this.#output.line(visible(text));
    }
    this.#said = view.saysDropped + view.says.length;
  }

  /** Text that an action wrote just now. */
  output(action: number, text: string): void {
    if (!this.streams) return;
    const before = this.#shown.get(action) ?? "";
    this.#shown.set(action, (before + text).slice(-shownCharsMax));
    this.#out(visible(text));
  }

  /** A line of its own after what was shown while it ran. */
  #endOutput(action: number): void {
    const shown = this.#shown.get(action);
    if (shown !== undefined && !shown.endsWith("\n")) this.#out("\n");
  }

  /** A model's words were shown already while it said them. */
  #wasShown(text: string, after: number): boolean {
    return this.#shown.get(after)?.trim().endsWith(text.trim()) === true;
  }

  #print(session: string, action: RunAction): void {
    this.#endOutput(action.n);
    const show = `./ioi sessions show ${session} --content ${action.n}`;
    printAction(this.#output, action, hint(show, this.#data), this.#shown.has(action.n));
  }

  /** The rest: what is not settled, and how the session stands. */
  finish(view: RunView): void {
    this.update(view);
    for (const action of view.actions) {
      if (!this.#printed.has(action.n)) this.#print(view.session, action);
    }
    const { actions, wallMs, tokens, usd } = view.cost;
    const noun = actions === 1 ? "action" : "actions";
    const spent = tokens === 0 ? "" : `, ${tokens} tokens, $${usd.toFixed(4)}`;
    this.#output.line(
      `session ${view.session}: ${view.state}, ${actions} ${noun}, ${duration(wallMs)}${spent}`,
    );
  }
}

/** What ended a session, as the error that the command ends with. */
export const runError = (view: RunView): OperationError | undefined =>
  view.error === null
    ? undefined
    : failWith({
        code: view.error.code,
        message: visible(view.error.message),
        ...(view.error.next === null ? {} : { next: view.error.next }),
      });
