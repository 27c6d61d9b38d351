/**
 * What the policy's language offers at a place of the text: targets, arguments of the rule's targets,
 * keys of the table, values that are fixed. Line by line, without a parser: a text that is being
 * written is rarely whole. Pure; the words come from the loader itself.
 */
import { fields, list, text, texts } from "./fields.ts";

export interface WordArgument {
  readonly name: string;
  readonly type: string;
  readonly role: string;
  readonly what: string;
  readonly optional: boolean;
  readonly constrain: boolean;
}

export interface WordTarget {
  readonly name: string;
  readonly what: string;
  readonly performed: boolean;
  readonly arguments: readonly WordArgument[];
}

export interface Words {
  readonly targets: readonly WordTarget[];
  readonly groups: readonly string[];
  readonly conditions: ReadonlyMap<string, readonly string[]>;
  readonly keys: ReadonlyMap<string, readonly string[]>;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export interface Offer {
  readonly label: string;
  /** What is put in, where that is more than the label. */
  readonly insert?: string;
  readonly detail: string;
}

export interface Offers {
  /** Where what is being typed begins. */
  readonly from: number;
  readonly options: readonly Offer[];
}

const listsOf = (value: unknown): ReadonlyMap<string, readonly string[]> =>
  new Map(Object.entries(fields(value)).map(([name, each]) => [name, texts(each)]));

const nothing: Words = {
  targets: [],
  groups: [],
  conditions: new Map(),
  keys: new Map(),
  values: new Map(),
};

export const parseWords = (json: string): Words => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return nothing;
  }
  const found = fields(value);
  return {
    targets: list(found["targets"]).map((each) => ({
      name: text(each["name"]),
      what: text(each["what"]),
      performed: each["performed"] === true,
      arguments: list(each["arguments"]).map((argument) => ({
        name: text(argument["name"]),
        type: text(argument["type"]),
        role: text(argument["role"]),
        what: text(argument["what"]),
        optional: argument["optional"] === true,
        constrain: argument["constrain"] === true,
      })),
    })),
    groups: texts(found["groups"]),
    conditions: listsOf(found["conditions"]),
    keys: listsOf(found["keys"]),
    values: listsOf(found["values"]),
  };
};

const header = /^\s*\[\[?\s*([\w":.-]+(?:\s*\.\s*[\w":.-]+)*)\s*\]?\]?/;

/** The lines of the table that a place stands in, and its name. */
const tableAt = (
  lines: readonly string[],
  at: number,
): { readonly name: string; readonly lines: readonly string[] } => {
  let first = at;
  while (first >= 0 && !header.test(lines[first] ?? "")) first--;
  let last = at + 1;
  while (last < lines.length && !header.test(lines[last] ?? "")) last++;
  const name = first < 0 ? "" : (header.exec(lines[first] ?? "")?.[1] ?? "");
  return { name: name.replaceAll(/\s/g, ""), lines: lines.slice(Math.max(0, first), last) };
};

/** Tables that have a name of their own behind the dot. */
const named = ["workspace", "rate", "tool"];

const keysKey = (table: string): string =>
  named.find((each) => table.startsWith(`${each}.`)) ?? table;

/** Targets that the rule names, with what a group stands for. */
const targetsIn = (lines: readonly string[], words: Words): readonly WordTarget[] => {
  const listed = /^\s*target\s*=\s*\[?([^\]]*)/m.exec(lines.join("\n"))?.[1] ?? "";
  const names = [...listed.matchAll(/"([^"\n]*)"/g)].map(([, name = ""]) => name);
  return words.targets.filter(({ name }) =>
    names.some(
      (each) => each === name || (each.endsWith("::*") && name.startsWith(each.slice(0, -1))),
    ),
  );
};

/** Arguments that every one of the rule's targets has; those that must be named first. */
const argumentsIn = (lines: readonly string[], words: Words): readonly WordArgument[] => {
  const found = targetsIn(lines, words);
  const [first, ...more] = found;
  const shared = (first?.arguments ?? []).filter(({ name }) =>
    more.every((target) => target.arguments.some((each) => each.name === name)),
  );
  return [
    ...shared.filter(({ constrain }) => constrain),
    ...shared.filter(({ constrain }) => !constrain),
  ];
};

const targetOffers = ({ targets, groups }: Words): readonly Offer[] => [
  ...targets.map(({ name, what, performed }) => ({
    label: name,
    detail: performed ? what : `${what} (nothing performs it yet)`,
  })),
  ...groups.map((group) => ({ label: `${group}::*`, detail: `all of ${group}` })),
];

const keyOffers = (table: string, lines: readonly string[], words: Words): readonly Offer[] => {
  const there = new Set(
    lines.map((line) => /^\s*([\w-]+)\s*=/.exec(line)?.[1]).filter((key) => key !== undefined),
  );
  const keys = words.keys.get(keysKey(table)) ?? [];
  const own = keys
    .filter((key) => !there.has(key) && key !== "where")
    .map((key) => ({ label: key, insert: `${key} = `, detail: table === "" ? "table" : "key" }));
  const where = keys.includes("where")
    ? argumentsIn(lines, words).map(({ name, what, constrain }) => ({
        label: `where.${name}`,
        insert: `where.${name} = { `,
        detail: constrain ? `${what}; an allow must say where` : what,
      }))
    : [];
  return [...where, ...own];
};

const namedTables: ReadonlyMap<string, Offer> = new Map([
  ["workspace", { label: "[workspace.name]", detail: "a folder with a name" }],
  ["rate", { label: '[rate."fs::write"]', detail: "how often" }],
  ["tool", { label: '[tool."server"."name"]', detail: "what a tool of a server is for" }],
]);

const headerOffers = ({ keys }: Words): readonly Offer[] =>
  [...keys.keys()]
    .filter((name) => name !== "" && name !== "when")
    .map((name) => {
      if (name === "rule") return { label: "[[rule]]", detail: "a rule" };
      const known = namedTables.get(name);
      if (known !== undefined) return known;
      return { label: `[${name}]`, detail: "table" };
    });

/** In `where.path = { gl`: keys of a condition on that argument. */
const conditionOffers = (
  argument: string,
  lines: readonly string[],
  words: Words,
): readonly Offer[] => {
  const type = argumentsIn(lines, words).find(({ name }) => name === argument)?.type ?? "";
  return (words.conditions.get(type) ?? []).map((key) => ({
    label: key,
    insert: `${key} = `,
    detail: `of ${argument}`,
  }));
};

const wholeStrings = /"(?:[^"\\]|\\.)*"/g;

/** What was typed of a string that is not closed yet; undefined outside of one. */
const openString = (before: string): string | undefined => {
  const open = before.replaceAll(wholeStrings, (each) => "_".repeat(each.length)).indexOf('"');
  return open === -1 ? undefined : before.slice(open + 1);
};

/** Whether a place stands in the list of a rule's targets. */
const inTargets = (lines: readonly string[], row: number, before: string): boolean => {
  for (let at = row; at >= 0; at--) {
    const line = at === row ? before : (lines[at] ?? "");
    if (/^\s*target\s*=/.test(line)) {
      const rest = [...lines.slice(at, row), before].join("\n");
      return !rest.includes("]");
    }
    if (/^\s*[\w.-]+\s*=/.test(line) || header.test(line)) return false;
  }
  return false;
};

/** What may stand at a place; undefined where nothing is known of it. */
export const offersAt = (source: string, place: number, words: Words): Offers | undefined => {
  const lines = source.split("\n");
  const row = source.slice(0, place).split("\n").length - 1;
  const line = lines[row] ?? "";
  const column = place - source.lastIndexOf("\n", place - 1) - 1;
  const before = line.slice(0, column);
  if (/^\s*#/.test(before)) return undefined;
  const { name: table, lines: own } = tableAt(lines, row);
  const typed = openString(before);
  if (typed !== undefined) {
    if (!inTargets(lines, row, before)) return undefined;
    return { from: place - typed.length, options: targetOffers(words) };
  }
  const condition = /^\s*where\.([\w-]+)\s*=\s*\{(?:.*[,{])?\s*([\w-]*)$/.exec(before);
  if (condition !== null) {
    const [, argument = "", key = ""] = condition;
    return { from: place - key.length, options: conditionOffers(argument, own, words) };
  }
  const when = /^\s*when\s*=\s*\{(?:.*[,{])?\s*([\w-]*)$/.exec(before);
  if (when !== null) {
    const options = (words.keys.get("when") ?? []).map((key) => ({
      label: key,
      insert: `${key} = `,
      detail: "when it counts",
    }));
    return { from: place - (when[1] ?? "").length, options };
  }
  const value = /^\s*(?:.*[{,]\s*)?([\w-]+)\s*=\s*([\w-]*)$/.exec(before);
  if (value !== null) {
    const [, key = "", begun = ""] = value;
    const options = (words.values.get(key) ?? []).map((label) => ({ label, detail: key }));
    return options.length === 0 ? undefined : { from: place - begun.length, options };
  }
  if (/^\s*\[/.test(before)) {
    return { from: place - before.trimStart().length, options: headerOffers(words) };
  }
  const key = /^\s*([\w.-]*)$/.exec(before);
  if (key === null) return undefined;
  return { from: place - (key[1] ?? "").length, options: keyOffers(table, own, words) };
};

/** Where a line and a column, both from 1, stand in a text; the end of the word there. */
export const spanAt = (
  source: string,
  line: number,
  column: number,
): { readonly from: number; readonly to: number } => {
  const lines = source.split("\n");
  const row = Math.min(Math.max(1, line), lines.length) - 1;
  const start = lines.slice(0, row).reduce((sum, each) => sum + each.length + 1, 0);
  const own = lines[row] ?? "";
  const from = start + Math.min(Math.max(0, column - 1), own.length);
  const word = /^(?:"(?:[^"\\]|\\.)*"|[^\s,\]}]+)/.exec(source.slice(from, start + own.length));
  const to = from + (word?.[0].length ?? 0);
  return to > from ? { from, to } : { from: start, to: start + own.length };
};
