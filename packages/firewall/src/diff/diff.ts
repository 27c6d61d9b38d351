/**
 * `ioi policy diff`: what a new policy allows that the old one did not, and what it no longer
 * allows, target by target, each with an action that both were asked about.
 *
 * Invariants: an example was decided under both policies and its verdict differs as said;
 * "unchanged" was proven for every action (folders of a session that do not lie in each other,
 * budgets and grants apart); all else is undecided, and undecided counts as widened.
 */
import type { Action, CanonicalValue } from "@ioi/wire";
import { decide } from "../decide.ts";
import type { CompiledRule } from "../engine.ts";
import { diffLettersMax, diffSearchLettersMax } from "../limits.ts";
import { amountText } from "../kinds/money.ts";
import { nameClass, parseCanonicalUrl } from "../net/url.ts";
import type { Predicate } from "../predicate.ts";
import { rootTable } from "../roots.ts";
import { compileSandbox, sandboxedTargets } from "../sandbox-profile.ts";
import { type TargetSpec, targets } from "../targets.ts";
import { toolTarget } from "../tool-roles/conditions.ts";
import type { CompiledPolicy, DecisionContext, Root, Verdict } from "../types.ts";
import { actionFor, contextFor, sessionRoots, shownArguments } from "./example.ts";
import { Atoms, type Formula, ruleIdentity } from "./formula.ts";
import type { Work } from "./machine.ts";
import { networkSettings } from "./network.ts";
import { sameTools, toolSettings } from "./tools.ts";
import { type Side, solve, type Solved } from "./solve.ts";

export interface DiffExample {
  readonly target: string;
  readonly before: Verdict;
  readonly after: Verdict;
  /** As `ioi policy check` takes them. */
  readonly args: { readonly [name: string]: CanonicalValue };
  /** Rules that fired before and after. */
  readonly rulesBefore: readonly string[];
  readonly rulesAfter: readonly string[];
  readonly action: Action;
  readonly context: DecisionContext;
}

export interface DiffSetting {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  readonly change: "widened" | "narrowed";
}

export interface PolicyDiff {
  readonly widened: readonly DiffExample[];
  readonly narrowed: readonly DiffExample[];
  /** Targets of which it is not known whether they are wider; they count as widened. */
  readonly undecided: readonly string[];
  /** Targets of which every action is judged as before. */
  readonly unchanged: readonly string[];
  readonly settings: readonly DiffSetting[];
  /** Nothing is allowed that was not. */
  readonly notWider: boolean;
}

const rank: Readonly<Record<Verdict, number>> = { deny: 0, ask: 1, allow: 2 };

const rulesOf = (policy: CompiledPolicy, target: string): readonly CompiledRule[] =>
  policy.engine.rules.filter((rule) => rule.shadow !== true && rule.targets.includes(target));

const identities = (rules: readonly CompiledRule[]): ReadonlySet<string> =>
  new Set(rules.map(ruleIdentity));

const sameRules = (one: readonly CompiledRule[], two: readonly CompiledRule[]): boolean => {
  const [a, b] = [identities(one), identities(two)];
  return a.size === b.size && a.isSubsetOf(b);
};

const sameDefaults = (one: CompiledPolicy, two: CompiledPolicy): boolean =>
  one.defaultVerdict === two.defaultVerdict &&
  one.reversibleWithoutAsking === two.reversibleWithoutAsking;

const always: Formula = { type: "constant", value: true };

/** What both policies say of one target, over the same literals. */
class Pairing {
  readonly target: TargetSpec;
  readonly atoms: Atoms;
  readonly #policies: readonly [CompiledPolicy, CompiledPolicy];
  readonly #formulas: Map<CompiledRule, Formula> = new Map();
  readonly #keep: (rule: CompiledRule) => boolean;

  constructor(
    target: TargetSpec,
    policies: readonly [CompiledPolicy, CompiledPolicy],
    keep: (rule: CompiledRule) => boolean = () => true,
  ) {
    this.target = target;
    this.atoms = new Atoms(target);
    this.#policies = policies;
    this.#keep = keep;
    for (const policy of policies) {
      for (const rule of this.#rulesOf(policy)) {
        this.#formulas.set(rule, this.atoms.rule(rule));
      }
    }
  }

  #rulesOf(policy: CompiledPolicy): readonly CompiledRule[] {
    return rulesOf(policy, this.target.name).filter(this.#keep);
  }

  #of(rules: readonly CompiledRule[]): readonly Formula[] {
    return rules.map((rule) => this.#formulas.get(rule) ?? always);
  }

  /** Rules of either policy that the other does not have. */
  get changed(): readonly CompiledRule[] {
    const [one, two] = this.#policies.map((policy) => this.#rulesOf(policy));
    const [a, b] = [identities(one ?? []), identities(two ?? [])];
    return [...(one ?? []), ...(two ?? [])].filter((rule) => {
      const identity = ruleIdentity(rule);
      return !(a.has(identity) && b.has(identity));
    });
  }

  get changedFormulas(): readonly Formula[] {
    return this.#of(this.changed);
  }

  side(policy: CompiledPolicy, reversible: boolean, restricting: boolean): Side {
    const rules = this.#rulesOf(policy);
    const having = (effect: CompiledRule["effect"]): Formula => ({
      type: "or",
      of: this.#of(rules.filter((rule) => rule.effect === effect)),
    });
    return {
      deny: having("deny"),
      ask: having("ask"),
      allow: restricting ? always : having("allow"),
      closed: policy.defaultVerdict === "deny",
      free: reversible && policy.reversibleWithoutAsking && policy.defaultVerdict === "ask",
    };
  }
}

interface Compared {
  readonly widened: Solved<DiffExample>;
  readonly narrowed: Solved<DiffExample>;
}

const none: Compared = { widened: { type: "none" }, narrowed: { type: "none" } };

const exampleOf = (
  pairing: Pairing,
  policies: readonly [CompiledPolicy, CompiledPolicy],
  roots: readonly Root[],
  given: Parameters<typeof actionFor>[1],
  sign: 1 | -1,
): DiffExample | undefined => {
  const action = actionFor(pairing.target, given);
  const context = contextFor(roots, action.args);
  const [before, after] = [
    decide(policies[0], action, context),
    decide(policies[1], action, context),
  ];
  if ((rank[after.verdict] - rank[before.verdict]) * sign <= 0) return undefined;
  const ids = (rules: typeof before.rules): readonly string[] => rules.map(({ id }) => id);
  return {
    target: action.target,
    before: before.verdict,
    after: after.verdict,
    args: shownArguments(pairing.target, action, context),
    rulesBefore: ids(before.rules),
    rulesAfter: ids(after.rules),
    action,
    context,
  };
};

const search = (
  pairing: Pairing,
  policies: readonly [CompiledPolicy, CompiledPolicy],
  roots: readonly Root[],
  sign: 1 | -1,
  restricting: boolean,
  work: Work,
): Solved<DiffExample> => {
  const { target } = pairing;
  const [before, after] = policies;
  const canBeFree =
    target.driver === "files" &&
    target.consequential &&
    !restricting &&
    policies.some(({ reversibleWithoutAsking }) => reversibleWithoutAsking);
  const { session } = contextFor(roots, {});
  // No single question uses up what the others need.
  const own: Work = { left: Math.min(work.left, diffSearchLettersMax) };
  const had = own.left;
  let undecided = false;
  for (const reversible of canBeFree ? [true, false] : [false]) {
    const [one, two] = [
      pairing.side(before, reversible, restricting),
      pairing.side(after, reversible, restricting),
    ];
    const solved = solve(
      {
        target,
        atoms: pairing.atoms.all,
        below: sign > 0 ? one : two,
        above: sign > 0 ? two : one,
        first: pairing.changedFormulas,
        onlyFirst: sameDefaults(before, after),
        table: rootTable(session),
        work: own,
      },
      (given) => (restricting ? undefined : exampleOf(pairing, policies, roots, given, sign)),
    );
    undecided ||= solved.type === "undecided";
    if (solved.type === "found") {
      work.left -= had - own.left;
      return solved;
    }
  }
  work.left -= had - own.left;
  return { type: undecided ? "undecided" : "none" };
};

const seesAbsence = (predicate: Predicate): boolean => {
  switch (predicate.type) {
    case "all":
    case "any":
      return predicate.of.some(seesAbsence);
    case "not":
      return seesAbsence(predicate.of);
    default:
      return predicate.type === "absent";
  }
};

/** Rules that refuse or ask judge what is implied as well; there only some arguments are known. */
const restrictsAlike = (
  name: string,
  known: readonly string[],
  policies: readonly [CompiledPolicy, CompiledPolicy],
  roots: readonly Root[],
  work: Work,
): boolean => {
  const target = targets.get(name);
  if (target === undefined) return false;
  const unknown = ({ conditions }: CompiledRule): CompiledRule["conditions"] =>
    conditions.filter(({ argument }) => !known.includes(argument));
  // A condition on what is not there is false, unless it asks for just that.
  const pairing = new Pairing(
    target,
    policies,
    (rule) =>
      rule.effect !== "allow" &&
      (unknown(rule).length === 0 || unknown(rule).some(({ predicate }) => seesAbsence(predicate))),
  );
  if (pairing.changed.length === 0) return true;
  const timed = ({ window }: CompiledRule): boolean => window !== undefined;
  if (policies.some((policy) => rulesOf(policy, name).some(timed))) return false;
  if (pairing.changed.some((rule) => unknown(rule).length > 0)) return false;
  return ([1, -1] as const).every(
    (sign) => search(pairing, policies, roots, sign, true, work).type === "none",
  );
};

const implied: Readonly<Record<string, readonly (readonly [string, readonly string[]])[]>> = {
  "sys::exec": [
    ["sys::exec", ["argv", "cwd"]],
    ["fs::read", ["path"]],
    ["fs::write", ["path"]],
  ],
  "model::infer": [["net::post", ["url", "method"]]],
  "model::embed": [["net::post", ["url", "method"]]],
  "browser::open": [["net::get", ["url", "method"]]],
  "browser::download": [["net::get", ["url", "method"]]],
};

/** Requests that nobody sees, or whose address the policy does not name. */
const unseen: Readonly<Record<string, readonly string[]>> = {
  "net::connect": ["net::get", "net::post"],
  "mcp::call": ["net::post"],
};

/** The second policy has every restriction of the first on what the target implies. */
const keeps = (name: string, first: CompiledPolicy, second: CompiledPolicy): boolean =>
  [...(unseen[name] ?? []), ...(implied[name] ?? []).map(([each]) => each)].every((each) => {
    const [one, two] = [first, second].map((policy) =>
      identities(rulesOf(policy, each).filter(({ effect }) => effect !== "allow")),
    );
    return one !== undefined && two !== undefined && one.isSubsetOf(two);
  });

/** A program asks under the second policy wherever it asks under the first, folder by folder. */
const asksAs = (
  target: TargetSpec,
  [first, second]: readonly [CompiledPolicy, CompiledPolicy],
  roots: readonly Root[],
): boolean => {
  if (!sandboxedTargets.has(target.name)) return true;
  const { home } = contextFor(roots, {}).session;
  // The folders may lie in the home, or elsewhere.
  const above = roots[0]?.path.replace(/\/[^/]*$/, "") ?? home;
  const asking = (policy: CompiledPolicy): ReadonlySet<string> =>
    new Set(
      [home, above].flatMap((place) =>
        compileSandbox(policy, roots, place).uncompiled.map(({ root }) => `${place} ${root}`),
      ),
    );
  return asking(first).isSubsetOf(asking(second));
};

/** Says a host or a class of addresses that is closed otherwise. */
const opens = (predicate: Predicate): boolean => {
  switch (predicate.type) {
    case "all":
    case "any":
      return predicate.of.some(opens);
    case "not":
      return opens(predicate.of);
    case "url": {
      const { test } = predicate;
      if (test.type === "address") return true;
      const closed = (text: string): boolean => {
        const url = parseCanonicalUrl(text);
        return !url.ok || nameClass(url.value) !== "public";
      };
      if (test.type === "exact") return [...test.urls].some(closed);
      return (
        test.type === "host" &&
        test.hosts.some(
          (each) =>
            each.type === "exact" &&
            closed(`https://${each.host.includes(":") ? `[${each.host}]` : each.host}/`),
        )
      );
    }
    default:
      return false;
  }
};

const compare = (
  target: TargetSpec,
  policies: readonly [CompiledPolicy, CompiledPolicy],
  roots: readonly Root[],
  work: Work,
): Compared => {
  const [before, after] = policies;
  const [one, two] = [rulesOf(before, target.name), rulesOf(after, target.name)];
  const impliedAlike = (implied[target.name] ?? []).every(([name, known]) =>
    restrictsAlike(name, known, policies, roots, work),
  );
  // Restrictions that are only added widen nothing, whatever they are; and the other way round.
  const [kept, added] = [keeps(target.name, before, after), !keeps(target.name, after, before)];
  // A program asks where it could go round a refusal of files, whichever it is.
  const fewer = !asksAs(target, [before, after], roots);
  const more = !asksAs(target, [after, before], roots);
  const impliedLoose = fewer || (!kept && (!impliedAlike || unseen[target.name] !== undefined));
  const impliedTight = more || (added && (!impliedAlike || unseen[target.name] !== undefined));
  const toolsDiffer = target.name === toolTarget && !sameTools(before, after);
  const alike = sameDefaults(before, after) && sameRules(one, two) && !toolsDiffer;
  if (alike && !impliedLoose && !impliedTight) return none;
  const pairing = new Pairing(target, policies);
  const found = {
    widened: search(pairing, policies, roots, 1, false, work),
    narrowed: search(pairing, policies, roots, -1, false, work),
  };
  const doubtful =
    toolsDiffer ||
    // What counts at certain times only may or may not count with the rest.
    [...one, ...two].some(({ window }) => window !== undefined) ||
    pairing.changed.some(
      ({ conditions, deferred }) =>
        deferred === true || conditions.some((each) => opens(each.predicate)),
    );
  const settle = (solved: Solved<DiffExample>, doubt: boolean): Solved<DiffExample> =>
    (doubtful || doubt) && solved.type === "none" ? { type: "undecided" } : solved;
  return {
    widened: settle(found.widened, impliedLoose),
    narrowed: settle(found.narrowed, impliedTight),
  };
};

const walletSettings = (
  { walletPerDay: before }: CompiledPolicy,
  { walletPerDay: after }: CompiledPolicy,
): readonly DiffSetting[] => {
  const shown = (caps: ReadonlyMap<string, bigint> | undefined, asset: string): string =>
    caps === undefined ? "no bound" : amountText(caps.get(asset) ?? 0n);
  // Of an asset that no policy names: a bound at all bounds it too.
  const assets = new Set(["any other", ...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  return [...assets].flatMap((asset): readonly DiffSetting[] => {
    const [one, two] = [shown(before, asset), shown(after, asset)];
    if (one === two) return [];
    const wider =
      after === undefined ||
      (before !== undefined && (after.get(asset) ?? 0n) > (before.get(asset) ?? 0n));
    const change = wider ? "widened" : "narrowed";
    return [{ name: `budget.wallet.per_day.${asset}`, before: one, after: two, change }];
  });
};

const settingsOf = (before: CompiledPolicy, after: CompiledPolicy): readonly DiffSetting[] => {
  const settings: DiffSetting[] = [];
  const number = (name: string, one: number | undefined, two: number | undefined): void => {
    if (one === two) return;
    const shown = (value: number | undefined): string =>
      value === undefined ? "no bound" : String(value);
    const wider = (two ?? Number.POSITIVE_INFINITY) > (one ?? Number.POSITIVE_INFINITY);
    const change = wider ? "widened" : "narrowed";
    settings.push({ name, before: shown(one), after: shown(two), change });
  };
  number("budget.session.actions", before.budgets.actions, after.budgets.actions);
  number("budget.session.wall_minutes", before.budgets.wallMinutes, after.budgets.wallMinutes);
  number("budget.session.model_usd", before.budgets.modelMicrousd, after.budgets.modelMicrousd);
  number("budget.session.model_tokens", before.budgets.modelTokens, after.budgets.modelTokens);
  for (const id of new Set([...before.rates, ...after.rates].map((rate) => rate.id))) {
    const of = ({ rates }: CompiledPolicy): number | undefined =>
      rates.find((rate) => rate.id === id)?.max;
    number(`rate.${id}`, of(before), of(after));
  }
  settings.push(...walletSettings(before, after), ...toolSettings(before, after));
  settings.push(...networkSettings(before, after));
  number("approval.expires_minutes", before.approvalExpiresMinutes, after.approvalExpiresMinutes);
  const names = new Set([...before.workspaces, ...after.workspaces].map(({ name }) => name));
  for (const name of names) {
    const [one, two] = [before, after].map(({ workspaces }) =>
      workspaces.find((each) => each.name === name),
    );
    const shown = (root: Root | undefined): string =>
      root === undefined ? "none" : `${root.path} (${root.access})`;
    if (shown(one) === shown(two)) continue;
    const narrower = two === undefined || (one?.path === two.path && two.access === "read");
    const change = narrower ? "narrowed" : "widened";
    settings.push({ name: `workspace.${name}`, before: shown(one), after: shown(two), change });
  }
  return settings;
};

export const diffPolicies = (before: CompiledPolicy, after: CompiledPolicy): PolicyDiff => {
  const policies = [before, after] as const;
  const roots = sessionRoots(policies);
  const work: Work = { left: diffLettersMax };
  const widened: DiffExample[] = [];
  const narrowed: DiffExample[] = [];
  const undecided: string[] = [];
  const unchanged: string[] = [];
  for (const target of targets.values()) {
    const found = compare(target, policies, roots, work);
    if (found.widened.type === "found") widened.push(found.widened.value);
    if (found.narrowed.type === "found") narrowed.push(found.narrowed.value);
    if (found.widened.type === "undecided") undecided.push(target.name);
    if (found.widened.type === "none" && found.narrowed.type === "none") {
      unchanged.push(target.name);
    }
  }
  const settings = settingsOf(before, after);
  const notWider =
    widened.length === 0 &&
    undecided.length === 0 &&
    settings.every(({ change }) => change === "narrowed");
  return { widened, narrowed, undecided, unchanged, settings, notWider };
};

/** Whatever the rule allows is allowed without it. Sound; what is undecided counts as needed. */
export const isNeedless = (
  policy: CompiledPolicy,
  rule: CompiledRule,
  without: CompiledPolicy,
): boolean => {
  const policies = [without, policy] as const;
  const roots = sessionRoots(policies);
  const work: Work = { left: diffLettersMax };
  return rule.targets.every((name) => {
    const target = targets.get(name);
    if (target === undefined) return false;
    const { widened, narrowed } = compare(target, policies, roots, work);
    return widened.type === "none" && narrowed.type === "none";
  });
};
