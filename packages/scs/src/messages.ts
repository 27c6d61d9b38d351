/**
 * What is canonical CBOR in a memory file: parameters, contents, the small records, commits.
 * Sections 2.1, 5 and 6 of `specs/scs/format.md`.
 */
import { indexDimensionMax } from "@ioi/state";
import { schema } from "@ioi/wire";
import { keySlotsMax, memoryBytesMax, memoryTimeMsMax, memoryTagsMax } from "./limits.ts";

const { array, bytes, int, optional, record, text, union } = schema;

/** Every reader prints it: none is beyond the calendar's end. */
export const time = int(0, memoryTimeMsMax);

export const keySlot = union({
  /** The key lies open in the file: forgetting is real, reading is anybody's. */
  open: { key: bytes(32) },
  passphrase: {
    salt: bytes(16),
    log2Cost: int(10, 22),
    blockSize: int(1, 32),
    parallel: int(1, 16),
    sealed: bytes(48),
  },
  /** Under a key that somebody else keeps, by its name. */
  external: { name: text(128), nonce: bytes(12), sealed: bytes(48) },
});
export type KeySlot = schema.Infer<typeof keySlot>;

export const parameters = record({
  createdMs: time,
  /** Dimension 0: no vectors. */
  index: record({
    dimension: int(0, indexDimensionMax),
    m: int(0, 64),
    efConstruction: int(0, 4096),
    quantiser: text(64),
    quantiserSeed: bytes(undefined, 32),
    algorithm: text(64),
  }),
  /** What made the vectors; other ones are refused. */
  embedder: record({ kind: text(64), name: text(256), revision: text(128) }),
  slots: array(keySlot, keySlotsMax),
});
export type Parameters = schema.Infer<typeof parameters>;

/** Where a memory comes from, for life. */
export const origin = record({
  /** `user`: typed by the person; everything else is content. */
  kind: text(32),
  /** Session, file, address, sender. */
  from: text(2048),
});
export type Origin = schema.Infer<typeof origin>;

/** What is sealed in a frame. */
export const content = record({
  salt: bytes(32),
  text: bytes(undefined, memoryBytesMax),
  mediaType: text(128),
  /** When it was learnt, and when it was said, where that is known. */
  atMs: time,
  saidMs: optional(time),
  origin,
  source: text(2048),
  tags: array(text(128), memoryTagsMax),
});
export type Content = schema.Infer<typeof content>;

export const tomb = record({ frame: int(), atMs: time });
export const supersede = record({ frame: int(), by: int(), atMs: time });
export const shred = record({ frame: int(), atMs: time });

/** Segments that hold no more: what they held stands elsewhere, or nowhere. */
export const drop = record({ segments: array(int()), atMs: time });

/** First record of a file that was made from another one. */
export const compacted = record({
  store: bytes(16),
  commit: bytes(32),
  logSize: int(),
  logRoot: bytes(32),
  atMs: time,
});
export type Compacted = schema.Infer<typeof compacted>;

export const commitBody = record({
  /** From 0. */
  number: int(),
  /** Of this very record: a copy elsewhere is none. */
  offset: int(),
  previous: optional(record({ offset: int(), hash: bytes(32) })),
  /** Over the hashes of all records since the previous commit. */
  span: bytes(32),
  logSize: int(),
  logRoot: bytes(32),
  indexRoot: optional(bytes(32)),
  lexicalRoot: optional(bytes(32)),
  /** Hash of the superblock. */
  parameters: bytes(32),
  atMs: time,
  keyEpoch: int(),
});
export type CommitBody = schema.Infer<typeof commitBody>;
