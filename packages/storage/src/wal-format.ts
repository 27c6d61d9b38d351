/**
 * The bytes of a write-ahead log, format 1. Little-endian; every byte is under a CRC-32C.
 *
 *   file    magic "IOI-WAL\n" (8) | format (4) | salt (4) | zero (12) | crc of the 28 before (4)
 *   record  marker "iWAL" (4) | length (4) | type (4) | sequence (8) | durable (8)
 *           | crc of the 28 before (4) | payload (length) | crc of header and payload (4)
 *
 * Checksums of records start from that of the file header, whose salt is random: neither a record
 * of another log nor one that a payload quotes passes for a record of this log.
 * Sequences count from 0 without a gap. `durable` is how many records the writer knew to be on the
 * disk when it wrote this one. It tells damage from interruption: a bad record that a later one
 * calls durable has changed since it was stored, every other bad record was never acknowledged.
 */
import { concatBytes, crc32c } from "@ioi/base";

export const walFormat = 1;
export const walHeaderBytes = 32;
export const recordHeaderBytes = 32;
export const recordOverheadBytes = recordHeaderBytes + 4;
export const recordMarker = 0x4c_41_57_69;

const magic = Uint8Array.of(0x49, 0x4f, 0x49, 0x2d, 0x57, 0x41, 0x4c, 0x0a);

export interface WalRecord {
  readonly sequence: number;
  readonly type: number;
  readonly payload: Uint8Array;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const setUint53 = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
};

const getUint53 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;

export const encodeWalHeader = (salt: Uint8Array): Uint8Array => {
  const bytes = concatBytes(magic, new Uint8Array(4), salt.subarray(0, 4), new Uint8Array(16));
  const view = viewOf(bytes);
  view.setUint32(8, walFormat, true);
  view.setUint32(28, crc32c(bytes.subarray(0, 28)), true);
  return bytes;
};

export type WalHeader =
  | { readonly type: "header"; readonly seed: number }
  | { readonly type: "foreign" }
  | { readonly type: "damaged"; readonly reason: string }
  | { readonly type: "newer"; readonly format: number };

/** The magic, the format and the place of the checksum are the same in every format to come. */
export const decodeWalHeader = (bytes: Uint8Array): WalHeader => {
  const common = Math.min(magic.length, bytes.length);
  let equal = 0;
  while (equal < common && bytes[equal] === magic[equal]) equal += 1;
  if (bytes.length < walHeaderBytes) {
    return equal === common
      ? { type: "damaged", reason: "the file header is cut off" }
      : { type: "foreign" };
  }
  const view = viewOf(bytes);
  const seed = crc32c(bytes.subarray(0, 28));
  const intact = seed === view.getUint32(28, true);
  // A log whose magic was damaged is still told from a file of another kind by its checksum
  // over the true magic.
  if (equal < magic.length) {
    const mended = concatBytes(magic, bytes.subarray(8, 28));
    return crc32c(mended) === view.getUint32(28, true)
      ? { type: "damaged", reason: "the file header has changed" }
      : { type: "foreign" };
  }
  if (!intact) return { type: "damaged", reason: "the file header has changed" };
  const format = view.getUint32(8, true);
  if (format > walFormat) return { type: "newer", format };
  return { type: "header", seed };
};

/** Writes one record at `at` and returns where it ends. The buffer has room. */
export const encodeRecord = (
  into: Uint8Array,
  at: number,
  seed: number,
  durable: number,
  record: WalRecord,
): number => {
  const { payload } = record;
  const view = new DataView(
    into.buffer,
    into.byteOffset + at,
    recordOverheadBytes + payload.length,
  );
  view.setUint32(0, recordMarker, true);
  view.setUint32(4, payload.length, true);
  view.setUint32(8, record.type, true);
  setUint53(view, 12, record.sequence);
  setUint53(view, 20, durable);
  const headCrc = crc32c(into.subarray(at, at + 28), seed);
  view.setUint32(28, headCrc, true);
  into.set(payload, at + recordHeaderBytes);
  view.setUint32(recordHeaderBytes + payload.length, crc32c(payload, headCrc), true);
  return at + recordOverheadBytes + payload.length;
};

export interface RecordHeader {
  readonly length: number;
  readonly type: number;
  readonly sequence: number;
  readonly durable: number;
  readonly crc: number;
}

/** The header at the start of `bytes` (at least 32), or undefined if it is not intact. */
export const decodeRecordHeader = (bytes: Uint8Array, seed: number): RecordHeader | undefined => {
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== recordMarker) return undefined;
  const crc = crc32c(bytes.subarray(0, 28), seed);
  if (crc !== view.getUint32(28, true)) return undefined;
  return {
    length: view.getUint32(4, true),
    type: view.getUint32(8, true),
    sequence: getUint53(view, 12),
    durable: getUint53(view, 20),
    crc,
  };
};

/** Whether payload and trailer (`length + 4` bytes) belong to the header. */
export const checkPayload = (header: RecordHeader, rest: Uint8Array): boolean =>
  crc32c(rest.subarray(0, header.length), header.crc) ===
  viewOf(rest).getUint32(header.length, true);
