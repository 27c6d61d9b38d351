/**
 * Which rules fire on an action. An allow fires on true; ask and deny fire on true or unknown. For
 * a script, deny and ask rules are judged on every command and redirect in it as well, as on an
 * implied action: a rule that refuses a program refuses it inside `sh -c` too.
 */
import type { AskSource } from "@ioi/wire";
import type { CompiledPolicy, DecisionContext } from "./types.ts";
import type { CompiledRule } from "./engine.ts";
import { impliedCalls, impliedRequests } from "./net/implied.ts";
import { type Alternatives, residualOfRule } from "./content/defer.ts";
import { contentObligationsMax } from "./limits.ts";
import { lexicalSegments, pathComplaint } from "./paths.ts";
import { predicateTruth } from "./predicate.ts";
import { protectedReason } from "./protected.ts";
import { placeOf, type RootTable } from "./roots.ts";
import { eachCandidate, makeRuleIndex, type RuleIndex } from "./rule-index.ts";
import { analyseArgv, type Script } from "./shell.ts";
import type { Subject } from "./subject.ts";
import type { ToolCall } from "./tool-roles/call.ts";
import { no, type Truth, truthAnd, unknown, yes } from "./truth.ts";
import type { ArgumentValue } from "./values.ts";
import { type DecisionTime, windowTruth } from "./window.ts";

type Values = ReadonlyMap<string, ArgumentValue>;

export const ruleTruth = (
  { conditions, effect, window }: CompiledRule,
  values: Values,
  table: RootTable,
  time?: DecisionTime,
): Truth => {
  let truth: Truth = window === undefined ? yes : windowTruth(window, time);
  if (truth === no) return no;
  const narrow = effect === "allow";
  for (const { argument, predicate } of conditions) {
    truth = truthAnd(truth, predicateTruth(predicate, values.get(argument), table, narrow));
    if (truth === no) return no;
  }
  return truth;
};

/** A rule that fires on bytes which are not there yet. */
export interface DeferredFiring {
  readonly rule: CompiledRule;
  readonly on: Alternatives;
}

/** A rule and how true it is. */
export interface Firing {
  readonly rule: CompiledRule;
  readonly truth: Truth;
}

export interface Judgement {
  readonly denies: readonly Firing[];
  readonly asks: readonly Firing[];
  readonly allows: readonly Firing[];
  /** Refusals and allowances that hang on what the content holds; asks are unknown instead. */
  readonly deferredDenies: readonly DeferredFiring[];
  readonly deferredAllows: readonly DeferredFiring[];
  /** The call of a tool that it is, read by what the policy says of that tool. */
  readonly tool?: {
    readonly call: ToolCall;
    /** As the default's ask names it. */
    readonly name: string;
    readonly textOf: (ask: AskSource) => string | undefined;
  };
  /** What the program is told to run, where it is told so. */
  readonly script: Script | undefined;
  /** A script redirects into a protected path. */
  readonly protectedRedirect: boolean;
}

const nothing = makeRuleIndex([]);
const noRules = { denies: nothing, asks: nothing, allows: nothing };

/** A rule that fires, or does where its content is so; its number says its place in the policy. */
interface Found extends Firing {
  readonly order: number;
  readonly on: Alternatives | undefined;
}

/** Each once, in the order of the policy. */
const settle = (found: Found[], least: Truth, deferred: DeferredFiring[] | undefined): Firing[] => {
  if (found.length > 1) found.sort((a, b) => a.order - b.order);
  const fired: Firing[] = [];
  let last = -1;
  for (const { rule, truth, order, on } of found) {
    if (order === last) continue;
    last = order;
    if (on === undefined) fired.push({ rule, truth });
    else if (deferred !== undefined && deferred.length < contentObligationsMax) {
      deferred.push({ rule, on });
    } else if (least === unknown) fired.push({ rule, truth: unknown });
  }
  return fired;
};

/**
 * Rules whose truth is at least `least`, in the order of the policy; those that hang on content go
 * into `deferred`, where that is given.
 */
const firing = (
  rules: RuleIndex,
  values: Values,
  table: RootTable,
  least: Truth,
  time: DecisionTime | undefined,
  deferred?: DeferredFiring[],
): Firing[] => {
  const found: Found[] = [];
  eachCandidate(rules, values, table, least === yes, ({ rule, order }) => {
    if (deferred !== undefined && rule.deferred === true) {
      const now = rule.window === undefined ? yes : windowTruth(rule.window, time);
      if (now === no || (now === unknown && least === yes)) return;
      const residual = residualOfRule(rule, values, table);
      if (residual.type === "depends") {
        found.push({ rule, order, truth: unknown, on: residual.on });
        return;
      }
      // What is more than is worked out may hold: it refuses, and it allows nothing.
      if (residual.type === "unknown" && least === unknown) {
        found.push({ rule, order, truth: unknown, on: undefined });
      }
      if (residual.type === "unknown") return;
    }
    const truth = ruleTruth(rule, values, table, time);
    if (truth >= least) found.push({ rule, order, truth, on: undefined });
  });
  return settle(found, least, deferred);
};

/** Adds firings; of one rule the stronger truth counts. */
const join = (into: Firing[], more: readonly Firing[]): void => {
  for (const each of more) {
    const at = into.findIndex(({ rule }) => rule === each.rule);
    const known = into[at];
    if (known === undefined) into.push(each);
    else if (known.truth < each.truth) into[at] = each;
  }
};

/** Implied actions of a script: their targets and values. */
const implied = (
  script: Script,
  subject: Subject,
): readonly { readonly target: string; readonly values: Values }[] => {
  const { table, values } = subject;
  const cwd = values.get("cwd");
  const base = cwd?.type === "path" ? (cwd.real ?? cwd.given).path : "/";
  const all: { target: string; values: Values }[] = [];
  for (const argv of script.commands) {
    const value: ArgumentValue = { type: "argv", argv, program: undefined, implied: true };
    all.push({ target: "sys::exec", values: new Map([...values, ["argv", value]]) });
  }
  for (const { path, writes } of script.redirects) {
    const absolute = path.startsWith("/") ? path : `${base}/${path}`;
    const normal = `/${lexicalSegments(absolute).join("/")}`;
    if (pathComplaint(normal) !== undefined) continue;
    const place = placeOf(normal, false, table);
    const value: ArgumentValue = { type: "path", given: place, real: place, opaque: false };
    const target = writes ? "fs::write" : "fs::read";
    all.push({ target, values: new Map([["path", value]]) });
  }
  return all;
};

const redirectsIntoProtected = (script: Script, subject: Subject): boolean =>
  implied(script, subject).some(({ target, values }) => {
    const path = values.get("path");
    return (
      target === "fs::write" &&
      path?.type === "path" &&
      protectedReason(path.given.segments) !== undefined
    );
  });

export const judge = (
  byTarget: CompiledPolicy["engine"]["byTarget"],
  subject: Subject,
  { time, posted }: Pick<DecisionContext, "time" | "posted"> = {},
): Judgement => {
  const { table, values, target, argv, program } = subject;
  const rules = byTarget.get(target.name) ?? noRules;
  const deferredDenies: DeferredFiring[] = [];
  const deferredAllows: DeferredFiring[] = [];
  const denies = firing(rules.denies, values, table, unknown, time, deferredDenies);
  const asks = firing(rules.asks, values, table, unknown, time);
  const allows = firing(rules.allows, values, table, yes, time, deferredAllows);
  const script = argv === undefined ? undefined : analyseArgv(argv, program?.realPath);
  if (script !== undefined) {
    for (const action of implied(script, subject)) {
      const own = byTarget.get(action.target) ?? noRules;
      join(denies, firing(own.denies, action.values, table, unknown, time));
      join(asks, firing(own.asks, action.values, table, unknown, time));
    }
  }
  for (const opening of impliedCalls(subject)) {
    join(denies, firing(rules.denies, opening, table, unknown, time));
    join(asks, firing(rules.asks, opening, table, unknown, time));
  }
  for (const request of impliedRequests(subject, posted)) {
    const own = byTarget.get(request.target) ?? noRules;
    const deferred = request.seen ? deferredDenies : [];
    join(denies, firing(own.denies, request.values, table, unknown, time, deferred));
    join(asks, firing(own.asks, request.values, table, unknown, time));
  }
  return {
    denies,
    asks,
    allows,
    deferredDenies,
    deferredAllows,
    script,
    protectedRedirect: script !== undefined && redirectsIntoProtected(script, subject),
  };
};
