/** The node's public port: gRPC status and health. Never session content. */
import net from "node:net";
import { fromHex } from "@ioi/base";
import { implement, serve } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { Commitments } from "./commitments.ts";
import { listenNear } from "./listen.ts";

export interface PublicOptions {
  readonly host: string;
  readonly port: number;
  readonly chainId: string;
  readonly version: string;
}

/** Returns where it listens, as host:port. */
export const listenPublic = async (
  config: PublicOptions,
  state: { readonly ready: () => boolean; readonly commitments: Commitments },
): Promise<string> => {
  const node = implement(pb.Node, {
    status: async () => ({
      version: config.version,
      chainId: fromHex(config.chainId) ?? new Uint8Array(0),
      mode: "mode-0",
      ready: state.ready(),
      receiptsSize: state.commitments.newest?.size ?? 0n,
      receiptsRoot: state.commitments.newest?.root ?? new Uint8Array(0),
      anchor: "software (no rollback protection)",
    }),
  });
  const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = pb.HealthCheckResponse_ServingStatus;
  const health = implement(pb.Health, {
    check: async ({ service }) => ({
      status:
        service !== "" && service !== pb.Node.typeName
          ? SERVICE_UNKNOWN
          : state.ready()
            ? SERVING
            : NOT_SERVING,
    }),
  });
  const server = net.createServer((socket) => {
    serve(socket, [node, health], { peer: "public" });
  });
  const port = await listenNear(server, config.host, config.port);
  return `${config.host}:${port}`;
};
