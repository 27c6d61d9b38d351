/** Conditions of rules, one key at a time. */
import type { Action, Facts } from "@ioi/wire";
import { fits, mayFitBelow, type Spot } from "./globs.ts";
import type { ArgvTest, Rule, Situation, Test } from "./model.ts";
import { and, not, or, truth, type Truth } from "./truth.ts";

export interface World {
  readonly action: Action;
  readonly situation: Situation;
}

const given = (world: World, name: string): unknown => world.action.args[name];
const factsOf = (world: World, name: string): Facts | undefined => world.action.facts[name];

const howOf = (key: string, narrow: boolean) => ({
  nocase: key === "glob_nocase",
  narrow,
  ...(key === "equals" || key === "one_of" ? { literal: "exact" as const } : {}),
  ...(key === "prefix" ? { literal: "below" as const } : {}),
});

const pathHolds = (
  key: string,
  patterns: readonly string[],
  spot: Spot,
  world: World,
  narrow: boolean,
): boolean => patterns.some((pattern) => fits(pattern, spot, world.situation, howOf(key, narrow)));

/** A folder that goes with all that is in it, and whether dots may be in there. */
const folder = ({ action }: World): "no" | "plain" | "dots" => {
  const found = action.facts["path"];
  const whole = ["fs::copy", "fs::move", "fs::delete"].includes(action.target);
  if (!whole || found?.kind !== "directory") return "no";
  return found.dotNames === false ? "plain" : "dots";
};

/** One path of an argument: `factKey` tells where its facts are. */
const pathTruth = (
  key: string,
  patterns: readonly string[],
  text: string,
  factKey: string,
  world: World,
  narrow: boolean,
): Truth => {
  const facts = factsOf(world, factKey);
  const fold = facts?.caseInsensitive === true;
  if (/<[A-Z]+_[0-9]/.test(text)) return "U";
  const real: Truth =
    facts === undefined
      ? "U"
      : truth(pathHolds(key, patterns, { path: facts.realPath, fold }, world, narrow));
  const whole = folder(world);
  if (narrow) return real === "T" && whole === "dots" ? "U" : real;
  const spots = [text, facts?.realPath ?? text].map((path) => ({ path, fold }));
  const below =
    whole !== "no" &&
    spots.some((spot) =>
      patterns.some((pattern) =>
        mayFitBelow(pattern, spot, world.situation, howOf(key, false), whole === "dots"),
      ),
    );
  const said = truth(pathHolds(key, patterns, { path: text, fold }, world, narrow));
  return or(or(real, said), below ? "U" : "F");
};

const regex = (source: string): RegExp => new RegExp(`^(?:${source})$`, "u");

const textTruth = (key: string, wanted: unknown, text: string): Truth => {
  if (/<[A-Z]+_[0-9]/.test(text)) return "U";
  if (key === "matches") return truth(regex(String(wanted)).test(text));
  if (key === "prefix") return truth(text.startsWith(String(wanted)));
  if (key === "suffix") return truth(text.endsWith(String(wanted)));
  return truth((Array.isArray(wanted) ? wanted : [wanted]).includes(text));
};

const programHolds = (test: string, path: string, world: World, narrow: boolean): boolean => {
  if (!test.startsWith("/")) {
    return fits(test, { path, fold: false }, world.situation, { nocase: false, narrow });
  }
  return test.endsWith("/") ? path.startsWith(test) : path === test;
};

const programTruth = (
  tests: readonly string[] | undefined,
  argv: readonly string[],
  real: string | undefined,
  impliedName: boolean,
  world: World,
  narrow: boolean,
): Truth => {
  if (tests === undefined) return "T";
  const atReal =
    real !== undefined && tests.some((test) => programHolds(test, real, world, narrow));
  if (narrow) return real === undefined ? "U" : truth(atReal);
  if (atReal) return "T";
  const name = argv[0] as string;
  const called = tests.some((test) =>
    name.startsWith("/")
      ? programHolds(test, name, world, false)
      : test.startsWith("/") &&
        !test.endsWith("/") &&
        test.split("/").at(-1) === name.split("/").at(-1),
  );
  if (called) return impliedName ? "U" : "T";
  return real === undefined && !impliedName ? "U" : "F";
};

const restHolds = (rest: ArgvTest["rest"], text: string): Truth => {
  if (rest === undefined) return "F";
  let all: Truth = "T";
  for (const [key, wanted] of Object.entries(rest)) all = and(all, textTruth(key, wanted, text));
  return all;
};

const flagLike = (text: string): boolean => text.startsWith("-") && text !== "-";

const closed = (test: ArgvTest, args: readonly string[]): Truth => {
  let all: Truth = "T";
  let after = false;
  args.forEach((text, at) => {
    let described: Truth;
    if (at === 0 && test.first !== undefined) described = truth(test.first.includes(text));
    else if (!after && flagLike(text)) {
      described = truth(test.flags?.includes(text) ?? false);
      if (text === "--") after = true;
    } else described = restHolds(test.rest, text);
    all = and(all, described);
  });
  return test.first !== undefined && args.length === 0 ? "F" : all;
};

const open = (test: ArgvTest, args: readonly string[]): Truth => {
  let all: Truth = "T";
  if (test.first !== undefined)
    all = and(all, truth(args.some((arg) => test.first?.includes(arg))));
  if (test.flags !== undefined) {
    const spelled = (flag: string, arg: string): boolean =>
      arg === flag ||
      (flag.startsWith("--")
        ? arg.startsWith(`${flag}=`)
        : !arg.startsWith("--") &&
          flagLike(arg) &&
          (flag.length === 2 ? arg.slice(1).includes(flag.slice(1)) : arg.startsWith(flag)));
    all = and(all, truth(test.flags.some((flag) => args.some((arg) => spelled(flag, arg)))));
  }
  if (test.rest !== undefined) {
    let some: Truth = "F";
    for (const arg of args) some = or(some, restHolds(test.rest, arg));
    all = and(all, some);
  }
  return all;
};

const argvKeys = ["program", "first", "flags", "rest", "profile"];

const argvTruth = (
  test: ArgvTest,
  world: World,
  narrow: boolean,
  implied?: readonly string[],
): Truth => {
  const argv = implied ?? (given(world, "argv") as readonly string[]);
  const real = implied === undefined ? factsOf(world, "program")?.realPath : undefined;
  const program = programTruth(test.program, argv, real, implied !== undefined, world, narrow);
  const args = argv.slice(1);
  if (program === "F") return "F";
  if (narrow && test.profile === "closed") return program;
  return and(program, narrow ? closed(test, args) : open(test, args));
};

const isPathKey = (name: string): boolean => ["path", "to", "paths", "cwd"].includes(name);

/** The truth of one key of a test. */
const keyTruth = (
  name: string,
  key: string,
  wanted: unknown,
  world: World,
  narrow: boolean,
): Truth => {
  const value = given(world, name);
  if (isPathKey(name)) {
    const patterns = (Array.isArray(wanted) ? wanted : [wanted]) as readonly string[];
    if (!Array.isArray(value)) return pathTruth(key, patterns, String(value), name, world, narrow);
    return (value as readonly string[])
      .map((text, at) => pathTruth(key, patterns, text, `${name}.${at}`, world, narrow))
      .reduce(narrow ? and : or);
  }
  if (key === "bytes_max") {
    return truth((value as { readonly length: number }).length <= Number(wanted));
  }
  if (typeof value === "number") {
    if (key === "min") return truth(value >= Number(wanted));
    if (key === "max") return truth(value <= Number(wanted));
    return truth((Array.isArray(wanted) ? wanted : [wanted]).includes(value));
  }
  return textTruth(key, wanted, String(value));
};

const testTruth = (
  name: string,
  test: Test,
  world: World,
  narrow: boolean,
  implied?: readonly string[],
): Truth => {
  const missing = given(world, name) === undefined;
  let all: Truth = "T";
  const entries = Object.entries(test) as [string, unknown][];
  if (name === "argv" && entries.some(([key]) => argvKeys.includes(key))) {
    all = and(all, argvTruth(test, world, narrow, implied));
  }
  for (const [key, wanted] of entries) {
    if (argvKeys.includes(key) && name === "argv") continue;
    if (key === "absent") all = and(all, truth(missing === wanted));
    else if (key === "not") {
      all = and(all, missing ? "F" : not(testTruth(name, wanted as Test, world, !narrow, implied)));
    } else if (key === "any") {
      const each = (wanted as readonly Test[]).map((one) =>
        testTruth(name, one, world, narrow, implied),
      );
      all = and(all, each.reduce(or));
    } else all = and(all, missing ? "F" : keyTruth(name, key, wanted, world, narrow));
  }
  return all;
};

export const ruleTruth = (rule: Rule, world: World, implied?: readonly string[]): Truth => {
  let all: Truth = "T";
  for (const [name, test] of rule.where) {
    all = and(all, testTruth(name, test, world, rule.effect === "allow", implied));
  }
  return all;
};
