export {
  type Agent,
  type AgentReply,
  type Look,
  type Piece,
  type Stretch,
  type Turn,
  turnsOf,
} from "./agent.ts";
export { commandAgent, type CommandAgent } from "./command-agent.ts";
export {
  agentProtocol,
  contentLine,
  observeLine,
  readAgentLine,
  shownStretch,
  startLine,
} from "./contract/messages.ts";
export { type AgentErrorCode, errors } from "./errors.ts";
export {
  encodeHeader,
  type Hash,
  type JournalError,
  journalFormat,
  journalHeader,
  type JournalHeader,
  journalRecord,
  type JournalRecord,
  journalStep,
  type JournalStep,
  machineVersion,
  readRecord,
  type Replayed,
  replayJournal,
  type ReplayStep,
} from "./journal.ts";
export * from "./limits.ts";
export { decodeLossy, type KeptBytes, lookAt } from "./look.ts";
export { modelAgent } from "./model/model-agent.ts";
export { type Origin, originOf } from "./origin.ts";
export { helpText, plan, type PlanError, type PlanErrorCode, type Step } from "./planner/plan.ts";
export { toRemember } from "./planner/remembered.ts";
export { editDistance, nearest } from "./planner/suggest.ts";
export { type Token, tokenize, type Word } from "./planner/tokens.ts";
export { SessionMachine } from "./session/machine.ts";
export {
  type AgentFolder,
  type AgentKind,
  type AgentStep,
  agentStep,
  encodeEffects,
  type Goal,
  type Observation,
  type OnAsk,
  type OutcomeStatus,
  type ReceiptRef,
  type SessionEffect,
  sessionEffect,
  type SessionInput,
  sessionInput,
  type SessionModel,
  type SessionRoot,
  type SessionServer,
  type SessionState,
  sessionState,
  type Timing,
  type UndoItem,
  type Verdict,
} from "./session/messages.ts";
export {
  type ActionState,
  clip,
  isTerminal,
  type OutcomeState,
  rests,
  type SessionSnapshot,
  type Stage,
  stateOf,
} from "./session/state.ts";
export { type Undo, undoOf } from "./session/observations.ts";
export { dollars, estimateTokens, isModelCall } from "./session/spending.ts";
export { personRuleId } from "./session/transitions.ts";
export { exitOf, type RunAction, type RunView, runView, type ViewOptions } from "./session/view.ts";
export {
  type Argument,
  type ArgumentType,
  type CallError,
  callTarget,
  embedTarget,
  inferTarget,
  type JsonSchema,
  type RawArguments,
  type Tool,
  toolName,
  toolOf,
  tools,
  toolSchema,
  undoPaths,
  validateCall,
} from "./tools.ts";
