/** What an open file says of itself, is opened with, and is given. */
import type { FileHandle } from "@ioi/base";
import type { Header, Place } from "./header.ts";
import type { Fold } from "./kept.ts";
import type { FileKeys } from "./keys.ts";
import type { Compacted, Parameters } from "./messages.ts";
import type { NewSegment } from "./segments.ts";
import type { Walked } from "./walk.ts";

export interface MemoryState {
  readonly id: number;
  readonly class: number;
  readonly state: "live" | "tombed" | "superseded" | "forgotten" | "damaged";
}

export interface FileInfo {
  readonly storeId: Uint8Array;
  readonly parameters: Parameters;
  readonly bytes: number;
  readonly memories: number;
  readonly commits: number;
  readonly logSize: number;
  readonly logRoot: Uint8Array;
  /** Hash of the last commit. */
  readonly lastCommit: Uint8Array | undefined;
  readonly compactedFrom: Compacted | undefined;
  /** Bytes behind the last commit: cut off when the file is opened to write. */
  readonly tailBytes: number;
  /** What was promised and is missing; a file that has some is not written to. */
  readonly damage: string | undefined;
  /** Byte from which on every record was looked at when it was opened. */
  readonly walkedFrom: number;
}

export interface Opened {
  readonly place: Place;
  readonly handle: FileHandle;
  readonly lock: AsyncDisposable | undefined;
  readonly header: Header;
  readonly keys: FileKeys;
  readonly fold: Fold;
  readonly walked: Walked;
  readonly walkedFrom: number;
  /** Where the newest table stands; 0: there is none. */
  readonly table: number;
  readonly size: number;
  readonly damage: string | undefined;
}

/** What a commit carries besides what it is made for. */
export interface Extra {
  /** Root of the index over vectors, where it is known. */
  readonly indexRoot?: Uint8Array | undefined;
  readonly segments?: readonly NewSegment[] | undefined;
  /** Numbers of segments that hold no more: their keys are erased. */
  readonly drop?: readonly number[] | undefined;
}

/** Memories that are about to be committed: their numbers and the hashes of their leaves. */
export interface Adding {
  readonly first: number;
  readonly leaves: readonly Uint8Array[];
}

export interface Content {
  readonly class: number;
  readonly bytes: Uint8Array;
}

/** A memory as a proof shows it. */
export interface Shown {
  readonly content: Uint8Array;
  /** The bytes of the frame before what is sealed, and the hash of that. */
  readonly head: Uint8Array;
  readonly sealed: Uint8Array;
}
