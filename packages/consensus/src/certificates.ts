/**
 * What is valid: envelopes, certificates, rejections, commits. Specification: specs/consensus,
 * V1 to V10. Total on hostile input; nothing that is refused changes anything.
 *
 * A certificate names its voters by their numbers in rising order, so a duplicate has no encoding, and
 * says view, digest and justView once, so its votes cannot differ in them.
 * Bounds: `validatorsMax` signatures a certificate; `verifiedMax` of those that fit are remembered.
 */
import { equalBytes, err, Lru, ok, type Rejection, type Result, toHex } from "@ioi/base";
import type { Verifying } from "@ioi/crypto";
import type {
  BlockHeader,
  CertificateShare,
  CertifiedRef,
  CommitCert,
  Envelope,
  EnvelopeBody,
  EnvelopeKind,
  EpochCert,
  GuardAnswer,
  Nack,
  QuorumCert,
  TimeoutCert,
} from "@ioi/wire";
import { epochPathMax, lastView, leaseAheadMax, verifiedMax } from "./limits.ts";
import {
  blockHash,
  type Context,
  freezeView,
  guardAnswerBytes,
  keyOf,
  quorumCertHash,
  sameContext,
  sessionAlgorithm,
  signedBytes,
  zeroHash,
} from "./objects.ts";
import { type Strength, strengthOf, weaker } from "./grades.ts";
import type { ValidatorSet } from "./validators.ts";

export type ConsensusError = Rejection<
  | "E_CONSENSUS_FOREIGN"
  | "E_CONSENSUS_ENVELOPE"
  | "E_CONSENSUS_CERTIFICATE"
  | "E_CONSENSUS_BLOCK"
  | "E_CONSENSUS_STALE"
  | "E_CONSENSUS_UNKNOWN"
  | "E_CONSENSUS_LIMIT"
>;

export const refuse = (
  code: ConsensusError["code"],
  message: string,
): Result<never, ConsensusError> => err({ code, message });

const foreign = (what: string): Result<never, ConsensusError> =>
  refuse("E_CONSENSUS_FOREIGN", `V1: ${what} is of another chain, epoch or set`);
const badEnvelope = (message: string): Result<never, ConsensusError> =>
  refuse("E_CONSENSUS_ENVELOPE", message);
const badCertificate = (message: string): Result<never, ConsensusError> =>
  refuse("E_CONSENSUS_CERTIFICATE", message);

/** What an epoch stands on: a block that is trusted, and the view before the epoch's first. */
export interface Anchor extends CertifiedRef {
  readonly height: bigint;
  readonly timeMs: number;
}

/** Where an epoch ends: what the next one needs. */
export interface EpochEnd {
  /** Hash of the next set. */
  readonly validators: Uint8Array;
  readonly leaseEnd: bigint;
  readonly boundary: BlockHeader;
  readonly digest: Uint8Array;
  readonly strength: Strength;
}

/** Of a certificate: an envelope, and the number of the validator whose Guardian signed it. */
export interface Signed {
  readonly voter: number;
  readonly envelope: Envelope;
}

/** The certificate that an epoch begins with: nobody voted, everybody knows it. */
export const anchorCert = (context: Context, anchor: CertifiedRef): QuorumCert => ({
  epoch: context.epoch,
  validators: context.validators,
  view: anchor.view,
  digest: anchor.digest,
  justView: 0n,
  votes: [],
});

const fieldsComplaint = (body: EnvelopeBody): string | undefined => {
  if (body.counter < 1n) return "V2: its counter is 0";
  if (body.high.view < body.justView) return "V2: it shows a lock below what justifies it";
  switch (body.kind) {
    case "freeze":
      if (body.view !== freezeView) return "V2: a freeze of a view";
      return body.justView === 0n ? undefined : "V2: a freeze is not justified";
    case "timeout":
      if (body.view > lastView) return "V2: no such view";
      if (body.justView !== 0n || !equalBytes(body.digest, zeroHash)) {
        return "V2: a timeout is for no block";
      }
      return undefined;
    case "propose":
    case "vote":
      if (body.view > lastView) return "V2: no such view";
      return body.justView < body.view ? undefined : "V2: what justifies it is not older";
  }
};

/** Checks that a test may take out of a judge, to see what they are for. */
export type JudgeRule =
  | "V1-context"
  | "V2-fields"
  | "V2-signature"
  | "V3-order"
  | "V3-power"
  | "V3-just"
  | "V5-leader"
  | "V5-between"
  | "V6-just"
  | "V7-parent"
  | "V7-next"
  | "V8-path";

/** Judges what belongs to one epoch of one chain. */
export class Judge {
  readonly context: Context;
  readonly set: ValidatorSet;
  readonly anchor: Anchor;
  readonly provider: Verifying;
  readonly #verified = new Lru<string, true>(verifiedMax);
  /** As long as they live: what a certificate is made of, and envelopes whose signature fits. */
  readonly #signedOf = new WeakMap<object, readonly Signed[]>();
  readonly #fitting = new WeakSet<Envelope>();
  readonly #sound = new WeakSet<QuorumCert>();
  readonly #without: Pick<ReadonlySet<JudgeRule>, "has">;

  constructor(
    provider: Verifying,
    context: Omit<Context, "validators">,
    set: ValidatorSet,
    anchor: Anchor,
    without: Pick<ReadonlySet<JudgeRule>, "has"> = new Set(),
  ) {
    this.#without = without;
    this.provider = provider;
    this.context = { chain: context.chain, epoch: context.epoch, validators: set.hash };
    this.set = set;
    this.anchor = anchor;
  }

  #keeps(rule: JudgeRule): boolean {
    return !this.#without.has(rule);
  }

  /** V2. The number of the validator whose Guardian signed. */
  envelope(envelope: Envelope): Result<number, ConsensusError> {
    if (this.#keeps("V1-context") && !sameContext(this.context, envelope)) {
      return foreign("the envelope");
    }
    const voter = this.set.indexOf(envelope.gid);
    if (voter === undefined) return badEnvelope("V2: its Guardian is not in the set");
    if (!equalBytes(envelope.session, this.set.sessions[voter] as Uint8Array)) {
      return badEnvelope("V2: its session is not registered");
    }
    const complaint = this.#keeps("V2-fields") ? fieldsComplaint(envelope) : undefined;
    if (complaint !== undefined) return badEnvelope(complaint);
    if (!this.#signed(envelope, voter)) return badEnvelope("V2: the signature does not fit");
    return ok(voter);
  }

  /** V3. */
  quorumCert(qc: QuorumCert): Result<true, ConsensusError> {
    if (!sameContext(this.context, qc)) return foreign("the certificate");
    const { anchor } = this;
    if (qc.votes.length === 0 || qc.view <= anchor.view) {
      const isAnchor =
        qc.votes.length === 0 &&
        qc.view === anchor.view &&
        qc.justView === 0n &&
        equalBytes(qc.digest, anchor.digest);
      return isAnchor ? ok(true) : badCertificate("V3: it certifies nothing that is trusted");
    }
    if (qc.view > lastView) return badCertificate("V3: no such view");
    const isJust = qc.justView < qc.view && qc.justView >= anchor.view;
    if (!isJust && this.#keeps("V3-just")) {
      return badCertificate("V3: it is justified outside the epoch, or not before its view");
    }
    // The same certificate comes with many messages; one that was made here is checked as fast as hashed.
    if (this.#sound.has(qc)) return ok(true);
    const key = this.#isFitting(qc) ? undefined : keyOf(quorumCertHash(this.provider, qc));
    const isKnown = key !== undefined && this.#verified.get(key) === true;
    const verdict = isKnown ? ok(true as const) : this.#shares(qc.votes, () => this.votesOf(qc));
    if (!verdict.ok) return verdict;
    if (key !== undefined) this.#verified.set(key, true);
    this.#sound.add(qc);
    return verdict;
  }

  /** V4. It opens the view after its own, and says nothing else. */
  timeoutCert(tc: TimeoutCert): Result<true, ConsensusError> {
    if (!sameContext(this.context, tc)) return foreign("the certificate");
    if (tc.view <= this.anchor.view || tc.view >= lastView)
      return badCertificate("V4: no such view");
    return this.#shares(tc.timeouts, () => this.timeoutsOf(tc));
  }

  /** V5. `leader` is of the proposal's view. */
  nack({ propose, qc }: Nack, leader: (view: bigint) => number): Result<true, ConsensusError> {
    const voter = this.envelope(propose);
    if (!voter.ok) return voter;
    if (propose.kind !== "propose") return badEnvelope("V5: what is rejected is no proposal");
    const isLeader = propose.view > this.anchor.view && voter.value === leader(propose.view);
    if (!isLeader && this.#keeps("V5-leader")) {
      return badEnvelope("V5: not the leader of that view");
    }
    const isBetween = qc.view > propose.justView && qc.view < propose.view;
    if (!isBetween && this.#keeps("V5-between")) {
      return badCertificate("V5: the certificate is not between what justifies and the view");
    }
    return this.quorumCert(qc);
  }

  /** V6: the certificate is for this block, by everything that a vote says. */
  certifies(qc: QuorumCert, header: BlockHeader, digest: Uint8Array): boolean {
    return (
      equalBytes(qc.digest, digest) &&
      qc.view === header.view &&
      (qc.justView === header.justify.view || !this.#keeps("V6-just"))
    );
  }

  /** V7. The strength of the commit: of the weaker of its two certificates. */
  commitCert(cert: CommitCert): Result<Strength, ConsensusError> {
    const { block, child, blockQc, childQc } = cert;
    if (!sameContext(this.context, block) || !sameContext(this.context, child)) {
      return foreign("a header");
    }
    if (blockQc.votes.length === 0 || childQc.votes.length === 0) {
      return badCertificate("V7: nobody voted");
    }
    const digest = blockHash(this.provider, block);
    if (!this.certifies(blockQc, block, digest)) {
      return badCertificate("V7: the first certificate is not for the block");
    }
    if (!this.certifies(childQc, child, blockHash(this.provider, child))) {
      return badCertificate("V7: the second certificate is not for the child");
    }
    const isChild =
      equalBytes(child.parent, digest) &&
      child.justify.view === block.view &&
      child.height === block.height + 1n;
    if (!isChild && this.#keeps("V7-parent")) return badCertificate("V7: not its child");
    if (child.view !== block.view + 1n && this.#keeps("V7-next")) {
      return badCertificate("V7: not in the next view");
    }
    for (const qc of [blockQc, childQc]) {
      const verdict = this.quorumCert(qc);
      if (!verdict.ok) return verdict;
    }
    return ok(
      weaker(
        strengthOf(
          this.set,
          blockQc.votes.map(({ voter }) => voter),
        ),
        strengthOf(
          this.set,
          childQc.votes.map(({ voter }) => voter),
        ),
      ),
    );
  }

  /** V8. */
  epochCert(cert: EpochCert): Result<EpochEnd, ConsensusError> {
    const { boundary, path, commit } = cert;
    if (boundary.ends === undefined) return badCertificate("V8: the block ends no epoch");
    if (!sameContext(this.context, boundary)) return foreign("a header");
    if (path.length > epochPathMax) return badCertificate("V8: the path is too long");
    if (boundary.ends.leaseEnd > boundary.view + leaseAheadMax) {
      return badCertificate("V8: a lease ends too far above the block");
    }
    const digest = blockHash(this.provider, boundary);
    let below = { header: boundary, digest };
    for (const header of path) {
      if (!sameContext(this.context, header)) return foreign("a header");
      if (!follows(below, header)) return badCertificate("V8: the path breaks");
      below = { header, digest: blockHash(this.provider, header) };
    }
    const top = blockHash(this.provider, commit.block);
    if (!equalBytes(top, below.digest) && this.#keeps("V8-path")) {
      return badCertificate("V8: the path does not lead to the committed block");
    }
    const strength = this.commitCert(commit);
    if (!strength.ok) return strength;
    const { validators, leaseEnd } = boundary.ends;
    return ok({ validators, leaseEnd, boundary, digest, strength: strength.value });
  }

  /** V10. */
  guardAnswer(answer: GuardAnswer): Result<true, ConsensusError> {
    if (!sameContext(this.context, answer)) return foreign("the answer");
    const { voter, votes, signature } = answer;
    if (voter >= this.set.size) return badEnvelope("V10: who answers is not in the set");
    const { hostKey } = this.set.entry(voter);
    const bytes = guardAnswerBytes(answer);
    if (!this.provider.verify(sessionAlgorithm, hostKey, bytes, signature)) {
      return badEnvelope("V10: the signature is not the host's");
    }
    for (const vote of votes) {
      const by = this.envelope(vote);
      if (!by.ok) return by;
      if (by.value !== voter || vote.kind !== "vote") {
        return badEnvelope("V10: what it shows is no vote of its own");
      }
    }
    return ok(true);
  }

  /** The votes of a certificate that was found valid, as they were signed. */
  votesOf(qc: QuorumCert): readonly Signed[] {
    return this.#envelopes(qc, qc.votes, (share) =>
      this.#body(share, "vote", qc.view, qc.digest, qc.justView),
    );
  }

  /** The same of timeouts. */
  timeoutsOf(tc: TimeoutCert): readonly Signed[] {
    return this.#envelopes(tc, tc.timeouts, (share) =>
      this.#body(share, "timeout", tc.view, zeroHash, 0n),
    );
  }

  /** A certificate of verified votes for one block by distinct Guardians; V3 says whether they suffice. */
  certify(votes: readonly [Envelope, ...Envelope[]]): QuorumCert {
    const signed = inOrder(this.set, votes);
    const qc = quorumCertFrom(votes[0], signed);
    this.#signedOf.set(qc, signed);
    return qc;
  }

  #isFitting(cert: object): boolean {
    const signed = this.#signedOf.get(cert);
    return signed?.every(({ envelope }) => this.#fitting.has(envelope)) === true;
  }

  #envelopes(
    cert: object,
    shares: readonly CertificateShare[],
    bodyOf: (share: CertificateShare) => EnvelopeBody,
  ): readonly Signed[] {
    const known = this.#signedOf.get(cert);
    if (known !== undefined) return known;
    const signed = shares.map((share) => ({
      voter: share.voter,
      envelope: { ...bodyOf(share), signature: share.signature },
    }));
    this.#signedOf.set(cert, signed);
    return signed;
  }

  #body(
    share: CertificateShare,
    kind: EnvelopeKind,
    view: bigint,
    digest: Uint8Array,
    justView: bigint,
  ): EnvelopeBody {
    const { gid } = this.set.entry(share.voter);
    const session = this.set.sessions[share.voter] as Uint8Array;
    const { counter, prevTrace, high } = share;
    const { chain, epoch, validators } = this.context;
    return {
      version: 1,
      chain,
      epoch,
      validators,
      gid,
      session,
      counter,
      prevTrace,
      kind,
      view,
      digest,
      justView,
      high,
    };
  }

  /** Voters and power first: signatures are checked only where they could suffice. */
  #shares(
    shares: readonly CertificateShare[],
    signed: () => readonly Signed[],
  ): Result<true, ConsensusError> {
    let last = -1;
    for (const { voter } of shares) {
      if (voter <= last && this.#keeps("V3-order"))
        return badCertificate("V3: its voters are not in rising order");
      if (voter >= this.set.size) return badCertificate("V3: a voter is not in the set");
      last = voter;
    }
    const power = this.set.power(shares.map(({ voter }) => voter));
    if (power < this.set.quorum && this.#keeps("V3-power")) {
      return badCertificate(`V3: power ${power} of ${this.set.quorum}`);
    }
    for (const { envelope, voter } of signed()) {
      const complaint = this.#keeps("V2-fields") ? fieldsComplaint(envelope) : undefined;
      if (complaint !== undefined) return badCertificate(complaint);
      if (!this.#signed(envelope, voter)) {
        return badCertificate(`V3: the signature of voter ${voter} does not fit`);
      }
    }
    return ok(true);
  }

  #signed(envelope: Envelope, voter: number): boolean {
    if (this.#fitting.has(envelope)) return true;
    const bytes = signedBytes(envelope);
    const key =
      toHex(this.provider.sha256(bytes)) + toHex(this.provider.sha256(envelope.signature));
    if (this.#verified.get(key) !== true) {
      const { sessionKey } = this.set.entry(voter);
      const fits = this.provider.verify(sessionAlgorithm, sessionKey, bytes, envelope.signature);
      if (!fits && this.#keeps("V2-signature")) return false;
      this.#verified.set(key, true);
    }
    this.#fitting.add(envelope);
    return true;
  }
}

const follows = (
  below: { readonly header: BlockHeader; readonly digest: Uint8Array },
  header: BlockHeader,
): boolean =>
  equalBytes(header.parent, below.digest) &&
  header.height === below.header.height + 1n &&
  header.view > below.header.view &&
  header.justify.view === below.header.view;

const inOrder = (set: ValidatorSet, envelopes: readonly Envelope[]): readonly Signed[] =>
  envelopes
    .map((envelope) => ({ voter: set.indexOf(envelope.gid) ?? -1, envelope }))
    .toSorted((a, b) => a.voter - b.voter);

const shareOf = ({ voter, envelope }: Signed): CertificateShare => {
  const { counter, prevTrace, high, signature } = envelope;
  return { voter, counter, prevTrace, high, signature };
};

const quorumCertFrom = (
  { epoch, validators, view, digest, justView }: Envelope,
  signed: readonly Signed[],
): QuorumCert => ({ epoch, validators, view, digest, justView, votes: signed.map(shareOf) });

/** Of verified votes for one block by distinct Guardians; whether they suffice is V3's to say. */
export const quorumCertOf = (
  set: ValidatorSet,
  votes: readonly [Envelope, ...Envelope[]],
): QuorumCert => quorumCertFrom(votes[0], inOrder(set, votes));

/** Of verified timeouts of one view by distinct Guardians. */
export const timeoutCertOf = (
  set: ValidatorSet,
  timeouts: readonly [Envelope, ...Envelope[]],
): TimeoutCert => {
  const [{ epoch, validators, view }] = timeouts;
  return { epoch, validators, view, timeouts: inOrder(set, timeouts).map(shareOf) };
};
