/**
 * What is signed and hashed, and how slots are ordered. Specification: specs/consensus/objects.md.
 *
 * Invariants: a body has one encoding; an envelope's trace is the hash of its body, which holds the
 * trace before; a block's hash is its header's, which holds the hash of its certificate.
 */
import { equalBytes, toHex } from "@ioi/base";
import { domainBytes, domainHash, domains, type Hashing } from "@ioi/crypto";
import {
  type BlockHeader,
  blockHeader,
  type ConsensusEpoch,
  type EnvelopeBody,
  envelopeBody,
  type EnvelopeKind,
  guardAnswerBody,
  type GuardAnswerBody,
  type QuorumCert,
  quorumCert,
  schema,
} from "@ioi/wire";

export const zeroHash: Uint8Array = new Uint8Array(32);
/** Above every view that is ever reached. */
export const freezeView: bigint = (1n << 64n) - 1n;

export const sessionAlgorithm = "ml-dsa-44";

const kinds: readonly EnvelopeKind[] = ["propose", "vote", "timeout", "freeze"];

export interface Slot {
  readonly view: bigint;
  readonly kind: EnvelopeKind;
}

/** Negative, zero or positive: by view, then PROPOSE < VOTE < TIMEOUT < FREEZE. */
export const compareSlots = (a: Slot, b: Slot): number =>
  a.view === b.view ? kinds.indexOf(a.kind) - kinds.indexOf(b.kind) : a.view < b.view ? -1 : 1;

export const sameEpoch = (a: ConsensusEpoch, b: ConsensusEpoch): boolean =>
  a.number === b.number && a.mode === b.mode;

/** Without the signature, whatever else the object holds. */
export const bodyOf = (envelope: EnvelopeBody): EnvelopeBody => ({
  version: envelope.version,
  chain: envelope.chain,
  epoch: envelope.epoch,
  validators: envelope.validators,
  gid: envelope.gid,
  session: envelope.session,
  counter: envelope.counter,
  prevTrace: envelope.prevTrace,
  kind: envelope.kind,
  view: envelope.view,
  digest: envelope.digest,
  justView: envelope.justView,
  high: envelope.high,
});

/**
 * Remembered as long as the object lives, since several places ask for the same one. Condition: nobody
 * writes into an object that was given in here, nor into bytes of it or out of here. It holds since
 * decoders copy, and since whoever wants another field makes another object.
 */
const remembered = <T extends object>(of: (value: T) => Uint8Array): ((value: T) => Uint8Array) => {
  const known = new WeakMap<T, Uint8Array>();
  return (value) => {
    const found = known.get(value);
    if (found !== undefined) return found;
    const bytes = of(value);
    known.set(value, bytes);
    return bytes;
  };
};

/** The same for hashes, by who hashes. */
const rememberedHash = <T extends object>(
  of: (hashing: Hashing, value: T) => Uint8Array,
): ((hashing: Hashing, value: T) => Uint8Array) => {
  const known = new WeakMap<Hashing, (value: T) => Uint8Array>();
  return (hashing, value) => {
    const hash = known.get(hashing) ?? remembered((each: T) => of(hashing, each));
    known.set(hashing, hash);
    return hash(value);
  };
};

const bodyBytes = remembered((body: EnvelopeBody) => schema.encode(envelopeBody, bodyOf(body)));

/** What the session signs. */
export const signedBytes = (body: EnvelopeBody): Uint8Array =>
  domainBytes(domains.envelope, bodyBytes(body));

/** The trace after this envelope. */
export const traceAfter = rememberedHash((hashing, body: EnvelopeBody) =>
  domainHash(hashing, domains.envelope, bodyBytes(body)),
);

/** What a host signs. */
export const guardAnswerBytes = (body: GuardAnswerBody): Uint8Array =>
  domainBytes(
    domains.guardAnswer,
    schema.encode(guardAnswerBody, {
      version: body.version,
      chain: body.chain,
      epoch: body.epoch,
      validators: body.validators,
      block: body.block,
      voter: body.voter,
      votes: body.votes,
    }),
  );

export const sameBody = (a: EnvelopeBody, b: EnvelopeBody): boolean =>
  a.counter === b.counter &&
  a.kind === b.kind &&
  a.view === b.view &&
  a.justView === b.justView &&
  a.high.view === b.high.view &&
  equalBytes(a.digest, b.digest) &&
  equalBytes(a.high.digest, b.high.digest) &&
  equalBytes(a.prevTrace, b.prevTrace) &&
  equalBytes(a.gid, b.gid) &&
  equalBytes(a.session, b.session) &&
  sameContext(a, b);

export const sessionId = (hashing: Hashing, publicKey: Uint8Array): Uint8Array =>
  domainHash(hashing, domains.session, publicKey);

export const blockHash = rememberedHash((hashing, header: BlockHeader) =>
  domainHash(hashing, domains.block, schema.encode(blockHeader, header)),
);

export const quorumCertHash = rememberedHash((hashing, qc: QuorumCert) =>
  domainHash(hashing, domains.quorumCert, schema.encode(quorumCert, qc)),
);

const keys = new WeakMap<Uint8Array, string>();
/** A key for maps, remembered on the condition of `remembered`. */
export const keyOf = (digest: Uint8Array): string => {
  const known = keys.get(digest);
  if (known !== undefined) return known;
  const key = toHex(digest);
  keys.set(digest, key);
  return key;
};

/** What a chain, an epoch and a set have in common with what is judged. */
export interface Context {
  readonly chain: Uint8Array;
  readonly epoch: ConsensusEpoch;
  /** Hash of the validator set. */
  readonly validators: Uint8Array;
}

export const sameContext = (
  a: Context,
  b: Omit<Context, "chain"> & { readonly chain?: Uint8Array },
): boolean =>
  (b.chain === undefined || equalBytes(a.chain, b.chain)) &&
  sameEpoch(a.epoch, b.epoch) &&
  equalBytes(a.validators, b.validators);
