/**
 * A driver process: the start-up line on descriptor 4, the channel on descriptor 3. It ends when
 * the channel does, and leaves nothing running.
 */
import fs from "node:fs";
import net from "node:net";
import { OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { type Implementation, implement, serve } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { startLineBytesMax } from "../limits.ts";
import type { McpDriver } from "../mcp/driver.ts";
import type { Driver } from "./driver.ts";
import { type Opened, openLate } from "./late.ts";
import { createHandlers, type DisposableHandlers } from "./handlers.ts";
import { readStart, type StartInput } from "./start.ts";

const CHANNEL = 3;
const START = 4;

const readLine = (fd: number): Uint8Array => {
  const blocks: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const block = Buffer.alloc(65_536);
    const got = fs.readSync(fd, block, 0, block.length, null);
    const newline = block.subarray(0, got).indexOf(10);
    blocks.push(block.subarray(0, newline === -1 ? got : newline));
    bytes += got;
    if (got === 0 || newline !== -1) return Buffer.concat(blocks);
    if (bytes > startLineBytesMax) {
      throw new OperationError("E_DRIVER_START", "the start-up line is too long");
    }
  }
};

/** The driver of a kind. Each process loads the code of its own kind, and of no other. */
const driverOf = async (start: StartInput): Promise<Driver> => {
  const { kind } = start.profile;
  switch (kind) {
    case "net":
    case "model": {
      const { openRequester } = await import("./requester.ts");
      return await openRequester(start, kind);
    }
    case "files":
    case "exec":
    case "shell": {
      const { openFolders } = await import("./folders.ts");
      return await openFolders(start, kind);
    }
    case "memory":
      return (await import("./memory.ts")).openMemory(start);
    case "mcp":
      return (await import("./mcp.ts")).openMcp(start);
    case "agent":
      throw new OperationError("E_DRIVER_START", "an agent's program is no driver");
  }
};

/** The code of every kind, for the runtime's cache. */
export const loadDrivers = async (): Promise<void> => {
  await Promise.all([
    import("./folders.ts"),
    import("./requester.ts"),
    import("../exec/driver.ts"),
    import("../files/driver.ts"),
    import("../model/driver.ts"),
    import("../model/egress.ts"),
    import("../net/driver.ts"),
    import("../way-out/way-out.ts"),
    import("./mcp.ts"),
    import("./memory.ts"),
    import("../mcp/service.ts"),
  ]);
};

export interface OpenedDriver extends DisposableHandlers {
  /** What it serves beside, over the same socket. */
  readonly more: readonly Implementation[];
}

/** The handlers of one instance; what a former one left is settled first. */
export const openDriver = async (start: StartInput): Promise<OpenedDriver> => {
  const driver = await driverOf(start);
  const handlers = createHandlers({
    ...start,
    driver,
    provider: nodeCrypto,
    nowMs: () => performance.now(),
  });
  const more =
    driver.kind === "mcp"
      ? [(await import("../mcp/service.ts")).mcpDriverService(driver as McpDriver, handlers)]
      : [];
  return {
    ...handlers,
    more,
    [Symbol.dispose]: () => {
      handlers[Symbol.dispose]();
      driver[Symbol.dispose]();
    },
  };
};

/** What keeps records of effects may find no room for them yet. */
const openedFor = async (start: StartInput): Promise<Opened & Pick<OpenedDriver, "more">> => {
  const { kind } = start.profile;
  const keepsRecords = kind === "files" || kind === "exec" || kind === "shell";
  if (!keepsRecords) return await openDriver(start);
  return { ...(await openLate(() => openDriver(start))), more: [] };
};

const report = (fields: Readonly<Record<string, string>>): void => {
  process.stderr.write(`${JSON.stringify(fields)}\n`);
};

/** A bug ends the process: the launcher sees it, and what was begun is settled by the next one. */
const die = (error: unknown): void => {
  const name = error instanceof Error ? error.name : typeof error;
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  // Names of functions and files, never values.
  report({ event: "driver.bug", name, stack: stack.split("\n").slice(1, 8).join(" ") });
  process.exit(1);
};

/** Runs until the channel ends. */
export const runDriverProcess = async (): Promise<void> => {
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
  try {
    const line = readLine(START);
    fs.closeSync(START);
    const start = readStart(nodeCrypto, line);
    using handlers = await openedFor(start);
    const socket = new net.Socket({ fd: CHANNEL, readable: true, writable: true });
    const served = serve(socket, [implement(pb.Driver, handlers), ...handlers.more], {
      peer: "workload",
      onBug: die,
    });
    await served.closed;
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    report({ event: "driver.failed", code: error.code, message: error.message });
    process.exitCode = 5;
  }
};
