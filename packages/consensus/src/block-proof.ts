/**
 * A committed block on paper: verified offline, from the hash of a trusted start alone. Format:
 * specs/consensus/objects.md section 8.
 *
 * Total on hostile bytes. Bounds: those of the wire; the cost is that of the signatures in it, and none
 * is checked before the start is the trusted one and the powers suffice.
 */
import { equalBytes, err, ok, type Rejection, type Result } from "@ioi/base";
import { domainHash, domains, type Hashing, type Verifying } from "@ioi/crypto";
import {
  type BlockProof,
  blockProof,
  type ConsensusEpoch,
  type ConsensusStart,
  consensusStart,
  schema,
} from "@ioi/wire";
import type { ConsensusError } from "./certificates.ts";
import { powerByVendor } from "./grades.ts";
import { LightClient, type VerifiedCommit } from "./light-client.ts";
import { blockHash } from "./objects.ts";
import { type SetError, ValidatorSet } from "./validators.ts";

export interface VerifiedBlock extends VerifiedCommit {
  readonly chain: Uint8Array;
  readonly epoch: ConsensusEpoch;
  readonly digest: Uint8Array;
  /** W of its epoch. */
  readonly total: bigint;
  /** Of those who signed both certificates' weaker one: whose hardware holds how much of the power. */
  readonly vendors: readonly { readonly vendor: string; readonly power: bigint }[];
}

export type ProofError = ConsensusError | SetError | Rejection<"E_CONSENSUS_PROOF">;

const unproved = (message: string): Result<never, ProofError> =>
  err({ code: "E_CONSENSUS_PROOF", message });

export const startHash = (hashing: Hashing, start: ConsensusStart): Uint8Array =>
  domainHash(hashing, domains.consensusStart, schema.encode(consensusStart, start));

/** `trusted` is the hash of the start, from elsewhere than the proof. */
export const verifyBlockProof = (
  provider: Verifying,
  bytes: Uint8Array,
  trusted: Uint8Array,
): Result<VerifiedBlock, ProofError> => {
  const decoded = schema.decode(blockProof, bytes);
  if (!decoded.ok) return unproved(`the file is no proof of a block: ${decoded.error.message}`);
  const { start, epochs, commit }: BlockProof = decoded.value;
  if (!equalBytes(startHash(provider, start), trusted)) {
    return unproved("it begins elsewhere than at the start that is trusted");
  }
  const { chain, epoch, validators, anchor, isDevnet } = start;
  const first = ValidatorSet.from(provider, validators, isDevnet);
  if (!first.ok) return first;
  const client = new LightClient(provider, { chain, epoch, set: first.value, anchor }, isDevnet);
  for (const { cert, next } of epochs) {
    const entered = client.advance(cert, next);
    if (!entered.ok) return entered;
  }
  const verified = client.verify(commit);
  if (!verified.ok) return verified;
  const { set } = client;
  const voters = [commit.blockQc, commit.childQc]
    .map(({ votes }) => votes.map(({ voter }) => voter))
    .toSorted((a, b) => (set.power(a) < set.power(b) ? -1 : 1));
  return ok({
    ...verified.value,
    chain,
    epoch: client.epoch,
    digest: blockHash(provider, commit.block),
    total: set.total,
    vendors: powerByVendor(set, voters[0] ?? []),
  });
};
