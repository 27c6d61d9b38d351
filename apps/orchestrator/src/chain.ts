/** The chain of this node: the validator's, on the Orchestrator's folder, signed by the Guardian. */
import { fromHex, InvariantError, type Log, OperationError, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles, systemClock, systemRandom } from "@ioi/host/ports";
import { counter, gauge } from "@ioi/host/process";
import type { Client } from "@ioi/host/rpc";
import { ChainNode, type HeaderSigner, idleBlockMs, settleMs } from "@ioi/validator";
import type { pb } from "@ioi/wire";
import { lastCheckpointMs, signerMs } from "./limits.ts";

export interface ChainConfig {
  readonly dir: string;
  /** Hex. */
  readonly chainId: string;
  /** Hex of the Guardian's identity. */
  readonly identity: string;
  readonly idleBlockMs?: number;
}

const hexBytes = (text: string, length: number): Uint8Array => {
  const bytes = fromHex(text);
  if (bytes?.length !== length) throw new InvariantError("the configuration holds no hex");
  return bytes;
};

const identityBytes = 1952;

/** The Guardian over its channel. */
const signerOf = (guardian: Client<typeof pb.Headers>): HeaderSigner => {
  const options = { deadlineMs: signerMs };
  return {
    sign: async (header) => await guardian.signHeader({ header }, options),
    state: async () => await guardian.signingState({}, options),
    consistency: async (from, to) => {
      const sizes = { firstSize: BigInt(from), secondSize: BigInt(to) };
      return (await guardian.consistency(sizes, options)).proof;
    },
  };
};

export const openChain = async (
  config: ChainConfig,
  guardian: Client<typeof pb.Headers>,
  log: Log,
  fatal: (error: OperationError) => void,
): Promise<ChainNode> => {
  const identity = hexBytes(config.identity, identityBytes);
  const chain = await ChainNode.open({
    files: openFiles(config.dir),
    random: systemRandom,
    clock: systemClock,
    log,
    provider: nodeCrypto,
    signer: signerOf(guardian),
    params: {
      version: 1,
      chain: hexBytes(config.chainId, 32),
      identity,
      // As the Guardian names its log.
      origin: `ioi/receipts/${toHex(nodeCrypto.sha256(identity)).slice(0, 16)}`,
    },
    idleMs: config.idleBlockMs ?? idleBlockMs,
    fatal,
  });
  log.log("info", "chain.opened", {
    height: `${chain.head?.header.height ?? "none"}`,
    cutBytes: chain.cutBytes,
  });
  const blocks = counter("ioi_blocks_total", "Blocks that this process made.");
  const height = gauge("ioi_chain_height", "Height of the newest block.");
  height.set(Number(chain.head?.header.height ?? 0n));
  chain.watch(({ header }) => {
    blocks.inc();
    height.set(Number(header.height));
  });
  return chain;
};

/**
 * What the Guardian wrote down up to now goes into a last block, so that a log that is set back
 * after a short life is noticed as well. Without an answer the next life commits it.
 */
export const settleChain = async (
  chain: ChainNode,
  guardian: Client<typeof pb.Headers>,
  log: Log,
): Promise<void> => {
  try {
    const { note } = await guardian.lastCheckpoint({}, { deadlineMs: lastCheckpointMs });
    if (note !== "") chain.offer(note);
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    log.log("warn", "chain.no-last-checkpoint", { code: error.code });
  }
  if (!(await chain.settle(settleMs))) log.log("warn", "chain.not-settled");
};
