/**
 * The decision: a total function of policy, action and context.
 *
 * Source: the design of the firewall, section 2 (Verdict), independent of the order of rules:
 *
 *   deny   if any deny fired in any tier
 *   asks = ask rules fired + ungrounded arguments + exceeded budgets + unknown facts +
 *          what the task was not given +
 *          {"default" if no allow fired in the admin or user tier}
 *   asks -= those discharged by a live grant
 *   allow  if asks is empty, with all obligations; else ask; headless, or "default" left under
 *          verdict = "deny": deny
 *
 * Asks also: protected paths, scripts decided only when they run, obligations that cannot be kept.
 */
import type { Action, AskSource, Obligation } from "@ioi/wire";
import {
  type BuiltinDenial,
  builtinDenials,
  exceedsSnapshot,
  isInScope,
  missingFacts,
  notAvailableId,
  protectedPaths,
} from "./builtin.ts";
import { explainAsks, explainDefault, explainDenial } from "./decision-text.ts";
import { contentObligations, deferredRules, isAllowed } from "./content/obligations.ts";
import { discharge } from "./grants.ts";
import { ungrounded } from "./grounding/native.ts";
import { type DeferredFiring, type Firing, judge, type Judgement } from "./judge.ts";
import {
  flowBytesDownMax,
  flowBytesUpMax,
  flowMsMax,
  flowRequestsMax,
  openingBytesDownMax,
  openingBytesUpMax,
  openingRequestsMax,
} from "./limits.ts";
import { isGroundedUrl, openedClasses, urlAsks, urlDenials } from "./net/judge-url.ts";
import { programFlow, serverFlow } from "./net/lease.ts";
import { connectTool } from "./net/server-calls.ts";
import type { CanonicalUrl } from "./net/url.ts";
import { rootTable } from "./roots.ts";
import { sandboxAsks, sandboxObligations } from "./sandbox-profile.ts";
import { taskAsks } from "./scope/task.ts";
import { readSubject, type Subject } from "./subject.ts";
import { targets } from "./targets.ts";
import {
  toolAskName,
  toolAsks,
  type ToolCall,
  trustedFields,
  withTool,
} from "./tool-roles/call.ts";
import { toolAskText } from "./tool-roles/text.ts";
import { yes } from "./truth.ts";
import type { CompiledPolicy, Decide, Decision, DecisionContext, MatchedRule } from "./types.ts";
import { visible } from "./visible.ts";

/** The rule that stands for `approval.reversible_without_asking`. */
export const reversibleRuleId = "builtin:reversible";

const matchedOf = ({ rule, truth }: Firing): MatchedRule => ({
  id: rule.id,
  effect: rule.effect,
  tier: rule.tier,
  truth: truth === yes ? "true" : "unknown",
});

const deferredMatch = ({ rule }: DeferredFiring): MatchedRule => ({
  id: rule.id,
  effect: rule.effect,
  tier: rule.tier,
  truth: "deferred",
});

const builtinMatch = (id: string, effect: "deny" | "allow"): MatchedRule => ({
  id,
  effect,
  tier: "builtin",
  truth: "true",
});

const malformed = (why: string): Decision => ({
  verdict: "deny",
  rules: [builtinMatch("builtin:malformed", "deny")],
  asks: [],
  discharged: [],
  grantsUsed: [],
  obligations: [],
  reason: visible(`The action is malformed: ${why}.`),
  instead: "",
  reversible: false,
});

interface Keeping {
  readonly obligations: readonly Obligation[];
  /** Obligations that cannot be kept here. */
  readonly lost: readonly Obligation["type"][];
}

/** A copy that replaces nothing loses nothing. */
const needsSnapshot = ({ target, paths }: Subject): boolean =>
  target.obligation === "snapshot" &&
  (target.name !== "fs::copy" || paths.find(({ key }) => key === "to")?.facts?.exists !== false);

/** One request for one ticket, but for an answer that breaks off: it is asked for again from there. */
const flow: Obligation = {
  type: "flow",
  requests: flowRequestsMax,
  bytesUp: flowBytesUpMax,
  bytesDown: flowBytesDownMax,
  ms: flowMsMax,
};

/** The first messages to a server elsewhere. */
const opening: Obligation = {
  type: "flow",
  requests: openingRequestsMax,
  bytesUp: openingBytesUpMax,
  bytesDown: openingBytesDownMax,
  ms: flowMsMax,
};

/** A secret is used for one connection; only a whole page has a place to go on from. */
const continues = ({ values }: Subject): boolean => {
  const method = values.get("method");
  const gets = method === undefined || (method.type === "text" && method.text === "GET");
  return gets && !values.has("secret") && !values.has("headers");
};

const obligationsOf = (
  policy: CompiledPolicy,
  subject: Subject,
  judgement: Judgement,
  context: DecisionContext,
): Keeping => {
  const call = judgement.tool?.call;
  const { starts } = context;
  if (starts !== undefined) {
    return { obligations: serverFlow(policy, subject, starts), lost: [] };
  }
  if (call?.tool === connectTool) return { obligations: [opening], lost: [] };
  if (call !== undefined) {
    // Without words no look-up is the person's own.
    if (context.session.gate === true) return { obligations: [], lost: [] };
    const trusted = trustedFields(call, policy.tools, context.session);
    return { obligations: [{ type: "origins", trusted }], lost: [] };
  }
  const type = subject.target.obligation;
  if (type === undefined || (type === "snapshot" && !needsSnapshot(subject))) {
    return { obligations: [], lost: [] };
  }
  if (type === "flow") return { obligations: continues(subject) ? [flow] : [], lost: [] };
  const lost =
    context.unavailable?.includes(type) === true ||
    (type === "snapshot" && exceedsSnapshot(subject));
  const flows = programFlow(policy, subject, judgement);
  return lost
    ? { obligations: flows, lost: [type] }
    : { obligations: [{ type }, ...flows], lost: [] };
};

const collectAsks = (
  subject: Subject,
  judgement: Judgement,
  keeping: Keeping,
  guarded: readonly { readonly key: string }[],
  context: DecisionContext,
): AskSource[] => {
  const { session, exceededBudgets } = context;
  const call = judgement.tool?.call;
  const asks: AskSource[] = judgement.asks.map(({ rule }) => ({ kind: "rule", id: rule.id }));
  const grounds = (url: CanonicalUrl, tokens: ReadonlySet<string>): boolean =>
    isGroundedUrl(url, subject, tokens, session.seen);
  for (const id of ungrounded(subject.target.arguments, subject.values, session, grounds)) {
    asks.push({ kind: "ungrounded", id });
  }
  asks.push(...urlAsks(subject, judgement));
  for (const id of new Set(exceededBudgets)) asks.push({ kind: "budget", id });
  for (const id of new Set(context.exceededRates ?? [])) asks.push({ kind: "rate", id });
  asks.push(...missingFacts(subject));
  for (const { key } of guarded) asks.push({ kind: "protected", id: key });
  if (judgement.protectedRedirect) asks.push({ kind: "protected", id: "argv" });
  if (judgement.script?.dynamic !== undefined) asks.push({ kind: "dynamic", id: "argv" });
  asks.push(
    ...(call === undefined
      ? taskAsks(subject, session.task)
      : toolAsks(call, session, judgement.tool?.name ?? "")),
  );
  for (const id of keeping.lost) asks.push({ kind: "irreversible", id });
  if (!isAllowed(judgement)) {
    asks.push({ kind: "default", id: judgement.tool?.name ?? "default" });
  }
  return asks;
};

/** Whether only the default would ask about what can be undone whole. */
const goesWithoutAsking = (
  policy: CompiledPolicy,
  subject: Subject,
  reversible: boolean,
  asks: readonly AskSource[],
): boolean =>
  policy.reversibleWithoutAsking &&
  policy.defaultVerdict === "ask" &&
  reversible &&
  subject.target.driver === "files" &&
  subject.target.consequential &&
  asks.some(({ kind }) => kind === "default") &&
  isInScope(subject);

interface Weighed {
  readonly subject: Subject;
  readonly judgement: Judgement;
  readonly denials: readonly BuiltinDenial[];
  readonly keeping: Keeping;
  readonly reversible: boolean;
}

const matchedRules = ({ judgement, denials }: Weighed): MatchedRule[] => [
  ...denials.map(({ id }) => builtinMatch(id, "deny")),
  ...judgement.denies.map(matchedOf),
  ...judgement.asks.map(matchedOf),
  ...judgement.allows.map(matchedOf),
  ...deferredRules(judgement).map(deferredMatch),
];

const verdictOf = (
  policy: CompiledPolicy,
  weighed: Weighed,
  left: readonly AskSource[],
  headless: boolean,
): Decision["verdict"] => {
  if (weighed.denials.length > 0 || weighed.judgement.denies.length > 0) return "deny";
  if (left.length === 0) return "allow";
  const byDefault = policy.defaultVerdict === "deny" && left.some(({ kind }) => kind === "default");
  return headless || byDefault ? "deny" : "ask";
};

const textOfVerdict = (
  policy: CompiledPolicy,
  weighed: Weighed,
  verdict: Decision["verdict"],
  left: readonly AskSource[],
): Pick<Decision, "reason" | "instead"> => {
  const { subject, judgement, denials } = weighed;
  if (verdict === "allow") {
    const by =
      (judgement.allows[0] ?? judgement.deferredAllows[0])?.rule.id ??
      "what was approved, or can be undone";
    return { reason: `${subject.target.name} is allowed by ${by}.`, instead: "" };
  }
  if (denials.length > 0 || judgement.denies.length > 0) {
    return explainDenial(subject, denials, judgement.denies);
  }
  return verdict === "ask"
    ? explainAsks(policy, subject, judgement, left)
    : explainDefault(policy, subject, judgement, left);
};

/** Of a target that nothing performs, that is what there is to say. */
const unperformed = (target: string): Decision => ({
  ...malformed(""),
  rules: [builtinMatch(notAvailableId, "deny")],
  reason: visible(`${target} has no driver in this version.`),
});

export const decide: Decide = (policy, action, context) => {
  const read = readSubject(action, rootTable(context.session));
  if (read.ok) return decideSubject(policy, action, read.value, context);
  const target = targets.get(action.target);
  return target !== undefined && target.driver === undefined && context.undriven !== true
    ? unperformed(target.name)
    : malformed(read.error);
};

/** What rules in the shadow would have done; nothing where there are none. */
const shadowPart = (
  policy: CompiledPolicy,
  subject: Subject,
  context: DecisionContext,
): Pick<Decision, "shadow"> => {
  if (policy.engine.shadows.size === 0) return {};
  const { denies, asks, deferredDenies } = judge(policy.engine.shadows, subject, context);
  const shadow = [...[...denies, ...asks].map(matchedOf), ...deferredDenies.map(deferredMatch)];
  return shadow.length === 0 ? {} : { shadow };
};

const toolPart = (
  { engine: { hashing } }: CompiledPolicy,
  call: ToolCall,
  session: DecisionContext["session"],
): NonNullable<Judgement["tool"]> => ({
  call,
  name: toolAskName(call, hashing),
  textOf: (ask) => toolAskText(ask, call, session),
});

const decideSubject = (
  policy: CompiledPolicy,
  action: Action,
  given: Subject,
  context: DecisionContext,
): Decision => {
  const { undriven: assumed } = context;
  const { subject, call } = withTool(policy.tools, given);
  const judged = judge(policy.engine.byTarget, subject, context);
  const judgement =
    call === undefined ? judged : { ...judged, tool: toolPart(policy, call, context.session) };
  const keeping = obligationsOf(policy, subject, judgement, context);
  const guarded = protectedPaths(subject);
  const reversible =
    subject.target.reversible &&
    (subject.target.driver !== undefined || assumed === true) &&
    keeping.lost.length === 0 &&
    guarded.length === 0 &&
    !judgement.protectedRedirect;
  const denials = [
    ...(context.refusal === undefined ? [] : [context.refusal]),
    ...builtinDenials(subject).filter(({ id }) => assumed !== true || id !== notAvailableId),
    ...urlDenials(subject, judgement),
  ];
  const opened = openedClasses(subject, judgement);
  const weighed: Weighed = { subject, judgement, denials, keeping, reversible };
  const all =
    subject.target.driver === undefined && assumed !== true
      ? []
      : [
          ...collectAsks(subject, judgement, keeping, guarded, context),
          ...sandboxAsks(policy, subject, context.starts),
        ];
  const free = goesWithoutAsking(policy, subject, reversible, all);
  const asks = free ? all.filter(({ kind }) => kind !== "default") : all;
  const { left, discharged, used } = discharge(asks, policy, action, context, subject);
  const verdict = verdictOf(policy, weighed, left, context.session.headless);
  const rules = matchedRules(weighed);
  if (free && verdict !== "deny") rules.push(builtinMatch(reversibleRuleId, "allow"));
  return {
    verdict,
    rules,
    asks: left,
    discharged,
    grantsUsed: used,
    obligations: [
      ...keeping.obligations,
      ...sandboxObligations(policy, subject, context.starts),
      ...contentObligations(judgement),
    ],
    ...(opened.length === 0 ? {} : { addressClasses: opened }),
    ...textOfVerdict(policy, weighed, verdict, left),
    reversible,
    ...shadowPart(policy, subject, context),
  };
};
