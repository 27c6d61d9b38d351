/**
 * `ioi policy test`: a file of actions, each with the verdict that a policy must give it.
 *
 * Everything happens in folders that stand for the workspaces; a path is there, a file, and where it
 * says, unless `real` names another place or `exists` says that it is not. Bounds: `fixturesMax`.
 */
import { err, ok, type Result } from "@ioi/base";
import type { Action, CanonicalValue, Facts } from "@ioi/wire";
import { canonicalise, type RawValue } from "../canonicalise.ts";
import { checkContents } from "../content/check.ts";
import { decide } from "../decide.ts";
import { sessionRoots } from "../diff/example.ts";
import { typedUrls } from "../grounding/words.ts";
import { fixturesMax, ruleTextCharsMax } from "../limits.ts";
import type { UrlParser } from "../net/url.ts";
import {
  choiceOf,
  Complaints,
  fieldsOf,
  flagOf,
  listOf,
  type Reading,
  tableOf,
  textOf,
  wrongType,
} from "../policy-reader.ts";
import { targets } from "../targets.ts";
import { type DecisionTime, daysSince1970 } from "../window.ts";
import { parseToml, type TomlEntry, type TomlNode, type TomlTable } from "../toml.ts";
import type { CompiledPolicy, Decision, DecisionContext, PolicyError, Verdict } from "../types.ts";

interface Fixture extends HandAction {
  readonly name: string;
  readonly verdict: Verdict;
  readonly line: number;
}

export interface FixtureResult {
  readonly name: string;
  readonly target: string;
  readonly expected: Verdict;
  /** What the policy says; `refused` where the arguments are no action at all. */
  readonly actual: Verdict | "refused";
  readonly ok: boolean;
  readonly reason: string;
  readonly line: number;
}

const keys = [
  "name",
  "target",
  "args",
  "verdict",
  "words",
  "headless",
  "real",
  "exists",
  "at",
] as const;

/** A moment as RFC 3339 has it; its offset is the local zone's. */
const readTime = (reading: Reading, node: TomlNode): DecisionTime | undefined => {
  const text = node.type === "time" ? node.text : textOf(reading, node, "a time", 64);
  if (text === undefined) return undefined;
  const found =
    /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (found === null) {
    const message = "expected a time as in 2026-01-05T10:00:00+01:00";
    reading.complaints.add("E_POLICY_VALUE", message, node.at);
    return undefined;
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found
    .slice(1, 7)
    .map(Number);
  const zone = /^([+-])(\d\d):(\d\d)$/.exec(found[7] ?? "");
  const ahead = Number(zone?.[2] ?? 0) * 60 + Number(zone?.[3] ?? 0);
  const offset = zone?.[1] === "-" ? -ahead : ahead;
  const minutes = (daysSince1970(year, month, day) * 24 + hour) * 60 + minute - offset;
  return { nowMs: (minutes * 60 + second) * 1000, localOffsetMinutes: offset };
};

/** TOML as the JSON that a tool call would be. */
const rawOf = (node: TomlNode): RawValue => {
  switch (node.type) {
    case "table":
      return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, rawOf(value)]));
    case "array":
      return node.items.map(rawOf);
    case "integer":
      return Number(node.value);
    case "float":
    case "time":
      return node.text;
    default:
      return node.value;
  }
};

const textsOf = (reading: Reading, node: TomlNode): readonly string[] =>
  (listOf(reading, node, fixturesMax, true) ?? [])
    .map((item) => textOf(reading, item, "text", ruleTextCharsMax))
    .filter((text) => text !== undefined);

const readReal = (reading: Reading, entry: TomlEntry | undefined): ReadonlyMap<string, string> => {
  const table = entry === undefined ? undefined : tableOf(reading, entry.value);
  return new Map(
    [...(table?.entries ?? [])].map(([key, { value }]) => [
      key,
      textOf(reading, value, "a path", ruleTextCharsMax) ?? "",
    ]),
  );
};

const readFixture = (reading: Reading, table: TomlTable): Fixture | undefined => {
  const fields = fieldsOf(reading, table, keys);
  const need = <T>(key: string, how: (node: TomlNode) => T | undefined): T | undefined => {
    const entry = fields.get(key);
    if (entry !== undefined) return how(entry.value);
    reading.complaints.add("E_POLICY_MISSING", `a test without "${key}"`, table.at);
    return undefined;
  };
  const may = <T>(key: string, how: (node: TomlNode) => T | undefined, otherwise: T): T => {
    const entry = fields.get(key);
    return (entry === undefined ? undefined : how(entry.value)) ?? otherwise;
  };
  const target = need("target", (node) => textOf(reading, node, "a target", 64));
  const verdict = need("verdict", (node) => choiceOf(reading, node, ["allow", "ask", "deny"]));
  const args = need("args", (node) => tableOf(reading, node));
  if (target === undefined || verdict === undefined || args === undefined) return undefined;
  const line = table.at.line;
  return {
    name: may("name", (node) => textOf(reading, node, "a name", 200), `${target} (line ${line})`),
    target,
    args: rawOf(args),
    verdict,
    words: may("words", (node) => textsOf(reading, node), []),
    headless: may("headless", (node) => flagOf(reading, node), false),
    real: readReal(reading, fields.get("real")),
    time: may("at", (node) => readTime(reading, node), undefined),
    exists: may("exists", (node) => flagOf(reading, node), true),
    line,
  };
};

const readFixtures = (
  file: string,
  text: string,
): Result<readonly Fixture[], readonly PolicyError[]> => {
  const tree = parseToml(file, text);
  if (!tree.ok) return err([tree.error]);
  const complaints = new Complaints();
  const reading: Reading = { tier: "user", complaints, roots: new Set() };
  const fields = fieldsOf(reading, tree.value, ["version", "test"]);
  const version = fields.get("version")?.value;
  if (version?.type !== "integer" || version.value !== 1n) {
    complaints.add("E_POLICY_VERSION", 'a file of tests begins with "version = 1"', tree.value.at);
  }
  const list = fields.get("test")?.value;
  const fixtures: Fixture[] = [];
  if (list !== undefined && list.type !== "array") wrongType(reading, list, "[[test]]");
  if (list?.type === "array" && list.items.length > fixturesMax) {
    complaints.add("E_POLICY_TOO_LARGE", `more than ${fixturesMax} tests`, list.at);
  } else if (list?.type === "array") {
    for (const item of list.items) {
      const table = tableOf(reading, item);
      const fixture = table === undefined ? undefined : readFixture(reading, table);
      if (fixture !== undefined) fixtures.push(fixture);
    }
  }
  return complaints.count > 0 ? err(complaints.all) : ok(fixtures);
};

/** An action as a person writes it down, in folders that stand for the workspaces. */
export interface HandAction {
  readonly target: string;
  readonly args: RawValue;
  readonly words: readonly string[];
  readonly headless: boolean;
  /** Where a path argument really is, where that is another place. */
  readonly real: ReadonlyMap<string, string>;
  readonly exists: boolean;
  /** When; absent: nobody knows, and rules with a window of time restrict and allow nothing. */
  readonly time?: DecisionTime | undefined;
}

const factsOf = (
  fixture: HandAction,
  args: { readonly [name: string]: CanonicalValue },
  realPath: (text: string) => string,
): { readonly [name: string]: Facts } => {
  const facts: Record<string, Facts> = {};
  const look = (key: string, path: string, kind: "file" | "directory"): void => {
    const real = fixture.real.get(key);
    facts[key] = {
      realPath: real === undefined ? path : realPath(real),
      exists: fixture.exists,
      ...(fixture.exists ? { kind, nlink: 1, size: 1 } : {}),
    };
  };
  for (const { name, type } of targets.get(fixture.target)?.arguments ?? []) {
    const value = args[name];
    if (value === undefined) continue;
    if (type === "path") look(name, value as string, name === "cwd" ? "directory" : "file");
    if (type === "paths") {
      for (const [at, path] of (value as readonly string[]).entries()) {
        look(`${name}.${at}`, path, "file");
      }
    }
    if (type === "argv") {
      const [program = ""] = value as readonly string[];
      const path = fixture.real.get("program") ?? program;
      const realProgram = path.startsWith("/") ? path : `/usr/bin/${path}`;
      facts["program"] = {
        realPath: realProgram,
        exists: true,
        kind: "file",
        sha256: new Uint8Array(32),
      };
    }
  }
  return facts;
};

const supplied: { readonly [name: string]: RawValue } = {
  url: "https://models.example/v1",
  protocol: "openai",
  name: "model",
  price_in: 0,
  price_out: 0,
  page: "https://page.example/",
  app: "app",
  from: `eip155:1:0x${"0".repeat(40)}`,
  definition: "0".repeat(64),
};

/** What the session supplies may stand among the arguments of an action by hand. */
const dealt = (
  target: string,
  args: RawValue,
): { readonly args: RawValue; readonly given: { readonly [name: string]: RawValue } } => {
  const session = new Set(
    (targets.get(target)?.arguments ?? [])
      .filter((spec) => spec.fromSession === true && spec.type !== "path")
      .map(({ name }) => name),
  );
  const entries = Object.entries(args as { readonly [name: string]: RawValue });
  return {
    args: Object.fromEntries(entries.filter(([name]) => !session.has(name))),
    given: Object.fromEntries(entries.filter(([name]) => session.has(name))),
  };
};

/** The action and the session in which it is judged; a sentence where it is no action at all. */
export const handQuestion = (
  policy: CompiledPolicy,
  given: HandAction,
  parseUrl: UrlParser,
):
  | {
      readonly action: Action;
      readonly context: DecisionContext;
      readonly content?: Uint8Array;
    }
  | string => {
  const roots = sessionRoots([policy]);
  const home = "/roots/home";
  const { hashing } = policy.engine;
  const { args, given: own } = dealt(given.target, given.args);
  const env = {
    roots,
    home,
    hashing,
    parseUrl,
    supplied: { ...supplied, ...own },
    undriven: true as const,
  };
  const made = canonicalise(given.target, args, env);
  if (!made.ok) return made.error.message;
  const realPath = (text: string): string => {
    const path = canonicalise("fs::stat", { path: text }, env);
    return path.ok ? (path.value.args["path"] as string) : text;
  };
  const action: Action = {
    version: 1,
    target: given.target,
    args: made.value.args,
    facts: factsOf(given, made.value.args, realPath),
  };
  const context: DecisionContext = {
    session: {
      session: "test",
      agent: "test",
      roots,
      words: given.words,
      urls: typedUrls(given.words, parseUrl),
      headless: given.headless,
      productFolders: [],
      home,
    },
    exceededBudgets: [],
    grants: [],
    undriven: true,
    ...(given.time === undefined ? {} : { time: given.time }),
  };
  const { content } = made.value;
  return { action, context, ...(content === undefined ? {} : { content }) };
};

const decideFixture = (
  policy: CompiledPolicy,
  fixture: Fixture,
  parseUrl: UrlParser,
): Decision | string => {
  const question = handQuestion(policy, fixture, parseUrl);
  if (typeof question === "string") return question;
  const decision = decide(policy, question.action, question.context);
  const refusal = checkContents(decision.obligations, question.content ?? new Uint8Array(0));
  return decision.verdict === "allow" && refusal !== undefined
    ? { ...decision, verdict: "deny", reason: refusal.message }
    : decision;
};

/** Judges every test of the file; complaints where the file is not one of tests. */
export const testPolicy = (
  policy: CompiledPolicy,
  file: string,
  text: string,
  parseUrl: UrlParser,
): Result<readonly FixtureResult[], readonly PolicyError[]> => {
  const fixtures = readFixtures(file, text);
  if (!fixtures.ok) return fixtures;
  return ok(
    fixtures.value.map((fixture): FixtureResult => {
      const decision = decideFixture(policy, fixture, parseUrl);
      const actual = typeof decision === "string" ? "refused" : decision.verdict;
      const { name, target, verdict: expected, line } = fixture;
      const reason = typeof decision === "string" ? decision : decision.reason;
      return { name, target, expected, actual, ok: actual === expected, reason, line };
    }),
  );
};
