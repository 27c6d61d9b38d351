/**
 * The words of the policy language, for whoever helps to write it: targets with their arguments, the
 * keys of every table, the values that are fixed. Made from what the loader goes by.
 */
import { contentKinds } from "../detect/index.ts";
import { rateKeys } from "../rates.ts";
import { keysOf } from "../read-condition.ts";
import { ruleKeys } from "../read-rule.ts";
import { laterTables, topKeys } from "../read-source.ts";
import { scopeGroups } from "../scope/words.ts";
import { type ArgumentSpec, mustConstrain, targetGroups, targets } from "../targets.ts";
import { dayNames } from "../window.ts";

export interface VocabularyArgument {
  readonly name: string;
  readonly type: string;
  readonly role: string;
  readonly what: string;
  readonly optional: boolean;
  /** An allow must say where. */
  readonly constrain: boolean;
}

export interface VocabularyTarget {
  readonly name: string;
  readonly what: string;
  /** False: nothing performs it in this version. */
  readonly performed: boolean;
  readonly arguments: readonly VocabularyArgument[];
}

export interface Vocabulary {
  readonly targets: readonly VocabularyTarget[];
  /** As in `fs::*`. */
  readonly groups: readonly string[];
  /** Keys of a condition by the type of its argument. */
  readonly conditions: Readonly<Record<string, readonly string[]>>;
  /** Keys by table; "" is the top, "workspace", "rate" and "tool" any of theirs, "when" a rule's own. */
  readonly keys: Readonly<Record<string, readonly string[]>>;
  /** Values of a key, as they are written. */
  readonly values: Readonly<Record<string, readonly string[]>>;
}

const argument = (spec: ArgumentSpec): VocabularyArgument => ({
  name: spec.name,
  type: spec.type,
  role: spec.role,
  what: spec.what,
  optional: spec.optional === true,
  constrain: mustConstrain(spec),
});

const tables: readonly string[] = topKeys.filter(
  (key) => key !== "admin" && !laterTables.includes(key),
);

export const vocabulary = (): Vocabulary => ({
  targets: [...targets.values()].map((spec) => ({
    name: spec.name,
    what: spec.what,
    performed: spec.driver !== undefined,
    arguments: spec.arguments.map(argument),
  })),
  groups: targetGroups,
  conditions: keysOf,
  keys: {
    "": tables,
    rule: [...ruleKeys],
    defaults: ["verdict"],
    workspace: ["path", "access"],
    tool: ["group", "reversible", "topics", "roles"],
    grounding: ["trusted"],
    when: ["days", "from", "to", "zone"],
    rate: rateKeys,
    "budget.session": ["actions", "wall_minutes", "model_usd", "model_tokens"],
    approval: ["expires_minutes", "reversible_without_asking"],
  },
  values: {
    effect: ['"allow"', '"ask"', '"deny"'],
    verdict: ['"ask"', '"deny"'],
    access: ['"read"', '"write"'],
    group: scopeGroups.map((group) => JSON.stringify(group)),
    reversible: ["true", "false"],
    contains_kind: contentKinds.map((kind) => `"${kind}"`),
    days: dayNames.map((day) => `"${day}"`),
    zone: ['"local"', '"UTC"'],
    profile: ['"closed"'],
    shadow: ["true"],
    absent: ["true"],
    reversible_without_asking: ["true", "false"],
  },
});
