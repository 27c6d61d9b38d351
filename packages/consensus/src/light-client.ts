/**
 * Follows a chain by its epochs' certificates, one after the other, from a trusted start; then checks
 * commits of the epoch that it stands in. It sees headers and certificates, never a payload.
 *
 * Invariants: an epoch is entered through the certificate of the one before, never skipped; a grade is
 * never above that of an epoch's end below it.
 */
import { equalBytes, ok, type Result } from "@ioi/base";
import type { Verifying } from "@ioi/crypto";
import type { BlockHeader, CommitCert, ConsensusEpoch, EpochCert, ValidatorEntry } from "@ioi/wire";
import {
  type Anchor,
  type ConsensusError,
  type EpochEnd,
  Judge,
  type JudgeRule,
  refuse,
} from "./certificates.ts";
import { type Grade, gradeOf, type Strength } from "./grades.ts";
import { nextTenureStart } from "./schedule.ts";
import { type SetError, ValidatorSet } from "./validators.ts";

/** How an epoch ended, for whoever is still in it: its certificate, and the set that follows. */
export interface EndedEpoch {
  readonly cert: EpochCert;
  readonly next: readonly ValidatorEntry[];
}

export interface TrustedStart {
  readonly chain: Uint8Array;
  readonly epoch: ConsensusEpoch;
  readonly set: ValidatorSet;
  readonly anchor: Anchor;
}

export interface VerifiedCommit {
  readonly header: BlockHeader;
  readonly grade: Grade;
  readonly strength: Strength;
}

/** The anchor of the epoch that begins after `end`: the first view is a tenure's start above X and all leases. */
export const anchorAfter = (end: {
  readonly boundary: BlockHeader;
  readonly digest: Uint8Array;
  readonly leaseEnd: bigint;
}): Anchor => {
  const { view, height, timeMs } = end.boundary;
  const above = view > end.leaseEnd ? view : end.leaseEnd;
  return { view: nextTenureStart(above) - 1n, digest: end.digest, height, timeMs };
};

const rank = (grade: Grade): bigint =>
  grade.type === "local" ? -1n : grade.type === "F0" ? 0n : grade.x;

/** A commit above what one validator alone decided is no better than that. */
const lower = (a: Grade | undefined, b: Grade): Grade =>
  a !== undefined && rank(a) < rank(b) ? a : b;

/** Checks that a test may take out of a light client, beside those of its judge, to see what they are for. */
export type LightClientRule = "V8-epoch" | "V8-set";
type Without = Pick<ReadonlySet<LightClientRule | JudgeRule>, "has">;
const nothing: Without = new Set();

/** V8: the judge of the epoch after that of `judge`; `next` is the set that the certificate's block names. */
export const judgeAfter = (
  judge: Judge,
  { cert, next }: EndedEpoch,
  isDevnet = false,
  without: Without = nothing,
): Result<
  { readonly judge: Judge; readonly end: EpochEnd; readonly grade: Grade },
  ConsensusError | SetError
> => {
  const end = judge.epochCert(cert);
  if (!end.ok) return end;
  const set = ValidatorSet.from(judge.provider, next, isDevnet);
  if (!set.ok) return set;
  if (!equalBytes(set.value.hash, end.value.validators) && !without.has("V8-set")) {
    return refuse("E_CONSENSUS_CERTIFICATE", "V8: another set follows");
  }
  const grade = gradeOf(judge.set, end.value.strength);
  if (grade === undefined) return refuse("E_CONSENSUS_CERTIFICATE", "V8: below a quorum");
  const { chain, epoch } = judge.context;
  const entered: ConsensusEpoch = { number: epoch.number + 1n, mode: epoch.mode };
  const anchor = anchorAfter(end.value);
  const context = { chain, epoch: entered };
  const after = new Judge(judge.provider, context, set.value, anchor, without);
  return ok({ judge: after, end: end.value, grade });
};

export class LightClient {
  readonly #isDevnet: boolean;
  readonly #without: Without;
  #judge: Judge;
  /** The least grade of the epochs' ends that were passed. */
  #least: Grade | undefined;

  constructor(
    provider: Verifying,
    start: TrustedStart,
    isDevnet = false,
    without: Without = nothing,
  ) {
    this.#isDevnet = isDevnet;
    this.#without = without;
    this.#judge = new Judge(provider, start, start.set, start.anchor, without);
  }

  /** Of the epoch that it stands in. */
  get judge(): Judge {
    return this.#judge;
  }

  get epoch(): ConsensusEpoch {
    return this.#judge.context.epoch;
  }

  get set(): ValidatorSet {
    return this.#judge.set;
  }

  get anchor(): Anchor {
    return this.#judge.anchor;
  }

  /** Enters the next epoch; `next` is the set that the certificate's block names. */
  advance(
    cert: EpochCert,
    next: readonly ValidatorEntry[],
  ): Result<ConsensusEpoch, ConsensusError | SetError> {
    const after = judgeAfter(this.#judgeOf(cert), { cert, next }, this.#isDevnet, this.#without);
    if (!after.ok) return after;
    this.#least = lower(this.#least, after.value.grade);
    this.#judge = after.value.judge;
    return ok(this.#judge.context.epoch);
  }

  #gradeOf(strength: Strength): Grade | undefined {
    const grade = gradeOf(this.#judge.set, strength);
    return this.#without.has("V3-power") ? (grade ?? { type: "F0" }) : grade;
  }

  /** Its own. Without the rule it believes the certificate which epoch it is of. */
  #judgeOf({ boundary }: EpochCert): Judge {
    if (!this.#without.has("V8-epoch")) return this.#judge;
    const { provider, context, set, anchor } = this.#judge;
    const told = { chain: context.chain, epoch: boundary.epoch };
    return new Judge(provider, told, set, { ...anchor, view: 0n });
  }

  /** A commit of the epoch that the client stands in. */
  verify(cert: CommitCert): Result<VerifiedCommit, ConsensusError> {
    const strength = this.#judge.commitCert(cert);
    if (!strength.ok) return strength;
    const grade = this.#gradeOf(strength.value);
    if (grade === undefined) return refuse("E_CONSENSUS_CERTIFICATE", "V7: below a quorum");
    return ok({
      header: cert.block,
      grade: lower(this.#least, grade),
      strength: strength.value,
    });
  }
}
