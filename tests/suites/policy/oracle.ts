/**
 * The policy language again, as naively as it reads: three words for truth, globs by their recursive
 * definition, lists by loops, no index, no cache. It shares nothing with the engine and knows the
 * world only as far as the generator goes (names, scripts), so that both must agree.
 */
import type { Action, AskSource, Facts } from "@ioi/wire";
import type {
  Answer,
  ArgvTest,
  Effect,
  ModelGrant,
  Pair,
  Policy,
  Rule,
  Situation,
  Test,
  Tier,
} from "./model.ts";
import { guardedFolders, guardedNames, guardedTails, scripts } from "./world.ts";

type Truth = "T" | "F" | "U";
const and = (a: Truth, b: Truth): Truth =>
  a === "F" || b === "F" ? "F" : a === "U" || b === "U" ? "U" : "T";
const or = (a: Truth, b: Truth): Truth =>
  a === "T" || b === "T" ? "T" : a === "U" || b === "U" ? "U" : "F";
const not = (a: Truth): Truth => (a === "T" ? "F" : a === "F" ? "T" : "U");
const truth = (value: boolean): Truth => (value ? "T" : "F");

// --- Globs -------------------------------------------------------------------------------------

/** `{a,b}` by trying each; nothing nested is generated. */
const braces = (pattern: string): readonly string[] => {
  const found = /^(.*?)\{([^{}]*)\}(.*)$/.exec(pattern);
  if (found === null) return [pattern];
  const [, before = "", inside = "", after = ""] = found;
  return inside.split(",").flatMap((each) => braces(before + each + after));
};

const charIn = (inside: string, char: string): boolean => {
  const range = /^(.)-(.)(.*)$/.exec(inside);
  if (range !== null) {
    const [, from = "", to = "", rest = ""] = range;
    return (char >= from && char <= to) || (rest !== "" && charIn(rest, char));
  }
  return inside !== "" && (inside[0] === char || charIn(inside.slice(1), char));
};

/** Whether text matches a segment's pattern, from the first character of both. */
const wild = (pattern: string, text: string, fold: boolean): boolean => {
  if (pattern === "") return text === "";
  const head = pattern[0] as string;
  if (head === "*") {
    return (
      wild(pattern.slice(1), text, fold) || (text !== "" && wild(pattern, text.slice(1), fold))
    );
  }
  const char = text[0];
  if (char === undefined) return false;
  const rest = text.slice(1);
  if (head === "?") return wild(pattern.slice(1), rest, fold);
  if (head === "[") {
    const end = pattern.indexOf("]");
    const inside = pattern.slice(1, end);
    const fits =
      charIn(inside, char) ||
      (fold && (charIn(inside, char.toUpperCase()) || charIn(inside, char.toLowerCase())));
    return fits && wild(pattern.slice(end + 1), rest, fold);
  }
  const same = fold ? head.toLowerCase() === char.toLowerCase() : head === char;
  return same && wild(pattern.slice(1), rest, fold);
};

const segmentFits = (pattern: string, text: string, fold: boolean, narrow: boolean): boolean => {
  const opensWild = pattern.startsWith("*") || pattern.startsWith("?") || pattern.startsWith("[");
  if (narrow && opensWild && text.startsWith(".")) return false;
  return wild(pattern, text, fold);
};

const deep = (
  pattern: readonly string[],
  path: readonly string[],
  fold: boolean,
  narrow: boolean,
): boolean => {
  const [head, ...rest] = pattern;
  if (head === undefined) return path.length === 0;
  if (head === "**") {
    if (deep(rest, path, fold, narrow)) return true;
    const [first, ...others] = path;
    if (first === undefined || (narrow && first.startsWith("."))) return false;
    return deep(pattern, others, fold, narrow);
  }
  const [first, ...others] = path;
  return (
    first !== undefined &&
    segmentFits(head, first, fold, narrow) &&
    deep(rest, others, fold, narrow)
  );
};

const parts = (path: string): readonly string[] => path.split("/").filter((each) => each !== "");

const startsWith = (path: readonly string[], head: readonly string[], fold: boolean): boolean =>
  head.every((each, at) =>
    fold ? each.toLowerCase() === path[at]?.toLowerCase() : each === path[at],
  );

/** A path and whether its mount folds case. */
interface Spot {
  readonly path: string;
  readonly fold: boolean;
}

const rootPath = (name: string, situation: Situation): string | undefined =>
  name === "~" ? situation.home : situation.roots.find((root) => root.name === name)?.path;

/** `root:/rest` or `~/rest`, with `literal` for what holds no wildcard. */
const fits = (
  pattern: string,
  spot: Spot,
  situation: Situation,
  how: { readonly nocase: boolean; readonly narrow: boolean; readonly literal?: "exact" | "below" },
): boolean => {
  const home = pattern.startsWith("~");
  const name = home ? "~" : pattern.slice(0, pattern.indexOf(":"));
  const rest = home ? pattern.slice(2) : pattern.slice(pattern.indexOf(":/") + 2);
  const root = rootPath(name, situation);
  if (root === undefined) return false;
  const path = parts(spot.path);
  const head = parts(root);
  if (path.length < head.length || !startsWith(path, head, spot.fold)) return false;
  const below = path.slice(head.length);
  const fold = how.nocase || spot.fold;
  if (how.literal !== undefined) {
    const wanted = parts(rest);
    if (below.length < wanted.length || !startsWith(below, wanted, fold)) return false;
    const more = below.slice(wanted.length);
    if (how.literal === "exact") return more.length === 0;
    return !how.narrow || more.every((each) => !each.startsWith("."));
  }
  return braces(rest).some((each) => deep(parts(each), below, fold, how.narrow));
};

// --- Conditions --------------------------------------------------------------------------------

interface World {
  readonly action: Action;
  readonly situation: Situation;
}

const given = (world: World, name: string): unknown => world.action.args[name];
const factsOf = (world: World, name: string): Facts | undefined => world.action.facts[name];

const pathHolds = (
  key: string,
  patterns: readonly string[],
  spot: Spot,
  world: World,
  narrow: boolean,
): boolean =>
  patterns.some((pattern) =>
    fits(pattern, spot, world.situation, {
      nocase: key === "glob_nocase",
      narrow,
      ...(key === "equals" || key === "one_of" ? { literal: "exact" as const } : {}),
      ...(key === "prefix" ? { literal: "below" as const } : {}),
    }),
  );

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
  if (narrow) return real;
  return or(real, truth(pathHolds(key, patterns, { path: text, fold }, world, narrow)));
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

const ruleTruth = (rule: Rule, world: World, implied?: readonly string[]): Truth => {
  let all: Truth = "T";
  for (const [name, test] of rule.where) {
    all = and(all, testTruth(name, test, world, rule.effect === "allow", implied));
  }
  return all;
};

// --- The verdict -------------------------------------------------------------------------------

const changing = new Set([
  "fs::write",
  "fs::mkdir",
  "fs::copy",
  "fs::move",
  "fs::delete",
  "fs::restore",
]);
const known = new Set([...changing, "fs::stat", "fs::list", "fs::search", "fs::read", "sys::exec"]);

interface PathArgument {
  readonly key: string;
  readonly text: string;
  readonly facts: Facts | undefined;
  readonly use: "reads" | "writes" | "removes" | "works-in";
}

const useOf = (target: string, name: string): PathArgument["use"] => {
  if (target === "sys::exec") return "works-in";
  if (!changing.has(target)) return "reads";
  if (target === "fs::copy") return name === "to" ? "writes" : "reads";
  if (target === "fs::move") return name === "to" ? "writes" : "removes";
  return target === "fs::delete" ? "removes" : "writes";
};

const pathArguments = ({ action }: World): readonly PathArgument[] => {
  const all: PathArgument[] = [];
  for (const name of ["path", "to", "paths", "cwd"]) {
    const value = action.args[name];
    if (value === undefined) continue;
    const use = useOf(action.target, name);
    const list = Array.isArray(value) ? (value as readonly string[]) : [String(value)];
    list.forEach((text, at) => {
      const key = Array.isArray(value) ? `${name}.${at}` : name;
      all.push({ key, text, facts: action.facts[key], use });
    });
  }
  return all;
};

const within = (path: string, folder: string, fold: boolean): boolean =>
  parts(path).length >= parts(folder).length && startsWith(parts(path), parts(folder), fold);

const deepestRoot = (
  path: string,
  fold: boolean,
  situation: Situation,
): Situation["roots"][number] | undefined => {
  let best: Situation["roots"][number] | undefined;
  for (const root of situation.roots) {
    if (!within(path, root.path, fold)) continue;
    const deeper = best === undefined ? 1 : parts(root.path).length - parts(best.path).length;
    if (deeper > 0 || (deeper === 0 && root.access === "write")) best = root;
  }
  return best;
};

const builtins = (world: World): readonly string[] => {
  const { action, situation } = world;
  const { target } = action;
  const all = new Set<string>();
  for (const argument of pathArguments(world)) {
    const { text, facts, use } = argument;
    const fold = facts?.caseInsensitive === true;
    const real = facts?.realPath ?? text;
    const spots = [real, text];
    const changes = use === "writes" || use === "removes";
    const touches = (folder: string): boolean =>
      spots.some(
        (spot) =>
          within(spot, folder, fold) ||
          ((changes || target === "fs::copy") && within(folder, spot, fold)),
      );
    if (situation.productFolders.some(touches)) {
      all.add("builtin:product-folder");
      continue;
    }
    if (
      spots.some((spot) => /^\/(proc|sys|dev)(\/|$)/.test(spot) && !/^\/dev\/shm(\/|$)/.test(spot))
    ) {
      all.add("builtin:kernel-files");
      continue;
    }
    const root = deepestRoot(real, fold, situation);
    if (root === undefined) {
      all.add("builtin:outside-workspaces");
      continue;
    }
    const special = facts?.kind === "other";
    if (!changes) {
      if (special && use === "reads" && target !== "fs::stat") all.add("builtin:special-file");
      continue;
    }
    if (root.access === "read") {
      all.add("builtin:read-only");
      continue;
    }
    const holdsRoot = [...situation.roots.map((each) => each.path), situation.home].some((path) =>
      within(path, real, fold),
    );
    if (use === "removes" && holdsRoot) {
      all.add("builtin:workspace-root");
      continue;
    }
    if ((target === "fs::write" || target === "fs::copy") && facts?.exists === true) {
      if (special) all.add("builtin:special-file");
      else if (facts.kind === "file" && (facts.nlink ?? 1) > 1) all.add("builtin:hard-link");
    }
  }
  const argv = action.args["argv"] as readonly string[] | undefined;
  if (argv !== undefined) {
    const programs = [action.facts["program"]?.realPath, argv[0]].filter((path) =>
      path?.startsWith("/"),
    );
    const inProduct = programs.some((path) =>
      situation.productFolders.some((folder) => within(String(path), folder, false)),
    );
    if (inProduct) all.add("builtin:product-folder");
  }
  return [...all];
};

const guarded = (path: string): boolean => {
  const names = parts(path).map((name) => name.toLowerCase());
  const last = names.at(-1);
  if (last === undefined) return false;
  return (
    names.some((name) => guardedFolders.includes(name)) ||
    guardedNames.includes(last) ||
    guardedTails.some((tail) => {
      const wanted = tail.split("/");
      return names.some(
        (_, at) =>
          wanted.every((name, more) => names[at + more] === name) ||
          // The path ends on the way.
          (names.length - at < wanted.length &&
            names.slice(at).every((name, more) => wanted[more] === name)),
      );
    })
  );
};

const guardedKeys = (world: World): readonly string[] =>
  pathArguments(world)
    .filter(({ use }) => use === "writes" || use === "removes")
    .filter(({ text, facts }) => guarded(text) || (facts !== undefined && guarded(facts.realPath)))
    .map(({ key }) => key);

const unknownFacts = (world: World): readonly string[] => {
  const { action } = world;
  const all: string[] = [];
  for (const { key, facts, use } of pathArguments(world)) {
    const fills =
      use === "writes" && (action.target === "fs::write" || action.target === "fs::copy");
    if (facts === undefined) all.push(key);
    else if (fills && facts.exists) {
      const enough =
        facts.kind !== undefined && (facts.kind !== "file" || facts.nlink !== undefined);
      if (!enough) all.push(key);
    }
  }
  if (action.target === "sys::exec") {
    const program = action.facts["program"];
    if (program === undefined || !program.exists || program.sha256 === undefined)
      all.push("program");
  }
  return all;
};

interface Fired {
  readonly id: string;
  readonly effect: Effect;
  readonly tier: Tier;
  readonly truth: Truth;
}

const nameOf = (tier: Tier, id: string): string => (tier === "user" ? id : `${tier}/${id}`);

/** A redirect of a script as an action of its own, whose path is where it says. */
const redirectWorld = (world: World, path: string, writes: boolean): World => {
  const cwd = world.action.facts["cwd"]?.realPath ?? String(world.action.args["cwd"]);
  const stack: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${cwd}/${path}`).split("/")) {
    if (part === "..") stack.pop();
    else if (part !== "" && part !== ".") stack.push(part);
  }
  const full = `/${stack.join("/")}`;
  return {
    situation: world.situation,
    action: {
      version: 1,
      target: writes ? "fs::write" : "fs::read",
      args: { path: full },
      facts: { path: { realPath: full, exists: true } },
    },
  };
};

const firedRules = (policy: Policy, world: World): readonly Fired[] => {
  const argv = world.action.args["argv"] as readonly string[] | undefined;
  const script =
    argv === undefined
      ? undefined
      : scripts.find(({ argv: text }) => text.join("\0") === argv.join("\0"));
  const all: Fired[] = [];
  for (const source of policy.sources) {
    for (const rule of source.rules) {
      let truthNow: Truth = "F";
      if (rule.target.includes(world.action.target)) truthNow = ruleTruth(rule, world);
      if (rule.effect !== "allow" && script !== undefined) {
        if (rule.target.includes("sys::exec")) {
          for (const command of script.commands)
            truthNow = or(truthNow, ruleTruth(rule, world, command));
        }
        for (const { path, writes } of script.redirects) {
          const there = redirectWorld(world, path, writes);
          if (rule.target.includes(there.action.target))
            truthNow = or(truthNow, ruleTruth(rule, there));
        }
      }
      const fires = rule.effect === "allow" ? truthNow === "T" : truthNow !== "F";
      if (fires) {
        all.push({
          id: nameOf(source.tier, rule.id),
          effect: rule.effect,
          tier: source.tier,
          truth: truthNow,
        });
      }
    }
  }
  return all;
};

const show = ({ kind, id }: AskSource): string => `${kind} ${id}`;

const sizes = (world: World): boolean =>
  pathArguments(world).some(
    ({ use, facts }) =>
      (use === "writes" || use === "removes") &&
      facts?.exists === true &&
      (facts.size ?? 0) > 2 ** 31,
  );

/** What must be kept for undo, and whether it can be. */
const keeping = (world: World): { readonly wanted: string | undefined; readonly lost: boolean } => {
  const { action, situation } = world;
  if (action.target === "sys::exec") {
    return { wanted: "stage", lost: situation.unavailable.includes("stage") };
  }
  const wanted =
    changing.has(action.target) &&
    action.target !== "fs::mkdir" &&
    !(action.target === "fs::copy" && action.facts["to"]?.exists === false);
  if (!wanted) return { wanted: undefined, lost: false };
  return { wanted: "snapshot", lost: situation.unavailable.includes("snapshot") || sizes(world) };
};

const standing = (grant: ModelGrant, world: World, asks: readonly AskSource[]): boolean => {
  if (grant.session !== "s" || grant.target !== world.action.target) return false;
  if (grant.scope === "once" && !grant.sameAction) return false;
  const shown = grant.discharges.map(show);
  return grant.samePolicy || asks.every((ask) => shown.includes(show(ask)));
};

const malformed: Answer = {
  verdict: "deny",
  rules: ["builtin:malformed deny builtin true"],
  asks: [],
  discharged: [],
  grantsUsed: [],
  obligations: [],
  reversible: false,
};

const sorted = (list: readonly string[]): readonly string[] =>
  [...list].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

const isMalformed = ({ action }: World): boolean =>
  Object.values(action.args)
    .flat()
    .some(
      (value) =>
        typeof value === "string" && /(^|\/)\.\.?(\/|$)|\0/.test(value) && value.startsWith("/"),
    );

const dynamicScript = (world: World): boolean => {
  const argv = world.action.args["argv"] as readonly string[] | undefined;
  return scripts.some(({ argv: text, dynamic }) => dynamic && text.join("\0") === argv?.join("\0"));
};

const guardedRedirect = (world: World): boolean => {
  const argv = world.action.args["argv"] as readonly string[] | undefined;
  const script = scripts.find(({ argv: text }) => text.join("\0") === argv?.join("\0"));
  return (
    script?.redirects.some(
      ({ path, writes }) =>
        writes && guarded(String(redirectWorld(world, path, writes).action.args["path"])),
    ) ?? false
  );
};

const inScope = (world: World): boolean => {
  const scope = rootPath("scope", world.situation);
  return (
    scope !== undefined &&
    pathArguments(world).every(
      ({ facts }) =>
        facts !== undefined && within(facts.realPath, scope, facts.caseInsensitive === true),
    )
  );
};

const gatherAsks = (
  world: World,
  fired: readonly Fired[],
  lost: string | undefined,
): AskSource[] => {
  const asks: AskSource[] = [];
  for (const { id, effect } of fired) if (effect === "ask") asks.push({ kind: "rule", id });
  for (const id of new Set(world.situation.exceeded)) asks.push({ kind: "budget", id });
  for (const id of unknownFacts(world)) asks.push({ kind: "fact", id });
  for (const id of guardedKeys(world)) asks.push({ kind: "protected", id });
  if (guardedRedirect(world)) asks.push({ kind: "protected", id: "argv" });
  if (dynamicScript(world)) asks.push({ kind: "dynamic", id: "argv" });
  if (lost !== undefined) asks.push({ kind: "irreversible", id: lost });
  if (!fired.some(({ effect }) => effect === "allow"))
    asks.push({ kind: "default", id: "default" });
  return asks;
};

const answerGrants = (
  world: World,
  asks: readonly AskSource[],
): { left: AskSource[]; discharged: AskSource[]; used: string[] } => {
  const live = world.situation.grants.filter((grant) => standing(grant, world, asks));
  const left: AskSource[] = [];
  const discharged: AskSource[] = [];
  const used: string[] = [];
  for (const ask of asks) {
    const by = live.find(
      (grant) =>
        grant.discharges.map(show).includes(show(ask)) &&
        (grant.scope === "once" || ["rule", "default", "budget"].includes(ask.kind)),
    );
    if (by === undefined) left.push(ask);
    else {
      discharged.push(ask);
      if (!used.includes(by.id)) used.push(by.id);
    }
  }
  return { left, discharged, used };
};

const words = { T: "true", U: "unknown", F: "false" } as const;

export const oracle = (policy: Policy, { action, situation }: Pair): Answer => {
  const world: World = { action, situation };
  if (isMalformed(world)) return malformed;
  if (!known.has(action.target)) {
    const fired = firedRules(policy, world);
    return {
      ...malformed,
      rules: sorted([
        "builtin:not-available deny builtin true",
        ...fired.map(
          ({ id, effect, tier, truth: each }) => `${id} ${effect} ${tier} ${words[each]}`,
        ),
      ]),
    };
  }
  const fired = firedRules(policy, world);
  const denials = builtins(world);
  const { wanted, lost } = keeping(world);
  const reversible = !lost && guardedKeys(world).length === 0 && !guardedRedirect(world);
  let asks = gatherAsks(world, fired, lost ? wanted : undefined);
  const denyByDefault = policy.sources.some(({ verdict }) => verdict === "deny");
  const says = policy.sources
    .map((source) => source.reversible)
    .filter((each) => each !== undefined);
  const free =
    says.length > 0 &&
    says.every((each) => each) &&
    !denyByDefault &&
    reversible &&
    changing.has(action.target) &&
    asks.some(({ kind }) => kind === "default") &&
    inScope(world);
  if (free) asks = asks.filter(({ kind }) => kind !== "default");
  const { left, discharged, used } = answerGrants(world, asks);
  let verdict = "allow";
  if (left.length > 0) verdict = situation.headless ? "deny" : "ask";
  if (denyByDefault && left.some(({ kind }) => kind === "default")) verdict = "deny";
  if (denials.length > 0 || fired.some(({ effect }) => effect === "deny")) verdict = "deny";
  return {
    verdict,
    rules: sorted([
      ...denials.map((id) => `${id} deny builtin true`),
      ...fired.map(({ id, effect, tier, truth: each }) => `${id} ${effect} ${tier} ${words[each]}`),
      ...(free && verdict !== "deny" ? ["builtin:reversible allow builtin true"] : []),
    ]),
    asks: sorted(left.map(show)),
    discharged: sorted(discharged.map(show)),
    grantsUsed: sorted(used),
    obligations: wanted === undefined || lost ? [] : [wanted],
    reversible,
  };
};
