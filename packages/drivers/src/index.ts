export * from "./core/driver.ts";
export * from "./core/handlers.ts";
export { openDriver } from "./core/process.ts";
export { readStart, type StartInput } from "./core/start.ts";
export { errors, type ErrorCode } from "./errors.ts";
export { ExecDriver } from "./exec/driver.ts";
export { FilesDriver } from "./files/driver.ts";
export { type DriverKind, pruneVault } from "./vault/vault.ts";
export * as limits from "./limits.ts";
