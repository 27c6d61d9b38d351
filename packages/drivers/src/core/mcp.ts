/** The driver of MCP servers: each in a sandbox of its own, or elsewhere and reached through egress. */
import net from "node:net";
import { OperationError } from "@ioi/base";
import { client, connect } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { McpDriver } from "../mcp/driver.ts";
import { openServerProcess } from "../mcp/server-process.ts";
import type { StartInput } from "./start.ts";

const EGRESS = 5;

const egressOf = ({ profile }: StartInput) => {
  if (profile.network !== "egress") return undefined;
  const socket = new net.Socket({ fd: EGRESS, readable: true, writable: true });
  // The process ends with the Workload's channel, whoever is at the other end of this one.
  socket.unref();
  return client(pb.Egress, connect(socket));
};

export const openMcp = (start: StartInput): McpDriver => {
  const egress = egressOf(start);
  return new McpDriver({
    profile: start.profile,
    open: async (server, events) => {
      if (server.url === "") return await openServerProcess(server, start.profile, events);
      if (egress === undefined) {
        throw new OperationError("E_DRIVER_START", "an mcp driver without a way to egress");
      }
      const { openHttpServer } = await import("../mcp/http-link.ts");
      return openHttpServer(server, egress, events);
    },
  });
};
