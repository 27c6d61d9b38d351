/**
 * The memory file of a data folder, opened for one action and closed after it: so several sessions
 * share it, and its key is in no process for longer than an action lasts.
 *
 * Invariants: whoever opens it has its turn, which ends with the process that holds it; a file that is
 * not there is made by the first thing that is remembered, and by nothing else.
 * Bounds: `memoryTurnMs` of waiting for a turn.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Files, OperationError } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import {
  createSubstrate,
  type Embedder,
  type KernelSource,
  openSubstrate,
  type Substrate,
} from "@ioi/scs";
import { memoryTurnMs, memoryTurnPollMs } from "../limits.ts";

const path = "memory.scs";
const turnPath = "memory.turn";
/** Of the slot of the file that the Guardian's key opens. */
const slotName = "ioi/guardian";

export interface MemoryFilePorts {
  /** Of the folder that holds the file, and nothing else. */
  readonly files: Files;
  readonly provider: CryptoProvider;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly embedder: Embedder;
  readonly kernel: KernelSource;
}

export type MemoryUse = "read" | "write" | "create";

export class MemoryFolder {
  readonly #ports: MemoryFilePorts;

  constructor(ports: MemoryFilePorts) {
    this.#ports = ports;
  }

  /** What `work` makes of the open file; undefined where there is none. */
  async with<T>(
    use: MemoryUse,
    key: Uint8Array,
    signal: AbortSignal,
    work: (substrate: Substrate) => Promise<T>,
  ): Promise<T | undefined> {
    const { files, provider, now, embedder, kernel } = this.#ports;
    await using _turn = await this.#turn(signal);
    const place = { files, path, provider, now };
    if ((await files.stat(path)) === undefined) {
      if (use !== "create") return undefined;
      await createSubstrate(place, { slot: { type: "external", name: slotName, key }, embedder });
    }
    await using substrate = await openSubstrate(place, use === "read" ? "read" : "write", {
      unlock: { type: "external", name: slotName, key },
      embedder,
      kernel,
      signal,
    });
    return await work(substrate);
  }

  async #turn(signal: AbortSignal): Promise<AsyncDisposable> {
    const until = performance.now() + memoryTurnMs;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await this.#ports.files.lock(turnPath);
      } catch (error) {
        const taken = error instanceof OperationError && error.code === "E_FILES_LOCKED";
        if (!taken || performance.now() >= until) throw error;
      }
      // Woken early where it is stopped: the reason is thrown above.
      await sleep(memoryTurnPollMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
