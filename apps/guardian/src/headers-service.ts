/** What the Orchestrator may ask for its chain: signatures of headers, and proofs about the log. */
import { OperationError } from "@ioi/base";
import type { GuardianCore, Headers } from "@ioi/guardian";
import { counter } from "@ioi/host/process";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { Anchors } from "./anchors.ts";

const sizeOf = (size: bigint): number => {
  if (size <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(size);
  throw new OperationError("E_RPC_MALFORMED", "a size beyond 2^53 - 1");
};

export const headersService = (
  core: GuardianCore,
  headers: Headers,
  anchors: Anchors,
): Implementation => {
  const signed = counter("ioi_headers_signed_total", "Headers of the chain that were signed.");
  return implement(pb.Headers, {
    signHeader: async ({ header }) => {
      try {
        const { counter: count, signature } = await headers.sign(header);
        signed.inc();
        return { counter: count, signature };
      } catch (error) {
        // Nobody knows what the disk holds: the process begins anew, and with it the log.
        if (error instanceof OperationError && error.code === "E_WAL_POISONED") {
          core.ports.fatal(error);
        }
        throw error;
      }
    },
    signingState: async () => {
      const { last } = headers;
      return last === undefined
        ? {}
        : {
            slot: last.slot,
            counter: last.counter,
            headerHash: last.hash,
            header: last.header,
            signature: last.signature,
          };
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
