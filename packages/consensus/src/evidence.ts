/**
 * Finds divergence in traffic: every verified envelope is compared with those of the same Guardian that
 * could contradict it. Its slot, its counter and its two neighbours by counter suffice: if slots and
 * locks rise from neighbour to neighbour, they rise throughout.
 *
 * Invariants: one proof for a Guardian and epoch; an envelope that arrives again finds nothing.
 * Bounds: `envelopesPerGuardianMax` newest envelopes of each; proofs by strangers up to
 * `divergenceChecksMax` a window.
 */
import { err, ok, type Rejection, type Result, toHex } from "@ioi/base";
import type { CommitCert, DivergenceProof, Envelope, QuorumCert } from "@ioi/wire";
import type { Judge } from "./certificates.ts";
import {
  type DivergenceError,
  divergenceOf,
  proofOf,
  type TrustedSets,
  verifyDivergence,
} from "./divergence.ts";
import { divergenceChecksMax, divergenceWindowMs, envelopesPerGuardianMax } from "./limits.ts";
import { sameBody } from "./objects.ts";

/** Of one Guardian, in rising order of counters. */
interface Trail {
  readonly byCounter: Envelope[];
  readonly bySlot: Map<string, Envelope>;
}

const slotKey = ({ view, kind }: Envelope): string => `${view}/${kind}`;

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

export class Evidence {
  readonly #judge: Judge;
  readonly #trails = new Map<number, Trail>();
  readonly #convicted = new Set<string>();
  #windowMs = Number.NEGATIVE_INFINITY;
  #checks = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** Guardians of this epoch against which there is a proof, by gid in hex. */
  get convicted(): ReadonlySet<string> {
    return this.#convicted;
  }

  /** Of an envelope that was verified to be by `voter`: a proof, if it is the first against its Guardian. */
  observe(envelope: Envelope, voter: number): DivergenceProof | undefined {
    const gid = toHex(envelope.gid);
    if (this.#convicted.has(gid)) return undefined;
    const trail = this.#trail(voter);
    const at = lowerBound(trail.byCounter, envelope.counter);
    const same = trail.byCounter[at];
    if (same?.counter === envelope.counter && sameBody(same, envelope)) return undefined;
    const rivals = [trail.bySlot.get(slotKey(envelope)), same, trail.byCounter[at - 1]];
    for (const rival of rivals) {
      const proof = rival === undefined ? undefined : this.#proof(voter, rival, envelope);
      if (proof !== undefined) {
        this.#convicted.add(gid);
        return proof;
      }
    }
    trail.byCounter.splice(at, 0, envelope);
    trail.bySlot.set(slotKey(envelope), envelope);
    if (trail.byCounter.length > envelopesPerGuardianMax) {
      const oldest = trail.byCounter.shift();
      if (oldest !== undefined) trail.bySlot.delete(slotKey(oldest));
    }
    return undefined;
  }

  /** A stranger's proof; undefined where there already is one against that Guardian. */
  admit(
    proof: DivergenceProof,
    sets: TrustedSets,
    nowMs: number,
  ): Result<DivergenceProof | undefined, DivergenceError | Rejection<"E_CONSENSUS_LIMIT">> {
    const gid = toHex(proof.registration.entry.gid);
    if (this.#convicted.has(gid)) return ok(undefined);
    if (nowMs < this.#windowMs || nowMs >= this.#windowMs + divergenceWindowMs) {
      this.#windowMs = nowMs;
      this.#checks = 0;
    }
    if (this.#checks >= divergenceChecksMax) {
      return err({ code: "E_CONSENSUS_LIMIT", message: "too many proofs at once" });
    }
    this.#checks += 1;
    const verdict = verifyDivergence(this.#judge.provider, sets, proof);
    if (!verdict.ok) return verdict;
    this.#convicted.add(gid);
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
        const gid = toHex(envelope.gid);
        const rival = rivals.get(voter);
        if (rival === undefined || this.#convicted.has(gid)) continue;
        const proof = this.#proof(voter, rival, envelope);
        if (proof === undefined) continue;
        this.#convicted.add(gid);
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

  #trail(voter: number): Trail {
    let trail = this.#trails.get(voter);
    if (trail === undefined) {
      trail = { byCounter: [], bySlot: new Map() };
      this.#trails.set(voter, trail);
    }
    return trail;
  }
}
