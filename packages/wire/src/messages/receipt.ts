/**
 * The leaves of the receipt log. Two for every action, joined by the ticket's counter: INTENT is
 * durable before the ticket leaves the Guardian, OUTCOME follows; an INTENT without one reads
 * `unknown`. What an action contained is sealed under the session's key; the leaf commits to it.
 */
import {
  type Infer,
  array,
  bytes,
  int,
  mapOf,
  oneOf,
  optional,
  record,
  text,
  u64,
  union,
} from "../schema.ts";
import { deviceKind } from "./device.ts";

export const sealedContent = record({
  /** SHA-256 over a 32-byte salt and the content; the salt is the first part of the plaintext. */
  commitment: bytes(32),
  /** AES-256-GCM under the session's key: 12-byte nonce, ciphertext, tag. */
  sealed: bytes(undefined, 262_144),
});

export const askSource = record({
  /**
   * `rule`, `default`, `ungrounded`, `budget`, `fact`, `protected`, `dynamic`, `irreversible`,
   * `task`, `cards`, `sandbox`, `link`, `tool`, `topic`.
   */
  kind: text(32),
  /** Rule id, argument name or budget name. */
  id: text(128),
});
export type AskSource = Infer<typeof askSource>;

export const leaf = union({
  "session-open": {
    atMs: int(),
    session: text(64),
    agent: text(64),
    policyHash: bytes(32),
    /** The session's budgets, fixed by the policy it was opened under. */
    actionsMax: int(),
    wallMinutesMax: int(),
    /** For models; absent: no bound. */
    modelMicrousdMax: optional(int()),
    modelTokensMax: optional(int()),
    /** The session whose effects this one undoes. */
    undoes: optional(text(64)),
    words: sealedContent,
  },
  intent: {
    atMs: int(),
    counter: u64,
    session: text(64),
    agent: text(64),
    /** The Orchestrator's number of the proposal. */
    order: u64,
    actionId: bytes(32),
    target: text(64),
    verdict: oneOf("allow", "ask", "deny"),
    rules: array(text(128), 64),
    asks: array(askSource, 64),
    discharged: array(askSource, 64),
    policyHash: bytes(32),
    grantsHash: bytes(32),
    /** Ids of the grants that discharged something. */
    grants: array(text(64), 64),
    action: sealedContent,
    /** Of a question to a model: what is set aside for it, at most. */
    reserve: optional(record({ tokens: int(), microusd: int() })),
    /** Present when an ask waits for a person. */
    approval: optional(text(64)),
    /** Canonical `alikeActions`: what the same answer is for. */
    alike: optional(sealedContent),
  },
  outcome: {
    atMs: int(),
    counter: u64,
    session: text(64),
    reportedBy: oneOf("driver", "workload", "guardian", "person"),
    status: oneOf("confirmed", "partial", "no-effect", "refused", "unknown"),
    resultHash: bytes(32),
    evidence: mapOf(text(256), 32),
    /** The driver's signed report, where there is one. */
    report: optional(bytes(undefined, 65_536)),
    /** Where values of a tool's answer come from: what its evidence `origins` commits to. */
    origins: optional(sealedContent),
    /** Of a program with a network: its requests, to which the evidence's `request_log` commits. */
    requests: optional(sealedContent),
  },
  decision: {
    atMs: int(),
    session: text(64),
    approval: text(64),
    actionId: bytes(32),
    decision: oneOf("approve", "deny"),
    /** `pattern`: for what is like it, so often and so long. */
    scope: oneOf("once", "session", "pattern"),
    discharges: array(askSource, 64),
    policyHash: bytes(32),
    /** Until when the grant that an approval makes may be used. */
    expiresMs: int(),
    device: bytes(32),
    signature: bytes(undefined, 8192),
  },
  /**
   * What the client of a gate without a person says that its user answered: a claim, unsigned. It
   * stands for exactly one action that can be undone.
   */
  "unsigned-answer": {
    atMs: int(),
    session: text(64),
    approval: text(64),
    actionId: bytes(32),
    decision: oneOf("approve", "deny"),
    discharges: array(askSource, 64),
    policyHash: bytes(32),
    /** Until when the grant that an approval makes may be used. */
    expiresMs: int(),
    /** What the client calls itself. */
    client: text(256),
  },
  /** A task's scope, accepted by a person: budgets in the clear, folders and sites sealed. */
  scope: {
    atMs: int(),
    session: text(64),
    actionsMax: int(),
    wallMinutesMax: int(),
    microusdMax: int(),
    policyHash: bytes(32),
    /** Until when its grants may be used. */
    expiresMs: int(),
    /** Canonical `scopeStatement`. */
    statement: sealedContent,
    device: bytes(32),
    signature: bytes(undefined, 8192),
  },
  revoke: { atMs: int(), session: text(64), reason: text(256) },
  policy: { atMs: int(), policyHash: bytes(32) },
  /** Another text of the policy, accepted by a person; durable before it is in force. */
  "policy-change": {
    atMs: int(),
    /** Of the texts. */
    before: bytes(32),
    after: bytes(32),
    /** Of the policy that the new text makes. */
    policyHash: bytes(32),
    /** The device that said so, its canonical `policyStatement` and its signature. */
    device: bytes(32),
    statement: bytes(undefined, 256),
    signature: bytes(undefined, 8192),
  },
  /** A key that may answer for the person, or may no more. */
  device: {
    atMs: int(),
    change: oneOf("pair", "revoke"),
    device: bytes(32),
    kind: deviceKind,
    name: text(64),
    publicKey: bytes(65),
    /** WebAuthn: what the authenticator calls it; else empty. */
    credentialId: bytes(undefined, 1024),
    /** The device that said so, its canonical `pairStatement` and its signature. */
    by: bytes(32),
    statement: bytes(undefined, 256),
    signature: bytes(undefined, 8192),
  },
});
export type Leaf = Infer<typeof leaf>;

/** What a device signs to answer an ask. Domain `ioi/device/decision/v1`. */
export const decisionStatement = record({
  version: int(1, 1),
  approval: text(64),
  session: text(64),
  actionId: bytes(32),
  /** SHA-256 of the card's text: what the person saw is what is approved. */
  cardHash: bytes(32),
  decision: oneOf("approve", "deny"),
  scope: oneOf("once", "session", "pattern"),
  discharges: array(askSource, 64),
  policyHash: bytes(32),
});
export type DecisionStatement = Infer<typeof decisionStatement>;
