/** The chain as the command line reads it: over the public port, as everybody else. */
import net from "node:net";
import { fromHex, OperationError } from "@ioi/base";
import { type Channel, type Client, client, connect } from "@ioi/host/rpc";
import { anchoredCheckpoint, pb, schema } from "@ioi/wire";
import type { CommandContext } from "../context.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith } from "../report.ts";
import { requireFolder, runningKernel } from "./folder.ts";

export type NodeClient = Client<typeof pb.Node>;

export interface PublicNode extends AsyncDisposable {
  readonly node: NodeClient;
}

const unreachable = (cause: unknown): OperationError =>
  failWith({ code: "E_CLI_KERNEL_GONE", message: "the public port does not answer" }, cause);

const dialPort = async (host: string, port: number): Promise<Channel> => {
  const socket = net.connect(port, host);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
  } catch (cause) {
    throw unreachable(cause);
  }
  return connect(socket);
};

/** The running kernel's node; none is started. */
export const openNode = async (context: CommandContext): Promise<PublicNode> => {
  const paths = requireFolder(context.dataFolder);
  const kernel = runningKernel(paths);
  if (kernel === undefined) {
    throw failWith({
      code: "E_CLI_NO_KERNEL",
      message: `no kernel runs on ${paths.root}`,
      next: `./ioi start --data ${paths.root}`,
    });
  }
  const at = kernel.rpc.lastIndexOf(":");
  const channel = await dialPort(kernel.rpc.slice(0, at), Number(kernel.rpc.slice(at + 1)));
  return {
    node: client(pb.Node, channel),
    [Symbol.asyncDispose]: async () => {
      channel.close();
      await Promise.resolve();
    },
  };
};

export interface Anchor {
  readonly size: number;
  readonly height: number;
}

const pageEntries = 1000;
const pagesMax = 8;

/** Checkpoints of the receipt log that the chain keeps, smallest first. */
export const anchorsOf = async (node: NodeClient): Promise<readonly Anchor[]> => {
  const prefix = new Uint8Array(Buffer.from("receipts/"));
  const anchors = new Map<number, number>();
  let after: Uint8Array = new Uint8Array(0);
  for (let page = 0; page < pagesMax; page++) {
    const request = { prefix, after, limit: pageEntries };
    const { entries } = await node.scan(request, { deadlineMs: callDeadlineMs });
    for (const { value } of entries) {
      const decoded = schema.decode(anchoredCheckpoint, value);
      if (decoded.ok) anchors.set(decoded.value.size, Number(decoded.value.height));
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < pageEntries) break;
    after = last.key;
  }
  return [...anchors]
    .map(([size, height]) => ({ size, height }))
    .toSorted((a, b) => a.size - b.size);
};

/** The first block whose checkpoint covers a receipt. */
export const anchorOver = (anchors: readonly Anchor[], index: number): Anchor | undefined =>
  anchors.find(({ size }) => size > index);

/** The chain's id as the data folder's genesis says it; undefined where there is none. */
export const chainIdIn = (genesis: string): Uint8Array | undefined => {
  try {
    const { chainId } = JSON.parse(genesis) as { readonly chainId?: unknown };
    return typeof chainId === "string" ? fromHex(chainId) : undefined;
  } catch {
    return undefined;
  }
};
