/**
 * Conditions on the argument vector of a program.
 *
 * Read narrowly (an allow) the vector is closed: the program is one of those named, the first
 * argument one of `first` where that is given, every argument that begins with `-` is one of
 * `flags`, and every other one fits `rest`; an argument that nothing describes makes it false.
 * After `--` (itself one of `flags`) all arguments are `rest`. `profile = "closed"` says instead
 * that the sandbox judges: any argument may stand there.
 *
 * Read broadly (an ask or a deny) it is open, or else one more argument would get round it: the
 * program is one of those named, and of `first`, `flags` and `rest`, where given, at least one
 * argument fits each. Flags are found in all their spellings (`--flag=value`, `-abc`, `-ovalue`).
 */
import type { PathPattern } from "./glob.ts";
import { isWithin, lastName } from "./paths.ts";
import { placeOf, type RootTable } from "./roots.ts";
import { no, type Truth, truthAnd, truthOf, truthOr, unknown, yes } from "./truth.ts";
import { type ArgvValue, placeMatches, textTruth, type TextTest } from "./values.ts";

/** An absolute path, a folder (every program inside, `/usr/bin/`), or a pattern with a root. */
export type ProgramTest =
  | { readonly type: "exact"; readonly path: string }
  | { readonly type: "below"; readonly folder: string }
  | { readonly type: "pattern"; readonly pattern: PathPattern };

export interface ArgvPredicate {
  /** Empty: any. */
  readonly program: readonly ProgramTest[];
  readonly first: ReadonlySet<string> | undefined;
  readonly flags: readonly string[] | undefined;
  /** Every test must hold of an argument. */
  readonly rest: readonly TextTest[] | undefined;
  readonly profile: boolean;
}

const programMatches = (
  test: ProgramTest,
  path: string,
  table: RootTable,
  narrow: boolean,
): boolean => {
  if (test.type === "exact") return test.path === path;
  if (test.type === "below") return isWithin(path, test.folder);
  return placeMatches([test.pattern], placeOf(path, false, table), table, false, narrow);
};

/** The name without a folder that a test would run; undefined where it names many. */
const programName = (test: ProgramTest): string | undefined =>
  test.type === "exact" ? lastName(test.path) : undefined;

const programTruth = (
  tests: readonly ProgramTest[],
  value: ArgvValue,
  table: RootTable,
  narrow: boolean,
): Truth => {
  if (tests.length === 0) return yes;
  const { program } = value;
  const real =
    program !== undefined && tests.some((test) => programMatches(test, program, table, narrow));
  if (narrow) return program === undefined ? unknown : truthOf(real);
  if (real) return yes;
  const given = value.argv[0] ?? "";
  const named = given.startsWith("/")
    ? tests.some((test) => programMatches(test, given, table, narrow))
    : tests.some((test) => programName(test) === lastName(given));
  if (named) return value.implied ? unknown : yes;
  return program === undefined && !value.implied ? unknown : no;
};

const restTruth = (tests: readonly TextTest[] | undefined, text: string): Truth => {
  if (tests === undefined) return no;
  let truth: Truth = yes;
  for (const test of tests) truth = truthAnd(truth, textTruth(test, text));
  return truth;
};

/** `-` alone is an operand: standard input. */
const isFlag = (text: string): boolean => text.length > 1 && text.startsWith("-");

const closedTruth = (predicate: ArgvPredicate, args: readonly string[]): Truth => {
  let truth: Truth = yes;
  let from = 0;
  if (predicate.first !== undefined) {
    if (args[0] === undefined || !predicate.first.has(args[0])) return no;
    from = 1;
  }
  let operandsOnly = false;
  for (const text of args.slice(from)) {
    if (!operandsOnly && isFlag(text)) {
      if (predicate.flags?.includes(text) !== true) return no;
      operandsOnly = text === "--";
    } else truth = truthAnd(truth, restTruth(predicate.rest, text));
    if (truth === no) return no;
  }
  return truth;
};

const flagStands = (flag: string, text: string): boolean => {
  if (text === flag) return true;
  if (flag.startsWith("--")) return text.startsWith(`${flag}=`);
  if (!isFlag(flag)) return false;
  if (text.startsWith("--") || !isFlag(text)) return false;
  return flag.length === 2 ? text.includes(flag.charAt(1), 1) : text.startsWith(flag);
};

const openTruth = (predicate: ArgvPredicate, args: readonly string[]): Truth => {
  let truth: Truth = yes;
  const { first, flags, rest } = predicate;
  if (first !== undefined) truth = truthOf(args.some((text) => first.has(text)));
  if (flags !== undefined) {
    const stands = flags.some((flag) => args.some((text) => flagStands(flag, text)));
    truth = truthAnd(truth, truthOf(stands));
  }
  if (rest !== undefined) {
    let some: Truth = no;
    for (const text of args) some = truthOr(some, restTruth(rest, text));
    truth = truthAnd(truth, some);
  }
  return truth;
};

export const argvTruth = (
  predicate: ArgvPredicate,
  value: ArgvValue,
  table: RootTable,
  narrow: boolean,
): Truth => {
  const program = programTruth(predicate.program, value, table, narrow);
  if (program === no) return no;
  const args = value.argv.slice(1);
  if (narrow && predicate.profile) return program;
  return truthAnd(program, narrow ? closedTruth(predicate, args) : openTruth(predicate, args));
};
