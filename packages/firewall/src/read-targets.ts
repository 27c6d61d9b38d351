/** Reads names of targets: one, or a whole group as in `fs::*`. */
import type { TextPosition } from "@ioi/base";
import { didYouMean } from "./names.ts";
import { type Reading, wrongType } from "./policy-reader.ts";
import { type TargetSpec, targetGroups, targets as registry } from "./targets.ts";
import type { TomlNode } from "./toml.ts";

/** The targets that `fs::read` or `fs::*` name; undefined after a complaint. */
export const targetsOfName = (
  reading: Reading,
  name: string,
  at: TextPosition,
): readonly TargetSpec[] | undefined => {
  const known = registry.get(name);
  if (known !== undefined) return [known];
  const group = /^([a-z]+)::\*$/.exec(name)?.[1];
  if (group !== undefined && targetGroups.includes(group)) {
    return [...registry.values()].filter((target) => target.group === group);
  }
  const all = [...registry.keys(), ...targetGroups.map((each) => `${each}::*`)];
  const shown = JSON.stringify(name.slice(0, 80));
  const message = `unknown target ${shown}${didYouMean(name, all)}`;
  reading.complaints.add("E_POLICY_UNKNOWN_TARGET", message, at);
  return undefined;
};

export const targetsNamed = (reading: Reading, node: TomlNode): readonly TargetSpec[] | undefined =>
  node.type === "string"
    ? targetsOfName(reading, node.value, node.at)
    : wrongType(reading, node, "a target as in fs::read");
