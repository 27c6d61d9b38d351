/** Why, and what would be allowed instead, for a person and for the agent that is told no. */
import type { AskSource } from "@ioi/wire";
import { type BuiltinDenial, protectedPaths, reachable } from "./builtin.ts";
import type { CompiledRule } from "./engine.ts";
import type { Firing, Judgement } from "./judge.ts";
import type { UrlTest } from "./net/test-url.ts";
import type { Predicate } from "./predicate.ts";
import type { Subject } from "./subject.ts";
import { yes } from "./truth.ts";
import type { CompiledPolicy, Decision } from "./types.ts";
import { visible } from "./visible.ts";

type Text = Pick<Decision, "reason" | "instead">;

const doubtOf = (subject: Subject): string =>
  subject.paths.some(({ value }) => value.whole !== undefined)
    ? " (the folder may hold what the rule is about)"
    : " (not everything it looks at is known)";

const ruleReason = ({ rule, truth }: Firing, subject: Subject): string => {
  const doubt = truth === yes ? "" : doubtOf(subject);
  return rule.reason === "" ? `Rule "${rule.id}"${doubt}.` : `${rule.reason}${doubt}`;
};

export const explainDenial = (
  subject: Subject,
  denials: readonly BuiltinDenial[],
  denies: readonly Firing[],
): Text => {
  const builtin = denials[0];
  if (builtin !== undefined) {
    return { reason: visible(builtin.reason), instead: visible(builtin.instead) };
  }
  const first = denies[0] as Firing;
  const { rule } = first;
  return {
    reason: visible(
      `${subject.target.name} is refused by rule "${rule.id}": ${ruleReason(first, subject)}`,
    ),
    instead: visible(rule.instead),
  };
};

const taskText = (id: string, { target }: Subject): string => {
  if (id === "model") return "The task was given another model, or none.";
  if (id === "write") return "The task may arrange this folder, not write into it.";
  return `${target.name} (${id}) is not part of what the task was given.`;
};

const askText = (ask: AskSource, subject: Subject, judgement: Judgement): string => {
  const ofTool = judgement.tool?.textOf(ask);
  if (ofTool !== undefined) return ofTool;
  switch (ask.kind) {
    case "rule": {
      const firing = judgement.asks.find(({ rule }) => rule.id === ask.id);
      return firing === undefined
        ? `Rule "${ask.id}".`
        : `Rule "${ask.id}": ${ruleReason(firing, subject)}`;
    }
    case "default":
      return `No rule allows ${subject.target.name} here.`;
    case "budget":
      return `The session's budget is used up (${ask.id}).`;
    case "rate":
      return `It happens too often (${ask.id}).`;
    case "fact":
      return `Not enough was found out about "${ask.id}".`;
    case "ungrounded":
      return `"${ask.id}" does not come from the person's own words.`;
    case "protected": {
      const why = protectedPaths(subject).find(({ key }) => key === ask.id)?.why;
      return `"${ask.id}" is protected: ${why ?? "a change there makes other programs do something"}.`;
    }
    case "sandbox":
      return `Rule "${ask.id}" refuses what no sandbox can: the program could go round it.`;
    case "dynamic":
      return `What runs is decided only while it runs: ${judgement.script?.dynamic ?? ""}.`;
    case "task":
      return taskText(ask.id, subject);
    case "address":
      return "It is an address of this machine or its networks.";
    case "irreversible":
      return ask.id === "stage"
        ? "What the program writes cannot be held back and undone on this machine."
        : "What is lost cannot be kept for undo.";
    default:
      return `${ask.kind} ${ask.id}.`;
  }
};

const urlPatterns = (test: UrlTest): readonly string[] => {
  switch (test.type) {
    case "host":
      return test.hosts.map((each) => (each.type === "exact" ? each.host : `*.${each.suffix}`));
    case "site":
      return ["sites that the person named"];
    case "exact":
      return [...test.urls];
    default:
      return [];
  }
};

/** The patterns under which one rule allows, shortest form. */
const patternsOf = (predicate: Predicate): readonly string[] => {
  switch (predicate.type) {
    case "path":
      return predicate.patterns.map(({ text }) => text);
    case "url":
      return urlPatterns(predicate.test);
    case "all":
    case "any":
      return predicate.of.flatMap(patternsOf);
    default:
      return [];
  }
};

const whereAllowed = (rule: CompiledRule): string =>
  rule.conditions
    .flatMap(({ argument, predicate }) => {
      const patterns = patternsOf(predicate);
      return patterns.length === 0 ? [] : [`${argument} ${patterns.slice(0, 3).join(" or ")}`];
    })
    .join(", ");

const elsewhere = new WeakMap<CompiledPolicy["engine"], Map<string, string>>();

/** Where rules allow the target, for an action that none of them allows; said once for a policy. */
const allowedElsewhere = ({ engine }: CompiledPolicy, { target }: Subject): string => {
  const known = elsewhere.get(engine) ?? new Map<string, string>();
  elsewhere.set(engine, known);
  const text = known.get(target.name) ?? placesAllowed(engine, target.name);
  known.set(target.name, text);
  return text;
};

const placesAllowed = (engine: CompiledPolicy["engine"], target: string): string => {
  const allows = engine.byTarget.get(target)?.allows.all ?? [];
  const places = allows
    .slice(0, 3)
    .map((rule) => [rule.id, whereAllowed(rule)] as const)
    .filter(([, where]) => where !== "")
    .map(([id, where]) => `${where} (rule "${id}")`);
  return places.length === 0 ? "" : `${target} is allowed for ${places.join("; ")}.`;
};

const insteadOf = (
  policy: CompiledPolicy,
  subject: Subject,
  judgement: Judgement,
  left: readonly AskSource[],
): string => {
  const rule = judgement.asks.find(({ rule: { instead } }) => instead !== "")?.rule;
  if (rule !== undefined) return rule.instead;
  if (left.some(({ kind }) => kind === "dynamic")) {
    return "Give the program and its arguments as they are, without variables, globs or substitutions.";
  }
  const spent = left.filter(({ kind }) => kind === "budget").map(({ id }) => id);
  if (spent.length > 0) {
    return `More of ${spent.join(" and ")} comes from the person: by the answer to its card, or under [budget.session] in policy.toml.`;
  }
  if (left.some(({ kind }) => kind === "default")) return allowedElsewhere(policy, subject);
  return "";
};

export const explainAsks = (
  policy: CompiledPolicy,
  subject: Subject,
  judgement: Judgement,
  left: readonly AskSource[],
): Text => ({
  reason: visible(left.map((ask) => askText(ask, subject, judgement)).join(" ")),
  instead: visible(insteadOf(policy, subject, judgement, left)),
});

/** An ask that nobody answers, or a default that denies. */
export const explainDefault = (
  policy: CompiledPolicy,
  subject: Subject,
  judgement: Judgement,
  left: readonly AskSource[],
): Text => {
  const { reason, instead } = explainAsks(policy, subject, judgement, left);
  const byDefault = policy.defaultVerdict === "deny" && left.some(({ kind }) => kind === "default");
  const why = byDefault
    ? "The policy denies what no rule allows."
    : "It would be asked about, and nobody is there to answer.";
  const onPaths = subject.target.arguments.some(({ type }) => type === "path" || type === "paths");
  const nearby = instead === "" && onPaths ? visible(reachable(subject.table)) : instead;
  return { reason: `${reason} ${why}`, instead: nearby };
};
