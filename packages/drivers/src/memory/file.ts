/**
 * The memory file of a data folder, opened for one action and closed after it: so several sessions
 * share it, and its key is in no process for longer than an action lasts.
 *
 * A file has vectors of one embedder. Once another one answers, what is remembered next makes the file anew
 * for it: the log goes on, and the memories wait for their vectors. Where the file's own does not answer,
 * it is opened without one, and words find what is there.
 *
 * Invariants: whoever opens it has its turn, which ends with the process that holds it; a file that is
 * not there is made by the first thing that is remembered, and by nothing else.
 * Bounds: `memoryTurnMs` of waiting for a turn.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Files, OperationError } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import {
  changeEmbedder,
  createSubstrate,
  type Embedder,
  isEmbedderOf,
  type KernelSource,
  openSubstrate,
  peekMemoryFile,
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
  /** Where no model answers for memories: built in. */
  readonly embedder: Embedder;
  readonly kernel: KernelSource;
}

export type MemoryUse = "read" | "write" | "create";

/** An open file, and the embedder that it was opened with. */
export interface OpenMemory {
  readonly substrate: Substrate;
  readonly embedder: Embedder | undefined;
}

export class MemoryFolder {
  readonly #ports: MemoryFilePorts;

  constructor(ports: MemoryFilePorts) {
    this.#ports = ports;
  }

  /** What `work` makes of the open file; undefined where there is none. `given`: answers now. */
  async with<T>(
    use: MemoryUse,
    key: Uint8Array,
    signal: AbortSignal,
    given: Embedder | undefined,
    work: (open: OpenMemory) => Promise<T>,
  ): Promise<T | undefined> {
    const { files, provider, now, kernel } = this.#ports;
    await using _turn = await this.#turn(signal);
    const place = { files, path, provider, now };
    const slot = { type: "external", name: slotName, key } as const;
    if ((await files.stat(path)) === undefined) {
      if (use !== "create") return undefined;
      await createSubstrate(place, { slot, embedder: given ?? this.#ports.embedder });
    }
    const parameters = await peekMemoryFile(place);
    const known = [given, this.#ports.embedder].find(
      (each) => each !== undefined && isEmbedderOf(parameters, each),
    );
    const isChanged = use === "create" && given !== undefined && known !== given;
    if (isChanged) await changeEmbedder(place, slot, slot, given);
    const embedder = isChanged ? given : known;
    const mode = use === "read" ? "read" : "write";
    const options = { unlock: slot, embedder, kernel, signal };
    await using substrate = await openSubstrate(place, mode, options);
    return await work({ substrate, embedder });
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
