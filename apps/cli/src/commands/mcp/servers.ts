/** `ioi mcp list|add|rm|review|pin`: the MCP servers that agents and gates may call. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type ExitCode, exitCodes } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { CommandContext, Handler } from "../../context.ts";
import { type Kernel, openKernel, retrying } from "../../kernel/connection.ts";
import { requireFolder } from "../../kernel/folder.ts";
import { callDeadlineMs, smallFileBytesMax } from "../../limits.ts";
import { failWith, usage } from "../../report.ts";
import { lookAtTools } from "./look.ts";
import { describeServer, nameOf, type ServerOptions } from "./server.ts";
import { transparentPolicy } from "./transparent.ts";
import { describeLine, folderLines, reviewLines, serverJson } from "./view.ts";

const call = { deadlineMs: callDeadlineMs };

export interface ConfirmOptions extends ServerOptions {
  readonly name?: string;
  readonly policy?: string;
  readonly replace?: boolean;
}

const policyText = ({ io }: CommandContext, given: string | undefined, server: string): string => {
  if (given === undefined) return "";
  if (given === "transparent") return transparentPolicy(server);
  try {
    const bytes = readFileSync(resolve(io.cwd, given));
    if (bytes.length > smallFileBytesMax) throw usage(`${given} is too large for a policy`);
    return bytes.toString("utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === undefined) throw cause;
    throw failWith({ code: "E_CLI_FILE", message: `${given} cannot be read` }, cause);
  }
};

/** Confirms what a person's own command names; the same server again changes nothing. */
export const confirmServer = async (
  context: CommandContext,
  kernel: Kernel,
  command: readonly string[],
  options: ConfirmOptions,
): Promise<pb.McpServer> => {
  const draft = await describeServer(context, command, options);
  const name = options.name ?? nameOf(command, options.url);
  const policy = policyText(context, options.policy, name);
  const pinning = options.policy === "transparent" ? "follow" : "strict";
  const servers = await kernel.mcpServers();
  const { server } = await servers.confirmMcpServer(
    {
      server: {
        name,
        argv: [...draft.argv],
        url: draft.url,
        secret: draft.secret,
        cwd: draft.cwd,
        env: { ...draft.env },
        files: [...draft.files],
        roots: [...draft.roots],
        network: [...draft.network],
        policy,
        pinning,
      },
      replace: options.replace === true,
    },
    call,
  );
  if (server === undefined) {
    throw failWith({ code: "E_RPC_MALFORMED", message: "the Guardian confirmed nothing" });
  }
  return server;
};

const listed = async (kernel: Kernel): Promise<readonly pb.McpServer[]> =>
  (await retrying(kernel, async () => (await kernel.mcpServers()).listMcpServers({}, call)))
    .servers;

const found = async (kernel: Kernel, name: string): Promise<pb.McpServer> => {
  const servers = await listed(kernel);
  const server = servers.find((each) => each.name === name);
  if (server !== undefined) return server;
  const names = servers.map((each) => each.name).join(", ");
  throw failWith({
    code: "E_MCP_UNKNOWN",
    message: `no server "${name}" is confirmed${names === "" ? "" : `; there is ${names}`}`,
  });
};

export const list: Handler<object> = async (context) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const servers = await listed(kernel);
  const { output } = context;
  output.value({ schema: "ioi.mcp/1", servers: servers.map(serverJson) });
  if (servers.length === 0) output.line("no MCP servers; ./ioi mcp add NAME -- COMMAND");
  for (const server of servers) {
    output.line(describeLine(server));
    for (const line of folderLines(server)) output.line(line);
  }
  return exitCodes.done;
};

const tellServer = (context: CommandContext, server: pb.McpServer): ExitCode => {
  context.output.value({ schema: "ioi.mcp-server/1", server: serverJson(server) });
  context.output.line(describeLine(server));
  for (const line of folderLines(server)) context.output.line(line);
  return exitCodes.done;
};

export const add: Handler<ConfirmOptions> = async (context, { args, options }) => {
  const [name = "", ...command] = args;
  await using kernel = await openKernel(context, { start: true });
  const server = await confirmServer(context, kernel, command, { ...options, name });
  await lookAtTools(context, kernel, server);
  return tellServer(context, await found(kernel, server.name));
};

export const remove: Handler<object> = async (context, { args }) => {
  const name = args[0] ?? "";
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { removed } = await (await kernel.mcpServers()).removeMcpServer({ name }, call);
  if (!removed) await found(kernel, name);
  context.output.value({ schema: "ioi.mcp-removed/1", name });
  context.output.line(`removed ${name}`);
  return exitCodes.done;
};

const waits = (tool: pb.McpTool): boolean => tool.waitingHash.length > 0;

export const review: Handler<object> = async (context, { args }) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const server = await found(kernel, args[0] ?? "");
  const { output } = context;
  const waiting = server.tools.filter(waits);
  output.value({
    schema: "ioi.mcp-review/1",
    server: serverJson(server),
    waiting: waiting.map((tool) => ({
      name: tool.name,
      state: tool.state,
      why: tool.why === "" ? null : tool.why,
      before: tool.definition === "" ? null : (JSON.parse(tool.definition) as unknown),
      after: JSON.parse(tool.waiting) as unknown,
    })),
  });
  output.line(describeLine(server));
  for (const tool of waiting) for (const line of reviewLines(tool)) output.line(line);
  if (waiting.length === 0) output.line("nothing waits");
  else output.line(`take them: ./ioi mcp pin ${server.name} TOOL...`);
  return exitCodes.done;
};

export interface PinOptions {
  readonly all?: boolean;
}

export const pin: Handler<PinOptions> = async (context, { args, options }) => {
  const [name = "", ...tools] = args;
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const server = await found(kernel, name);
  const waiting = server.tools.filter(waits);
  if ((options.all === true) === tools.length > 0) {
    throw usage(
      "name the tools to take, or --all of those that can be",
      `./ioi mcp review ${name}`,
    );
  }
  const taken = options.all === true ? waiting.filter(({ why }) => why === "") : tools;
  const shown = taken.map((each) => {
    const tool = typeof each === "string" ? waiting.find((one) => one.name === each) : each;
    if (tool !== undefined) return { name: tool.name, waitingHash: tool.waitingHash };
    throw failWith({
      code: "E_MCP_REVIEW",
      message: `no tool ${typeof each === "string" ? each : each.name} of ${name} waits`,
    });
  });
  const reply = await (await kernel.mcpServers()).pinMcpTools({ server: name, tools: shown }, call);
  return tellServer(context, reply.server ?? server);
};
