/**
 * What a message must be before it has any effect: rules V1 to V10, R2's leader and R5's known
 * certificates, and how far its views may be from this host's.
 *
 * Pure and total: it changes nothing, so what is refused changed nothing. Bound: the signatures in one
 * message, each checked once; a message that is refused for its views costs none.
 */
import { equalBytes, ok, type Result } from "@ioi/base";
import type { ConsensusMessage, Envelope, EnvelopeKind } from "@ioi/wire";
import { type ConsensusError, type Judge, refuse } from "../certificates.ts";
import { guardBlocksMax, tenureViews, viewsAhead } from "../limits.ts";
import { blockHash } from "../objects.ts";
import { isFor } from "./proposing.ts";
import type { BlockTree } from "./tree.ts";
import type { HostRule } from "./types.ts";

export interface Gate {
  readonly judge: Judge;
  readonly tree: BlockTree;
  readonly view: bigint;
  /** View of the highest certificate that was seen. */
  readonly certified: bigint;
  readonly leader: (view: bigint) => number;
  readonly has: (rule: HostRule) => boolean;
}

/** Of a message without an envelope. */
const nobody = ok(-1);
type Voter = Result<number, ConsensusError>;

/** The number of the validator whose Guardian signed what the message is about. */
export const inspect = (gate: Gate, message: ConsensusMessage): Voter => {
  const { judge } = gate;
  switch (message.type) {
    case "proposal":
      return proposal(gate, message);
    case "vote":
      return envelope(gate, message.envelope, "vote");
    case "timeout":
      return timeout(gate, message);
    case "freeze": {
      const voter = envelope(gate, message.envelope, "freeze");
      const verdict = voter.ok ? judge.quorumCert(message.qc) : voter;
      return verdict.ok ? voter : verdict;
    }
    case "qc":
      return by(judge.quorumCert(message.qc));
    case "tc": {
      const verdict = judge.quorumCert(message.qc);
      return by(verdict.ok ? judge.timeoutCert(message.tc) : verdict);
    }
    case "nack": {
      const verdict = judge.nack(message.nack, gate.leader);
      return verdict.ok ? ok(gate.leader(message.nack.propose.view)) : verdict;
    }
    case "guard": {
      const { commit } = message;
      return commit.block.height + BigInt(guardBlocksMax) <= gate.tree.root.height
        ? refuse("E_CONSENSUS_STALE", "GS2: what is asked about is too far below")
        : by(judge.commitCert(commit));
    }
    // What these need is looked at where it is known.
    case "fetch":
    case "block":
    case "divergence":
    case "guarded":
      return nobody;
  }
};

const by = (verdict: Result<unknown, ConsensusError>): Voter => (verdict.ok ? nobody : verdict);

const envelope = ({ judge, view: now }: Gate, signed: Envelope, kind: EnvelopeKind): Voter => {
  const { view } = signed;
  if (signed.kind !== kind) return refuse("E_CONSENSUS_ENVELOPE", `it is no ${kind}`);
  const isAhead = kind !== "propose" && view > now + viewsAhead;
  if (kind !== "freeze" && (view + tenureViews < now || isAhead)) {
    return refuse("E_CONSENSUS_STALE", `view ${view} is not near ${now}`);
  }
  return judge.envelope(signed);
};

/** R5: a report whose certificate nobody here holds, and that does not carry it, is not collected. */
const timeout = (
  gate: Gate,
  message: Extract<ConsensusMessage, { readonly type: "timeout" }>,
): Voter => {
  const { qc } = message;
  const voter = envelope(gate, message.envelope, "timeout");
  const verdict = voter.ok ? gate.judge.quorumCert(qc) : voter;
  if (!verdict.ok) return verdict;
  const known = qc.view > gate.certified ? qc.view : gate.certified;
  if (message.envelope.high.view > known && gate.has("R5-known")) {
    return refuse("E_CONSENSUS_UNKNOWN", "the timeout shows a certificate that is not known");
  }
  return voter;
};

const proposal = (
  gate: Gate,
  { block, envelope: signed, tc }: Extract<ConsensusMessage, { readonly type: "proposal" }>,
): Voter => {
  const { judge, tree, view } = gate;
  const { header, justify } = block;
  const digest = blockHash(judge.provider, header);
  if (!isFor(signed, block, digest)) {
    return refuse("E_CONSENSUS_ENVELOPE", "the envelope is for another block");
  }
  const voter = envelope(gate, signed, "propose");
  if (!voter.ok) return voter;
  const { gid } = judge.set.entry(gate.leader(header.view));
  if (!equalBytes(signed.gid, gid) && gate.has("R2-leader")) {
    return refuse("E_CONSENSUS_BLOCK", "R2: its signer does not lead that view");
  }
  if (header.view < view) return refuse("E_CONSENSUS_STALE", "the view is over");
  const opened = tc === undefined ? ok(true) : judge.timeoutCert(tc);
  if (!opened.ok) return opened;
  const valid = tree.get(digest) === undefined ? tree.verify(block) : ok(true);
  if (!valid.ok && valid.error.code !== "E_CONSENSUS_UNKNOWN") return valid;
  // It may bring what opens its view.
  const from = [view, justify.view + 1n, (tc?.view ?? 0n) + 1n].reduce((a, b) => (a > b ? a : b));
  if (header.view > from + viewsAhead) return refuse("E_CONSENSUS_STALE", "too far ahead");
  return voter;
};
