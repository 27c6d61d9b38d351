/**
 * Conditions on calls of tools beside those on their arguments: `where.group` is the group that the
 * policy gives the tool, `where."arguments.FIELD"` speaks of what stands below a field of its JSON.
 * Texts are tested as texts and numbers as amounts; of a list, what allows wants every element, what
 * asks or denies wants one. What they hold (`contains`, `contains_kind`) is in one of them or in none.
 */
import { contentTruthOf } from "../content/leaf.ts";
import { scaledAmount } from "../kinds/money.ts";
import type { Predicate } from "../predicate.ts";
import type { ArgumentSpec, TargetSpec } from "../targets.ts";
import type { TomlNode } from "../toml.ts";
import { no, type Truth, truthAnd, truthOr, truthOf, unknown, yes } from "../truth.ts";
import { type Scalar, textTruth } from "../values.ts";
import { toolGroups } from "./read.ts";

export const toolTarget = "mcp::call";
export const groupArgument = "group";
export const fieldPrefix = "arguments.";

/** Not an argument of the target itself. */
export const isDerived = (argument: string): boolean =>
  argument === groupArgument || argument.startsWith(fieldPrefix);

const speaksOfNumbers = (node: TomlNode): boolean => {
  if (node.type === "integer" || node.type === "float") return true;
  if (node.type === "array") return node.items.some(speaksOfNumbers);
  if (node.type !== "table") return false;
  return [...node.entries].some(
    ([key, { value }]) => key === "min" || key === "max" || speaksOfNumbers(value),
  );
};

/** Beside these `matches` is looked for inside a text too, as in all content. */
const speaksOfContent = (node: TomlNode): boolean => {
  if (node.type === "array") return node.items.some(speaksOfContent);
  if (node.type !== "table") return false;
  return [...node.entries].some(
    ([key, { value }]) => key === "contains" || key === "contains_kind" || speaksOfContent(value),
  );
};

/** The argument that a condition on calls of tools speaks of; undefined where it is a usual one. */
export const toolArgument = (
  { name: target }: Pick<TargetSpec, "name">,
  name: string,
  node: TomlNode,
): ArgumentSpec | undefined => {
  if (target !== toolTarget) return undefined;
  const common = { name, role: "flag", optional: true, what: "" } as const;
  if (name === groupArgument) {
    return { ...common, type: "text", charsMax: 16, choices: toolGroups };
  }
  if (!name.startsWith(fieldPrefix) || name === fieldPrefix) return undefined;
  if (speaksOfContent(node)) return { ...common, type: "json" };
  return speaksOfNumbers(node)
    ? { ...common, type: "amount" }
    : { ...common, type: "text", charsMax: 4096 };
};

const amountTruth = (predicate: Predicate & { type: "amount" }, value: Scalar): Truth => {
  if (typeof value !== "number" || value < 0) return no;
  const text = String(value);
  if (!/^[0-9]{1,16}(?:\.[0-9]{1,20})?$/.test(text)) return unknown;
  const scaled = scaledAmount(text);
  const { min, max, values } = predicate;
  return truthOf(
    (min === undefined || scaled >= min) &&
      (max === undefined || scaled <= max) &&
      (values === undefined || values.has(scaled)),
  );
};

const scalarTruth = (predicate: Predicate, value: Scalar): Truth => {
  if (predicate.type === "text") {
    if (typeof value === "string") return textTruth(predicate.test, value);
    return typeof value === "boolean" ? textTruth(predicate.test, String(value)) : no;
  }
  return predicate.type === "amount" ? amountTruth(predicate, value) : unknown;
};

/** The truth of a condition on everything below a field. */
export const fieldTruth = (
  predicate: Predicate,
  items: readonly Scalar[] | undefined,
  narrow: boolean,
): Truth => {
  if (items === undefined) return unknown;
  if (predicate.type === "content") return contentTruthOf(predicate.test, items);
  let truth: Truth = narrow ? yes : no;
  for (const item of items) {
    const each = scalarTruth(predicate, item);
    truth = narrow ? truthAnd(truth, each) : truthOr(truth, each);
  }
  return truth;
};
