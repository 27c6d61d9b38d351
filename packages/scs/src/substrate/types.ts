/** What a substrate is asked and what it answers: the public types of `substrate/`. */
import type { Signal } from "@ioi/base";
import type { mhnsw } from "@ioi/state";
import type { Embedder } from "../embed/embedder.ts";
import type { FileInfo } from "../file-types.ts";
import type { KernelSource } from "../kernel/exports.ts";
import type { NewSlot, Unlock } from "../keys.ts";
import type { Memory } from "../memory.ts";
import type { WalkExtent } from "../open.ts";

/** Told while long work goes on; what it returns is awaited, so that others get their turn. */
export type Progress = (done: number, total: number) => void | Promise<void>;

export interface Cancellable {
  readonly signal?: Signal | undefined;
}

export interface ProveOptions extends Cancellable {
  /**
   * Whether none is nearer than the answers by vectors: `exact` opens every vector, `sampled` 460 that
   * are drawn. `challenge`: 32 bytes to draw by, which the verifier chose when it knew the root.
   */
  readonly nearest?: mhnsw.Draw | undefined;
}

export interface CreateOptions {
  readonly slot: NewSlot;
  /** Without one the file has no vectors, for life. */
  readonly embedder?: Embedder | undefined;
  /** Of the index: 16 and 200 unless said. */
  readonly m?: number | undefined;
  readonly efConstruction?: number | undefined;
}

export interface OpenOptions {
  readonly unlock?: Unlock | undefined;
  /** Of the file's identity; without one there are answers by words alone. */
  readonly embedder?: Embedder | undefined;
  readonly kernel: KernelSource;
  readonly progress?: Progress | undefined;
  /** `all`: look at every record, as verifying does; else at those behind the newest table. */
  readonly extent?: WalkExtent | undefined;
  /** Ends the making of what finds memories, now and by the first question. */
  readonly signal?: Signal | undefined;
}

export interface SubstrateInfo extends FileInfo {
  readonly vectors: number;
  readonly indexRoot: Uint8Array | undefined;
  readonly lexicalRoot: Uint8Array | undefined;
  /** The index is to be made anew from the log, since something was forgotten. */
  readonly stale: boolean;
}

export interface RememberOptions extends Cancellable {
  /** `later`: stored without vectors, which `embed` makes; found by words until then. */
  readonly embed?: "now" | "later" | undefined;
}

/** What `embed` did, and how many memories are still without a vector. */
export interface Embedded {
  readonly embedded: number;
  readonly left: number;
}

export interface Remembered {
  readonly id: number;
  /** One that says nearly the same; both are kept. */
  readonly nearDuplicateOf?: number;
}

export interface RecallFilter {
  /** When it was said, where that is known; else when it was learnt. Both bounds included. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Beginning of the source. */
  readonly source?: string | undefined;
  /** All of them. */
  readonly tags?: readonly string[] | undefined;
  /** Kinds of origin, any of them. */
  readonly origins?: readonly string[] | undefined;
}

/** Up to and with this commit, or what was committed by this time. */
export type AsOf = { readonly commit: number } | { readonly ms: number };

export interface RecallQuery {
  readonly text?: string | undefined;
  readonly vector?: Float32Array | undefined;
  readonly k: number;
  /** `auto`: both, as far as there are any. */
  readonly by?: "auto" | "words" | "vectors" | undefined;
  /** Width of the search over vectors; else that of `searchDefaults`, or more for more answers. */
  readonly ef?: number | undefined;
  readonly filter?: RecallFilter | undefined;
  readonly asOf?: AsOf | undefined;
}

export interface RecalledAnswer {
  readonly id: number;
  /** From 1. */
  readonly rank: number;
  /** Score by words, and by vector, where it was found so. */
  readonly words?: number;
  readonly vector?: number;
  readonly memory: Memory;
  /** Others among the answers that say nearly the same. */
  readonly nearDuplicates: readonly number[];
}

export interface Recalled {
  readonly answers: readonly RecalledAnswer[];
  /** The commit that was asked, -1 before the first one; and its log. */
  readonly commit: number;
  readonly logRoot: Uint8Array;
  readonly indexRoot?: Uint8Array;
  readonly lexicalRoot?: Uint8Array;
  /** Why nothing was found by vectors, where some of them are damaged. */
  readonly vectorsLost?: string;
}

/**
 * `proof`: a canonical CBOR document, `recallProof` in `recall-proof.ts`. It shows that every answer is
 * a memory of the committed log, and that the search over the committed index gives exactly the answers
 * by vector; and, where it was asked for, that none is nearer. It does not show the order by words, or
 * how both were joined.
 */
export interface ProvedRecall extends Recalled {
  readonly proof: Uint8Array;
}

export interface Audit {
  readonly ok: boolean;
  /** Roots of the index: as committed, and made again from the log. */
  readonly committed: Uint8Array;
  readonly rebuilt: Uint8Array;
  readonly nodes: number;
  readonly words: boolean;
}

/** What a C2SP checkpoint of the log says: sign it, and it can be asked for later. */
export interface LogCheckpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}
