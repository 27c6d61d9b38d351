/**
 * Answers without a signature: a gate that no person watches asks its client, and what the client
 * says that its user answered is written down as that. The person allowed it when the gate was opened.
 *
 * Invariants: only in a session whose opening says so, only for an ask that the firewall lets a client
 * answer, only for exactly that action, once; the leaf is of a type of its own, so that nothing takes
 * it for a signed decision.
 */
import {
  answerableUnsigned,
  type CompiledPolicy,
  decide,
  type Decision,
  type DecisionContext,
  visible,
} from "@ioi/firewall";
import { action as actionSchema, schema } from "@ioi/wire";
import { patiently } from "./cards.ts";
import { type GuardianCore, rejected } from "./core.ts";
import type { Ask } from "./ledger.ts";
import { unsignedGrantMs } from "./limits.ts";
import type { LoggedLeaf } from "./receipt-log.ts";

export interface UnsignedAnswer {
  readonly session: string;
  readonly approval: string;
  readonly approved: boolean;
  /** What the client calls itself. */
  readonly client: string;
}

/** What a policy says, as often as a person bears it; of a gate without one, what its client may say. */
export const decidePatiently = (
  core: GuardianCore,
  policy: CompiledPolicy,
  checked: Parameters<typeof patiently>[1],
  context: DecisionContext,
): Decision => {
  const { action, session } = checked;
  const decision = patiently(core, checked, decide(policy, action, context));
  if (session.clientAnswers !== true || decision.verdict !== "ask") return decision;
  if (answerableUnsigned(policy, action, decision, context.session)) return decision;
  // Nobody is there who could answer for this.
  return decide(policy, action, { ...context, session: { ...context.session, headless: true } });
};

const askOf = (core: GuardianCore, { session, approval }: UnsignedAnswer): Ask => {
  const record = core.requireSession(session);
  const ask = core.ledger.asks.get(approval);
  if (record.clientAnswers !== true || ask === undefined || ask.session !== session) {
    throw rejected("E_APPROVAL_UNKNOWN", "no ask of this gate waits for its client");
  }
  return ask;
};

/** Judged again as it stands now: the policy may have changed since it asked. */
const stillAnswerable = (core: GuardianCore, ask: Ask): CompiledPolicy => {
  const record = core.requireSession(ask.session);
  const policy = core.policyFor(record);
  const plain = core.open(ask.session, ask.intent.action);
  const action = plain === undefined ? undefined : schema.decode(actionSchema, plain);
  if (policy === undefined || action?.ok !== true) {
    throw rejected("E_POLICY_INVALID", core.policyError());
  }
  const context: DecisionContext = {
    session: core.sessionContext(policy, record, false),
    ...core.weigh(record.id, action.value, policy),
    grants: [],
    actionId: ask.actionId,
  };
  const decision = decide(policy, action.value, context);
  if (!answerableUnsigned(policy, action.value, decision, context.session)) {
    throw rejected("E_APPROVAL_INVALID", "a client cannot answer for this");
  }
  return policy;
};

export const answerUnsigned = async (
  core: GuardianCore,
  answer: UnsignedAnswer,
): Promise<LoggedLeaf> => {
  const ask = askOf(core, answer);
  const policy = stillAnswerable(core, ask);
  const client = visible(answer.client.slice(0, 64).toWellFormed());
  if (!answer.approved) core.reasons.set(ask.approval, "as its client says, unsigned");
  const nowMs = core.wall();
  // Taken before the first await: a second answer to the same ask finds nothing.
  if (core.answering.has(ask.approval)) {
    throw rejected("E_APPROVAL_UNKNOWN", `ask ${ask.approval} is being answered`);
  }
  core.answering.add(ask.approval);
  try {
    return await core.commit({
      type: "unsigned-answer",
      atMs: nowMs,
      session: ask.session,
      approval: ask.approval,
      actionId: ask.actionId,
      decision: answer.approved ? "approve" : "deny",
      discharges: ask.asks,
      policyHash: policy.hash,
      expiresMs: nowMs + unsignedGrantMs,
      client: client.slice(0, 256),
    });
  } finally {
    core.answering.delete(ask.approval);
  }
};
