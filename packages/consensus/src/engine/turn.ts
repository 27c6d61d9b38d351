/**
 * What a host does next: rules R2, R4, R5 and R9, as one function of where it stands.
 *
 * The order is that of slots: first what its Guardian could not sign any more after the next. Nothing is
 * remembered here; the engine asks again after every input.
 */
import { equalBytes } from "@ioi/base";
import type { CertifiedRef, Envelope, Nack, QuorumCert } from "@ioi/wire";
import type { GuardianRequest } from "../guardian.ts";
import { clockDriftMsMax } from "../limits.ts";
import { compareSlots, type Slot, zeroHash } from "../objects.ts";
import type { BlockTree, Node } from "./tree.ts";

export interface Proposal {
  /** By the leader of the view. */
  readonly envelope: Envelope;
  readonly digest: Uint8Array;
}

export interface Situation {
  readonly tree: BlockTree;
  readonly view: bigint;
  readonly nowMs: number;
  readonly deltaMs: number;
  /** Of the last envelope of its own. */
  readonly slot: Slot;
  /** The hash of a proof of divergence. */
  readonly conviction: Uint8Array | undefined;
  /** A commit ended the epoch, and waits for votes (E1). */
  readonly isOver: boolean;
  readonly timeoutFor: bigint | undefined;
  readonly opensByQuorum: boolean;
  readonly proposals: ReadonlyMap<bigint, Proposal>;
  readonly rejectedView: bigint;
  /** Its own block for this view. */
  readonly ready: Node | undefined;
  /** It leads this view, it is time, and nothing is being built. */
  readonly mayBuild: boolean;
  /** Without R2's lock it votes below what it holds. */
  readonly minds: { readonly lock: boolean; readonly ownVote: boolean };
  payloadOf(key: string): "asked" | "held" | "refused" | undefined;
}

export type Turn =
  | { readonly type: "sign"; readonly request: GuardianRequest }
  | { readonly type: "judge"; readonly node: Node }
  | { readonly type: "build"; readonly high: QuorumCert }
  | { readonly type: "reject"; readonly nack: Nack };

const nothing: CertifiedRef = { view: 0n, digest: zeroHash };
export const refOf = ({ view, digest }: CertifiedRef): CertifiedRef => ({ view, digest });

/** Of a block: everything that a vote or a proposal says. */
const requestFor = (kind: "propose" | "vote", { block, view, digest }: Node): GuardianRequest => {
  const just = refOf(block.justify);
  return { type: "sign", kind, view, digest, just, seen: just };
};

const isOpen = (slot: Slot, view: bigint, kind: Slot["kind"]): boolean =>
  compareSlots({ view, kind }, slot) > 0;

/** A block that may be voted for as soon as its payload is held. */
const judged = (at: Situation, node: Node): Turn | undefined => {
  const payload = at.payloadOf(node.key);
  if (payload === undefined) return { type: "judge", node };
  return payload === "held" ? { type: "sign", request: requestFor("vote", node) } : undefined;
};

/** The block of the view before, which its own certificate overtook: a vote makes that stronger. */
const lateVote = (at: Situation): Turn | undefined => {
  const view = at.view - 1n;
  const digest = at.proposals.get(view)?.digest;
  if (digest === undefined || !at.opensByQuorum || !isOpen(at.slot, view, "vote")) return undefined;
  const node = at.tree.get(digest);
  if (node === undefined || at.tree.certOf(digest) === undefined) return undefined;
  return judged(at, node);
};

const isTimely = (at: Situation, { timeMs }: Node): boolean =>
  Math.abs(timeMs - at.nowMs) <= clockDriftMsMax + 2 * at.deltaMs;

/** R2. */
const vote = (at: Situation): Turn | undefined => {
  const { tree, view } = at;
  const proposal = at.proposals.get(view);
  const node = proposal === undefined ? undefined : tree.get(proposal.digest);
  if (proposal === undefined || node === undefined || at.timeoutFor !== undefined) return undefined;
  if (node.justView < tree.high.view && at.minds.lock) {
    if (at.rejectedView >= view || tree.high.view >= view) return undefined;
    return { type: "reject", nack: { propose: proposal.envelope, qc: tree.high } };
  }
  if (!isOpen(at.slot, view, "vote") || !isTimely(at, node)) return undefined;
  return judged(at, node);
};

/** R4: after the vote in the view before; on the highest certificate that is held. */
const propose = (at: Situation): Turn | undefined => {
  const { ready, tree, view } = at;
  if (at.timeoutFor !== undefined || !isOpen(at.slot, view, "propose")) return undefined;
  if (ready !== undefined && equalBytes(ready.block.justify.digest, tree.high.digest)) {
    return { type: "sign", request: requestFor("propose", ready) };
  }
  return at.mayBuild ? { type: "build", high: tree.high } : undefined;
};

export const nextTurn = (at: Situation): Turn | undefined => {
  const { conviction, timeoutFor } = at;
  if (conviction !== undefined) {
    return at.slot.kind === "freeze"
      ? undefined
      : { type: "sign", request: { type: "freeze", proof: conviction } };
  }
  if (at.isOver) return lateVote(at);
  if (timeoutFor !== undefined && isOpen(at.slot, timeoutFor, "timeout")) {
    const seen = refOf(at.tree.high);
    const request = { kind: "timeout", view: timeoutFor, digest: zeroHash, just: nothing } as const;
    return { type: "sign", request: { type: "sign", ...request, seen } };
  }
  const late = at.minds.ownVote ? lateVote(at) : undefined;
  return late ?? propose(at) ?? vote(at);
};
