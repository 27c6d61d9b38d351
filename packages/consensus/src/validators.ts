/**
 * A set of validators: who may sign, with which power, and what a quorum is.
 *
 * Powers are integers; no rule counts heads. The set's hash is the root of the RFC 9162 tree of its
 * entries. Invariants: Guardians, sessions, platforms and accounts are in a set once; every power is at
 * least 1 and their sum at most `totalPowerMax`.
 */
import { assert, err, ok, type Rejection, type Result, toHex } from "@ioi/base";
import { type Hashing, leafHash, MerkleTree, verifyInclusion } from "@ioi/crypto";
import {
  type ConsensusEpoch,
  schema,
  type ValidatorEntry,
  validatorEntry,
  type ValidatorRegistration,
} from "@ioi/wire";
import { totalPowerMax, validatorsMax } from "./limits.ts";
import { keyOf, sessionId } from "./objects.ts";

export type SetError = Rejection<"E_CONSENSUS_SET">;

const invalid = (message: string): Result<never, SetError> =>
  err({ code: "E_CONSENSUS_SET", message });

const leafOf = (hashing: Hashing, entry: ValidatorEntry): Uint8Array =>
  leafHash(hashing, schema.encode(validatorEntry, entry));

/** A Guardian whose key the host cannot read and whose state it cannot set back. */
export const isAnchored = ({ isolation, rollback }: ValidatorEntry): boolean =>
  isolation !== "none" && rollback === "counter";

const firstTwice = (keys: readonly string[]): string | undefined => {
  const seen = new Set<string>();
  return keys.find((key) => seen.size === seen.add(key).size);
};

/** Floor division by two or by three, and one: more than half, or more than two thirds. */
const quorumOf = (entries: readonly ValidatorEntry[], total: bigint, isDevnet: boolean): bigint => {
  let open = 0n;
  for (const entry of entries) if (entry.isolation === "none") open += entry.power;
  return !isDevnet && 6n * open >= total ? (2n * total) / 3n + 1n : total / 2n + 1n;
};

export class ValidatorSet {
  readonly entries: readonly ValidatorEntry[];
  readonly sessions: readonly Uint8Array[];
  /** W. */
  readonly total: bigint;
  /** q. */
  readonly quorum: bigint;
  readonly hash: Uint8Array;
  readonly #tree: MerkleTree;
  readonly #byGuardian: ReadonlyMap<string, number>;

  private constructor(
    hashing: Hashing,
    entries: readonly ValidatorEntry[],
    total: bigint,
    isDevnet: boolean,
  ) {
    this.entries = entries;
    this.sessions = entries.map(({ sessionKey }) => sessionId(hashing, sessionKey));
    this.total = total;
    this.quorum = quorumOf(entries, total, isDevnet);
    this.#tree = new MerkleTree(hashing);
    for (const entry of entries) this.#tree.append(leafOf(hashing, entry));
    this.hash = this.#tree.root();
    this.#byGuardian = new Map(entries.map(({ gid }, index) => [keyOf(gid), index]));
  }

  /** `isDevnet`: Guardians without isolation do not raise the quorum to two thirds. */
  static from(
    hashing: Hashing,
    entries: readonly ValidatorEntry[],
    isDevnet = false,
  ): Result<ValidatorSet, SetError> {
    if (entries.length === 0) return invalid("it is empty");
    if (entries.length > validatorsMax) return invalid(`more than ${validatorsMax} validators`);
    let total = 0n;
    for (const { power } of entries) {
      if (power < 1n) return invalid("a validator has no power");
      total += power;
      if (total > totalPowerMax) return invalid("the powers are too large");
    }
    const columns: readonly [string, (entry: ValidatorEntry) => Uint8Array][] = [
      ["Guardian", (entry) => entry.gid],
      ["session", (entry) => entry.sessionKey],
      ["platform", (entry) => entry.platform],
      ["account", (entry) => entry.identity],
    ];
    for (const [what, of] of columns) {
      const twice = firstTwice(entries.map((entry) => toHex(of(entry))));
      if (twice !== undefined) return invalid(`${what} ${twice.slice(0, 16)} is in it twice`);
    }
    return ok(new ValidatorSet(hashing, entries, total, isDevnet));
  }

  get size(): number {
    return this.entries.length;
  }

  /** Of a validator that is in the set. */
  entry(index: number): ValidatorEntry {
    const entry = this.entries[index];
    assert(entry !== undefined, `validator ${index} of ${this.size}`);
    return entry;
  }

  indexOf(gid: Uint8Array): number | undefined {
    return this.#byGuardian.get(keyOf(gid));
  }

  /** Of distinct validators of the set. */
  power(voters: Iterable<number>, counts: (entry: ValidatorEntry) => boolean = () => true): bigint {
    let power = 0n;
    for (const voter of voters) {
      const entry = this.entry(voter);
      if (counts(entry)) power += entry.power;
    }
    return power;
  }

  registration(index: number, epoch: ConsensusEpoch): ValidatorRegistration {
    return {
      epoch,
      validators: this.hash,
      entry: this.entry(index),
      index,
      size: this.size,
      path: this.#tree.inclusionProof(index),
    };
  }
}

/** That the entry stands in the set whose hash the registration names. */
export const verifyRegistration = (
  hashing: Hashing,
  { entry, index, size, path, validators }: ValidatorRegistration,
): boolean =>
  verifyInclusion(hashing, {
    index,
    size,
    leafHash: leafOf(hashing, entry),
    proof: path,
    root: validators,
  }).ok;
