/**
 * The descriptors that every process of the kernel inherits from the launcher. Fixed numbers, so
 * that no name, path or address has to be agreed on.
 */
import fs from "node:fs";
import net from "node:net";
import { OperationError } from "@ioi/base";
import { processConfigBytesMax } from "./limits.ts";

export const descriptors = {
  /** The launcher calls `Process` here; its end means that the kernel is gone. */
  process: 3,
  /** Workload: `Launcher` is called here. */
  launcher: 4,
  /**
   * Workload: to the Orchestrator. Guardian: from the Orchestrator. Orchestrator: to the Workload.
   * Egress: to the Guardian.
   */
  peer: 5,
  /**
   * Workload, Guardian: the listening Unix socket for the person. Orchestrator: to the Guardian. Egress:
   * message sockets of drivers come here.
   */
  second: 6,
  /** One JSON document, then the end. */
  config: 7,
  /** Guardian: egress calls `Leases` here. */
  egress: 8,
  /** Guardian: keys of the environment that the kernel was started in, to be read in place. */
  offered: 9,
  /** Workload and Orchestrator: shared memory to the other and from it, each with its bell. */
  outMemory: 10,
  outBell: 11,
  inMemory: 12,
  inBell: 13,
} as const;

/** An inherited connected socket. */
export const inheritedSocket = (fd: number): net.Socket =>
  new net.Socket({ fd, readable: true, writable: true });

/** Reads the configuration whole and closes its descriptor. */
export const readConfig = <C>(): C => {
  try {
    const text = fs.readFileSync(descriptors.config, "utf8");
    fs.closeSync(descriptors.config);
    if (text.length > processConfigBytesMax) throw new RangeError("configuration too long");
    return JSON.parse(text) as C;
  } catch (cause) {
    throw new OperationError("E_PROCESS_CONFIG", "no readable configuration", { cause });
  }
};
