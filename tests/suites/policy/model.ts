/**
 * A policy as plain data, for the oracle to judge and for the engine to load: the generator makes
 * this, `toToml` writes it as a person would.
 */
import type { Action, AskSource, ScopeGroup } from "@ioi/wire";

export type Effect = "allow" | "ask" | "deny";
export type Tier = "admin" | "user" | "project" | "skill" | "session" | "delegation";

export interface ArgvTest {
  readonly program?: readonly string[];
  readonly first?: readonly string[];
  readonly flags?: readonly string[];
  readonly rest?: {
    readonly matches?: string;
    readonly one_of?: readonly string[];
    readonly prefix?: string;
  };
  readonly profile?: "closed";
}

/** One `where.<argument>`; every key given must hold. */
export interface Test extends ArgvTest {
  readonly glob?: readonly string[];
  readonly glob_nocase?: readonly string[];
  readonly equals?: string | number;
  readonly one_of?: readonly (string | number)[];
  readonly prefix?: string;
  readonly suffix?: string;
  readonly matches?: string;
  readonly min?: number;
  readonly max?: number;
  readonly bytes_max?: number;
  readonly absent?: boolean;
  readonly not?: Test;
  readonly any?: readonly Test[];
}

export interface Rule {
  readonly id: string;
  readonly effect: Effect;
  readonly target: readonly string[];
  readonly where: ReadonlyMap<string, Test>;
  /** Has no effect. */
  readonly shadow?: boolean;
}

export interface Source {
  readonly tier: Tier;
  readonly verdict?: "ask" | "deny";
  readonly reversible?: boolean;
  readonly rules: readonly Rule[];
}

export interface Policy {
  readonly workspaces: readonly { readonly name: string; readonly path: string }[];
  readonly sources: readonly Source[];
}

/** A grant before its policy hash is known. */
export interface ModelGrant {
  readonly id: string;
  readonly session: string;
  readonly target: string;
  readonly scope: "once" | "session";
  /** Of `once`: given for this very action. */
  readonly sameAction: boolean;
  /** Given under the policy in force. */
  readonly samePolicy: boolean;
  readonly discharges: readonly AskSource[];
}

/** What a person accepted for the task. */
export interface ModelTask {
  readonly groups: readonly ScopeGroup[];
  readonly folders: readonly {
    readonly path: string;
    readonly access: "read" | "organise" | "write";
  }[];
  /** It limits what is not asked about. */
  readonly limits: boolean;
  /** Its grant is live. */
  readonly grants: boolean;
  /** Given under the policy in force. */
  readonly samePolicy: boolean;
}

export interface Situation {
  readonly roots: readonly {
    readonly name: string;
    readonly path: string;
    readonly access: "read" | "write";
  }[];
  readonly home: string;
  readonly productFolders: readonly string[];
  readonly headless: boolean;
  readonly exceeded: readonly string[];
  readonly grants: readonly ModelGrant[];
  readonly task?: ModelTask;
  readonly unavailable: readonly ("snapshot" | "stage")[];
}

export interface Pair {
  readonly action: Action;
  readonly situation: Situation;
}

/** What is compared: everything of a decision but its words. */
export interface Answer {
  readonly verdict: string;
  /** `id effect tier truth`, in the order of a set. */
  readonly rules: readonly string[];
  readonly asks: readonly string[];
  readonly discharged: readonly string[];
  readonly grantsUsed: readonly string[];
  readonly obligations: readonly string[];
  readonly reversible: boolean;
}

const quote = (text: string): string => JSON.stringify(text);

const valueText = (value: unknown): string => {
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return `[${value.map(valueText).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const pairs = Object.entries(value).map(([key, each]) => `${key} = ${valueText(each)}`);
  return `{ ${pairs.join(", ")} }`;
};

const ruleText = (rule: Rule): string =>
  [
    "[[rule]]",
    `id = ${quote(rule.id)}`,
    `effect = ${quote(rule.effect)}`,
    `target = ${valueText(rule.target)}`,
    ...(rule.shadow === true ? ["shadow = true"] : []),
    ...[...rule.where].map(([argument, test]) => `where.${argument} = ${valueText(test)}`),
  ].join("\n");

export const toToml = (policy: Policy, source: Source): string => {
  const parts = ["version = 1"];
  if (source.verdict !== undefined) parts.push(`[defaults]\nverdict = ${quote(source.verdict)}`);
  if (source.reversible !== undefined) {
    parts.push(`[approval]\nreversible_without_asking = ${String(source.reversible)}`);
  }
  if (source.tier === "user") {
    for (const { name, path } of policy.workspaces) {
      parts.push(`[workspace.${name}]\npath = ${quote(path)}`);
    }
  }
  parts.push(...source.rules.map(ruleText));
  return `${parts.join("\n\n")}\n`;
};
