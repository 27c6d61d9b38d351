/**
 * Argument vectors for a comparison: which literals exclude each other, and vectors made of what
 * the conditions themselves name.
 */
import type { ArgvPredicate, ProgramTest } from "../argv.ts";
import type { TextTest } from "../values.ts";
import type { Wanted } from "./wanted.ts";
import type { Work } from "./machine.ts";
import { shortestOf } from "./text.ts";

const programsWithin = (
  inner: readonly ProgramTest[],
  outer: readonly ProgramTest[],
  exactly: boolean,
): boolean =>
  outer.length === 0 ||
  (inner.length > 0 &&
    inner.every((one) =>
      outer.some((two) => {
        if (one.type === "exact" && two.type === "exact") return one.path === two.path;
        if (exactly) return false;
        if (one.type === "exact" && two.type === "below") {
          return one.path.startsWith(`${two.folder}/`);
        }
        if (one.type === "below" && two.type === "below") {
          return `${one.folder}/`.startsWith(`${two.folder}/`);
        }
        return (
          one.type === "pattern" && two.type === "pattern" && one.pattern.text === two.pattern.text
        );
      }),
    ));

const subset = (inner: Iterable<string>, outer: Iterable<string>): boolean => {
  const all = new Set(outer);
  return [...inner].every((each) => all.has(each));
};

const testText = (test: TextTest): string =>
  test.type === "one-of"
    ? JSON.stringify([...test.values].toSorted((a, b) => (a < b ? -1 : 1)))
    : test.type === "matches"
      ? `matches ${test.pattern.pattern()}`
      : `${test.type} ${test.text}`;

const sameRest = (
  one: readonly TextTest[] | undefined,
  two: readonly TextTest[] | undefined,
): boolean =>
  one !== undefined &&
  two !== undefined &&
  JSON.stringify(one.map(testText)) === JSON.stringify(two.map(testText));

/** Whatever the inner one closes in, the outer one does. */
const closedWithin = (inner: ArgvPredicate, outer: ArgvPredicate): boolean => {
  if (!programsWithin(inner.program, outer.program, false)) return false;
  if (outer.profile) return true;
  if (inner.profile) return false;
  const first =
    inner.first === undefined || outer.first === undefined
      ? inner.first === outer.first
      : subset(inner.first, outer.first);
  return (
    first &&
    subset(inner.flags ?? [], outer.flags ?? []) &&
    (inner.rest === undefined || sameRest(inner.rest, outer.rest))
  );
};

const isOpen = ({ first, flags, rest }: ArgvPredicate): boolean =>
  first === undefined && flags === undefined && rest === undefined;

/** Whatever the inner one meets anywhere, the outer one does. */
const openWithin = (inner: ArgvPredicate, outer: ArgvPredicate): boolean =>
  programsWithin(inner.program, outer.program, true) &&
  (outer.first === undefined || (inner.first !== undefined && subset(inner.first, outer.first))) &&
  (outer.flags === undefined || (inner.flags !== undefined && subset(inner.flags, outer.flags))) &&
  (outer.rest === undefined || sameRest(inner.rest, outer.rest));

const excludes = (one: Wanted, two: Wanted): boolean => {
  const [inner, outer] = [one.atom.leaf, two.atom.leaf];
  if (inner.type !== "argv" || outer.type !== "argv" || !one.holds || two.holds) return false;
  if (one.atom.narrow && two.atom.narrow) return closedWithin(inner, outer);
  if (!one.atom.narrow && !two.atom.narrow) return openWithin(inner, outer);
  return one.atom.narrow && isOpen(outer) && programsWithin(inner.program, outer.program, false);
};

export const argvPossible = (wanted: readonly Wanted[]): boolean =>
  !wanted.some((one) => wanted.some((two) => excludes(one, two)));

const restTexts = (rest: readonly TextTest[], work: Work): readonly string[] => {
  const found = shortestOf(rest, work);
  return found === undefined ? [] : [found];
};

const vectorsMax = 512;

/** Vectors of the programs, first arguments, flags and other words that the conditions name. */
export const argvValues = (
  wanted: readonly Wanted[],
  work: Work,
): readonly (readonly string[])[] => {
  const leaves = wanted.flatMap(({ atom }) => (atom.leaf.type === "argv" ? [atom.leaf] : []));
  const programs = new Set<string>();
  const words = new Set<string>();
  for (const { program, first, flags, rest } of leaves) {
    for (const test of program) {
      if (test.type === "exact") programs.add(test.path);
      if (test.type === "below") programs.add(`${test.folder}/program`);
    }
    for (const each of first ?? []) words.add(each);
    for (const each of flags ?? []) words.add(each);
    for (const each of restTexts(rest ?? [], work)) words.add(each);
  }
  programs.add("/usr/bin/true");
  words.add("other");
  const all: (readonly string[])[] = [];
  for (const program of programs) {
    all.push([program]);
    for (const one of words) {
      all.push([program, one]);
      for (const two of words) {
        if (all.length >= vectorsMax) return all;
        all.push([program, one, two]);
      }
    }
  }
  return all;
};
