/**
 * Reading a write-ahead log from its start: the same scan over bytes in memory (`scanWal`, for
 * verification offline) and, a window at a time, over a file (`scanFile`, for recovery).
 *
 * The scan is a generator that asks for ranges. It stops at the first record that is not whole,
 * then searches what follows for records that prove the bad one was durable.
 */
import { type FileHandle, FileWindow } from "@ioi/base";
import { walPayloadBytesMax, walWindowBytes } from "./limits.ts";
import {
  checkPayload,
  decodeRecordHeader,
  decodeWalHeader,
  recordHeaderBytes,
  recordMarker,
  recordOverheadBytes,
  walHeaderBytes,
  type RecordHeader,
  type WalRecord,
} from "./wal-format.ts";

export interface WalBad {
  /** Which record, from 0; the file header counts as record 0. */
  readonly index: number;
  /** Where it begins in the file. */
  readonly offset: number;
  readonly reason: string;
  /**
   * - `tail`: an interrupted append; recovery cuts it off.
   * - `middle`: damage to what was stored; recovery refuses.
   * - `foreign`, `header`, `newer`: the file header.
   */
  readonly kind: "tail" | "middle" | "foreign" | "header" | "newer";
}

export interface WalScan {
  /** Whole records before the first bad one. */
  readonly records: number;
  /** Where the last whole record ends. */
  readonly end: number;
  /** How many of the records the log itself proves to have been durable. */
  readonly durable: number;
  /** What the checksums of the records start from. */
  readonly seed: number;
  readonly firstBad: WalBad | undefined;
}

/** Called for each whole record; the payload is a view that may not be kept after the call. */
export type WalVisitor = (record: WalRecord, offset: number) => void;

interface Range {
  readonly offset: number;
  readonly length: number;
}

type Scan<T> = Generator<Range, T, Uint8Array>;

const badHeader = (kind: WalBad["kind"], reason: string): WalScan => ({
  records: 0,
  end: 0,
  durable: 0,
  seed: 0,
  firstBad: { index: 0, offset: 0, reason, kind },
});

function* scan(size: number, visit: WalVisitor): Scan<WalScan> {
  const head = decodeWalHeader(yield { offset: 0, length: Math.min(size, walHeaderBytes) });
  if (head.type === "foreign") return badHeader("foreign", "the file is not a log");
  if (head.type === "damaged") return badHeader("header", head.reason);
  if (head.type === "newer") {
    return badHeader("newer", `the log has format ${head.format}, which is newer`);
  }
  let [offset, sequence, durable] = [walHeaderBytes, 0, 0];
  while (offset < size) {
    const found = yield* readRecord(head.seed, size, offset);
    const reason =
      found.reason ??
      (found.header.sequence === sequence
        ? undefined
        : `record ${found.header.sequence} stands where record ${sequence} belongs`);
    if (reason === undefined && found.payload !== undefined) {
      const { header, payload } = found;
      visit({ sequence, type: header.type, payload }, offset);
      durable = Math.max(durable, header.durable);
      offset += recordOverheadBytes + header.length;
      sequence += 1;
      continue;
    }
    // A whole header says where its record ends, so that what a payload quotes is not searched.
    const from =
      found.header?.sequence === sequence
        ? offset + recordOverheadBytes + found.header.length
        : offset;
    const proved = yield* proveDurable(head.seed, size, from, sequence);
    const bad = { index: sequence, offset, reason: reason ?? "the record is not whole" };
    const kind = proved ? "middle" : "tail";
    return { records: sequence, end: offset, durable, seed: head.seed, firstBad: { ...bad, kind } };
  }
  return { records: sequence, end: offset, durable, seed: head.seed, firstBad: undefined };
}

type Found =
  | { readonly header: RecordHeader; readonly payload: Uint8Array; readonly reason?: undefined }
  | {
      readonly header: RecordHeader | undefined;
      readonly payload?: undefined;
      readonly reason: string;
    };

function* readRecord(seed: number, size: number, offset: number): Scan<Found> {
  if (offset + recordHeaderBytes > size) {
    return { header: undefined, reason: "the record's header is cut off" };
  }
  const header = decodeRecordHeader(yield { offset, length: recordHeaderBytes }, seed);
  if (header === undefined) return { header, reason: "the record's header is damaged" };
  if (header.length > walPayloadBytesMax) {
    return { header: undefined, reason: "the record is larger than a record may be" };
  }
  if (offset + recordOverheadBytes + header.length > size) {
    return { header, reason: "the record is cut off" };
  }
  const rest = yield { offset: offset + recordHeaderBytes, length: header.length + 4 };
  return checkPayload(header, rest)
    ? { header, payload: rest.subarray(0, header.length) }
    : { header, reason: "the record's payload is damaged" };
}

/** Whether a whole record at or after `from` says that record `index` was durable before it. */
function* proveDurable(seed: number, size: number, from: number, index: number): Scan<boolean> {
  let offset = from;
  while (offset + recordHeaderBytes <= size) {
    const length = Math.min(walWindowBytes, size - offset);
    const window = yield { offset, length };
    const at = findMarker(window);
    if (at === undefined) {
      // A marker may straddle two windows.
      offset += Math.max(1, length - 3);
      continue;
    }
    const found = yield* readRecord(seed, size, offset + at);
    if (found.payload === undefined) {
      offset += at + 1;
      continue;
    }
    if (found.header.durable > index && found.header.sequence > index) return true;
    offset += at + recordOverheadBytes + found.header.length;
  }
  return false;
}

const findMarker = (bytes: Uint8Array): number | undefined => {
  const first = recordMarker & 0xff;
  for (let at = bytes.indexOf(first); at >= 0 && at + 4 <= bytes.length;) {
    if (
      bytes[at + 1] === ((recordMarker >>> 8) & 0xff) &&
      bytes[at + 2] === ((recordMarker >>> 16) & 0xff) &&
      bytes[at + 3] === recordMarker >>> 24
    ) {
      return at;
    }
    at = bytes.indexOf(first, at + 1);
  }
  return undefined;
};

const ignore: WalVisitor = () => undefined;

/** Verifies the bytes of a log. Total: any bytes give a result. Changes nothing. */
export const scanWal = (bytes: Uint8Array, visit: WalVisitor = ignore): WalScan => {
  const steps = scan(bytes.length, visit);
  for (let step = steps.next(); ;) {
    if (step.done === true) return step.value;
    const { offset, length } = step.value;
    step = steps.next(bytes.subarray(offset, offset + length));
  }
};

export const scanFile = async (
  handle: FileHandle,
  size: number,
  visit: WalVisitor,
): Promise<WalScan> => {
  const window = new FileWindow(handle, size, walWindowBytes);
  const steps = scan(size, visit);
  for (let step = steps.next(); ;) {
    if (step.done === true) return step.value;
    const { offset, length } = step.value;
    step = steps.next(await window.read(offset, length));
  }
};
