/**
 * A confirmed MCP server as a process in a sandbox of its own: its folders and nothing else of the
 * person's, without a network or with the places of its ticket. It is the program whose bytes were
 * confirmed, or it does not start. What the policy refuses of its folders it does not see, or cannot
 * change.
 *
 * Bounds: `mcpMessageBytesMax` a line, `mcpErrorsBytesMax` of its error output, memory and processes
 * by the profile.
 */
import { createHash } from "node:crypto";
import fs, { existsSync } from "node:fs";
import { equalBytes, OperationError } from "@ioi/base";
import { endSandbox, type SandboxedChild, spawnSandboxed } from "@ioi/host/sandbox";
import type { McpServer, Profile } from "@ioi/wire";
import { mcpErrorsBytesMax, mcpMessageBytesMax, programBytesMax } from "../limits.ts";
import type { ActContext, Restricted } from "../core/driver.ts";
import { proxyEnvironment, type WayOut, type WaysOut } from "../way-out/way-out.ts";
import { folderBinds } from "./folder-binds.ts";
import { LineReader } from "./lines.ts";
import type { ServerEvents, ServerLink } from "./server-link.ts";
import type { StartedServer } from "./server-start.ts";

const hashFile = async (path: string): Promise<Uint8Array> => {
  const hash = createHash("sha256");
  const stat = fs.statSync(path);
  if (!stat.isFile() || stat.size > programBytesMax) {
    throw new OperationError("E_MCP_PROGRAM", `${path} is no program that can be hashed`);
  }
  for await (const piece of fs.createReadStream(path)) hash.update(piece as Uint8Array);
  return Uint8Array.from(hash.digest());
};

const checkFiles = async ({ name, files }: McpServer): Promise<void> => {
  for (const { path, sha256 } of files) {
    let found: Uint8Array;
    try {
      found = await hashFile(path);
    } catch (cause) {
      if (cause instanceof OperationError) throw cause;
      throw new OperationError("E_MCP_PROGRAM", `${path} of ${name} cannot be read`, { cause });
    }
    if (!equalBytes(found, sha256)) {
      throw new OperationError("E_MCP_PROGRAM", `${path} of ${name} is not what was confirmed`);
    }
  }
};

/** Where the message socket stands in the `stdio` of a server with a network. */
const wayOutIndex = 3;

const start = (
  server: McpServer,
  profile: Profile,
  restricted: Restricted | undefined,
  wayOut: WayOut | undefined,
): SandboxedChild => {
  const { limits, masks } = profile;
  return spawnSandboxed(
    {
      name: "mcp-server",
      kind: "command",
      binds: folderBinds(server.roots, restricted?.readOnly ?? [], existsSync),
      masks: [...new Set([...masks, ...(restricted?.hidden ?? [])])],
      network: wayOut === undefined ? "none" : "own",
      mayCreateNamespaces: false,
      limits: {
        memoryBytes: limits.memoryBytes,
        processes: limits.processes,
        fileBytes: limits.fileBytes,
        openFiles: 1024,
      },
    },
    {
      program: server.argv[0] ?? "",
      args: server.argv.slice(1),
      env: {
        TERM: "dumb",
        ...(wayOut === undefined ? {} : proxyEnvironment),
        ...server.env,
      },
      cwd: server.cwd,
      stdio: ["pipe", "pipe", "pipe", ...(wayOut === undefined ? [] : [wayOut.descriptor])],
      ...(wayOut === undefined ? {} : { bridge: wayOut.bridge }),
      detached: true,
    },
  );
};

class ErrorTail {
  #bytes: Buffer = Buffer.alloc(0);

  push(block: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, block]).subarray(-mcpErrorsBytesMax);
  }

  get text(): string {
    return this.#bytes.toString("utf8").toWellFormed();
  }
}

const wayOutOf = (
  { name, network = [] }: McpServer,
  waysOut: WaysOut | undefined,
  context: ActContext,
): WayOut | undefined => {
  if (network.length === 0) return undefined;
  if (waysOut === undefined || !context.obligations.has("flow")) {
    throw new OperationError("E_MCP_PROGRAM", `${name} has a network, and no ticket for it`);
  }
  return waysOut.alone(context, wayOutIndex, `${name} reaches the places that it was given alone`);
};

/** It runs, and egress serves its way out. */
const served = async (
  name: string,
  { child, started }: SandboxedChild,
  wayOut: WayOut | undefined,
  signal: AbortSignal,
): Promise<void> => {
  const result = await started;
  if (!result.ok) {
    throw new OperationError("E_MCP_PROGRAM", `${name}: ${result.error.message}`);
  }
  try {
    await wayOut?.open(signal);
  } catch (error) {
    await endSandbox(child);
    throw error;
  }
};

const follow = (
  { name }: McpServer,
  child: SandboxedChild["child"],
  events: ServerEvents,
): Promise<void> => {
  const errors = new ErrorTail();
  child.stderr?.on("data", (block: Buffer) => errors.push(block));
  const lines = new LineReader(mcpMessageBytesMax, {
    line: (bytes) => events.message(bytes),
    tooLong: () => events.fault(`a message of more than ${mcpMessageBytesMax} bytes`),
  });
  child.stdout?.on("data", (block: Buffer) => lines.push(block));
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    stream?.on("error", () => undefined);
  }
  return new Promise((resolve) => {
    child.once("close", (code, signal) => {
      const how = signal === null ? `with code ${code ?? -1}` : `by ${signal}`;
      events.ended(`${name} ended ${how}`, errors.text);
      resolve();
    });
  });
};

export interface ServerProcessOptions {
  readonly profile: Profile;
  /** Where servers of the profile have a network. */
  readonly waysOut: WaysOut | undefined;
}

/** Started under its ticket, or the reason why not as an OperationError. */
export const startServerProcess = async (
  server: McpServer,
  { profile, waysOut }: ServerProcessOptions,
  events: ServerEvents,
  context: ActContext,
): Promise<StartedServer> => {
  await checkFiles(server);
  const wayOut = wayOutOf(server, waysOut, context);
  const sandboxed = start(server, profile, context.restricted, wayOut);
  const { child } = sandboxed;
  const gone = follow(server, child, events);
  const ended = gone.then(async () => await wayOut?.close());
  try {
    await served(server.name, sandboxed, wayOut, context.signal);
  } catch (error) {
    await ended;
    throw error;
  }
  const link: ServerLink = {
    send: (bytes) => {
      child.stdin?.write(bytes);
      child.stdin?.write("\n");
    },
    pause: (paused) => {
      if (paused) child.stdout?.pause();
      else child.stdout?.resume();
    },
    get waiting() {
      return child.stdin?.writableLength ?? 0;
    },
    close: async () => {
      child.stdin?.end();
      // Before the program ends: egress still knows what it had under way.
      await wayOut?.cut();
      await endSandbox(child);
    },
  };
  return { link, ended };
};
