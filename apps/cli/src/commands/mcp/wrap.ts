/**
 * A client's configuration with its servers behind the gate, and back. Pure: text in, text out.
 *
 * Invariants: wrapping twice changes nothing; what was wrapped is unwrapped to what it was, whatever
 * else has changed in the file; entries that are no commands stay as they are.
 */
import { err, ok, type Result } from "@ioi/base";
import {
  applyEdits,
  type FormattingOptions,
  modify,
  type ParseError,
  parse,
  printParseErrorCode,
} from "jsonc-parser";

export interface WrapOptions {
  readonly key: string;
  /** Absolute path of our program. */
  readonly program: string;
  /** Absolute. */
  readonly data: string;
}

export interface Wrapped {
  readonly text: string;
  readonly changed: readonly string[];
  /** Servers that stay as they are, each with why. */
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

interface Entry {
  readonly command?: unknown;
  readonly args?: unknown;
  readonly env?: unknown;
}

type Entries = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Entries =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === "string");

const readServers = (text: string, key: string): Result<Entries, string> => {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split("\n").length;
    return err(`line ${line}: ${printParseErrorCode(first.error)}`);
  }
  const servers = isRecord(value) ? value[key] : undefined;
  return ok(isRecord(servers) ? servers : {});
};

/** A name for the Guardian from a name for people. */
export const serverName = (name: string): string => {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "");
  return plain === "" ? "server" : plain.slice(0, 48);
};

/** Command, arguments and variables of an entry; Zed once had the first two in a table. */
const commandOf = (
  entry: unknown,
): { readonly argv: readonly string[]; readonly env: readonly string[] } | undefined => {
  if (!isRecord(entry)) return undefined;
  const { command, args = [], env = {} } = entry as Entry;
  if (typeof command !== "string" || command === "" || !isTexts(args) || !isRecord(env)) {
    return undefined;
  }
  return { argv: [command, ...args], env: Object.keys(env) };
};

const isOurs = (argv: readonly string[]): boolean =>
  /(?:^|\/)ioi$/.test(argv[0] ?? "") && argv[1] === "gate" && argv[2] === "mcp";

const unwrapped = (argv: readonly string[]): readonly string[] | undefined => {
  const at = argv.indexOf("--");
  return isOurs(argv) && at !== -1 && at + 1 < argv.length ? argv.slice(at + 1) : undefined;
};

const format = (text: string): FormattingOptions => {
  const indent = /\n([ \t]+)"/.exec(text)?.[1] ?? "  ";
  return {
    insertSpaces: !indent.includes("\t"),
    tabSize: indent.includes("\t") ? 4 : indent.length,
    eol: text.includes("\r\n") ? "\r\n" : "\n",
  };
};

const withCommand = (
  text: string,
  path: readonly string[],
  argv: readonly string[],
  hadArgs: boolean,
): string => {
  const formattingOptions = format(text);
  const [command, ...args] = argv;
  const first = modify(text, [...path, "command"], command, { formattingOptions });
  const named = applyEdits(text, first);
  const given = args.length === 0 && !hadArgs ? undefined : args;
  return applyEdits(named, modify(named, [...path, "args"], given, { formattingOptions }));
};

export const wrap = (text: string, options: WrapOptions): Result<Wrapped, string> => {
  const servers = readServers(text, options.key);
  if (!servers.ok) return servers;
  let now = text;
  const changed: string[] = [];
  const left: { name: string; why: string }[] = [];
  for (const [name, entry] of Object.entries(servers.value)) {
    const command = commandOf(entry);
    if (command === undefined) {
      const remote = isRecord(entry) && ("url" in entry || "serverUrl" in entry);
      left.push({ name, why: remote ? "it is reached over HTTP" : "it is no plain command" });
      continue;
    }
    if (isOurs(command.argv)) {
      left.push({ name, why: "it is behind the gate already" });
      continue;
    }
    const gate = [options.program, "gate", "mcp", "--data", options.data, "--name"];
    const env = command.env.flatMap((each) => ["--env", each]);
    const argv = [...gate, serverName(name), ...env, "--", ...command.argv];
    now = withCommand(now, [options.key, name], argv, true);
    changed.push(name);
  }
  return ok({ text: now, changed, left });
};

export const unwrap = (text: string, key: string): Result<Wrapped, string> => {
  const servers = readServers(text, key);
  if (!servers.ok) return servers;
  let now = text;
  const changed: string[] = [];
  for (const [name, entry] of Object.entries(servers.value)) {
    const argv = unwrapped(commandOf(entry)?.argv ?? []);
    if (argv === undefined) continue;
    now = withCommand(now, [key, name], argv, false);
    changed.push(name);
  }
  return ok({ text: now, changed, left: [] });
};

/** Whether two texts of a configuration say the same, however they are written. */
export const saysTheSame = (a: string, b: string): boolean => {
  const plain = (text: string): string => {
    const sorted = (_key: string, value: unknown): unknown =>
      isRecord(value)
        ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)))
        : value;
    const value: unknown = parse(text, [], { allowTrailingComma: true });
    // An empty list of arguments says what no list says.
    return JSON.stringify(value, sorted).replaceAll(',"args":[]', "").replaceAll('"args":[],', "");
  };
  return plain(a) === plain(b);
};
