export { GuardianCore, type GuardianConfig, type GuardianPorts, type Instance } from "./core.ts";
export {
  type AnyDeviceKind,
  deviceIdOf,
  type DeviceSigned,
  type DeviceVerdict,
} from "./device-book.ts";
export { type DeviceOffer, DeviceSide, type DeviceView } from "./devices.ts";
export { errors } from "./errors.ts";
export { Gate, type Proposal, type ProposalReply } from "./gate.ts";
export type { OutcomeReport } from "./outcome-report.ts";
export type { Lease, LeaseHeader } from "./leases.ts";
export { memoryCheckpoint, type MemoryCheckpoint } from "./memory.ts";
export type { MemoryState } from "./memory-states.ts";
export {
  ChainSigner,
  type ChainSignerOptions,
  type ChainSigning,
  type SlotRequest,
} from "./chain-signer.ts";
export { type FormerHeader, formerHeadersPath, keptHeadersPath } from "./former-headers.ts";
export { type GuardianKeys, openGuardianKeys } from "./keys.ts";
export { type Answer as LedgerAnswer, Ledger, type Opening, type SessionRecord } from "./ledger.ts";
export * from "./limits.ts";
export {
  type Answer,
  type ApprovalCard,
  PersonSide,
  type ReceiptView,
  type Utterance,
} from "./person.ts";
export { ScopeSide, type ScopeAnswer, type ScopeOffer, type ScopeRequest } from "./scopes.ts";
export { type ConfirmedModel, modelAmount, type ModelRecord, ModelRegistry } from "./models.ts";
export {
  type PolicyBench,
  type PolicyChange,
  type PolicyNow,
  PolicySide,
  type PolicyVersion,
} from "./policy/side.ts";
export { PolicyTexts } from "./policy/texts.ts";
export { type GivenPreview, type ShownPreview } from "./previews.ts";
export {
  type Described,
  McpRegistry,
  type RegisteredServer,
  type WaitingTool,
  type Withheld,
} from "./mcp/registry.ts";
export type { Notice } from "./notices.ts";
export { PriceSource } from "./price-source.ts";
export { type PolicyFile, PolicySourceReader } from "./policy-source.ts";
export { compileProfile, driverKinds, mcpProfile, signProfile } from "./profiles.ts";
export {
  checkpointRecord,
  checkpointsPath,
  leafRecord,
  type LoggedLeaf,
  ReceiptLog,
  receiptsPath,
  type SignedCheckpoint,
} from "./receipt-log.ts";
export { sessionTakenBack } from "./session-log.ts";
export { openContent, type SealedContent, sealContent } from "./sealing.ts";
export { knownKeys } from "./known-keys.ts";
export { type SecretBinding, SecretStore, type SecretView } from "./secrets.ts";
export * from "./verify/index.ts";
export { workspaceComplaint } from "./workspace.ts";
export { answerUnsigned, type UnsignedAnswer } from "./unsigned.ts";
