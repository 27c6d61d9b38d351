/** What one simulated host has: what survives a crash, and what does not. */
import type { Engine, HostRule, Root } from "@ioi/consensus";
import type { Signer } from "@ioi/consensus/testing";
import type { ConsensusBlock, DivergenceProof, QuorumCert } from "@ioi/wire";
import type { Journal } from "./journal.ts";
import type { Ledger } from "./ledger.ts";

export interface NodePlan {
  /** Its validator's number in the set. */
  readonly validator: number;
  readonly without: readonly HostRule[];
  /** Milliseconds that its clock is ahead. */
  readonly driftMs: number;
}

export class SimNode {
  readonly plan: NodePlan;
  /** Outlives its host; that of a second host is the same one, or a copy. */
  readonly signer: Signer;
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly committed: ConsensusBlock[] = [];
  readonly digests: string[] = [];
  readonly strengths: bigint[] = [];
  readonly proofs: DivergenceProof[] = [];
  readonly store = new Map<string, ConsensusBlock>();
  /** Blocks that wait to be voted for, for their batches or for a state. */
  readonly judging = new Map<string, ConsensusBlock>();
  /** Roots of batches that the others were asked for a moment ago. */
  readonly asked = new Set<string>();
  engine: Engine | undefined;
  /** In its own clock's milliseconds. */
  dueMs: number | undefined;
  life = 0;
  root: Root;
  rootQc: QuorumCert | undefined;
  refused = 0;

  constructor(plan: NodePlan, signer: Signer, journal: Journal, ledger: Ledger, root: Root) {
    this.plan = plan;
    this.signer = signer;
    this.journal = journal;
    this.ledger = ledger;
    this.root = root;
  }

  get height(): number {
    return this.committed.length;
  }
}
