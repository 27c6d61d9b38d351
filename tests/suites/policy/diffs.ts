/**
 * Random edits of random policies: what `diffPolicies` says of each is put to the test. An example
 * must be judged otherwise as it says when it is decided again; of a target that it calls unchanged,
 * random actions must be judged alike under both policies.
 *
 * A policy is edited `editsOfPolicy` times, and its own random actions are judged under it once for all of
 * them: three of four actions of an edit are of these, the others are made from what was edited.
 */
import { SeededRandom } from "@ioi/base";
import {
  type CompiledPolicy,
  decide,
  type DecisionContext,
  diffPolicies,
  type PolicyDiff,
  type Verdict,
} from "@ioi/firewall";
import type { Action } from "@ioi/wire";
import { makePair, makePolicy } from "./generate.ts";
import type { Pair, Policy, Rule, Source, Test } from "./model.ts";

export interface DiffRun {
  readonly edits: number;
  readonly examples: number;
  /** Targets called unchanged though some rule of theirs was edited. */
  readonly provenUnchanged: number;
  readonly undecided: number;
  readonly actionsTried: number;
  readonly wrong: readonly { readonly id: string; readonly actual: string }[];
}

const rank = { deny: 0, ask: 1, allow: 2 } as const;

const pick = <T>(random: SeededRandom, list: readonly T[]): T =>
  list[random.below(list.length)] as T;

const withoutOne = (test: Test): Test => {
  const [first, ...rest] = test.glob ?? [];
  return first !== undefined && rest.length > 0 ? { ...test, glob: rest } : test;
};

/** Says the same in other words, or less, or more. */
const rewritten = (random: SeededRandom, test: Test, fresh: Test | undefined): Test => {
  switch (random.below(5)) {
    case 0:
      return { any: [test] };
    case 1:
      return test.glob === undefined ? test : { any: test.glob.map((glob) => ({ glob: [glob] })) };
    case 2:
      return withoutOne(test);
    case 3:
      return fresh === undefined ? test : { any: [test, fresh] };
    default:
      return fresh ?? test;
  }
};

const editRule = (random: SeededRandom, rule: Rule, donors: readonly Rule[]): readonly Rule[] => {
  const arguments_ = [...rule.where.keys()];
  switch (random.below(6)) {
    case 0:
      return [];
    case 1:
      return [rule, { ...rule, id: `${rule.id}-again` }];
    case 2:
      return rule.effect === "allow"
        ? [{ ...rule, effect: pick(random, ["ask", "deny"] as const) }]
        : [{ ...rule, effect: rule.effect === "ask" ? "deny" : "ask" }];
    default: {
      if (arguments_.length === 0) return [];
      const argument = pick(random, arguments_);
      const test = rule.where.get(argument);
      if (test === undefined) return [rule];
      const fresh = donors.find((each) => each !== rule && each.where.has(argument));
      const changed = rewritten(random, test, fresh?.where.get(argument));
      return [{ ...rule, where: new Map([...rule.where, [argument, changed]]) }];
    }
  }
};

const editPolicy = (random: SeededRandom, policy: Policy): Policy => {
  const donors = makePolicy(random).sources.flatMap(({ rules }) => rules);
  const sources = policy.sources.filter(({ rules }) => rules.length > 0);
  const chosen = pick(random, sources);
  const rule = pick(random, chosen.rules);
  const edited = editRule(random, rule, [...donors, ...chosen.rules]);
  const change = (source: Source): Source =>
    source === chosen
      ? { ...source, rules: source.rules.flatMap((each) => (each === rule ? edited : [each])) }
      : source;
  return { ...policy, sources: policy.sources.map(change) };
};

export interface DiffTools {
  readonly compile: (policy: Policy) => CompiledPolicy | undefined;
  readonly contextOf: (policy: CompiledPolicy, pair: Pair) => DecisionContext;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
  /** What says how two policies differ; the control passes one that lies. */
  readonly diff?: typeof diffPolicies;
}

const wrongExamples = (
  diff: PolicyDiff,
  before: CompiledPolicy,
  after: CompiledPolicy,
): readonly string[] =>
  [
    ...diff.widened.map((example) => ({ example, sign: 1 })),
    ...diff.narrowed.map((example) => ({ example, sign: -1 })),
  ].flatMap(({ example, sign }) => {
    const one = decide(before, example.action, example.context).verdict;
    const two = decide(after, example.action, example.context).verdict;
    const holds =
      (rank[two] - rank[one]) * sign > 0 && one === example.before && two === example.after;
    return holds ? [] : [`${example.target} ${one} ${two} for ${JSON.stringify(example.args)}`];
  });

const changedTargets = (before: Policy, after: Policy): ReadonlySet<string> => {
  const rules = ({ sources }: Policy): readonly Rule[] => sources.flatMap((each) => each.rules);
  const [one, two] = [rules(before), rules(after)];
  return new Set(
    [...one, ...two]
      .filter((rule) => !(one.includes(rule) && two.includes(rule)))
      .flatMap(({ target }) => target),
  );
};

/** Edits of one policy. */
export const editsOfPolicy = 10;

/** An action with where it happens, and what the policy before every edit says of it. */
interface Known {
  readonly action: Action;
  readonly context: DecisionContext;
  readonly verdict: Verdict;
}

/** A policy, and its random actions as far as they were asked for. */
class Ground {
  readonly policy: Policy;
  readonly compiled: CompiledPolicy | undefined;
  readonly #random: SeededRandom;
  readonly #tools: DiffTools;
  readonly #known: Known[] = [];

  constructor(seed: string, tools: DiffTools) {
    this.#random = new SeededRandom(seed);
    this.#tools = tools;
    this.policy = makePolicy(this.#random);
    this.compiled = tools.compile(this.policy);
  }

  action(before: CompiledPolicy, at: number): Known {
    const known = this.#known[at];
    if (known !== undefined) return known;
    const pair = makePair(this.#random.fork(`action/${at}`), this.policy);
    const context = { ...this.#tools.contextOf(before, pair), grants: [] };
    const made = {
      action: pair.action,
      context,
      verdict: decide(before, pair.action, context).verdict,
    };
    this.#known[at] = made;
    return made;
  }
}

interface Edit {
  readonly wrong: readonly string[];
  readonly examples: number;
  readonly proven: number;
  readonly undecided: number;
  readonly tried: number;
}

const nothing: Edit = { wrong: [], examples: 0, proven: 0, undecided: 0, tried: 0 };

const runEdit = (random: SeededRandom, ground: Ground, actions: number, tools: DiffTools): Edit => {
  const { policy, compiled: before } = ground;
  const edited = editPolicy(random, policy);
  const after = tools.compile(edited);
  if (before === undefined || after === undefined) return nothing;
  const diff = (tools.diff ?? diffPolicies)(before, after);
  const wrong = [...wrongExamples(diff, before, after)];
  const unchanged = new Set(diff.unchanged);
  const touched = changedTargets(policy, edited);
  const proven = diff.unchanged.filter((target) => touched.has(target));
  let tried = 0;
  const judge = ({ action, context, verdict: one }: Known): void => {
    tried++;
    const two = decide(after, action, context).verdict;
    if (one !== two) {
      wrong.push(`${action.target} "unchanged" is ${one} and ${two}: ${JSON.stringify(action)}`);
    }
  };
  // Nothing was edited there: a few actions. Else as many as were asked for.
  const wanted = proven.length > 0 ? actions : 20;
  for (let at = 0; at < wanted && wrong.length === 0; at++) {
    if (at % 4 !== 3) {
      const known = ground.action(before, at);
      if (unchanged.has(known.action.target)) judge(known);
      continue;
    }
    const pair = makePair(random.fork(`action/${at}`), edited);
    if (!unchanged.has(pair.action.target)) continue;
    const context = { ...tools.contextOf(before, pair), grants: [] };
    const { verdict } = decide(before, pair.action, context);
    judge({ action: pair.action, context, verdict });
  }
  return {
    wrong,
    examples: diff.widened.length + diff.narrowed.length,
    proven: proven.length,
    undecided: diff.undecided.length,
    tried,
  };
};

/** Every `of`-th policy, from the `first` on. */
export interface Share {
  readonly first: number;
  readonly of: number;
}

export const runDiffs = async (
  seed: string,
  edits: number,
  actions: number,
  tools: DiffTools,
  { first, of }: Share = { first: 0, of: 1 },
): Promise<DiffRun> => {
  let total = { edits: 0, examples: 0, provenUnchanged: 0, undecided: 0, actionsTried: 0 };
  const wrong: { id: string; actual: string }[] = [];
  for (let group = first; group * editsOfPolicy < edits; group += of) {
    const ground = new Ground(`${seed}/edited/${group}`, tools);
    const from = group * editsOfPolicy;
    for (let number = from; number < Math.min(edits, from + editsOfPolicy); number++) {
      tools.signal.throwIfAborted();
      const random = new SeededRandom(`${seed}/edit/${number}`);
      const edit = runEdit(random, ground, actions, tools);
      wrong.push(...edit.wrong.map((actual) => ({ id: `edit:${number}`, actual })));
      total = {
        edits: total.edits + 1,
        examples: total.examples + edit.examples,
        provenUnchanged: total.provenUnchanged + edit.proven,
        undecided: total.undecided + edit.undecided,
        actionsTried: total.actionsTried + edit.tried,
      };
    }
    tools.progress(`${total.edits} edits, ${wrong.length} wrong`);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  return { ...total, wrong };
};
