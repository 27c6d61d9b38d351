/** Texts for a comparison: literals, beginnings, endings and expressions as machines. */
import type { ArgumentSpec } from "../targets.ts";
import { yes } from "../truth.ts";
import { textTruth, type TextTest } from "../values.ts";
import type { Wanted } from "./wanted.ts";
import { identityOf } from "./formula.ts";
import { Builder, type Found, findWord, type Machine, type Work } from "./machine.ts";
import { regexMachine } from "./regex.ts";

const any = (): boolean => true;
/** A placeholder that nobody filled in: nothing is known of it. */
const opaque = "<TEXT_1>";

/** The texts that a test holds of; undefined where that is not worked out. */
const testMachine = (test: TextTest): Machine | undefined => {
  if (test.type === "matches") return regexMachine(test.pattern.pattern());
  const into = new Builder();
  const start = into.state();
  into.start.push(start);
  switch (test.type) {
    case "one-of":
      for (const value of test.values) into.accepting.add(into.text(start, value));
      break;
    case "prefix": {
      const end = into.text(start, test.text);
      into.edge(end, end, any);
      into.accepting.add(end);
      break;
    }
    case "suffix":
      into.edge(start, start, any);
      into.accepting.add(into.text(start, test.text));
  }
  return into.build(false);
};

/** The shortest text of which all tests hold, where one is found. */
export const shortestOf = (tests: readonly TextTest[], work: Work): string | undefined => {
  const machines = tests.map(testMachine).filter((machine) => machine !== undefined);
  if (machines.length < tests.length) return undefined;
  const found = findWord(machines, [], false, work);
  return found.type === "word" ? found.word : undefined;
};

interface Asked {
  readonly test: TextTest;
  readonly holds: boolean;
}

/** Of a text that is known, the narrow and the broad reading are one. */
const askedOf = (wanted: readonly Wanted[]): readonly Asked[] | undefined => {
  const byTest = new Map<string, Asked>();
  for (const { atom, holds } of wanted) {
    if (atom.leaf.type !== "text") continue;
    const key = identityOf(atom.leaf);
    const known = byTest.get(key);
    if (known !== undefined && known.holds !== holds) return undefined;
    byTest.set(key, { test: atom.leaf.test, holds });
  }
  return [...byTest.values()];
};

const meets = (asked: readonly Asked[], text: string): boolean =>
  asked.every(({ test, holds }) => (textTruth(test, text) === yes) === holds);

const known = (spec: ArgumentSpec, wanted: readonly Wanted[], work: Work): Found => {
  const asked = askedOf(wanted);
  if (asked === undefined) return { type: "none" };
  const choices = spec.type === "text" ? spec.choices : undefined;
  if (choices !== undefined) {
    const word = choices.find((choice) => meets(asked, choice));
    return word === undefined ? { type: "none" } : { type: "word", word };
  }
  const sides = [true, false].map((side) =>
    asked
      .filter(({ holds }) => holds === side)
      .map(({ test }) => testMachine(test))
      .filter((machine) => machine !== undefined),
  );
  const found = findWord(sides[0] ?? [], sides[1] ?? [], false, work);
  if (found.type !== "word") return found;
  return meets(asked, found.word) ? found : { type: "unknown" };
};

export const textPossible = (spec: ArgumentSpec, wanted: readonly Wanted[], work: Work): Found => {
  const found = known(spec, wanted, work);
  if (found.type !== "none") return found;
  const free = spec.type === "text" && spec.choices === undefined;
  return free && wanted.every(({ atom, holds }) => holds !== atom.narrow)
    ? { type: "word", word: opaque }
    : found;
};
