/**
 * Memories that are found again: a memory file with its index by words. See `types.ts` for what is asked
 * and answered.
 */
import type { OperationError, Signal } from "@ioi/base";
import type { Embedder } from "../embed/embedder.ts";
import type { MemoryFile } from "../file.ts";
import { operation, type Place } from "../header.ts";
import type { NewMemory } from "../memory.ts";
import type {
  Audit,
  LogCheckpoint,
  OpenOptions,
  Progress,
  ProvedRecall,
  Recalled,
  RecallQuery,
  Remembered,
  SubstrateInfo,
} from "./types.ts";

export class Substrate implements AsyncDisposable {
  readonly file: MemoryFile;
  readonly #place: Place;
  readonly #embedder: Embedder | undefined;

  /** Use `openSubstrate`. */
  constructor(place: Place, file: MemoryFile, { embedder }: OpenOptions) {
    this.#place = place;
    this.file = file;
    this.#embedder = embedder;
  }

  get info(): SubstrateInfo {
    return {
      ...this.file.info,
      vectors: 0,
      indexRoot: undefined,
      lexicalRoot: undefined,
      stale: false,
    };
  }

  /** Stores memories, all or none. One that is there already is told, and kept all the same. */
  async remember(
    memories: readonly NewMemory[],
    { signal }: { readonly signal?: Signal | undefined } = {},
  ): Promise<readonly Remembered[]> {
    signal?.throwIfAborted();
    return (await this.file.add(memories)).map((id) => ({ id }));
  }

  recall(
    _query: RecallQuery,
    _options: { readonly signal?: Signal | undefined } = {},
  ): Promise<Recalled> {
    return Promise.reject(this.#notYet("recall"));
  }

  /** The same answer, with what shows it. */
  prove(_query: RecallQuery): Promise<ProvedRecall> {
    return Promise.reject(this.#notYet("prove"));
  }

  forget(ids: readonly number[]): Promise<void> {
    return this.file.forget(ids);
  }

  tomb(ids: readonly number[]): Promise<void> {
    return this.file.tomb(ids);
  }

  supersede(id: number, by: number): Promise<void> {
    return this.file.supersede(id, by);
  }

  /** Makes the index anew from the log, as is due after something was forgotten. */
  rebuild(_progress?: Progress): Promise<void> {
    return Promise.reject(this.#notYet("rebuild"));
  }

  /** Makes the index again from the log and compares. */
  audit(_progress?: Progress): Promise<Audit> {
    return Promise.reject(this.#notYet("audit"));
  }

  checkpoint(): LogCheckpoint {
    const { storeId, logSize, logRoot } = this.file.info;
    const origin = `ioi/scs/${[...storeId].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    return { origin, size: logSize, root: logRoot };
  }

  #notYet(what: string): OperationError {
    const embedder = this.#embedder === undefined ? "" : " with vectors";
    return operation("E_SCS_NOT_YET", this.#place.path, `${what}${embedder} is not there yet`);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
