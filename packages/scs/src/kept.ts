/** What an open file keeps of every memory in it: where it is, its key, and what was said of it. */
import type { Append } from "./append.ts";
import { encodeFrame, encodeKey, recordTypes, wrappedKeyBytes } from "./layout.ts";
import type { Compacted } from "./messages.ts";
import type { Entry } from "./walk.ts";

/** What is kept of every memory while the file is open. */
export interface Kept {
  readonly class: number;
  readonly leaf: number;
  /** Of the frame's payload. */
  readonly offset: number;
  readonly length: number;
  readonly commitment: Uint8Array;
  readonly keyOffset: number;
  readonly keyHash: Uint8Array;
  wrapped: Uint8Array;
  /** Left out of answers, still readable. */
  tombed: boolean;
  forgotten: boolean;
  supersededBy: number | undefined;
}

/** Folds the entries of a walk into what is kept of every memory. */
export class Fold {
  readonly memories: Kept[] = [];
  compactedFrom: Compacted | undefined;
  #key: Extract<Entry, { readonly type: "key" }> | undefined;

  take(entry: Entry): void {
    switch (entry.type) {
      case "key":
        this.#key = entry;
        return;
      case "frame":
        this.#frame(entry);
        return;
      case "tomb":
        (this.memories[entry.frame] as Kept).tombed = true;
        return;
      case "shred":
        (this.memories[entry.frame] as Kept).forgotten = true;
        return;
      case "supersede":
        (this.memories[entry.frame] as Kept).supersededBy = entry.by;
        return;
      case "compacted":
        this.compactedFrom = entry.from;
        return;
      case "opaque":
    }
  }

  #frame(entry: Extract<Entry, { readonly type: "frame" }>): void {
    const key = this.#key;
    this.#key = undefined;
    const own = key?.frame === entry.id && key.class === entry.class ? key : undefined;
    this.memories.push({
      class: entry.class,
      leaf: entry.leaf,
      offset: entry.offset,
      length: entry.length,
      commitment: entry.commitment,
      // A memory without its key is damaged, as one whose key does not fit its hash.
      keyOffset: own?.offset ?? 0,
      keyHash: own?.hash ?? new Uint8Array(32),
      wrapped: own?.wrapped ?? new Uint8Array(wrappedKeyBytes),
      tombed: false,
      forgotten: false,
      supersededBy: undefined,
    });
  }
}

/** A number whose memory another file had forgotten: it keeps its place and holds nothing. */
export const addNothing = (append: Append, id: number): Kept => {
  const [hash, wrapped] = [new Uint8Array(32), new Uint8Array(wrappedKeyBytes)];
  const keyOffset = append.add(recordTypes.key, encodeKey({ frame: id, class: 0, hash, wrapped }));
  const commitment = new Uint8Array(32);
  const payload = encodeFrame({ id, class: 0, commitment, sealed: new Uint8Array() });
  const leaf = append.leaf;
  const offset = append.add(recordTypes.frame, payload);
  return {
    class: 0,
    leaf,
    offset,
    length: payload.length,
    commitment,
    keyOffset,
    keyHash: hash,
    wrapped,
    tombed: false,
    forgotten: true,
    supersededBy: undefined,
  };
};
