/**
 * What goes into a session and what comes out of it, as schemas of the canonical codec: inputs are
 * journalled in exactly this form, effects are hashed in it.
 *
 * Every call that a session makes has a number; the answer names it, and an answer to any other
 * call is ignored. So a late, repeated or invented answer changes nothing.
 */
import { encodeCanonical, type Infer, schema } from "@ioi/wire";
import {
  attachmentsMax,
  personsMax,
  actionContentBytesMax,
  alikeCallsMax,
  displayCharsMax,
  messageCharsMax,
  outcomeContentBytesMax,
  reasonCharsMax,
  sayCharsMax,
  serverSchemaCharsMax,
  serverToolCharsMax,
  serverToolsMax,
  signedBytesMax,
  undoItemsMax,
  undoPathsMax,
  commandTextCharsMax,
} from "../limits.ts";
import type { RawArguments } from "../tools.ts";

const { anything, array, bool, bytes, int, mapOf, oneOf, optional, record, text, u64, union } =
  schema;

const args = mapOf(anything, 64) as schema.Schema<RawArguments>;
const content = bytes(undefined, actionContentBytesMax);
const signedBytes = bytes(undefined, signedBytesMax);
const code = text(64);
const reason = text(reasonCharsMax);
const paths = array(text(4096), undoPathsMax);

export const outcomeStatus = oneOf("confirmed", "partial", "no-effect", "refused", "unknown");
export type OutcomeStatus = Infer<typeof outcomeStatus>;

/** An effect that an undo can name: its ticket's counter and the paths that it touched. */
export const undoItem = record({ counter: u64, paths });
export type UndoItem = Infer<typeof undoItem>;

/** Who decides the steps. A `planner` and an `undo` end by themselves; the others may loop. */
export const agentKind = oneOf("planner", "undo", "model", "folder");
export type AgentKind = Infer<typeof agentKind>;

export const onAsk = oneOf("prompt", "deny", "pend");
export type OnAsk = Infer<typeof onAsk>;

export const goal = record({
  text: text(commandTextCharsMax),
  kind: agentKind,
  /** Of an `undo`: what is undone, oldest first. */
  earlier: array(undoItem, undoItemsMax),
  /** Of an `undo`: actions of that session that changed something and cannot be undone. */
  lost: array(int(), undoItemsMax),
});
export type Goal = Infer<typeof goal>;

/** A confirmed model as a session knows it. Prices in millionths of a dollar for a million tokens. */
export const sessionModel = record({
  id: text(128),
  contextTokens: int(),
  inputMicrousd: int(),
  outputMicrousd: int(),
});
export type SessionModel = Infer<typeof sessionModel>;

/** An agent that is a folder: what its `agent.toml` says, as far as a session needs it. */
export const agentFolder = record({
  path: text(4096),
  name: text(64),
  version: text(64),
  /** Targets that it may propose. */
  tools: array(text(64), 64),
  /** The longest time for one step. */
  stepMs: int(1),
});
export type AgentFolder = Infer<typeof agentFolder>;

export const sessionRoot = record({ name: text(64), path: text(4096), write: bool });
export type SessionRoot = Infer<typeof sessionRoot>;

/** A confirmed MCP server, with the tools that a person has seen, as the server describes them. */
export const sessionServer = record({
  name: text(64),
  tools: array(
    record({
      name: text(128),
      about: text(serverToolCharsMax),
      /** JSON Schema as text; empty where it is too large to be told. */
      schema: text(serverSchemaCharsMax),
    }),
    serverToolsMax,
  ),
});
export type SessionServer = Infer<typeof sessionServer>;

/** What an agent answers to an observation: `observe -> propose | say | finish`. */
export const agentStep = union({
  propose: {
    target: text(64),
    args,
    content: optional(content),
    /** Later calls to the same target, as far as they are known: alike ones share a card. */
    alike: optional(array(args, alikeCallsMax)),
  },
  /** A proposal that cannot even be written down. */
  invalid: { message: reason },
  say: { text: text(sayCharsMax) },
  finish: {
    status: oneOf("done", "failed"),
    code: optional(code),
    message: optional(reason),
    next: optional(reason),
  },
});
export type AgentStep = Infer<typeof agentStep>;

/** How often this very action ended in this very way, told once before a loop is broken. */
const repeats = optional(int(1));

/** What an agent is told. It holds no content: that stands with action `n` of the session. */
export const observation = union({
  goal: {},
  outcome: {
    n: int(),
    target: text(64),
    status: outcomeStatus,
    code: optional(code),
    message: optional(reason),
    /** A program's exit code. */
    exit: optional(int(-1, 255)),
    counter: u64,
    /** Whether there is something to undo, and whether that can be done by naming `paths`. */
    undo: oneOf("nothing", "paths", "lost"),
    paths,
    repeats,
  },
  denied: { n: int(), target: text(64), reason, instead: reason, repeats },
  failed: { n: int(), target: text(64), code, message: reason, repeats },
  /** The proposal did not match its tool's schema. */
  invalid: { code, message: reason },
  said: {},
});
export type Observation = Infer<typeof observation>;

const askSource = record({ kind: text(32), id: text(128) });

export const receiptRef = record({ index: u64, leafHash: bytes(32) });
export type ReceiptRef = Infer<typeof receiptRef>;

/** Microseconds; `gateUs` from the start of prepare to the ticket in hand. */
export const timing = record({
  gateUs: int(),
  prepareUs: int(),
  proposeUs: int(),
  decideUs: int(),
  syncUs: int(),
  signUs: int(),
});
export type Timing = Infer<typeof timing>;

const judged = {
  rules: array(text(128), 64),
  asks: array(askSource, 64),
  reason,
  instead: reason,
  display: text(displayCharsMax),
  receipt: optional(receiptRef),
  timing,
};

export const verdict = union({
  allow: { ...judged, counter: u64, ttlMs: int(), ticket: signedBytes },
  ask: { ...judged, approval: text(64) },
  deny: judged,
  unavailable: { code, message: reason },
});
export type Verdict = Infer<typeof verdict>;

const call = int();

/** Budgets of one session alone; the policy's are kept by the Guardian. */
const budgets = {
  actionsMax: optional(int(1)),
  wallMsMax: optional(int(1)),
  tokensMax: optional(int(1)),
  /** Millionths of a dollar. */
  microusdMax: optional(int(1)),
};

export const sessionInput = union({
  start: {
    session: text(64),
    workspace: text(4096),
    onAsk,
    agent: text(64),
    goal,
    /** Of a model agent: the id of a confirmed model; absent: the default one. */
    model: optional(text(128)),
    folder: optional(agentFolder),
    /** Files that the person picked; their names are content. */
    attachments: optional(array(text(4096), attachmentsMax)),
    /** Addresses of people that the person picked: as good as typed. */
    persons: optional(array(text(320), personsMax)),
    ...budgets,
  },
  opened: {
    call,
    policyHash: bytes(32),
    model: optional(sessionModel),
    roots: optional(array(sessionRoot, 64)),
    servers: optional(array(sessionServer, 16)),
  },
  step: { call, step: agentStep },
  prepared: {
    call,
    action: signedBytes,
    actionId: bytes(32),
    nonce: bytes(16),
    prepared: signedBytes,
    preparedSignature: signedBytes,
  },
  verdict: { call, verdict },
  /** `expired`: nobody answered in time. */
  decision: { approval: text(64), approved: bool, reason, expired: optional(bool) },
  outcome: {
    call,
    counter: u64,
    status: outcomeStatus,
    code: optional(code),
    message: optional(reason),
    bytes: int(),
    resultHash: bytes(32),
    reversible: bool,
    evidence: mapOf(text(256), 32),
    /** What a program's run changed. */
    changed: paths,
    content: optional(text(outcomeContentBytesMax)),
    handle: optional(text(256)),
    outcome: signedBytes,
    outcomeSignature: signedBytes,
  },
  settled: {
    call,
    status: oneOf("confirmed", "partial", "no-effect", "unknown"),
    reversible: bool,
  },
  reported: { call, receipt: receiptRef },
  killed: { call },
  closed: { call },
  /** A call came to nothing: prepare refused, a driver died, the gate is away. */
  "call-failed": { call, code, message: reason, retryable: bool },
  message: { text: text(messageCharsMax) },
  budget: budgets,
  pause: {},
  resume: {},
  stop: { reason },
  resolve: { resolution: oneOf("happened", "did-not-happen") },
  /** What became, so far, of an action that the running program asked for beside its own. */
  beside: {
    /** Of this session, from 1 on. */
    key: int(1),
    target: text(64),
    args,
    verdict: oneOf("allow", "ask", "deny"),
    rules: array(text(128), 64),
    asks: array(askSource, 64),
    reason,
    instead: reason,
    display: text(displayCharsMax),
    approval: optional(text(64)),
    ticket: optional(record({ counter: u64, ttlMs: int() })),
    receipt: optional(receiptRef),
    outcome: optional(
      record({
        status: outcomeStatus,
        bytes: int(),
        code: optional(code),
        message: optional(reason),
        evidence: mapOf(text(256), 32),
        reportedBy: oneOf("driver", "workload"),
        resultHash: optional(bytes(32)),
        receipt: optional(receiptRef),
      }),
    ),
  },
  /** The process that drove this session began anew: whatever was under way is void. */
  restart: {},
  tick: {},
});
export type SessionInput = Infer<typeof sessionInput>;

export const sessionState = oneOf(
  "planning",
  "waiting-model",
  "proposing",
  "waiting-approval",
  "performing",
  "paused",
  "done",
  "failed",
  "stopped",
);
export type SessionState = Infer<typeof sessionState>;

export const sessionEffect = union({
  open: { call },
  /** `turn` is the observation's place in the conversation; the same turn may be asked again. */
  "ask-agent": { call, turn: int(), observation, messages: array(text(messageCharsMax), 64) },
  prepare: { call, n: int(), target: text(64), args, content: optional(content) },
  propose: {
    call,
    n: int(),
    sequence: int(),
    action: signedBytes,
    prepared: signedBytes,
    preparedSignature: signedBytes,
    headless: bool,
    alike: optional(array(args, alikeCallsMax)),
  },
  act: {
    call,
    n: int(),
    target: text(64),
    counter: u64,
    nonce: bytes(16),
    ticket: signedBytes,
    content: optional(content),
  },
  abort: { n: int(), target: text(64), nonce: bytes(16) },
  settle: { call, n: int(), target: text(64), counter: u64 },
  report: {
    call,
    n: int(),
    counter: u64,
    status: outcomeStatus,
    reportedBy: oneOf("driver", "workload", "person"),
    outcome: optional(signedBytes),
    outcomeSignature: optional(signedBytes),
  },
  "ask-human": {
    about: oneOf("approval", "outcome", "budget"),
    n: int(),
    approval: optional(text(64)),
    text: reason,
  },
  kill: { call },
  close: { call, state: oneOf("done", "failed", "stopped") },
  publish: { state: sessionState, rests: bool },
  finish: { state: oneOf("done", "failed", "stopped"), code: optional(code) },
});
export type SessionEffect = Infer<typeof sessionEffect>;

/** The one encoding of what an input caused; its hash stands in the journal. */
export const encodeEffects = (effects: readonly SessionEffect[]): Uint8Array =>
  encodeCanonical(effects.map((effect) => sessionEffect.toCanonical(effect)));
