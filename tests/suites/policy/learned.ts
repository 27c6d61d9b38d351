/**
 * Learning from recorded runs: what was allowed or approved must go through without an ask under the
 * rules that are offered, and nothing else may: every random action, and every step of the runs with
 * one argument of a stranger's, that is allowed after and was not before must have been recorded.
 */
import { SeededRandom } from "@ioi/base";
import {
  type CompiledPolicy,
  compilePolicy,
  decide,
  type DecisionContext,
  foldCase,
  learn,
  type RecordedStep,
  type Root,
} from "@ioi/firewall";
import type { Action } from "@ioi/wire";
import { makePair, makePolicy } from "./generate.ts";
import { type Pair, toToml } from "./model.ts";

type HashingOf = Parameters<typeof learn>[2];

export interface LearnRun {
  readonly runs: number;
  readonly steps: number;
  /** Steps for which rules were offered. */
  readonly learned: number;
  /** Of these, the ones that still ask. */
  readonly notReplayed: number;
  readonly attacks: number;
  readonly attacksAllowed: readonly string[];
}

const stepsOfRun = 24;
const attacksOfRun = 400;

const keyOf = ({ target, args }: Action): string =>
  JSON.stringify([target, args], (_key, value: unknown) =>
    value instanceof Uint8Array ? "bytes" : value,
  );

/** Where an argument really leads, which is what is allowed; as the mount compares names. */
const placeOf = ({ args, facts }: Action, key: string, said: unknown): unknown => {
  const found = facts[key];
  if (found === undefined) return args[key] === undefined ? said : undefined;
  return found.caseInsensitive === true ? foldCase(found.realPath) : found.realPath;
};

const listed = (value: unknown): readonly string[] =>
  Array.isArray(value) ? (value as readonly string[]) : [];

/** Every place of the action, and every word of its program. */
const partsOf = (action: Action): ReadonlySet<string> => {
  const { path, to, paths, argv } = action.args;
  const parts = new Set<string>();
  if (path !== undefined) parts.add(`path ${String(placeOf(action, "path", path))}`);
  if (to !== undefined) parts.add(`to ${String(placeOf(action, "to", to))}`);
  for (const [at, each] of listed(paths).entries()) {
    parts.add(`paths ${String(placeOf(action, `paths.${at}`, each))}`);
  }
  for (const word of listed(argv).slice(1)) parts.add(`word ${word}`);
  if (argv !== undefined) parts.add(`program ${String(placeOf(action, "program", ""))}`);
  return parts;
};

/** A root is the same root however a mount that folds case spells it; what is below is as it is. */
const inRoot = (path: string, roots: readonly Root[]): string => {
  const root = roots.find((each) => foldCase(path).startsWith(foldCase(`${each.path}/`)));
  return root === undefined ? path : root.path + path.slice(root.path.length);
};

/** Nothing in it but what some step of that target had: fewer words, fewer of a list's paths. */
const wasRecorded = (
  action: Action,
  recorded: readonly Action[],
  roots: readonly Root[],
): boolean => {
  const parts = partsOf(action);
  return recorded.some((each) => {
    if (each.target !== action.target) return false;
    // As it is written, and as a mount that folds case compares it.
    const facts = Object.entries(each.facts).map(
      ([name, found]) =>
        [
          name,
          { ...found, realPath: inRoot(found.realPath, roots), caseInsensitive: false },
        ] as const,
    );
    const known = partsOf({ ...each, facts: Object.fromEntries(facts) });
    const folded = new Set([...known].map(foldCase));
    return [...parts].every((part) => known.has(part) || folded.has(part));
  });
};

/** A recorded step, bent: another path, another program's argument, another place it leads to. */
const bent = (random: SeededRandom, action: Action, other: Action): Action => {
  const key = Object.keys(action.args).find((name) => other.args[name] !== undefined);
  const facts = Object.fromEntries(
    Object.entries(action.facts).map(([name, each]) => [
      name,
      random.below(3) === 0 ? { ...each, realPath: `${each.realPath}-x` } : each,
    ]),
  );
  if (key === undefined || random.below(2) === 0) return { ...action, facts };
  const changed = other.args[key];
  return {
    ...action,
    args: changed === undefined ? action.args : { ...action.args, [key]: changed },
    facts: { ...facts, ...other.facts },
  };
};

export interface LearnTools {
  /** What learns; the control passes one that guesses at folders. */
  readonly learn?: typeof learn;
  readonly hashing: HashingOf;
  readonly contextOf: (policy: CompiledPolicy, pair: Pair) => DecisionContext;
}

const runOnce = (random: SeededRandom, tools: LearnTools): Omit<LearnRun, "runs"> | undefined => {
  const made = makePolicy(random);
  const user = made.sources.find(({ tier }) => tier === "user");
  if (user === undefined) return undefined;
  const own = { file: "policy.toml", text: toToml(made, { ...user, verdict: "ask" }) };
  const compiled = compilePolicy([{ tier: "user", ...own }], tools.hashing);
  if (!compiled.ok) return undefined;
  const pairs = Array.from({ length: stepsOfRun }, (_, at) =>
    makePair(random.fork(`step/${at}`), made),
  );
  const first = pairs[0];
  if (first === undefined) return undefined;
  const { session } = tools.contextOf(compiled.value, first);
  const context: DecisionContext = {
    session: { ...session, headless: false },
    exceededBudgets: [],
    grants: [],
  };
  // What the gate let through: allowed, or asked about and approved.
  const steps: readonly RecordedStep[] = pairs
    .filter(({ action }) => decide(compiled.value, action, context).verdict !== "deny")
    .map(({ action }) => ({ action, session: context.session }));
  const found = (tools.learn ?? learn)(own, steps, tools.hashing);
  if (!found.ok) return undefined;
  const { toml, replayed, already, left } = found.value;
  const after = compilePolicy(
    [{ tier: "user", ...own, text: `${own.text}\n${toml}` }],
    tools.hashing,
  );
  if (!after.ok) return undefined;
  const recorded = steps.map(({ action }) => action);
  const attacksAllowed: string[] = [];
  for (let at = 0; at < attacksOfRun; at++) {
    const chance = random.fork(`attack/${at}`);
    const { action: other } = makePair(chance, made);
    const base = recorded[chance.below(Math.max(1, recorded.length))];
    const action = base === undefined || at % 2 === 0 ? other : bent(chance, base, other);
    if (wasRecorded(action, recorded, context.session.roots)) continue;
    const allowed = (policy: CompiledPolicy): boolean =>
      decide(policy, action, context).verdict === "allow";
    if (!allowed(after.value) || allowed(compiled.value)) continue;
    attacksAllowed.push(keyOf(action));
  }
  const learned = steps.length - already - left.length;
  return {
    steps: steps.length,
    learned,
    notReplayed: learned - replayed,
    attacks: attacksOfRun,
    attacksAllowed,
  };
};

export const runLearning = (seed: string, runs: number, tools: LearnTools): LearnRun => {
  let total: LearnRun = {
    runs: 0,
    steps: 0,
    learned: 0,
    notReplayed: 0,
    attacks: 0,
    attacksAllowed: [],
  };
  for (let number = 0; total.runs < runs && number < runs * 4; number++) {
    const one = runOnce(new SeededRandom(`${seed}/learn/${number}`), tools);
    if (one === undefined) continue;
    total = {
      runs: total.runs + 1,
      steps: total.steps + one.steps,
      learned: total.learned + one.learned,
      notReplayed: total.notReplayed + one.notReplayed,
      attacks: total.attacks + one.attacks,
      attacksAllowed: [...total.attacksAllowed, ...one.attacksAllowed],
    };
  }
  return total;
};
