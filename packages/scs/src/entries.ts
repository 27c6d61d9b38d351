/**
 * What a record is to the owner of a file, and whether it may stand where it does. Section 5 of
 * `specs/scs/format.md`: memories and segments are numbered without gaps, a key stands before what it is
 * of, and the parts of a segment follow each other.
 */
import { schema } from "@ioi/wire";
import {
  decodeFrame,
  decodeKey,
  decodeSegmentHead,
  isErased,
  recordTypes,
  type SegmentHead,
  segmentKindOf,
  type SegmentKind,
} from "./layout.ts";
import {
  type Compacted,
  compacted,
  drop as dropSchema,
  shred,
  supersede,
  tomb,
} from "./messages.ts";
import type { Whole } from "./walk.ts";

/** A record of a commit that holds, as far as its owner must know it. Offsets are of the file. */
export type Entry =
  | {
      readonly type: "frame";
      readonly id: number;
      readonly class: number;
      readonly leaf: number;
      /** Of the payload. */
      readonly offset: number;
      readonly length: number;
    }
  | {
      readonly type: "key";
      readonly of: "memory" | "segment";
      readonly number: number;
      readonly class: number;
      readonly offset: number;
      readonly hash: Uint8Array;
      readonly wrapped: Uint8Array;
      readonly erased: boolean;
    }
  | ({
      readonly type: "segment";
      readonly kind: SegmentKind;
      readonly offset: number;
      readonly length: number;
      readonly digest: Uint8Array;
    } & SegmentHead)
  | { readonly type: "tomb" | "shred"; readonly frame: number; readonly atMs: number }
  | { readonly type: "supersede"; readonly frame: number; readonly by: number }
  | { readonly type: "drop"; readonly segments: readonly number[] }
  | { readonly type: "compacted"; readonly from: Compacted };

/** What the next records must be about. */
export interface Due {
  /** Number of the next memory. */
  readonly memory: number;
  /** Number of the next segment, or of the one that is not whole yet: its next part, and how many it has. */
  readonly segment: number;
  readonly part: number;
  readonly parts: number;
}

export const dueAfter = (due: Due, entry: Entry): Due => {
  if (entry.type === "frame") return { ...due, memory: due.memory + 1 };
  if (entry.type !== "segment") return due;
  const { part, parts } = entry;
  return part + 1 === parts
    ? { ...due, segment: due.segment + 1, part: 0, parts: 0 }
    : { ...due, part: part + 1, parts };
};

interface InLog {
  /** Index of the next leaf. */
  readonly leaf: number;
  /** Of the record. */
  readonly digest: Uint8Array;
}

type Reads = (whole: Whole, offset: number, due: Due, log: InLog) => Entry | string;

const readFrame: Reads = ({ header, payload }, offset, due, { leaf }) => {
  const frame = decodeFrame(payload);
  if (frame?.id !== due.memory) return "a memory has another number than is due";
  const { id, class: kept } = frame;
  return { type: "frame", id, class: kept, leaf, offset, length: header.length };
};

const readKey: Reads = ({ payload }, offset, due) => {
  const key = decodeKey(payload);
  const next = key?.of === "segment" ? due.segment : due.memory;
  if (key?.number !== next) return "a key is of something else than what is next";
  return { type: "key", ...key, offset, erased: isErased(key.wrapped) };
};

const readSegment: Reads = ({ header, payload }, offset, due, { digest }) => {
  const kind = segmentKindOf(header.type);
  const head = decodeSegmentHead(payload);
  const isDue =
    head?.number === due.segment &&
    head.part === due.part &&
    (due.part === 0 || head.parts === due.parts) &&
    head.first + head.count <= due.memory;
  if (kind === undefined || !isDue) return "a segment has another number or place than is due";
  return { type: "segment", kind, offset, length: header.length, digest, ...head };
};

const noMemory = "it names a memory that is not there";

const readMark: Reads = ({ header, payload }, _offset, due) => {
  const isTomb = header.type === recordTypes.tomb;
  const decoded = schema.decode(isTomb ? tomb : shred, payload);
  if (!decoded.ok || decoded.value.frame >= due.memory) return noMemory;
  return { type: isTomb ? "tomb" : "shred", ...decoded.value };
};

const readSupersede: Reads = ({ payload }, _offset, due) => {
  const decoded = schema.decode(supersede, payload);
  const { frame = due.memory, by = due.memory } = decoded.ok ? decoded.value : {};
  return frame < due.memory && by < due.memory && frame !== by
    ? { type: "supersede", frame, by }
    : noMemory;
};

const readDrop: Reads = ({ payload }, _offset, due) => {
  const decoded = schema.decode(dropSchema, payload);
  return decoded.ok && decoded.value.segments.every((number) => number < due.segment)
    ? { type: "drop", segments: decoded.value.segments }
    : "it drops a segment that is not there";
};

const readCompacted: Reads = ({ header, payload }) => {
  const decoded = schema.decode(compacted, payload);
  return decoded.ok && header.sequence === 0
    ? { type: "compacted", from: decoded.value }
    : "an account of a compaction stands where none belongs";
};

const readers: ReadonlyMap<number, Reads> = new Map([
  [recordTypes.frame, readFrame],
  [recordTypes.vector, readSegment],
  [recordTypes.tomb, readMark],
  [recordTypes.supersede, readSupersede],
  [recordTypes.key, readKey],
  [recordTypes.shred, readMark],
  [recordTypes.table, readSegment],
  [recordTypes.lex, readSegment],
  [recordTypes.index, readSegment],
  [recordTypes.compacted, readCompacted],
  [recordTypes.drop, readDrop],
]);

/** The entry that a record is; the reason where it is malformed or out of place. */
export const entryOf: Reads = (whole, offset, due, log) => {
  // Between the parts of a segment stands nothing else.
  if (due.part > 0 && segmentKindOf(whole.header.type) === undefined) return "a segment is cut off";
  const read = readers.get(whole.header.type);
  return read === undefined
    ? "it has a type that this version does not know"
    : read(whole, offset, due, log);
};
