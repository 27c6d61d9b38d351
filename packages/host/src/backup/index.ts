export { errors } from "./errors.ts";
export type { BackupManifest } from "./format.ts";
export * from "./limits.ts";
export { readBackup, type RestoreInput } from "./read.ts";
export { type BackupInput, writeBackup } from "./write.ts";
