/**
 * Finds the rules that may fire on an action without trying all of them. A rule whose condition
 * needs a certain first name below a root, a certain host or a certain program stands under it;
 * every other rule stands open and is tried always.
 *
 * Invariant: a rule that is left out would have been false. Where a value could be anything (a path
 * that was not looked at, a mount that folds case, a folder with all that is in it) every rule is
 * tried.
 */
import type { CompiledRule } from "./engine.ts";
import type { PathPattern } from "./glob.ts";
import { lastName } from "./paths.ts";
import type { Predicate } from "./predicate.ts";
import type { Place, RootTable } from "./roots.ts";
import type { ArgumentValue } from "./values.ts";

export interface Placed {
  readonly rule: CompiledRule;
  /** Its number among the rules of its target and effect. */
  readonly order: number;
}

export interface RuleIndex {
  readonly all: readonly CompiledRule[];
  readonly open: readonly Placed[];
  /** By argument, then by what that argument must have. */
  readonly keyed: ReadonlyMap<string, ReadonlyMap<string, readonly Placed[]>>;
}

const pathKey = (root: string, name: string): string => `${root}:${name}`;

const patternKeys = (pattern: PathPattern): readonly string[] | undefined => {
  const heads = pattern.alternatives.map(({ head }) => head);
  return heads.every((head) => head !== undefined)
    ? heads.map((head) => pathKey(pattern.root, head))
    : undefined;
};

const everyOne = <T>(
  list: readonly T[],
  keys: (each: T) => readonly string[] | undefined,
): readonly string[] | undefined => {
  const all: string[] = [];
  for (const each of list) {
    const found = keys(each);
    if (found === undefined) return undefined;
    all.push(...found);
  }
  return all;
};

/** Keys of which one must be there for the predicate to be more than false. */
const keysOf = (predicate: Predicate, narrow: boolean): readonly string[] | undefined => {
  switch (predicate.type) {
    case "all":
      for (const each of predicate.of) {
        const keys = keysOf(each, narrow);
        if (keys !== undefined) return keys;
      }
      return undefined;
    case "any":
      return everyOne(predicate.of, (each) => keysOf(each, narrow));
    case "path":
      return predicate.nocase ? undefined : everyOne(predicate.patterns, patternKeys);
    case "url":
      return predicate.test.type === "host"
        ? predicate.test.hosts.map((test) =>
            test.type === "exact" ? test.host : `.${test.suffix}`,
          )
        : undefined;
    case "argv":
      return predicate.program.length === 0
        ? undefined
        : everyOne(predicate.program, (test) =>
            test.type === "exact" ? [narrow ? test.path : lastName(test.path)] : undefined,
          );
    default:
      return undefined;
  }
};

export const makeRuleIndex = (all: readonly CompiledRule[]): RuleIndex => {
  const open: Placed[] = [];
  const keyed = new Map<string, Map<string, Placed[]>>();
  for (const [order, rule] of all.entries()) {
    const found = rule.conditions
      .map(({ argument, predicate }) => ({
        argument,
        keys: keysOf(predicate, rule.effect === "allow"),
      }))
      .find(({ keys }) => keys !== undefined);
    if (found?.keys === undefined) {
      open.push({ rule, order });
      continue;
    }
    const { argument, keys } = found;
    const byKey = keyed.get(argument) ?? new Map<string, Placed[]>();
    keyed.set(argument, byKey);
    for (const key of new Set(keys)) {
      const list = byKey.get(key);
      if (list === undefined) byKey.set(key, [{ rule, order }]);
      else list.push({ rule, order });
    }
  }
  return { all, open, keyed };
};

const placeKeys = (place: Place, table: RootTable): readonly string[] => {
  const keys: string[] = [];
  for (const [name, positions] of table.positions) {
    for (const at of positions) {
      const offset = place.offsets[at] as number;
      const segment = offset < 0 ? undefined : place.segments[offset];
      if (segment !== undefined) keys.push(pathKey(name, segment));
    }
  }
  return keys;
};

const hostKeys = (host: string): readonly string[] => {
  const keys = [host];
  for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
    keys.push(host.slice(dot));
  }
  return keys;
};

/** The keys that a value has; undefined where every rule must be tried. */
const valueKeys = (
  value: ArgumentValue | undefined,
  table: RootTable,
  narrow: boolean,
): readonly string[] | undefined => {
  if (value?.type === "url" || value?.type === "host") return hostKeys(value.url.host);
  if (value?.type === "argv") {
    const { program, implied, argv } = value;
    if (narrow) return program === undefined ? [] : [program];
    if (program === undefined && !implied) return undefined;
    const names = [lastName(argv[0] ?? "")];
    return program === undefined ? names : [...names, lastName(program)];
  }
  if (value?.type !== "path") return undefined;
  const { given, real, opaque, whole } = value;
  if (opaque || real === undefined || given.insensitive || real.insensitive) return undefined;
  if (narrow) return placeKeys(real, table);
  if (whole !== undefined) return undefined;
  return real === given
    ? placeKeys(given, table)
    : [...placeKeys(given, table), ...placeKeys(real, table)];
};

/**
 * The rules that may be more than false, in no order and some of them twice: a rule stands under
 * every key that would do. Nothing is copied; of a thousand rules a decision looks at a few.
 */
export const eachCandidate = (
  index: RuleIndex,
  values: ReadonlyMap<string, ArgumentValue>,
  table: RootTable,
  narrow: boolean,
  visit: (placed: Placed) => void,
): void => {
  for (const placed of index.open) visit(placed);
  for (const [argument, byKey] of index.keyed) {
    const keys = valueKeys(values.get(argument), table, narrow);
    if (keys === undefined) {
      for (const list of byKey.values()) for (const placed of list) visit(placed);
      continue;
    }
    for (const key of keys) for (const placed of byKey.get(key) ?? []) visit(placed);
  }
};
