/** Reads one `[[rule]]`. Conditions are checked against the schema of every target of the rule. */
import type { TextPosition } from "@ioi/base";
import { speaksOfContent } from "./content/defer.ts";
import type { CompiledRule } from "./engine.ts";
import { type Example, readExamples } from "./examples.ts";
import { ruleTargetsMax, ruleTextCharsMax } from "./limits.ts";
import { didYouMean } from "./names.ts";
import { targetsNamed } from "./read-targets.ts";
import { readWindow } from "./window.ts";
import { impliedConditions, readNetwork } from "./net/read-network.ts";
import {
  choiceOf,
  fieldsOf,
  flagOf,
  listOf,
  type Reading,
  tableOf,
  textOf,
} from "./policy-reader.ts";
import type { Condition } from "./predicate.ts";
import { constrains, readPredicate } from "./read-condition.ts";
import { argumentOf, type ArgumentSpec, mustConstrain, type TargetSpec } from "./targets.ts";
import { groupArgument, toolArgument } from "./tool-roles/conditions.ts";
import type { TomlEntry, TomlNode, TomlTable } from "./toml.ts";
import type { Effect, Tier } from "./types.ts";

export interface ReadRule extends CompiledRule {
  readonly examples: readonly Example[];
}

export const ruleKeys = [
  "id",
  "effect",
  "target",
  "where",
  "when",
  "match",
  "not_match",
  "reason",
  "instead",
  "shadow",
  "network",
] as const;

export const idPattern: RegExp = /^[a-z0-9][a-z0-9_.-]{0,63}$/;

/** Rules of lower tiers are told apart by name, so that none can pass for the user's. */
export const qualifiedId = (tier: Tier, id: string): string =>
  tier === "user" ? id : `${tier}/${id}`;

const readTargets = (reading: Reading, node: TomlNode): readonly TargetSpec[] | undefined => {
  const list = listOf(reading, node, ruleTargetsMax, true);
  const named = list?.map((item) => targetsNamed(reading, item));
  if (named === undefined || named.some((each) => each === undefined)) return undefined;
  const all = named.flatMap((each) => each ?? []);
  return [...new Set(all)];
};

/** The argument of that name, where every target of the rule has it. */
const commonArgument = (
  reading: Reading,
  targets: readonly TargetSpec[],
  name: string,
  { at, value }: TomlEntry,
): ArgumentSpec | undefined => {
  let found: ArgumentSpec | undefined;
  for (const target of targets) {
    const spec = toolArgument(target, name, value) ?? argumentOf(target, name);
    if (spec === undefined) {
      const known = target.arguments.map((argument) => argument.name);
      const shown = JSON.stringify(name.slice(0, 80));
      const message = `${target.name} has no argument ${shown}${didYouMean(name, known)}`;
      const next = `${target.name} has: ${known.join(", ")}`;
      reading.complaints.add("E_POLICY_ARGUMENT", message, at, next);
      return undefined;
    }
    found ??= spec;
  }
  return found;
};

const readConditions = (
  reading: Reading,
  targets: readonly TargetSpec[],
  where: TomlEntry | undefined,
): readonly Condition[] => {
  const table = where === undefined ? undefined : tableOf(reading, where.value);
  const conditions: Condition[] = [];
  for (const [argument, entry] of table?.entries ?? []) {
    const spec = commonArgument(reading, targets, argument, entry);
    const predicate = spec === undefined ? undefined : readPredicate(reading, spec, entry.value);
    if (predicate !== undefined) conditions.push({ argument, predicate });
  }
  return conditions;
};

/** An allow says where for every path, program and destination of each of its targets. */
const checkConstrained = (
  reading: Reading,
  rule: CompiledRule,
  targets: readonly TargetSpec[],
): void => {
  for (const target of targets) {
    const open = target.arguments.filter(
      (argument) =>
        mustConstrain(argument) &&
        !rule.conditions.some(
          ({ argument: name, predicate }) =>
            // The person's own table says which tools of which servers a group is.
            (name === argument.name || name === groupArgument) && constrains(predicate),
        ),
    );
    if (open.length === 0) continue;
    const list = open.map(({ name }) => `where.${name}`).join(" and ");
    const message = `rule "${rule.id}" allows ${target.name} without ${list}`;
    reading.complaints.add("E_POLICY_UNCONSTRAINED", message, rule.at, `Add ${list}.`);
    return;
  }
};

const readEffect = (reading: Reading, node: TomlNode, id: string): Effect | undefined => {
  const effect = choiceOf(reading, node, ["allow", "ask", "deny"]);
  if (effect !== "allow" || reading.tier === "admin" || reading.tier === "user") return effect;
  const message = `rule "${id}" allows, but a ${reading.tier} policy can only refuse and ask`;
  const next = `./ioi policy import ${node.at.file}`;
  reading.complaints.add("E_POLICY_TIER", message, node.at, next);
  return undefined;
};

const readId = (reading: Reading, node: TomlNode): string | undefined => {
  const id = textOf(reading, node, "an id", 64);
  if (id === undefined || idPattern.test(id)) return id;
  const message =
    "an id has small letters, digits, - _ and . (at most 64), beginning with a letter or digit";
  reading.complaints.add("E_POLICY_VALUE", message, node.at);
  return undefined;
};

/** What allows cannot be tried without effect: it would say what was allowed, and allow nothing. */
const readShadow = (
  reading: Reading,
  entry: TomlEntry | undefined,
  effect: Effect | undefined,
): boolean => {
  const shadow = entry === undefined ? false : flagOf(reading, entry.value) === true;
  if (!shadow || effect !== "allow") return shadow;
  const message = "only a rule that denies or asks can be in the shadow";
  reading.complaints.add("E_POLICY_VALUE", message, entry?.at ?? { file: "", line: 1, column: 1 });
  return false;
};

const needed = (
  reading: Reading,
  fields: ReadonlyMap<string, TomlEntry>,
  key: string,
  at: TextPosition,
): TomlNode | undefined => {
  const entry = fields.get(key);
  if (entry === undefined) {
    reading.complaints.add("E_POLICY_MISSING", `a rule without "${key}"`, at);
  }
  return entry?.value;
};

export const readRule = (reading: Reading, table: TomlTable): ReadRule | undefined => {
  const before = reading.complaints.count;
  const fields = fieldsOf(reading, table, ruleKeys);
  const idNode = needed(reading, fields, "id", table.at);
  const effectNode = needed(reading, fields, "effect", table.at);
  const targetNode = needed(reading, fields, "target", table.at);
  const id = idNode === undefined ? undefined : readId(reading, idNode);
  const effect =
    effectNode === undefined ? undefined : readEffect(reading, effectNode, id ?? "without an id");
  const targets = targetNode === undefined ? undefined : readTargets(reading, targetNode);
  const text = (key: string): string => {
    const entry = fields.get(key);
    return entry === undefined ? "" : (textOf(reading, entry.value, key, ruleTextCharsMax) ?? "");
  };
  const reason = text("reason");
  const instead = text("instead");
  const shadow = readShadow(reading, fields.get("shadow"), effect);
  const when = fields.get("when");
  const window = when === undefined ? undefined : readWindow(reading, when);
  if (targets === undefined) return undefined;
  const network = readNetwork(reading, fields.get("network"), targets, effect);
  const conditions = impliedConditions(
    effect,
    targets,
    network,
    readConditions(reading, targets, fields.get("where")),
  );
  const examples = (["match", "not_match"] as const).flatMap((key) => {
    const entry = fields.get(key);
    return entry === undefined ? [] : readExamples(reading, entry.value, targets, key === "match");
  });
  if (reading.complaints.count > before || id === undefined || effect === undefined) {
    return undefined;
  }
  const rule: ReadRule = {
    id: qualifiedId(reading.tier, id),
    tier: reading.tier,
    effect,
    targets: targets.map(({ name }) => name),
    conditions,
    reason,
    instead,
    at: idNode?.at ?? table.at,
    ...(network === undefined ? {} : { network }),
    ...(shadow ? { shadow } : {}),
    ...(window === undefined ? {} : { window }),
    ...(speaksOfContent({ conditions }) ? { deferred: true } : {}),
    examples,
  };
  if (effect === "allow") checkConstrained(reading, rule, targets);
  return rule;
};
