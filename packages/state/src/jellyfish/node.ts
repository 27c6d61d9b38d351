/**
 * Nodes of the Jellyfish Merkle tree as they are stored, and where.
 *
 * Source: penumbra `jmt`. Internal nodes have 16 children, each known by the version that wrote it;
 * a node's place is (version, path), so that no node is ever overwritten. The hash of an internal
 * node is that of the binary tree over its children, which four levels of 16-way nodes hide.
 */
import { assert, concatBytes, uintBE } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { hashBytes, internalHashOf, placeholder } from "./hash.ts";

export interface Leaf {
  readonly type: "leaf";
  readonly keyHash: Uint8Array;
  readonly valueHash: Uint8Array;
}

export interface Child {
  /** That wrote it. */
  readonly version: bigint;
  readonly hash: Uint8Array;
  readonly leaf: boolean;
}

export const childrenMax = 16;

export interface Internal {
  readonly type: "internal";
  /** Of {@link childrenMax} places. */
  readonly children: readonly (Child | undefined)[];
}

export type Node = Leaf | Internal;

const childBytes = 9 + hashBytes;

export const encodeNode = (node: Node): Uint8Array => {
  if (node.type === "leaf") return concatBytes(Uint8Array.of(0), node.keyHash, node.valueHash);
  const parts: Uint8Array[] = [Uint8Array.of(1)];
  for (const [nibble, child] of node.children.entries()) {
    if (child === undefined) continue;
    const place = (nibble << 1) | (child.leaf ? 1 : 0);
    parts.push(Uint8Array.of(place), uintBE(child.version, 8), child.hash);
  }
  return concatBytes(...parts);
};

const u64At = (bytes: Uint8Array, at: number): bigint => {
  let value = 0n;
  for (let i = at; i < at + 8; i++) value = (value << 8n) | BigInt(bytes[i] as number);
  return value;
};

/** The store is trusted; what it gives back must be what was written. */
export const decodeNode = (bytes: Uint8Array): Node => {
  if (bytes[0] === 0) {
    assert(bytes.length === 1 + 2 * hashBytes, "a stored leaf");
    return {
      type: "leaf",
      keyHash: bytes.slice(1, 1 + hashBytes),
      valueHash: bytes.slice(1 + hashBytes),
    };
  }
  assert(bytes[0] === 1 && (bytes.length - 1) % childBytes === 0, "a stored node");
  const children = Array.from<Child | undefined>({ length: childrenMax });
  for (let at = 1; at < bytes.length; at += childBytes) {
    const place = bytes[at] as number;
    children[place >> 1] = {
      version: u64At(bytes, at + 1),
      hash: bytes.slice(at + 9, at + childBytes),
      leaf: (place & 1) === 1,
    };
  }
  return { type: "internal", children };
};

/** The children of a range of places, and what the range comes down to. */
const onlyLeafIn = (
  { children }: Internal,
  start: number,
  width: number,
): { readonly count: number; readonly leaf: number | undefined } => {
  let [count, last] = [0, -1];
  for (let at = start; at < start + width; at++) {
    if (children[at] === undefined) continue;
    count++;
    last = at;
  }
  const only = count === 1 ? children[last] : undefined;
  return { count, leaf: only?.leaf === true ? last : undefined };
};

const rangeHash = (hashing: Hashing, node: Internal, start: number, width: number): Uint8Array => {
  const { count, leaf } = onlyLeafIn(node, start, width);
  if (count === 0) return placeholder;
  if (leaf !== undefined) return (node.children[leaf] as Child).hash;
  if (width === 1) return (node.children[start] as Child).hash;
  const half = width / 2;
  return internalHashOf(
    hashing,
    rangeHash(hashing, node, start, half),
    rangeHash(hashing, node, start + half, half),
  );
};

export const internalHash = (hashing: Hashing, node: Internal): Uint8Array =>
  rangeHash(hashing, node, 0, childrenMax);

/** Towards one place: the child that the path ends in here, and the siblings from the top down. */
export const siblingsTowards = (
  hashing: Hashing,
  node: Internal,
  nibble: number,
): { readonly child: number | undefined; readonly siblings: readonly Uint8Array[] } => {
  const siblings: Uint8Array[] = [];
  let [start, width] = [0, childrenMax];
  while (width > 1) {
    const { count, leaf } = onlyLeafIn(node, start, width);
    if (count === 0) return { child: undefined, siblings };
    if (leaf !== undefined) return { child: leaf, siblings };
    width /= 2;
    const right = nibble >= start + width;
    siblings.push(rangeHash(hashing, node, right ? start : start + width, width));
    if (right) start += width;
  }
  return { child: node.children[start] === undefined ? undefined : start, siblings };
};
