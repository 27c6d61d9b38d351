/**
 * What two policies say of tools and of fields of their answers. A tool's table decides which values
 * must be the person's own and which words a call needs, so a change of it changes what is asked;
 * whatever is not surely narrower counts as wider.
 */
import { everyTool, joinedName, type ToolRole, type ToolSpec } from "../tool-roles/spec.ts";
import type { CompiledPolicy } from "../types.ts";
import type { DiffSetting } from "./diff.ts";

const grounded: ReadonlySet<string> = new Set(["destination", "credential", "selector"]);

const rolesOf = (spec: ToolSpec): readonly (readonly [string, string])[] => [
  ...spec.roles.map(({ path, role }: ToolRole) => [path.join("."), role] as const),
  ...(spec.otherwise === undefined ? [] : [["*", spec.otherwise] as const]),
];

const shown = (spec: ToolSpec | undefined): string => {
  if (spec === undefined) return "not described";
  const { group = "no group", reversible } = spec;
  const roles = rolesOf(spec).map(([field, role]) => `${field} = ${role}`);
  const topics = spec.topics === undefined ? [] : [`topics ${spec.topics.join(" ")}`];
  return [group, ...(reversible ? ["reversible"] : []), ...topics, ...roles].join(", ");
};

/** Fewer looks need no words: topics where there were none, or fewer of them. */
const topicsNarrower = (before: ToolSpec, after: ToolSpec): boolean =>
  before.topics === undefined ||
  (after.topics !== undefined && new Set(after.topics).isSubsetOf(new Set(before.topics)));

/** The same but for roles that must be the person's own now and needed not be before. */
const isNarrower = (before: ToolSpec, after: ToolSpec): boolean => {
  if (before.group !== after.group || (after.reversible && !before.reversible)) return false;
  if (!topicsNarrower(before, after)) return false;
  const old = new Map(rolesOf(before));
  const now = new Map(rolesOf(after));
  return (
    old.size === now.size &&
    [...now].every(([field, role]) => {
      const was = old.get(field);
      return was === role || (was !== undefined && grounded.has(role) && !grounded.has(was));
    })
  );
};

const fieldsOf = ({ tools }: CompiledPolicy): ReadonlySet<string> =>
  new Set(tools.trusted.map(({ server, tool, field }) => `${joinedName(server, tool)} ${field}`));

export const toolSettings = (
  before: CompiledPolicy,
  after: CompiledPolicy,
): readonly DiffSetting[] => {
  const settings: DiffSetting[] = [];
  const servers = new Set([...before.tools.specs.keys(), ...after.tools.specs.keys()]);
  for (const server of servers) {
    const [one, two] = [before, after].map(({ tools }) => tools.specs.get(server));
    for (const tool of new Set([...(one?.keys() ?? []), ...(two?.keys() ?? [])])) {
      const [old, now] = [one?.get(tool), two?.get(tool)];
      if (shown(old) === shown(now)) continue;
      // Without its table a tool falls back to what is said of every tool of the server.
      const removed = now === undefined && (tool === everyTool || two?.has(everyTool) !== true);
      const narrower = old !== undefined && now !== undefined && isNarrower(old, now);
      settings.push({
        name: `tool.${server}.${tool}`,
        before: shown(old),
        after: shown(now),
        change:
          (removed && old?.roles.length === 0 && old.topics === undefined) || narrower
            ? "narrowed"
            : "widened",
      });
    }
  }
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  for (const field of old.symmetricDifference(now)) {
    const trusted = now.has(field);
    settings.push({
      name: `grounding.trusted ${field}`,
      before: trusted ? "not trusted" : "trusted",
      after: trusted ? "trusted" : "not trusted",
      change: trusted ? "widened" : "narrowed",
    });
  }
  return settings;
};

export const sameTools = (before: CompiledPolicy, after: CompiledPolicy): boolean =>
  toolSettings(before, after).length === 0;
