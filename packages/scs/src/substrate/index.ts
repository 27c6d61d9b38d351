export { compactSubstrate } from "./compact.ts";
export { createSubstrate, openSubstrate } from "./open.ts";
export { searchDefaults } from "./recall.ts";
export { Substrate } from "./substrate.ts";
export type {
  AsOf,
  Audit,
  CreateOptions,
  LogCheckpoint,
  OpenOptions,
  Progress,
  ProvedRecall,
  ProveOptions,
  Recalled,
  RecalledAnswer,
  RecallFilter,
  RecallQuery,
  Remembered,
  SubstrateInfo,
} from "./types.ts";
