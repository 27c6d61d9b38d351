/**
 * Reads one policy file. Which tables may stand in it depends on its tier: below the user's, rules
 * that ask or deny and budgets only.
 */
import type { TextPosition } from "@ioi/base";
import {
  approvalMinutesMax,
  budgetActionsMax,
  budgetMicrousdMax,
  budgetMinutesMax,
  budgetTokensMax,
  patternCharsMax,
  policyRulesMax,
  ruleTargetsMax,
} from "./limits.ts";
import { canonicalAmount, scaledAmount } from "./kinds/money.ts";
import { normalisePath, pathComplaint } from "./paths.ts";
import {
  choiceOf,
  fieldsOf,
  flagOf,
  integerOf,
  listOf,
  microusdOf,
  type Reading,
  tableOf,
  textOf,
  wrongType,
} from "./policy-reader.ts";
import { type Rate, readRates } from "./rates.ts";
import { type ReadRule, readRule } from "./read-rule.ts";
import { targetsNamed } from "./read-targets.ts";
import { isScopeName } from "./roots.ts";
import { type ReadTool, readGrounding, readTools, type TrustedField } from "./tool-roles/read.ts";
import type { TomlEntry, TomlNode, TomlTable } from "./toml.ts";
import type { Root } from "./types.ts";

export interface Workspace extends Root {
  readonly at: TextPosition;
}

export interface ReadSource {
  readonly rules: readonly ReadRule[];
  readonly defaultVerdict: "ask" | "deny" | undefined;
  readonly actions: number | undefined;
  readonly wallMinutes: number | undefined;
  readonly modelMicrousd: number | undefined;
  readonly modelTokens: number | undefined;
  readonly approvalMinutes: number | undefined;
  readonly reversibleWithoutAsking: boolean | undefined;
  readonly mayAllow: ReadonlySet<string> | undefined;
  readonly tools: readonly ReadTool[];
  readonly trusted: readonly TrustedField[];
  readonly rates: readonly Rate[];
  /** By asset, scaled; a policy that names one asset bounds the others at nothing. */
  readonly walletPerDay: ReadonlyMap<string, bigint> | undefined;
}

export const topKeys = [
  "version",
  "defaults",
  "workspace",
  "rule",
  "budget",
  "rate",
  "approval",
  "admin",
  "grounding",
  "fill",
  "tool",
] as const;

/** Tables that only the person's and the administrator's policy may hold. */
const ownTables: readonly string[] = [
  "defaults",
  "workspace",
  "approval",
  "grounding",
  "fill",
  "tool",
];

/** Part of the language; nothing in this version would heed them. */
export const laterTables: readonly string[] = ["fill"];

const isOwn = ({ tier }: Reading): boolean => tier === "admin" || tier === "user";

const checkTables = (reading: Reading, tree: TomlTable): void => {
  for (const [key, { at }] of fieldsOf(reading, tree, topKeys)) {
    if (ownTables.includes(key) && !isOwn(reading)) {
      const message = `"${key}" in a ${reading.tier} policy`;
      reading.complaints.add("E_POLICY_TIER", message, at);
    } else if (laterTables.includes(key)) {
      const message = `"${key}" is not available in this version`;
      reading.complaints.add("E_POLICY_NOT_AVAILABLE", message, at);
    } else if (key === "admin" && reading.tier !== "admin") {
      const message = `"admin" in a ${reading.tier} policy`;
      reading.complaints.add("E_POLICY_TIER", message, at);
    }
  }
};

const checkVersion = (reading: Reading, tree: TomlTable): void => {
  const entry = tree.entries.get("version");
  if (entry === undefined) {
    reading.complaints.add("E_POLICY_VERSION", 'a policy begins with "version = 1"', tree.at);
  } else if (entry.value.type !== "integer" || entry.value.value !== 1n) {
    const message = "this release reads version 1 of the policy language";
    reading.complaints.add("E_POLICY_VERSION", message, entry.value.at);
  }
};

const section = (
  reading: Reading,
  tree: TomlTable,
  key: string,
  known: readonly string[],
): ReadonlyMap<string, TomlEntry> => {
  const entry = tree.entries.get(key);
  const table = entry === undefined ? undefined : tableOf(reading, entry.value);
  return table === undefined ? new Map() : fieldsOf(reading, table, known);
};

const read = <T>(
  fields: ReadonlyMap<string, TomlEntry>,
  key: string,
  how: (node: TomlNode) => T | undefined,
): T | undefined => {
  const entry = fields.get(key);
  return entry === undefined ? undefined : how(entry.value);
};

const readWorkspace = (
  reading: Reading,
  name: string,
  { at, value }: TomlEntry,
): Workspace | undefined => {
  if (!/^[a-z][a-z0-9_-]{0,31}$/.test(name) || isScopeName(name)) {
    const message = isScopeName(name)
      ? `"${name}" is a folder of the session; name the workspace otherwise`
      : "a workspace's name has small letters, digits, - and _ (at most 32)";
    reading.complaints.add("E_POLICY_VALUE", message, at);
    return undefined;
  }
  const table = tableOf(reading, value);
  if (table === undefined) return undefined;
  const fields = fieldsOf(reading, table, ["path", "access"]);
  const access = read(fields, "access", (node) => choiceOf(reading, node, ["read", "write"]));
  const entry = fields.get("path");
  if (entry === undefined) {
    reading.complaints.add("E_POLICY_MISSING", `the workspace "${name}" without "path"`, at);
    return undefined;
  }
  const text = textOf(reading, entry.value, "a folder", patternCharsMax)?.normalize("NFC");
  if (text === undefined) return undefined;
  const absolute = text.startsWith("~") ? `/${text.slice(1)}` : text;
  const home = text === "~" || text.startsWith("~/");
  const path = normalisePath(absolute);
  if (
    (!home && !text.startsWith("/")) ||
    pathComplaint(path) !== undefined ||
    /(^|\/)\.\.(\/|$)/.test(text)
  ) {
    const message = "expected a folder as ~/Downloads or /srv/data";
    reading.complaints.add("E_POLICY_VALUE", message, entry.value.at);
    return undefined;
  }
  const shown = home ? (path === "/" ? "~" : `~${path}`) : path;
  return { name, path: shown, access: access ?? "write", at };
};

export const readWorkspaces = (reading: Reading, tree: TomlTable): readonly Workspace[] => {
  const entry = tree.entries.get("workspace");
  if (entry === undefined || !isOwn(reading)) return [];
  const table = tableOf(reading, entry.value);
  return [...(table?.entries ?? [])]
    .map(([name, each]) => readWorkspace(reading, name, each))
    .filter((workspace) => workspace !== undefined);
};

const moneyOf = (reading: Reading, node: TomlNode): bigint | undefined => {
  const text =
    node.type === "integer"
      ? node.value.toString()
      : node.type === "float"
        ? node.text.replaceAll("_", "")
        : node.type === "string"
          ? node.value
          : undefined;
  const amount = canonicalAmount(text);
  return amount.ok ? scaledAmount(amount.value) : wrongType(reading, node, "an amount");
};

const walletOf = (
  reading: Reading,
  table: TomlTable | undefined,
): ReadonlyMap<string, bigint> | undefined => {
  if (table === undefined) return undefined;
  const caps = new Map<string, bigint>();
  for (const [asset, { value }] of table.entries) {
    const cap = moneyOf(reading, value);
    if (cap !== undefined) caps.set(asset, cap);
  }
  return caps;
};

const readBudgets = (
  reading: Reading,
  tree: TomlTable,
): Pick<
  ReadSource,
  "actions" | "wallMinutes" | "modelMicrousd" | "modelTokens" | "walletPerDay"
> => {
  const budget = section(reading, tree, "budget", ["session", "wallet"]);
  const inner = (key: string, known: readonly string[]): ReadonlyMap<string, TomlEntry> => {
    const table = read(budget, key, (node) => tableOf(reading, node));
    return table === undefined ? new Map() : fieldsOf(reading, table, known);
  };
  const session = inner("session", ["actions", "wall_minutes", "model_usd", "model_tokens"]);
  const perDay = read(inner("wallet", ["per_day"]), "per_day", (node) => tableOf(reading, node));
  return {
    walletPerDay: walletOf(reading, perDay),
    actions: read(session, "actions", (node) => integerOf(reading, node, 1, budgetActionsMax)),
    wallMinutes: read(session, "wall_minutes", (node) =>
      integerOf(reading, node, 1, budgetMinutesMax),
    ),
    modelMicrousd: read(session, "model_usd", (node) =>
      microusdOf(reading, node, budgetMicrousdMax),
    ),
    modelTokens: read(session, "model_tokens", (node) =>
      integerOf(reading, node, 0, budgetTokensMax),
    ),
  };
};

const readMayAllow = (reading: Reading, tree: TomlTable): ReadonlySet<string> | undefined => {
  const fields = section(reading, tree, "admin", ["may_allow"]);
  const list = read(fields, "may_allow", (node) =>
    node.type === "array" && node.items.length === 0 ? [] : listOf(reading, node, ruleTargetsMax),
  );
  if (list === undefined) return undefined;
  return new Set(list.flatMap((node) => targetsNamed(reading, node) ?? []).map(({ name }) => name));
};

const readRules = (reading: Reading, tree: TomlTable): readonly ReadRule[] => {
  const entry = tree.entries.get("rule");
  if (entry === undefined) return [];
  if (entry.value.type !== "array") {
    wrongType(reading, entry.value, "[[rule]]");
    return [];
  }
  if (entry.value.items.length > policyRulesMax) {
    reading.complaints.add("E_POLICY_TOO_LARGE", `more than ${policyRulesMax} rules`, entry.at);
    return [];
  }
  return entry.value.items
    .map((item) => {
      const table = tableOf(reading, item);
      return table === undefined ? undefined : readRule(reading, table);
    })
    .filter((rule) => rule !== undefined);
};

export const readSource = (reading: Reading, tree: TomlTable): ReadSource => {
  checkVersion(reading, tree);
  checkTables(reading, tree);
  const own = isOwn(reading);
  const none: ReadonlyMap<string, TomlEntry> = new Map();
  const defaults = own ? section(reading, tree, "defaults", ["verdict"]) : none;
  const approval = own
    ? section(reading, tree, "approval", ["expires_minutes", "reversible_without_asking"])
    : none;
  return {
    rules: readRules(reading, tree),
    defaultVerdict: read(defaults, "verdict", (node) => choiceOf(reading, node, ["ask", "deny"])),
    ...readBudgets(reading, tree),
    rates: readRates(reading, tree),
    approvalMinutes: read(approval, "expires_minutes", (node) =>
      integerOf(reading, node, 1, approvalMinutesMax),
    ),
    reversibleWithoutAsking: read(approval, "reversible_without_asking", (node) =>
      flagOf(reading, node),
    ),
    mayAllow: reading.tier === "admin" ? readMayAllow(reading, tree) : undefined,
    tools: own ? (read(tree.entries, "tool", (node) => readTools(reading, node)) ?? []) : [],
    trusted: own
      ? (read(tree.entries, "grounding", (node) => readGrounding(reading, node)) ?? [])
      : [],
  };
};
