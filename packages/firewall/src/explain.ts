/**
 * What `ioi policy check` and `explain` show: every rule of the action's target with the truth of
 * each of its conditions, and the smallest change of policy that would change the verdict. A change
 * is offered only after it was compiled and decided with.
 */
import { ok, type Result } from "@ioi/base";
import type { Action, AskSource } from "@ioi/wire";
import { compilePolicy, indexRules } from "./compile.ts";
import { decide } from "./decide.ts";
import type { CompiledRule } from "./engine.ts";
import { exactCondition } from "./exact.ts";
import { predicateTruth } from "./predicate.ts";
import { homeRoot, isScopeName, rootTable, showPath } from "./roots.ts";
import { readSubject, type Subject } from "./subject.ts";
import { withTool } from "./tool-roles/call.ts";
import { mustConstrain } from "./targets.ts";
import { windowTruth } from "./window.ts";
import { no, type Truth, truthAnd, truthName, yes } from "./truth.ts";
import type {
  CompiledPolicy,
  Decision,
  DecisionContext,
  Effect,
  PolicyError,
  Root,
  Tier,
} from "./types.ts";

export interface EvaluatedRule {
  readonly id: string;
  readonly tier: Tier;
  readonly effect: Effect;
  readonly truth: "false" | "unknown" | "true";
  readonly fired: boolean;
  /** Without effect: what fired here would have been done. */
  readonly shadow?: true;
  /** One for each `where.<argument>`. */
  readonly conditions: readonly {
    readonly argument: string;
    readonly truth: "false" | "unknown" | "true";
  }[];
  readonly at: { readonly file: string; readonly line: number; readonly column: number };
}

/** `ioi.policy-check/1`. */
export interface PolicyCheck {
  readonly schema: "ioi.policy-check/1";
  readonly target: string;
  readonly verdict: Decision["verdict"];
  readonly rules: Decision["rules"];
  readonly asks: readonly AskSource[];
  readonly discharged: readonly AskSource[];
  readonly obligations: readonly string[];
  readonly reversible: boolean;
  readonly reason: string;
  readonly instead: string;
  /** Every rule about the target, fired or not, in the order of the policy. */
  readonly evaluated: readonly EvaluatedRule[];
}

export interface PolicyExplanation extends PolicyCheck {
  /** Sentences, most important first. */
  readonly why: readonly string[];
  /** The smallest change that would change the verdict, where there is one. */
  readonly change:
    | { readonly type: "add-rule"; readonly toml: string; readonly verdict: Decision["verdict"] }
    | {
        readonly type: "remove-rules";
        readonly ids: readonly string[];
        readonly verdict: Decision["verdict"];
      }
    | { readonly type: "none"; readonly because: string };
}

const evaluate = (
  rule: CompiledRule,
  { values, table }: Subject,
  time: DecisionContext["time"],
): EvaluatedRule => {
  const narrow = rule.effect === "allow";
  let truth: Truth = yes;
  const conditions = rule.conditions.map(({ argument, predicate }) => {
    const each = predicateTruth(predicate, values.get(argument), table, narrow);
    truth = truthAnd(truth, each);
    return { argument, truth: truthName(each) };
  });
  if (rule.window !== undefined) {
    const now = windowTruth(rule.window, time);
    truth = truthAnd(truth, now);
    conditions.push({ argument: "when", truth: truthName(now) });
  }
  return {
    id: rule.id,
    tier: rule.tier,
    effect: rule.effect,
    truth: truthName(truth),
    fired: narrow ? truth === yes : truth !== no,
    conditions,
    at: rule.at,
    ...(rule.shadow === true ? { shadow: true } : {}),
  };
};

/** One action against a policy, with everything that was looked at. */
export const check = (
  policy: CompiledPolicy,
  action: Action,
  context: DecisionContext,
): PolicyCheck => {
  const decision = decide(policy, action, context);
  const read = readSubject(action, rootTable(context.session));
  const subject = read.ok ? withTool(policy.tools, read.value).subject : undefined;
  const about = policy.engine.rules.filter(({ targets }) => targets.includes(action.target));
  return {
    schema: "ioi.policy-check/1",
    target: action.target,
    verdict: decision.verdict,
    rules: decision.rules,
    asks: decision.asks,
    discharged: decision.discharged,
    obligations: decision.obligations.map(({ type }) => type),
    reversible: decision.reversible,
    reason: decision.reason,
    instead: decision.instead,
    evaluated:
      subject === undefined ? [] : about.map((rule) => evaluate(rule, subject, context.time)),
  };
};

const sentences = (checked: PolicyCheck): readonly string[] => {
  const why = [`Verdict: ${checked.verdict}. ${checked.reason}`];
  for (const rule of checked.evaluated) {
    const failing = rule.conditions.filter(({ truth }) => truth !== "true");
    const list = failing
      .map(({ argument, truth }) => `${argument === "when" ? "" : "where."}${argument} is ${truth}`)
      .join(", ");
    const outcome =
      (rule.fired ? "fires" : "does not fire") + (rule.shadow === true ? " in the shadow" : "");
    why.push(`Rule "${rule.id}" (${rule.effect}) ${outcome}${list === "" ? "" : `: ${list}`}.`);
  }
  return why;
};

const quote = (text: string): string => JSON.stringify(text);

/** The narrowest rule that would allow the action: its own paths and program, as they are. */
const allowingRule = (subject: Subject): string | undefined => {
  const { target, table } = subject;
  const lines = [
    "[[rule]]",
    'id = "suggested"',
    'effect = "allow"',
    `target = [${quote(target.name)}]`,
  ];
  for (const spec of target.arguments.filter(mustConstrain)) {
    const value = subject.values.get(spec.name);
    if (value?.type === "argv" && value.program !== undefined) {
      lines.push(`where.${spec.name} = { program = ${quote(value.program)}, profile = "closed" }`);
    } else if (value?.type === "path" || value?.type === "paths") {
      const items = value.type === "path" ? [value] : value.items;
      const patterns = items.map(({ real, given }) => showPath(real ?? given, table));
      if (patterns.some((pattern) => pattern.startsWith("/"))) return undefined;
      const distinct = [...new Set(patterns)];
      const list = distinct.map(quote).join(", ");
      lines.push(`where.${spec.name} = { one_of = [${list}] }`);
    } else {
      const exact = exactCondition(spec, value);
      if (exact === undefined) return undefined;
      lines.push(`where.${spec.name} = ${exact}`);
    }
  }
  return `${lines.join("\n")}\n`;
};

/** The policy with one more user rule; the workspaces of the session stand for its own. */
const withRule = (
  policy: CompiledPolicy,
  toml: string,
  roots: readonly Root[],
): Result<CompiledPolicy, readonly PolicyError[]> => {
  const names = roots.filter(({ name }) => !isScopeName(name) && name !== homeRoot);
  const workspaces = names
    .map(({ name, path }) => `[workspace.${name}]\npath = ${quote(path)}\n`)
    .join("");
  const text = `version = 1\n${workspaces}${toml}`;
  const { hashing } = policy.engine;
  const added = compilePolicy([{ tier: "user", file: "suggested", text }], hashing);
  if (!added.ok) return added;
  const rules = [...policy.engine.rules, ...added.value.engine.rules];
  return ok({ ...policy, engine: indexRules(rules, hashing) });
};

const withoutRules = (policy: CompiledPolicy, ids: readonly string[]): CompiledPolicy => {
  const { rules, hashing } = policy.engine;
  return {
    ...policy,
    engine: indexRules(
      rules.filter(({ id }) => !ids.includes(id)),
      hashing,
    ),
  };
};

const smallestChange = (
  policy: CompiledPolicy,
  action: Action,
  context: DecisionContext,
  subject: Subject,
): PolicyExplanation["change"] => {
  const before = decide(policy, action, context);
  if (before.verdict === "allow") return { type: "none", because: "It is allowed." };
  const builtin = before.rules.find(({ tier, effect }) => tier === "builtin" && effect === "deny");
  if (builtin !== undefined) {
    return { type: "none", because: `${builtin.id} holds whatever a policy says.` };
  }
  const judged = (other: CompiledPolicy): Decision["verdict"] =>
    decide(other, action, context).verdict;
  const ids = fewestWithout(policy, before, judged);
  if (ids.length === 1) {
    return { type: "remove-rules", ids, verdict: judged(withoutRules(policy, ids)) };
  }
  const toml = before.asks.some(({ kind }) => kind === "default")
    ? allowingRule(subject)
    : undefined;
  const added = toml === undefined ? undefined : withRule(policy, toml, subject.table.roots);
  if (toml !== undefined && added?.ok === true) {
    const verdict = judged(added.value);
    if (verdict !== before.verdict) return { type: "add-rule", toml, verdict };
  }
  if (ids.length > 0) {
    return { type: "remove-rules", ids, verdict: judged(withoutRules(policy, ids)) };
  }
  return { type: "none", because: because(policy, before, added, action, context) };
};

/**
 * Rules without which the verdict is another one, and none of them one too many; empty where rules
 * alone do not change it.
 */
const fewestWithout = (
  policy: CompiledPolicy,
  before: Decision,
  judged: (other: CompiledPolicy) => Decision["verdict"],
): readonly string[] => {
  const changes = (ids: readonly string[]): boolean =>
    judged(withoutRules(policy, ids)) !== before.verdict;
  let ids = before.rules
    .filter(
      ({ effect, truth, tier }) =>
        tier !== "builtin" &&
        truth !== "deferred" &&
        (effect === before.verdict || effect === "deny"),
    )
    .map(({ id }) => id);
  if (ids.length === 0 || !changes(ids)) return [];
  for (const id of ids) {
    const fewer = ids.filter((each) => each !== id);
    if (fewer.length > 0 && changes(fewer)) ids = fewer;
  }
  return ids;
};

/** What else would change it, where no rule alone does; tried as well. */
const because = (
  policy: CompiledPolicy,
  before: Decision,
  added: Result<CompiledPolicy, readonly PolicyError[]> | undefined,
  action: Action,
  context: DecisionContext,
): string => {
  const verdictOf = (other: CompiledPolicy, given: DecisionContext): Decision["verdict"] =>
    decide(other, action, given).verdict;
  const asking = before.asks.filter(({ kind }) => kind === "rule").map(({ id }) => id);
  if (added?.ok === true && asking.length > 0) {
    const after = verdictOf(withoutRules(added.value, asking), context);
    if (after !== before.verdict) {
      const names = asking.map((id) => `"${id}"`).join(", ");
      return `It takes two changes: a rule that allows it, and none of ${names}; then: ${after}.`;
    }
  }
  const spent = before.asks.filter(({ kind }) => kind === "budget" || kind === "rate");
  const unbounded = { ...context, exceededBudgets: [], exceededRates: [] };
  if (spent.length > 0 && verdictOf(policy, unbounded) !== before.verdict) {
    const names = spent.map(({ id }) => id).join(", ");
    return `A higher bound of ${names} changes it, under [budget] or [rate] of the policy.`;
  }
  const kinds = [...new Set(before.asks.map(({ kind }) => kind))].join(", ");
  return `No single rule changes it (asks: ${kinds}).`;
};

/** Why an action has its verdict, and the smallest change that would change it. */
export const explain = (
  policy: CompiledPolicy,
  action: Action,
  context: DecisionContext,
): PolicyExplanation => {
  const checked = check(policy, action, context);
  const read = readSubject(action, rootTable(context.session));
  return {
    ...checked,
    why: sentences(checked),
    change: read.ok
      ? smallestChange(policy, action, context, read.value)
      : { type: "none", because: "The action is malformed." },
  };
};
