/**
 * Raw arguments of a tool, as a model or a planner gives them, become the canonical arguments that
 * the policy judges and the driver executes. One canonicaliser for each type of argument.
 *
 * Source: the design of the firewall, section 1. Invariants: unknown properties are refused; paths
 * come out absolute, lexically normal and in NFC; the working folder never comes from the
 * arguments; content travels apart and is committed to by hash. Bounds: `./limits.ts`.
 */
import { err, ok, type Rejection, type Result, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { type CanonicalValue, type JsonValue, parseJson } from "@ioi/wire";
import type { errors } from "./errors.ts";
import {
  argvCharsMax,
  argvItemCharsMax,
  argvItemsMax,
  contentBytesMax,
  restorePathsMax,
} from "./limits.ts";
import { contentRefOf } from "./content/reference.ts";
import { canonicalBytes, canonicalJson } from "./kinds/data.ts";
import { canonicalAccount, canonicalAmount } from "./kinds/money.ts";
import { canonicalEmails, canonicalHostOf } from "./kinds/names.ts";
import { canonicalElement, canonicalPoint } from "./kinds/screen.ts";
import { didYouMean } from "./names.ts";
import { checkHeaders } from "./net/headers.ts";
import { canonicalUrl, type UrlParser } from "./net/url.ts";
import { hasControls, lexicalSegments, pathComplaint } from "./paths.ts";
import { scopeRoot } from "./roots.ts";
import { type ArgumentSpec, type TargetSpec, targets } from "./targets.ts";
import type { Root } from "./types.ts";
import { visible } from "./visible.ts";

export { contentRefOf } from "./content/reference.ts";

/** Raw arguments: a record as JSON gives it; bytes may stand for content that is not text. */
export type RawValue =
  | JsonValue
  | undefined
  | Uint8Array
  | readonly RawValue[]
  | { readonly [name: string]: RawValue };

export interface CanonicaliseEnv {
  readonly roots: readonly Root[];
  /** Absolute path behind `~`. */
  readonly home: string;
  /** Where programs start; the scope where absent. */
  readonly cwd?: string;
  /** What the session supplies beside its folder: where its model is reached, and at what price. */
  readonly supplied?: { readonly [name: string]: RawValue };
  readonly hashing: Hashing;
  /** The platform's WHATWG parser. */
  readonly parseUrl: UrlParser;
  /** Also for targets without a driver: to see what a policy would say of them. */
  readonly undriven?: true;
}

export interface CanonicalArguments {
  readonly target: string;
  readonly args: { readonly [name: string]: CanonicalValue };
  /** What a ContentRef among the arguments commits to. */
  readonly content?: Uint8Array;
}

type Refusal = Rejection<keyof typeof errors>;
type Made<T> = Result<T, Refusal>;

const refuse = (code: Refusal["code"], message: string): { ok: false; error: Refusal } =>
  err({ code, message });

const mismatch = (target: string, message: string): { ok: false; error: Refusal } =>
  refuse("E_ARGUMENTS_SCHEMA", `${target}: ${message}`);

/** The folder in which relative paths begin. */
const baseOf = ({ roots, cwd }: CanonicaliseEnv): string | undefined =>
  cwd ?? roots.find(({ name }) => name === scopeRoot)?.path;

const shown = (text: string): string => `"${visible(text.slice(0, 120))}"`;

/** `root:/rest`, `~`, `~/rest`, `/rest` and `rest` as an absolute path, not yet normal. */
const absolutePath = (text: string, env: CanonicaliseEnv): Made<string> => {
  const named = /^([a-z][a-z0-9_-]*):\/(.*)$/s.exec(text);
  if (named !== null) {
    const root = env.roots.find(({ name }) => name === named[1]);
    if (root !== undefined) return ok(`${root.path}/${named[2]}`);
    const names = env.roots.map(({ name }) => name);
    const hint = didYouMean(named[1] as string, names);
    return refuse("E_ARGUMENT_ROOT", `there is no folder ${shown(named[1] as string)}${hint}`);
  }
  if (text.startsWith("/")) return ok(text);
  if (text === "~" || text.startsWith("~/")) return ok(`${env.home}/${text.slice(1)}`);
  if (text.startsWith("~")) {
    return refuse(
      "E_ARGUMENT_PATH",
      `${shown(text)}: homes of others are not looked up; a file is ./${shown(text)}`,
    );
  }
  const base = baseOf(env);
  return base === undefined
    ? refuse("E_ARGUMENT_NO_SCOPE", `${shown(text)} is relative, and the session has no folder`)
    : ok(`${base}/${text}`);
};

/** One raw path as the canonical path. */
export const canonicalPath = (given: string, env: CanonicaliseEnv): Made<string> => {
  if (given === "") return refuse("E_ARGUMENT_PATH", "an empty path");
  if (hasControls(given)) {
    return refuse("E_ARGUMENT_PATH", `${shown(given)} holds NUL or a control character`);
  }
  if (!given.isWellFormed()) return refuse("E_ARGUMENT_PATH", `${shown(given)} is not Unicode`);
  const absolute = absolutePath(given, env);
  if (!absolute.ok) return absolute;
  const path = `/${lexicalSegments(absolute.value).join("/")}`.normalize("NFC");
  const complaint = pathComplaint(path);
  return complaint === undefined
    ? ok(path)
    : refuse("E_ARGUMENT_PATH", `${shown(given)}: ${complaint}`);
};

const canonicalPaths = (
  spec: ArgumentSpec,
  value: RawValue,
  target: string,
  env: CanonicaliseEnv,
): Made<CanonicalValue> => {
  if (!Array.isArray(value) || value.length === 0 || value.length > restorePathsMax) {
    return mismatch(target, `"${spec.name}" is a list of 1 to ${restorePathsMax} paths`);
  }
  const paths: string[] = [];
  for (const item of value as readonly RawValue[]) {
    if (typeof item !== "string") return mismatch(target, `"${spec.name}" holds only paths`);
    const path = canonicalPath(item, env);
    if (!path.ok) return path;
    paths.push(path.value);
  }
  return ok(paths);
};

/** A program by name stays a name, looked up by the driver; one by path becomes absolute. */
const canonicalProgram = (given: string, env: CanonicaliseEnv): Made<string> => {
  if (given === "" || hasControls(given)) {
    return refuse("E_ARGUMENT_PATH", "the program has no name, or one with control characters");
  }
  const isPath = given.includes("/") || given === "~" || given === "." || given === "..";
  return isPath ? canonicalPath(given, env) : ok(given.normalize("NFC"));
};

const canonicalArgv = (
  value: RawValue,
  target: string,
  env: CanonicaliseEnv,
): Made<CanonicalValue> => {
  if (!Array.isArray(value) || value.length === 0 || value.length > argvItemsMax) {
    return mismatch(target, `"argv" is a list of 1 to ${argvItemsMax} texts, the program first`);
  }
  const texts: string[] = [];
  let chars = 0;
  for (const item of value as readonly RawValue[]) {
    if (typeof item !== "string") return mismatch(target, '"argv" holds only text');
    if (item.includes("\0") || !item.isWellFormed()) {
      return mismatch(target, "an argument of the program holds NUL or is not Unicode");
    }
    chars += item.length;
    if (item.length > argvItemCharsMax || chars > argvCharsMax) {
      return mismatch(target, "the program's arguments are too long");
    }
    texts.push(item);
  }
  const program = canonicalProgram(texts[0] as string, env);
  return program.ok ? ok([program.value, ...texts.slice(1)]) : program;
};

const canonicalContent = (value: RawValue, target: string): Made<Uint8Array> => {
  if (typeof value === "string" && !value.isWellFormed()) {
    return mismatch(target, '"content" is not Unicode');
  }
  const bytes = typeof value === "string" ? utf8Encode(value) : value;
  if (!(bytes instanceof Uint8Array)) return mismatch(target, '"content" is text');
  return bytes.length > contentBytesMax
    ? mismatch(target, `"content" has more than ${contentBytesMax} bytes`)
    : ok(bytes);
};

const canonicalPlain = (
  spec: ArgumentSpec,
  value: RawValue,
  target: string,
): Made<CanonicalValue> => {
  if (spec.type === "integer") {
    return typeof value === "number" &&
      Number.isSafeInteger(value) &&
      value >= spec.min &&
      value <= spec.max
      ? ok(value)
      : mismatch(target, `"${spec.name}" is an integer from ${spec.min} to ${spec.max}`);
  }
  if (spec.type !== "text" || typeof value !== "string") {
    return mismatch(target, `"${spec.name}" is text`);
  }
  if (spec.choices !== undefined && !spec.choices.includes(value)) {
    const hint = didYouMean(value, spec.choices);
    return mismatch(target, `"${spec.name}" is one of ${spec.choices.join(", ")}${hint}`);
  }
  if (value.length > spec.charsMax || hasControls(value) || !value.isWellFormed()) {
    const rule = `at most ${spec.charsMax} characters without control characters`;
    return mismatch(target, `"${spec.name}" is text of ${rule}`);
  }
  return ok(value.normalize("NFC"));
};

const isRecord = (value: RawValue): value is { readonly [name: string]: RawValue } =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array);

const entriesOf = (raw: RawValue): ReadonlyMap<string, RawValue> | undefined => {
  if (!isRecord(raw)) return undefined;
  return new Map(Object.entries(raw).filter(([, value]) => value !== undefined));
};

/** Values that a tool need not be given. */
const fallbacks: Readonly<Record<string, CanonicalValue>> = { "fs::write.create": "any" };

const fromSession = (
  spec: ArgumentSpec,
  target: string,
  env: CanonicaliseEnv,
): Made<CanonicalValue> => {
  if (spec.type !== "path") {
    const supplied = env.supplied?.[spec.name];
    return supplied === undefined
      ? refuse("E_ARGUMENT_NO_SCOPE", `the session supplies no "${spec.name}" for ${target}`)
      : canonicalArgument(spec, supplied, target, env);
  }
  const base = baseOf(env);
  return base === undefined
    ? refuse("E_ARGUMENT_NO_SCOPE", `"${spec.name}" is the session's folder, and it has none`)
    : canonicalPath(base, env);
};

const canonicalUrlArgument = (
  spec: ArgumentSpec,
  value: RawValue,
  target: string,
  { parseUrl }: CanonicaliseEnv,
): Made<CanonicalValue> => {
  if (typeof value !== "string") return mismatch(target, `"${spec.name}" is a URL`);
  const url = canonicalUrl(value, parseUrl);
  return url.ok ? ok(url.value.text) : refuse("E_ARGUMENT_URL", `${shown(value)}: ${url.error}`);
};

/** Names in small letters; two spellings of one name are two headers, and refused. */
const canonicalHeaders = (
  { name, use }: ArgumentSpec & { readonly type: "headers" },
  value: RawValue,
  target: string,
): Made<CanonicalValue> => {
  if (!isRecord(value)) return mismatch(target, `"${name}" is an object of texts by name`);
  const entries = Object.entries(value).map(
    ([each, text]) => [each.toLowerCase(), typeof text === "string" ? text.trim() : text] as const,
  );
  const headers = checkHeaders(entries, use);
  return headers.ok ? ok(headers.value) : mismatch(target, headers.error);
};

const kindOf = (
  spec: ArgumentSpec,
  value: RawValue,
  { parseUrl }: CanonicaliseEnv,
): Result<CanonicalValue, string> => {
  switch (spec.type) {
    case "host":
      return typeof value === "string" ? canonicalHostOf(value, parseUrl) : err("it is no text");
    case "emails":
      return canonicalEmails(value, parseUrl);
    case "amount":
      return canonicalAmount(value);
    case "account":
      return canonicalAccount(value);
    case "element":
      return canonicalElement(value);
    case "point":
      return canonicalPoint(value);
    case "json":
      return canonicalJson(value);
    case "bytes":
      return canonicalBytes(value, spec.length);
    default:
      return err("it cannot be read");
  }
};

const canonicalKind = (
  spec: ArgumentSpec,
  value: RawValue,
  target: string,
  env: CanonicaliseEnv,
): Made<CanonicalValue> => {
  const made = kindOf(spec, value, env);
  return made.ok ? made : mismatch(target, `"${spec.name}": ${made.error}`);
};

const canonicalArgument = (
  spec: ArgumentSpec,
  value: RawValue,
  target: string,
  env: CanonicaliseEnv,
): Made<CanonicalValue> => {
  switch (spec.type) {
    case "path":
      return typeof value === "string"
        ? canonicalPath(value, env)
        : mismatch(target, `"${spec.name}" is a path`);
    case "paths":
      return canonicalPaths(spec, value, target, env);
    case "argv":
      return canonicalArgv(value, target, env);
    case "url":
      return canonicalUrlArgument(spec, value, target, env);
    case "headers":
      return canonicalHeaders(spec, value, target);
    case "host":
    case "emails":
    case "amount":
    case "account":
    case "element":
    case "point":
    case "json":
    case "bytes":
      return canonicalKind(spec, value, target, env);
    default:
      return canonicalPlain(spec, value, target);
  }
};

const unknownArgument = (
  spec: TargetSpec,
  given: ReadonlyMap<string, RawValue>,
): { ok: false; error: Refusal } | undefined => {
  const known = spec.arguments.filter(({ fromSession: no }) => no !== true).map(({ name }) => name);
  for (const name of given.keys()) {
    if (known.includes(name)) continue;
    const hint = didYouMean(name, known);
    return mismatch(
      spec.name,
      `unknown argument ${shown(name)}${hint === "" ? "." : hint} It takes: ${known.join(", ")}`,
    );
  }
  return undefined;
};

/** The canonical arguments of a tool call. `raw` is a record, or JSON text of one. */
export const canonicalise = (
  target: string,
  raw: RawValue,
  env: CanonicaliseEnv,
): Made<CanonicalArguments> => {
  const spec = targets.get(target);
  if (spec === undefined) {
    const hint = didYouMean(target, targets.keys());
    return refuse("E_TOOL_UNKNOWN", `there is no target ${shown(target)}${hint}`);
  }
  if (spec.driver === undefined && env.undriven !== true) {
    return refuse("E_TARGET_NOT_AVAILABLE", `${target} has no driver in this version`);
  }
  let record = raw;
  if (typeof raw === "string") {
    const parsed = parseJson(raw);
    if (!parsed.ok) return refuse("E_ARGUMENTS_JSON", parsed.error.message);
    record = parsed.value;
  }
  const given = entriesOf(record);
  if (given === undefined) return mismatch(target, "the arguments are not an object");
  return unknownArgument(spec, given) ?? assembleArguments(spec, given, env);
};

const assembleArguments = (
  spec: TargetSpec,
  given: ReadonlyMap<string, RawValue>,
  env: CanonicaliseEnv,
): Made<CanonicalArguments> => {
  const args: Record<string, CanonicalValue> = {};
  let content: Uint8Array | undefined;
  for (const argument of spec.arguments) {
    const value = given.get(argument.name) ?? fallbacks[`${spec.name}.${argument.name}`];
    const supplied = argument.type === "path" || env.supplied?.[argument.name] !== undefined;
    if (argument.fromSession === true && argument.optional === true && !supplied) continue;
    if (argument.fromSession === true) {
      const made = fromSession(argument, spec.name, env);
      if (!made.ok) return made;
      args[argument.name] = made.value;
    } else if (value === undefined || value === null) {
      if (argument.optional !== true) return mismatch(spec.name, `"${argument.name}" is missing`);
    } else if (argument.type === "content") {
      const made = canonicalContent(value as RawValue, spec.name);
      if (!made.ok) return made;
      content = made.value;
      args[argument.name] = contentRefOf(content, env.hashing);
    } else {
      const made = canonicalArgument(argument, value as RawValue, spec.name, env);
      if (!made.ok) return made;
      args[argument.name] = made.value;
    }
  }
  return ok({ target: spec.name, args, ...(content === undefined ? {} : { content }) });
};
