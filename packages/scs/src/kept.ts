/** What an open file keeps of everything in it: where it is, and what was said of it. */
import { assert, concatBytes, equalBytes, uintLE } from "@ioi/base";
import { type CryptoProvider, domainHash, domains, type Hashing } from "@ioi/crypto";
import type { Append } from "./append.ts";
import type { Entry } from "./entries.ts";
import { contentCommitment, type FileKeys, keyHash } from "./keys.ts";
import {
  encodeFrame,
  encodeKey,
  recordTypes,
  type SegmentKind,
  wrappedKeyBytes,
} from "./layout.ts";
import type { CommitBody, Compacted } from "./messages.ts";
import { Rows } from "./rows.ts";

/** What is kept of every memory while the file is open. Commits are numbers. */
export interface Kept {
  readonly class: number;
  readonly leaf: number;
  /** Of the frame's payload. */
  readonly offset: number;
  readonly length: number;
  /** Of the key's payload; 0: there is none. */
  readonly keyOffset: number;
  /** Whether a damaged key was found; a file that opened by its table has not looked. */
  readonly isKeyDamaged: boolean;
  /** The commit that it came with. */
  readonly commit: number;
  /** Left out of answers since, still readable. */
  readonly tombedIn: number | undefined;
  readonly supersededIn: number | undefined;
  readonly supersededBy: number | undefined;
  readonly forgotten: boolean;
}

export interface SegmentPart {
  readonly offset: number;
  readonly length: number;
  /** Of the record, sealed as it is. */
  readonly digest: Uint8Array;
}

export interface KeptSegment {
  readonly kind: SegmentKind;
  readonly number: number;
  readonly first: number;
  readonly count: number;
  readonly keyOffset: number;
  /** The commit that it came with. */
  readonly commit: number;
  /** Payloads, in order. */
  readonly parts: SegmentPart[];
}

/** When a commit was made, and how far the log reached then. By number. */
export interface PastCommit {
  readonly atMs: number;
  readonly logSize: number;
}

type KeyEntry = Extract<Entry, { readonly type: "key" }>;

/** Folds the entries of a walk into what is kept; or goes on from what a table says. */
export class Fold {
  readonly memories: Rows;
  /** Those that hold, by number. */
  readonly segments: Map<number, KeptSegment>;
  readonly commits: PastCommit[];
  compactedFrom: Compacted | undefined;
  /** Payloads of keys that are to be erased and are not, or may not be for good. */
  readonly toErase = new Set<number>();
  readonly #hashing: Hashing;
  #key: KeyEntry | undefined;
  /** Keys whose erasure was seen. */
  readonly #erased = new Set<number>();
  /** Of the last commit: its erasures may have been lost by a failed sync. */
  #lastErasures: number[] = [];

  constructor(
    hashing: Hashing,
    from: {
      readonly memories: Rows;
      readonly segments: Map<number, KeptSegment>;
      readonly commits: PastCommit[];
      readonly compactedFrom: Compacted | undefined;
    } = { memories: new Rows(), segments: new Map(), commits: [], compactedFrom: undefined },
  ) {
    this.#hashing = hashing;
    this.memories = from.memories;
    this.segments = from.segments;
    this.commits = from.commits;
    this.compactedFrom = from.compactedFrom;
  }

  /** Called at the end of a walk; `last`: the number of the last commit. */
  end(last: number | undefined): void {
    if (last === this.commits.length - 1) for (const at of this.#lastErasures) this.toErase.add(at);
  }

  take(entry: Entry, { number, atMs, logSize }: CommitBody): void {
    if (this.commits[number] === undefined) {
      this.commits.push({ atMs, logSize });
      this.#lastErasures = [];
    }
    switch (entry.type) {
      case "key":
        this.#key = entry;
        if (entry.erased) this.#erased.add(entry.offset);
        return;
      case "frame":
        this.#frame(entry, number);
        return;
      case "segment":
        this.#segment(entry, number);
        return;
      case "drop":
        for (const dropped of entry.segments) this.#drop(dropped);
        return;
      case "tomb":
        this.#change(entry.frame, (kept) => tombed(kept, number));
        return;
      case "shred":
        this.#erase(this.#change(entry.frame, shredded).keyOffset);
        return;
      case "supersede":
        this.#change(entry.frame, (kept) => supersededBy(kept, entry.by, number));
        return;
      case "compacted":
        this.compactedFrom = entry.from;
    }
  }

  #change(id: number, change: (kept: Kept) => Kept): Kept {
    const kept = this.memories.get(id);
    assert(kept !== undefined, `no memory ${id}`);
    const changed = change(kept);
    this.memories.set(id, changed);
    return changed;
  }

  #erase(keyOffset: number): void {
    if (keyOffset === 0) return;
    this.#lastErasures.push(keyOffset);
    if (!this.#erased.has(keyOffset)) this.toErase.add(keyOffset);
  }

  #drop(number: number): void {
    const segment = this.segments.get(number);
    if (segment === undefined) return;
    this.segments.delete(number);
    this.#erase(segment.keyOffset);
  }

  #takeKey(of: KeyEntry["of"], number: number): KeyEntry | undefined {
    const key = this.#key;
    this.#key = undefined;
    return key?.of === of && key.number === number ? key : undefined;
  }

  #segment(entry: Extract<Entry, { readonly type: "segment" }>, commit: number): void {
    const { kind, number, first, count, part, offset, length, digest } = entry;
    if (part > 0) {
      this.segments.get(number)?.parts.push({ offset, length, digest });
      return;
    }
    const keyOffset = this.#takeKey("segment", number)?.offset ?? 0;
    const parts = [{ offset, length, digest }];
    this.segments.set(number, { kind, number, first, count, keyOffset, commit, parts });
  }

  #frame(entry: Extract<Entry, { readonly type: "frame" }>, commit: number): void {
    const own = this.#takeKey("memory", entry.id);
    const fits =
      own?.class === entry.class && equalBytes(keyHash(this.#hashing, own.wrapped), own.hash);
    this.memories.push({
      class: entry.class,
      leaf: entry.leaf,
      offset: entry.offset,
      length: entry.length,
      // A memory without its key is damaged, as one whose key does not fit its hash.
      keyOffset: own?.offset ?? 0,
      commit,
      ...untouched,
      isKeyDamaged: !fits,
    });
  }
}

/** Root of the words, as they lie sealed; undefined: there are none. */
export const lexicalRootOf = (
  hashing: Hashing,
  segments: Iterable<KeptSegment>,
): Uint8Array | undefined => {
  const parts = [...segments]
    .filter(({ kind }) => kind === "lex")
    .toSorted((a, b) => a.number - b.number)
    .flatMap((each) => [uintLE(each.number, 8), ...each.parts.map(({ digest }) => digest)]);
  return parts.length === 0
    ? undefined
    : domainHash(hashing, domains.scsLexical, concatBytes(...parts));
};

export const tombed = (kept: Kept, commit: number): Kept => ({
  ...kept,
  tombedIn: kept.tombedIn ?? commit,
});

export const shredded = (kept: Kept): Kept => ({ ...kept, forgotten: true, isKeyDamaged: false });

/** The first commit that said so counts; the last memory that was named does. */
export const supersededBy = (kept: Kept, by: number, commit: number): Kept => ({
  ...kept,
  supersededBy: by,
  supersededIn: kept.supersededIn ?? commit,
});

const untouched = {
  isKeyDamaged: false,
  tombedIn: undefined,
  supersededIn: undefined,
  supersededBy: undefined,
  forgotten: false,
};

/** A number whose memory another file had forgotten: it keeps its place and holds nothing. */
export const addNothing = (append: Append, id: number, commit: number): Kept => {
  const [hash, wrapped] = [new Uint8Array(32), new Uint8Array(wrappedKeyBytes)];
  const key = { of: "memory", number: id, class: 0, hash, wrapped } as const;
  const keyOffset = append.add(recordTypes.key, encodeKey(key));
  const commitment = new Uint8Array(32);
  const payload = encodeFrame({ id, class: 0, commitment, sealed: new Uint8Array() });
  const leaf = append.leaf;
  const offset = append.add(recordTypes.frame, payload);
  return {
    class: 0,
    leaf,
    offset,
    length: payload.length,
    keyOffset,
    commit,
    ...untouched,
    forgotten: true,
  };
};

/** A memory's key and frame. */
export const addContent = (
  append: Append,
  id: number,
  content: { readonly class: number; readonly bytes: Uint8Array },
  {
    provider,
    keys,
    commit,
  }: { readonly provider: CryptoProvider; readonly keys: FileKeys; readonly commit: number },
): Kept => {
  const owner = { of: "memory", number: id, class: content.class } as const;
  const { key, wrapped } = keys.makeKey(owner);
  const hash = keyHash(provider, wrapped);
  const keyOffset = append.add(recordTypes.key, encodeKey({ ...owner, hash, wrapped }));
  const commitment = contentCommitment(provider, content.bytes);
  const sealed = keys.sealContent(id, content.class, key, content.bytes);
  key.fill(0);
  const payload = encodeFrame({ id, class: content.class, commitment, sealed });
  const leaf = append.leaf;
  const offset = append.add(recordTypes.frame, payload);
  return {
    class: content.class,
    leaf,
    offset,
    length: payload.length,
    keyOffset,
    commit,
    ...untouched,
  };
};
