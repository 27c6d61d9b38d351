/**
 * The state of one session. It is written by the transitions beside this file only; readers get it
 * through `SessionMachine.state` as {@link SessionSnapshot}.
 *
 * `stage` says what is under way, `call` which answer it waits for (0: none). What a person sees as
 * the session's state is derived from the stage, so that the two cannot disagree.
 */
import type { CanonicalValue } from "@ioi/wire";
import { displayCharsMax } from "../limits.ts";
import { inferTarget, toolOf, type RawArguments, type Tool } from "../tools.ts";
import type {
  AgentFolder,
  Goal,
  Observation,
  OnAsk,
  OutcomeStatus,
  ReceiptRef,
  SessionEffect,
  SessionModel,
  SessionRoot,
  SessionServer,
  SessionState,
  Timing,
} from "./messages.ts";

export type Stage =
  /** Before `start`. */
  | "new"
  /** The gate is being attached; then whatever was interrupted goes on. */
  | "opening"
  | "asking"
  | "preparing"
  | "proposing"
  /** An approval is open. */
  | "deciding"
  | "acting"
  | "settling"
  | "reporting"
  /** A person is asked whether an effect happened. */
  | "resolving"
  /** Paused by the person or by a budget, between two actions. */
  | "resting"
  | "killing"
  | "closing"
  | "ended";

export interface OutcomeState {
  readonly status: OutcomeStatus;
  readonly bytes: number;
  readonly reversible: boolean;
  readonly reportedBy: "driver" | "workload" | "person";
  readonly code?: string;
  readonly message?: string;
  readonly evidence: { readonly [name: string]: string };
  readonly changed: readonly string[];
  readonly content?: string;
  readonly handle?: string;
  readonly resultHash?: Uint8Array;
  readonly signed?: { readonly outcome: Uint8Array; readonly signature: Uint8Array };
  readonly receipt?: ReceiptRef;
}

/** Of calls of a model. */
export interface Cost {
  readonly tokens: number;
  /** Millionths of a dollar. */
  readonly microusd: number;
}

export interface ActionState {
  readonly n: number;
  readonly target: string;
  readonly args: RawArguments;
  /** Later calls to the same target that a card may stand for. */
  readonly alike?: readonly RawArguments[];
  /** Dropped once a prompt was answered: it stands in the journal. */
  content?: Uint8Array;
  display: string;
  verdict: "allow" | "ask" | "deny" | "unavailable" | null;
  rules: readonly string[];
  asks: readonly { readonly kind: string; readonly id: string }[];
  reason: string;
  instead: string;
  approval?: string;
  ticket?: { readonly counter: bigint; readonly ttlMs: number };
  /** Canonical action as prepared last, its id, and the driver's nonce. */
  prepared?: { readonly action: Uint8Array; readonly actionId: Uint8Array; nonce: Uint8Array };
  ticketBytes?: Uint8Array;
  outcome?: OutcomeState;
  receipt?: ReceiptRef;
  timing?: Timing;
  attempts: number;
  /** Times that this try's outcome was sent to the Guardian. */
  reports: number;
  /** After the report, prepare and propose anew: nothing happened. */
  redo: boolean;
  /** Of a call of a model, until its end is known. */
  reserved?: Cost;
  /** Times that a call of a model was made again. */
  modelRetries: number;
  /** Set where a running program asked for it: its number among those of the session. */
  readonly beside?: number;
}

/** An answer to an ask, or that none came in time. */
export interface Decision {
  readonly approved: boolean;
  readonly reason: string;
  readonly expired: boolean;
}

/** A budget that is used up, or that the next action would go beyond. */
export interface ReachedBudget {
  readonly what: "actions" | "wallMs" | "tokens" | "microusd";
  readonly limit: number;
  readonly used: number;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly next?: string;
  readonly budget?: ReachedBudget;
}

export interface Session {
  session: string;
  workspace: string;
  onAsk: OnAsk;
  agent: string;
  goal: Goal;
  startedMs: number;
  lastMs: number;
  /** Time spent working, not waiting for a person. */
  activeMs: number;
  actionsMax: number;
  wallMsMax: number;
  tokensMax: number;
  microusdMax: number;
  /** Spent on models. */
  tokens: number;
  microusd: number;
  /** Which model was wished for, and the one that the Guardian knows. */
  modelWish: string | undefined;
  model: SessionModel | undefined;
  roots: readonly SessionRoot[];
  servers: readonly SessionServer[];
  folder: AgentFolder | undefined;
  attachments: readonly string[];
  /** Addresses that the person picked. */
  persons: readonly string[];
  stage: Stage;
  call: number;
  nextCall: number;
  /** The gate knows this process for the session. */
  opened: boolean;
  everOpened: boolean;
  /** What goes on once the gate is attached. */
  afterOpen: Stage;
  /** The stage to enter again at a time, after a failed call. */
  retry: { readonly stage: Stage; readonly atMs: number } | undefined;
  retries: number;
  epoch: number;
  proposals: number;
  lastCounter: bigint;
  actions: ActionState[];
  current: ActionState | undefined;
  observation: Observation;
  /** How many observations the agent has answered. */
  turn: number;
  messages: string[];
  /** How many of them the agent was given with the last question. */
  messagesGiven: number;
  says: string[];
  /** The number of the last action before each of `says`. */
  saysAfter: number[];
  /** How many older ones were dropped. */
  saysDropped: number;
  saysInRow: number;
  invalidInRow: number;
  repeats: Map<string, number>;
  contentBytes: number;
  /** Content that all actions proposed together. */
  proposedBytes: number;
  /** Decisions that came before the verdict that they answer. */
  early: (Decision & { readonly approval: string })[];
  pauseAsked: boolean;
  stopping: Stopping | undefined;
  /** What the session ends as, once the gate is closed. */
  ending: "done" | "failed" | "stopped" | undefined;
  failure: Failure | undefined;
  out: SessionEffect[];
  changed: boolean;
}

export interface Stopping {
  readonly reason: string;
  attempts: number;
  killed: boolean;
  /** The proposal or act that was under way: its answer still counts. 0: none. */
  awaited: number;
}

/** What readers get: the same data, not to be written. */
export type SessionSnapshot = Readonly<
  Omit<
    Session,
    "actions" | "current" | "messages" | "says" | "saysAfter" | "early" | "out" | "repeats"
  >
> & {
  readonly actions: readonly Readonly<ActionState>[];
  readonly current: Readonly<ActionState> | undefined;
  readonly messages: readonly string[];
  readonly says: readonly string[];
  readonly saysAfter: readonly number[];
};

export const newSession = (): Session => ({
  session: "",
  workspace: "",
  onAsk: "deny",
  agent: "",
  goal: { text: "", kind: "planner", earlier: [], lost: [] },
  startedMs: 0,
  lastMs: 0,
  activeMs: 0,
  actionsMax: 0,
  wallMsMax: 0,
  tokensMax: 0,
  microusdMax: 0,
  tokens: 0,
  microusd: 0,
  modelWish: undefined,
  model: undefined,
  roots: [],
  servers: [],
  folder: undefined,
  attachments: [],
  persons: [],
  stage: "new",
  call: 0,
  nextCall: 1,
  opened: false,
  everOpened: false,
  afterOpen: "asking",
  retry: undefined,
  retries: 0,
  epoch: 0,
  proposals: 0,
  lastCounter: 0n,
  actions: [],
  current: undefined,
  observation: { type: "goal" },
  turn: 0,
  messages: [],
  messagesGiven: 0,
  says: [],
  saysAfter: [],
  saysDropped: 0,
  saysInRow: 0,
  invalidInRow: 0,
  repeats: new Map(),
  contentBytes: 0,
  proposedBytes: 0,
  early: [],
  pauseAsked: false,
  stopping: undefined,
  ending: undefined,
  failure: undefined,
  out: [],
  changed: false,
});

/** What a running program asked for waits for a person. */
const asksBeside = (actions: SessionSnapshot["actions"]): boolean =>
  actions.some(({ beside, verdict }) => beside !== undefined && verdict === "ask");

const working = (s: SessionSnapshot, stage: Stage): SessionState => {
  const model = s.current?.target === inferTarget;
  switch (stage) {
    case "new":
    case "opening":
    case "asking":
    case "closing":
      return "planning";
    case "preparing":
    case "proposing":
      return model ? "waiting-model" : "proposing";
    case "deciding":
      return s.current?.asks.some(({ kind }) => kind === "cards") === true
        ? "paused"
        : "waiting-approval";
    case "acting":
      if (asksBeside(s.actions)) return "waiting-approval";
      return model ? "waiting-model" : "performing";
    case "settling":
    case "reporting":
      return model ? "waiting-model" : "performing";
    case "resolving":
    case "resting":
      return "paused";
    case "killing":
      return s.current === undefined ? "planning" : "performing";
    case "ended":
      return s.ending ?? "failed";
  }
};

/** What a person sees as the state. */
export const stateOf = (s: SessionSnapshot): SessionState =>
  working(s, s.stage === "opening" ? s.afterOpen : s.stage);

export const isTerminal = (s: SessionSnapshot): boolean => s.stage === "ended";

/** Nothing changes any more without a person or a new call. */
export const rests = (s: SessionSnapshot): boolean =>
  s.stage === "ended" ||
  s.stage === "resolving" ||
  s.stage === "resting" ||
  (s.stage === "deciding" && s.onAsk === "pend");

/** Time runs against the budget while the session works. */
export const isWorking = (s: SessionSnapshot): boolean =>
  !["new", "deciding", "resolving", "resting", "ended"].includes(s.stage);

export const toolOfAction = (action: { readonly target: string }): Tool | undefined =>
  toolOf(action.target);

/** At most `charsMax` UTF-16 units, well-formed. */
export const clip = (text: string, charsMax: number): string => {
  const whole = text.toWellFormed();
  if (whole.length <= charsMax) return whole;
  const cut = whole.slice(0, charsMax - 1);
  const last = cut.charCodeAt(cut.length - 1);
  return `${last >= 0xd800 && last <= 0xdbff ? cut.slice(0, -1) : cut}…`;
};

const shown = (value: CanonicalValue): string =>
  typeof value === "string" || Array.isArray(value)
    ? JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each))
    : typeof value === "object"
      ? "{}"
      : String(value);

/** One line for an action that the gate has not shown yet; control characters made visible. */
export const displayOf = (target: string, args: RawArguments): string => {
  const parts = Object.entries(args).map(([name, value]) => `${name}=${shown(value)}`);
  return clip([target, ...parts].join(" "), displayCharsMax);
};
