/** A scripted model server, confirmed with a kernel as a person would. */
import path from "node:path";
import { listenerOf } from "@ioi/host/proc";
import { client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { ModelServer, ProtocolName } from "./model-servers/index.ts";

export interface ConfirmOptions {
  readonly id: string;
  readonly protocol: ProtocolName;
  readonly contextTokens?: number;
  /** Micro-dollars for a million tokens. */
  readonly priceIn?: number;
  readonly priceOut?: number;
  readonly secret?: string;
  /** Who is said to run it; absent: who does. */
  readonly program?: string;
}

/** It becomes the default. */
export const confirmModel = async (
  data: string,
  server: Pick<ModelServer, "port" | "url">,
  options: ConfirmOptions,
): Promise<void> => {
  const listener = listenerOf(server.port);
  await using channel = await dial(path.join(data, "run/guardian.sock"));
  await client(pb.Models, channel).confirmModel(
    {
      model: {
        id: options.id,
        protocol: options.protocol,
        url: server.url,
        name: "scripted-1",
        secret: options.secret ?? "",
        inputMicrousdPerMillion: BigInt(options.priceIn ?? 0),
        outputMicrousdPerMillion: BigInt(options.priceOut ?? 0),
        priceConfirmed: true,
        ownerKnown: true,
        ownerUid: listener?.uid ?? 0,
        program: options.program ?? listener?.program ?? "",
        contextTokens: options.contextTokens ?? 65_536,
        isDefault: true,
      },
    },
    { deadlineMs: 10_000 },
  );
};
