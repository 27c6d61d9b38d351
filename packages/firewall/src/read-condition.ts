/**
 * Reads `where.<argument> = { ... }` into a predicate. What a condition may say depends on the type
 * of its argument; what a later driver would have to check (`contains_kind`, hosts, schemes) is
 * refused as not available rather than ignored.
 */
import type { ArgvPredicate, ProgramTest } from "./argv.ts";
import { contentKeys, readContentLeaf } from "./content/leaf.ts";
import { urlPredicate } from "./net/read-url.ts";
import { parseLiteral, parsePattern, type PathPattern } from "./glob.ts";
import {
  argvItemCharsMax,
  conditionDepthMax,
  conditionValuesMax,
  contentBytesMax,
  patternCharsMax,
} from "./limits.ts";
import { kindKeys, kindPredicate } from "./kinds/read-kinds.ts";
import { didYouMean } from "./names.ts";
import { normalisePath, pathComplaint } from "./paths.ts";
import {
  choiceOf,
  fieldsOf,
  flagOf,
  integerOf,
  listOf,
  type Reading,
  tableOf,
  textOf,
  wrongType,
} from "./policy-reader.ts";
import type { Predicate } from "./predicate.ts";
import { textTest } from "./read-text.ts";
import { homeRoot } from "./roots.ts";
import type { ArgumentSpec } from "./targets.ts";
import type { TomlEntry, TomlNode } from "./toml.ts";
import type { TextTest } from "./values.ts";

const combining = ["any", "not", "absent"] as const;

/** Keys by type of argument. */
export const keysOf: Readonly<Record<ArgumentSpec["type"], readonly string[]>> = {
  path: ["glob", "glob_nocase", "equals", "one_of", "prefix", ...combining],
  paths: ["glob", "glob_nocase", "equals", "one_of", "prefix", ...combining],
  text: ["equals", "one_of", "matches", "prefix", "suffix", ...combining],
  integer: ["equals", "one_of", "min", "max", ...combining],
  content: ["bytes_max", ...contentKeys, ...combining],
  url: ["host", "site", "scheme", "port", "path_glob", "address", "equals", "one_of", ...combining],
  headers: [...combining],
  json: [...contentKeys, ...combining],
  host: [...kindKeys.host, ...combining],
  emails: [...kindKeys.emails, ...combining],
  amount: [...kindKeys.amount, ...combining],
  account: [...kindKeys.account, ...combining],
  element: [...kindKeys.element, ...combining],
  point: [...kindKeys.point, ...combining],
  bytes: [...kindKeys.bytes, ...combining],
  argv: ["program", "first", "flags", "rest", "profile", ...combining],
};

/** Part of the language; checked by drivers that this version does not have. */
const later: readonly string[] = [
  "contains_kind",
  "scheme",
  "host",
  "port",
  "path_glob",
  "cidr",
  "origin",
];

const laterOf = (type: ArgumentSpec["type"]): readonly string[] =>
  type === "url"
    ? ["contains_kind", "cidr", "origin"]
    : type === "content" || type === "json"
      ? [...later, "glob", "prefix", "suffix"]
      : later;

const complainLater = (reading: Reading, key: string, at: TomlEntry["at"]): void => {
  const message = `the condition "${key}" is not available in this version`;
  reading.complaints.add("E_POLICY_NOT_AVAILABLE", message, at);
};

const checkRoot = (reading: Reading, node: TomlNode, pattern: PathPattern): boolean => {
  if (pattern.root === homeRoot || reading.roots.has(pattern.root)) return true;
  const message = `unknown workspace "${pattern.root}"${didYouMean(pattern.root, reading.roots)}`;
  reading.complaints.add("E_POLICY_UNKNOWN_ROOT", message, node.at);
  return false;
};

const patternOf = (
  reading: Reading,
  node: TomlNode,
  parse: (text: string) => ReturnType<typeof parsePattern>,
): PathPattern | undefined => {
  const text = textOf(reading, node, "a path pattern", patternCharsMax);
  if (text === undefined) return undefined;
  const pattern = parse(text);
  if (!pattern.ok) {
    const message = `the pattern ${JSON.stringify(text.slice(0, 200))}: ${pattern.error}`;
    reading.complaints.add("E_POLICY_PATTERN", message, node.at);
    return undefined;
  }
  return checkRoot(reading, node, pattern.value) ? pattern.value : undefined;
};

const pathPredicate = (reading: Reading, key: string, node: TomlNode): Predicate | undefined => {
  const list = listOf(reading, node, conditionValuesMax, key !== "one_of");
  if (list === undefined) return undefined;
  const globs = key === "glob" || key === "glob_nocase";
  const parse = globs
    ? parsePattern
    : (text: string): ReturnType<typeof parsePattern> => parseLiteral(text, key === "prefix");
  const patterns = list.map((item) => patternOf(reading, item, parse));
  if (patterns.some((pattern) => pattern === undefined)) return undefined;
  return {
    type: "path",
    patterns: patterns.filter((pattern) => pattern !== undefined),
    nocase: key === "glob_nocase",
  };
};

const integerPredicate = (reading: Reading, key: string, node: TomlNode): Predicate | undefined => {
  const max = Number.MAX_SAFE_INTEGER;
  if (key === "min" || key === "max") {
    const bound = integerOf(reading, node, 0, max);
    if (bound === undefined) return undefined;
    return {
      type: "integer",
      min: key === "min" ? bound : 0,
      max: key === "max" ? bound : max,
      values: undefined,
    };
  }
  const list = listOf(reading, node, conditionValuesMax, key === "equals");
  if (list === undefined) return undefined;
  const values = list.map((item) => integerOf(reading, item, 0, max));
  if (values.some((value) => value === undefined)) return undefined;
  return {
    type: "integer",
    min: 0,
    max,
    values: new Set(values.filter((value) => value !== undefined)),
  };
};

const programOf = (reading: Reading, node: TomlNode): ProgramTest | undefined => {
  const text = textOf(reading, node, "a program", patternCharsMax);
  if (text === undefined) return undefined;
  if (!text.startsWith("/")) {
    const pattern = patternOf(reading, node, parsePattern);
    return pattern === undefined ? undefined : { type: "pattern", pattern };
  }
  const folder = text.length > 1 && text.endsWith("/");
  const path = (folder ? text.slice(0, -1) : text).normalize("NFC");
  if (/[*?[\]{}]/.test(path) || pathComplaint(path) !== undefined || normalisePath(path) !== path) {
    const message =
      "expected a program as /usr/bin/git, a folder of programs as /usr/bin/, or root:/pattern";
    reading.complaints.add("E_POLICY_PATTERN", message, node.at);
    return undefined;
  }
  return folder ? { type: "below", folder: path } : { type: "exact", path };
};

const stringsOf = (reading: Reading, node: TomlNode): readonly string[] | undefined => {
  const list = listOf(reading, node, conditionValuesMax, true);
  const texts = list?.map((item) => textOf(reading, item, "an argument", argvItemCharsMax));
  return texts?.every((text) => text !== undefined)
    ? texts.filter((text) => text !== undefined)
    : undefined;
};

const restOf = (reading: Reading, node: TomlNode): readonly TextTest[] | undefined => {
  const table = tableOf(reading, node);
  if (table === undefined) return undefined;
  const tests: TextTest[] = [];
  const known = ["equals", "one_of", "matches", "prefix", "suffix"];
  for (const [key, entry] of fieldsOf(reading, table, known)) {
    if (!known.includes(key)) continue;
    const test = textTest(reading, key, entry.value);
    if (test !== undefined) tests.push(test);
  }
  if (table.entries.size > 0) return tests;
  reading.complaints.add("E_POLICY_VALUE", "an empty condition", node.at);
  return undefined;
};

const flagsOf = (reading: Reading, node: TomlNode): readonly string[] | undefined => {
  const flags = stringsOf(reading, node);
  const wrong = flags?.find((flag) => !flag.startsWith("-") || flag === "-");
  if (wrong === undefined) return flags;
  const message = `the flag ${JSON.stringify(wrong.slice(0, 80))} does not begin with -`;
  reading.complaints.add("E_POLICY_VALUE", message, node.at);
  return undefined;
};

const argvPredicate = (
  reading: Reading,
  fields: ReadonlyMap<string, TomlEntry>,
): Predicate | undefined => {
  const read = <T>(key: string, how: (node: TomlNode) => T | undefined): T | undefined => {
    const entry = fields.get(key);
    return entry === undefined ? undefined : how(entry.value);
  };
  const before = reading.complaints.count;
  const programs = read("program", (node) =>
    listOf(reading, node, conditionValuesMax, true)?.map((item) => programOf(reading, item)),
  );
  const first = read("first", (node) => stringsOf(reading, node));
  const predicate: ArgvPredicate = {
    program: (programs ?? []).filter((program) => program !== undefined),
    first: first === undefined ? undefined : new Set(first),
    flags: read("flags", (node) => flagsOf(reading, node)),
    rest: read("rest", (node) => restOf(reading, node)),
    profile: read("profile", (node) => choiceOf(reading, node, ["closed"])) === "closed",
  };
  return reading.complaints.count > before ? undefined : { type: "argv", ...predicate };
};

const notPredicate = (
  reading: Reading,
  spec: ArgumentSpec,
  node: TomlNode,
  depth: number,
): Predicate | undefined => {
  const of = readPredicate(reading, spec, node, depth + 1);
  return of === undefined ? undefined : { type: "not", of };
};

const anyPredicate = (
  reading: Reading,
  spec: ArgumentSpec,
  node: TomlNode,
  depth: number,
): Predicate | undefined => {
  const list = listOf(reading, node, conditionValuesMax);
  const of = list?.map((item) => readPredicate(reading, spec, item, depth + 1));
  return of?.every((each) => each !== undefined)
    ? { type: "any", of: of.filter((each) => each !== undefined) }
    : undefined;
};

const plainPredicate = (
  reading: Reading,
  spec: ArgumentSpec,
  key: string,
  node: TomlNode,
): Predicate | undefined => {
  switch (spec.type) {
    case "path":
    case "paths":
      return pathPredicate(reading, key, node);
    case "text": {
      const test = textTest(reading, key, node, spec.choices);
      return test === undefined ? undefined : { type: "text", test };
    }
    case "integer":
      return integerPredicate(reading, key, node);
    case "content": {
      if (key !== "bytes_max") {
        const leaf = readContentLeaf(reading, key, node);
        return leaf === undefined ? undefined : { type: "content", test: leaf };
      }
      const max = integerOf(reading, node, 0, contentBytesMax);
      return max === undefined ? undefined : { type: "bytes", max };
    }
    case "url":
      return urlPredicate(reading, key, node);
    case "host":
    case "emails":
    case "amount":
    case "account":
    case "element":
    case "point":
    case "bytes":
      return kindPredicate(reading, spec, key, node);
    case "json": {
      const leaf = readContentLeaf(reading, key, node);
      return leaf === undefined ? undefined : { type: "content", test: leaf };
    }
    case "headers":
    case "argv":
      return undefined;
  }
};

const isArgvKey = (key: string): boolean =>
  ["program", "first", "flags", "rest", "profile"].includes(key);

const absentPredicate = (
  reading: Reading,
  spec: ArgumentSpec,
  { at, value }: TomlEntry,
): Predicate | undefined => {
  const wanted = flagOf(reading, value);
  if (wanted === undefined) return undefined;
  if (spec.optional !== true) {
    const message = `the argument "${spec.name}" is never absent`;
    reading.complaints.add("E_POLICY_VALUE", message, at);
    return undefined;
  }
  return { type: "absent", wanted };
};

/** The predicate of one condition; undefined after a complaint. */
export const readPredicate = (
  reading: Reading,
  spec: ArgumentSpec,
  node: TomlNode,
  depth = 0,
): Predicate | undefined => {
  if (node.type !== "table") return wrongType(reading, node, 'a table as in { glob = "..." }');
  if (depth > conditionDepthMax) {
    reading.complaints.add("E_POLICY_TOO_LARGE", "conditions nested too deeply", node.at);
    return undefined;
  }
  if (node.entries.size === 0) {
    reading.complaints.add("E_POLICY_VALUE", "an empty condition", node.at);
    return undefined;
  }
  const before = reading.complaints.count;
  const known = keysOf[spec.type];
  const fields = fieldsOf(reading, node, known, laterOf(spec.type));
  const parts: (Predicate | undefined)[] = [];
  if (spec.type === "argv" && [...fields.keys()].some(isArgvKey)) {
    parts.push(argvPredicate(reading, fields));
  }
  for (const [key, entry] of fields) {
    if (!known.includes(key)) {
      if (laterOf(spec.type).includes(key)) complainLater(reading, key, entry.at);
    } else if (key === "not") parts.push(notPredicate(reading, spec, entry.value, depth));
    else if (key === "any") parts.push(anyPredicate(reading, spec, entry.value, depth));
    else if (key === "absent") parts.push(absentPredicate(reading, spec, entry));
    else if (!isArgvKey(key)) parts.push(plainPredicate(reading, spec, key, entry.value));
  }
  if (reading.complaints.count > before) return undefined;
  const of = parts.filter((part) => part !== undefined);
  return of.length === 1 ? of[0] : { type: "all", of };
};

/** Whether a predicate says where, rather than only where not. */
export const constrains = (predicate: Predicate): boolean => {
  switch (predicate.type) {
    case "all":
      return predicate.of.some(constrains);
    case "any":
      return predicate.of.every(constrains);
    case "not":
      return false;
    case "absent":
      return predicate.wanted;
    case "argv":
      return predicate.program.length > 0 || predicate.profile;
    case "url":
      return ["host", "site", "exact"].includes(predicate.test.type);
    default:
      return true;
  }
};
