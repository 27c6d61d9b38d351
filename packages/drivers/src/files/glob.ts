/**
 * A glob on one file name: `*`, `?`, `[a-z]`, `{a,b}` (one level). Linear in the name for each
 * alternative: the matcher steps back to the last star only, never further.
 */

type Part =
  | { readonly type: "char"; readonly char: string }
  | { readonly type: "any" }
  | { readonly type: "star" }
  | {
      readonly type: "set";
      readonly ranges: readonly (readonly [string, string])[];
      readonly not: boolean;
    };

const alternativesMax = 64;

/** `a{b,c}d` as `abd`, `acd`; braces that do not close are plain characters. */
const alternatives = (pattern: string): readonly string[] => {
  const open = pattern.indexOf("{");
  const close = pattern.indexOf("}", open);
  if (open === -1 || close === -1) return [pattern];
  const head = pattern.slice(0, open);
  const choices = pattern.slice(open + 1, close).split(",");
  const tails = alternatives(pattern.slice(close + 1));
  return choices
    .flatMap((choice) => tails.map((tail) => head + choice + tail))
    .slice(0, alternativesMax);
};

const parseSet = (
  chars: readonly string[],
  from: number,
): { part: Part; next: number } | undefined => {
  let at = from + 1;
  const not = chars[at] === "!" || chars[at] === "^";
  if (not) at += 1;
  const ranges: [string, string][] = [];
  for (let first = true; at < chars.length; first = false) {
    const char = chars[at] as string;
    if (char === "]" && !first) return { part: { type: "set", ranges, not }, next: at + 1 };
    const end = chars[at + 2];
    if (chars[at + 1] === "-" && end !== undefined && end !== "]") {
      ranges.push([char, end]);
      at += 3;
    } else {
      ranges.push([char, char]);
      at += 1;
    }
  }
  return undefined;
};

const parse = (pattern: string): readonly Part[] => {
  const chars = [...pattern];
  const parts: Part[] = [];
  for (let at = 0; at < chars.length;) {
    const char = chars[at] as string;
    const set = char === "[" ? parseSet(chars, at) : undefined;
    if (set !== undefined) {
      parts.push(set.part);
      at = set.next;
      continue;
    }
    if (char === "*") {
      if (parts.at(-1)?.type !== "star") parts.push({ type: "star" });
    } else parts.push(char === "?" ? { type: "any" } : { type: "char", char });
    at += 1;
  }
  return parts;
};

const fits = (part: Part, char: string): boolean => {
  if (part.type === "any") return true;
  if (part.type === "char") return part.char === char;
  if (part.type === "star") return false;
  return part.ranges.some(([low, high]) => low <= char && char <= high) !== part.not;
};

const matches = (parts: readonly Part[], chars: readonly string[]): boolean => {
  let part = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  while (at < chars.length) {
    const current = parts[part];
    if (current?.type === "star") {
      star = part++;
      starAt = at;
    } else if (current !== undefined && fits(current, chars[at] as string)) {
      part += 1;
      at += 1;
    } else if (star !== -1) {
      part = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (parts[part]?.type === "star") part += 1;
  return part === parts.length;
};

export const globMatcher = (pattern: string): ((name: string) => boolean) => {
  const compiled = alternatives(pattern.normalize("NFC")).map(parse);
  return (name) => {
    const chars = [...name.normalize("NFC")];
    return compiled.some((parts) => matches(parts, chars));
  };
};
