/**
 * Path patterns: `root:/rest` and `~/rest`.
 *
 * Source: the design of the firewall, section 2. `*`, `?` and `[a-z]` never cross `/`; `**` stands
 * only as a whole segment, for any number of segments; `{a,b}` stands for both; there is no
 * negation and no escape (`[*]` is a star). Compared in NFC. Two readings: *narrow* (what allows),
 * in which a wildcard does not match a leading dot, and *broad* (what asks or denies), in which it
 * does.
 *
 * Invariants: matching takes time in the product of the lengths of pattern and path at worst, never
 * exponential. Bounds: `patternCharsMax`, `patternAlternativesMax`, `patternSegmentsMax`.
 */
import { err, ok, type Result } from "@ioi/base";
import { patternAlternativesMax, patternCharsMax, patternSegmentsMax } from "./limits.ts";
import { foldCase, hasControls } from "./paths.ts";

export type Token =
  | { readonly type: "char"; readonly char: string }
  | { readonly type: "one" }
  | { readonly type: "many" }
  | { readonly type: "class"; readonly ranges: readonly (readonly [number, number])[] };

export type Segment =
  | { readonly type: "deep" }
  | { readonly type: "any" }
  | { readonly type: "literal"; readonly text: string }
  | { readonly type: "affix"; readonly prefix: string; readonly suffix: string }
  | { readonly type: "tokens"; readonly tokens: readonly Token[] };

export interface Alternative {
  readonly exact: readonly Segment[];
  /** The same for text that went through `foldCase`. */
  readonly folded: readonly Segment[];
  readonly hasDeep: boolean;
  /** Segments that must be there: all but `**`. */
  readonly least: number;
  /** Text of the first segment, where it is literal: most paths fail there. */
  readonly head: string | undefined;
  readonly foldedHead: string | undefined;
}

const literalHead = ([first]: readonly Segment[]): string | undefined =>
  first?.type === "literal" ? first.text : undefined;

const alternativeOf = (exact: readonly Segment[], folded: readonly Segment[]): Alternative => {
  const least = exact.filter(({ type }) => type !== "deep").length;
  return {
    exact,
    folded,
    hasDeep: least < exact.length,
    least,
    head: literalHead(exact),
    foldedHead: literalHead(folded),
  };
};

export interface PathPattern {
  /** As written. */
  readonly text: string;
  /** A workspace, `scope`, or `~`. */
  readonly root: string;
  readonly alternatives: readonly Alternative[];
}

const complain = (message: string): { readonly ok: false; readonly error: string } => err(message);

/** Where a class that opens at `at` closes; -1 where it does not. */
const classEnd = (text: string, at: number): number => text.indexOf("]", at + 2);

/** The index after the brace that closes the one at `at`, and the parts between; -1 where none. */
const braceParts = (text: string, at: number): { end: number; parts: readonly string[] } => {
  const parts: string[] = [];
  let depth = 0;
  let from = at + 1;
  for (let i = at; i < text.length; i++) {
    const char = text[i];
    if (char === "[") {
      const end = classEnd(text, i);
      if (end < 0) return { end: -1, parts };
      i = end;
    } else if (char === "{") depth++;
    else if (char === "," && depth === 1) {
      parts.push(text.slice(from, i));
      from = i + 1;
    } else if (char === "}" && --depth === 0) {
      parts.push(text.slice(from, i));
      return { end: i + 1, parts };
    }
  }
  return { end: -1, parts };
};

/** The plain patterns that `{a,b}` stands for. */
const expandBraces = (text: string): Result<readonly string[], string> => {
  let at = 0;
  while (at < text.length && text[at] !== "{") {
    if (text[at] === "}") return complain("a closing brace without an opening one");
    if (text[at] === "[") {
      const end = classEnd(text, at);
      if (end < 0) return complain("a class [ that does not close");
      at = end;
    }
    at++;
  }
  if (at >= text.length) return ok([text]);
  const { end, parts } = braceParts(text, at);
  if (end < 0) return complain("a brace that does not close");
  if (parts.length < 2) return complain("braces with fewer than two alternatives");
  const rest = expandBraces(text.slice(end));
  if (!rest.ok) return rest;
  const all: string[] = [];
  for (const part of parts) {
    const inner = expandBraces(part);
    if (!inner.ok) return inner;
    if (all.length + inner.value.length * rest.value.length > patternAlternativesMax) {
      return complain(`braces that stand for more than ${patternAlternativesMax} patterns`);
    }
    for (const head of inner.value) {
      for (const tail of rest.value) all.push(text.slice(0, at) + head + tail);
    }
  }
  return ok(all);
};

/** A class from its inside, as in `a-z0-9`. */
const parseClass = (inside: string): Result<Token, string> => {
  if (inside.startsWith("!") || inside.startsWith("^")) return complain("there is no negation");
  const points = Array.from(inside, (char) => char.codePointAt(0) as number);
  const ranges: [number, number][] = [];
  for (let i = 0; i < points.length;) {
    const from = points[i] as number;
    const isRange = points[i + 1] === 0x2d && i + 2 < points.length;
    const to = isRange ? (points[i + 2] as number) : from;
    if (to < from) return complain("a class whose range runs backwards");
    if (from <= 0x2f && to >= 0x2f) return complain("a class that would match a slash");
    ranges.push([from, to]);
    i += isRange ? 3 : 1;
  }
  return ok({ type: "class", ranges });
};

const tokensOf = (segment: string): Result<readonly Token[], string> => {
  const tokens: Token[] = [];
  const chars = Array.from(segment);
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string;
    if (char === "*") tokens.push({ type: "many" });
    else if (char === "?") tokens.push({ type: "one" });
    else if (char === "]") return complain("a closing bracket without an opening one");
    else if (char === "[") {
      const end = chars.indexOf("]", i + 2);
      if (end < 0) return complain("a class [ that does not close");
      const token = parseClass(chars.slice(i + 1, end).join(""));
      if (!token.ok) return token;
      tokens.push(token.value);
      i = end;
    } else tokens.push({ type: "char", char });
  }
  return ok(tokens);
};

const isChar = (token: Token): token is Token & { type: "char" } => token.type === "char";

const textOf = (tokens: readonly Token[]): string =>
  tokens.map((token) => (isChar(token) ? token.char : "")).join("");

/** The quickest matcher for a segment's tokens; `fold` maps its literal text. */
const segmentOf = (tokens: readonly Token[], fold: (text: string) => string): Segment => {
  if (tokens.every(isChar)) return { type: "literal", text: fold(textOf(tokens)) };
  const stars = tokens.filter(({ type }) => type === "many").length;
  if (stars === 1 && tokens.every((token) => isChar(token) || token.type === "many")) {
    if (tokens.length === 1) return { type: "any" };
    const at = tokens.findIndex(({ type }) => type === "many");
    const prefix = fold(textOf(tokens.slice(0, at)));
    return { type: "affix", prefix, suffix: fold(textOf(tokens.slice(at + 1))) };
  }
  return {
    type: "tokens",
    tokens: tokens.flatMap((token): readonly Token[] =>
      isChar(token)
        ? Array.from(fold(token.char), (char) => ({ type: "char" as const, char }))
        : [token],
    ),
  };
};

const same = (text: string): string => text;

const parseAlternative = (text: string): Result<Alternative, string> => {
  if (text === "") return ok(alternativeOf([], []));
  const parts = text.split("/");
  if (parts.length > patternSegmentsMax)
    return complain(`more than ${patternSegmentsMax} segments`);
  const exact: Segment[] = [];
  const folded: Segment[] = [];
  for (const part of parts) {
    if (part === "") return complain("an empty segment");
    if (part === "." || part === "..") return complain(`the segment ${part}`);
    if (part === "**") {
      // Two in a row mean what one means.
      if (exact.at(-1)?.type === "deep") continue;
      exact.push({ type: "deep" });
      folded.push({ type: "deep" });
      continue;
    }
    if (part.includes("**")) return complain("** that is not a whole segment");
    const tokens = tokensOf(part);
    if (!tokens.ok) return tokens;
    exact.push(segmentOf(tokens.value, same));
    folded.push(segmentOf(tokens.value, foldCase));
  }
  return ok(alternativeOf(exact, folded));
};

/** Splits `root:/rest` and `~/rest`. */
const splitRoot = (text: string): Result<{ root: string; rest: string }, string> => {
  if (text.length > patternCharsMax) return complain(`more than ${patternCharsMax} characters`);
  if (hasControls(text) || !text.isWellFormed()) return complain("a control character");
  const home = /^~(?:\/(.*))?$/s.exec(text);
  if (home !== null) return ok({ root: "~", rest: home[1] ?? "" });
  const named = /^([a-z][a-z0-9_-]*):\/(.*)$/s.exec(text);
  if (named !== null) return ok({ root: named[1] as string, rest: named[2] as string });
  return complain("a bare pattern; write root:/rest or ~/rest");
};

export const parsePattern = (given: string): Result<PathPattern, string> => {
  const text = given.normalize("NFC");
  const split = splitRoot(text);
  if (!split.ok) return split;
  const { root, rest } = split.value;
  if (rest.includes("\\")) return complain("a backslash; a star as it is is [*]");
  const plain = expandBraces(rest);
  if (!plain.ok) return plain;
  const alternatives: Alternative[] = [];
  for (const each of plain.value) {
    const alternative = parseAlternative(each);
    if (!alternative.ok) return alternative;
    alternatives.push(alternative.value);
  }
  return ok({ text, root, alternatives });
};

/** The pattern that is one path (and, with `below`, all that is under it); no wildcards. */
export const parseLiteral = (given: string, below = false): Result<PathPattern, string> => {
  const text = given.normalize("NFC");
  const split = splitRoot(text);
  if (!split.ok) return split;
  const { root, rest } = split.value;
  const parts = rest === "" ? [] : rest.split("/");
  if (parts.length > patternSegmentsMax)
    return complain(`more than ${patternSegmentsMax} segments`);
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return complain("an empty segment, . or ..");
  }
  const deep: readonly Segment[] = below ? [{ type: "deep" }] : [];
  const literal = (fold: (part: string) => string): readonly Segment[] => [
    ...parts.map((part): Segment => ({ type: "literal", text: fold(part) })),
    ...deep,
  ];
  const alternative = alternativeOf(literal(same), literal(foldCase));
  return ok({ text: below ? `${text} and below` : text, root, alternatives: [alternative] });
};

const inClass = (ranges: readonly (readonly [number, number])[], char: string): boolean => {
  const point = char.codePointAt(0) as number;
  return ranges.some(([from, to]) => point >= from && point <= to);
};

export const matchesToken = (token: Token, char: string, folded: boolean): boolean => {
  if (token.type === "char") return token.char === char;
  if (token.type === "class") {
    return (
      inClass(token.ranges, char) ||
      (folded &&
        (inClass(token.ranges, char.toUpperCase()) || inClass(token.ranges, char.toLowerCase())))
    );
  }
  return true;
};

/** Greedy with one point of return, the last star: what an earlier star could take, it can. */
const matchTokens = (tokens: readonly Token[], text: string, folded: boolean): boolean => {
  const chars = Array.from(text);
  let at = 0;
  let token = 0;
  let starAt = -1;
  let starToken = -1;
  while (at < chars.length) {
    const current = tokens[token];
    if (current?.type === "many") {
      starToken = token++;
      starAt = at;
    } else if (current !== undefined && matchesToken(current, chars[at] as string, folded)) {
      at++;
      token++;
    } else if (starToken >= 0) {
      token = starToken + 1;
      at = ++starAt;
    } else return false;
  }
  while (tokens[token]?.type === "many") token++;
  return token === tokens.length;
};

const matchSegment = (
  segment: Segment,
  text: string,
  folded: boolean,
  narrow: boolean,
): boolean => {
  switch (segment.type) {
    case "literal":
      return segment.text === text;
    case "any":
    case "deep":
      return !(narrow && text.charCodeAt(0) === 0x2e);
    case "affix":
      return (
        text.length >= segment.prefix.length + segment.suffix.length &&
        text.startsWith(segment.prefix) &&
        text.endsWith(segment.suffix) &&
        !(narrow && segment.prefix === "" && text.charCodeAt(0) === 0x2e)
      );
    case "tokens":
      if (narrow && text.charCodeAt(0) === 0x2e && segment.tokens[0]?.type !== "char") return false;
      return matchTokens(segment.tokens, text, folded);
  }
};

/** As `matchTokens`, over segments. In the narrow reading `**` does not cross a leading dot. */
const matchSegments = (
  pattern: readonly Segment[],
  path: readonly string[],
  offset: number,
  folded: boolean,
  narrow: boolean,
): boolean => {
  let at = offset;
  let part = 0;
  let deepAt = -1;
  let deepPart = -1;
  while (at < path.length) {
    const current = pattern[part];
    if (current?.type === "deep") {
      deepPart = part++;
      deepAt = at;
    } else if (current !== undefined && matchSegment(current, path[at] as string, folded, narrow)) {
      at++;
      part++;
    } else if (deepPart >= 0) {
      if (narrow && (path[deepAt] as string).charCodeAt(0) === 0x2e) return false;
      part = deepPart + 1;
      at = ++deepAt;
    } else return false;
  }
  while (pattern[part]?.type === "deep") part++;
  return part === pattern.length;
};

/** Whether a name without a leading dot can fit; a class counts as one that can. */
const fitsUndotted = (segment: Segment): boolean => {
  switch (segment.type) {
    case "literal":
      return segment.text.charCodeAt(0) !== 0x2e;
    case "affix":
      return segment.prefix.charCodeAt(0) !== 0x2e;
    case "tokens": {
      const [first] = segment.tokens;
      return first?.type !== "char" || first.char !== ".";
    }
    default:
      return true;
  }
};

/**
 * Whether something below the path could match in the broad reading; without `dots` nothing below
 * begins with a dot.
 */
export const mayMatchBelow = (
  { alternatives }: PathPattern,
  path: readonly string[],
  offset: number,
  folded: boolean,
  dots: boolean,
): boolean =>
  alternatives.some((alternative) => {
    const pattern = folded ? alternative.folded : alternative.exact;
    const reach = (states: Set<number>, from: number): void => {
      for (let part = from; ; part++) {
        states.add(part);
        if (pattern[part]?.type !== "deep") return;
      }
    };
    let states = new Set<number>();
    reach(states, 0);
    for (const name of path.slice(offset)) {
      const next = new Set<number>();
      for (const part of states) {
        const segment = pattern[part];
        if (segment === undefined) continue;
        if (segment.type === "deep") reach(next, part);
        else if (matchSegment(segment, name, folded, false)) reach(next, part + 1);
      }
      states = next;
    }
    return [...states].some((part) => {
      const rest = pattern.slice(part);
      return rest.length > 0 && (dots || rest.every(fitsUndotted));
    });
  });

/**
 * Whether the segments of a path from `offset` on (those below the pattern's root) match. With
 * `folded` they went through `foldCase`.
 */
export const matchPattern = (
  { alternatives }: PathPattern,
  path: readonly string[],
  offset: number,
  folded: boolean,
  narrow: boolean,
): boolean => {
  const first = path[offset];
  const length = path.length - offset;
  for (const alternative of alternatives) {
    const { hasDeep, least } = alternative;
    if (hasDeep ? length < least : length !== least) continue;
    const head = folded ? alternative.foldedHead : alternative.head;
    if (head !== undefined && head !== first) continue;
    const pattern = folded ? alternative.folded : alternative.exact;
    if (matchSegments(pattern, path, offset, folded, narrow)) return true;
  }
  return false;
};
