/**
 * A memory file: made, opened, read, added to, and made to forget. Format: `specs/scs/format.md`.
 *
 * - What a call acknowledged is there after any crash, and a commit is there whole or not at all: its
 *   records and itself are one write and one sync.
 * - Opening to read never writes. Opening to write takes the file's lock, cuts off an append that was
 *   interrupted, finishes a forgetting that was, and stores again what a failed sync may have lost;
 *   where something that was promised is damaged it refuses, and nothing is written.
 * - After a failed write or sync the file is poisoned until it is opened again. A full disk alone is
 *   survived.
 * - `forget` answers when the memory's key is overwritten and synced. Copies of the file, and what
 *   the medium itself keeps of old blocks, are beyond it.
 *
 * One writer; calls that write follow each other in the order they came.
 */
import { assert, type FileHandle, OperationError } from "@ioi/base";
import type { MerkleTree } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import { Append, type Appended } from "./append.ts";
import { type Header, operation, type Place } from "./header.ts";
import { addNothing, type Fold, type Kept } from "./kept.ts";
import { contentCommitment, type FileKeys, keyHash } from "./keys.ts";
import {
  decodeFrame,
  encodeFrame,
  encodeHint,
  encodeKey,
  hintOffset,
  recordTypes,
  wrappedFrom,
  wrappedKeyBytes,
} from "./layout.ts";
import { commitBytesMax, commitRecordsMax, scsBytesMax, scsWindowBytes } from "./limits.ts";
import { decodeMemory, encodeMemory, type Memory, type NewMemory } from "./memory.ts";
import {
  type Compacted,
  compacted as compactedSchema,
  type Parameters,
  shred,
  supersede,
  tomb,
} from "./messages.ts";
import type { Committed, Walked } from "./walk.ts";

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
}

export interface Opened {
  readonly place: Place;
  readonly handle: FileHandle;
  readonly lock: AsyncDisposable | undefined;
  readonly header: Header;
  readonly keys: FileKeys;
  readonly fold: Fold;
  readonly walked: Walked;
  readonly size: number;
  readonly damage: string | undefined;
}

export class MemoryFile implements AsyncDisposable {
  readonly #place: Place;
  readonly #handle: FileHandle;
  readonly #lock: AsyncDisposable | undefined;
  readonly #header: Header;
  readonly #keys: FileKeys;
  readonly #memories: Kept[];
  readonly #tree: MerkleTree;
  readonly #compactedFrom: Compacted | undefined;
  readonly #damage: string | undefined;
  #last: Committed | undefined;
  #end: number;
  #sequence: number;
  #tailBytes: number;
  #poison: OperationError | undefined;
  /** The last call that writes; the next one follows it. */
  #writing: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** Use `openMemoryFile`. */
  constructor(opened: Opened) {
    const { walked, fold } = opened;
    this.#place = opened.place;
    this.#handle = opened.handle;
    this.#lock = opened.lock;
    this.#header = opened.header;
    this.#keys = opened.keys;
    this.#memories = fold.memories;
    this.#compactedFrom = fold.compactedFrom;
    this.#tree = walked.tree;
    this.#last = walked.last;
    this.#end = walked.end;
    this.#sequence = walked.sequence;
    this.#tailBytes = Math.max(0, opened.size - walked.end);
    this.#damage = opened.damage;
  }

  get info(): FileInfo {
    const { storeId, parameters } = this.#header;
    return {
      storeId,
      parameters,
      bytes: this.#end,
      memories: this.#memories.length,
      commits: this.#last === undefined ? 0 : this.#last.body.number + 1,
      logSize: this.#tree.size,
      logRoot: this.#tree.root(),
      lastCommit: this.#last?.hash,
      compactedFrom: this.#compactedFrom,
      tailBytes: this.#tailBytes,
      damage: this.#damage,
    };
  }

  /** Makes the file fit to be written to; called once, by `openMemoryFile`. */
  async recover(lastShreds: readonly number[]): Promise<void> {
    if (this.#damage !== undefined)
      throw operation("E_SCS_DAMAGED", this.#place.path, this.#damage);
    if (this.#tailBytes > 0) await this.#handle.truncate(this.#end);
    // After a failed sync the page cache may show a commit that the disk does not hold.
    if (this.#last !== undefined) await this.#storeAgain(this.#last.start, this.#last.end);
    for (const [id, kept] of this.#memories.entries()) {
      const erased = kept.wrapped.every((byte) => byte === 0);
      // The same holds for an erasure that nobody was promised yet: those of the last commit.
      if (kept.forgotten && (!erased || lastShreds.includes(id))) await this.#erase(kept);
    }
    await this.#handle.sync();
    this.#tailBytes = 0;
  }

  async #storeAgain(from: number, to: number): Promise<void> {
    for (let at = from; at < to; at += scsWindowBytes) {
      await this.#handle.write(at, await this.#handle.read(at, Math.min(scsWindowBytes, to - at)));
    }
  }

  async #erase(kept: Kept): Promise<void> {
    if (kept.keyOffset > 0) {
      await this.#handle.write(kept.keyOffset + wrappedFrom, new Uint8Array(wrappedKeyBytes));
    }
    kept.wrapped = new Uint8Array(wrappedKeyBytes);
  }

  /** What is known of every memory, without reading any. */
  states(): readonly MemoryState[] {
    return this.#memories.map((kept, id) => ({
      id,
      class: kept.class,
      state: this.#stateOf(kept),
    }));
  }

  /** Which memory holds what another one held. */
  superseded(): readonly { readonly id: number; readonly by: number }[] {
    return this.#memories.flatMap(({ supersededBy, forgotten }, id) => {
      const gone = supersededBy === undefined || this.#memories[supersededBy]?.forgotten === true;
      return gone || forgotten ? [] : [{ id, by: supersededBy }];
    });
  }

  #stateOf(kept: Kept): MemoryState["state"] {
    if (kept.forgotten) return "forgotten";
    if (keyHash(this.#place.provider, kept.wrapped).some((byte, i) => byte !== kept.keyHash[i])) {
      return "damaged";
    }
    if (kept.tombed) return "tombed";
    return kept.supersededBy === undefined ? "live" : "superseded";
  }

  /** The memory; E_SCS_NO_MEMORY where it was never there or is forgotten. */
  async read(id: number): Promise<Memory> {
    const kept = this.#kept(id);
    const memory = decodeMemory(id, kept.class, await this.readContent(id));
    if (memory === undefined) throw this.#damaged(id);
    return memory;
  }

  #kept(id: number): Kept {
    const kept = this.#memories[id];
    if (kept === undefined || kept.forgotten) {
      const why = kept === undefined ? "was never there" : "is forgotten";
      throw operation("E_SCS_NO_MEMORY", this.#place.path, `memory ${id} ${why}`);
    }
    return kept;
  }

  #damaged(id: number): OperationError {
    return operation("E_SCS_DAMAGED", this.#place.path, `memory ${id} does not open`);
  }

  /** The content that a memory commits to, salt and all: what shows it to somebody else. */
  async readContent(id: number): Promise<Uint8Array> {
    this.#checkOpen();
    const kept = this.#kept(id);
    const payload = await this.#handle.read(kept.offset, kept.length);
    const frame = payload.length === kept.length ? decodeFrame(payload) : undefined;
    const key = this.#keys.unwrap(id, kept.class, kept.wrapped);
    if (frame === undefined || key === undefined) throw this.#damaged(id);
    const bytes = this.#keys.openContent(id, kept.class, key, frame.sealed);
    key.fill(0);
    const isTrue =
      bytes !== undefined &&
      contentCommitment(this.#place.provider, bytes).every(
        (byte, i) => byte === kept.commitment[i],
      );
    if (!isTrue) throw this.#damaged(id);
    return bytes;
  }

  /** Stores memories, all or none; returns their numbers. */
  add(memories: readonly NewMemory[]): Promise<readonly number[]> {
    return this.#write(async () => {
      const atMs = this.#place.now();
      const contents = memories.map((memory) => {
        const salt = this.#place.provider.randomBytes(32);
        const encoded = encodeMemory(memory, salt, atMs);
        if (!encoded.ok) throw operation("E_SCS_INPUT", this.#place.path, encoded.error.message);
        return { class: memory.class ?? 0, bytes: encoded.value };
      });
      return await this.#store(contents, atMs);
    });
  }

  /** A memory that another file holds, as it is; undefined: one that is not to be found any more. */
  addContents(
    contents: readonly ({ readonly class: number; readonly bytes: Uint8Array } | undefined)[],
    from?: Compacted,
  ): Promise<void> {
    return this.#write(async () => {
      await this.#store(contents, this.#place.now(), from);
    });
  }

  async #store(
    contents: readonly ({ readonly class: number; readonly bytes: Uint8Array } | undefined)[],
    atMs: number,
    from?: Compacted,
  ): Promise<readonly number[]> {
    const append = this.#append();
    if (from !== undefined) append.add(recordTypes.compacted, schema.encode(compactedSchema, from));
    const kept: Kept[] = [];
    for (const each of contents) {
      const id = this.#memories.length + kept.length;
      kept.push(each === undefined ? addNothing(append, id) : this.#addContent(append, id, each));
    }
    // What was never there to be found is said to be forgotten in the same commit.
    for (const [index, { forgotten }] of kept.entries()) {
      const frame = this.#memories.length + index;
      if (forgotten) append.add(recordTypes.shred, schema.encode(shred, { frame, atMs }));
    }
    if (append.records === 0) return [];
    await this.#commit(append, atMs);
    const first = this.#memories.length;
    for (const each of kept) this.#memories.push(each);
    return kept.map((_, index) => first + index);
  }

  #addContent(
    append: Append,
    id: number,
    content: { readonly class: number; readonly bytes: Uint8Array },
  ): Kept {
    const { provider } = this.#place;
    const { key, wrapped } = this.#keys.makeKey(id, content.class);
    const hash = keyHash(provider, wrapped);
    const keyPayload = { frame: id, class: content.class, hash, wrapped };
    const keyOffset = append.add(recordTypes.key, encodeKey(keyPayload));
    const commitment = contentCommitment(provider, content.bytes);
    const sealed = this.#keys.sealContent(id, content.class, key, content.bytes);
    key.fill(0);
    const payload = encodeFrame({ id, class: content.class, commitment, sealed });
    const leaf = append.leaf;
    const offset = append.add(recordTypes.frame, payload);
    return {
      class: content.class,
      leaf,
      offset,
      length: payload.length,
      commitment,
      keyOffset,
      keyHash: hash,
      wrapped,
      tombed: false,
      forgotten: false,
      supersededBy: undefined,
    };
  }

  /** Leaves memories out of answers; they stay readable. */
  tomb(ids: readonly number[]): Promise<void> {
    return this.#mark(
      ids,
      recordTypes.tomb,
      (frame, atMs) => schema.encode(tomb, { frame, atMs }),
      (kept) => {
        kept.tombed = true;
      },
    );
  }

  /** Says that `by` holds now what `id` held. */
  async supersede(id: number, by: number): Promise<void> {
    this.#kept(by);
    if (id === by)
      throw operation("E_SCS_INPUT", this.#place.path, "a memory replaces another one");
    const encode = (frame: number, atMs: number): Uint8Array =>
      schema.encode(supersede, { frame, by, atMs });
    await this.#mark([id], recordTypes.supersede, encode, (kept) => {
      kept.supersededBy = by;
    });
  }

  /** Erases the keys of memories: their contents cannot be read any more, by anybody. */
  forget(ids: readonly number[]): Promise<void> {
    const encode = (frame: number, atMs: number): Uint8Array =>
      schema.encode(shred, { frame, atMs });
    const erase = async (all: readonly Kept[]): Promise<void> => {
      for (const kept of all) await this.#erase(kept);
      await this.#handle.sync();
    };
    return this.#mark(
      ids,
      recordTypes.shred,
      encode,
      (kept) => {
        kept.forgotten = true;
      },
      erase,
    );
  }

  #mark(
    ids: readonly number[],
    type: typeof recordTypes.tomb | typeof recordTypes.supersede | typeof recordTypes.shred,
    encode: (frame: number, atMs: number) => Uint8Array,
    change: (kept: Kept) => void,
    then?: (all: readonly Kept[]) => Promise<void>,
  ): Promise<void> {
    return this.#write(async () => {
      const all = [...new Set(ids)].map((id) => ({ id, kept: this.#kept(id) }));
      if (all.length === 0) return;
      const append = this.#append();
      const atMs = this.#place.now();
      for (const { id } of all) append.add(type, encode(id, atMs));
      await this.#commit(append, atMs);
      for (const { kept } of all) change(kept);
      if (then !== undefined) await this.#orPoison(() => then(all.map(({ kept }) => kept)));
    });
  }

  /** Where a memory stands in the log, and the hashes that lead from there to the root. */
  prove(id: number): {
    readonly leaf: number;
    readonly size: number;
    readonly path: readonly Uint8Array[];
  } {
    const kept = this.#memories[id];
    if (kept === undefined) {
      throw operation("E_SCS_NO_MEMORY", this.#place.path, `memory ${id} was never there`);
    }
    const { size } = this.#tree;
    return { leaf: kept.leaf, size, path: this.#tree.inclusionProof(kept.leaf, size) };
  }

  #append(): Append {
    return new Append(this.#place.provider, {
      end: this.#end,
      sequence: this.#sequence,
      last: this.#last,
      tree: this.#tree,
      superblock: this.#header.hash,
    });
  }

  async #commit(append: Append, atMs: number): Promise<void> {
    const { path } = this.#place;
    if (append.bytes > commitBytesMax || append.records > commitRecordsMax) {
      throw operation("E_SCS_INPUT", path, "more at once than one commit takes");
    }
    const appended = append.finish(this.#keys, atMs);
    if (appended.committed.end > scsBytesMax) throw operation("E_SCS_FULL", path, "it is full");
    await this.#writeOut(appended);
    for (const leaf of appended.leaves) this.#tree.append(leaf);
    this.#last = appended.committed;
    this.#end = appended.committed.end;
    this.#sequence = appended.sequence;
    const { number } = appended.committed.body;
    const hint = encodeHint({ commit: number, offset: appended.committed.offset });
    // Not synced: it may be lost, and then nothing but a piece of evidence is.
    await this.#orPoison(() => this.#handle.write(hintOffset(number), hint));
  }

  async #writeOut({ bytes }: Appended): Promise<void> {
    try {
      await this.#handle.writeDurable(this.#end, bytes);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (error.code === "E_FILES_FULL") {
        await this.#orPoison(() => this.#handle.truncate(this.#end));
        throw operation("E_SCS_FULL", this.#place.path, "the disk is full");
      }
      throw this.#poisoned(error);
    }
  }

  #poisoned(cause: OperationError): OperationError {
    this.#poison = new OperationError("E_SCS_POISONED", `${this.#place.path}: ${cause.message}`, {
      cause,
    });
    return this.#poison;
  }

  async #orPoison(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      throw this.#poisoned(error);
    }
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    if (this.#lock === undefined) {
      throw operation("E_SCS_READ_ONLY", this.#place.path, "it was opened to read");
    }
    const run = this.#writing.then(async () => {
      if (this.#poison !== undefined) throw this.#poison;
      return await work();
    });
    this.#writing = run.catch(() => undefined);
    return await run;
  }

  #checkOpen(): void {
    assert(this.#closed === undefined, `${this.#place.path}: the file is closed`);
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#writing;
      await this.#handle.close();
      await this.#lock?.[Symbol.asyncDispose]();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
