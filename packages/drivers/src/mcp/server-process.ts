/**
 * A confirmed MCP server as a process in a sandbox of its own: its folders and nothing else of the
 * person's, no network. It is the program whose bytes were confirmed, or it does not start.
 *
 * Bounds: `mcpMessageBytesMax` a line, `mcpErrorsBytesMax` of its error output, memory and processes
 * by the profile.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { equalBytes, OperationError } from "@ioi/base";
import { endSandbox, type SandboxedChild, spawnSandboxed } from "@ioi/host/sandbox";
import type { McpServer, Profile } from "@ioi/wire";
import { mcpErrorsBytesMax, mcpMessageBytesMax, programBytesMax } from "../limits.ts";
import { LineReader } from "./lines.ts";
import type { ServerEvents, ServerLink } from "./server-link.ts";

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

const start = (server: McpServer, profile: Profile): SandboxedChild => {
  const { limits, masks } = profile;
  return spawnSandboxed(
    {
      name: "mcp-server",
      kind: "command",
      binds: server.roots.map(({ path, access }) => ({ path, access })),
      masks: [...masks],
      network: "none",
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
      env: { TERM: "dumb", ...server.env },
      cwd: server.cwd,
      stdio: ["pipe", "pipe", "pipe"],
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

/** Started, or the reason why not as an OperationError. */
export const openServerProcess = async (
  server: McpServer,
  profile: Profile,
  events: ServerEvents,
): Promise<ServerLink> => {
  await checkFiles(server);
  const { child, started } = start(server, profile);
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
  child.once("close", (code, signal) => {
    const how = signal === null ? `with code ${code ?? -1}` : `by ${signal}`;
    events.ended(`${server.name} ended ${how}`, errors.text);
  });
  const result = await started;
  if (!result.ok) {
    throw new OperationError("E_MCP_PROGRAM", `${server.name}: ${result.error.message}`);
  }
  return {
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
      await endSandbox(child);
    },
  };
};
