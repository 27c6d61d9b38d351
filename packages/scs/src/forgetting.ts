/**
 * What must go with memories that are forgotten: vectors are written anew without theirs; what can be made
 * again from the log (the graph over them, words) is dropped where it held something of them. Section 8 of
 * `specs/scs/format.md`.
 */
import type { KeptSegment } from "./kept.ts";
import type { NewSegment } from "./segments.ts";
import { decodeVectors, encodeVectors } from "./vectors.ts";

export interface Without {
  readonly segments: readonly NewSegment[];
  readonly drop: readonly number[];
}

const holds = ({ first, count }: KeptSegment, ids: readonly number[]): boolean =>
  ids.some((id) => id >= first && id < first + count);

/**
 * `dimension`: of stored vectors. `read`: what a segment holds; undefined: it is damaged, and then it is
 * dropped, since nobody can read it but whoever mends it.
 */
export const withoutMemories = async (
  segments: readonly KeptSegment[],
  ids: readonly number[],
  dimension: number,
  read: (segment: KeptSegment) => Promise<Uint8Array | undefined>,
): Promise<Without> => {
  const gone = new Set(ids);
  const anew: NewSegment[] = [];
  const drop: number[] = [];
  for (const segment of segments) {
    const { kind, first, count, number } = segment;
    if (kind === "table" || !holds(segment, ids)) continue;
    drop.push(number);
    if (kind !== "vector") continue;
    const bytes = await read(segment);
    const rows = bytes && decodeVectors(dimension, count, bytes);
    const kept = rows?.map((row, i) => (gone.has(first + i) ? undefined : row));
    if (kept?.some((row) => row !== undefined) !== true) continue;
    anew.push({ kind, first, count, bytes: encodeVectors(dimension, kept) });
  }
  return { segments: anew, drop };
};
