/**
 * What a person says of a tool of a server: what each field of its arguments is for, which group of
 * actions it belongs to, whether it can be undone. What nobody said is the careful reading: no group,
 * irreversible, and every text that names somebody or something is a destination.
 */
import type { JsonValue, ScopeGroup } from "@ioi/wire";
import { toolLeavesMax } from "../limits.ts";
import { addressesIn } from "../grounding/sources.ts";
import { isPlain } from "../grounding/token.ts";
import type { Role } from "../targets.ts";
import type { Scalar } from "../values.ts";

export interface ToolRole {
  /** Names from the outside in; of a list, the name is its elements'. */
  readonly path: readonly string[];
  readonly role: Role;
}

export interface ToolSpec {
  readonly group?: ScopeGroup;
  readonly reversible: boolean;
  /** What its answer holds: a look at it needs words about one of these. Absent: none does. */
  readonly topics?: readonly string[];
  readonly roles: readonly ToolRole[];
  /** Of fields that no other role names. */
  readonly otherwise?: Role;
}

/** By server, then by name of the tool; `*` for every other one. */
export type ToolSpecs = ReadonlyMap<string, ReadonlyMap<string, ToolSpec>>;

export const everyTool = "*";

/** Of no other two: what ends a server's name, or begins a shortened name, is none of its letters. */
export const joinedName = (server: string, tool: string): string =>
  `${server.replaceAll(/[%/#]/g, (char) => encodeURIComponent(char))}/${tool}`;

export const toolSpecOf = (
  specs: ToolSpecs,
  server: string,
  tool: string,
): ToolSpec | undefined => {
  const of = specs.get(server);
  return of?.get(tool) ?? of?.get(everyTool);
};

export interface ToolLeaf {
  /** As conditions name it: `recipients`, `attachments.file_id`. */
  readonly field: string;
  readonly path: readonly string[];
  readonly value: Scalar;
  readonly role: Role;
}

const isPrefix = (short: readonly string[], path: readonly string[]): boolean =>
  short.length <= path.length && short.every((name, at) => name === path[at]);

/** The role of the longest path that a field lies below. */
const declaredRole = (path: readonly string[], spec: ToolSpec | undefined): Role | undefined => {
  let best: ToolRole | undefined;
  for (const each of spec?.roles ?? []) {
    if (isPrefix(each.path, path) && each.path.length >= (best?.path.length ?? 0)) best = each;
  }
  return best?.role ?? spec?.otherwise;
};

/** Longer, or of several lines: prose, in which an address is not what is acted on. */
const addressCharsMax = 320;

/** Without a declaration, what names somebody or something is a destination. */
const roleByParse = (value: Scalar): Role => {
  if (typeof value !== "string" || value.length > addressCharsMax || /[\n\r]/.test(value)) {
    return "content";
  }
  if (addressesIn(value).length > 0) return "destination";
  // Letters that deceive could be an address to somebody else.
  return !isPlain(value) && /[@:/\\.\d]/.test(value) ? "destination" : "content";
};

/** Every value of a tool's arguments with its role; undefined where there are too many. */
export const leavesOf = (
  json: JsonValue,
  spec: ToolSpec | undefined,
): readonly ToolLeaf[] | undefined => {
  const leaves: ToolLeaf[] = [];
  const add = (path: readonly string[], value: Scalar): void => {
    const role = declaredRole(path, spec) ?? roleByParse(value);
    leaves.push({ field: path.join("."), path, value, role });
  };
  const walk = (value: JsonValue, path: readonly string[]): void => {
    if (leaves.length > toolLeavesMax) return;
    if (Array.isArray(value)) {
      for (const item of value as readonly JsonValue[]) walk(item, path);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, item] of Object.entries(value)) {
        // A name can hold an address as well as a value can.
        if (roleByParse(name) === "destination") add([...path, name], name);
        walk(item, [...path, name]);
      }
    } else add(path, value as Scalar);
  };
  walk(json, []);
  return leaves.length > toolLeavesMax ? undefined : leaves;
};

/** Changes something beyond what the agent knows: whatever is not said only to look. */
export const isConsequential = (spec: ToolSpec | undefined): boolean =>
  spec?.group !== "read" && spec?.group !== "browse";
