/**
 * What a policy says that its author may not have meant: rules that never matter, that allow more
 * than they look like, or that only seem to restrict. Every finding is sound; not every mistake is
 * found.
 */
import type { TextPosition } from "@ioi/base";
import { indexRules } from "./compile.ts";
import { isNeedless } from "./diff/diff.ts";
import type { CompiledRule } from "./engine.ts";
import { lintRulesMax } from "./limits.ts";
import { canRunAnything } from "./programs.ts";
import type { Predicate } from "./predicate.ts";
import type { PathPattern } from "./glob.ts";
import { homeRoot, scopeRoot } from "./roots.ts";
import { compileSandbox } from "./sandbox-profile.ts";
import { targets } from "./targets.ts";
import { yes } from "./truth.ts";
import type { CompiledPolicy, Root } from "./types.ts";
import { textTruth } from "./values.ts";

export interface LintFinding {
  readonly code:
    | "shadowed"
    | "unreachable"
    | "over-broad"
    | "interpreter"
    | "no-driver"
    | "uncompiled";
  readonly rule: string;
  readonly message: string;
  readonly at: TextPosition;
}

/** `root:/prefix/**`: everything below a folder; undefined for other patterns. */
const subtree = (pattern: PathPattern): { root: string; prefix: readonly string[] } | undefined => {
  const [only, ...more] = pattern.alternatives;
  if (only === undefined || more.length > 0 || only.exact.at(-1)?.type !== "deep") return undefined;
  const prefix: string[] = [];
  for (const segment of only.exact.slice(0, -1)) {
    if (segment.type !== "literal") return undefined;
    prefix.push(segment.text);
  }
  return { root: pattern.root, prefix };
};

const isBelow = (
  pattern: PathPattern,
  folder: { root: string; prefix: readonly string[] },
): boolean =>
  pattern.root === folder.root &&
  pattern.alternatives.every(({ exact }) =>
    folder.prefix.every((text, at) => {
      const segment = exact[at];
      return segment?.type === "literal" && segment.text === text;
    }),
  );

/** Whenever `inner` holds of what is allowed, `outer` holds in an ask or a deny. Sound, not whole. */
const implies = (inner: Predicate, outer: Predicate): boolean => {
  if (outer.type === "all") return outer.of.every((each) => implies(inner, each));
  if (outer.type === "any") return outer.of.some((each) => implies(inner, each));
  if (inner.type === "all") return inner.of.some((each) => implies(each, outer));
  if (inner.type === "any") return inner.of.every((each) => implies(each, outer));
  if (inner.type === "path" && outer.type === "path" && (!inner.nocase || outer.nocase)) {
    return inner.patterns.every((pattern) =>
      outer.patterns.some((wide) => {
        if (wide.text === pattern.text) return true;
        const folder = subtree(wide);
        return folder !== undefined && isBelow(pattern, folder);
      }),
    );
  }
  if (inner.type === "argv" && outer.type === "argv") {
    const open = outer.first === undefined && outer.flags === undefined && outer.rest === undefined;
    if (!open) return false;
    if (outer.program.length === 0) return true;
    return (
      inner.program.length > 0 &&
      inner.program.every((test) => {
        if (test.type !== "exact") return false;
        return outer.program.some((wide) => wide.type === "exact" && wide.path === test.path);
      })
    );
  }
  return false;
};

/** Whenever `rule` fires, `wide` fires. */
const covers = (wide: CompiledRule, rule: CompiledRule): boolean =>
  // What counts at times only covers nothing for good.
  wide.window === undefined &&
  rule.targets.every((target) => wide.targets.includes(target)) &&
  wide.conditions.every(({ argument, predicate }) =>
    rule.conditions.some(
      (each) => each.argument === argument && implies(each.predicate, predicate),
    ),
  );

const finding = (code: LintFinding["code"], rule: CompiledRule, message: string): LintFinding => ({
  code,
  rule: rule.id,
  message,
  at: rule.at,
});

const shadows = (rules: readonly CompiledRule[]): readonly LintFinding[] => {
  const found: LintFinding[] = [];
  const denies = rules.filter(({ effect }) => effect === "deny");
  for (const rule of rules) {
    const by = denies.find((deny) => deny !== rule && covers(deny, rule));
    if (by === undefined) continue;
    // Two equal denies cover each other; the later one is the one too many.
    if (rule.effect === "deny" && covers(rule, by) && rules.indexOf(rule) < rules.indexOf(by)) {
      continue;
    }
    const message =
      rule.effect === "deny"
        ? `refuses nothing that "${by.id}" does not refuse already`
        : `never matters: "${by.id}" refuses all it speaks of`;
    found.push(finding(rule.effect === "deny" ? "unreachable" : "shadowed", rule, message));
  }
  return found;
};

const pathPatterns = (predicate: Predicate): readonly PathPattern[] => {
  if (predicate.type === "path") return predicate.patterns;
  return predicate.type === "all" || predicate.type === "any"
    ? predicate.of.flatMap(pathPatterns)
    : [];
};

/** Texts that nobody would mean; what fits all of them fits anything. */
const strange = ["\u2603", "zz9 \u0001", "a@b.c/../?x=1"] as const;

const fitsAnything = (predicate: Predicate): boolean => {
  switch (predicate.type) {
    case "all":
      return predicate.of.every(fitsAnything);
    case "any":
      return predicate.of.some(fitsAnything);
    case "text":
      return strange.every((text) => textTruth(predicate.test, text) === yes);
    default:
      return false;
  }
};

/** Conditions that only seem to say where. */
const seeming = (rule: CompiledRule): readonly LintFinding[] =>
  rule.effect === "allow"
    ? rule.conditions
        .filter(({ predicate }) => fitsAnything(predicate))
        .map(({ argument }) =>
          finding("over-broad", rule, `where.${argument} holds of any text: it bounds nothing`),
        )
    : [];

const breadth = (rule: CompiledRule): readonly LintFinding[] => {
  if (rule.effect !== "allow") return [];
  const found: LintFinding[] = [];
  const changes = rule.targets.some((name) => targets.get(name)?.consequential === true);
  for (const { predicate } of rule.conditions) {
    for (const pattern of pathPatterns(predicate)) {
      const folder = subtree(pattern);
      if (folder === undefined || folder.prefix.length > 0) continue;
      if (folder.root === homeRoot) {
        found.push(finding("over-broad", rule, `allows everything in the home: ${pattern.text}`));
      } else if (changes && folder.root !== "scope") {
        found.push(finding("over-broad", rule, `allows changes everywhere in ${folder.root}:/`));
      }
    }
    if (predicate.type !== "argv" || predicate.profile) continue;
    for (const test of predicate.program) {
      if (test.type !== "exact" || !canRunAnything(test.path)) continue;
      const message = `${test.path} can run anything; its arguments do not bound it, its sandbox does`;
      found.push(finding("interpreter", rule, message));
    }
  }
  return found;
};

/** A refusal of what cannot happen anyway says nothing wrong, and nothing yet. */
const driverless = (rule: CompiledRule): readonly LintFinding[] =>
  rule.targets.every((name) => targets.get(name)?.driver === undefined)
    ? [finding("no-driver", rule, `has no effect yet: no driver for ${rule.targets.join(", ")}`)]
    : [];

/** Allows without which the same is allowed; of two that say the same the later one. */
const needless = (
  policy: CompiledPolicy,
  known: readonly LintFinding[],
): readonly LintFinding[] => {
  const { rules, hashing } = policy.engine;
  if (rules.length > lintRulesMax) return [];
  const found: LintFinding[] = [];
  let left = policy;
  for (const rule of rules.toReversed()) {
    if (rule.effect !== "allow" || known.some((finding) => finding.rule === rule.id)) continue;
    // What it lets programs reach, no other rule does.
    if ((rule.network ?? []).length > 0) continue;
    const others = left.engine.rules.filter((each) => each !== rule);
    const without = { ...left, engine: indexRules(others, hashing) };
    if (!isNeedless(left, rule, without)) continue;
    left = without;
    found.push(finding("unreachable", rule, "allows nothing that is not allowed without it"));
  }
  return found.toReversed();
};

/** Stands for any session's folder, below any home. */
const anyHome = "/home/~";
const anyScope: Root = { name: scopeRoot, path: `${anyHome}/scope`, access: "write" };

/** Refusals that a program could go round, where a session has a folder that they speak of. */
const uncompiled = (policy: CompiledPolicy): readonly LintFinding[] => {
  const workspaces = policy.workspaces.map((root) => ({
    ...root,
    path: root.path.replace(/^~/, anyHome),
  }));
  const found = compileSandbox(policy, [anyScope, ...workspaces], anyHome).uncompiled;
  return policy.engine.rules.flatMap((rule) => {
    const folders = found.filter((each) => each.rule === rule.id);
    const [first] = folders;
    if (first === undefined) return [];
    const names = folders.map(({ root }) => `${root}:/`).join(", ");
    const message = `no sandbox can keep it (${first.why}): programs that see ${names} ask`;
    return [finding("uncompiled", rule, message)];
  });
};

export const lint = (policy: CompiledPolicy): readonly LintFinding[] => {
  const rules = policy.engine.rules.filter(({ shadow }) => shadow !== true);
  const shadowed = shadows(rules);
  return [
    ...shadowed,
    ...needless(policy, shadowed),
    ...rules.flatMap(breadth),
    ...rules.flatMap(seeming),
    ...rules.flatMap(driverless),
    ...uncompiled(policy),
  ];
};
