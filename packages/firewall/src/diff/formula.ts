/**
 * Rules as formulas over what can be true of an action.
 *
 * An allow fires on true, a refusal on true or unknown, and `not` turns both the reading and the
 * threshold round; so a narrow condition is only ever asked whether it is *true*, a broad one
 * whether it is *not false*, and Kleene's three values are two again. A literal is one such
 * question about one condition.
 */
import { RE2JS } from "re2js";
import type { CompiledRule } from "../engine.ts";
import type { Predicate } from "../predicate.ts";
import { argumentOf, type TargetSpec } from "../targets.ts";

export type Leaf = Exclude<Predicate, { type: "all" | "any" | "not" | "absent" }>;

export interface Atom {
  readonly argument: string;
  /** Undefined: whether the argument is there. */
  readonly leaf: Leaf | undefined;
  readonly narrow: boolean;
  readonly key: string;
}

export type Formula =
  | { readonly type: "constant"; readonly value: boolean }
  | { readonly type: "atom"; readonly at: number }
  | { readonly type: "not"; readonly of: Formula }
  | { readonly type: "and" | "or"; readonly of: readonly Formula[] };

const plain = (_key: string, value: unknown): unknown => {
  if (value instanceof Set) return [...value].map(String).toSorted((a, b) => (a < b ? -1 : 1));
  if (typeof value === "bigint") return `${value}n`;
  return value instanceof RE2JS ? value.pattern() : value;
};

/** Two predicates with one identity mean the same. */
export const identityOf = (predicate: Predicate): string => JSON.stringify(predicate, plain);

/** All that a rule says of a target, without its name and words. */
export const ruleIdentity = ({ effect, conditions, window }: CompiledRule): string =>
  [
    effect,
    window === undefined ? "" : JSON.stringify(window, plain),
    ...conditions
      .map(({ argument, predicate }) => `${argument} ${identityOf(predicate)}`)
      .toSorted((a, b) => (a < b ? -1 : 1)),
  ].join("\n");

/** Literals of one target; equal ones are one. */
export class Atoms {
  readonly all: Atom[] = [];
  readonly #target: TargetSpec;
  readonly #byKey = new Map<string, number>();

  constructor(target: TargetSpec) {
    this.#target = target;
  }

  #at(argument: string, leaf: Leaf | undefined, narrow: boolean): Formula {
    const key = `${argument} ${narrow} ${leaf === undefined ? "" : identityOf(leaf)}`;
    let at = this.#byKey.get(key);
    if (at === undefined) {
      at = this.all.length;
      this.#byKey.set(key, at);
      this.all.push({ argument, leaf, narrow, key });
    }
    return { type: "atom", at };
  }

  #present(argument: string): Formula {
    return argumentOf(this.#target, argument)?.optional === true
      ? this.#at(argument, undefined, false)
      : { type: "constant", value: true };
  }

  /** The predicate holds as its reading asks: is true, or is not false. */
  fires(argument: string, predicate: Predicate, narrow: boolean): Formula {
    switch (predicate.type) {
      case "all":
      case "any":
        return {
          type: predicate.type === "all" ? "and" : "or",
          of: predicate.of.map((each) => this.fires(argument, each, narrow)),
        };
      case "not":
        return {
          type: "and",
          of: [
            this.#present(argument),
            { type: "not", of: this.fires(argument, predicate.of, !narrow) },
          ],
        };
      case "absent": {
        const there = this.#present(argument);
        return predicate.wanted ? { type: "not", of: there } : there;
      }
      default:
        return {
          type: "and",
          of: [this.#present(argument), this.#at(argument, predicate, narrow)],
        };
    }
  }

  rule({ conditions, effect }: CompiledRule): Formula {
    return {
      type: "and",
      of: conditions.map(({ argument, predicate }) =>
        this.fires(argument, predicate, effect === "allow"),
      ),
    };
  }
}

/** What is known of the atoms so far. */
export type Values = readonly (boolean | undefined)[];

export const evaluate = (formula: Formula, values: Values): boolean | undefined => {
  switch (formula.type) {
    case "constant":
      return formula.value;
    case "atom":
      return values[formula.at];
    case "not": {
      const of = evaluate(formula.of, values);
      return of === undefined ? undefined : !of;
    }
    default: {
      const ends = formula.type === "or";
      let all: boolean | undefined = !ends;
      for (const each of formula.of) {
        const value = evaluate(each, values);
        if (value === ends) return ends;
        if (value === undefined) all = undefined;
      }
      return all;
    }
  }
};

/** The first atom that the value still hangs on. */
export const openAtom = (formula: Formula, values: Values): number | undefined => {
  if (evaluate(formula, values) !== undefined) return undefined;
  switch (formula.type) {
    case "constant":
      return undefined;
    case "atom":
      return formula.at;
    case "not":
      return openAtom(formula.of, values);
    default:
      for (const each of formula.of) {
        const at = openAtom(each, values);
        if (at !== undefined) return at;
      }
      return undefined;
  }
};
