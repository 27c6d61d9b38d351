export type { Beginning } from "./begin.ts";
export { type Block, payloadRootOf } from "./block.ts";
export { errors } from "./errors.ts";
export type { FormerSigned } from "./former/read.ts";
export { evidenceFolder, EvidenceLog, type EvidenceLogOptions } from "./evidence-log.ts";
export * from "./limits.ts";
export { ChainNode, type ChainNodeOptions, type Proved, type SessionSigner } from "./node.ts";
export type { ReadError } from "./proofs.ts";
export { type SigningState, verifyStart } from "./recover.ts";
export {
  type ChainEffect,
  type ChainInput,
  type ChainSettings,
  type ChainStart,
  type SlotWanted,
  SoloChain,
} from "./solo.ts";
export { checkpointKey, decodeTx, paramsKey, sizeKey, type TxError } from "./state.ts";
export { chainFolder, chainResetMark } from "./store.ts";
export * from "./verify/index.ts";
