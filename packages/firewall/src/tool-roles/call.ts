/**
 * What the firewall says of a call to a tool of a server, beyond rules: values that are not the
 * person's own, links in what is sent, and groups that the person's words do not mean.
 *
 * Source: the design of the firewall, section 2 (Roles and grounding, Task scope).
 */
import { toHex, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { AskSource } from "@ioi/wire";
import { isGrounded, originOf, type Sources, sourcesOf } from "../grounding/sources.ts";
import { ungroundedLinks } from "../grounding/links.ts";
import { tokenOf } from "../grounding/token.ts";
import { askIdCharsMax } from "../limits.ts";
import { readWords, speaksOf } from "../scope/words.ts";
import { isTyped } from "../grounding/words.ts";
import type { Subject } from "../subject.ts";
import type { SessionContext } from "../types.ts";
import type { ArgumentValue } from "../values.ts";
import { fieldPrefix, groupArgument, toolTarget } from "./conditions.ts";
import type { TrustedField } from "./read.ts";
import {
  isConsequential,
  joinedName,
  leavesOf,
  type ToolLeaf,
  type ToolSpec,
  type ToolSpecs,
  toolSpecOf,
} from "./spec.ts";

export interface ToolPolicy {
  readonly specs: ToolSpecs;
  readonly trusted: readonly TrustedField[];
  /** Fields that rules speak of, as `arguments.recipients`. */
  readonly fields: ReadonlySet<string>;
}

export interface ToolCall {
  readonly server: string;
  readonly tool: string;
  readonly spec: ToolSpec | undefined;
  /** Undefined: more than are looked at. */
  readonly leaves: readonly ToolLeaf[] | undefined;
}

const textOf = (value: ArgumentValue | undefined): string =>
  value?.type === "text" ? value.text : "";

/** The call that an action is; undefined for every other target. */
export const toolCallOf = (
  tools: ToolPolicy,
  target: string,
  values: Subject["values"],
): ToolCall | undefined => {
  if (target !== toolTarget) return undefined;
  const [server, tool] = [textOf(values.get("server")), textOf(values.get("tool"))];
  const spec = toolSpecOf(tools.specs, server, tool);
  const given = values.get("arguments");
  const leaves = given?.type === "json" ? leavesOf(given.json, spec) : undefined;
  return { server, tool, spec, leaves };
};

const groundedRoles = ["destination", "credential", "selector"] as const;

const roleOf = ({ role }: ToolLeaf): (typeof groundedRoles)[number] | undefined =>
  groundedRoles.find((each) => each === role);

/** What a leaf says, where it says somebody or something. */
const said = ({ value }: ToolLeaf): string | undefined =>
  typeof value === "string" && value.trim() !== ""
    ? value
    : typeof value === "number"
      ? String(value)
      : undefined;

const isUngrounded = (leaf: ToolLeaf, sources: Sources): boolean => {
  const role = roleOf(leaf);
  const text = role === undefined ? undefined : said(leaf);
  return role !== undefined && text !== undefined && !isGrounded(text, role, sources);
};

/** Where its role is not known, as a selector. */
export const isNotOwn = (leaf: ToolLeaf, session: SessionContext): boolean => {
  const text = said(leaf);
  return text !== undefined && !isGrounded(text, roleOf(leaf) ?? "selector", sourcesOf(session));
};

export const askId = (field: string): string => `arguments.${field}`.slice(0, askIdCharsMax);

/** Values that are not the person's own, each with the field that holds it. */
export const ungroundedLeaves = (
  { leaves }: ToolCall,
  session: SessionContext,
): readonly ToolLeaf[] => {
  const sources = sourcesOf(session);
  return (leaves ?? []).filter((leaf) => isUngrounded(leaf, sources));
};

const reachesSomebody = ({ spec, leaves }: ToolCall): boolean =>
  spec?.group === "send" ||
  (isConsequential(spec) &&
    (leaves ?? []).some((leaf) => leaf.role === "destination" && said(leaf)));

const linkAsks = (call: ToolCall, sources: Sources): readonly AskSource[] => {
  if (!reachesSomebody(call)) return [];
  const fields = (call.leaves ?? [])
    .filter(
      ({ role, value }) =>
        (role === "content" || role === "flag") &&
        typeof value === "string" &&
        ungroundedLinks(value, sources).length > 0,
    )
    .map(({ field }) => field);
  return [...new Set(fields)].map((field) => ({ kind: "link", id: askId(field) }));
};

const groupsOf = (session: SessionContext): readonly string[] =>
  session.task?.groups ?? readWords(session.words, session.home, undefined, session.typed).groups;

/** What the ask about a tool is for whose group nobody said. */
export const undescribed = "undescribed";

/** One tool of one server, as asks name it: an answer for a session is for no other one. */
export const toolAskName = ({ server, tool }: ToolCall, hashing: Hashing): string => {
  const name = joinedName(server, tool);
  if (name.length <= askIdCharsMax) return name;
  return `#${toHex(hashing.sha256(utf8Encode(name))).slice(0, 32)}/${name.slice(0, 90)}`;
};

/** A consequential call outside the groups of the person's words asks. */
const groupAsks = ({ spec }: ToolCall, session: SessionContext): readonly AskSource[] => {
  // Behind a gate nobody says anything here; rules and grounding remain.
  if (!isConsequential(spec) || session.gate === true) return [];
  const group = spec?.group;
  if (group === undefined) return [{ kind: "tool", id: undescribed }];
  return groupsOf(session).includes(group) ? [] : [{ kind: "tool", id: group }];
};

/** Only the person's own words can be behind a call: nothing else has been read. */
const isOwnIdea = ({ fresh, words, typed }: SessionContext): boolean =>
  fresh === true && words.every((text, at) => isTyped(text) || typed?.has(at) === true);

/**
 * A look at what the words do not speak of asks once something was read: from then on it may be
 * somebody else who wants to know.
 */
const topicAsks = (
  { spec }: ToolCall,
  session: SessionContext,
  name: string,
): readonly AskSource[] => {
  if (spec?.topics === undefined || isConsequential(spec) || session.gate === true) return [];
  if (isOwnIdea(session) || speaksOf(session.words, spec.topics, session.typed)) return [];
  return [{ kind: "topic", id: name }];
};

/** `name`: of the tool, as asks name it. */
export const toolAsks = (
  call: ToolCall,
  session: SessionContext,
  name: string,
): readonly AskSource[] => {
  if (call.leaves === undefined) return [{ kind: "fact", id: "arguments" }];
  const fields = new Set(ungroundedLeaves(call, session).map(({ field }) => field));
  return [
    ...[...fields].map((field): AskSource => ({ kind: "ungrounded", id: askId(field) })),
    ...linkAsks(call, sourcesOf(session)),
    ...groupAsks(call, session),
    ...topicAsks(call, session, name),
  ];
};

/**
 * Fields of the answer that will count as the person's own: the person trusts them, and every text of
 * the call is the person's own, whatever its role, so that nobody else chose what is looked up. What
 * is only put into something new chooses nothing: the content of a file does not say which file.
 */
export const trustedFields = (
  { server, tool, spec, leaves }: ToolCall,
  tools: ToolPolicy,
  session: SessionContext,
): readonly string[] => {
  const fields = tools.trusted.filter((each) => each.server === server && each.tool === tool);
  if (fields.length === 0 || leaves === undefined) return [];
  const sources = sourcesOf(session);
  const makes = isConsequential(spec);
  const own = leaves.every(({ value, role }) => {
    if (typeof value !== "string" || value.trim() === "") return true;
    if (makes && role === "content") return true;
    const type = tokenOf(value)?.type;
    return type === "date" || originOf(value, "selector", sources) !== undefined;
  });
  return own ? fields.map(({ field }) => field) : [];
};

/** What conditions see of a call beside its arguments: `group`, and `arguments.<field>`. */
export const toolValues = (
  { spec, leaves }: ToolCall,
  fields: ReadonlySet<string>,
): ReadonlyMap<string, ArgumentValue> => {
  const values = new Map<string, ArgumentValue>();
  if (spec?.group !== undefined) values.set(groupArgument, { type: "text", text: spec.group });
  for (const name of fields) {
    const field = name.slice(fieldPrefix.length);
    const items = (leaves ?? [])
      .filter((leaf) => leaf.field === field || leaf.field.startsWith(`${field}.`))
      .map(({ value }) => value);
    if (leaves === undefined) values.set(name, { type: "field", items: undefined });
    else if (items.length > 0) values.set(name, { type: "field", items });
  }
  return values;
};

/** A call of a tool has what the policy says of that tool beside what the action says. */
export const withTool = (
  tools: ToolPolicy,
  given: Subject,
): { readonly subject: Subject; readonly call?: ToolCall } => {
  const call = toolCallOf(tools, given.target.name, given.values);
  if (call === undefined) return { subject: given };
  const values = new Map([...given.values, ...toolValues(call, tools.fields)]);
  const consequential = isConsequential(call.spec);
  const reversible = call.spec?.reversible === true || !consequential;
  const target = { ...given.target, consequential, reversible };
  return { subject: { ...given, target, values }, call };
};
