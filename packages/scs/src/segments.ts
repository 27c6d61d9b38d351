/**
 * Segments: what finds memories, at rest. Vectors, the graph over them, words, and the table, each sealed
 * under a key of its own, in parts of at most `segmentPartBytesMax`. Section 5.4 of `specs/scs/format.md`.
 */
import { concatBytes, type FileHandle } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import type { Append } from "./append.ts";
import type { KeptSegment } from "./kept.ts";
import { type FileKeys, keyHash } from "./keys.ts";
import {
  decodeSegmentHead,
  encodeKey,
  encodeSegmentHead,
  recordTypes,
  segmentHeadBytes,
  type SegmentKind,
} from "./layout.ts";
import { segmentPartBytesMax } from "./limits.ts";
import { payloadDigest } from "./walk.ts";

export interface NewSegment {
  readonly kind: SegmentKind;
  /** Memories that it is about. */
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

export const appendSegment = (
  append: Append,
  { kind, first, count, bytes }: NewSegment,
  number: number,
  {
    provider,
    keys,
    commit,
  }: {
    readonly provider: CryptoProvider;
    readonly keys: FileKeys;
    readonly commit: number;
  },
): KeptSegment => {
  const owner = { of: "segment", number, class: 0 } as const;
  const { key, wrapped } = keys.makeKey(owner);
  const hash = keyHash(provider, wrapped);
  const keyOffset = append.add(recordTypes.key, encodeKey({ ...owner, hash, wrapped }));
  const partCount = Math.max(1, Math.ceil(bytes.length / segmentPartBytesMax));
  const parts = Array.from({ length: partCount }, (_, part) => {
    const head = { number, first, count, part, parts: partCount };
    const from = part * segmentPartBytesMax;
    const plain = bytes.subarray(from, from + segmentPartBytesMax);
    const payload = concatBytes(encodeSegmentHead(head), keys.sealPart(kind, head, key, plain));
    const digest = payloadDigest(provider, recordTypes[kind], payload);
    return { offset: append.add(recordTypes[kind], payload), length: payload.length, digest };
  });
  key.fill(0);
  return { kind, number, first, count, keyOffset, commit, parts };
};

/** What a segment holds, or its first `bytes` at least; undefined where a part of that does not open. */
export const openSegment = async (
  handle: FileHandle,
  keys: FileKeys,
  { kind, number, first, count, parts }: Omit<KeptSegment, "keyOffset" | "commit">,
  key: Uint8Array,
  bytes: number = Number.POSITIVE_INFINITY,
): Promise<Uint8Array | undefined> => {
  const plain: Uint8Array[] = [];
  let due = bytes;
  for (const [part, { offset, length }] of parts.entries()) {
    if (due <= 0) break;
    const payload = await handle.read(offset, length);
    const head = decodeSegmentHead(payload);
    if (payload.length !== length || head?.number !== number) return undefined;
    const expected = { number, first, count, part, parts: parts.length };
    const sealed = payload.subarray(segmentHeadBytes);
    const opened = keys.openPart(kind, expected, key, sealed);
    if (opened === undefined) return undefined;
    plain.push(opened);
    due -= opened.length;
  }
  key.fill(0);
  return plain.length === 1 ? plain[0] : concatBytes(...plain);
};
