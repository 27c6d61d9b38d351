/**
 * The epochs that a host went through: who may judge what of each, how each ended, and who signs on with a
 * session that has a successor (K7). Specification: specs/consensus, 4 and 5.
 *
 * Invariants: epochs follow each other without a gap; the newest is the one that the host is in.
 * Bounds: the newest `epochsKeptMax` are kept; of older ones nobody is convicted, and nobody is helped out.
 */
import { assert, toHex } from "@ioi/base";
import type { ConsensusEpoch, DivergenceProof, Envelope } from "@ioi/wire";
import type { Judge } from "./certificates.ts";
import { leaseProofOf, type TrustedSets, verifyDivergence } from "./divergence.ts";
import type { EndedEpoch } from "./light-client.ts";
import { epochsKeptMax } from "./limits.ts";

interface Passed {
  readonly judge: Judge;
  /** Of all but the newest. */
  end: EndedEpoch | undefined;
}

export class Course {
  readonly #epochs: Passed[];
  /** Epochs in which a session was replaced, by that session. */
  readonly #successors = new Map<string, Judge>();

  constructor(first: Judge) {
    this.#epochs = [{ judge: first, end: undefined }];
  }

  get judge(): Judge {
    const newest = this.#epochs.at(-1);
    assert(newest !== undefined, "an epoch");
    return newest.judge;
  }

  get number(): bigint {
    return this.judge.context.epoch.number;
  }

  /** Whose proofs are looked at: those of an epoch that the host went through. */
  get sets(): TrustedSets {
    const { chain } = this.judge.context;
    return { chain, setOf: (epoch) => this.#at(epoch)?.judge.set.hash };
  }

  /** For whoever is still in that epoch. */
  endOf(epoch: ConsensusEpoch): EndedEpoch | undefined {
    return this.#at(epoch)?.end;
  }

  /** `judge` is of the epoch that `end` leads to, which the caller verified. */
  enter(end: EndedEpoch, judge: Judge): void {
    assert(judge.context.epoch.number === this.number + 1n, "no epoch is left out");
    const newest = this.#epochs.at(-1);
    assert(newest !== undefined, "an epoch");
    newest.end = end;
    this.#epochs.push({ judge, end: undefined });
    for (const { succeeds } of judge.set.entries) {
      const key = succeeds === undefined ? undefined : toHex(succeeds.session);
      if (key !== undefined && !this.#successors.has(key)) this.#successors.set(key, judge);
    }
    if (this.#epochs.length > epochsKeptMax) this.#epochs.shift();
    const oldest = this.#epochs[0]?.judge.context.epoch.number ?? 0n;
    for (const [key, { context }] of this.#successors) {
      if (context.epoch.number <= oldest) this.#successors.delete(key);
    }
  }

  /** K7: a proof, if the envelope is by a session that had ended by its view. */
  outlived(envelope: Envelope): DivergenceProof | undefined {
    const successors = this.#successors.get(toHex(envelope.session));
    const judge = this.#at(envelope.epoch)?.judge;
    if (successors === undefined || judge === undefined) return undefined;
    const voter = judge.set.indexOf(envelope.gid);
    const index = successors.set.indexOf(envelope.gid);
    if (voter === undefined || index === undefined) return undefined;
    const proof = leaseProofOf(
      judge.set.registration(voter, judge.context.epoch),
      envelope,
      successors.set.registration(index, successors.context.epoch),
    );
    return verifyDivergence(judge.provider, this.sets, proof).ok ? proof : undefined;
  }

  #at({ number, mode }: ConsensusEpoch): Passed | undefined {
    const oldest = this.#epochs[0]?.judge.context.epoch.number ?? 0n;
    const found = number < oldest ? undefined : this.#epochs[Number(number - oldest)];
    return found?.judge.context.epoch.mode === mode ? found : undefined;
  }
}
