/**
 * The sockets that listen inside of programs' sandboxes, on their way here: the launcher hands over one
 * message socket for each driver that has one, and the sandboxes of that driver send theirs through it.
 *
 * Bounds: `waysOutKept` drivers and, of each look, messages.
 */
import fs from "node:fs";
import { equalBytes, toHex } from "@ioi/base";
import { takeDescriptor } from "@ioi/host/libc";
import { waysOutKept } from "../limits.ts";

export class WaysOut {
  readonly #launcher: number;
  /** Message sockets by driver. */
  readonly #drivers: Map<string, number> = new Map();

  /** `launcher`: the message socket over which those of drivers come. */
  constructor(launcher: number) {
    this.#launcher = launcher;
  }

  #receive(): void {
    for (;;) {
      const passed = takeDescriptor(this.#launcher);
      if (passed === undefined) return;
      const driver = toHex(passed.text);
      this.#close(driver);
      this.#drivers.set(driver, passed.descriptor);
    }
  }

  #close(driver: string): void {
    const descriptor = this.#drivers.get(driver);
    if (descriptor === undefined) return;
    this.#drivers.delete(driver);
    fs.closeSync(descriptor);
  }

  /** What this driver's sandbox sent with these words; others that were sent and left are closed. */
  take(instanceId: Uint8Array, words: Uint8Array): number | undefined {
    this.#receive();
    const socket = this.#drivers.get(toHex(instanceId));
    if (socket === undefined) return undefined;
    for (let looks = 0; looks < waysOutKept; looks++) {
      const passed = takeDescriptor(socket);
      if (passed === undefined) return undefined;
      if (equalBytes(passed.text, words)) return passed.descriptor;
      fs.closeSync(passed.descriptor);
    }
    return undefined;
  }

  forget(instanceId: Uint8Array): void {
    this.#receive();
    this.#close(toHex(instanceId));
  }
}
