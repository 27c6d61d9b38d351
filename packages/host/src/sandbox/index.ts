export { codeBinds } from "./code-binds.ts";
export { codeCacheFolder, fillCodeCache, makeCodeCache } from "./code-cache.ts";
export {
  sandboxedCommand,
  sandboxPlan,
  type CommandOptions,
  type SandboxedCommand,
} from "./compile.ts";
export { errors } from "./errors.ts";
export { sandboxBridgePort } from "./limits.ts";
export { LaunchPool } from "./pool.ts";
export { kindProfiles, type KindProfile } from "./profiles.ts";
export { setupFailedExit } from "./plan.ts";
export {
  endSandbox,
  spawnSandboxed,
  type SandboxedChild,
  type SandboxIdentity,
  type SpawnOptions,
  type StdioEntry,
} from "./spawn.ts";
export {
  checkSpec,
  type SandboxBind,
  type SandboxKind,
  type SandboxLimits,
  type SandboxOverlay,
  type SandboxSpec,
} from "./spec.ts";
export * from "./self-test/index.ts";
