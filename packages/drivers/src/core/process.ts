/**
 * A driver process: the start-up line on descriptor 4, the channel on descriptor 3. It ends when
 * the channel does, and leaves nothing running.
 */
import fs from "node:fs";
import net from "node:net";
import { OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { implement, serve } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { unfinished } from "../effects/settle.ts";
import { EffectEngine } from "../effects/engine.ts";
import { Roots } from "../fs/roots.ts";
import { startLineBytesMax } from "../limits.ts";
import { type DriverKind, Vault } from "../vault/vault.ts";
import type { Driver } from "./driver.ts";
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

export type MakeDriver = (engine: EffectEngine, start: StartInput) => Driver;

/** The handlers of one instance over real files; what a former instance left is settled first. */
export const openDriver = async (
  kind: DriverKind,
  start: StartInput,
  make: MakeDriver,
): Promise<DisposableHandlers> => {
  if (start.profile.kind !== kind) {
    throw new OperationError("E_DRIVER_START", `the profile is for a ${start.profile.kind} driver`);
  }
  const engine = new EffectEngine({
    roots: new Roots(start.profile),
    vault: new Vault(start.vault, kind),
    wallMs: () => Date.now(),
  });
  const driver = make(engine, start);
  for (const counter of unfinished(engine)) await driver.settle(counter);
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

/** Runs until the channel ends; the exit code says whether it began. */
export const runDriverProcess = async (kind: DriverKind, make: MakeDriver): Promise<void> => {
  try {
    const line = readLine(START);
    fs.closeSync(START);
    const start = readStart(nodeCrypto, line);
    using handlers = await openDriver(kind, start, make);
    const socket = new net.Socket({ fd: CHANNEL, readable: true, writable: true });
    const served = serve(socket, [implement(pb.Driver, handlers)], {
      peer: "workload",
      onBug: (error) => {
        process.stderr.write(`${JSON.stringify({ event: "bug", message: String(error) })}\n`);
        process.exitCode = 1;
        served.close();
      },
    });
    await served.closed;
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    process.stderr.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
    process.exitCode = 5;
  }
};
