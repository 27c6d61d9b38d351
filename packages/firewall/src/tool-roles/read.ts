/**
 * Reads `[tool."server"."name"]` and `[grounding]` of a policy. Both widen what may happen without a
 * person, so only the person's and the administrator's policy hold them.
 */
import type { ScopeGroup } from "@ioi/wire";
import {
  rolesOfToolMax,
  toolNameCharsMax,
  toolsMax,
  topicsCharsMax,
  topicsOfToolMax,
  trustedFieldsMax,
} from "../limits.ts";
import { hasControls } from "../paths.ts";
import {
  choiceOf,
  fieldsOf,
  flagOf,
  listOf,
  type Reading,
  tableOf,
  textOf,
} from "../policy-reader.ts";
import type { Role } from "../targets.ts";
import type { TomlEntry, TomlNode, TomlTable } from "../toml.ts";
import type { ToolRole, ToolSpec } from "./spec.ts";

export const toolGroups = [
  "read",
  "organise",
  "send",
  "buy",
  "schedule",
  "delete",
  "browse",
  "run",
] as const satisfies readonly ScopeGroup[];

const roles = [
  "destination",
  "amount",
  "credential",
  "selector",
  "program",
  "path",
  "content",
  "flag",
] as const satisfies readonly Role[];

/** A field of a tool's answer that counts as the person's own words. */
export interface TrustedField {
  readonly server: string;
  readonly tool: string;
  /** As `[].email`; empty: the whole answer. */
  readonly field: string;
}

export interface ReadTool {
  readonly server: string;
  readonly tool: string;
  readonly spec: ToolSpec;
}

const nameComplaint = (name: string): string | undefined =>
  name === "" ||
  name.length > toolNameCharsMax ||
  hasControls(name) ||
  name !== name.normalize("NFC")
    ? `a name has 1 to ${toolNameCharsMax} characters, none of them a control character`
    : undefined;

const checkName = (reading: Reading, name: string, at: TomlEntry["at"]): boolean => {
  const complaint = nameComplaint(name);
  if (complaint !== undefined) reading.complaints.add("E_POLICY_VALUE", complaint, at);
  return complaint === undefined;
};

/** `attachments[].file_id` is the same field as `attachments.file_id`. */
const fieldPath = (text: string): readonly string[] | undefined => {
  const path = text.replaceAll("[]", "").split(".");
  return path.every((name) => name !== "" && !/[[\]]/.test(name)) ? path : undefined;
};

const readRoles = (
  reading: Reading,
  table: TomlTable,
  before: readonly string[] = [],
): readonly (ToolRole | { readonly otherwise: Role })[] =>
  [...table.entries].flatMap(([name, { at, value }]) => {
    if (!checkName(reading, name, at)) return [];
    if (value.type === "table") return readRoles(reading, value, [...before, name]);
    const role = choiceOf(reading, value, roles);
    if (role === undefined) return [];
    if (name === "*" && before.length === 0) return [{ otherwise: role }];
    const path = fieldPath(name);
    if (path !== undefined) return [{ path: [...before, ...path], role }];
    const message = `${JSON.stringify(name.slice(0, 80))} is no field as in "attachments[].file_id"`;
    reading.complaints.add("E_POLICY_VALUE", message, at);
    return [];
  });

const optional = <T>(
  fields: ReadonlyMap<string, TomlEntry>,
  key: string,
  how: (node: TomlNode) => T | undefined,
): T | undefined => {
  const entry = fields.get(key);
  return entry === undefined ? undefined : how(entry.value);
};

/** One word as it is typed: more would never stand in the words as one. */
const topicPattern = /^[\p{Ll}\p{Lo}\p{N}]+(?:-[\p{Ll}\p{Lo}\p{N}]+)*$/u;

/** "mail inbox": words between single spaces. */
const readTopics = (reading: Reading, node: TomlNode): readonly string[] | undefined => {
  const text = textOf(reading, node, "topics", topicsCharsMax);
  const topics = text?.split(" ");
  if (topics === undefined) return undefined;
  if (topics.length > topicsOfToolMax) {
    const message = `more than ${topicsOfToolMax} topics of one tool`;
    reading.complaints.add("E_POLICY_TOO_LARGE", message, node.at);
  }
  const other = topics.find((each) => !topicPattern.test(each) || each !== each.normalize("NFC"));
  if (other === undefined) return topics;
  const message = `${JSON.stringify(other)} is not one word in small letters`;
  reading.complaints.add("E_POLICY_VALUE", message, node.at);
  return undefined;
};

const readSpec = (reading: Reading, node: TomlNode): ToolSpec | undefined => {
  const table = tableOf(reading, node);
  if (table === undefined) return undefined;
  const fields = fieldsOf(reading, table, ["group", "reversible", "topics", "roles"]);
  const group = optional(fields, "group", (value) => choiceOf(reading, value, toolGroups));
  const reversible = optional(fields, "reversible", (value) => flagOf(reading, value));
  const topics = optional(fields, "topics", (value) => readTopics(reading, value));
  const looks = group === "read" || group === "browse";
  if (topics !== undefined && !looks) {
    const message =
      'topics are for the groups "read" and "browse": other calls need their group said';
    reading.complaints.add("E_POLICY_VALUE", message, node.at);
  }
  const given = optional(fields, "roles", (value) => tableOf(reading, value));
  const all = given === undefined ? [] : readRoles(reading, given);
  if (all.length > rolesOfToolMax) {
    const message = `more than ${rolesOfToolMax} roles of one tool`;
    reading.complaints.add("E_POLICY_TOO_LARGE", message, node.at);
  }
  const otherwise = all.find((each) => "otherwise" in each)?.otherwise;
  return {
    ...(group === undefined ? {} : { group }),
    reversible: reversible === true,
    ...(topics === undefined ? {} : { topics }),
    roles: all.filter((each) => "path" in each),
    ...(otherwise === undefined ? {} : { otherwise }),
  };
};

export const readTools = (reading: Reading, node: TomlNode): readonly ReadTool[] => {
  const all: ReadTool[] = [];
  for (const [server, entry] of tableOf(reading, node)?.entries ?? []) {
    if (!checkName(reading, server, entry.at)) continue;
    for (const [tool, each] of tableOf(reading, entry.value)?.entries ?? []) {
      const spec = checkName(reading, tool, each.at) ? readSpec(reading, each.value) : undefined;
      if (spec !== undefined) all.push({ server, tool, spec });
    }
  }
  if (all.length > toolsMax) {
    reading.complaints.add("E_POLICY_TOO_LARGE", `more than ${toolsMax} tools`, node.at);
  }
  return all;
};

const fieldPattern = /^(?:\[\]|[^.[\]]+)?(?:\[\]|\.[^.[\]]+)*$/;

const readTrusted = (reading: Reading, node: TomlNode): TrustedField | undefined => {
  const table = tableOf(reading, node);
  if (table === undefined) return undefined;
  const fields = fieldsOf(reading, table, ["tool", "field"]);
  const tuple = optional(fields, "tool", (value) => tableOf(reading, value));
  const named = tuple === undefined ? undefined : fieldsOf(reading, tuple, ["server", "tool"]);
  const text = (
    from: ReadonlyMap<string, TomlEntry> | undefined,
    key: string,
  ): string | undefined =>
    from === undefined
      ? undefined
      : optional(from, key, (value) => textOf(reading, value, key, toolNameCharsMax));
  const [server, tool, field] = [text(named, "server"), text(named, "tool"), text(fields, "field")];
  if (server === undefined || tool === undefined || field === undefined) {
    const message = 'expected { tool = { server = "...", tool = "..." }, field = "..." }';
    reading.complaints.add("E_POLICY_MISSING", message, node.at);
    return undefined;
  }
  if (fieldPattern.test(field)) return { server, tool, field };
  const message = `${JSON.stringify(field)} is no field as in "[].email"`;
  reading.complaints.add("E_POLICY_VALUE", message, node.at);
  return undefined;
};

export const readGrounding = (reading: Reading, node: TomlNode): readonly TrustedField[] => {
  const table = tableOf(reading, node);
  if (table === undefined) return [];
  const list = optional(fieldsOf(reading, table, ["trusted"]), "trusted", (value) =>
    listOf(reading, value, trustedFieldsMax),
  );
  return (list ?? [])
    .map((item) => readTrusted(reading, item))
    .filter((field) => field !== undefined);
};
