/**
 * Conditions of rules and their truth.
 *
 * Two readings. *Narrow*, for what allows: a wildcard does not match a leading dot, every element
 * of a list must hold, and a path is where it really is. *Broad*, for what asks or denies: a
 * wildcard does, one element is enough, and a path is where it really is or where it was said to
 * be. `not` turns the reading round, so that an exception is as wide as a refusal.
 *
 * A folder that is copied, moved or deleted goes with all that is in it. What asks or denies about
 * something that may be below it is then unknown, and so is what allows, where names with a leading
 * dot are below it.
 */
import { type ArgvPredicate, argvTruth } from "./argv.ts";
import type { PathPattern } from "./glob.ts";
import { type ContentLeaf, contentTruth, contentTruthOf, textsIn } from "./content/leaf.ts";
import { tunnelTruth, type UrlTest, urlTruth } from "./net/test-url.ts";
import type { Place, RootTable } from "./roots.ts";
import { no, type Truth, truthAnd, truthNot, truthOf, truthOr, unknown, yes } from "./truth.ts";
import { fieldTruth } from "./tool-roles/conditions.ts";
import {
  type ArgumentValue,
  type PathValue,
  placeMatches,
  placeMayHold,
  textTruth,
  type TextTest,
} from "./values.ts";

export type Predicate =
  | { readonly type: "all"; readonly of: readonly Predicate[] }
  | { readonly type: "any"; readonly of: readonly Predicate[] }
  | { readonly type: "not"; readonly of: Predicate }
  | { readonly type: "absent"; readonly wanted: boolean }
  | { readonly type: "path"; readonly patterns: readonly PathPattern[]; readonly nocase: boolean }
  | { readonly type: "text"; readonly test: TextTest }
  | {
      readonly type: "integer";
      readonly min: number;
      readonly max: number;
      readonly values: ReadonlySet<number> | undefined;
    }
  | { readonly type: "bytes"; readonly max: number }
  /** Known only where the bytes are, or in what a tool is given. */
  | { readonly type: "content"; readonly test: ContentLeaf }
  | { readonly type: "url"; readonly test: UrlTest }
  /** Scaled; what is absent does not bound. */
  | {
      readonly type: "amount";
      readonly min?: bigint;
      readonly max?: bigint;
      readonly values?: ReadonlySet<bigint>;
    }
  | { readonly type: "element"; readonly part: "role" | "name"; readonly test: TextTest }
  /** The right and the lower edge are outside. */
  | {
      readonly type: "within";
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
    }
  | ({ readonly type: "argv" } & ArgvPredicate);

export interface Condition {
  readonly argument: string;
  readonly predicate: Predicate;
}

const pathTruth = (
  predicate: Predicate & { type: "path" },
  value: PathValue,
  table: RootTable,
  narrow: boolean,
): Truth => {
  const holds = (place: Place): boolean =>
    placeMatches(predicate.patterns, place, table, predicate.nocase, narrow);
  const { given, real, whole } = value;
  if (value.opaque) return unknown;
  if (narrow) {
    if (real === undefined) return unknown;
    return holds(real) ? (whole === "dots" ? unknown : yes) : no;
  }
  if (holds(given)) return yes;
  if (real === undefined) return unknown;
  if (real !== given && holds(real)) return yes;
  if (whole === undefined) return no;
  const mayHold = (place: Place): boolean =>
    placeMayHold(predicate.patterns, place, table, predicate.nocase, whole === "dots");
  return mayHold(given) || (real !== given && mayHold(real)) ? unknown : no;
};

const amountTruth = ({ min, max, values }: Predicate & { type: "amount" }, scaled: bigint): Truth =>
  truthOf(
    (min === undefined || scaled >= min) &&
      (max === undefined || scaled <= max) &&
      (values === undefined || values.has(scaled)),
  );

const screenTruth = (predicate: Predicate, value: ArgumentValue): Truth => {
  if (predicate.type === "amount" && value.type === "amount") {
    return amountTruth(predicate, value.scaled);
  }
  if (predicate.type === "element" && value.type === "element") {
    return textTruth(predicate.test, value.element[predicate.part]);
  }
  if (predicate.type === "within" && value.type === "point") {
    const { x, y } = value.point;
    const { x: left, y: top, width, height } = predicate;
    return truthOf(x >= left && x < left + width && y >= top && y < top + height);
  }
  return unknown;
};

const leafTruth = (
  predicate: Exclude<Predicate, { type: "all" | "any" | "not" | "absent" }>,
  value: ArgumentValue,
  table: RootTable,
  narrow: boolean,
): Truth => {
  if (predicate.type === "path") {
    if (value.type === "path") return pathTruth(predicate, value, table, narrow);
    if (value.type !== "paths") return unknown;
    let truth: Truth = narrow ? yes : no;
    for (const item of value.items) {
      const each = pathTruth(predicate, item, table, narrow);
      truth = narrow ? truthAnd(truth, each) : truthOr(truth, each);
    }
    return truth;
  }
  if (predicate.type === "text" && value.type === "text") {
    return textTruth(predicate.test, value.text);
  }
  if (value.type === "field") return fieldTruth(predicate, value.items, narrow);
  if (predicate.type === "text" && value.type === "texts") {
    let truth: Truth = narrow ? yes : no;
    for (const item of value.items) {
      const each = textTruth(predicate.test, item);
      truth = narrow ? truthAnd(truth, each) : truthOr(truth, each);
    }
    return truth;
  }
  if (predicate.type === "url" && (value.type === "url" || value.type === "host")) {
    return value.type === "url" && value.hostOnly === true
      ? tunnelTruth(predicate.test, value.url, table.sites, narrow)
      : urlTruth(predicate.test, value.url, table.sites, narrow);
  }
  if (predicate.type === "integer" && value.type === "integer") {
    return truthOf(
      value.value >= predicate.min &&
        value.value <= predicate.max &&
        (predicate.values === undefined || predicate.values.has(value.value)),
    );
  }
  if (predicate.type === "bytes" && value.type === "content") {
    return truthOf(value.bytes <= predicate.max);
  }
  if (predicate.type === "content" && value.type === "content") {
    return value.text === undefined ? unknown : contentTruth(predicate.test, value.text);
  }
  if (predicate.type === "content" && value.type === "json") {
    return contentTruthOf(predicate.test, textsIn(value.json));
  }
  if (predicate.type === "argv" && value.type === "argv") {
    return argvTruth(predicate, value, table, narrow);
  }
  return screenTruth(predicate, value);
};

/** The truth of a predicate; an optional argument that is absent makes it false. */
export const predicateTruth = (
  predicate: Predicate,
  value: ArgumentValue | undefined,
  table: RootTable,
  narrow: boolean,
): Truth => {
  switch (predicate.type) {
    case "all": {
      let truth: Truth = yes;
      for (const each of predicate.of) {
        truth = truthAnd(truth, predicateTruth(each, value, table, narrow));
        if (truth === no) break;
      }
      return truth;
    }
    case "any": {
      let truth: Truth = no;
      for (const each of predicate.of) {
        truth = truthOr(truth, predicateTruth(each, value, table, narrow));
        if (truth === yes) break;
      }
      return truth;
    }
    case "not":
      return value === undefined
        ? no
        : truthNot(predicateTruth(predicate.of, value, table, !narrow));
    case "absent":
      return truthOf((value === undefined) === predicate.wanted);
    default:
      return value === undefined ? no : leafTruth(predicate, value, table, narrow);
  }
};
