/**
 * Consensus: what Guardians sign, certificates made of it, blocks, evidence, messages between hosts.
 *
 * Specification: specs/consensus/objects.md. A session key (ML-DSA-44) signs `envelopeBody` under
 * `ioi/consensus/envelope/v1`. Certificates do not repeat what their signers agree on: a voter is its
 * number in the validator set, which gives its gid and session.
 */
import {
  type Infer,
  array,
  bool,
  bytes,
  int,
  oneOf,
  optional,
  record,
  text,
  u64,
  union,
} from "../schema.ts";

const hash = bytes(32);
/** Of a validator in its set, and the largest set. */
const validatorsMax = 256;
const validatorNumber = int(0, validatorsMax - 1);
const signature = bytes(undefined, 2420);

export const consensusEpoch = record({ number: u64, mode: oneOf("a-dmft", "a-pmft") });
export type ConsensusEpoch = Infer<typeof consensusEpoch>;

/** A certified block, by its view and hash. */
export const certifiedRef = record({ view: u64, digest: hash });
export type CertifiedRef = Infer<typeof certifiedRef>;

/** In the order of slots. */
export const envelopeKind = oneOf("propose", "vote", "timeout", "freeze");
export type EnvelopeKind = Infer<typeof envelopeKind>;

/** A Guardian's session in an epoch, and where it stands. */
const sessionFields = {
  chain: hash,
  epoch: consensusEpoch,
  /** Hash of the validator set. */
  validators: hash,
  /** The Guardian. */
  gid: hash,
  /** Hash of the session's public key. */
  session: hash,
  /** Envelopes of this session: the first one is number 1. */
  counter: u64,
};

const bodyFields = {
  version: int(1, 1),
  ...sessionFields,
  /** Hash of the envelope before; zeros in the first. */
  prevTrace: hash,
  kind: envelopeKind,
  view: u64,
  /** A block; zeros in a timeout; a proof of divergence in a freeze. */
  digest: hash,
  /** View of what the block extends; 0 in a timeout and a freeze. */
  justView: u64,
  /** The highest certified block that the Guardian was ever told of. */
  high: certifiedRef,
};
export const envelopeBody = record(bodyFields);
export type EnvelopeBody = Infer<typeof envelopeBody>;

export const envelope = record({ ...bodyFields, signature });
export type Envelope = Infer<typeof envelope>;

/** What of an envelope a certificate does not already say. */
export const certificateShare = record({
  voter: validatorNumber,
  counter: u64,
  prevTrace: hash,
  high: certifiedRef,
  signature,
});
export type CertificateShare = Infer<typeof certificateShare>;

/** Votes for one block; in rising order of voters. No votes: the anchor of the epoch. */
export const quorumCert = record({
  epoch: consensusEpoch,
  validators: hash,
  view: u64,
  digest: hash,
  justView: u64,
  votes: array(certificateShare, validatorsMax),
});
export type QuorumCert = Infer<typeof quorumCert>;

/** Timeouts of one view, verbatim; opens the view after it. */
export const timeoutCert = record({
  epoch: consensusEpoch,
  validators: hash,
  view: u64,
  timeouts: array(certificateShare, validatorsMax),
});
export type TimeoutCert = Infer<typeof timeoutCert>;

export const blockHeader = record({
  version: int(1, 1),
  chain: hash,
  epoch: consensusEpoch,
  validators: hash,
  height: u64,
  view: u64,
  /** The block that `justify` certifies. */
  parent: hash,
  /** View of the certificate that the block carries, and hash of its canonical bytes. */
  justify: record({ view: u64, hash }),
  payloadRoot: hash,
  /** Height and root of the state after the newest block that the parent's certificate commits. */
  stateHeight: u64,
  stateRoot: hash,
  timeMs: int(),
  proposer: validatorNumber,
  /** The block ends its epoch: the next set, and a view that every lease in it ends at or before. */
  ends: optional(record({ validators: hash, leaseEnd: u64 })),
});
export type BlockHeader = Infer<typeof blockHeader>;

export const consensusBlock = record({ header: blockHeader, justify: quorumCert });
export type ConsensusBlock = Infer<typeof consensusBlock>;

/** A proposal was behind: the leader's own envelope, and a certificate above what it justified. */
export const nack = record({ propose: envelope, qc: quorumCert });
export type Nack = Infer<typeof nack>;

/** A block and its child in the next view, both certified: the block and its ancestors are committed. */
export const commitCert = record({
  block: blockHeader,
  child: blockHeader,
  blockQc: quorumCert,
  childQc: quorumCert,
});
export type CommitCert = Infer<typeof commitCert>;

/** A commit of the block that ends an epoch; `path` leads from its child to the committed block. */
export const epochCert = record({
  boundary: blockHeader,
  path: array(blockHeader, 256),
  commit: commitCert,
});
export type EpochCert = Infer<typeof epochCert>;

/** A leaf of the validator set's tree. */
export const validatorEntry = record({
  version: int(1, 1),
  /** The account. */
  identity: hash,
  /** Raw ML-DSA-44 key of the host. */
  hostKey: bytes(1312),
  /** Raw ML-DSA-44 key of the Guardian's session. */
  sessionKey: bytes(1312),
  gid: hash,
  /** Of the machine; once in a set. */
  platform: hash,
  /** Hash of the attestation that was verified on admission. */
  quote: hash,
  vendor: text(32),
  isolation: oneOf("none", "enclave", "remote"),
  rollback: oneOf("none", "counter"),
  power: u64,
  /** The session that this one replaces, and the view from which that one may not sign. */
  succeeds: optional(record({ session: hash, lease: u64 })),
});
export type ValidatorEntry = Infer<typeof validatorEntry>;

/** That an entry stands in a set. */
export const validatorRegistration = record({
  epoch: consensusEpoch,
  validators: hash,
  entry: validatorEntry,
  index: validatorNumber,
  size: int(1, validatorsMax),
  path: array(hash, 8),
});
export type ValidatorRegistration = Infer<typeof validatorRegistration>;

/** What whoever follows a chain trusts; its hash names it. */
export const consensusStart = record({
  version: int(1, 1),
  chain: hash,
  epoch: consensusEpoch,
  validators: array(validatorEntry, validatorsMax),
  /** The block that the epoch stands on, and the view before its first. */
  anchor: record({ view: u64, digest: hash, height: u64, timeMs: int() }),
  /** Guardians without isolation do not raise the quorum. */
  isDevnet: bool,
});
export type ConsensusStart = Infer<typeof consensusStart>;

/** That a block is committed: from the start through the end of every epoch between. */
export const blockProof = record({
  version: int(1, 1),
  start: consensusStart,
  epochs: array(record({ cert: epochCert, next: array(validatorEntry, validatorsMax) }), 256),
  commit: commitCert,
});
export type BlockProof = Infer<typeof blockProof>;

/** Blocks in a row, and what commits the last of them; neither where there are none. */
export const syncChunk = record({
  blocks: array(consensusBlock, 512),
  commit: optional(commitCert),
  /** In place of `commit`, where the last block ends its epoch. */
  end: optional(record({ cert: epochCert, next: array(validatorEntry, validatorsMax) })),
});
export type SyncChunk = Infer<typeof syncChunk>;

export const divergenceKind = oneOf("K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8");
export type DivergenceKind = Infer<typeof divergenceKind>;

/** What no sound Guardian can have signed. `second` is absent in K7, `successor` in all others. */
export const divergenceProof = record({
  version: int(1, 1),
  kind: divergenceKind,
  registration: validatorRegistration,
  first: envelope,
  second: optional(envelope),
  successor: optional(validatorRegistration),
});
export type DivergenceProof = Infer<typeof divergenceProof>;

const answerFields = {
  version: int(1, 1),
  chain: hash,
  epoch: consensusEpoch,
  validators: hash,
  /** The committed block that was asked about. */
  block: hash,
  /** Who answers. */
  voter: validatorNumber,
  /** Of its own votes those against the block, the newest 16; none: OK. */
  votes: array(envelope, 16),
};
export const guardAnswerBody = record(answerFields);
export type GuardAnswerBody = Infer<typeof guardAnswerBody>;

/** Signed by the host's own key, since an OK has nothing in it that its Guardian signed. */
export const guardAnswer = record({ ...answerFields, signature });
export type GuardAnswer = Infer<typeof guardAnswer>;

/** Between hosts. What a host says is believed for the signatures in it alone. */
export const consensusMessage = union({
  proposal: { block: consensusBlock, envelope, tc: optional(timeoutCert) },
  vote: { envelope },
  /** With the certificate that the envelope's `high` names, or a higher one. */
  timeout: { envelope, qc: quorumCert },
  qc: { qc: quorumCert },
  tc: { tc: timeoutCert, qc: quorumCert },
  nack: { nack },
  fetch: { digest: hash },
  block: { block: consensusBlock },
  divergence: { proof: divergenceProof },
  /** The answer to a conviction, with the highest certificate that its sender holds. */
  freeze: { envelope, qc: quorumCert },
  /** Who voted against this commit? */
  guard: { commit: commitCert },
  guarded: { answer: guardAnswer },
});
export type ConsensusMessage = Infer<typeof consensusMessage>;

/** What a Guardian keeps; `boot` is the anchor's counter at which it may be taken up, once. */
export const guardianSeal = record({
  version: int(1, 1),
  boot: u64,
  ...sessionFields,
  trace: hash,
  slot: record({ view: u64, kind: envelopeKind }),
  high: certifiedRef,
  leaseEnd: u64,
  frozen: bool,
  last: optional(envelope),
});
export type GuardianSeal = Infer<typeof guardianSeal>;

/** What a host asks the Guardian's program for; it never sets a lease. */
export const signerRequest = union({
  sign: {
    kind: oneOf("propose", "vote", "timeout"),
    view: u64,
    digest: hash,
    just: certifiedRef,
    seen: certifiedRef,
  },
  freeze: { proof: hash },
  advance: { epoch: consensusEpoch, validators: hash, anchor: certifiedRef },
  /** The first epoch of a session that was registered and has signed nothing. */
  enter: { chain: hash, epoch: consensusEpoch, validators: hash, anchor: certifiedRef },
});
export type SignerRequest = Infer<typeof signerRequest>;

/** All that a software anchor keeps, replaced as a whole. */
export const signerRecord = record({
  version: int(1, 1),
  gid: hash,
  counter: u64,
  leaseEnd: u64,
  /** A canonical `guardianSeal`; absent where there is no session. */
  seal: optional(bytes(undefined, 8192)),
});
export type SignerRecord = Infer<typeof signerRecord>;
