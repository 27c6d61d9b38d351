/**
 * Checks a tool's arguments against the schema of its pinned definition. Properties that the schema
 * does not name are refused, unless it says that there may be others: what a server does not
 * document, nobody judged.
 *
 * Source: JSON Schema 2020-12 and draft 7, but dynamic references. References lead inside the schema
 * only. What this does not know is an annotation, as the specification says.
 *
 * A schema comes from a server, so it is hostile input: expressions run on a linear-time engine, and
 * the work is bounded by `schemaStepsMax` and `schemaDepthMax`.
 */
import { err, ok, type Result } from "@ioi/base";
import type { JsonValue } from "@ioi/wire";
import { RE2JS, RE2JSException } from "re2js";
import {
  regexCharsMax,
  regexInputCharsMax,
  regexWorkMax,
  schemaDepthMax,
  schemaStepsMax,
} from "../limits.ts";
import { hasFewRepeats, isWithinWork } from "../regex-work.ts";
import { didYouMean } from "../names.ts";
import { visible } from "../visible.ts";

type Fields = { readonly [key: string]: JsonValue };

const isFields = (value: JsonValue | undefined): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const own = (fields: Fields, key: string): JsonValue | undefined =>
  Object.hasOwn(fields, key) ? fields[key] : undefined;

/** They need what no other part of a schema shows. */
const unusableKeys: readonly string[] = ["$dynamicRef", "$recursiveRef", "$dynamicAnchor"];

/** Ends a check at once; never leaves this module. */
class Refused extends Error {}

interface Run {
  readonly root: JsonValue;
  steps: number;
}

const shown = (path: string): string => (path === "" ? "the arguments" : `"${visible(path)}"`);

const typeOf = (value: JsonValue): string =>
  value === null
    ? "null"
    : Array.isArray(value)
      ? "array"
      : typeof value === "number" && Number.isInteger(value)
        ? "integer"
        : typeof value;

const hasType = (value: JsonValue, wanted: string): boolean => {
  const type = typeOf(value);
  return type === wanted || (wanted === "number" && type === "integer");
};

/** Equal as JSON: keys in any order. */
const same = (a: JsonValue, b: JsonValue, run: Run): boolean => {
  step(run);
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    const other = b as readonly JsonValue[];
    return (
      a.length === other.length &&
      (a as readonly JsonValue[]).every((item, at) => same(item, other[at] as JsonValue, run))
    );
  }
  if (!isFields(a) || !isFields(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(
      (key) => Object.hasOwn(b, key) && same(a[key] as JsonValue, b[key] as JsonValue, run),
    )
  );
};

const step = (run: Run): void => {
  if (++run.steps > schemaStepsMax) throw new Refused("the tool's schema takes too long to check");
};

const unusable = (why: string): Refused =>
  new Refused(`the tool's definition cannot be used: ${why}`);

const resolve = (reference: string, run: Run): JsonValue => {
  if (reference !== "#" && !reference.startsWith("#/")) {
    throw unusable("a reference leads outside of it");
  }
  let found: JsonValue | undefined = run.root;
  for (const part of reference.split("/").slice(1)) {
    step(run);
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    found = isFields(found) ? own(found, key) : undefined;
  }
  if (found === undefined) throw unusable("a reference leads nowhere");
  return found;
};

const number = (schema: Fields, key: string): number | undefined => {
  const value = own(schema, key);
  if (value === undefined) return undefined;
  if (typeof value !== "number") throw unusable(`${key} is no number`);
  return value;
};

const list = (schema: Fields, key: string): readonly JsonValue[] | undefined => {
  const value = own(schema, key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw unusable(`${key} is no list`);
  return value as readonly JsonValue[];
};

const within = (
  schema: Fields,
  size: number,
  [least, most]: readonly [string, string],
  path: string,
): void => {
  const [min, max] = [number(schema, least), number(schema, most)];
  if (min !== undefined && size < min) throw new Refused(`${shown(path)} is below ${least} ${min}`);
  if (max !== undefined && size > max) throw new Refused(`${shown(path)} is above ${most} ${max}`);
};

/** In linear time, whatever a server wrote. */
const matches = (pattern: JsonValue, text: string, path: string): boolean => {
  if (typeof pattern !== "string" || pattern.length > regexCharsMax) throw unusable("a pattern");
  if (text.length > regexInputCharsMax) throw new Refused(`${shown(path)} is too long`);
  if (!hasFewRepeats(pattern)) throw unusable("a pattern repeats too much");
  try {
    const compiled = RE2JS.compile(pattern);
    if (!isWithinWork(compiled, text.length, regexWorkMax)) {
      throw new Refused(`${shown(path)} is too long for its pattern`);
    }
    return compiled.matcher(text).find();
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    throw unusable("a pattern cannot be read");
  }
};

const checkText = (schema: Fields, text: string, path: string): void => {
  within(schema, [...text].length, ["minLength", "maxLength"], path);
  const pattern = own(schema, "pattern");
  if (pattern !== undefined && !matches(pattern, text, path)) {
    throw new Refused(`${shown(path)} does not fit its pattern`);
  }
};

const checkNumber = (schema: Fields, value: number, path: string): void => {
  within(schema, value, ["minimum", "maximum"], path);
  // True in draft 4, where it says something of the bound beside it.
  const bound = (key: string): number | undefined =>
    typeof own(schema, key) === "boolean" ? undefined : number(schema, key);
  const [above, below] = [bound("exclusiveMinimum"), bound("exclusiveMaximum")];
  if ((above !== undefined && value <= above) || (below !== undefined && value >= below)) {
    throw new Refused(`${shown(path)} is out of bounds`);
  }
  const factor = number(schema, "multipleOf");
  if (factor === undefined) return;
  if (factor <= 0) throw unusable("multipleOf is not above 0");
  const times = value / factor;
  if (Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))) {
    throw new Refused(`${shown(path)} is no multiple of ${factor}`);
  }
};

const checkItems = (
  schema: Fields,
  items: readonly JsonValue[],
  run: Run,
  path: string,
  depth: number,
): void => {
  within(schema, items.length, ["minItems", "maxItems"], path);
  const given = own(schema, "items");
  // Before 2020-12 a list of items was what is a prefix now.
  const tuple = Array.isArray(given) ? (given as readonly JsonValue[]) : undefined;
  const prefix = tuple ?? list(schema, "prefixItems") ?? [];
  const rest = tuple === undefined ? given : own(schema, "additionalItems");
  items.forEach((item, at) => {
    const of = prefix[at] ?? rest;
    if (of !== undefined) check(of, item, run, `${path}[${at}]`, depth + 1);
  });
  const contains = own(schema, "contains");
  if (contains !== undefined) {
    const held = items.filter((item) => fits(contains, item, run, path, depth)).length;
    const bounds = { minContains: own(schema, "minContains") ?? 1, ...pick(schema, "maxContains") };
    within(bounds, held, ["minContains", "maxContains"], path);
  }
  const unique = own(schema, "uniqueItems") === true;
  if (unique && items.some((a, at) => items.slice(0, at).some((b) => same(a, b, run)))) {
    throw new Refused(`${shown(path)} holds one value twice`);
  }
};

const pick = (schema: Fields, key: string): Fields => {
  const value = own(schema, key);
  return value === undefined ? {} : { [key]: value };
};

const fieldsIn = (schema: Fields, key: string): Fields => {
  const value = own(schema, key);
  return isFields(value) ? value : {};
};

/** Names that a schema and what it is made of speak of. */
const namesIn = (schema: JsonValue, run: Run, depth: number): readonly string[] => {
  step(run);
  if (!isFields(schema) || depth > schemaDepthMax) return [];
  const properties = own(schema, "properties");
  const reference = own(schema, "$ref");
  const parts = ["allOf", "anyOf", "oneOf"].flatMap((key) => list(schema, key) ?? []);
  const single = ["if", "then", "else"].flatMap((key) => own(schema, key) ?? []);
  parts.push(...single, ...Object.values(fieldsIn(schema, "dependentSchemas")));
  return [
    ...(isFields(properties) ? Object.keys(properties) : []),
    ...(typeof reference === "string" ? namesIn(resolve(reference, run), run, depth + 1) : []),
    ...parts.flatMap((part) => namesIn(part, run, depth + 1)),
  ];
};

const refuseUnknown = (name: string, known: readonly string[], path: string): never => {
  const text = visible(name.slice(0, 80));
  const hint = didYouMean(name, known);
  throw new Refused(`unknown property "${text}" in ${shown(path)}${hint}`);
};

const checkFields = (
  schema: Fields,
  fields: Fields,
  run: Run,
  path: string,
  depth: number,
): void => {
  within(schema, Object.keys(fields).length, ["minProperties", "maxProperties"], path);
  for (const name of list(schema, "required") ?? []) {
    if (typeof name !== "string") throw unusable("required holds no names");
    if (!Object.hasOwn(fields, name)) throw new Refused(`${shown(path)} lacks "${visible(name)}"`);
  }
  const given = own(schema, "properties");
  const properties = isFields(given) ? given : {};
  const others = own(schema, "additionalProperties") ?? own(schema, "unevaluatedProperties");
  const names = own(schema, "propertyNames");
  const patterns = Object.entries(fieldsIn(schema, "patternProperties"));
  for (const [name, value] of Object.entries(fields)) {
    step(run);
    const inside = path === "" ? name : `${path}.${name}`;
    if (names !== undefined) check(names, name, run, inside, depth + 1);
    const of = own(properties, name);
    if (of !== undefined) check(of, value, run, inside, depth + 1);
    const fitting = patterns.filter(([pattern]) => matches(pattern, name, inside));
    for (const [, each] of fitting) check(each, value, run, inside, depth + 1);
    if (of !== undefined || fitting.length > 0) continue;
    if (others === false) refuseUnknown(name, Object.keys(properties), path);
    else if (isFields(others)) check(others, value, run, inside, depth + 1);
  }
};

/** What the presence of one property asks of the others. */
const checkDependents = (
  schema: Fields,
  fields: Fields,
  run: Run,
  path: string,
  depth: number,
): void => {
  for (const [name, needed] of Object.entries(fieldsIn(schema, "dependentRequired"))) {
    if (!Object.hasOwn(fields, name) || !Array.isArray(needed)) continue;
    const missing = (needed as readonly JsonValue[]).find(
      (each) => typeof each === "string" && !Object.hasOwn(fields, each),
    );
    if (missing !== undefined) throw new Refused(`${shown(path)} lacks ${JSON.stringify(missing)}`);
  }
  for (const [name, part] of Object.entries(fieldsIn(schema, "dependentSchemas"))) {
    if (Object.hasOwn(fields, name)) check(part, fields, run, path, depth + 1, true);
  }
};

/** Names that no schema of an object speaks of are refused where the whole is known. */
const checkKnown = (
  schema: Fields,
  fields: Fields,
  run: Run,
  path: string,
  depth: number,
): void => {
  const open = [own(schema, "additionalProperties"), own(schema, "unevaluatedProperties")];
  if (open.some((each) => each !== undefined && each !== false)) return;
  // Which names these allow was checked with them.
  if (Object.hasOwn(schema, "patternProperties")) return;
  const known = namesIn(schema, run, depth);
  // An object of which nothing at all is said is a map of whatever there is.
  if (known.length === 0 && own(schema, "properties") === undefined) return;
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined) refuseUnknown(unknown, known, path);
};

const fits = (
  schema: JsonValue,
  value: JsonValue,
  run: Run,
  path: string,
  depth: number,
): boolean => {
  try {
    check(schema, value, run, path, depth + 1, true);
    return true;
  } catch (error) {
    if (!(error instanceof Refused) || run.steps > schemaStepsMax) throw error;
    if (error.message.startsWith("the tool's definition")) throw error;
    return false;
  }
};

const checkParts = (
  schema: Fields,
  value: JsonValue,
  run: Run,
  path: string,
  depth: number,
): void => {
  const reference = own(schema, "$ref");
  if (reference !== undefined) {
    if (typeof reference !== "string") throw unusable("a reference is no text");
    check(resolve(reference, run), value, run, path, depth + 1, true);
  }
  for (const part of list(schema, "allOf") ?? []) check(part, value, run, path, depth + 1, true);
  for (const key of ["anyOf", "oneOf"] as const) {
    const parts = list(schema, key);
    if (parts === undefined) continue;
    const fitting = parts.filter((part) => fits(part, value, run, path, depth)).length;
    if (fitting === 0 || (key === "oneOf" && fitting > 1)) {
      throw new Refused(`${shown(path)} fits ${fitting} of the forms that it may have`);
    }
  }
  const condition = own(schema, "if");
  if (condition !== undefined) {
    const branch = own(schema, fits(condition, value, run, path, depth) ? "then" : "else");
    if (branch !== undefined) check(branch, value, run, path, depth + 1, true);
  }
  const not = own(schema, "not");
  if (not !== undefined && fits(not, value, run, path, depth)) {
    throw new Refused(`${shown(path)} is what it must not be`);
  }
};

const checkType = (schema: Fields, value: JsonValue, run: Run, path: string): void => {
  const type = own(schema, "type");
  const types = typeof type === "string" ? [type] : (list(schema, "type") ?? []);
  if (types.length > 0 && !types.some((each) => typeof each === "string" && hasType(value, each))) {
    throw new Refused(`${shown(path)} is ${typeOf(value)}, not ${visible(JSON.stringify(type))}`);
  }
  const constant = own(schema, "const");
  if (constant !== undefined && !same(constant, value, run)) {
    throw new Refused(`${shown(path)} is not the one value that it may have`);
  }
  const choices = list(schema, "enum");
  if (choices !== undefined && !choices.some((each) => same(each, value, run))) {
    throw new Refused(
      `${shown(path)} is none of ${visible(JSON.stringify(choices).slice(0, 200))}`,
    );
  }
};

/** `part`: of a whole whose other parts may name further properties. */
const check = (
  schema: JsonValue,
  value: JsonValue,
  run: Run,
  path: string,
  depth: number,
  part = false,
): void => {
  step(run);
  if (depth > schemaDepthMax) throw new Refused("the tool's schema is nested too deeply");
  if (schema === true) return;
  if (schema === false) throw new Refused(`${shown(path)} may not be there`);
  if (!isFields(schema)) throw unusable("a schema is neither an object nor true or false");
  const dynamic = unusableKeys.find((key) => Object.hasOwn(schema, key));
  if (dynamic !== undefined) throw unusable(`it uses "${dynamic}"`);
  checkType(schema, value, run, path);
  checkParts(schema, value, run, path, depth);
  if (typeof value === "string") checkText(schema, value, path);
  else if (typeof value === "number") checkNumber(schema, value, path);
  else if (Array.isArray(value)) {
    checkItems(schema, value as readonly JsonValue[], run, path, depth);
  } else if (isFields(value)) {
    checkFields(schema, value, run, path, depth);
    checkDependents(schema, value, run, path, depth);
    if (!part || isWhole(schema)) checkKnown(schema, value, run, path, depth);
  }
};

/** A part that names properties of its own and nothing beside it is a whole. */
const isWhole = (schema: Fields): boolean => own(schema, "additionalProperties") === false;

/** Why arguments do not fit the schema of a tool's definition; ok where they do. */
export const checkToolArguments = (
  schema: JsonValue,
  value: JsonValue,
): Result<undefined, string> => {
  if (!isFields(value)) return err("the arguments are no object");
  try {
    check(schema, value, { root: schema, steps: 0 }, "", 0);
    return ok(undefined);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return err(error.message);
  }
};
