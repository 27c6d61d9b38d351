/**
 * Loads policies: reads every source, checks it whole, and compiles the rules by target.
 *
 * Source: the design of the firewall, section 2. Invariants: nothing below the user's tier widens a
 * right; every allow says where; every rule does what its own examples say; a policy with one
 * complaint does not load at all. Bounds: `policyRulesMax`, `workspacesMax`, `policyErrorsMax`.
 */
import { err, ok, type Result } from "@ioi/base";
import { domainHash, domains, type Hashing } from "@ioi/crypto";
import { encodeCanonical } from "@ioi/wire";
import type { CompiledRule, Engine, RulesOfTarget } from "./engine.ts";
import { exampleComplaint, exampleTable } from "./examples.ts";
import {
  approvalMinutesDefault,
  budgetActionsDefault,
  budgetMicrousdDefault,
  budgetMinutesDefault,
  budgetTokensDefault,
  policyRulesMax,
  workspacesMax,
} from "./limits.ts";
import { lowestRates } from "./rates.ts";
import { Complaints } from "./policy-reader.ts";
import type { ReadRule } from "./read-rule.ts";
import { type ReadSource, readSource, readWorkspaces, type Workspace } from "./read-source.ts";
import { makeRuleIndex, type RuleIndex } from "./rule-index.ts";
import { scopeRoot } from "./roots.ts";
import type { ToolPolicy } from "./tool-roles/call.ts";
import { fieldPrefix } from "./tool-roles/conditions.ts";
import type { ToolSpec } from "./tool-roles/spec.ts";
import { canonicalToml, parseToml, type TomlTable } from "./toml.ts";
import type { CompiledPolicy, PolicyError, PolicySource, Root } from "./types.ts";

interface Parsed {
  readonly source: PolicySource;
  readonly tree: TomlTable;
}

const tierOrder: readonly PolicySource["tier"][] = [
  "admin",
  "user",
  "project",
  "skill",
  "session",
  "delegation",
];

const parseAll = (sources: readonly PolicySource[], complaints: Complaints): readonly Parsed[] => {
  const parsed: Parsed[] = [];
  const ordered = tierOrder.flatMap((tier) => sources.filter((source) => source.tier === tier));
  for (const source of ordered) {
    const tree = parseToml(source.file, source.text);
    if (tree.ok) parsed.push({ source, tree: tree.value });
    else complaints.add(tree.error.code, tree.error.message, tree.error.at);
  }
  return parsed;
};

const collectWorkspaces = (
  parsed: readonly Parsed[],
  complaints: Complaints,
): readonly Workspace[] => {
  const all: Workspace[] = [];
  for (const { source, tree } of parsed) {
    const reading = { tier: source.tier, complaints, roots: new Set<string>() };
    for (const workspace of readWorkspaces(reading, tree)) {
      if (all.some(({ name }) => name === workspace.name)) {
        const message = `the workspace "${workspace.name}" twice`;
        complaints.add("E_POLICY_DUPLICATE", message, workspace.at);
      } else if (all.length >= workspacesMax) {
        const message = `more than ${workspacesMax} workspaces`;
        complaints.add("E_POLICY_TOO_LARGE", message, workspace.at);
        return all;
      } else all.push(workspace);
    }
  }
  return all;
};

/** What the administrator says of a tool stands; a person adds what is not said. */
const toolPolicy = (read: readonly ReadSource[], rules: readonly CompiledRule[]): ToolPolicy => {
  const specs = new Map<string, Map<string, ToolSpec>>();
  for (const { server, tool, spec } of read.flatMap(({ tools }) => tools)) {
    const of = specs.get(server) ?? new Map<string, ToolSpec>();
    if (!of.has(tool)) of.set(tool, spec);
    specs.set(server, of);
  }
  const names = rules.flatMap(({ conditions }) => conditions.map(({ argument }) => argument));
  return {
    specs,
    trusted: read.flatMap(({ trusted }) => trusted),
    fields: new Set(names.filter((name) => name.startsWith(fieldPrefix))),
  };
};

const checkRules = (
  rules: readonly ReadRule[],
  mayAllow: ReadonlySet<string> | undefined,
  workspaces: readonly Root[],
  tools: ToolPolicy,
  complaints: Complaints,
): void => {
  const table = exampleTable(workspaces);
  const seen = new Set<string>();
  for (const rule of rules) {
    if (seen.has(rule.id)) {
      complaints.add("E_POLICY_DUPLICATE", `the rule "${rule.id}" twice`, rule.at);
    }
    seen.add(rule.id);
    const beyond = rule.targets.find((target) => mayAllow?.has(target) === false);
    if (rule.tier === "user" && rule.effect === "allow" && beyond !== undefined) {
      const message = `rule "${rule.id}" allows ${beyond}, which admin.may_allow leaves out`;
      complaints.add("E_POLICY_ADMIN_BOUND", message, rule.at);
    }
    for (const example of rule.examples) {
      const complaint = exampleComplaint(rule, example, table, tools);
      if (complaint !== undefined) complaints.add("E_POLICY_EXAMPLE", complaint, example.at);
    }
  }
  const first = rules[policyRulesMax];
  if (first !== undefined) {
    complaints.add("E_POLICY_TOO_LARGE", `more than ${policyRulesMax} rules`, first.at);
  }
};

const rulesByTarget = (rules: readonly CompiledRule[]): ReadonlyMap<string, RulesOfTarget> => {
  const byTarget = new Map<string, RulesOfTarget>();
  const names = new Set(rules.flatMap(({ targets }) => targets));
  for (const name of names) {
    const of = rules.filter(({ targets }) => targets.includes(name));
    const having = (wanted: CompiledRule["effect"]): RuleIndex =>
      makeRuleIndex(of.filter(({ effect }) => effect === wanted));
    byTarget.set(name, { denies: having("deny"), asks: having("ask"), allows: having("allow") });
  }
  return byTarget;
};

export const indexRules = (rules: readonly CompiledRule[], hashing: Hashing): Engine => ({
  rules,
  byTarget: rulesByTarget(rules.filter(({ shadow }) => shadow !== true)),
  shadows: rulesByTarget(rules.filter(({ shadow }) => shadow === true)),
  hashing,
});

const least = (values: readonly (number | undefined)[], otherwise: number): number => {
  const given = values.filter((value) => value !== undefined);
  return given.length === 0 ? otherwise : Math.min(...given);
};

/** The lowest cap of each asset; where some policy has caps, what none names has none to spend. */
const walletPart = (
  all: readonly (ReadonlyMap<string, bigint> | undefined)[],
): Pick<CompiledPolicy, "walletPerDay"> => {
  const given = all.filter((caps) => caps !== undefined);
  if (given.length === 0) return {};
  const lowest = new Map<string, bigint>();
  for (const asset of new Set(given.flatMap((caps) => [...caps.keys()]))) {
    for (const caps of given) {
      const [known, cap] = [lowest.get(asset), caps.get(asset) ?? 0n];
      lowest.set(asset, known === undefined || cap < known ? cap : known);
    }
  }
  return { walletPerDay: lowest };
};

const assemble = (
  parsed: readonly Parsed[],
  read: readonly ReadSource[],
  workspaces: readonly Workspace[],
  hashing: Hashing,
): CompiledPolicy => {
  const rules = read
    .flatMap((source) => source.rules)
    .map(({ examples: _, ...rule }): CompiledRule => rule);
  const encoded = encodeCanonical(
    parsed.map(({ source, tree }) => ({ tier: source.tier, tree: canonicalToml(tree) })),
  );
  const without = read.map(({ reversibleWithoutAsking }) => reversibleWithoutAsking);
  return {
    hash: domainHash(hashing, domains.policy, encoded),
    budgets: {
      actions: least(
        read.map(({ actions }) => actions),
        budgetActionsDefault,
      ),
      wallMinutes: least(
        read.map(({ wallMinutes }) => wallMinutes),
        budgetMinutesDefault,
      ),
      modelMicrousd: least(
        read.map(({ modelMicrousd }) => modelMicrousd),
        budgetMicrousdDefault,
      ),
      modelTokens: least(
        read.map(({ modelTokens }) => modelTokens),
        budgetTokensDefault,
      ),
    },
    approvalExpiresMinutes: least(
      read.map(({ approvalMinutes }) => approvalMinutes),
      approvalMinutesDefault,
    ),
    rates: lowestRates(read.flatMap(({ rates }) => rates)),
    ...walletPart(read.map(({ walletPerDay }) => walletPerDay)),
    workspaces: workspaces.map(({ at: _, ...root }) => root),
    rules: rules.map(({ id, tier, effect }) => ({ id, tier, effect })),
    defaultVerdict: read.some(({ defaultVerdict }) => defaultVerdict === "deny") ? "deny" : "ask",
    reversibleWithoutAsking: without.includes(true) && !without.includes(false),
    tools: toolPolicy(read, rules),
    engine: indexRules(rules, hashing),
  };
};

/**
 * The compiled policy, or every complaint (at most `policyErrorsMax`). No source at all is a policy
 * that asks about everything.
 */
export const compilePolicy = (
  sources: readonly PolicySource[],
  hashing: Hashing,
): Result<CompiledPolicy, readonly PolicyError[]> => {
  const complaints = new Complaints();
  const parsed = parseAll(sources, complaints);
  const workspaces = collectWorkspaces(parsed, complaints);
  const roots = new Set([scopeRoot, ...workspaces.map(({ name }) => name)]);
  const read = parsed.map(({ source, tree }) =>
    readSource({ tier: source.tier, complaints, roots }, tree),
  );
  const bounds = read.map(({ mayAllow }) => mayAllow).filter((bound) => bound !== undefined);
  const mayAllow = bounds.length === 0 ? undefined : bounds.reduce((a, b) => a.intersection(b));
  const rules = read.flatMap((source) => source.rules);
  checkRules(rules, mayAllow, workspaces, toolPolicy(read, rules), complaints);
  if (complaints.count > 0) return err(complaints.all);
  return ok(assemble(parsed, read, workspaces, hashing));
};
