/**
 * The registry of targets: for each its arguments, what each argument is for, whether it changes
 * anything and whether that can be undone. One definition serves the canonicaliser, the policy
 * loader, the decision and the card. What has no driver in this version can be spoken of in a
 * policy, and is never allowed.
 */
import { agentTargets } from "./targets/agents.ts";
import { fileTargets } from "./targets/files.ts";
import { modelTargets } from "./targets/models.ts";
import { netTargets } from "./targets/net.ts";
import { peopleTargets } from "./targets/people.ts";
import { programTargets } from "./targets/programs.ts";
import { screenTargets } from "./targets/screens.ts";
import type { ArgumentSpec, TargetSpec } from "./targets/spec.ts";

export type { ArgumentSpec, Role, TargetSpec } from "./targets/spec.ts";

/** Every target of the language by name. */
export const targets: ReadonlyMap<string, TargetSpec> = new Map(
  [
    ...fileTargets,
    ...programTargets,
    ...modelTargets,
    ...netTargets,
    ...screenTargets,
    ...peopleTargets,
    ...agentTargets,
  ].map((spec) => [spec.name, spec] as const),
);

const whole: ReadonlySet<string> = new Set(["fs::copy", "fs::move", "fs::delete"]);

/** The target takes what stands at `path` with all that is in it; its `to` gets all of it. */
export const takesWhole = (target: string): boolean => whole.has(target);

export const targetGroups: readonly string[] = [
  ...new Set([...targets.values()].map(({ group }) => group)),
];

export const argumentOf = (target: TargetSpec, name: string): ArgumentSpec | undefined =>
  target.arguments.find((argument) => argument.name === name);

/** What an allow must constrain. */
export const mustConstrain = ({ role, fromSession, bounds }: ArgumentSpec): boolean =>
  (fromSession !== true || bounds === true) &&
  (role === "path" || role === "program" || role === "destination");
