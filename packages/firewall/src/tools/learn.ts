/**
 * `ioi policy learn`: rules for what recorded sessions did.
 *
 * Source: the design of the firewall, section 2. Only steps that the gate let through count: they
 * were allowed, or a person approved them. Rules name exactly what was done (these paths, this
 * URL, these words of a program), never a pattern that also covers something else, and a rule is
 * offered only if, replayed under it, its steps need no approval. Bounds: `learnedStepsMax`.
 */
import { err, ok, type Result } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { Action } from "@ioi/wire";
import { compilePolicy } from "../compile.ts";
import { decide } from "../decide.ts";
import { exactCondition } from "../exact.ts";
import { isOnceOnly } from "../grants.ts";
import { conditionValuesMax, learnedStepsMax } from "../limits.ts";
import { canRunAnything } from "../programs.ts";
import { rootTable, showPath } from "../roots.ts";
import { readSubject, type Subject } from "../subject.ts";
import { type ArgumentSpec, mustConstrain } from "../targets.ts";
import type { CompiledPolicy, DecisionContext, PolicyError, SessionContext } from "../types.ts";
import { visible } from "../visible.ts";

/** What a session did with the gate's leave. */
export interface RecordedStep {
  readonly action: Action;
  readonly session: SessionContext;
}

export interface NotLearned {
  readonly target: string;
  readonly why: string;
}

export interface Learned {
  /** Rules to put after the policy's own; empty where there is nothing to add. */
  readonly toml: string;
  readonly rules: number;
  readonly steps: number;
  /** Steps that need no approval as it is. */
  readonly already: number;
  /** Steps that need none with the new rules. */
  readonly replayed: number;
  readonly left: readonly NotLearned[];
}

const quote = (text: string): string => JSON.stringify(text);
const listOf = (texts: readonly string[]): string => `[${texts.map(quote).join(", ")}]`;

/** Values of one condition: those of the first argument of a rule may be joined. */
interface Condition {
  readonly argument: string;
  readonly key: string;
  readonly values: readonly string[];
}

const pathCondition = (spec: ArgumentSpec, subject: Subject): Condition | string => {
  const value = subject.values.get(spec.name);
  const items = value?.type === "path" ? [value] : value?.type === "paths" ? value.items : [];
  const shown = items.map(({ real, given }) => showPath(real ?? given, subject.table));
  if (shown.length === 0 || shown.some((text) => text.startsWith("/"))) {
    return "it is in no workspace";
  }
  return { argument: spec.name, key: "one_of", values: shown };
};

const argvCondition = (spec: ArgumentSpec, subject: Subject): string => {
  const value = subject.values.get(spec.name);
  if (value?.type !== "argv" || value.program === undefined) return "";
  const args = value.argv.slice(1);
  const [flags, rest] = [true, false].map((wanted) => [
    ...new Set(args.filter((text) => (text.length > 1 && text.startsWith("-")) === wanted)),
  ]);
  const parts = [`program = ${quote(value.program)}`];
  if (flags !== undefined && flags.length > 0) parts.push(`flags = ${listOf(flags)}`);
  if (rest !== undefined && rest.length > 0) parts.push(`rest = { one_of = ${listOf(rest)} }`);
  return `where.${spec.name} = { ${parts.join(", ")} }`;
};

interface Draft {
  readonly target: string;
  readonly first: Condition | undefined;
  /** Lines of the other conditions, as they are. */
  readonly rest: readonly string[];
}

const lineOf = ({ argument, key, values }: Condition): string =>
  `where.${argument} = { ${key} = ${listOf(values)} }`;

/** Said as it was, also where a rule need not say it. */
const exactToo: ReadonlySet<string> = new Set(["amount", "element"]);

const draftOf = (subject: Subject): Draft | string => {
  const { target } = subject;
  if (isOnceOnly(target, () => false)) return "it is asked about each time";
  let first: Condition | undefined;
  const rest: string[] = [];
  for (const spec of target.arguments) {
    const value = subject.values.get(spec.name);
    if (mustConstrain(spec) && (spec.type === "path" || spec.type === "paths")) {
      const condition = pathCondition(spec, subject);
      if (typeof condition === "string") return condition;
      if (first === undefined) first = condition;
      else rest.push(lineOf(condition));
    } else if (value?.type === "argv") {
      if (value.program !== undefined && canRunAnything(value.program)) {
        return `${visible(value.program)} can run anything; no rule bounds that`;
      }
      rest.push(argvCondition(spec, subject));
    } else if (spec.type === "url" && spec.bounds !== true && value?.type === "url") {
      first = { argument: spec.name, key: "one_of", values: [value.url.text] };
    } else if (value?.type === "text" && spec.name === "method") {
      rest.push(`where.method = { equals = ${quote(value.text)} }`);
    } else if (spec.role === "credential" && spec.optional === true) {
      const test = value?.type === "text" ? `equals = ${quote(value.text)}` : "absent = true";
      rest.push(`where.${spec.name} = { ${test} }`);
    } else if (mustConstrain(spec) || exactToo.has(spec.type)) {
      const exact = exactCondition(spec, value);
      if (exact === undefined) return `no condition says what its ${spec.name} was`;
      rest.push(`where.${spec.name} = ${exact}`);
    }
  }
  return { target: target.name, first, rest };
};

const withValues = (draft: Draft, values: readonly string[]): Draft => ({
  ...draft,
  first: draft.first === undefined ? undefined : { ...draft.first, values },
});

/** Drafts that differ in the first condition's values only are one. */
const joined = (drafts: readonly Draft[]): readonly Draft[] => {
  const groups = new Map<string, Draft>();
  const full: Draft[] = [];
  for (const draft of drafts) {
    const { first, rest, target } = draft;
    const key = JSON.stringify([target, first?.argument, rest]);
    const known = groups.get(key);
    const values = [...new Set([...(known?.first?.values ?? []), ...(first?.values ?? [])])];
    if (known !== undefined && values.length > conditionValuesMax) {
      full.push(known);
      groups.set(key, draft);
    } else groups.set(key, withValues(draft, values));
  }
  return [...full, ...groups.values()];
};

const ruleText = ({ target, first, rest }: Draft, id: string): string =>
  [
    "[[rule]]",
    `id = ${quote(id)}`,
    'effect = "allow"',
    `target = [${quote(target)}]`,
    ...(first === undefined ? [] : [lineOf(first)]),
    ...rest,
    "",
  ].join("\n");

const contextFor = (session: SessionContext): DecisionContext => ({
  session: { ...session, headless: false },
  exceededBudgets: [],
  grants: [],
});

const isAllowed = (policy: CompiledPolicy, { action, session }: RecordedStep): boolean =>
  decide(policy, action, contextFor(session)).verdict === "allow";

interface Candidate {
  readonly step: RecordedStep;
  readonly draft: Draft;
}

export const learn = (
  own: { readonly file: string; readonly text: string },
  steps: readonly RecordedStep[],
  hashing: Hashing,
): Result<Learned, readonly PolicyError[]> => {
  const source = { tier: "user" as const, ...own };
  const before = compilePolicy([source], hashing);
  if (!before.ok) return before;
  const taken = new Set(before.value.rules.map(({ id }) => id));
  const left: NotLearned[] = [];
  const candidates: Candidate[] = [];
  let already = 0;
  for (const step of steps.slice(0, learnedStepsMax)) {
    if (isAllowed(before.value, step)) {
      already++;
      continue;
    }
    const read = readSubject(step.action, rootTable(step.session));
    const draft = read.ok ? draftOf(read.value) : read.error;
    if (typeof draft === "string") left.push({ target: step.action.target, why: draft });
    else candidates.push({ step, draft });
  }
  const textOf = (drafts: readonly Draft[]): { readonly toml: string; readonly rules: number } => {
    let number = 0;
    const texts = joined(drafts).map((draft) => {
      do number++;
      while (taken.has(`learned-${number}`));
      return ruleText(draft, `learned-${number}`);
    });
    return { toml: texts.join("\n"), rules: texts.length };
  };
  const compiled = (toml: string): Result<CompiledPolicy, readonly PolicyError[]> =>
    compilePolicy([{ ...source, text: `${own.text.trimEnd()}\n\n${toml}` }], hashing);
  const all = compiled(textOf(candidates.map(({ draft }) => draft)).toml);
  if (!all.ok) return err(all.error);
  // What still asks (a protected file, a fact, a rule of the person's) is no better with a rule.
  const helped = candidates.filter(({ step, draft }) => {
    if (isAllowed(all.value, step)) return true;
    const { reason } = decide(all.value, step.action, contextFor(step.session));
    left.push({ target: draft.target, why: reason });
    return false;
  });
  const { toml, rules } = textOf(helped.map(({ draft }) => draft));
  const after = compiled(toml);
  if (!after.ok) return err(after.error);
  const replayed = helped.filter(({ step }) => isAllowed(after.value, step)).length;
  return ok({ toml, rules, steps: steps.length, already, replayed, left });
};
