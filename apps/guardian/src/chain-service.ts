/** What the Orchestrator may ask for its chain: epochs, votes, and proofs about the log. */
import { OperationError } from "@ioi/base";
import type { ChainSigner, ChainSigning, GuardianCore } from "@ioi/guardian";
import { counter } from "@ioi/host/process";
import { type Implementation, implement } from "@ioi/host/rpc";
import { consensusStart, envelope, pb, schema } from "@ioi/wire";
import type { Anchors } from "./anchors.ts";

const sizeOf = (size: bigint): number => {
  if (size <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(size);
  throw new OperationError("E_RPC_MALFORMED", "a size beyond 2^53 - 1");
};

const replyOf = ({ start, signature, counter: count, last, highView }: ChainSigning) => ({
  start: schema.encode(consensusStart, start),
  startSignature: signature,
  counter: count,
  highView,
  ...(last === undefined ? {} : { last: schema.encode(envelope, last) }),
});

const chainBytes = 32;

export const chainService = (
  core: GuardianCore,
  session: ChainSigner,
  anchors: Anchors,
): Implementation => {
  const signed = counter("ioi_envelopes_signed_total", "Envelopes of the chain that were signed.");
  const durably = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      // Nobody knows what the disk holds: the process begins anew, and with it the log.
      if (error instanceof OperationError && error.code === "E_WAL_POISONED") {
        core.ports.fatal(error);
      }
      throw error;
    }
  };
  return implement(pb.ChainSigner, {
    begin: async ({ chain }) => {
      if (chain.length !== chainBytes) throw new OperationError("E_RPC_MALFORMED", "no chain's id");
      return replyOf(await durably(() => session.begin(chain)));
    },
    sign: async ({ slots }) => {
      const envelopes = await durably(() => session.sign(slots));
      signed.inc(envelopes.length);
      return { envelopes: envelopes.map((each) => schema.encode(envelope, each)) };
    },
    signingState: async () => {
      const { signing, former } = session;
      if (signing !== undefined) return replyOf(signing);
      if (former === undefined) return {};
      const { encoded: header, counter: count, signature } = former;
      return { former: { header, counter: count, signature } };
    },
    lastCheckpoint: async () => {
      if (core.receipts.size === 0) return {};
      const { uncheckpointed } = core.receipts;
      const newest = uncheckpointed > 0 ? await anchors.take() : anchors.newest;
      return newest === undefined ? {} : { note: newest.note };
    },
    consistency: async ({ firstSize, secondSize }) => ({
      proof: [...core.receipts.consistency(sizeOf(firstSize), sizeOf(secondSize))],
    }),
  });
};
