/** `McpServers` over RPC: the person lists, confirms, reviews and removes what agents may call. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import type { GuardianCore, RegisteredServer } from "@ioi/guardian";
import { type Implementation, implement } from "@ioi/host/rpc";
import { type McpServer, pb } from "@ioi/wire";

type ToolMessage = MessageInitShape<typeof pb.McpToolSchema>;

const toolMessages = ({ tools, waiting }: RegisteredServer): readonly ToolMessage[] => {
  const known = new Set(tools.map(({ name }) => name));
  return [
    ...tools.map((tool): ToolMessage => {
      const waits = waiting.find(({ name }) => name === tool.name);
      return {
        ...tool,
        state: waits === undefined ? "pinned" : "changed",
        waitingHash: waits?.hash ?? new Uint8Array(0),
        waiting: waits?.definition ?? "",
        why: waits?.why ?? "",
      };
    }),
    ...waiting
      .filter(({ name }) => !known.has(name))
      .map(({ name, hash, definition, why }): ToolMessage => ({
        name,
        state: why === "" ? "new" : "refused",
        waitingHash: hash,
        waiting: definition,
        why,
      })),
  ];
};

export const serverMessage = (
  registered: RegisteredServer,
): MessageInitShape<typeof pb.McpServerSchema> => {
  const { server, pinning, policy, seen } = registered;
  return {
    name: server.name,
    argv: [...server.argv],
    url: server.url,
    cwd: server.cwd,
    env: { ...server.env },
    files: [...server.files],
    roots: server.roots.map(({ path, access }) => ({ path, write: access === "write" })),
    secret: server.secret ?? "",
    network: (server.network ?? []).map(({ host, port }) => ({ host, port })),
    identity: server.identity,
    pinning,
    policy,
    seen,
    tools: [...toolMessages(registered)],
  };
};

const serverOf = (given: pb.McpServer): McpServer => ({
  name: given.name,
  argv: given.argv,
  url: given.url,
  cwd: given.cwd,
  env: given.env,
  files: given.files.map(({ path, sha256 }) => ({ path, sha256 })),
  roots: given.roots.map(({ path, write }) => ({ path, access: write ? "write" : "read" })),
  ...(given.network.length === 0
    ? {}
    : { network: given.network.map(({ host, port }) => ({ host, port })) }),
  ...(given.secret === "" ? {} : { secret: given.secret }),
  identity: new Uint8Array(32),
});

const pinningOf = (text: string): "strict" | "follow" => {
  if (text === "" || text === "strict") return "strict";
  if (text === "follow") return text;
  throw new OperationError("E_MCP_INVALID", "pinning is strict or follow");
};

export const mcpServersService = (core: GuardianCore): Implementation =>
  implement(pb.McpServers, {
    listMcpServers: async () => ({ servers: core.mcp.servers.map(serverMessage) }),
    confirmMcpServer: async ({ server, replace }) => {
      if (server === undefined) throw new OperationError("E_MCP_INVALID", "there is no server");
      const pinning = pinningOf(server.pinning);
      const { policy } = server;
      const confirmed = await core.mcp.confirm(serverOf(server), { pinning, policy, replace });
      core.ports.log.log("info", "mcp.confirmed", { server: server.name });
      return { server: serverMessage(confirmed) };
    },
    removeMcpServer: async ({ name }) => {
      const removed = await core.mcp.remove(name);
      if (removed) core.ports.log.log("info", "mcp.removed", { server: name });
      return { removed };
    },
    pinMcpTools: async ({ server, tools }) => {
      const shown = tools.map(({ name, waitingHash }) => ({ name, hash: waitingHash }));
      const pinned = await core.mcp.pin(server, shown);
      core.ports.log.log("info", "mcp.pinned", { server, tools: shown.length });
      return { server: serverMessage(pinned) };
    },
  });
