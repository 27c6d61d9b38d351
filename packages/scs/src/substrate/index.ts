export { changeEmbedder, compactSubstrate } from "./compact.ts";
export { createSubstrate, isEmbedderOf, openSubstrate } from "./open.ts";
export type { KeptSegment } from "../kept.ts";
export { damagedSegments } from "./damage.ts";
export { searchDefaults } from "./recall.ts";
export { Substrate } from "./substrate.ts";
export type {
  AsOf,
  Audit,
  CreateOptions,
  Embedded,
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
  RememberOptions,
  SubstrateInfo,
} from "./types.ts";
