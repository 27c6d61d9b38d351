/**
 * The bytes of a memory file: superblock, hints, and the frame of every record.
 *
 * Source: `specs/scs/format.md`, whose section numbers stand at the functions. Little-endian.
 * Invariants: decoding is total; padding and reserved bytes are checked, so that a file has one form.
 */
import { assert, concatBytes, crc32c, equalBytes } from "@ioi/base";
import { domainHash, domains, type Hashing } from "@ioi/crypto";
import { recordPayloadBytesMax } from "./limits.ts";

export const formatVersion = 1;
export const superblockBytes = 4096;
export const hintBytes = 512;
/** Where records begin. */
export const recordsFrom: number = superblockBytes + 2 * hintBytes;
export const storeIdBytes = 16;
export const saltBytes = 32;

const magic = Uint8Array.of(0x89, 0x53, 0x43, 0x53, 0x0d, 0x0a, 0x1a, 0x0a);
export const fileMagicBytes: number = magic.length;
export const beginsAsFile = (bytes: Uint8Array): boolean =>
  bytes.length >= fileMagicBytes && equalBytes(bytes.subarray(0, fileMagicBytes), magic);

const parametersFrom = 68;
const checksumFrom = 4056;
const hashFrom = 4064;
/** Room for the parameters in a superblock. */
export const parametersBytesMax: number = checksumFrom - parametersFrom;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** Exact for offsets and counters of files, which stay far below 2^53. */
const u64At = (view: DataView, at: number): number | undefined => {
  const value = view.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
};

export interface Superblock {
  readonly storeId: Uint8Array;
  readonly salt: Uint8Array;
  /** Canonical CBOR. */
  readonly parameters: Uint8Array;
}

/** Section 2. */
export const encodeSuperblock = (hashing: Hashing, block: Superblock): Uint8Array => {
  assert(block.storeId.length === storeIdBytes && block.salt.length === saltBytes, "id or salt");
  assert(block.parameters.length <= parametersBytesMax, "parameters do not fit in a superblock");
  const bytes = new Uint8Array(superblockBytes);
  const view = viewOf(bytes);
  bytes.set(magic);
  view.setUint32(8, formatVersion, true);
  bytes.set(block.storeId, 16);
  bytes.set(block.salt, 32);
  view.setUint32(64, block.parameters.length, true);
  bytes.set(block.parameters, parametersFrom);
  view.setUint32(checksumFrom, crc32c(bytes.subarray(0, checksumFrom)), true);
  bytes.set(domainHash(hashing, domains.scsSuperblock, bytes.subarray(0, hashFrom)), hashFrom);
  return bytes;
};

/** What commits name: the hash at the end of the superblock. */
export const superblockHash = (bytes: Uint8Array): Uint8Array => bytes.slice(hashFrom);

export type DecodedSuperblock =
  | { readonly type: "superblock"; readonly block: Superblock }
  | { readonly type: "foreign" | "newer" | "damaged"; readonly reason: string };

export const decodeSuperblock = (hashing: Hashing, bytes: Uint8Array): DecodedSuperblock => {
  const foreign = (reason: string): DecodedSuperblock => ({ type: "foreign", reason });
  const damaged = (reason: string): DecodedSuperblock => ({ type: "damaged", reason });
  if (!beginsAsFile(bytes)) {
    return foreign("it does not begin as a memory file does");
  }
  if (bytes.length < superblockBytes) return damaged("the superblock is cut off");
  const view = viewOf(bytes);
  if (view.getUint32(checksumFrom, true) !== crc32c(bytes.subarray(0, checksumFrom))) {
    return damaged("the superblock's checksum does not fit");
  }
  const version = view.getUint32(8, true);
  if (version > formatVersion) return { type: "newer", reason: `it has format ${version}` };
  if (view.getUint32(12, true) !== 0) {
    return { type: "newer", reason: "it has a feature that this version does not know" };
  }
  const length = view.getUint32(64, true);
  if (version !== formatVersion || length > parametersBytesMax) {
    return damaged("the superblock is malformed");
  }
  const end = parametersFrom + length;
  const hash = domainHash(hashing, domains.scsSuperblock, bytes.subarray(0, hashFrom));
  const rest = [bytes.subarray(end, checksumFrom), bytes.subarray(checksumFrom + 4, hashFrom)];
  if (!rest.every(isZero) || !equalBytes(hash, bytes.subarray(hashFrom, superblockBytes))) {
    return damaged("the superblock is malformed");
  }
  const block = {
    storeId: bytes.slice(16, 32),
    salt: bytes.slice(32, 64),
    parameters: bytes.slice(parametersFrom, end),
  };
  return { type: "superblock", block };
};

/** Section 3: where the newest commit stood when a hint was written. Never trusted. */
export interface Hint {
  readonly commit: number;
  readonly offset: number;
  /** Where the KEY record of the newest table stands; 0: there is none. */
  readonly table: number;
}

const hintMagic = 0x48534353;

export const hintOffset = (commit: number): number => superblockBytes + (commit % 2) * hintBytes;

export const encodeHint = ({ commit, offset, table }: Hint): Uint8Array => {
  const bytes = new Uint8Array(hintBytes);
  const view = viewOf(bytes);
  view.setUint32(0, hintMagic, true);
  view.setBigUint64(8, BigInt(commit), true);
  view.setBigUint64(16, BigInt(offset), true);
  view.setBigUint64(24, BigInt(table), true);
  view.setUint32(4, crc32c(bytes.subarray(8)), true);
  return bytes;
};

/** Undefined for anything but a whole hint. */
export const decodeHint = (bytes: Uint8Array): Hint | undefined => {
  if (bytes.length !== hintBytes) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== hintMagic) return undefined;
  if (view.getUint32(4, true) !== crc32c(bytes.subarray(8))) return undefined;
  const [commit, offset, table] = [u64At(view, 8), u64At(view, 16), u64At(view, 24)];
  return commit === undefined || offset === undefined || table === undefined
    ? undefined
    : { commit, offset, table };
};

/** Section 4. A type keeps its number for ever. */
export const recordTypes = {
  frame: 1,
  vector: 2,
  tomb: 3,
  supersede: 4,
  key: 5,
  shred: 6,
  table: 7,
  lex: 8,
  index: 9,
  commit: 10,
  compacted: 11,
  drop: 12,
} as const;

export type RecordType = (typeof recordTypes)[keyof typeof recordTypes];

export const recordHeaderBytes = 24;
const recordMagic = 0x52534353;
const payloadChecksumBytes = 4;

export interface RecordHeader {
  readonly type: number;
  /** Bytes of the payload. */
  readonly length: number;
  /** Of the record in its file, from 0. */
  readonly sequence: number;
}

/** Bytes of a whole record, its padding included. */
export const recordBytes = (payloadLength: number): number =>
  Math.ceil((recordHeaderBytes + payloadLength + payloadChecksumBytes) / 8) * 8;

/** `covered`: the payload that the checksum is of, where it differs (the key of a memory). */
export const encodeRecord = (
  type: RecordType,
  sequence: number,
  payload: Uint8Array,
  covered: Uint8Array = payload,
): Uint8Array => {
  assert(payload.length <= recordPayloadBytesMax, `a record of ${payload.length} bytes`);
  const bytes = new Uint8Array(recordBytes(payload.length));
  const view = viewOf(bytes);
  view.setUint32(0, recordMagic, true);
  bytes[4] = type;
  view.setUint32(8, payload.length, true);
  view.setBigUint64(12, BigInt(sequence), true);
  view.setUint32(20, crc32c(bytes.subarray(0, 20)), true);
  bytes.set(payload, recordHeaderBytes);
  view.setUint32(recordHeaderBytes + payload.length, crc32c(covered), true);
  return bytes;
};

/** Undefined for anything but a whole header of a record that this version could have written. */
export const decodeRecordHeader = (bytes: Uint8Array): RecordHeader | undefined => {
  if (bytes.length < recordHeaderBytes) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== recordMagic) return undefined;
  if (view.getUint32(20, true) !== crc32c(bytes.subarray(0, 20))) return undefined;
  const length = view.getUint32(8, true);
  const sequence = u64At(view, 12);
  const reserved = view.getUint8(5) !== 0 || view.getUint16(6, true) !== 0;
  if (reserved || length > recordPayloadBytesMax || sequence === undefined) return undefined;
  return { type: view.getUint8(4), length, sequence };
};

/** Whether the bytes after a payload are its checksum and zeros. */
export const checkRecordEnd = (covered: Uint8Array, end: Uint8Array): boolean => {
  if (end.length < payloadChecksumBytes) return false;
  return (
    viewOf(end).getUint32(0, true) === crc32c(covered) && isZero(end.subarray(payloadChecksumBytes))
  );
};

/** Section 5.1: a memory. The rest of the payload is the sealed content. */
export interface FramePayload {
  readonly id: number;
  readonly class: number;
  /** SHA-256 over salt and content. */
  readonly commitment: Uint8Array;
  readonly sealed: Uint8Array;
}

const frameHeadBytes = 48;

export const encodeFrame = (frame: FramePayload): Uint8Array => {
  const head = new Uint8Array(frameHeadBytes);
  const view = viewOf(head);
  view.setBigUint64(0, BigInt(frame.id), true);
  view.setUint32(8, frame.class, true);
  head.set(frame.commitment, 16);
  return concatBytes(head, frame.sealed);
};

export const decodeFrame = (payload: Uint8Array): FramePayload | undefined => {
  if (payload.length < frameHeadBytes) return undefined;
  const view = viewOf(payload);
  const id = u64At(view, 0);
  if (id === undefined || view.getUint32(12, true) !== 0) return undefined;
  return {
    id,
    class: view.getUint32(8, true),
    commitment: payload.slice(16, frameHeadBytes),
    sealed: payload.subarray(frameHeadBytes),
  };
};

/** Section 5.2: the key of a memory or a segment, wrapped. All zero once it is erased. */
export interface KeyPayload {
  readonly of: "memory" | "segment";
  /** Of the memory or the segment. */
  readonly number: number;
  readonly class: number;
  /** Of the wrapped key as it was written. */
  readonly hash: Uint8Array;
  readonly wrapped: Uint8Array;
}

/** 12 bytes of nonce, 32 of key, 16 of tag. */
export const wrappedKeyBytes = 60;
/** Where the wrapped key stands in the payload. */
export const wrappedFrom = 48;
export const keyPayloadBytes: number = wrappedFrom + wrappedKeyBytes;

export const encodeKey = (key: KeyPayload): Uint8Array => {
  assert(key.wrapped.length === wrappedKeyBytes && key.hash.length === 32, "a wrapped key");
  const payload = new Uint8Array(keyPayloadBytes);
  const view = viewOf(payload);
  view.setBigUint64(0, BigInt(key.number), true);
  view.setUint32(8, key.class, true);
  view.setUint32(12, key.of === "segment" ? 1 : 0, true);
  payload.set(key.hash, 16);
  payload.set(key.wrapped, wrappedFrom);
  return payload;
};

export const decodeKey = (payload: Uint8Array): KeyPayload | undefined => {
  if (payload.length !== keyPayloadBytes) return undefined;
  const view = viewOf(payload);
  const number = u64At(view, 0);
  const of = view.getUint32(12, true);
  if (number === undefined || of > 1) return undefined;
  return {
    of: of === 1 ? "segment" : "memory",
    number,
    class: view.getUint32(8, true),
    hash: payload.slice(16, wrappedFrom),
    wrapped: payload.slice(wrappedFrom),
  };
};

/**
 * What checksums and hashes are of: the payload itself, but for the wrapped key, which reads as
 * zeros. So a key can be erased in place and everything that was committed still holds.
 */
export const coveredPayload = (type: number, payload: Uint8Array): Uint8Array => {
  if (type !== recordTypes.key || payload.length !== keyPayloadBytes) return payload;
  const covered = payload.slice();
  covered.fill(0, wrappedFrom);
  return covered;
};

export const isErased = (wrapped: Uint8Array): boolean => isZero(wrapped);

export const segmentKinds = ["vector", "table", "lex", "index"] as const;
export type SegmentKind = (typeof segmentKinds)[number];

export const segmentKindOf = (type: number): SegmentKind | undefined =>
  segmentKinds.find((kind) => recordTypes[kind] === type);

/** Section 5.4: a part of a segment. The rest of the payload is what is sealed. */
export interface SegmentHead {
  /** Of the segment, from 0 over all kinds. */
  readonly number: number;
  /** Memories that it is about. */
  readonly first: number;
  readonly count: number;
  readonly part: number;
  readonly parts: number;
}

export const segmentHeadBytes = 24;

export const encodeSegmentHead = (head: SegmentHead): Uint8Array => {
  const bytes = new Uint8Array(segmentHeadBytes);
  const view = viewOf(bytes);
  view.setBigUint64(0, BigInt(head.number), true);
  view.setBigUint64(8, BigInt(head.first), true);
  view.setUint32(16, head.count, true);
  view.setUint16(20, head.part, true);
  view.setUint16(22, head.parts, true);
  return bytes;
};

export const decodeSegmentHead = (payload: Uint8Array): SegmentHead | undefined => {
  if (payload.length < segmentHeadBytes) return undefined;
  const view = viewOf(payload);
  const [number, first] = [u64At(view, 0), u64At(view, 8)];
  const [part, parts] = [view.getUint16(20, true), view.getUint16(22, true)];
  if (number === undefined || first === undefined || part >= parts) return undefined;
  return { number, first, count: view.getUint32(16, true), part, parts };
};
