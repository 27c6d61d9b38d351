/** What a comparison asks of one argument, and whether a value has it. */
import type { CanonicalValue } from "@ioi/wire";
import { predicateTruth } from "../predicate.ts";
import type { RootTable } from "../roots.ts";
import { no, yes } from "../truth.ts";
import type { ArgumentValue } from "../values.ts";
import type { Atom, Leaf } from "./formula.ts";

/** One literal and what is asked of it. */
export interface Wanted {
  readonly atom: Atom & { readonly leaf: Leaf };
  readonly holds: boolean;
}

export interface Possible {
  readonly possible: boolean;
  /** A value with which all of it holds, where one was found. */
  readonly value?: CanonicalValue;
}

export const fits = (wanted: readonly Wanted[], value: ArgumentValue, table: RootTable): boolean =>
  wanted.every(({ atom, holds }) => {
    const truth = predicateTruth(atom.leaf, value, table, atom.narrow);
    return (atom.narrow ? truth === yes : truth !== no) === holds;
  });
