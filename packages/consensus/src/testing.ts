/**
 * Validators, Guardians and blocks for tests and simulation; nothing that orders a real chain imports
 * this. Signatures are those of a keyed-hash twin, or of a provider's own keys.
 */
import { sha256 as hashOf } from "@noble/hashes/sha2.js";
import { assert, concatBytes, equalBytes, uintBE, utf8Encode } from "@ioi/base";
import type { CryptoProvider, Hashing, SigningKey } from "@ioi/crypto";
import type {
  BlockHeader,
  CertifiedRef,
  CommitCert,
  ConsensusEpoch,
  DivergenceProof,
  Envelope,
  QuorumCert,
  ValidatorEntry,
} from "@ioi/wire";
import { type Anchor, anchorCert, Judge, type JudgeRule, quorumCertOf } from "./certificates.ts";
import { proofOf } from "./divergence.ts";
import {
  Guardian,
  type GuardianRequest,
  type GuardianRule,
  guardianRules,
  type GuardianState,
  newGuardian,
} from "./guardian.ts";
import { blockHash, quorumCertHash, zeroHash } from "./objects.ts";
import { ValidatorSet } from "./validators.ts";

export { Anchored } from "./anchored.ts";

export type TestProvider = Pick<CryptoProvider, "sha256" | "sign" | "verify">;

const sha256 = (bytes: Uint8Array): Uint8Array => hashOf(bytes);
export const named = (name: string): Uint8Array => sha256(utf8Encode(name));

/** Of a key that begins with a hash: the rest of it is nothing to a signature. */
const keyed = (hashing: Hashing, publicKey: Uint8Array, bytes: Uint8Array): Uint8Array =>
  hashing.sha256(concatBytes(publicKey.subarray(0, 32), bytes));

/**
 * Signatures that anybody could make, in no time: for many thousands of them, in runs in which nobody
 * forges one.
 */
export const twinOf = (hashing: Hashing): TestProvider => ({
  sha256: (bytes) => hashing.sha256(bytes),
  sign: (key, bytes) => keyed(hashing, key.publicKey, bytes),
  verify: (_algorithm, publicKey, bytes, signature) =>
    equalBytes(keyed(hashing, publicKey, bytes), signature),
});

export const twin: TestProvider = twinOf({ sha256 });

const twinKey = (name: string): SigningKey => {
  const publicKey = new Uint8Array(1312);
  publicKey.set(named(name));
  return { algorithm: "ml-dsa-44", publicKey };
};

export const chain: Uint8Array = named("chain");
export const firstEpoch: ConsensusEpoch = { number: 0n, mode: "a-dmft" };
export const genesis: Anchor = { view: 0n, digest: named("genesis"), height: 0n, timeMs: 0 };

export interface Member {
  readonly entry: ValidatorEntry;
  readonly key: SigningKey;
  /** The host's own; one with the session's where that was given. */
  readonly hostKey: SigningKey;
}

export const member = (name: string, power: bigint, given?: SigningKey): Member => {
  const key = given ?? twinKey(`session ${name}`);
  const hostKey = given ?? twinKey(`host ${name}`);
  return {
    key,
    hostKey,
    entry: {
      version: 1,
      identity: named(`account ${name}`),
      hostKey: hostKey.publicKey,
      sessionKey: key.publicKey,
      gid: named(`guardian ${name}`),
      platform: named(`platform ${name}`),
      quote: named(`quote ${name}`),
      vendor: "simulated",
      isolation: "enclave",
      rollback: "counter",
      power,
    },
  };
};

/** A host that signs by its own key, for an engine's options. */
export const speaker =
  (provider: Pick<CryptoProvider, "sign">, { hostKey }: Member) =>
  (bytes: Uint8Array): Uint8Array =>
    provider.sign(hostKey, bytes);

export const setOf = (members: readonly Member[]): ValidatorSet => {
  const set = ValidatorSet.from(
    twin,
    members.map(({ entry }) => entry),
  );
  assert(set.ok, "a set of validators");
  return set.value;
};

/** A Guardian with its state, as a shell holds it; `without` makes a broken one. */
export class Signer {
  readonly guardian: Guardian;
  state: GuardianState;

  constructor(
    judge: Judge,
    { key, entry }: Member,
    provider: TestProvider = twin,
    without: readonly GuardianRule[] = [],
    leaseEnd = 1n << 63n,
  ) {
    const rules = new Set(guardianRules.filter((rule) => !without.includes(rule)));
    this.guardian = new Guardian(provider, key, rules);
    const session = judge.set.sessions[judge.set.indexOf(entry.gid) ?? -1];
    assert(session !== undefined, "its session is registered");
    this.state = newGuardian(judge.context, entry.gid, session, judge.anchor, leaseEnd);
  }

  /** The envelope, or why there is none. */
  ask(request: GuardianRequest): Envelope | string {
    const step = this.guardian.step(this.state, request);
    if (!step.ok) return step.error.message;
    this.state = step.value.state;
    return step.value.envelope ?? "done";
  }

  must(request: GuardianRequest): Envelope {
    const envelope = this.ask(request);
    assert(typeof envelope !== "string", `${envelope as string}`);
    return envelope;
  }

  propose(block: Certified): Envelope {
    return this.must({ ...requestFor(block), kind: "propose" });
  }

  vote(block: Certified, seen: CertifiedRef = block.just): Envelope {
    return this.must({ ...requestFor(block), seen });
  }

  timeout(view: bigint, seen: CertifiedRef): Envelope {
    return this.must(timeoutRequest(view, seen));
  }
}

/** The owner of a Guardian runs it twice, and each votes for another block in the judge's first view. */
export const doubleVote = (judge: Judge, who: Member): DivergenceProof => {
  const { anchor, context, set } = judge;
  const [one, other] = [1, 2].map((tag) => {
    const justify = anchorCert(context, anchor);
    const over = { payloadRoot: digestOf(tag) };
    return new Signer(judge, who).vote(blockOn(judge, anchor, justify, anchor.view + 1n, over));
  });
  const index = set.indexOf(who.entry.gid);
  assert(one !== undefined && other !== undefined && index !== undefined, "it is in the set");
  return proofOf("K1", set.registration(index, context.epoch), one, other);
};

export const nothing: CertifiedRef = { view: 0n, digest: zeroHash };

export const timeoutRequest = (
  view: bigint,
  seen: CertifiedRef,
): GuardianRequest & { type: "sign" } => ({
  type: "sign",
  kind: "timeout",
  view,
  digest: zeroHash,
  just: nothing,
  seen,
});

/** A block with its hash and what it extends. */
export interface Certified {
  readonly header: BlockHeader;
  readonly justify: QuorumCert;
  readonly digest: Uint8Array;
  readonly just: CertifiedRef;
  readonly ref: CertifiedRef;
}

export const requestFor = ({
  header,
  digest,
  just,
}: Certified): GuardianRequest & { type: "sign" } => ({
  type: "sign",
  kind: "vote",
  view: header.view,
  digest,
  just,
  seen: just,
});

/** A child of what `justify` certifies. */
export const blockOn = (
  judge: Judge,
  below: { readonly height: bigint; readonly timeMs: number },
  justify: QuorumCert,
  view: bigint,
  over: Partial<BlockHeader> = {},
): Certified => {
  const header: BlockHeader = {
    version: 1,
    chain: judge.context.chain,
    epoch: judge.context.epoch,
    validators: judge.context.validators,
    height: below.height + 1n,
    view,
    parent: justify.digest,
    justify: { view: justify.view, hash: quorumCertHash(twin, justify) },
    payloadRoot: zeroHash,
    stateHeight: 0n,
    stateRoot: zeroHash,
    timeMs: below.timeMs + 1,
    proposer: 0,
    ...over,
  };
  const digest = blockHash(twin, header);
  return {
    header,
    justify,
    digest,
    just: { view: justify.view, digest: justify.digest },
    ref: { view, digest },
  };
};

export interface JudgeOptions {
  readonly epoch?: bigint;
  readonly anchor?: Anchor;
  /** Checks that it lacks. */
  readonly without?: readonly JudgeRule[];
}

export const judgeOf = (
  members: readonly Member[],
  provider: TestProvider = twin,
  { epoch = 0n, anchor = genesis, without = [] }: JudgeOptions = {},
): Judge => {
  const context = { chain, epoch: { ...firstEpoch, number: epoch } };
  return new Judge(provider, context, setOf(members), anchor, new Set(without));
};

export const digestOf = (n: number): Uint8Array => {
  const digest = new Uint8Array(32);
  digest.set(uintBE(n, 4), 28);
  return digest;
};

/** Validators with their Guardians, who certify what they are told to. */
export class Committee {
  readonly members: readonly Member[];
  readonly judge: Judge;
  readonly signers: readonly Signer[];

  constructor(
    members: readonly Member[],
    provider: TestProvider = twin,
    judge: Judge = judgeOf(members, provider),
    /** Parts of the rule that the Guardian of that number lacks. */
    broken: ReadonlyMap<number, readonly GuardianRule[]> = new Map(),
  ) {
    this.members = members;
    this.judge = judge;
    this.signers = members.map(
      (each, index) => new Signer(judge, each, provider, broken.get(index) ?? []),
    );
  }

  signer(index: number): Signer {
    const signer = this.signers[index];
    assert(signer !== undefined, `no signer ${index}`);
    return signer;
  }

  /** By those who are named, or by all. */
  certify(block: Certified, voters: readonly number[] = this.members.keys().toArray()): QuorumCert {
    const [first, ...rest] = voters.map((index) => this.signer(index).vote(block));
    assert(first !== undefined, "nobody votes");
    return quorumCertOf(this.judge.set, [first, ...rest]);
  }

  /** A block on the anchor and its child, both certified. */
  commit(view: bigint = this.judge.anchor.view + 1n, voters?: readonly number[]): Commit {
    const { anchor, context } = this.judge;
    const block = blockOn(this.judge, anchor, anchorCert(context, anchor), view);
    return this.commitOf(block, voters);
  }

  commitOf(block: Certified, voters?: readonly number[]): Commit {
    const blockQc = this.certify(block, voters);
    const child = blockOn(this.judge, block.header, blockQc, block.header.view + 1n);
    const childQc = this.certify(child, voters);
    return {
      block,
      child,
      cert: { block: block.header, child: child.header, blockQc, childQc },
    };
  }
}

export interface Commit {
  readonly block: Certified;
  readonly child: Certified;
  readonly cert: CommitCert;
}

export const messageOf = <T>(
  result:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly error: { readonly message: string } },
): string => (result.ok ? "fine" : result.error.message);
