/**
 * Finds divergence in traffic: every verified envelope is compared with those of the same Guardian that
 * could contradict it. Its slot, its counter and its two neighbours by counter suffice: if slots and
 * locks rise from neighbour to neighbour, they rise throughout.
 *
 * What is older than memory reaches is looked for in what was kept (R8), by whoever keeps it.
 *
 * Invariants: one proof for a Guardian and epoch, and one of K7 beside it; an envelope that arrives again finds nothing; what comes
 * from a disk is not believed: nobody is convicted by it before its signature was checked.
 * Bounds: `envelopesPerGuardianMax` newest envelopes of each; proofs by strangers and questions for what
 * was kept up to `divergenceChecksMax` a window, each.
 */
import { equalBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import type {
  CommitCert,
  ConsensusEpoch,
  DivergenceKind,
  DivergenceProof,
  Envelope,
  EnvelopeKind,
  QuorumCert,
} from "@ioi/wire";
import type { Judge } from "./certificates.ts";
import {
  type DivergenceError,
  divergenceOf,
  proofOf,
  type TrustedSets,
  verifyDivergence,
} from "./divergence.ts";
import { divergenceChecksMax, divergenceWindowMs, envelopesPerGuardianMax } from "./limits.ts";
import { keyOf, sameBody, sameContext } from "./objects.ts";

/** Of one Guardian, in rising order of counters. */
interface Trail {
  readonly byCounter: Envelope[];
  readonly bySlot: Map<bigint, Envelope>;
}

const kinds = ["propose", "vote", "timeout", "freeze"] as const satisfies readonly EnvelopeKind[];
const slotKey = ({ view, kind }: Envelope): bigint => 4n * view + BigInt(kinds.indexOf(kind));

/** Index of the first envelope whose counter is not below. */
const lowerBound = (trail: readonly Envelope[], counter: bigint): number => {
  let [from, to] = [0, trail.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((trail[middle] as Envelope).counter < counter) from = middle + 1;
    else to = middle;
  }
  return from;
};

const insert = ({ byCounter, bySlot }: Trail, envelope: Envelope, at: number): void => {
  byCounter.splice(at, 0, envelope);
  bySlot.set(slotKey(envelope), envelope);
  if (byCounter.length <= envelopesPerGuardianMax) return;
  const oldest = byCounter.shift();
  if (oldest !== undefined) bySlot.delete(slotKey(oldest));
};

/** At most so many in a window of time. */
class Rate {
  #windowMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  allows(nowMs: number): boolean {
    if (nowMs < this.#windowMs || nowMs >= this.#windowMs + divergenceWindowMs) {
      this.#windowMs = nowMs;
      this.#count = 0;
    }
    if (this.#count >= divergenceChecksMax) return false;
    this.#count += 1;
    return true;
  }
}

export type Observed =
  /** It is known, or its Guardian is convicted. */
  | { readonly type: "nothing" }
  | { readonly type: "new" }
  /** Older than what is remembered: whoever keeps more is asked for what is next to it. */
  | { readonly type: "old" }
  | { readonly type: "proof"; readonly proof: DivergenceProof };

const nothing: Observed = { type: "nothing" };

/** Of one session and epoch: it has the slot, the counter, or a counter beside it. What a `recall` asks for. */
export const isBeside = (one: Envelope, other: Envelope): boolean => {
  if (!equalBytes(one.gid, other.gid) || !equalBytes(one.session, other.session)) return false;
  if (one.epoch.number !== other.epoch.number) return false;
  const apart = one.counter - other.counter;
  return (apart >= -1n && apart <= 1n) || (one.view === other.view && one.kind === other.kind);
};

/** K7 stops no chain (K10), so it must not stand in the way of what does. */
const caseKey = (gid: Uint8Array, epoch: ConsensusEpoch, kind?: DivergenceKind): string =>
  `${keyOf(gid)} ${epoch.number}${kind === "K7" ? " K7" : ""}`;

export class Evidence {
  readonly #judge: Judge;
  readonly #trails = new Map<number, Trail>();
  readonly #convicted = new Set<string>();
  /** From a disk, and not checked yet. */
  readonly #unverified = new WeakSet<Envelope>();
  readonly #checks = new Rate();
  readonly #recalls = new Rate();

  /** `kept`: of the evidence window, oldest first; what is of another epoch is passed over. */
  constructor(judge: Judge, kept: Iterable<Envelope> = []) {
    this.#judge = judge;
    for (const envelope of kept) {
      const voter = judge.set.indexOf(envelope.gid);
      if (voter === undefined || !sameContext(judge.context, envelope)) continue;
      this.#unverified.add(envelope);
      const trail = this.#trail(voter);
      insert(trail, envelope, lowerBound(trail.byCounter, envelope.counter));
    }
  }

  /** What there is a proof of: a Guardian in an epoch. */
  get convicted(): ReadonlySet<string> {
    return this.#convicted;
  }

  /** Of an envelope that was verified to be by `voter`; for whoever keeps nothing, the proof alone. */
  observe(envelope: Envelope, voter: number): DivergenceProof | undefined {
    const observed = this.take(envelope, voter, 0);
    return observed.type === "proof" ? observed.proof : undefined;
  }

  /** Of an envelope that was verified to be by `voter`. */
  take(envelope: Envelope, voter: number, nowMs: number): Observed {
    if (this.#convicted.has(this.#case(envelope))) return nothing;
    const trail = this.#trail(voter);
    const { byCounter } = trail;
    const at = lowerBound(byCounter, envelope.counter);
    const same = byCounter[at];
    if (same?.counter === envelope.counter && sameBody(same, envelope)) return nothing;
    const proof = this.compare(envelope, voter, [
      trail.bySlot.get(slotKey(envelope)),
      same,
      byCounter[at - 1],
    ]);
    if (proof !== undefined) return { type: "proof", proof };
    if (at === 0 && byCounter.length >= envelopesPerGuardianMax) {
      return this.#recalls.allows(nowMs) ? { type: "old" } : nothing;
    }
    insert(trail, envelope, at);
    return { type: "new" };
  }

  /** A verified envelope with others of its Guardian: the first proof. */
  compare(
    envelope: Envelope,
    voter: number,
    rivals: Iterable<Envelope | undefined>,
  ): DivergenceProof | undefined {
    const own = this.#case(envelope);
    if (this.#convicted.has(own)) return undefined;
    for (const rival of rivals) {
      const proof = rival === undefined ? undefined : this.#proof(voter, rival, envelope);
      if (rival === undefined || proof === undefined || !this.#isReal(rival)) continue;
      this.#convicted.add(own);
      return proof;
    }
    return undefined;
  }

  /** Of what was kept, next to an envelope that is older than memory reaches. */
  recalled(envelope: Envelope, kept: readonly Envelope[]): DivergenceProof | undefined {
    const voter = this.#judge.envelope(envelope);
    if (!voter.ok) return undefined;
    for (const each of kept) this.#unverified.add(each);
    return this.compare(envelope, voter.value, kept);
  }

  /** A stranger's proof; undefined where there already is one against that Guardian. */
  admit(
    proof: DivergenceProof,
    sets: TrustedSets,
    nowMs: number,
  ): Result<DivergenceProof | undefined, DivergenceError | Rejection<"E_CONSENSUS_LIMIT">> {
    const { entry, epoch } = proof.registration;
    const own = caseKey(entry.gid, epoch, proof.kind);
    if (this.#convicted.has(own)) return ok(undefined);
    if (!this.#checks.allows(nowMs)) {
      return err({ code: "E_CONSENSUS_LIMIT", message: "too many proofs at once" });
    }
    const verdict = verifyDivergence(this.#judge.provider, sets, proof);
    if (!verdict.ok) return verdict;
    this.#convicted.add(own);
    return ok(proof);
  }

  /**
   * K9: of certified blocks that conflict with a commit, given with their certificates, the one of least
   * view; proofs against those who signed for it and for the commit and thereby broke a rule.
   */
  find(commit: CommitCert, conflicting: readonly QuorumCert[]): readonly DivergenceProof[] {
    const [least] = conflicting.toSorted((a, b) =>
      a.view < b.view ? -1 : a.view > b.view ? 1 : 0,
    );
    if (least === undefined) return [];
    const rivals = new Map(this.#judge.votesOf(least).map((vote) => [vote.voter, vote.envelope]));
    const proofs: DivergenceProof[] = [];
    for (const qc of [commit.blockQc, commit.childQc]) {
      for (const { voter, envelope } of this.#judge.votesOf(qc)) {
        const own = this.#case(envelope);
        const rival = rivals.get(voter);
        if (rival === undefined || this.#convicted.has(own)) continue;
        const proof = this.#proof(voter, rival, envelope);
        if (proof === undefined) continue;
        this.#convicted.add(own);
        proofs.push(proof);
      }
    }
    return proofs;
  }

  #proof(voter: number, one: Envelope, other: Envelope): DivergenceProof | undefined {
    const kind = divergenceOf(this.#judge.provider, one, other);
    if (kind === undefined) return undefined;
    const { set, context } = this.#judge;
    return proofOf(kind, set.registration(voter, context.epoch), one, other);
  }

  /** Of a pair in its own epoch. */
  #case({ gid }: Envelope): string {
    return caseKey(gid, this.#judge.context.epoch);
  }

  #isReal(envelope: Envelope): boolean {
    if (!this.#unverified.has(envelope)) return true;
    const isReal = this.#judge.envelope(envelope).ok;
    if (isReal) this.#unverified.delete(envelope);
    return isReal;
  }

  #trail(voter: number): Trail {
    let trail = this.#trails.get(voter);
    if (trail === undefined) {
      trail = { byCounter: [], bySlot: new Map() };
      this.#trails.set(voter, trail);
    }
    return trail;
  }
}
