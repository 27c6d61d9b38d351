/** The driver of MCP servers: each of them in a sandbox of its own. */
import { OperationError } from "@ioi/base";
import { McpDriver } from "../mcp/driver.ts";
import { openServerProcess } from "../mcp/server-process.ts";
import type { StartInput } from "./start.ts";

export const openMcp = ({ profile }: StartInput): McpDriver =>
  new McpDriver({
    profile,
    open: async (server, events) => {
      if (server.url !== "") {
        throw new OperationError("E_MCP_HTTP", `${server.name} is reached over HTTP`);
      }
      return await openServerProcess(server, profile, events);
    },
  });
