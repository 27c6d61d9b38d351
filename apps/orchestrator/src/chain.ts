/** The chain of this node: the validator's, on the Orchestrator's folder; the Guardian holds its session. */
import { fromHex, InvariantError, type Log, OperationError, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles, systemClock, systemRandom } from "@ioi/host/ports";
import { counter, gauge } from "@ioi/host/process";
import type { Client } from "@ioi/host/rpc";
import {
  type Beginning,
  ChainNode,
  idleBlockMs,
  type SessionSigner,
  settleMs,
  type SigningState,
} from "@ioi/validator";
import {
  blockHeader,
  consensusStart,
  envelope,
  type pb,
  schema,
  type Schema,
  signerRequest,
} from "@ioi/wire";
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

const decoded = <T>(of: Schema<T>, bytes: Uint8Array): T => {
  const value = schema.decode(of, bytes);
  if (value.ok) return value.value;
  throw new OperationError("E_RPC_MALFORMED", `the Guardian's answer: ${value.error.message}`);
};

const signingOf = ({
  start,
  startSignature: signature,
  last,
  highView,
}: pb.SigningStateReply): SigningState => ({
  start: decoded(consensusStart, start),
  signature,
  last: last.length === 0 ? undefined : decoded(envelope, last),
  highView,
});

const beginningOf = (reply: pb.SigningStateReply): Beginning => ({
  signing: reply.start.length === 0 ? undefined : signingOf(reply),
  former: reply.former,
});

/** The Guardian over its channel. */
const signerOf = (guardian: Client<typeof pb.ChainSigner>, chain: Uint8Array): SessionSigner => {
  const options = { deadlineMs: signerMs };
  return {
    begin: async () => signingOf(await guardian.begin({ chain }, options)),
    state: async () => beginningOf(await guardian.signingState({}, options)),
    sign: async (wanted) => {
      const slots = wanted.map(({ request, block }) => ({
        request: schema.encode(signerRequest, request),
        ...(block === undefined ? {} : { header: schema.encode(blockHeader, block.header) }),
      }));
      const { envelopes } = await guardian.sign({ slots }, options);
      return envelopes.map((each) => decoded(envelope, each));
    },
    consistency: async (from, to) => {
      const sizes = { firstSize: BigInt(from), secondSize: BigInt(to) };
      return (await guardian.consistency(sizes, options)).proof;
    },
  };
};

export const openChain = async (
  config: ChainConfig,
  guardian: Client<typeof pb.ChainSigner>,
  log: Log,
  fatal: (error: OperationError) => void,
): Promise<ChainNode> => {
  const identity = hexBytes(config.identity, identityBytes);
  const chainId = hexBytes(config.chainId, 32);
  const chain = await ChainNode.open({
    files: openFiles(config.dir),
    random: systemRandom,
    clock: systemClock,
    log,
    provider: nodeCrypto,
    signer: signerOf(guardian, chainId),
    params: {
      version: 1,
      chain: chainId,
      identity,
      // As the Guardian names its log.
      origin: `ioi/receipts/${toHex(nodeCrypto.sha256(identity)).slice(0, 16)}`,
    },
    idleMs: config.idleBlockMs ?? idleBlockMs,
    fatal,
  });
  log.log("info", "chain.opened", {
    height: `${chain.head?.header.height ?? "none"}`,
    epoch: `${chain.epochStart.epoch.number}`,
    cutBytes: chain.cutBytes,
  });
  const blocks = counter("ioi_blocks_total", "Blocks that this process committed.");
  const height = gauge("ioi_chain_height", "Height of the newest committed block.");
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
  guardian: Client<typeof pb.ChainSigner>,
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
