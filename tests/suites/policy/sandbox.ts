/**
 * What refusals of files mean for a program, as a person would say it: a refusal of one place below a
 * folder can be kept by hiding it or by holding its changes back; any other refusal cannot, and then
 * a program that sees a folder that it speaks of asks. Shares nothing with the engine.
 */
import { braces, parts, rootPath, startsWith } from "./globs.ts";
import type { Policy, Rule, Situation, Test, Tier } from "./model.ts";

const pathArguments: Readonly<Record<string, readonly string[]>> = {
  "fs::stat": ["path"],
  "fs::list": ["path"],
  "fs::search": ["path"],
  "fs::read": ["path"],
  "fs::write": ["path"],
  "fs::mkdir": ["path"],
  "fs::copy": ["path", "to"],
  "fs::move": ["path", "to"],
  "fs::delete": ["path"],
};

const within = (path: string, folder: string): boolean =>
  startsWith(parts(path), parts(folder), false);

interface Place {
  readonly root: string;
  readonly names: readonly string[];
  readonly nocase: boolean;
  /** A wildcard stands in the way. */
  readonly loose: boolean;
}

/** The places that a condition lists; undefined where it is more than a list. */
const placesOf = (test: Test): readonly Place[] | undefined => {
  const keys = Object.keys(test);
  const [key] = keys;
  if (keys.length !== 1 || key === undefined) return undefined;
  if (key === "any") {
    const all = (test.any ?? []).map(placesOf);
    return all.some((each) => each === undefined) ? undefined : (all.flat() as readonly Place[]);
  }
  if (!["glob", "glob_nocase", "equals", "one_of", "prefix"].includes(key)) return undefined;
  const value = (test as Readonly<Record<string, unknown>>)[key];
  const literal = key !== "glob" && key !== "glob_nocase";
  return [value].flat().flatMap((pattern) => {
    const text = String(pattern);
    const root = text.startsWith("~") ? "~" : text.slice(0, text.indexOf(":"));
    const rest = text.slice(text.indexOf("/") + 1);
    return (literal ? [rest] : braces(rest)).map((each): Place => {
      const names = parts(each);
      // `a/**` and `a/**/**` are both the folder with all that is in it.
      const fixed = literal ? names : names.slice(0, names.findLastIndex((n) => n !== "**") + 1);
      const loose = !literal && fixed.some((name) => /[*?[]/.test(name));
      return { root, names: fixed, nocase: key === "glob_nocase", loose };
    });
  });
};

const roots = ({ roots: all }: Situation): readonly string[] => all.map(({ path }) => path);

const basesOf = (name: string, situation: Situation): readonly string[] => {
  if (name !== "scope") {
    const path = rootPath(name, situation);
    return path === undefined ? [] : [path];
  }
  return situation.roots.filter((root) => /^scope\d*$/.test(root.name)).map(({ path }) => path);
};

interface Kept {
  /** Something is hidden or held. */
  kept: boolean;
  /** A program could go round it somewhere. */
  loose: boolean;
}

const place = ({ root, names, nocase, loose }: Place, situation: Situation, found: Kept): void => {
  for (const base of basesOf(root, situation)) {
    const touched = roots(situation).filter((each) => within(each, base) || within(base, each));
    if (touched.length === 0) continue;
    if (loose || (nocase && names.some((name) => /\p{L}/u.test(name)))) {
      found.loose = true;
      continue;
    }
    const path = `/${[...parts(base), ...names].join("/")}`;
    if (roots(situation).some((each) => within(path, each) || within(each, path))) {
      found.kept = true;
    }
  }
};

const refusal = (rule: Rule, situation: Situation): Kept => {
  const found: Kept = { kept: false, loose: false };
  const mine = new Set(rule.target.flatMap((target) => pathArguments[target] ?? []));
  for (const target of rule.target) {
    for (const argument of pathArguments[target] ?? []) {
      const own = rule.where.get(argument);
      const others = [...rule.where.keys()].filter((name) => name !== argument);
      if (own === undefined && others.length === 1 && mine.has(others[0] ?? "")) continue;
      if (others.length > 0) {
        found.loose ||= situation.roots.length > 0;
        continue;
      }
      const places = own === undefined ? [] : placesOf(own);
      if (places === undefined) found.loose ||= situation.roots.length > 0;
      else if (own === undefined) found.kept ||= situation.roots.length > 0;
      else for (const each of places) place(each, situation, found);
    }
  }
  return found;
};

/** Rules that make a program ask, and whether its sandbox is another one than without a policy. */
export const sandboxOf = (
  policy: Policy,
  situation: Situation,
  nameOf: (tier: Tier, id: string) => string,
): { readonly asks: readonly string[]; readonly kept: boolean } => {
  const asks: string[] = [];
  let kept = false;
  for (const { tier, rules } of policy.sources) {
    for (const rule of rules) {
      if (rule.effect !== "deny" || rule.shadow === true) continue;
      const found = refusal(rule, situation);
      if (found.loose) asks.push(nameOf(tier, rule.id));
      kept ||= found.kept;
    }
  }
  return { asks, kept };
};
