/**
 * Where a Jellyfish tree keeps things in its store:
 *
 *   n version path                  a node
 *   r version                       the root of a version
 *   k key version                   a value, or that it is gone; newer versions first
 *   s version place                 a place that no version from this one on needs
 *
 * Keys have any length, so their zeros are escaped (00 ff) and they end in 00 01: bytewise order of
 * places is that of keys, and no key's places lie among another's.
 */
import { assert, concatBytes, uintBE } from "@ioi/base";
import { hashBytes } from "./hash.ts";

const tag = { node: 0x6e, root: 0x72, value: 0x6b, stale: 0x73 } as const;
const u64Max = (1n << 64n) - 1n;

/** `depth` nibbles of a hash, as bytes. */
const pathOf = (keyHash: Uint8Array, depth: number): Uint8Array => {
  const path = keyHash.slice(0, (depth + 1) >> 1);
  if (depth % 2 === 1) path[path.length - 1] = (path[path.length - 1] as number) & 0xf0;
  return path;
};

export const nodePlace = (version: bigint, keyHash: Uint8Array, depth: number): Uint8Array => {
  assert(keyHash.length === hashBytes, "a path begins a hash");
  return concatBytes(
    Uint8Array.of(tag.node),
    uintBE(version, 8),
    Uint8Array.of(depth),
    pathOf(keyHash, depth),
  );
};

/** A path with another nibble at one depth. */
export const withNibble = (keyHash: Uint8Array, depth: number, nibble: number): Uint8Array => {
  const hash = keyHash.slice();
  const byte = hash[depth >> 1] as number;
  hash[depth >> 1] = depth % 2 === 0 ? (nibble << 4) | (byte & 15) : (byte & 0xf0) | nibble;
  return hash;
};

export const rootPlace = (version: bigint): Uint8Array =>
  concatBytes(Uint8Array.of(tag.root), uintBE(version, 8));

const escaped = (key: Uint8Array): Uint8Array => {
  const bytes: number[] = [tag.value];
  for (const byte of key) {
    bytes.push(byte);
    if (byte === 0) bytes.push(0xff);
  }
  return Uint8Array.from(bytes);
};

export const valuePlace = (key: Uint8Array, version: bigint): Uint8Array =>
  concatBytes(escaped(key), Uint8Array.of(0, 1), uintBE(u64Max - version, 8));

/** After every version of the key, before every longer key. */
export const afterKey = (key: Uint8Array): Uint8Array =>
  concatBytes(escaped(key), Uint8Array.of(0, 2));

/** The places of all keys with this prefix: from, and up to. */
export const prefixPlaces = (prefix: Uint8Array): readonly [Uint8Array, Uint8Array] => {
  const from = escaped(prefix);
  const to = from.slice();
  let last = to.length - 1;
  // The tag is below 0xff, so this ends.
  while (to[last] === 0xff) last--;
  to[last] = (to[last] as number) + 1;
  return [from, to.slice(0, last + 1)];
};

export const parseValuePlace = (
  place: Uint8Array,
): { readonly key: Uint8Array; readonly version: bigint } => {
  const key: number[] = [];
  let at = 1;
  for (; at < place.length - 10; at++) {
    const byte = place[at] as number;
    key.push(byte);
    if (byte === 0) at++;
  }
  let version = 0n;
  for (const byte of place.slice(-8)) version = (version << 8n) | BigInt(byte);
  return { key: Uint8Array.from(key), version: u64Max - version };
};

export const stalePlace = (since: bigint, place: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(tag.stale), uintBE(since, 8), place);

const tagAndVersion = 9;

export const placeOfStale = (stale: Uint8Array): Uint8Array => stale.slice(tagAndVersion);

/** Stale since `before` or earlier. */
export const stalePlaces = (before: bigint): readonly [Uint8Array, Uint8Array] => [
  Uint8Array.of(tag.stale),
  concatBytes(Uint8Array.of(tag.stale), uintBE(before + 1n, 8)),
];

export const rootPlacesBefore = (before: bigint): readonly [Uint8Array, Uint8Array] => [
  Uint8Array.of(tag.root),
  rootPlace(before),
];

export const allRootPlaces: readonly [Uint8Array, Uint8Array] = [
  Uint8Array.of(tag.root),
  Uint8Array.of(tag.root + 1),
];
