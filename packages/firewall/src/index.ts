export * from "./budget.ts";
export { reachable } from "./builtin.ts";
export * from "./canonicalise.ts";
export * from "./card.ts";
export { compilePolicy } from "./compile.ts";
export { decide, reversibleRuleId } from "./decide.ts";
export * from "./default-policy.ts";
export { diffPolicies, type DiffExample, type DiffSetting, type PolicyDiff } from "./diff/diff.ts";
export * from "./errors.ts";
export { type GrantPattern, patternLines } from "./grant-pattern.ts";
export { isSessionDischargeable, patternOf, sessionScopeOffered } from "./grants.ts";
export {
  type AnswerOrigins,
  answerValue,
  decodeOrigins,
  encodeOrigins,
  originsOf,
} from "./grounding/origins.ts";
export type { SeenAddress, TrustedValue } from "./grounding/sources.ts";
export { personOf } from "./grounding/token.ts";
export { isTyped, typedUrls, wordsTokens } from "./grounding/words.ts";
export { undescribed } from "./tool-roles/call.ts";
export { checkToolArguments } from "./tool-roles/schema.ts";
export { answerableUnsigned } from "./tool-roles/unsigned.ts";
export { canonicalJson, jsonOfCanonical, readJson } from "./kinds/data.ts";
export * from "./limits.ts";
export * from "./model-url.ts";
export * from "./prices.ts";
export { type Rate, RateLedger } from "./rates.ts";
export { WalletLedger } from "./wallet.ts";
export type { DecisionTime } from "./window.ts";
export * from "./net/index.ts";
export { performs } from "./net/lease.ts";
export { networkTargets } from "./net/read-network.ts";
export { canonicalHostOf, readHost } from "./kinds/names.ts";
export { foldCase, isWithin, normalisePath, pathComplaint } from "./paths.ts";
export { canRunAnything, isPoisonedVariable } from "./programs.ts";
export { protectedReason } from "./protected.ts";
export {
  compileSandbox,
  type CompiledProfile,
  type SandboxPaths,
  sandboxedTargets,
  type Uncompiled,
} from "./sandbox-profile.ts";
export { analyseArgv, type Script, type ScriptRedirect } from "./shell.ts";
export {
  argumentOf,
  type ArgumentSpec,
  mustConstrain,
  type Role,
  takesWhole,
  targets,
  type TargetSpec,
} from "./targets.ts";
export { offeredScope, scopeCard, type ScopeInput, type ScopePick } from "./scope/card.ts";
export { taskGroupOf, type TaskScope, widening } from "./scope/task.ts";
export { readWords, scopeGroups, widerAccess, type WordsReading } from "./scope/words.ts";
export * from "./types.ts";
export { isVisible, letterWarnings, visible } from "./visible.ts";
export {
  check,
  explain,
  type EvaluatedRule,
  type PolicyCheck,
  type PolicyExplanation,
} from "./explain.ts";
export { lint, type LintFinding } from "./lint.ts";
export { parseToml, type TomlEntry, type TomlNode, type TomlTable } from "./toml.ts";
export { formatPolicy, importPolicy, type Imported } from "./tools/format.ts";
export { type FixtureResult, type HandAction, handQuestion, testPolicy } from "./tools/fixtures.ts";
export { learn, type Learned, type NotLearned, type RecordedStep } from "./tools/learn.ts";
export { vocabulary, type Vocabulary, type VocabularyTarget } from "./tools/vocabulary.ts";
