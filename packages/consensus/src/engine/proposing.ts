/** How long a leader waits (R4), what it proposes, and which message carries what its Guardian signed. */
import { equalBytes } from "@ioi/base";
import type {
  BlockHeader,
  ConsensusBlock,
  ConsensusMessage,
  Envelope,
  QuorumCert,
  TimeoutCert,
} from "@ioi/wire";
import type { Judge } from "../certificates.ts";
import { quorumCertHash } from "../objects.ts";
import type { BlockTree, Root } from "./tree.ts";
import type { EngineEffect, EngineOptions, Payload } from "./types.ts";

/**
 * From the moment that the view was entered, in milliseconds: after a quorum a little for more than a
 * quorum, after timeouts until all have reported or one delay is over.
 */
export const proposalWaitMs = (
  { judge, strongMs, deltaMs }: EngineOptions,
  high: QuorumCert,
  view: bigint,
  reports: number,
): number => {
  const { set } = judge;
  if (high.view !== view - 1n) return reports >= set.size ? 0 : deltaMs;
  const isWhole = set.power(high.votes.map(({ voter }) => voter)) === set.total;
  return isWhole || high.votes.length === 0 ? 0 : strongMs;
};

/** A block of the view on what `high` certifies. */
export const blockOnHigh = (
  judge: Judge,
  parent: Root,
  high: QuorumCert,
  payload: Payload,
  { view, me, nowMs }: { readonly view: bigint; readonly me: number; readonly nowMs: number },
): ConsensusBlock => {
  const { chain, epoch, validators } = judge.context;
  const header: BlockHeader = {
    version: 1,
    chain,
    epoch,
    validators,
    height: parent.height + 1n,
    view,
    parent: high.digest,
    justify: { view: high.view, hash: quorumCertHash(judge.provider, high) },
    payloadRoot: payload.payloadRoot,
    stateHeight: parent.commitHeight,
    stateRoot: payload.stateRoot,
    timeMs: Math.max(Math.floor(nowMs), parent.timeMs + 1),
    proposer: me,
    ...(payload.ends === undefined ? {} : { ends: payload.ends }),
  };
  return { header, justify: high };
};

/** Undefined for a proposal whose block is not held any more. */
export const messageOf = (
  envelope: Envelope,
  tree: BlockTree,
  opened: TimeoutCert | undefined,
): ConsensusMessage | undefined => {
  switch (envelope.kind) {
    case "propose": {
      const block = tree.get(envelope.digest)?.block;
      if (block === undefined) return undefined;
      const tc = opened?.view === envelope.view - 1n ? opened : undefined;
      return { type: "proposal", block, envelope, ...(tc === undefined ? {} : { tc }) };
    }
    case "vote":
      return { type: "vote", envelope };
    case "timeout":
      return { type: "timeout", envelope, qc: tree.high };
    case "freeze":
      return { type: "freeze", envelope, qc: tree.high };
  }
};

/** The envelope is the leader's for exactly this block. */
export const isFor = (
  envelope: Envelope,
  { header }: ConsensusBlock,
  digest: Uint8Array,
): boolean =>
  envelope.kind === "propose" &&
  envelope.view === header.view &&
  envelope.justView === header.justify.view &&
  equalBytes(envelope.digest, digest);

/** What a host without R3 does: it speaks first and writes later. */
export const persistedLast = (effects: readonly EngineEffect[]): readonly EngineEffect[] => {
  const isLate = ({ type }: EngineEffect): boolean => type === "persist";
  return [...effects.filter((each) => !isLate(each)), ...effects.filter(isLate)];
};
