/** Which segments of a file do not hold what they say: what finds memories, all of it read. */
import type { MemoryFile } from "../file.ts";
import type { KeptSegment } from "../kept.ts";
import { storedDimension } from "../quantise.ts";
import { decodeVectors } from "../vectors.ts";

const isWhole = (
  { kind, count }: KeptSegment,
  bytes: Uint8Array | undefined,
  dimension: number,
): boolean =>
  bytes !== undefined &&
  (kind !== "vector" || decodeVectors(dimension, count, bytes) !== undefined);

/** Words, graph and table are made again where they do not open; vectors by `embed` of the substrate. */
export const damagedSegments = async (file: MemoryFile): Promise<readonly KeptSegment[]> => {
  const dimension = storedDimension(file.info.parameters.index.dimension);
  const damaged: KeptSegment[] = [];
  for (const segment of file.segments()) {
    if (!isWhole(segment, await file.readSegment(segment), dimension)) damaged.push(segment);
  }
  return damaged;
};
