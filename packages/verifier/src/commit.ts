/**
 * Verifies that validators committed a block (`blockProof`), from the start that the caller trusts.
 *
 * Source: specs/consensus/objects.md sections 1, 3, 4 and 8, protocol.md V2, V3, V6, V7. A second
 * implementation on purpose; see `receipts.ts`. Proofs that pass through ends of epochs are not judged here.
 */
import { equalBytes, toHex } from "@ioi/base";
import {
  type BlockHeader,
  blockHeader,
  type BlockProof,
  type ConsensusEpoch,
  type ConsensusStart,
  envelopeBody,
  type QuorumCert,
  schema,
  validatorEntry,
} from "@ioi/wire";
import { isSignedBySession, sha256, under } from "./primitives.ts";
import { leafHash, rootOf } from "./tree.ts";

const lastView = (1n << 64n) - 2n;
const powerMax = (1n << 62n) - 1n;

/** S3. */
const quorumOf = ({ validators, isDevnet }: ConsensusStart): bigint => {
  const sum = (entries: ConsensusStart["validators"]): bigint =>
    entries.reduce((power, entry) => power + entry.power, 0n);
  const [total, open] = [
    sum(validators),
    sum(validators.filter(({ isolation }) => isolation === "none")),
  ];
  return !isDevnet && 6n * open >= total ? (2n * total) / 3n + 1n : total / 2n + 1n;
};

/** S1, S2. */
const setComplaint = ({ validators }: ConsensusStart): string | undefined => {
  if (validators.length === 0) return "there is no validator";
  const total = validators.reduce((power, entry) => power + entry.power, 0n);
  if (validators.some(({ power }) => power < 1n) || total > powerMax) return "powers out of bounds";
  for (const column of ["gid", "sessionKey", "platform", "identity"] as const) {
    if (new Set(validators.map((entry) => toHex(entry[column]))).size < validators.length) {
      return "a validator is in the set twice";
    }
  }
  return undefined;
};

interface Context {
  readonly start: ConsensusStart;
  /** S4. */
  readonly validators: Uint8Array;
}

const isOf = (
  { start, validators }: Context,
  of: { readonly epoch: ConsensusEpoch; readonly validators: Uint8Array },
): boolean =>
  of.epoch.number === start.epoch.number &&
  of.epoch.mode === start.epoch.mode &&
  equalBytes(of.validators, validators);

export const headerHash = (header: BlockHeader): Uint8Array =>
  sha256(under("ioi/consensus/block/v1", schema.encode(blockHeader, header)));

/** V3 with V6: the certificate is real, and for this block. */
const certificateComplaint = (
  context: Context,
  qc: QuorumCert,
  header: BlockHeader,
): string | undefined => {
  const { start, validators } = context;
  const { anchor } = start;
  const fits =
    qc.view === header.view &&
    qc.justView === header.justify.view &&
    equalBytes(qc.digest, headerHash(header));
  if (!isOf(context, qc) || !fits) return "a certificate is for another block";
  const inEpoch =
    qc.view > anchor.view &&
    qc.view <= lastView &&
    qc.justView < qc.view &&
    qc.justView >= anchor.view;
  if (!inEpoch) return "a certificate is of no view of the epoch";
  let [last, power] = [-1, 0n];
  for (const { voter } of qc.votes) {
    const entry = start.validators[voter];
    if (voter <= last || entry === undefined) return "the voters are not in rising order";
    [last, power] = [voter, power + entry.power];
  }
  if (power < quorumOf(start)) return "the voters are no quorum";
  const isSigned = qc.votes.every(({ voter, counter, prevTrace, high, signature }) => {
    const entry = start.validators[voter];
    if (entry === undefined || counter < 1n || high.view < qc.justView) return false;
    const body = schema.encode(envelopeBody, {
      version: 1,
      chain: start.chain,
      epoch: start.epoch,
      validators,
      gid: entry.gid,
      session: sha256(under("ioi/consensus/session/v1", entry.sessionKey)),
      counter,
      prevTrace,
      kind: "vote",
      view: qc.view,
      digest: qc.digest,
      justView: qc.justView,
      high,
    });
    return isSignedBySession(entry.sessionKey, under("ioi/consensus/envelope/v1", body), signature);
  });
  return isSigned ? undefined : "a vote's signature does not fit";
};

/** What is wrong with the claim that the proof's block is committed; its start is not judged. */
export const commitComplaint = ({ start, epochs, commit }: BlockProof): string | undefined => {
  if (epochs.length > 0) return "it passes through ends of epochs, which are not judged here";
  const wrong = setComplaint(start);
  if (wrong !== undefined) return wrong;
  const leaves = start.validators.map((entry) => leafHash(schema.encode(validatorEntry, entry)));
  const context: Context = { start, validators: rootOf(leaves) };
  const { block, child, blockQc, childQc } = commit;
  for (const header of [block, child]) {
    if (!equalBytes(header.chain, start.chain) || !isOf(context, header)) {
      return "a header is of another chain, epoch or set";
    }
  }
  const isChild =
    equalBytes(child.parent, headerHash(block)) &&
    child.justify.view === block.view &&
    child.height === block.height + 1n &&
    child.view === block.view + 1n;
  if (!isChild) return "the second block is not the child in the next view";
  return (
    certificateComplaint(context, blockQc, block) ?? certificateComplaint(context, childQc, child)
  );
};
