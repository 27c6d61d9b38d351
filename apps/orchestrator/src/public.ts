/**
 * The node's public port: the chain, for everybody on this machine to read, with health and
 * reflection. Reads only, and never session content.
 *
 * Bounds: connections, calls in a second and open streams of one peer; entries and blocks of one
 * answer; a stream of blocks reads them from the chain as its reader takes them, so nothing waits
 * in memory.
 */
import net from "node:net";
import type { DescService, MessageInitShape } from "@bufbuild/protobuf";
import { OperationError, type Rejection, type Result } from "@ioi/base";
import { type CallContext, type Implementation, implement, serve } from "@ioi/host/rpc";
import { stateKeyBytesMax } from "@ioi/state";
import { gradeText } from "@ioi/consensus";
import { type Block, type ChainNode, listBlocksMax, scanEntriesMax } from "@ioi/validator";
import { pb, quorumCert, schema } from "@ioi/wire";
import { answerMsMax } from "./limits.ts";
import { listenNear } from "./listen.ts";
import { PeerLimits } from "./peer-limits.ts";
import { reflectionService } from "./reflection.ts";

export interface PublicOptions {
  readonly host: string;
  readonly port: number;
  readonly version: string;
}

type BlockMessage = MessageInitShape<typeof pb.BlockSchema>;

const messageOf = ({ id, txs, encoded, justify }: Block): BlockMessage => ({
  id,
  txs: [...txs],
  header: encoded,
  justify: schema.encode(quorumCert, justify),
});

const unwrapped = <T>(result: Result<T, Rejection<`E_${string}`>>): T => {
  if (result.ok) return result.value;
  throw new OperationError(result.error.code, result.error.message);
};

const malformed = (message: string): OperationError =>
  new OperationError("E_RPC_MALFORMED", message);

const anchorText = "software (no rollback protection)";

const statusOf = (
  config: PublicOptions,
  chain: ChainNode,
  ready: boolean,
): MessageInitShape<typeof pb.StatusReplySchema> => {
  const { head, params, grade, tip } = chain;
  const { header } = head ?? {};
  return {
    version: config.version,
    chainId: params.chain,
    mode: "mode-0",
    ready,
    anchor: anchorText,
    firstHeight: chain.first,
    identity: params.identity,
    idleBlockMs: chain.idleMs,
    start: chain.startHash,
    epoch: chain.epochStart.epoch.number,
    ...(head === undefined || header === undefined || grade === undefined
      ? {}
      : {
          receiptsSize: BigInt(tip.size),
          receiptsRoot: tip.root,
          height: header.height,
          view: header.view,
          head: head.id,
          stateHeight: header.stateHeight,
          stateRoot: header.stateRoot,
          timeMs: BigInt(header.timeMs),
          grade: gradeText(grade),
        }),
  };
};

const headHeight = (chain: ChainNode): bigint => {
  const { head } = chain;
  if (head !== undefined) return head.header.height;
  throw new OperationError("E_CHAIN_NO_BLOCK", "there is no block yet", { retryable: true });
};

/** The newest height whose state can be proved. */
const shownHeight = (chain: ChainNode): bigint => {
  const { shown } = chain;
  if (shown !== undefined) return shown;
  throw new OperationError("E_CHAIN_NO_BLOCK", "there is no block yet", { retryable: true });
};

const listBlocks = async (
  chain: ChainNode,
  from: bigint | undefined,
  limit: number,
): Promise<BlockMessage[]> => {
  const head = headHeight(chain);
  const count = Math.min(limit === 0 ? 20 : limit, listBlocksMax);
  const blocks: BlockMessage[] = [];
  let height = from === undefined || from > head ? head : from;
  for (; blocks.length < count && height >= chain.first; height--) {
    blocks.push(messageOf(unwrapped(await chain.block(height))));
  }
  return blocks;
};

/** Resolves when the chain has grown, or the caller is gone. */
const grown = (chain: ChainNode, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const stop = chain.watch(done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });

async function* follow(
  chain: ChainNode,
  from: bigint | undefined,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof pb.EventSchema>, void, undefined> {
  let next = from ?? (chain.head === undefined ? chain.first : chain.head.header.height + 1n);
  while (!signal.aborted) {
    const { head } = chain;
    if (head === undefined || next > head.header.height) {
      await grown(chain, signal);
      continue;
    }
    const block = unwrapped(await chain.block(next));
    yield { event: { case: "block", value: messageOf(block) } };
    next++;
  }
}

const nodeService = (
  config: PublicOptions,
  state: { readonly ready: () => boolean; readonly chain: ChainNode },
  limits: PeerLimits,
) => {
  const { chain } = state;
  const taken = ({ peer }: CallContext): void => limits.call(peer);
  return implement(pb.Node, {
    status: async (_request, context) => {
      taken(context);
      return statusOf(config, chain, state.ready());
    },
    getBlock: async ({ height }, context) => {
      taken(context);
      return messageOf(unwrapped(await chain.block(height ?? headHeight(chain))));
    },
    listBlocks: async ({ from, limit }, context) => {
      taken(context);
      return { blocks: await listBlocks(chain, from, limit) };
    },
    query: async ({ key, height }, context) => {
      taken(context);
      if (key.length > stateKeyBytesMax) throw malformed(`a key of ${key.length} bytes`);
      const { value, proof, blockProof, ...at } = unwrapped(
        await chain.query(key, height ?? shownHeight(chain)),
      );
      return {
        found: value !== undefined,
        ...(value === undefined ? {} : { value }),
        proof,
        blockProof,
        startSignature: chain.startSignature,
        height: at.height,
      };
    },
    proveBlock: async ({ height: wanted }, context) => {
      taken(context);
      const height = wanted ?? headHeight(chain);
      const proof = unwrapped(await chain.prove(height));
      return { proof, height, start: chain.startHash, startSignature: chain.startSignature };
    },
    scan: async ({ prefix, after, limit }, context) => {
      taken(context);
      if (prefix.length > stateKeyBytesMax || after.length > stateKeyBytesMax) {
        throw malformed(`a key of more than ${stateKeyBytesMax} bytes`);
      }
      const height = headHeight(chain);
      const most = Math.min(limit === 0 ? 100 : limit, scanEntriesMax);
      const entries = unwrapped(chain.scan(prefix, most, after.length === 0 ? undefined : after));
      return { entries: entries.map((entry) => ({ ...entry })), height };
    },
    events: async function* ({ from }, context) {
      taken(context);
      using _stream = limits.stream(context.peer);
      if (from !== undefined && from < chain.first) {
        throw new OperationError("E_CHAIN_NO_BLOCK", `block ${from} is not kept any more`);
      }
      yield* follow(chain, from, context.signal);
    },
  });
};

const healthService = (ready: () => boolean, known: readonly DescService[]) => {
  const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = pb.HealthCheckResponse_ServingStatus;
  return implement(pb.Health, {
    check: async ({ service }) => ({
      status:
        service !== "" && !known.some(({ typeName }) => typeName === service)
          ? SERVICE_UNKNOWN
          : ready()
            ? SERVING
            : NOT_SERVING,
    }),
  });
};

/** The same service over the launcher's own channel: for a page that has no network. */
export const ownNodeService = (
  config: PublicOptions,
  state: { readonly ready: () => boolean; readonly chain: ChainNode },
): Implementation => nodeService(config, state, new PeerLimits());

/** Returns where it listens, as host:port. */
export const listenPublic = async (
  config: PublicOptions,
  state: { readonly ready: () => boolean; readonly chain: ChainNode },
): Promise<string> => {
  const limits = new PeerLimits();
  const services = [
    nodeService(config, state, limits),
    healthService(state.ready, [pb.Node, pb.Health, pb.ServerReflection]),
    reflectionService([pb.Node, pb.Health], limits),
  ];
  const server = net.createServer((socket) => {
    const peer = socket.remoteAddress ?? "unknown";
    const connection = limits.connect(peer);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    socket.once("close", () => connection[Symbol.dispose]());
    serve(socket, services, { peer, answerMsMax });
  });
  const port = await listenNear(server, config.host, config.port);
  return `${config.host}:${port}`;
};
