/** The driver of MCP servers: each in a sandbox of its own, or elsewhere and reached through egress. */
import net from "node:net";
import { OperationError } from "@ioi/base";
import { type Channel, client, connect } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { McpDriver } from "../mcp/driver.ts";
import { startServerProcess } from "../mcp/server-process.ts";
import type { StartInput } from "./start.ts";

/** A socket to egress, and the message socket of servers' sandboxes, where the profile has them. */
const [egressSocket, waysOutSocket] = [5, 6] as const;

const egressOf = ({ profile }: StartInput): Channel | undefined => {
  if (profile.network === "none") return undefined;
  const socket = new net.Socket({ fd: egressSocket, readable: true, writable: true });
  // The process ends with the Workload's channel, whoever is at the other end of this one.
  socket.unref();
  return connect(socket);
};

export const openMcp = async (start: StartInput): Promise<McpDriver> => {
  const { profile } = start;
  const channel = egressOf(start);
  const waysOut =
    channel === undefined || profile.network !== "bridge"
      ? undefined
      : new (await import("../way-out/way-out.ts")).WaysOut(
          client(pb.ProgramNetwork, channel),
          waysOutSocket,
        );
  const options = { profile, waysOut };
  return new McpDriver({
    profile,
    ways: {
      start: (server, events, context) => startServerProcess(server, options, events, context),
      reach: async (server, events, listens) => {
        if (channel === undefined) {
          throw new OperationError("E_DRIVER_START", "an mcp driver without a way to egress");
        }
        // A program's session loads neither.
        const [{ openHttpServer }, { systemClock }] = await Promise.all([
          import("../mcp/http-link.ts"),
          import("@ioi/host/ports"),
        ]);
        const egress = client(pb.Egress, channel);
        return openHttpServer({ server, egress, clock: systemClock, events, listens });
      },
    },
  });
};
