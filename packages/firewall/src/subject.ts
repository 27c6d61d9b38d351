/**
 * Reads an action for judging: every argument as its schema has it, every path looked at from every
 * root. What does not fit (an unknown argument, a path that is not canonical, a fact about nothing)
 * makes the action malformed, and a malformed action is denied.
 */
import { err, ok, type Result, toHex } from "@ioi/base";
import type { Action, CanonicalValue, Facts } from "@ioi/wire";
import {
  argvCharsMax,
  argvItemCharsMax,
  argvItemsMax,
  contentBytesMax,
  contentHeadCharsMax,
  restorePathsMax,
} from "./limits.ts";
import { readJson } from "./kinds/data.ts";
import { readAccount, readAmount } from "./kinds/money.ts";
import { readEmails, readHost } from "./kinds/names.ts";
import { readElement, readPoint } from "./kinds/screen.ts";
import { checkHeaders } from "./net/headers.ts";
import { parseCanonicalUrl } from "./net/url.ts";
import { pathComplaint } from "./paths.ts";
import { placeOf, type RootTable } from "./roots.ts";
import { type ArgumentSpec, takesWhole, type TargetSpec, targets } from "./targets.ts";
import { type ArgumentValue, isOpaque, type PathValue } from "./values.ts";

/** One path argument, with the name under which facts and asks speak of it. */
export interface PathArgument {
  /** The key of its facts: the argument, or `paths.0` of a list. */
  readonly key: string;
  readonly spec: ArgumentSpec & { readonly type: "path" | "paths" };
  readonly value: PathValue;
  readonly facts: Facts | undefined;
}

export interface Subject {
  readonly target: TargetSpec;
  readonly table: RootTable;
  readonly values: ReadonlyMap<string, ArgumentValue>;
  readonly paths: readonly PathArgument[];
  readonly argv: readonly string[] | undefined;
  readonly program: Facts | undefined;
}

type Read<T> = Result<T, string>;

/** Map keys come from outside: only own properties count. */
const own = <T>(map: { readonly [key: string]: T }, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;

const isMap = (value: CanonicalValue): value is { readonly [key: string]: CanonicalValue } =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array);

/** What is in a folder that an action takes whole; undefined where it takes none. */
const wholeOf = ({ target, facts }: Action): PathValue["whole"] => {
  const found = own(facts, "path");
  if (!takesWhole(target) || found?.kind !== "directory") return undefined;
  return found.dotNames === false ? "plain" : "dots";
};

const readPath = (
  key: string,
  text: CanonicalValue,
  facts: Facts | undefined,
  table: RootTable,
  whole: PathValue["whole"],
): Read<PathValue> => {
  if (typeof text !== "string") return err(`${key} is not a path`);
  const complaint = pathComplaint(text);
  if (complaint !== undefined) return err(`${key} is not canonical: ${complaint}`);
  if (text !== text.normalize("NFC")) return err(`${key} is not canonical: it is not in NFC`);
  const insensitive = facts?.caseInsensitive === true;
  const given = placeOf(text, insensitive, table);
  const opaque = isOpaque(text);
  const more = whole === undefined ? {} : { whole };
  if (facts === undefined) return ok({ type: "path", given, real: undefined, opaque, ...more });
  const wrong = pathComplaint(facts.realPath);
  if (wrong !== undefined) return err(`the real path of ${key} is not canonical: ${wrong}`);
  const real = facts.realPath === text ? given : placeOf(facts.realPath, insensitive, table);
  return ok({ type: "path", given, real, opaque, ...more });
};

const readArgv = (value: CanonicalValue): Read<readonly string[]> => {
  if (!Array.isArray(value) || value.length === 0 || value.length > argvItemsMax) {
    return err(`argv is not a list of 1 to ${argvItemsMax} arguments`);
  }
  let chars = 0;
  for (const item of value as readonly CanonicalValue[]) {
    if (typeof item !== "string" || item.length > argvItemCharsMax || item.includes("\0")) {
      return err("an argument of the program is not text, or too long, or holds NUL");
    }
    chars += item.length;
  }
  if (chars > argvCharsMax) return err("the program's arguments are too long");
  if (value[0] === "") return err("the program has no name");
  return ok(value as readonly string[]);
};

const readContent = (value: CanonicalValue): Read<ArgumentValue> => {
  if (!isMap(value) || Object.keys(value).length !== 3) return err("content is not a reference");
  const [hash, length, head] = ["sha256", "length", "head"].map((key) => own(value, key));
  const fits =
    hash instanceof Uint8Array &&
    hash.length === 32 &&
    typeof length === "number" &&
    length >= 0 &&
    length <= contentBytesMax &&
    typeof head === "string" &&
    head.length <= contentHeadCharsMax;
  return fits ? ok({ type: "content", bytes: length }) : err("content is not a reference");
};

const readUrl = (name: string, value: CanonicalValue): Read<ArgumentValue> => {
  const url = typeof value === "string" ? parseCanonicalUrl(value) : err("it is no text");
  return url.ok
    ? ok({ type: "url", url: url.value })
    : err(`${name} is not canonical: ${url.error}`);
};

const readHeaders = (
  { use }: ArgumentSpec & { readonly type: "headers" },
  value: CanonicalValue,
): Read<ArgumentValue> => {
  if (!isMap(value)) return err("headers are no map");
  const headers = checkHeaders(Object.entries(value), use);
  return headers.ok ? ok({ type: "headers", headers: headers.value }) : headers;
};

const named = <T>(
  name: string,
  read: Read<T>,
  make: (value: T) => ArgumentValue,
): Read<ArgumentValue> =>
  read.ok ? ok(make(read.value)) : err(`${name} is not canonical: ${read.error}`);

/** What the kinds of their own folder read; undefined for every other type. */
export const readKind = (
  spec: ArgumentSpec,
  value: CanonicalValue,
): Read<ArgumentValue> | undefined => {
  const { name } = spec;
  switch (spec.type) {
    case "content":
      return readContent(value);
    case "url":
      return readUrl(name, value);
    case "headers":
      return readHeaders(spec, value);
    case "host":
      return named(name, readHost(value), (url) => ({ type: "host", url }));
    case "emails":
      return named(name, readEmails(value), (items) => ({ type: "texts", items }));
    case "amount":
      return named(name, readAmount(value), (scaled) => ({ type: "amount", scaled }));
    case "account":
      return named(name, readAccount(value), (text) => ({ type: "text", text }));
    case "element":
      return named(name, readElement(value), (element) => ({ type: "element", element }));
    case "point":
      return named(name, readPoint(value), (point) => ({ type: "point", point }));
    case "json":
      return named(name, readJson(value), (json) => ({ type: "json", json }));
    case "bytes":
      return value instanceof Uint8Array && value.length === spec.length
        ? ok({ type: "text", text: toHex(value) })
        : err(`${name} is not ${spec.length} bytes`);
    default:
      return undefined;
  }
};

const readPlain = (spec: ArgumentSpec, value: CanonicalValue): Read<ArgumentValue> => {
  const kind = readKind(spec, value);
  if (kind !== undefined) return kind;
  if (spec.type === "integer") {
    return typeof value === "number" &&
      Number.isSafeInteger(value) &&
      value >= spec.min &&
      value <= spec.max
      ? ok({ type: "integer", value })
      : err(`${spec.name} is not an integer from ${spec.min} to ${spec.max}`);
  }
  if (spec.type !== "text") return err(`${spec.name} cannot be read`);
  const fits =
    typeof value === "string" &&
    value.length <= spec.charsMax &&
    (spec.choices === undefined || spec.choices.includes(value));
  return fits ? ok({ type: "text", text: value }) : err(`${spec.name} is not what it may be`);
};

/** Collects while reading; becomes the subject. */
interface Collected {
  readonly values: Map<string, ArgumentValue>;
  readonly paths: PathArgument[];
  argv: readonly string[] | undefined;
}

const readPaths = (
  spec: ArgumentSpec & { type: "path" | "paths" },
  value: CanonicalValue,
  action: Action,
  table: RootTable,
  into: Collected,
): string | undefined => {
  const many = spec.type === "paths";
  if (many && (!Array.isArray(value) || value.length === 0 || value.length > restorePathsMax)) {
    return `${spec.name} is not a list of 1 to ${restorePathsMax} paths`;
  }
  const items: PathValue[] = [];
  for (const [at, text] of (many ? (value as readonly CanonicalValue[]) : [value]).entries()) {
    const key = many ? `${spec.name}.${at}` : spec.name;
    const facts = own(action.facts, key);
    const read = readPath(key, text, facts, table, wholeOf(action));
    if (!read.ok) return read.error;
    items.push(read.value);
    into.paths.push({ key, spec, value: read.value, facts });
  }
  const first = items[0] as PathValue;
  into.values.set(spec.name, many ? { type: "paths", items } : first);
  return undefined;
};

const readArgument = (
  spec: ArgumentSpec,
  value: CanonicalValue,
  action: Action,
  table: RootTable,
  into: Collected,
): string | undefined => {
  if (spec.type === "path" || spec.type === "paths") {
    return readPaths(spec, value, action, table, into);
  }
  if (spec.type === "argv") {
    const argv = readArgv(value);
    if (!argv.ok) return argv.error;
    into.argv = argv.value;
    const program = own(action.facts, "program")?.realPath;
    into.values.set(spec.name, { type: "argv", argv: argv.value, program, implied: false });
    return undefined;
  }
  const read = readPlain(spec, value);
  if (!read.ok) return read.error;
  into.values.set(spec.name, read.value);
  return undefined;
};

/** Facts speak of arguments that are there, and of nothing else. */
const factsComplaint = (action: Action, collected: Collected): string | undefined => {
  for (const key of Object.keys(action.facts)) {
    const known =
      collected.paths.some((path) => path.key === key) ||
      (key === "program" && collected.argv !== undefined) ||
      // Where a server is reached: the Guardian compares it with what was confirmed.
      (key === "server" && action.target === "mcp::call");
    if (!known) return `facts about "${key.slice(0, 64)}", which the action does not have`;
  }
  const program = own(action.facts, "program");
  const wrong = program === undefined ? undefined : pathComplaint(program.realPath);
  return wrong === undefined ? undefined : `the program's real path is not canonical: ${wrong}`;
};

export const readSubject = (action: Action, table: RootTable): Read<Subject> => {
  if (action.version !== 1) return err("the action's version is not 1");
  const target = targets.get(action.target);
  if (target === undefined) return err(`there is no target "${action.target.slice(0, 64)}"`);
  const collected: Collected = { values: new Map(), paths: [], argv: undefined };
  const done = (): Subject => ({
    target,
    table,
    ...collected,
    program: own(action.facts, "program"),
  });
  for (const name of Object.keys(action.args)) {
    if (!target.arguments.some((spec) => spec.name === name)) {
      return err(`${target.name} has no argument "${name.slice(0, 64)}"`);
    }
  }
  for (const spec of target.arguments) {
    const value = own(action.args, spec.name);
    if (value === undefined) {
      if (spec.optional !== true) return err(`${target.name} lacks "${spec.name}"`);
      continue;
    }
    const complaint = readArgument(spec, value, action, table, collected);
    if (complaint !== undefined) return err(complaint);
  }
  const complaint = factsComplaint(action, collected);
  return complaint === undefined ? ok(done()) : err(complaint);
};
