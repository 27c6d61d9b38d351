/**
 * Rules on content while the bytes are not there: what is left of a rule once all else is known, as
 * what a driver has to look for.
 *
 * As in a comparison of policies, an allow asks whether a condition is true and a refusal whether it
 * is not false, and `not` turns the question round; so what is left is a formula over tests of the
 * content, and its alternatives are conjunctions of tests. Bounds: `contentAltsMax`,
 * `contentTestsMax`; what needs more is not worked out, and counts as unknown.
 */
import type { ContentTest } from "@ioi/wire";
import type { CompiledRule } from "../engine.ts";
import { contentAltsMax, contentTestsMax } from "../limits.ts";
import { type Predicate, predicateTruth } from "../predicate.ts";
import type { RootTable } from "../roots.ts";
import { no, yes } from "../truth.ts";
import type { ArgumentValue } from "../values.ts";
import type { ContentLeaf } from "./leaf.ts";

/** Bytes of which all tests of one list hold. */
export type Alternatives = readonly (readonly ContentTest[])[];

/** True or false whatever the bytes are, or the alternatives under which it fires. */
export type Residual =
  | { readonly type: "constant"; readonly value: boolean }
  | { readonly type: "depends"; readonly on: Alternatives }
  /** More than is worked out. */
  | { readonly type: "unknown" };

const constant = (value: boolean): Residual => ({ type: "constant", value });

const isLeaf = (predicate: Predicate): boolean => {
  switch (predicate.type) {
    case "all":
    case "any":
      return predicate.of.some(isLeaf);
    case "not":
      return isLeaf(predicate.of);
    default:
      return predicate.type === "content";
  }
};

/** Whether a condition speaks of what content holds. */
export const speaksOfContent = ({ conditions }: Pick<CompiledRule, "conditions">): boolean =>
  conditions.some(({ predicate }) => isLeaf(predicate));

const bounded = (on: Alternatives): Residual =>
  on.length > contentAltsMax || on.some((all) => all.length > contentTestsMax)
    ? { type: "unknown" }
    : { type: "depends", on };

const and = (one: Residual, two: Residual): Residual => {
  if (one.type === "constant") return one.value ? two : one;
  if (two.type === "constant") return two.value ? one : two;
  if (one.type === "unknown" || two.type === "unknown") return { type: "unknown" };
  if (one.on.length * two.on.length > contentAltsMax) return { type: "unknown" };
  return bounded(one.on.flatMap((a) => two.on.map((b) => [...a, ...b])));
};

const or = (one: Residual, two: Residual): Residual => {
  if (one.type === "constant") return one.value ? one : two;
  if (two.type === "constant") return two.value ? two : one;
  if (one.type === "unknown" || two.type === "unknown") return { type: "unknown" };
  return bounded([...one.on, ...two.on]);
};

/** The contrary: of every alternative one test does not hold. */
export const contrary = (residual: Residual): Residual => {
  if (residual.type === "unknown") return residual;
  if (residual.type === "constant") return constant(!residual.value);
  let all: Residual = constant(true);
  for (const tests of residual.on) {
    const some = tests.map((test): readonly ContentTest[] => [{ ...test, negated: !test.negated }]);
    all = and(all, bounded(some));
  }
  return all;
};

const testsOf = (leaf: ContentLeaf): Alternatives => {
  switch (leaf.type) {
    case "contains":
      return leaf.texts.map((text) => [{ type: "contains", text, negated: false }]);
    case "kinds":
      return leaf.kinds.map((kind) => [{ type: "kind", kind, negated: false }]);
    case "matches":
      return [[{ type: "matches", pattern: leaf.pattern.pattern(), negated: false }]];
  }
};

const residualOf = (
  predicate: Predicate,
  value: ArgumentValue | undefined,
  table: RootTable,
  narrow: boolean,
): Residual => {
  switch (predicate.type) {
    case "all":
    case "any": {
      const join = predicate.type === "all" ? and : or;
      let left = constant(predicate.type === "all");
      for (const each of predicate.of) left = join(left, residualOf(each, value, table, narrow));
      return left;
    }
    case "not":
      return value === undefined
        ? constant(false)
        : contrary(residualOf(predicate.of, value, table, !narrow));
    default:
      break;
  }
  if (predicate.type === "content" && value === undefined) return constant(false);
  if (predicate.type === "content" && value?.type === "content" && value.text === undefined) {
    return bounded(testsOf(predicate.test));
  }
  const truth = predicateTruth(predicate, value, table, narrow);
  return constant(narrow ? truth === yes : truth !== no);
};

/** What is left of a rule for these values. */
export const residualOfRule = (
  { conditions, effect }: CompiledRule,
  values: ReadonlyMap<string, ArgumentValue>,
  table: RootTable,
): Residual => {
  let left = constant(true);
  for (const { argument, predicate } of conditions) {
    left = and(left, residualOf(predicate, values.get(argument), table, effect === "allow"));
    if (left.type === "constant" && !left.value) return left;
  }
  return left;
};
