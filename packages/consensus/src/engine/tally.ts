/**
 * Counts verified votes and timeouts by power. A Guardian counts once for a view; what it says besides
 * is a matter of evidence. Bounds: `talliedViewsMax` views, lowest dropped first; one envelope for a
 * Guardian, view and kind.
 */
import type { Envelope, QuorumCert, TimeoutCert } from "@ioi/wire";
import { type Judge, timeoutCertOf } from "../certificates.ts";
import { talliedViewsMax } from "../limits.ts";
import { keyOf } from "../objects.ts";
import type { ValidatorSet } from "../validators.ts";

/** Of one view and one kind. */
class Ballot {
  readonly #groups = new Map<string, Map<number, Envelope>>();
  readonly #voters = new Set<number>();

  /** Those who agree with it, itself included; undefined where its Guardian was counted before. */
  add(envelope: Envelope, voter: number): ReadonlyMap<number, Envelope> | undefined {
    if (this.#voters.has(voter)) return undefined;
    this.#voters.add(voter);
    const key = `${keyOf(envelope.digest)}/${envelope.justView}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Map();
      this.#groups.set(key, group);
    }
    group.set(voter, envelope);
    return group;
  }

  get size(): number {
    return this.#voters.size;
  }
}

export class Tally {
  readonly #judge: Judge;
  readonly #set: ValidatorSet;
  readonly #votes = new Map<bigint, Ballot>();
  readonly #timeouts = new Map<bigint, Ballot>();

  constructor(judge: Judge) {
    this.#judge = judge;
    this.#set = judge.set;
  }

  /** A certificate, once there is power for it, and a stronger one with every later vote. */
  vote(envelope: Envelope, voter: number): QuorumCert | undefined {
    const group = this.#enough(this.#votes, envelope, voter);
    return group === undefined ? undefined : this.#judge.certify(group);
  }

  timeout(envelope: Envelope, voter: number): TimeoutCert | undefined {
    const group = this.#enough(this.#timeouts, envelope, voter);
    return group === undefined ? undefined : timeoutCertOf(this.#set, group);
  }

  timeoutsOf(view: bigint): number {
    return this.#timeouts.get(view)?.size ?? 0;
  }

  /** What is counted of views below is of no more use. */
  forget(below: bigint): void {
    for (const ballots of [this.#votes, this.#timeouts]) {
      for (const view of ballots.keys()) if (view < below) ballots.delete(view);
    }
  }

  #enough(
    ballots: Map<bigint, Ballot>,
    envelope: Envelope,
    voter: number,
  ): readonly [Envelope, ...Envelope[]] | undefined {
    let ballot = ballots.get(envelope.view);
    if (ballot === undefined) {
      ballot = new Ballot();
      ballots.set(envelope.view, ballot);
      if (ballots.size > talliedViewsMax) dropLowest(ballots);
    }
    const group = ballot.add(envelope, voter);
    if (group === undefined || this.#set.power(group.keys()) < this.#set.quorum) return undefined;
    const [first, ...rest] = group.values();
    return first === undefined ? undefined : [first, ...rest];
  }
}

const dropLowest = (ballots: Map<bigint, Ballot>): void => {
  let lowest: bigint | undefined;
  for (const view of ballots.keys()) if (lowest === undefined || view < lowest) lowest = view;
  if (lowest !== undefined) ballots.delete(lowest);
};
