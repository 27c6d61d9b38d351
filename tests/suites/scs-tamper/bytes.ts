/** Mutations of bytes that know no structure, and those of one region that has a name. */
import { concatBytes, type SeededRandom } from "@ioi/base";

export interface Region {
  readonly field: string;
  readonly from: number;
  readonly to: number;
}

const spliced = (bytes: Uint8Array, from: number, to: number, middle: Uint8Array): Uint8Array =>
  concatBytes(bytes.subarray(0, from), middle, bytes.subarray(to));

/** A number that is one more or less, little-endian, over the whole region. */
const counted = (bytes: Uint8Array, { from, to }: Region, by: 1 | -1): Uint8Array => {
  const changed = bytes.slice();
  for (let at = from; at < to; at++) {
    const sum = (changed[at] as number) + by;
    changed[at] = sum & 255;
    if (sum >= 0 && sum < 256) break;
  }
  return changed;
};

/** Changes what stands in one region, in a way that its field may be changed by somebody who means it. */
export const changeRegion = (
  bytes: Uint8Array,
  region: Region,
  like: readonly Region[],
  random: SeededRandom,
): { readonly how: string; readonly bytes: Uint8Array } => {
  const { from, to } = region;
  const length = to - from;
  const how = random.pick(["flip", "count", "zero", "random", "swap", "copy", "drop", "double"]);
  const changed = bytes.slice();
  const other = random.pick(like);
  switch (how) {
    case "flip": {
      const at = from + random.below(Math.max(1, length));
      changed[at] = (changed[at] as number) ^ (1 << random.below(8));
      return { how, bytes: changed };
    }
    case "count":
      return { how, bytes: counted(bytes, region, random.chance(1, 2) ? 1 : -1) };
    case "zero":
      return { how, bytes: changed.fill(0, from, to) };
    case "random":
      random.fill(changed.subarray(from, to));
      return { how, bytes: changed };
    case "swap": {
      if (other.to - other.from !== length) return { how, bytes: counted(bytes, region, 1) };
      changed.set(bytes.subarray(other.from, other.to), from);
      changed.set(bytes.subarray(from, to), other.from);
      return { how, bytes: changed };
    }
    case "copy":
      return { how, bytes: spliced(bytes, from, to, bytes.subarray(other.from, other.to)) };
    case "drop":
      return { how, bytes: spliced(bytes, from, to, new Uint8Array()) };
    default:
      return { how, bytes: spliced(bytes, to, to, bytes.subarray(from, to)) };
  }
};

/** `other`: something of the same kind, to splice with. */
export const changeBytes = (
  bytes: Uint8Array,
  other: Uint8Array,
  random: SeededRandom,
): { readonly how: string; readonly bytes: Uint8Array } => {
  const at = random.below(bytes.length);
  const more = 1 + random.below(64);
  const how = random.pick(["bit", "cut", "drop", "double", "insert", "repeat", "splice", "append"]);
  switch (how) {
    case "bit": {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ (1 << random.below(8));
      return { how, bytes: changed };
    }
    case "cut":
      return { how, bytes: bytes.slice(0, at) };
    case "drop":
      return { how, bytes: spliced(bytes, at, at + more, new Uint8Array()) };
    case "double":
      return { how, bytes: spliced(bytes, at, at, bytes.subarray(at, at + more)) };
    case "insert":
      return { how, bytes: spliced(bytes, at, at, random.fill(new Uint8Array(more))) };
    case "repeat":
      return { how, bytes: concatBytes(bytes, bytes) };
    case "splice":
      return { how, bytes: concatBytes(bytes.subarray(0, at), other.subarray(at)) };
    default:
      return { how, bytes: concatBytes(bytes, other.subarray(0, more)) };
  }
};
