/**
 * `match` and `not_match`: what a rule says of itself, checked whenever it is loaded. Roots stand
 * for folders of their own that no real path lies in, so that an example means the same everywhere;
 * paths of an example are taken as real and present.
 */
import { fromHex, type TextPosition, utf8Encode } from "@ioi/base";
import type { CanonicalValue } from "@ioi/wire";
import type { CompiledRule } from "./engine.ts";
import {
  argvItemCharsMax,
  argvItemsMax,
  patternCharsMax,
  restorePathsMax,
  ruleExamplesMax,
  urlCharsMax,
} from "./limits.ts";
import { didYouMean } from "./names.ts";
import { parseCanonicalUrl } from "./net/url.ts";
import { lexicalSegments, pathComplaint } from "./paths.ts";
import { readKind } from "./subject.ts";
import { integerOf, listOf, type Reading, tableOf, textOf } from "./policy-reader.ts";
import { predicateTruth } from "./predicate.ts";
import { homeRoot, placeOf, rootTable, type RootTable } from "./roots.ts";
import { argumentOf, type ArgumentSpec, type TargetSpec, targets as registry } from "./targets.ts";
import { toolCallOf, type ToolPolicy, toolValues } from "./tool-roles/call.ts";
import { isDerived } from "./tool-roles/conditions.ts";
import type { TomlNode } from "./toml.ts";
import { no, type Truth, truthAnd, yes } from "./truth.ts";
import type { Root } from "./types.ts";
import type { ArgumentValue, PathValue } from "./values.ts";

export interface Example {
  /** `match`: the rule must fire. */
  readonly fires: boolean;
  readonly target: string;
  /** Not resolved yet: the workspaces of all files must be known. */
  readonly arguments: ReadonlyMap<string, ExampleValue>;
  readonly at: TextPosition;
}

type ExampleValue =
  | { readonly type: "paths"; readonly texts: readonly string[]; readonly many: boolean }
  | { readonly type: "value"; readonly value: ArgumentValue };

/** TOML as the canonical value that it writes down; bytes are hexadecimal. */
const canonicalOfToml = (spec: ArgumentSpec, node: TomlNode): CanonicalValue => {
  switch (node.type) {
    case "table":
      return Object.fromEntries(
        [...node.entries].map(([key, { value }]) => [key, canonicalOfToml(spec, value)]),
      );
    case "array":
      return node.items.map((item) => canonicalOfToml(spec, item));
    case "integer":
      return spec.type === "amount" ? node.value.toString() : Number(node.value);
    case "float":
      return spec.type === "amount" ? node.text : Number(node.text.replaceAll("_", ""));
    case "time":
      return node.text;
    case "string":
      if (spec.type === "emails") return [node.value];
      return spec.type === "bytes" ? (fromHex(node.value) ?? null) : node.value;
    case "boolean":
      return node.value;
  }
};

const pathText = (reading: Reading, node: TomlNode): string | undefined => {
  const text = textOf(reading, node, "a path", patternCharsMax);
  if (text === undefined) return undefined;
  const named = /^([a-z][a-z0-9_-]*):\//.exec(text)?.[1];
  const root = named ?? (/^~(\/|$)/.test(text) ? homeRoot : undefined);
  const fits =
    root === undefined ? text.startsWith("/") : root === homeRoot || reading.roots.has(root);
  if (fits) return text;
  const message = `expected a path as root:/rest, ~/rest or /rest${named === undefined ? "" : didYouMean(named, reading.roots)}`;
  reading.complaints.add("E_POLICY_EXAMPLE", message, node.at);
  return undefined;
};

/** The value in its canonical form, as an action would have it. */
const kindExample = (
  reading: Reading,
  spec: ArgumentSpec,
  node: TomlNode,
): ExampleValue | undefined => {
  const value = readKind(spec, canonicalOfToml(spec, node));
  if (value?.ok === true) return { type: "value", value: value.value };
  const why = value === undefined ? `${spec.name} has no example` : value.error;
  reading.complaints.add("E_POLICY_EXAMPLE", why, node.at);
  return undefined;
};

const exampleValue = (
  reading: Reading,
  spec: ArgumentSpec,
  node: TomlNode,
): ExampleValue | undefined => {
  switch (spec.type) {
    case "path":
    case "paths": {
      const many = spec.type === "paths";
      const list = many ? listOf(reading, node, restorePathsMax, true) : [node];
      const texts = list?.map((item) => pathText(reading, item)) ?? [undefined];
      return texts.every((text) => text !== undefined)
        ? { type: "paths", texts: texts.filter((text) => text !== undefined), many }
        : undefined;
    }
    case "argv": {
      const list = listOf(reading, node, argvItemsMax);
      const argv = list?.map((item) => textOf(reading, item, "an argument", argvItemCharsMax));
      if (argv === undefined || argv.some((text) => text === undefined)) return undefined;
      const texts = argv.filter((text) => text !== undefined);
      const program = texts[0]?.startsWith("/") === true ? texts[0] : undefined;
      return { type: "value", value: { type: "argv", argv: texts, program, implied: false } };
    }
    case "text": {
      const text = textOf(reading, node, "text", spec.charsMax);
      return text === undefined ? undefined : { type: "value", value: { type: "text", text } };
    }
    case "url": {
      const text = textOf(reading, node, "a URL", urlCharsMax);
      if (text === undefined) return undefined;
      const url = parseCanonicalUrl(text);
      if (url.ok) return { type: "value", value: { type: "url", url: url.value } };
      reading.complaints.add("E_POLICY_EXAMPLE", `the URL is not canonical: ${url.error}`, node.at);
      return undefined;
    }
    case "headers": {
      const message = `an example names no ${spec.name}`;
      reading.complaints.add("E_POLICY_EXAMPLE", message, node.at);
      return undefined;
    }
    case "integer": {
      const value = integerOf(reading, node, spec.min, spec.max);
      return value === undefined ? undefined : { type: "value", value: { type: "integer", value } };
    }
    case "host":
    case "emails":
    case "amount":
    case "account":
    case "element":
    case "point":
    case "json":
    case "bytes":
      return kindExample(reading, spec, node);
    case "content": {
      const text = textOf(reading, node, "text", argvItemCharsMax);
      if (text === undefined) return undefined;
      return { type: "value", value: { type: "content", bytes: utf8Encode(text).length, text } };
    }
  }
};

const readExample = (
  reading: Reading,
  node: TomlNode,
  targets: readonly TargetSpec[],
  fires: boolean,
): Example | undefined => {
  const table = tableOf(reading, node);
  if (table === undefined) return undefined;
  const named = table.entries.get("target");
  const only = targets.length === 1 ? targets[0]?.name : undefined;
  const name =
    named === undefined ? only : textOf(reading, named.value, "a target", patternCharsMax);
  const target = targets.find((each) => each.name === name);
  if (target === undefined) {
    const why =
      name !== undefined && registry.has(name)
        ? `the rule is not about ${name}`
        : 'it needs the "target" of the rule';
    reading.complaints.add("E_POLICY_EXAMPLE", why, named?.value.at ?? table.at);
    return undefined;
  }
  const values = new Map<string, ExampleValue>();
  for (const [key, { at, value }] of table.entries) {
    if (key === "target") continue;
    const spec = argumentOf(target, key);
    if (spec === undefined) {
      const known = target.arguments.map((argument) => argument.name);
      const shown = JSON.stringify(key.slice(0, 80));
      const message = `${target.name} has no argument ${shown}${didYouMean(key, known)}`;
      reading.complaints.add("E_POLICY_ARGUMENT", message, at);
      continue;
    }
    const read = exampleValue(reading, spec, value);
    if (read !== undefined) values.set(key, read);
  }
  return { fires, target: target.name, arguments: values, at: table.at };
};

export const readExamples = (
  reading: Reading,
  node: TomlNode,
  targets: readonly TargetSpec[],
  fires: boolean,
): readonly Example[] => {
  const list = listOf(reading, node, ruleExamplesMax, true) ?? [];
  return list
    .map((item) => readExample(reading, item, targets, fires))
    .filter((example) => example !== undefined);
};

const standIn = (name: string): string => `/@${name}`;

/** Folders that stand for the roots: `scope` at /@scope and so on; the home at /@home. */
export const exampleTable = (workspaces: readonly Root[]): RootTable => {
  const home = standIn("home");
  return rootTable({
    session: "",
    agent: "",
    words: [],
    headless: true,
    productFolders: [],
    home,
    roots: [
      ...workspaces.map((root) => ({
        ...root,
        path: root.path.startsWith("/") ? root.path : `${home}${root.path.slice(1)}`,
      })),
      { name: "scope", path: standIn("scope"), access: "write" },
    ],
  });
};

/** `root:/rest`, `~/rest` or `/rest` as an absolute path. */
const resolve = (text: string, table: RootTable): string => {
  const named = /^([a-z][a-z0-9_-]*):\/(.*)$/s.exec(text);
  const name = named?.[1] ?? (text.startsWith("~") ? homeRoot : undefined);
  const base = table.roots.find((root) => root.name === name)?.path ?? "";
  const rest = named?.[2] ?? (name === homeRoot ? text.slice(1) : text);
  return `/${lexicalSegments(`${base}/${rest}`).join("/")}`;
};

const valueOf = (value: ExampleValue, table: RootTable): ArgumentValue | undefined => {
  if (value.type === "value") return value.value;
  const items: PathValue[] = [];
  for (const text of value.texts) {
    const path = resolve(text.normalize("NFC"), table);
    if (pathComplaint(path) !== undefined) return undefined;
    const place = placeOf(path, false, table);
    items.push({ type: "path", given: place, real: place, opaque: false });
  }
  return value.many ? { type: "paths", items } : items[0];
};

/** What conditions on a call of a tool see beside its arguments. */
const derivedValues = (
  { target, arguments: given }: Example,
  table: RootTable,
  tools: ToolPolicy,
): ReadonlyMap<string, ArgumentValue> | undefined => {
  const values = new Map<string, ArgumentValue>();
  for (const [name, each] of given) {
    const value = valueOf(each, table);
    if (value !== undefined) values.set(name, value);
  }
  const call = toolCallOf(tools, target, values);
  return call === undefined ? undefined : toolValues(call, tools.fields);
};

/** Why an example does not hold; undefined where it does. */
export const exampleComplaint = (
  rule: CompiledRule,
  example: Example,
  table: RootTable,
  tools: ToolPolicy,
): string | undefined => {
  let truth: Truth = yes;
  const derived = derivedValues(example, table, tools);
  for (const { argument, predicate } of rule.conditions) {
    if (derived !== undefined && isDerived(argument)) {
      const value = derived.get(argument);
      truth = truthAnd(truth, predicateTruth(predicate, value, table, rule.effect === "allow"));
      continue;
    }
    const given = example.arguments.get(argument);
    const spec = registry.get(example.target)?.arguments.find(({ name }) => name === argument);
    if (given === undefined && spec?.optional !== true) {
      return `the example lacks "${argument}", which the rule speaks of`;
    }
    const value = given === undefined ? undefined : valueOf(given, table);
    if (given !== undefined && value === undefined) return `"${argument}" is not a usable path`;
    truth = truthAnd(truth, predicateTruth(predicate, value, table, rule.effect === "allow"));
  }
  const fires = rule.effect === "allow" ? truth === yes : truth !== no;
  if (fires === example.fires) return undefined;
  return example.fires
    ? `rule "${rule.id}" does not fire on its own match`
    : `rule "${rule.id}" fires on its own not_match`;
};
