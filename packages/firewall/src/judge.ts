/**
 * Which rules fire on an action. An allow fires on true; ask and deny fire on true or unknown. For
 * a script, deny and ask rules are judged on every command and redirect in it as well, as on an
 * implied action: a rule that refuses a program refuses it inside `sh -c` too.
 */
import type { CompiledPolicy } from "./types.ts";
import type { CompiledRule } from "./engine.ts";
import { lexicalSegments, pathComplaint } from "./paths.ts";
import { predicateTruth } from "./predicate.ts";
import { protectedReason } from "./protected.ts";
import { placeOf, type RootTable } from "./roots.ts";
import { analyseArgv, type Script } from "./shell.ts";
import type { Subject } from "./subject.ts";
import { no, type Truth, truthAnd, yes } from "./truth.ts";
import type { ArgumentValue } from "./values.ts";

type Values = ReadonlyMap<string, ArgumentValue>;

export const ruleTruth = (
  { conditions, effect }: CompiledRule,
  values: Values,
  table: RootTable,
): Truth => {
  let truth: Truth = yes;
  const narrow = effect === "allow";
  for (const { argument, predicate } of conditions) {
    truth = truthAnd(truth, predicateTruth(predicate, values.get(argument), table, narrow));
    if (truth === no) return no;
  }
  return truth;
};

/** A rule and how true it is. */
export interface Firing {
  readonly rule: CompiledRule;
  readonly truth: Truth;
}

export interface Judgement {
  readonly denies: readonly Firing[];
  readonly asks: readonly Firing[];
  readonly allows: readonly Firing[];
  /** What the program is told to run, where it is told so. */
  readonly script: Script | undefined;
  /** A script redirects into a protected path. */
  readonly protectedRedirect: boolean;
}

const noRules = { denies: [], asks: [], allows: [] };

/** Firings by rule, the stronger truth of each, in the order of the policy. */
class Fired {
  readonly #truths = new Map<CompiledRule, Truth>();

  judge(rules: readonly CompiledRule[], values: Values, table: RootTable): void {
    for (const rule of rules) {
      const truth = ruleTruth(rule, values, table);
      if (truth > (this.#truths.get(rule) ?? no)) this.#truths.set(rule, truth);
    }
  }

  get list(): readonly Firing[] {
    return [...this.#truths].map(([rule, truth]) => ({ rule, truth }));
  }
}

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
    const value: ArgumentValue = { type: "path", given: place, real: place };
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

export const judge = (policy: CompiledPolicy, subject: Subject): Judgement => {
  const { byTarget } = policy.engine;
  const { table, values, target, argv, program } = subject;
  const rules = byTarget.get(target.name) ?? noRules;
  const [denies, asks, allows] = [new Fired(), new Fired(), new Fired()];
  denies.judge(rules.denies, values, table);
  asks.judge(rules.asks, values, table);
  allows.judge(rules.allows, values, table);
  const script = argv === undefined ? undefined : analyseArgv(argv, program?.realPath);
  if (script !== undefined) {
    for (const action of implied(script, subject)) {
      const own = byTarget.get(action.target) ?? noRules;
      denies.judge(own.denies, action.values, table);
      asks.judge(own.asks, action.values, table);
    }
  }
  return {
    denies: denies.list,
    asks: asks.list,
    allows: allows.list.filter(({ truth }) => truth === yes),
    script,
    protectedRedirect: script !== undefined && redirectsIntoProtected(script, subject),
  };
};
