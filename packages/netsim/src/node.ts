/** What one simulated host has: what survives a crash, and what does not. */
import { assert, toHex } from "@ioi/base";
import {
  blockHash,
  type Committed,
  Course,
  type EndedEpoch,
  type Engine,
  type EngineEffect,
  gradeOf,
  type HostRule,
  type Judge,
  type Root,
  type Snapshot,
  type Strength,
  type Sync,
  type SyncSource,
  type ValidatorSet,
} from "@ioi/consensus";
import type { CommitCert, ConsensusBlock, DivergenceProof, EpochCert, QuorumCert } from "@ioi/wire";
import type { SimSigner } from "./guardians.ts";
import type { Journal } from "./journal.ts";
import type { Ledger } from "./ledger.ts";
import type { Staged } from "./take-over.ts";

/** Effects that take the time of a disk. */
export type Written = Extract<EngineEffect, { readonly type: "persist" | "keep" }>;

export interface NodePlan {
  /** The number of its validator among all, in whatever set that is. */
  readonly validator: number;
  readonly gid: Uint8Array;
  readonly without: readonly HostRule[];
  /** Milliseconds that its clock is ahead. */
  readonly driftMs: number;
  /** Signs with the host's own key. */
  readonly speak: (bytes: Uint8Array) => Uint8Array;
}

/** The two certificates that commit a block, or a later one on it. */
export interface Held {
  readonly set: ValidatorSet;
  /** The smaller of the two. */
  readonly power: bigint;
  /** Of the first of the two. */
  readonly view: bigint;
  /** A commit is never better than the end of the epoch below it. */
  readonly below: Held | undefined;
}

export const rootOf = ({ anchor }: Judge): Root => ({
  ...anchor,
  justView: 0n,
  commitHeight: anchor.height,
});

export class SimNode implements SyncSource {
  readonly plan: NodePlan;
  /** Outlives its host; that of a second host is the same one, or a copy. */
  signer: SimSigner;
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly course: Course;
  readonly committed: ConsensusBlock[] = [];
  readonly digests: string[] = [];
  /** By what each of them is committed; of a block, the strongest that was seen. */
  readonly held: Held[] = [];
  readonly proofs: DivergenceProof[] = [];
  /** How many of them stop the chain (K10). */
  freezes = 0;
  readonly store = new Map<string, ConsensusBlock>();
  /** Blocks that wait to be voted for, for their batches or for a state; true: the epoch is over. */
  readonly judging = new Map<
    string,
    { readonly block: ConsensusBlock; readonly isOver: boolean }
  >();
  /** Roots of batches that the others were asked for a moment ago. */
  readonly asked = new Set<string>();
  /** Where each epoch ended. */
  readonly ends = new Map<bigint, EndedEpoch>();
  /** Hosts that were told where an epoch ended, and when. */
  readonly told = new Map<number, number>();
  /** Committed, and the next epoch not entered: the state that names its set is not here yet. */
  ending: EpochCert | undefined;
  engine: Engine | undefined;
  /** Of the engine. */
  engineEpoch = 0n;
  /** Blocks that it asked others for since its last commit. */
  fetches = 0;
  /** When it last looked for more because of what it heard. */
  followedMs = Number.NEGATIVE_INFINITY;
  /** Hosts that answered well when blocks were asked for, above 0, or badly. */
  readonly ranks = new Map<number, number>();
  sync: Sync | undefined;
  snapshot: Snapshot | undefined;
  /** Of a state that it takes over: what survives a crash. */
  staged: Staged | undefined;
  isUp = false;
  /** In its own clock's milliseconds. */
  dueMs: number | undefined;
  life = 0;
  root: Root;
  rootQc: QuorumCert | undefined;
  newest: CommitCert | undefined;
  refused = 0;
  /** Synchronisations that came to nothing. */
  failures = 0;
  /** The end of the epoch below. */
  #below: Held | undefined;

  constructor(plan: NodePlan, signer: SimSigner, journal: Journal, ledger: Ledger, course: Course) {
    this.plan = plan;
    this.signer = signer;
    this.journal = journal;
    this.ledger = ledger;
    this.course = course;
    this.root = rootOf(course.judge);
  }

  get height(): number {
    return this.committed.length;
  }

  /** What its own clock shows. */
  clock(nowMs: number): number {
    return nowMs + this.plan.driftMs;
  }

  /** Undefined: at once. */
  write(effect: Written): Promise<boolean> | undefined {
    return effect.type === "keep"
      ? this.journal.keep(effect.envelope)
      : this.journal.append(effect.record);
  }

  /** Of its own epoch. */
  get judge(): Judge {
    return this.course.judge;
  }

  /** Its number in the set of its epoch; undefined where it is not in it. */
  get me(): number | undefined {
    return this.judge.set.indexOf(this.plan.gid);
  }

  block(height: bigint): ConsensusBlock | undefined {
    const { ending } = this;
    return ending !== undefined && height >= ending.boundary.height
      ? undefined
      : this.committed[Number(height) - 1];
  }

  endAt(height: bigint): EndedEpoch | undefined {
    return this.ends.get(height);
  }

  /** A block above the newest one, by certificates of that strength. */
  add(block: ConsensusBlock, commit: CommitCert, { power }: Strength): void {
    const { provider } = this.judge;
    assert(block.header.height === BigInt(this.height + 1), "nothing is left out");
    const digest = toHex(blockHash(provider, block.header));
    this.committed.push(block);
    this.digests.push(digest);
    this.held.push(this.#held(commit, power));
    this.store.set(digest, block);
  }

  /** What its own engine says is committed. */
  commit(effect: Committed): void {
    const verdict = this.judge.commitCert(effect.cert);
    assert(verdict.ok, "what is committed is certified");
    assert(gradeOf(this.judge.set, verdict.value) !== undefined, "by a quorum");
    for (const block of effect.blocks) this.add(block, effect.cert, effect.strength);
    this.fetches = 0;
    this.newest = effect.cert;
    this.root = effect.root;
    this.rootQc = effect.cert.blockQc;
    this.ending = effect.epochCert;
  }

  proved({ proof, sanction }: Extract<EngineEffect, { type: "divergence" }>): void {
    this.proofs.push(proof);
    if (sanction.type === "freeze") this.freezes += 1;
  }

  strengthen(cert: CommitCert, { power }: Strength): void {
    this.held[Number(cert.block.height) - 1] = this.#held(cert, power);
  }

  /** The block at the end is committed; `power` is the strength of its certificate. */
  enter(end: EndedEpoch, judge: Judge, power: bigint): void {
    this.#below = this.#held(end.cert.commit, power);
    this.ends.set(judge.anchor.height, end);
    this.course.enter(end, judge);
    this.root = rootOf(judge);
    this.rootQc = undefined;
    this.ending = undefined;
  }

  #held({ block }: CommitCert, power: bigint): Held {
    return { set: this.judge.set, power, view: block.view, below: this.#below };
  }
}
