export {
  type Block,
  headerId,
  noParent,
  type Proposal,
  type Seal,
  statementOf,
  txRootOf,
  verifySeal,
} from "./block.ts";
export { errors } from "./errors.ts";
export { evidenceFolder, EvidenceLog, type EvidenceLogOptions } from "./evidence-log.ts";
export * from "./limits.ts";
export {
  type ChainEffect,
  type ChainInput,
  type ChainSettings,
  type ChainStart,
  SoloChain,
} from "./machine.ts";
export {
  ChainNode,
  type ChainNodeOptions,
  type HeaderSigner,
  type Proved,
  type ReadError,
} from "./node.ts";
export type { SigningState } from "./recover.ts";
export { chainFolder, chainResetMark } from "./segments.ts";
export { checkpointKey, decodeTx, paramsKey, sizeKey, type TxError } from "./state.ts";
export * from "./verify/index.ts";
