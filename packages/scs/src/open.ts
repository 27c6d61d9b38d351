/**
 * Opening a file: its superblock, its lock, its key, the walk, and, to write, its recovery. A hint leads
 * to the newest table, and the walk begins behind the commit that it names; where anything about it is
 * not as it should be, at the first record. See `file.ts` for what opening promises.
 */
import { equalBytes, type FileHandle, OperationError, parentPath } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { MemoryFile } from "./file.ts";
import { type Header, operation, type Place, readHeader, lockPath, requireFile } from "./header.ts";
import { Fold, lexicalRootOf, type KeptSegment, type SegmentPart } from "./kept.ts";
import { FileKeys, openSlots, type Unlock } from "./keys.ts";
import {
  decodeKey,
  decodeSegmentHead,
  recordBytes,
  recordHeaderBytes,
  recordsFrom,
  recordTypes,
} from "./layout.ts";
import { openSegment } from "./segments.ts";
import { decodeTable, type Table, tableHolds } from "./table.ts";
import {
  commitHash,
  type Committed,
  hintsOf,
  readCommit,
  recordAt,
  sealBytes,
  type Walked,
  walkFile,
} from "./walk.ts";

export type OpenMode = "read" | "write";

/** `all`: every record is looked at; `tail`: those behind the newest table. */
export type WalkExtent = "all" | "tail";

/** Opens a file. `unlock`: what to open its slots with; an open slot needs nothing. */
export const openMemoryFile = async (
  place: Place,
  mode: OpenMode,
  unlock: Unlock = { type: "none" },
  extent: WalkExtent = "tail",
): Promise<MemoryFile> => {
  const { files, path } = place;
  await requireFile(place);
  const lock = mode === "write" ? await takeLock(place) : undefined;
  try {
    // The process that made the file may have ended before its name was durable.
    if (mode === "write") await files.syncDirectory(parentPath(path));
    const handle = await files.open(path, mode);
    try {
      return await open(place, handle, lock, unlock, extent);
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    await lock?.[Symbol.asyncDispose]();
    throw error;
  }
};

const takeLock = async ({ files, path }: Place): Promise<AsyncDisposable> => {
  try {
    return await files.lock(lockPath(path));
  } catch (error) {
    if (!(error instanceof OperationError) || error.code !== "E_FILES_LOCKED") throw error;
    throw operation("E_SCS_LOCKED", path, error.message);
  }
};

interface Walk {
  readonly fold: Fold;
  readonly walked: Walked;
  readonly walkedFrom: number;
  readonly table: number;
}

interface Source {
  readonly handle: FileHandle;
  readonly size: number;
  readonly place: Place;
  readonly header: Header;
  readonly keys: FileKeys;
}

/** The commit whose record begins at `offset`; undefined: none that its seal fits. */
const commitAt = async (
  { handle, size, place, keys }: Source,
  offset: number,
): Promise<Committed | undefined> => {
  const whole = await recordAt(handle, size, offset);
  if (whole?.header.type !== recordTypes.commit) return undefined;
  const { payload, header } = whole;
  const commit = readCommit(payload);
  const seal = payload.slice(payload.length - sealBytes);
  if (commit === undefined || !keys.checkCommit(commit.bytes, seal)) return undefined;
  const { body } = commit;
  const end = offset + recordBytes(header.length);
  return { body, start: 0, offset, end, hash: commitHash(place.provider, payload), seal };
};

/** The segment whose key's payload stands at `keyOffset`, and its key; undefined: none does. */
const tableAt = async (
  { handle, size, keys, place }: Source,
  keyOffset: number,
): Promise<{ segment: KeptSegment; key: Uint8Array } | undefined> => {
  const whole = await recordAt(handle, size, keyOffset - recordHeaderBytes);
  const owned = whole?.header.type === recordTypes.key ? decodeKey(whole.payload) : undefined;
  if (whole === undefined || owned?.of !== "segment") return undefined;
  const { of, number, class: kept } = owned;
  const key = keys.unwrap({ of, number, class: kept }, owned.wrapped);
  if (key === undefined) return undefined;
  const parts: SegmentPart[] = [];
  let at = keyOffset - recordHeaderBytes + recordBytes(whole.payload.length);
  for (let count = 1; parts.length < count;) {
    const record = await recordAt(handle, size, at);
    const head = record && decodeSegmentHead(record.payload);
    if (record?.header.type !== recordTypes.table || head?.number !== number) return undefined;
    count = head.parts;
    const digest = place.provider.sha256(record.payload);
    parts.push({ offset: at + recordHeaderBytes, length: record.payload.length, digest });
    at += recordBytes(record.payload.length);
  }
  const segment = {
    kind: "table",
    number,
    first: 0,
    count: 0,
    keyOffset,
    commit: 0,
    parts,
  } as const;
  return { segment, key };
};

/** The newest table that a hint leads to, and the commit that it names, if both hold. */
const loadTable = async (
  source: Source,
): Promise<
  { readonly table: Table; readonly last: Committed; readonly at: number } | undefined
> => {
  const { handle, size, place, keys } = source;
  const hints = await hintsOf(handle, size);
  const [hint] = hints.toSorted((a, b) => b.commit - a.commit);
  if (hint === undefined || hint.table < recordsFrom || hint.table >= size) return undefined;
  const found = await tableAt(source, hint.table);
  const raw = found && (await openSegment(handle, keys, found.segment, found.key));
  const table = found && raw && decodeTable(place.provider, raw, found.segment);
  if (table === undefined) return undefined;
  const commit = await commitAt(source, table.commit.offset);
  if (commit === undefined || !tableHolds(table, commit)) return undefined;
  return { table, last: { ...commit, start: table.commit.start }, at: hint.table };
};

const walkFrom = async (
  { handle, size, place, header, keys }: Source,
  loaded: Awaited<ReturnType<typeof loadTable>>,
): Promise<Walk> => {
  const { provider } = place;
  const fold = loaded?.table.fold ?? new Fold(provider);
  const walked = await walkFile(handle, {
    hashing: provider,
    size,
    superblock: header.hash,
    checkSeal: (body, seal) => keys.checkCommit(body, seal),
    from: loaded && {
      last: loaded.last,
      sequence: loaded.table.sequence,
      memories: fold.memories.length,
      segments: loaded.table.segments,
      tree: loaded.table.tree,
    },
    visit: (entry, commit) => fold.take(entry, commit),
  });
  fold.end(walked.last?.body.number);
  const newest = [...fold.segments.values()].findLast(({ kind }) => kind === "table");
  return {
    fold,
    walked,
    walkedFrom: loaded?.last.end ?? recordsFrom,
    table: newest?.keyOffset ?? 0,
  };
};

const walkSource = async (source: Source, extent: WalkExtent): Promise<Walk> => {
  const loaded = extent === "tail" ? await loadTable(source) : undefined;
  if (loaded !== undefined) {
    const walk = await walkFrom(source, loaded);
    // It must have found the table where the hint said, and nothing that is damaged.
    if (walk.table === loaded.at && walk.walked.evidence === undefined) return walk;
  }
  return await walkFrom(source, undefined);
};

const open = async (
  place: Place,
  handle: FileHandle,
  lock: AsyncDisposable | undefined,
  unlock: Unlock,
  extent: WalkExtent,
): Promise<MemoryFile> => {
  const { path, provider } = place;
  const size = await handle.size();
  const header = await readHeader(handle, place);
  const master = openSlots(provider, header.storeId, header.parameters.slots, unlock);
  if (master === undefined) throw operation("E_SCS_KEY", path, "no slot of it opens");
  const keys = new FileKeys(provider, master, header);
  const walk = await walkSource({ handle, size, place, header, keys }, extent);
  const damage =
    damageOf(size, walk.walked) ??
    (wordsHold(walk, provider) ? undefined : "the words are not those of the last commit");
  const file = new MemoryFile({ place, handle, lock, header, keys, ...walk, size, damage });
  if (lock !== undefined) await file.recover();
  return file;
};

/** Whether the last commit names the words that are in the file. */
const wordsHold = ({ fold, walked }: Walk, hashing: Hashing): boolean => {
  const found = lexicalRootOf(hashing, fold.segments.values());
  const named = walked.last?.body.lexicalRoot;
  return found === undefined || named === undefined ? found === named : equalBytes(found, named);
};

const damageOf = (size: number, { evidence, stopped }: Walked): string | undefined => {
  if (size < recordsFrom) return "the file ends before its first record";
  return evidence === undefined
    ? undefined
    : `byte ${stopped?.offset ?? size}: ${stopped?.reason ?? "the file ends"}; ${evidence}`;
};
