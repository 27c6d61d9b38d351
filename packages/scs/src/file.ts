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
 * - `forget` answers when the memory's key, and those of segments that held something of it, are
 *   overwritten and synced. Copies of the file, and what
 *   the medium itself keeps of old blocks, are beyond it.
 *
 * One writer; calls that write follow each other in the order they came.
 */
import { assert, equalBytes, type FileHandle, type OperationError } from "@ioi/base";
import { leafHash } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import type { Append } from "./append.ts";
import type { Adding, Content, Extra, FileInfo, MemoryState, Opened, Shown } from "./file-types.ts";
import { type Header, operation, type Place } from "./header.ts";
import { withoutMemories } from "./forgetting.ts";
import {
  addContent,
  addNothing,
  type Fold,
  type Kept,
  type KeptSegment,
  lexicalRootOf,
  type PastCommit,
  shredded,
  supersededBy,
  tombed,
} from "./kept.ts";
import { contentCommitment, type FileKeys, type KeyOwner } from "./keys.ts";
import { decodeFrame, decodeKey, keyPayloadBytes, recordTypes } from "./layout.ts";
import { snapshotBytesMax } from "./limits.ts";
import { decodeMemory, encodeMemory, type Memory, type NewMemory } from "./memory.ts";
import {
  type Compacted,
  compacted as compactedSchema,
  drop as dropSchema,
  shred,
  supersede,
  tomb,
} from "./messages.ts";
import { appendSegment, openSegment } from "./segments.ts";
import { storedDimension } from "./quantise.ts";
import { encodeTable, tableIsDue } from "./table.ts";
import { type Committed, logLeaf, payloadDigest } from "./walk.ts";
import { Writer } from "./writer.ts";

export class MemoryFile implements AsyncDisposable {
  readonly #place: Place;
  readonly #handle: FileHandle;
  readonly #lock: AsyncDisposable | undefined;
  readonly #header: Header;
  readonly #keys: FileKeys;
  readonly #fold: Fold;
  readonly #writer: Writer;
  readonly #damage: string | undefined;
  readonly #walkedFrom: number;
  #closed: Promise<void> | undefined;

  /** Use `openMemoryFile`. */
  constructor(opened: Opened) {
    const { place, handle, lock, header, keys, walked, size, table } = opened;
    this.#place = place;
    this.#handle = handle;
    this.#lock = lock;
    this.#header = header;
    this.#keys = keys;
    this.#fold = opened.fold;
    this.#damage = opened.damage;
    this.#walkedFrom = opened.walkedFrom;
    const isWritable = lock !== undefined;
    const superblock = header.hash;
    this.#writer = new Writer({
      place,
      handle,
      keys,
      superblock,
      walked,
      size,
      isWritable,
      table,
    });
  }

  get info(): FileInfo {
    const { storeId, parameters } = this.#header;
    const { end, due, tree, last, tailBytes } = this.#writer;
    return {
      storeId,
      parameters,
      bytes: end,
      memories: this.#fold.memories.length,
      commits: due,
      logSize: tree.size,
      logRoot: tree.root(),
      lastCommit: last?.hash,
      compactedFrom: this.#fold.compactedFrom,
      tailBytes,
      damage: this.#damage,
      walkedFrom: this.#walkedFrom,
    };
  }

  /** How many memories there are, forgotten ones too. */
  get memories(): number {
    return this.#fold.memories.length;
  }

  /** The last commit, with its seal. */
  get lastCommit(): Committed | undefined {
    return this.#writer.last;
  }

  /** When each commit was made. */
  get commits(): readonly PastCommit[] {
    return this.#fold.commits;
  }

  /** The log's root when it had `size` leaves. */
  logRootAt(size: number): Uint8Array {
    return this.#writer.tree.root(size);
  }

  /** Makes the file fit to be written to; called once, by `openMemoryFile`. */
  async recover(): Promise<void> {
    if (this.#damage !== undefined)
      throw operation("E_SCS_DAMAGED", this.#place.path, this.#damage);
    await this.#writer.recover(this.#fold.toErase);
  }

  /** What is known of every memory, without reading any. */
  states(): readonly MemoryState[] {
    const { memories } = this.#fold;
    return Array.from({ length: memories.length }, (_, id) => {
      const kept = memories.get(id) as Kept;
      return { id, class: kept.class, state: stateOf(kept) };
    });
  }

  /** What is kept of a memory; undefined: it was never there. */
  kept(id: number): Kept | undefined {
    return this.#fold.memories.get(id);
  }

  /** Memories that are in the newest table. */
  get tabled(): number {
    const table = this.segments().findLast(({ kind }) => kind === "table");
    if (table === undefined) return 0;
    const { memories } = this.#fold;
    let [low, high] = [0, memories.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((memories.get(middle) as Kept).commit < table.commit) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Which memory holds what another one held. */
  superseded(): readonly { readonly id: number; readonly by: number }[] {
    const { memories } = this.#fold;
    const found: { id: number; by: number }[] = [];
    for (let id = 0; id < memories.length; id++) {
      const { supersededBy: by, forgotten } = memories.get(id) as Kept;
      if (by === undefined || forgotten || memories.get(by)?.forgotten === true) continue;
      found.push({ id, by });
    }
    return found;
  }

  /** The memory; E_SCS_NO_MEMORY where it was never there or is forgotten. */
  async read(id: number): Promise<Memory> {
    const kept = this.#kept(id);
    const memory = decodeMemory(id, kept.class, await this.readContent(id));
    if (memory === undefined) throw await this.#unreadableMemory(id);
    return memory;
  }

  #kept(id: number): Kept {
    const kept = this.#fold.memories.get(id);
    if (kept === undefined || kept.forgotten) {
      const why = kept === undefined ? "was never there" : "is forgotten";
      throw operation("E_SCS_NO_MEMORY", this.#place.path, `memory ${id} ${why}`);
    }
    return kept;
  }

  /** Why something that was there does not open: it is damaged, or its writer went on since. */
  async unreadable(what: string): Promise<OperationError> {
    const seen = this.#writer.end + this.#writer.tailBytes;
    const isBehind = this.#lock === undefined && (await this.#handle.size()) > seen;
    const code = isBehind ? "E_SCS_CHANGED" : "E_SCS_DAMAGED";
    return operation(code, this.#place.path, `${what} does not open`);
  }

  #unreadableMemory(id: number): Promise<OperationError> {
    return this.unreadable(`memory ${id}`);
  }

  /** The content that a memory commits to, salt and all: what shows it to somebody else. */
  async readContent(id: number): Promise<Uint8Array> {
    return (await this.show(id)).content;
  }

  async #key(owner: KeyOwner, keyOffset: number): Promise<Uint8Array | undefined> {
    if (keyOffset === 0) return undefined;
    const key = decodeKey(await this.#handle.read(keyOffset, keyPayloadBytes));
    if (key?.of !== owner.of || key.number !== owner.number) return undefined;
    return this.#keys.unwrap(owner, key.wrapped);
  }

  /** A memory with what shows it; its record is compared with its leaf. */
  async show(id: number): Promise<Shown> {
    this.#checkOpen();
    const { provider } = this.#place;
    const kept = this.#kept(id);
    const payload = await this.#handle.read(kept.offset, kept.length);
    const frame = payload.length === kept.length ? decodeFrame(payload) : undefined;
    const owner = { of: "memory", number: id, class: kept.class } as const;
    const key = await this.#key(owner, kept.keyOffset);
    if (frame?.id !== id || key === undefined) throw await this.#unreadableMemory(id);
    const content = this.#keys.openContent(id, kept.class, key, frame.sealed);
    key.fill(0);
    const digest = payloadDigest(provider, recordTypes.frame, payload);
    const leaf = leafHash(provider, logLeaf(recordTypes.frame, digest));
    const isTrue =
      content !== undefined &&
      equalBytes(contentCommitment(provider, content), frame.commitment) &&
      equalBytes(leaf, this.#writer.tree.leaf(kept.leaf));
    if (!isTrue) throw await this.#unreadableMemory(id);
    const head = payload.slice(0, payload.length - frame.sealed.length);
    return { content, head, sealed: provider.sha256(frame.sealed) };
  }

  /** Hash of the leaf of a memory in the log. */
  leafOf(id: number): Uint8Array {
    const kept = this.#fold.memories.get(id);
    assert(kept !== undefined, `no memory ${id}`);
    return this.#writer.tree.leaf(kept.leaf);
  }

  /** Segments that hold, by number. */
  segments(): readonly KeptSegment[] {
    return [...this.#fold.segments.values()];
  }

  /** What a segment holds, or its first `bytes` at least; undefined: that does not open. */
  async readSegment({ number }: KeptSegment, bytes?: number): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    const segment = this.#fold.segments.get(number);
    if (segment === undefined) return undefined;
    const key = await this.#key({ of: "segment", number, class: 0 }, segment.keyOffset);
    return key && (await openSegment(this.#handle, this.#keys, segment, key, bytes));
  }

  /**
   * Stores memories, all or none; returns their numbers. `also` is asked once they are numbered, what
   * else the commit is to carry.
   */
  add(
    memories: readonly NewMemory[],
    also: (adding: Adding) => Extra = () => ({}),
  ): Promise<readonly number[]> {
    return this.#write(async () => {
      const atMs = this.#place.now();
      const contents = memories.map((memory) => {
        const salt = this.#place.provider.randomBytes(32);
        const encoded = encodeMemory(memory, salt, atMs);
        if (!encoded.ok) throw operation("E_SCS_INPUT", this.#place.path, encoded.error.message);
        return { class: memory.class ?? 0, bytes: encoded.value };
      });
      return await this.#store(contents, atMs, also);
    });
  }

  /** Memories that another file holds, as they are; undefined: one that is not to be found any more. */
  addContents(
    contents: readonly (Content | undefined)[],
    also: (adding: Adding) => Extra = () => ({}),
    from?: Compacted,
  ): Promise<void> {
    return this.#write(async () => {
      await this.#store(contents, this.#place.now(), also, from);
    });
  }

  async #store(
    contents: readonly (Content | undefined)[],
    atMs: number,
    also: (adding: Adding) => Extra,
    from?: Compacted,
  ): Promise<readonly number[]> {
    const append = this.#writer.append(this.#place.provider);
    if (from !== undefined) append.add(recordTypes.compacted, schema.encode(compactedSchema, from));
    const { memories } = this.#fold;
    const first = memories.length;
    const context = { provider: this.#place.provider, keys: this.#keys, commit: this.#writer.due };
    const leafFrom = append.leaves.length;
    const kept = contents.map((each, index) =>
      each === undefined
        ? addNothing(append, first + index, context.commit)
        : addContent(append, first + index, each, context),
    );
    if (append.records === 0) return [];
    const leaves = append.leaves.slice(leafFrom);
    // What was never there to be found is said to be forgotten in the same commit.
    for (const [index, { forgotten }] of kept.entries()) {
      const frame = first + index;
      if (forgotten) append.add(recordTypes.shred, schema.encode(shred, { frame, atMs }));
    }
    await this.#finish(append, atMs, also({ first, leaves }), () => {
      for (const each of kept) memories.push(each);
      if (from !== undefined) this.#fold.compactedFrom = from;
      return [];
    });
    return kept.map((_, index) => first + index);
  }

  /** Leaves memories out of answers; they stay readable. */
  tomb(ids: readonly number[], extra: Extra = {}): Promise<void> {
    return this.#mark(
      ids,
      recordTypes.tomb,
      (frame, atMs) => schema.encode(tomb, { frame, atMs }),
      tombed,
      () => extra,
    );
  }

  /** Says that `by` holds now what `id` held. */
  async supersede(id: number, by: number, extra: Extra = {}): Promise<void> {
    this.#kept(by);
    if (id === by)
      throw operation("E_SCS_INPUT", this.#place.path, "a memory replaces another one");
    const encode = (frame: number, atMs: number): Uint8Array =>
      schema.encode(supersede, { frame, by, atMs });
    const change = (kept: Kept, commit: number): Kept => supersededBy(kept, by, commit);
    await this.#mark([id], recordTypes.supersede, encode, change, () => extra);
  }

  /** Erases the keys of memories: their contents cannot be read any more, by anybody. */
  forget(ids: readonly number[], extra: Extra = {}): Promise<void> {
    return this.#mark(
      ids,
      recordTypes.shred,
      (frame, atMs) => schema.encode(shred, { frame, atMs }),
      shredded,
      async () => {
        const dimension = storedDimension(this.#header.parameters.index.dimension);
        const read = (segment: KeptSegment): Promise<Uint8Array | undefined> =>
          this.readSegment(segment);
        const without = await withoutMemories(this.segments(), ids, dimension, read);
        return {
          ...extra,
          segments: [...without.segments, ...(extra.segments ?? [])],
          drop: [...new Set([...without.drop, ...(extra.drop ?? [])])],
        };
      },
    );
  }

  #mark(
    ids: readonly number[],
    type: typeof recordTypes.tomb | typeof recordTypes.supersede | typeof recordTypes.shred,
    encode: (frame: number, atMs: number) => Uint8Array,
    change: (kept: Kept, commit: number) => Kept,
    also: () => Extra | Promise<Extra>,
  ): Promise<void> {
    return this.#write(async () => {
      const all = [...new Set(ids)].map((id) => ({ id, kept: this.#kept(id) }));
      if (all.length === 0) return;
      const append = this.#writer.append(this.#place.provider);
      const atMs = this.#place.now();
      const { due } = this.#writer;
      for (const { id } of all) append.add(type, encode(id, atMs));
      await this.#finish(append, atMs, await also(), () => {
        for (const { id, kept } of all) this.#fold.memories.set(id, change(kept, due));
        return type === recordTypes.shred ? all.map(({ kept }) => kept.keyOffset) : [];
      });
    });
  }

  /** Segments in a commit of their own. */
  writeSegments(extra: Extra): Promise<void> {
    return this.#write(async () => {
      const append = this.#writer.append(this.#place.provider);
      await this.#finish(append, this.#place.now(), extra, () => []);
    });
  }

  /** A table of all up to the last commit, so that opening looks at nothing before it. */
  async writeTable(indexRoot?: Uint8Array): Promise<void> {
    await this.#write(async () => {
      const { last, sequence, segments, tree } = this.#writer;
      if (last === undefined || !tableIsDue(this.#fold)) return;
      const bytes = encodeTable(this.#fold, { last, sequence, segments, tree });
      if (bytes.length > snapshotBytesMax) return;
      const old = this.segments().filter(({ kind }) => kind === "table");
      const append = this.#writer.append(this.#place.provider);
      const table = {
        segments: [{ kind: "table", first: 0, count: 0, bytes }],
        drop: old.map(({ number }) => number),
        indexRoot,
      } as const;
      await this.#finish(append, this.#place.now(), table, () => []);
    });
  }

  /** Adds segments, commits, changes what is kept, and erases the keys that the change names. */
  async #finish(
    append: Append,
    atMs: number,
    { segments = [], drop = [], indexRoot }: Extra,
    change: () => readonly number[],
  ): Promise<void> {
    const { due, segments: firstSegment } = this.#writer;
    const context = { provider: this.#place.provider, keys: this.#keys, commit: due };
    const kept = segments.map((segment, index) =>
      appendSegment(append, segment, firstSegment + index, context),
    );
    if (drop.length > 0) {
      append.add(recordTypes.drop, schema.encode(dropSchema, { segments: drop, atMs }));
    }
    if (append.records === 0) return;
    const dropped = new Set(drop);
    const staying = this.segments().filter(({ number }) => !dropped.has(number));
    const lexicalRoot = lexicalRootOf(this.#place.provider, [...staying, ...kept]);
    const table = kept.find(({ kind }) => kind === "table")?.keyOffset;
    await this.#writer.commit(append, atMs, { indexRoot, lexicalRoot }, kept.length, table);
    const { body } = this.#writer.last as Committed;
    this.#fold.commits.push({ atMs, logSize: body.logSize });
    for (const segment of kept) this.#fold.segments.set(segment.number, segment);
    const toErase = [...change()];
    for (const number of drop) {
      const segment = this.#fold.segments.get(number);
      this.#fold.segments.delete(number);
      if (segment !== undefined) toErase.push(segment.keyOffset);
    }
    await this.#writer.erase(toErase);
  }

  /** Where a memory stands in the log, and the hashes that lead from there to the root. */
  prove(id: number): {
    readonly leaf: number;
    readonly size: number;
    readonly path: readonly Uint8Array[];
  } {
    const kept = this.#fold.memories.get(id);
    if (kept === undefined) {
      throw operation("E_SCS_NO_MEMORY", this.#place.path, `memory ${id} was never there`);
    }
    const { tree } = this.#writer;
    return { leaf: kept.leaf, size: tree.size, path: tree.inclusionProof(kept.leaf, tree.size) };
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    return await this.#writer.run(work);
  }

  #checkOpen(): void {
    assert(this.#closed === undefined, `${this.#place.path}: the file is closed`);
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#writer.idle();
      await this.#handle.close();
      await this.#lock?.[Symbol.asyncDispose]();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const stateOf = (kept: Kept): MemoryState["state"] => {
  if (kept.forgotten) return "forgotten";
  if (kept.isKeyDamaged) return "damaged";
  if (kept.tombedIn !== undefined) return "tombed";
  return kept.supersededBy === undefined ? "live" : "superseded";
};
