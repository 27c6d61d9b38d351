/**
 * What a segment of vectors holds: which of its memories have one, and their components of 12 bits, two
 * in three bytes. Section 5.4 of `specs/scs/format.md`. One encoding for one segment: what has a component
 * that no vector has, or says of more memories than there are that they have one, is none.
 */
import { assert, concatBytes, uintLE } from "@ioi/base";
import { mhnsw } from "@ioi/state";

const bias = -mhnsw.componentMin;
/** The largest component, as it is stored. */
const stored = mhnsw.componentMax + bias;
const dimensionBytes = 2;

/** Vectors of memories that follow each other, by place; undefined: it has none. */
export type VectorRows = readonly (Int16Array | undefined)[];

const rowBytesOf = (dimension: number): number => (dimension * 3) / 2;

const packRow = (row: Int16Array, to: Uint8Array, at: number): void => {
  for (let i = 0, byte = at; i < row.length; i += 2, byte += 3) {
    const [a, b] = [(row[i] as number) + bias, (row[i + 1] as number) + bias];
    assert(a >= 0 && a <= stored && b >= 0 && b <= stored, "a component out of range");
    to[byte] = a & 0xff;
    to[byte + 1] = (a >> 8) | ((b & 15) << 4);
    to[byte + 2] = b >> 4;
  }
};

const unpackRow = (from: Uint8Array, at: number, row: Int16Array): Int16Array => {
  for (let i = 0, byte = at; i < row.length; i += 2, byte += 3) {
    const middle = from[byte + 1] as number;
    row[i] = ((from[byte] as number) | ((middle & 15) << 8)) - bias;
    row[i + 1] = ((middle >> 4) | ((from[byte + 2] as number) << 4)) - bias;
  }
  return row;
};

/** Whether all components from `at` on are such as a vector has. */
const areInRange = (bytes: Uint8Array, at: number): boolean => {
  for (let byte = at; byte < bytes.length; byte += 3) {
    const [low, middle, high] = [bytes[byte], bytes[byte + 1], bytes[byte + 2]] as [
      number,
      number,
      number,
    ];
    if ((low | ((middle & 15) << 8)) > stored || ((middle >> 4) | (high << 4)) > stored) {
      return false;
    }
  }
  return true;
};

/** `dimension`: of what is stored, a multiple of 8. */
export const encodeVectors = (dimension: number, rows: VectorRows): Uint8Array => {
  assert(dimension % 8 === 0, "a stored dimension");
  const present = new Uint8Array(Math.ceil(rows.length / 8));
  const held = rows.flatMap((row, i) => (row === undefined ? [] : [{ row, i }]));
  const packed = new Uint8Array(held.length * rowBytesOf(dimension));
  for (const [place, { row, i }] of held.entries()) {
    assert(row.length === dimension, "a vector of another dimension");
    present[i >> 3] = (present[i >> 3] as number) | (1 << (i & 7));
    packRow(row, packed, place * rowBytesOf(dimension));
  }
  return concatBytes(uintLE(dimension, dimensionBytes), present, packed);
};

/** Bytes before the components: which of `count` memories have a vector. */
export const presenceBytes = (count: number): number => dimensionBytes + Math.ceil(count / 8);

const isPresent = (bytes: Uint8Array, place: number): boolean =>
  (((bytes[dimensionBytes + (place >> 3)] as number) >> (place & 7)) & 1) === 1;

/** Places of the memories that have a vector; undefined: these are not all of those bytes. */
export const presentIn = (count: number, bytes: Uint8Array): readonly number[] | undefined => {
  if (bytes.length < presenceBytes(count)) return undefined;
  return Array.from({ length: count }, (_, place) => place).filter((place) =>
    isPresent(bytes, place),
  );
};

/** Where the vector of each memory begins, by place; undefined: it has none. */
const placesOf = (
  dimension: number,
  count: number,
  bytes: Uint8Array,
): readonly (number | undefined)[] | undefined => {
  const presentEnd = presenceBytes(count);
  if (bytes.length < presentEnd) return undefined;
  if (((bytes[0] as number) | ((bytes[1] as number) << 8)) !== dimension) return undefined;
  const places: (number | undefined)[] = [];
  let at = presentEnd;
  for (let i = 0; i < count; i++) {
    const isHeld = isPresent(bytes, i);
    places.push(isHeld ? at : undefined);
    if (isHeld) at += rowBytesOf(dimension);
  }
  const isLast = count % 8 === 0 || (bytes[presentEnd - 1] as number) >> (count % 8) === 0;
  return isLast && at === bytes.length && areInRange(bytes, presentEnd) ? places : undefined;
};

/** Undefined for anything but `count` memories' vectors of this dimension. */
export const decodeVectors = (
  dimension: number,
  count: number,
  bytes: Uint8Array,
): VectorRows | undefined =>
  placesOf(dimension, count, bytes)?.map((at) =>
    at === undefined ? undefined : unpackRow(bytes, at, new Int16Array(dimension)),
  );

/** The same as calls that unpack into `row`, so that of many vectors none is kept. */
export const readVectors = (
  dimension: number,
  count: number,
  bytes: Uint8Array,
  row: Int16Array,
): readonly ((() => Int16Array) | undefined)[] | undefined =>
  placesOf(dimension, count, bytes)?.map((at) =>
    at === undefined ? undefined : () => unpackRow(bytes, at, row),
  );
