export * from "./errors.ts";
export * from "./limits.ts";
export type { WalRecord } from "./wal-format.ts";
export { scanFile, scanWal, type WalBad, type WalScan, type WalVisitor } from "./wal-scan.ts";
export { openWal, type Wal, type WalOptions, type WalRecovery } from "./wal.ts";
