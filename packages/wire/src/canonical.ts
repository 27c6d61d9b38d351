/**
 * The canonical codec: one byte string per value, for everything that is hashed or signed.
 *
 * Source: RFC 8949, section 4.2.1 (core deterministic CBOR), restricted to integers of 64 bits,
 * byte strings, UTF-8 text, arrays, maps with text keys, booleans and null. No floats, no tags, no
 * indefinite lengths, no undefined.
 *
 * Invariants: `decode(encode(v))` re-encodes to the same bytes; `decode` accepts exactly the image
 * of `encode` (shortest heads, keys in bytewise order of their encoding, no duplicates).
 * Bounds: `bytesMax`, `depthMax` of `./limits.ts`.
 */
import {
  assert,
  compareBytes,
  concatBytes,
  err,
  InvariantError,
  ok,
  type Rejection,
  type Result,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import {
  canonicalBytesMax,
  canonicalDepthMax,
  canonicalKeysMax,
  canonicalKeyUnitsMax,
} from "./limits.ts";

export type CanonicalValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue };

export type CanonicalError = Rejection<"E_CANONICAL_INVALID">;

const U64_MAX = (1n << 64n) - 1n;

const head = (major: number, value: bigint): Uint8Array => {
  assert(value >= 0n && value <= U64_MAX, `canonical integer out of range: ${value}`);
  const width =
    value < 24n ? 0 : value < 0x100n ? 1 : value < 0x10000n ? 2 : value < 1n << 32n ? 4 : 8;
  const bytes = new Uint8Array(1 + width);
  if (width === 0) {
    bytes[0] = (major << 5) | Number(value);
    return bytes;
  }
  bytes[0] = (major << 5) | { 1: 24, 2: 25, 4: 26, 8: 27 }[width as 1 | 2 | 4 | 8];
  for (let i = width, rest = value; i > 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
};

const wellFormed = (text: string): boolean => {
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    if (code >= 0xd800 && code <= 0xdfff) return false;
  }
  return true;
};

const encodeText = (text: string): Uint8Array => {
  assert(wellFormed(text), "canonical text holds a lone surrogate");
  const bytes = utf8Encode(text);
  return concatBytes(head(3, BigInt(bytes.length)), bytes);
};

/** Names of fields come again and again; names that a stranger made up fill it once, and no more. */
const encodedKeys = new Map<string, Uint8Array>();

const encodeKey = (key: string): Uint8Array => {
  const known = encodedKeys.get(key);
  if (known !== undefined) return known;
  const bytes = encodeText(key);
  if (encodedKeys.size < canonicalKeysMax && key.length <= canonicalKeyUnitsMax) {
    encodedKeys.set(key, bytes);
  }
  return bytes;
};

const encodeParts = (value: CanonicalValue, out: Uint8Array[], depth: number): void => {
  assert(depth <= canonicalDepthMax, "canonical value too deep");
  if (value === null) out.push(Uint8Array.of(0xf6));
  else if (typeof value === "boolean") out.push(Uint8Array.of(value ? 0xf5 : 0xf4));
  else if (typeof value === "number" || typeof value === "bigint") {
    assert(typeof value === "bigint" || Number.isSafeInteger(value), `not an integer: ${value}`);
    const integer = BigInt(value);
    out.push(integer >= 0n ? head(0, integer) : head(1, -1n - integer));
  } else if (typeof value === "string") out.push(encodeText(value));
  else if (value instanceof Uint8Array) out.push(head(2, BigInt(value.length)), value);
  else if (Array.isArray(value)) {
    out.push(head(4, BigInt(value.length)));
    for (const item of value as readonly CanonicalValue[]) encodeParts(item, out, depth + 1);
  } else {
    const entries = Object.entries(value as { readonly [key: string]: CanonicalValue })
      .map(([key, item]) => ({ key: encodeKey(key), item }))
      .sort((a, b) => compareBytes(a.key, b.key));
    out.push(head(5, BigInt(entries.length)));
    for (const { key, item } of entries) {
      if (item === undefined) throw new InvariantError("canonical map holds undefined");
      out.push(key);
      encodeParts(item, out, depth + 1);
    }
  }
};

/** The one encoding of `value`. Throws InvariantError for what is not a CanonicalValue. */
export const encodeCanonical = (value: CanonicalValue): Uint8Array => {
  const parts: Uint8Array[] = [];
  encodeParts(value, parts, 0);
  return concatBytes(...parts);
};

class Reader {
  at = 0;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Internal signal of the decoder; never leaves this module. */
class Malformed extends Error {}

const readHead = (reader: Reader): { major: number; info: number; value: bigint } => {
  const first = reader.bytes[reader.at++];
  if (first === undefined) throw new Malformed("truncated");
  const major = first >> 5;
  const info = first & 31;
  if (info < 24) return { major, info, value: BigInt(info) };
  if (info > 27) throw new Malformed("reserved or indefinite length");
  const width = 1 << (info - 24);
  if (reader.at + width > reader.bytes.length) throw new Malformed("truncated");
  let value = 0n;
  for (let i = 0; i < width; i++)
    value = (value << 8n) | BigInt(reader.bytes[reader.at++] as number);
  const least = [24n, 0x100n, 0x10000n, 1n << 32n][info - 24] as bigint;
  if (major !== 7 && value < least) throw new Malformed("not the shortest form");
  return { major, info, value };
};

const take = (reader: Reader, length: bigint): Uint8Array => {
  if (length > BigInt(reader.bytes.length - reader.at)) throw new Malformed("truncated");
  const from = reader.at;
  reader.at += Number(length);
  return reader.bytes.slice(from, reader.at);
};

const integerOf = (value: bigint): number | bigint =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
    ? Number(value)
    : value;

const readText = (reader: Reader, length: bigint): string => {
  const text = utf8Decode(take(reader, length));
  if (text === undefined) throw new Malformed("text is not UTF-8");
  return text;
};

const readMap = (reader: Reader, size: bigint, depth: number): CanonicalValue => {
  const map: Record<string, CanonicalValue> = Object.create(null) as Record<string, CanonicalValue>;
  let last: Uint8Array | undefined;
  for (let i = 0n; i < size; i++) {
    const from = reader.at;
    const { major, value } = readHead(reader);
    if (major !== 3) throw new Malformed("a map key is not text");
    const key = readText(reader, value);
    const encoded = reader.bytes.subarray(from, reader.at);
    if (last !== undefined && compareBytes(last, encoded) >= 0)
      throw new Malformed("keys out of order");
    last = encoded;
    map[key] = readValue(reader, depth + 1);
  }
  return map;
};

const readValue = (reader: Reader, depth: number): CanonicalValue => {
  if (depth > canonicalDepthMax) throw new Malformed("too deep");
  const { major, info, value } = readHead(reader);
  if (major === 0) return integerOf(value);
  if (major === 1) return integerOf(-1n - value);
  if (major === 2) return take(reader, value);
  if (major === 3) return readText(reader, value);
  if (major === 4) {
    const items: CanonicalValue[] = [];
    for (let i = 0n; i < value; i++) items.push(readValue(reader, depth + 1));
    return items;
  }
  if (major === 5) return readMap(reader, value, depth);
  if (major === 7 && info === 20) return false;
  if (major === 7 && info === 21) return true;
  if (major === 7 && info === 22) return null;
  throw new Malformed("tags, floats and other simple values are not canonical");
};

/** Exactly the image of {@link encodeCanonical}; integers beyond 2^53 arrive as bigint. */
export const decodeCanonical = (bytes: Uint8Array): Result<CanonicalValue, CanonicalError> => {
  const invalid = (message: string): Result<CanonicalValue, CanonicalError> =>
    err({ code: "E_CANONICAL_INVALID", message });
  if (bytes.length > canonicalBytesMax) return invalid(`more than ${canonicalBytesMax} bytes`);
  const reader = new Reader(bytes);
  try {
    const value = readValue(reader, 0);
    if (reader.at !== bytes.length)
      return invalid(`${bytes.length - reader.at} bytes after the value`);
    return ok(value);
  } catch (error) {
    if (error instanceof Malformed) return invalid(`${error.message} at byte ${reader.at}`);
    throw error;
  }
};
