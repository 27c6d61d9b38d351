/**
 * A driver process: the start-up line on descriptor 4, the channel on descriptor 3. It ends when
 * the channel does, and leaves nothing running.
 */
import fs from "node:fs";
import net from "node:net";
import { OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { client, connect, implement, serve } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { unfinished } from "../effects/settle.ts";
import { ExecDriver } from "../exec/driver.ts";
import { FilesDriver } from "../files/driver.ts";
import { EffectEngine } from "../effects/engine.ts";
import { Roots } from "../fs/roots.ts";
import { startLineBytesMax } from "../limits.ts";
import { Vault } from "../vault/vault.ts";
import { RequestClaims } from "../net/claims.ts";
import { ModelDriver } from "../model/driver.ts";
import { modelOptions } from "../model/egress.ts";
import { NetDriver } from "../net/driver.ts";
import type { Driver } from "./driver.ts";
import { createHandlers, type DisposableHandlers } from "./handlers.ts";
import { readStart, type StartInput } from "./start.ts";

const CHANNEL = 3;
const START = 4;
/** Of a driver that may make requests: to egress. */
const EGRESS = 5;

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

const handlersOf = (start: StartInput, driver: Driver): DisposableHandlers => {
  const handlers = createHandlers({
    ...start,
    driver,
    provider: nodeCrypto,
    nowMs: () => performance.now(),
  });
  return {
    ...handlers,
    [Symbol.dispose]: () => {
      handlers[Symbol.dispose]();
      driver[Symbol.dispose]();
    },
  };
};

/** A driver that sees no folder: its only way is the socket to egress. */
const openRequester = (start: StartInput, kind: "net" | "model"): DisposableHandlers => {
  if (start.profile.network !== "egress") {
    throw new OperationError("E_DRIVER_START", `a ${kind} driver without a way to egress`);
  }
  const socket = new net.Socket({ fd: EGRESS, readable: true, writable: true });
  const egress = client(pb.Egress, connect(socket));
  const claims = new RequestClaims(start.vault);
  return handlersOf(
    start,
    kind === "model"
      ? new ModelDriver(modelOptions(egress, start.profile.limits.wallMs, claims))
      : new NetDriver(egress, claims),
  );
};

/** The handlers of one instance over real files; what a former instance left is settled first. */
export const openDriver = async (start: StartInput): Promise<DisposableHandlers> => {
  const { kind } = start.profile;
  if (kind === "net" || kind === "model") return openRequester(start, kind);
  const engine = new EffectEngine({
    roots: new Roots(start.profile),
    vault: new Vault(start.vault, kind),
    wallMs: () => Date.now(),
  });
  const driver = kind === "files" ? new FilesDriver(engine) : new ExecDriver(engine, start.profile);
  for (const counter of unfinished(engine)) await driver.settle(counter);
  return handlersOf(start, driver);
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
    using handlers = await openDriver(readStart(nodeCrypto, line));
    const socket = new net.Socket({ fd: CHANNEL, readable: true, writable: true });
    const served = serve(socket, [implement(pb.Driver, handlers)], {
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
