/**
 * The table: what a walk over a file up to a commit adds up to, so that opening needs not walk there.
 * Section 5.5 of `specs/scs/format.md`. It holds no content and no key.
 *
 * It is only read where it opens under its key, and only believed where the commit that it names stands
 * in its place and the log's root comes out of its leaves; else the file is walked from its beginning.
 */
import { assert, concatBytes, equalBytes, uintLE } from "@ioi/base";
import { type Hashing, MerkleTree } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import { Fold, type KeptSegment, type PastCommit } from "./kept.ts";
import { segmentKinds } from "./layout.ts";
import { segmentsMax } from "./limits.ts";
import { compacted } from "./messages.ts";
import { none, rowBytes, Rows } from "./rows.ts";
import type { Committed } from "./walk.ts";

const { array, bytes, int, oneOf, optional, record } = schema;

const head = record({
  commit: record({ number: int(), start: int(), offset: int(), end: int(), hash: bytes(32) }),
  /** Of the next record and the next segment. */
  sequence: int(),
  nextSegment: int(),
  memories: int(0, 2 ** 32 - 2),
  commits: int(0, 2 ** 32 - 2),
  leaves: int(0, 2 ** 32 - 2),
  compactedFrom: optional(compacted),
  segments: array(
    record({
      kind: oneOf(...segmentKinds),
      number: int(),
      first: int(),
      count: int(),
      keyOffset: int(),
      commit: int(),
      parts: array(record({ offset: int(), length: int(), digest: bytes(32) })),
    }),
    segmentsMax,
  ),
});
type Head = schema.Infer<typeof head>;

const commitBytes = 12;
const hashBytes = 32;

/** Whether a table can hold all of a file. */
export const tableIsDue = ({ segments, memories }: Fold): boolean =>
  segments.size < segmentsMax && memories.length < none;

const encodeCommits = (commits: readonly PastCommit[]): Uint8Array => {
  const rows = new Uint8Array(commits.length * commitBytes);
  const view = new DataView(rows.buffer);
  for (const [i, { atMs, logSize }] of commits.entries()) {
    view.setFloat64(i * commitBytes, atMs, true);
    view.setUint32(i * commitBytes + 8, logSize, true);
  }
  return rows;
};

const decodeCommits = (rows: Uint8Array): PastCommit[] => {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  return Array.from({ length: rows.length / commitBytes }, (_, i) => ({
    atMs: view.getFloat64(i * commitBytes, true),
    logSize: view.getUint32(i * commitBytes + 8, true),
  }));
};

export interface TableState {
  readonly last: Committed;
  readonly sequence: number;
  readonly segments: number;
  readonly tree: MerkleTree;
}

export const encodeTable = (fold: Fold, state: TableState): Uint8Array => {
  const { number } = state.last.body;
  const { start, offset, end, hash } = state.last;
  assert(fold.commits.length === number + 1, "a table of other commits");
  const encoded = schema.encode(head, {
    commit: { number, start, offset, end, hash },
    sequence: state.sequence,
    nextSegment: state.segments,
    memories: fold.memories.length,
    commits: fold.commits.length,
    leaves: state.tree.size,
    ...(fold.compactedFrom === undefined ? {} : { compactedFrom: fold.compactedFrom }),
    // A table does not name tables.
    segments: [...fold.segments.values()].filter(({ kind }) => kind !== "table"),
  });
  const headBytes = concatBytes(uintLE(encoded.length, 4), encoded);
  const rowsEnd = headBytes.length + fold.memories.length * rowBytes;
  const commits = encodeCommits(fold.commits);
  const leavesFrom = rowsEnd + commits.length;
  // In one piece: it is the largest thing that is written.
  const bytes = new Uint8Array(leavesFrom + state.tree.size * hashBytes);
  bytes.set(headBytes);
  fold.memories.encode(bytes.subarray(headBytes.length, rowsEnd));
  bytes.set(commits, rowsEnd);
  for (let i = 0; i < state.tree.size; i++) {
    bytes.set(state.tree.leaf(i), leavesFrom + i * hashBytes);
  }
  return bytes;
};

export interface Table {
  readonly commit: Head["commit"];
  readonly sequence: number;
  readonly segments: number;
  readonly fold: Fold;
  readonly tree: MerkleTree;
}

/** Undefined for anything but a whole table. `self`: the segment that it lies in. */
export const decodeTable = (
  hashing: Hashing,
  raw: Uint8Array,
  self: KeptSegment,
): Table | undefined => {
  if (raw.length < 4) return undefined;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const headEnd = 4 + view.getUint32(0, true);
  const decoded = schema.decode(head, raw.subarray(4, headEnd));
  if (!decoded.ok) return undefined;
  const { commit, sequence, nextSegment, memories, commits, leaves, segments } = decoded.value;
  const rowsEnd = headEnd + memories * rowBytes;
  const commitsEnd = rowsEnd + commits * commitBytes;
  if (commitsEnd + leaves * hashBytes !== raw.length) return undefined;
  const tree = new MerkleTree(hashing);
  for (let at = commitsEnd; at < raw.length; at += hashBytes) {
    tree.append(raw.subarray(at, at + hashBytes));
  }
  const kept = segments.map((each): [number, KeptSegment] => [
    each.number,
    { ...each, parts: [...each.parts] },
  ]);
  const fold = new Fold(hashing, {
    memories: Rows.decode(raw.subarray(headEnd, rowsEnd)),
    segments: new Map(kept),
    commits: decodeCommits(raw.subarray(rowsEnd, commitsEnd)),
    compactedFrom: decoded.value.compactedFrom,
  });
  // It lies in the commit behind the one that it names, where the walk will find it again.
  return self.number === nextSegment
    ? { commit, sequence, segments: nextSegment, fold, tree }
    : undefined;
};

/** Whether the commit that a table names is the one that stands there, over the same log. */
export const tableHolds = (table: Table, found: Committed | undefined): boolean =>
  found !== undefined &&
  found.body.number === table.commit.number &&
  found.body.offset === table.commit.offset &&
  equalBytes(found.hash, table.commit.hash) &&
  found.end === table.commit.end &&
  found.body.logSize === table.tree.size &&
  equalBytes(found.body.logRoot, table.tree.root());
