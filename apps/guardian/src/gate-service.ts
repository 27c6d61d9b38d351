/** `Gate` over RPC: messages to calls and back. */
import { OperationError, toHex } from "@ioi/base";
import {
  answerUnsigned,
  type Gate,
  type GuardianCore,
  type LedgerAnswer,
  type ProposalReply,
} from "@ioi/guardian";
import { type Implementation, implement, MessageQueue } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { expiryCheckMs } from "./limits.ts";
import { serverMessage } from "./mcp-service.ts";
import { modelMessage } from "./models-service.ts";

const none = new Uint8Array(0);

const answerMessage = (core: GuardianCore, answer: LedgerAnswer) => ({
  session: answer.session,
  approval: answer.approval,
  actionId: answer.actionId,
  approved: answer.approved,
  expired: answer.expired,
  reason: core.reasons.get(answer.approval) ?? "",
});

/**
 * One action can be followed by its ids through every log: the session is the trace, the action's
 * digest and the ticket name the step, the receipt is where it ends.
 */
const logDecision = (core: GuardianCore, session: string, reply: ProposalReply): void => {
  core.ports.log.log("info", "gate.decided", {
    session,
    action: toHex(reply.actionId),
    ticket: reply.counter.toString(),
    order: reply.order.toString(),
    target: reply.target,
    verdict: reply.verdict,
    approval: reply.approval,
    receipt: reply.receipt.index,
    ...(reply.decision.shadow === undefined
      ? {}
      : { shadow: reply.decision.shadow.map(({ id, effect }) => `${effect} ${id}`).join(", ") }),
  });
};

/** The session was given another scope: its drivers need other profiles. */
const scopeMessage = (session: string) => ({
  session,
  approval: "",
  actionId: none,
  approved: false,
  expired: false,
  reason: "",
  scopeChanged: true,
});

/** Said once in each stream; the session ends by it, and its asks with it. */
const tellExpired = (core: GuardianCore, tell: (answer: LedgerAnswer) => void): (() => void) => {
  const told = new Set<string>();
  const look = (): void => {
    for (const { approval, session, actionId } of core.expiredAsks()) {
      if (told.has(approval)) continue;
      told.add(approval);
      tell({ session, approval, actionId, approved: false, expired: true });
    }
  };
  look();
  const timer = setInterval(look, expiryCheckMs);
  return () => clearInterval(timer);
};

/** What persons decided, or did not in time: the known answers first, then every new one. */
async function* decisionsOf(core: GuardianCore, signal: AbortSignal) {
  const queue = new MessageQueue<LedgerAnswer | { readonly scopeOf: string }>();
  const stopExpiring = tellExpired(core, (answer) => queue.push(answer));
  const stop = core.watch((leaf) => {
    if (leaf.type === "scope") queue.push({ scopeOf: leaf.session });
    if (leaf.type !== "decision" && leaf.type !== "unsigned-answer") return;
    queue.push({
      session: leaf.session,
      approval: leaf.approval,
      actionId: leaf.actionId,
      approved: leaf.decision === "approve",
      expired: false,
    });
  });
  signal.addEventListener("abort", () => queue.finish(), { once: true });
  try {
    for (const answer of core.ledger.answers.values()) yield answerMessage(core, answer);
    for (const { id, scope, closed } of core.ledger.sessions.values()) {
      if (scope !== undefined && closed === undefined) yield scopeMessage(id);
    }
    for await (const each of queue) {
      yield "scopeOf" in each ? scopeMessage(each.scopeOf) : answerMessage(core, each);
    }
  } finally {
    stop();
    stopExpiring();
  }
}

const replyMessage = (reply: ProposalReply) => ({
  ticket: reply.ticket ?? none,
  verdict: reply.verdict,
  rules: reply.decision.rules.map((rule) => rule.id),
  asks: reply.decision.asks.map(({ kind, id }) => ({ kind, id })),
  reason: reply.decision.reason,
  instead: reply.decision.instead,
  approval: reply.approval ?? "",
  counter: reply.counter,
  ttlMs: reply.ticket === undefined ? 0 : reply.ttlMs,
  receiptIndex: BigInt(reply.receipt.index),
  receiptLeafHash: reply.receipt.hash,
  display: reply.display,
  order: reply.order,
  decideUs: reply.timing.decide,
  syncUs: reply.timing.sync,
  signUs: reply.timing.sign,
});

export const gateService = (core: GuardianCore, gate: Gate): Implementation =>
  implement(pb.Gate, {
    openSession: async ({ session }) => {
      const { profiles, policy, roots } = gate.openSession(session);
      return {
        profiles: [...profiles],
        policyHash: policy.hash,
        bootCertificate: core.keys.bootCertificate,
        roots: roots.map((root) => ({ ...root })),
        actionsMax: policy.budgets.actions,
        wallMinutesMax: policy.budgets.wallMinutes,
        models: core.models.models.map(modelMessage),
        mcpServers: core.mcpServers.map(serverMessage),
      };
    },
    propose: async (request) => {
      const reply = await gate.propose(request);
      // The ticket leaves first: a line of a log takes as long as a signature.
      setImmediate(() => logDecision(core, request.session, reply));
      return replyMessage(reply);
    },
    preview: async (given) => {
      gate.preview(given);
      return {};
    },
    report: async (report) => {
      const { session, counter, outcome, outcomeSignature, status, reportedBy, origins, requests } =
        report;
      const { index, hash } = await gate.report({
        session,
        counter,
        outcome: outcome.length === 0 ? undefined : outcome,
        signature: outcomeSignature,
        status,
        reportedBy,
        origins,
        requests,
      });
      const ids = { session, ticket: counter.toString(), receipt: index };
      setImmediate(() => core.ports.log.log("info", "gate.reported", ids));
      return { receiptIndex: BigInt(index), receiptLeafHash: hash };
    },
    watchDecisions: (_request, context) => decisionsOf(core, context.signal),
    describeTools: async ({ session, server, tools }) => {
      const { mcpServer } = core.requireSession(session);
      if (mcpServer !== undefined && mcpServer !== server) {
        throw new OperationError("E_MCP_UNKNOWN", "the session is a gate before another server");
      }
      const seen = tools.map(({ name, hash, definition }) => ({ name, hash, text: definition }));
      const { withheld, pinned } = await core.mcp.describe(server, seen);
      const states = withheld.map(({ name, state }) => `${state} ${name}`).join(", ");
      core.ports.log.log("info", "mcp.described", { session, server, pinned, withheld: states });
      return { withheld: [...withheld], pinned };
    },
    answerUnsigned: async (answer) => {
      const { index } = await answerUnsigned(core, answer);
      const { session, approval, approved, client } = answer;
      const fields = { session, approval, approved, client: client.slice(0, 64), receipt: index };
      core.ports.log.log("info", "gate.answered-unsigned", fields);
      return { receiptIndex: BigInt(index) };
    },
    closeSession: async ({ session, state }) => {
      if (state.length > 64) throw new OperationError("E_PROPOSAL_INVALID", "a state is a word");
      await gate.closeSession(session, state);
      return {};
    },
  });
