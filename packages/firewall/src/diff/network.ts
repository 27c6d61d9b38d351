/**
 * What two policies let programs reach without asking. A place belongs to all that its rule says: the
 * same place for other programs is another, and whatever is new counts as wider.
 */
import type { FlowHost } from "@ioi/wire";
import type { CompiledPolicy } from "../types.ts";
import type { DiffSetting } from "./diff.ts";
import { ruleIdentity } from "./formula.ts";

const shown = ({ host, port, methods, classes, intercept }: FlowHost): string =>
  [
    `${host}:${port}`,
    ...(methods === undefined ? [] : [methods.join(" ")]),
    classes.join(" "),
    ...(intercept === undefined ? [] : ["read"]),
  ].join(", ");

/** By place and what its rule says: how a person knows it. */
const placesOf = ({ engine }: CompiledPolicy): ReadonlyMap<string, string> =>
  new Map(
    engine.rules.flatMap((rule) =>
      (rule.network ?? []).map(
        (place) =>
          [`${shown(place)}\n${ruleIdentity(rule)}`, `${rule.id} ${shown(place)}`] as const,
      ),
    ),
  );

export const networkSettings = (
  before: CompiledPolicy,
  after: CompiledPolicy,
): readonly DiffSetting[] => {
  const [old, now] = [placesOf(before), placesOf(after)];
  const setting = (name: string, change: DiffSetting["change"]): DiffSetting => ({
    name: `network.${name}`,
    before: change === "widened" ? "asks" : "without asking",
    after: change === "widened" ? "without asking" : "asks",
    change,
  });
  return [
    ...[...now].flatMap(([key, name]) => (old.has(key) ? [] : [setting(name, "widened")])),
    ...[...old].flatMap(([key, name]) => (now.has(key) ? [] : [setting(name, "narrowed")])),
  ];
};
