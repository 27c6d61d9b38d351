/**
 * Looks for something that one policy judges more freely than another: assigns literals one after
 * the other, leaves what the arguments cannot have, and stops where both verdicts are settled.
 *
 * "None" is a proof: every assignment was left for a reason. Bounds: `diffStepsMax` steps,
 * `diffTriesMax` examples; beyond, and where no example holds, the answer is "undecided".
 */
import type { CanonicalValue } from "@ioi/wire";
import { diffChecksMax, diffStepsMax, diffTriesMax } from "../limits.ts";
import type { RootTable } from "../roots.ts";
import type { TargetSpec } from "../targets.ts";
import { possible } from "./domain.ts";
import type { Possible, Wanted } from "./wanted.ts";
import { type Atom, evaluate, type Formula, openAtom } from "./formula.ts";
import type { Work } from "./machine.ts";

/** One policy about one target. */
export interface Side {
  readonly deny: Formula;
  readonly ask: Formula;
  readonly allow: Formula;
  /** What nothing allows is denied rather than asked about. */
  readonly closed: boolean;
  /** What nothing allows goes without asking, since it can be undone whole. */
  readonly free: boolean;
}

/** 0 deny, 1 ask, 2 allow. */
type Rank = 0 | 1 | 2;

const rankOf = (side: Side, deny: boolean, ask: boolean, allow: boolean): Rank => {
  if (deny || (!allow && side.closed)) return 0;
  return ask || !(allow || side.free) ? 1 : 2;
};

type Trial = boolean | undefined;
const either = (value: Trial): readonly boolean[] =>
  value === undefined ? [false, true] : [value];

/** The least and the most that a side can still say. */
const rangeOf = (side: Side, values: readonly Trial[]): readonly [Rank, Rank] => {
  const [deny, ask, allow] = [side.deny, side.ask, side.allow].map((formula) =>
    either(evaluate(formula, values)),
  );
  let [least, most]: [Rank, Rank] = [2, 0];
  for (const one of deny ?? []) {
    for (const two of ask ?? []) {
      for (const three of allow ?? []) {
        const rank = rankOf(side, one, two, three);
        if (rank < least) least = rank;
        if (rank > most) most = rank;
      }
    }
  }
  return [least, most];
};

export interface Question {
  readonly target: TargetSpec;
  readonly atoms: readonly Atom[];
  /** What must judge less freely, and what more. */
  readonly below: Side;
  readonly above: Side;
  /** What one side has and the other has not; looked at first. */
  readonly first: readonly Formula[];
  /** Where none of `first` holds, both sides say the same. */
  readonly onlyFirst: boolean;
  readonly table: RootTable;
  /** Shared by all that one comparison looks for. */
  readonly work: Work;
}

/** An argument with which the difference shows; `present`: whatever it is. */
export type GivenValue =
  | { readonly type: "absent" | "present" }
  | { readonly type: "value"; readonly value: CanonicalValue };

/** Arguments that are left out may be anything. */
export type Given = ReadonlyMap<string, GivenValue>;

export type Solved<T> =
  | { readonly type: "none" }
  | { readonly type: "found"; readonly value: T }
  | { readonly type: "undecided" };

class Search<T> {
  readonly #question: Question;
  readonly #values: Trial[];
  readonly #known = new Map<string, Possible>();
  readonly #check: (given: Given) => T | undefined;
  #steps = 0;
  #tries = 0;
  /** Something was given up, or held in theory only. */
  #open = false;
  found: T | undefined;

  constructor(question: Question, check: (given: Given) => T | undefined) {
    this.#question = question;
    this.#values = question.atoms.map(() => undefined);
    this.#check = check;
  }

  get undecided(): boolean {
    return this.#open;
  }

  get #over(): boolean {
    const used = this.#steps > diffStepsMax || this.#known.size >= diffChecksMax;
    return this.found !== undefined || this.#tries >= diffTriesMax || used;
  }

  #isPresent(argument: string): Trial {
    const at = this.#question.atoms.findIndex(
      (atom) => atom.leaf === undefined && atom.argument === argument,
    );
    return at < 0 ? undefined : this.#values[at];
  }

  #possible(argument: string): Possible {
    const { atoms, target, table } = this.#question;
    if (this.#isPresent(argument) === false) return { possible: true };
    const wanted: Wanted[] = [];
    let key = argument;
    for (const [at, atom] of atoms.entries()) {
      const holds = this.#values[at];
      const { leaf } = atom;
      if (atom.argument !== argument || leaf === undefined || holds === undefined) continue;
      wanted.push({ atom: { ...atom, leaf }, holds });
      key += ` ${at}${holds ? "+" : "-"}`;
    }
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    // Where there is no time left to look, it counts as possible.
    if (this.#known.size >= diffChecksMax) {
      this.#open = true;
      return { possible: true };
    }
    const spec = target.arguments.find(({ name }) => name === argument);
    const made =
      spec === undefined
        ? { possible: true }
        : possible(target, spec, wanted, table, this.#question.work);
    this.#known.set(key, made);
    return made;
  }

  #given(): Given {
    const given = new Map<string, GivenValue>();
    for (const argument of new Set(this.#question.atoms.map((atom) => atom.argument))) {
      const present = this.#isPresent(argument);
      if (present === false) given.set(argument, { type: "absent" });
      else {
        const { value } = this.#possible(argument);
        if (value !== undefined) given.set(argument, { type: "value", value });
        else if (present === true) given.set(argument, { type: "present" });
      }
    }
    return given;
  }

  /** What is looked at next, and which way first: towards what changed and away from the rest. */
  #next(): { readonly at: number; readonly hoped: boolean } | undefined {
    const { first, below, above } = this.#question;
    const order: readonly (readonly [Formula, boolean])[] = [
      ...first.map((formula) => [formula, true] as const),
      [below.deny, false],
      [above.deny, false],
      [above.allow, true],
      [below.allow, true],
      [above.ask, false],
      [below.ask, false],
    ];
    for (const [formula, towards] of order) {
      const at = openAtom(formula, this.#values);
      if (at !== undefined) return { at, hoped: towards };
    }
    return undefined;
  }

  run(): void {
    if (this.#over) {
      this.#open = true;
      return;
    }
    this.#steps++;
    const { below, above, atoms, first, onlyFirst } = this.#question;
    if (onlyFirst && first.every((each) => evaluate(each, this.#values) === false)) return;
    const [leastBelow, mostBelow] = rangeOf(below, this.#values);
    const [leastAbove, mostAbove] = rangeOf(above, this.#values);
    if (mostAbove <= leastBelow) return;
    if (leastAbove > mostBelow) {
      this.#tries++;
      this.found = this.#check(this.#given());
      this.#open = true;
      return;
    }
    const next = this.#next();
    if (next === undefined) return;
    const { at, hoped } = next;
    const argument = atoms[at]?.argument ?? "";
    for (const value of [hoped, !hoped]) {
      this.#values[at] = value;
      if (this.#possible(argument).possible) this.run();
      this.#values[at] = undefined;
      if (this.found !== undefined) return;
    }
  }
}

/** `check` makes an example of what was found, and says nothing where it does not hold. */
export const solve = <T>(question: Question, check: (given: Given) => T | undefined): Solved<T> => {
  const search = new Search(question, check);
  search.run();
  if (search.found !== undefined) return { type: "found", value: search.found };
  return { type: search.undecided ? "undecided" : "none" };
};
