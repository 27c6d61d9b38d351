/**
 * From a text to the terms that are counted. A term is a run of letters, marks and digits in lower
 * case, without diacritics, reduced to its stem by Porter's algorithm where it is made of a to z alone.
 * A run in a script without spaces gives its characters and its pairs of characters.
 *
 * A pure function of the text, on every engine: tables of one version of Unicode say what a letter is,
 * and compatibility decomposition of what those tables know never changes.
 *
 * Bounds: `termCharsMax` characters (units of UTF-16) of a run count, as it stands and as it is folded;
 * the rest of it is passed over. No term is longer.
 */
import { stemmer } from "stemmer";
import { isUnspaced, isWordCharacter, lowerCase } from "./characters.ts";
import { termCharsMax } from "../limits.ts";

const plain = /^[a-z]+$/;
const ascii = /^[0-9A-Za-z]*$/;
const diacritics = /[\u0300-\u036f]/g;

/** Words that say little of what a text is about; a query that has others is asked without these. */
const little = new Set(
  (
    "a about after again all also am an and any are as at be because been before being between both but by " +
    "can could d did do does doing don down during each few for from further had has have having he her " +
    "here hers him his how i if in into is it its just ll m me more most my no nor not now of off on once " +
    "only or other our out over own re s same she should so some such t than that the their them then " +
    "there these they this those through to too under until up ve very was we were what when where which " +
    "while who whom why will with would you your"
  ).split(" "),
);

const stem = (word: string): string => (plain.test(word) ? stemmer(word) : word);

/** The form of one run in which it is compared, before stemming. */
const fold = (run: string): string => {
  if (ascii.test(run)) return run.toLowerCase();
  const bare = run.normalize("NFKD").replace(diacritics, "").normalize("NFC");
  let folded = "";
  for (const char of bare) folded += String.fromCodePoint(lowerCase(char.codePointAt(0) as number));
  return folded;
};

/** The beginning of a text, at most so many units; no character is cut through. */
const beginningOf = (text: string): string => {
  if (text.length <= termCharsMax) return text;
  const isPair = (text.codePointAt(termCharsMax - 1) as number) > 0xffff;
  return text.slice(0, isPair ? termCharsMax - 1 : termCharsMax);
};

/** Calls `take` for each run of word characters, folded, and whether its script has no spaces. */
const eachRun = (text: string, take: (run: string, isUnspacedRun: boolean) => void): void => {
  let start = -1;
  let isUnspacedRun = false;
  const endAt = (end: number): void => {
    if (start < 0) return;
    const folded = fold(beginningOf(text.slice(start, Math.min(end, start + termCharsMax + 1))));
    start = -1;
    if (folded !== "") take(folded, isUnspacedRun);
  };
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i) as number;
    const at = i;
    if (code > 0xffff) i++;
    if (!isWordCharacter(code)) {
      endAt(at);
      continue;
    }
    const isUnspacedHere = isUnspaced(code);
    // A run without spaces may have any length, and is taken in pieces.
    if (isUnspacedHere !== isUnspacedRun || (isUnspacedHere && at - start >= termCharsMax - 1)) {
      endAt(at);
    }
    isUnspacedRun = isUnspacedHere;
    if (start < 0) start = at;
  }
  endAt(text.length);
};

const eachTermOf = (run: string, isUnspacedRun: boolean, take: (term: string) => void): void => {
  if (!isUnspacedRun) return take(stem(beginningOf(run)));
  let last = "";
  for (const char of run) {
    take(char);
    if (last !== "") take(last + char);
    last = char;
  }
};

/** Calls `take` for every term of a text, in their order. */
export const eachTerm = (text: string, take: (term: string) => void): void => {
  eachRun(text, (run, isUnspacedRun) => eachTermOf(run, isUnspacedRun, take));
};

export interface CountedTerms {
  /** How often each term stands in a text, in the order of first occurrence. */
  readonly terms: ReadonlyMap<string, number>;
  readonly length: number;
}

export const countTerms = (text: string): CountedTerms => {
  const terms = new Map<string, number>();
  let length = 0;
  eachTerm(text, (term) => {
    terms.set(term, (terms.get(term) ?? 0) + 1);
    length++;
  });
  return { terms, length };
};

/** The terms of a query: without words that say little, unless it has no others. */
export const queryTerms = (text: string): ReadonlyMap<string, number> => {
  const all = new Map<string, number>();
  const telling = new Map<string, number>();
  eachRun(text, (run, isUnspacedRun) => {
    eachTermOf(run, isUnspacedRun, (term) => {
      all.set(term, (all.get(term) ?? 0) + 1);
      if (!little.has(run)) telling.set(term, (telling.get(term) ?? 0) + 1);
    });
  });
  return telling.size > 0 ? telling : all;
};
