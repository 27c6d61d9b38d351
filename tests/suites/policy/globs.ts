/** Globs by their recursive definition, on characters and on segments. */
import type { Situation } from "./model.ts";

/** `{a,b}` by trying each; nothing nested is generated. */
export const braces = (pattern: string): readonly string[] => {
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

export const parts = (path: string): readonly string[] =>
  path.split("/").filter((each) => each !== "");

export const startsWith = (
  path: readonly string[],
  head: readonly string[],
  fold: boolean,
): boolean =>
  head.every((each, at) =>
    fold ? each.toLowerCase() === path[at]?.toLowerCase() : each === path[at],
  );

/** A path and whether its mount folds case. */
export interface Spot {
  readonly path: string;
  readonly fold: boolean;
}

export const rootPath = (name: string, situation: Situation): string | undefined =>
  name === "~" ? situation.home : situation.roots.find((root) => root.name === name)?.path;

interface How {
  readonly nocase: boolean;
  readonly narrow: boolean;
  readonly literal?: "exact" | "below";
}

/** Whether names can follow the path until the pattern ends. */
const goesOn = (
  pattern: readonly string[],
  path: readonly string[],
  fold: boolean,
  dots: boolean,
): boolean => {
  const [head, ...rest] = pattern;
  const [first, ...others] = path;
  if (head === undefined) return false;
  if (first === undefined) return dots || pattern.every((each) => !each.startsWith("."));
  if (head === "**" && goesOn(rest, path, fold, dots)) return true;
  if (head === "**") return goesOn(pattern, others, fold, dots);
  return segmentFits(head, first, fold, false) && goesOn(rest, others, fold, dots);
};

/** Something below the spot may match; `dots`: also with a name that begins with one. */
export const mayFitBelow = (
  pattern: string,
  spot: Spot,
  situation: Situation,
  how: How,
  dots: boolean,
): boolean => {
  const [name = "", ...segments] = pattern.split("/");
  const root = rootPath(name.replace(":", ""), situation);
  const path = parts(spot.path);
  if (root === undefined || !startsWith(path, parts(root), spot.fold)) return false;
  const below = path.slice(parts(root).length);
  const fold = how.nocase || spot.fold;
  const rest = segments.join("/");
  if (how.literal === undefined) {
    return braces(rest).some((each) => goesOn(parts(each), below, fold, dots));
  }
  const wanted = [...parts(rest), ...(how.literal === "below" ? ["**"] : [])];
  const literal = wanted.map((each) => (each === "**" ? each : each.replace(/[*?[]/g, "[$&]")));
  return goesOn(literal, below, fold, dots);
};

/** `root:/rest` or `~/rest`, with `literal` for what holds no wildcard. */
export const fits = (pattern: string, spot: Spot, situation: Situation, how: How): boolean => {
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
