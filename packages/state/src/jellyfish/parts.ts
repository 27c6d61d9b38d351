/**
 * A version of a Jellyfish tree in 2^depth parts, for whoever takes it over: part i is every entry whose key's
 * hash begins with the bits of i, in the order of these hashes. A manifest lists the hash of each part's
 * subtree and whether it is empty, one leaf, or more, since a lone leaf stands at the top of its subtree.
 *
 * Invariants: total on hostile bytes; a part that holds is whole, with nothing left out and nothing added.
 * Bounds: `stateDepthMax`, `statePartEntriesMax` entries of a part; making parts holds the state in memory.
 */
import { assert, compareBytes, equalBytes, err, ok, type Result } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import {
  stateDepthMax,
  stateKeyBytesMax,
  statePartEntriesMax,
  stateScanMax,
  stateValueBytesMax,
} from "../limits.ts";
import type { StateEntry, StateProofError, StateView } from "../tree.ts";
import { bitAt, internalHashOf, leafHashOf, placeholder } from "./hash.ts";

/** Of a subtree: 2 leaves stand for any number above 1. */
interface Subtree {
  readonly hash: Uint8Array;
  readonly leaves: number;
}

const manifestSchema = schema.array(
  schema.record({ hash: schema.bytes(32), leaves: schema.int(0, 2) }),
  2 ** stateDepthMax,
);
const partSchema = schema.array(
  schema.record({
    key: schema.bytes(undefined, stateKeyBytesMax),
    value: schema.bytes(undefined, stateValueBytesMax),
  }),
  statePartEntriesMax,
);

const invalid = (message: string): Result<never, StateProofError> =>
  err({ code: "E_STATE_PROOF", message });

const joined = (hashing: Hashing, left: Subtree, right: Subtree): Subtree => {
  const leaves = Math.min(2, left.leaves + right.leaves);
  if (leaves === 0) return { hash: placeholder, leaves };
  if (leaves === 1) return left.leaves === 1 ? left : right;
  return { hash: internalHashOf(hashing, left.hash, right.hash), leaves };
};

interface Hashed {
  readonly keyHash: Uint8Array;
  readonly entry: StateEntry;
}

/** Of leaves in order that share all bits above `bit`. */
const subtreeOf = (hashing: Hashing, leaves: readonly Hashed[], bit: number): Subtree => {
  const [only] = leaves;
  if (only === undefined) return { hash: placeholder, leaves: 0 };
  if (leaves.length === 1) {
    const { keyHash, entry } = only;
    return { hash: leafHashOf(hashing, keyHash, hashing.sha256(entry.value)), leaves: 1 };
  }
  const at = leaves.findIndex(({ keyHash }) => bitAt(keyHash, bit) === 1);
  const middle = at < 0 ? leaves.length : at;
  return joined(
    hashing,
    subtreeOf(hashing, leaves.slice(0, middle), bit + 1),
    subtreeOf(hashing, leaves.slice(middle), bit + 1),
  );
};

const indexOf = (keyHash: Uint8Array, depth: number): number => {
  let index = 0;
  for (let bit = 0; bit < depth; bit++) index = 2 * index + bitAt(keyHash, bit);
  return index;
};

const hashedOf = (hashing: Hashing, entry: StateEntry): Hashed => ({
  keyHash: hashing.sha256(entry.key),
  entry,
});

/** What the receiving side needs, for one depth that both know. */
export const jellyfishParts = (hashing: Hashing, depth: number) => {
  assert(depth >= 0 && depth <= stateDepthMax, "a depth of parts");
  return {
    /** The hash of each part, if the manifest is that of a tree with this root. */
    partsOf: (
      root: Uint8Array,
      manifest: Uint8Array,
    ): Result<readonly Uint8Array[], StateProofError> => {
      const decoded = schema.decode(manifestSchema, manifest);
      if (!decoded.ok) return invalid(`the list is malformed: ${decoded.error.message}`);
      if (decoded.value.length !== 2 ** depth) return invalid("not all parts are listed");
      // No root covers it, so it would be whatever fits that.
      const isFilled = decoded.value.some(
        ({ hash, leaves }) => leaves === 0 && !equalBytes(hash, placeholder),
      );
      if (isFilled) return invalid("a part that is empty has a hash");
      let level: readonly Subtree[] = decoded.value;
      while (level.length > 1) {
        level = Array.from({ length: level.length / 2 }, (_, i) =>
          joined(hashing, level[2 * i] as Subtree, level[2 * i + 1] as Subtree),
        );
      }
      const top = level[0]?.hash ?? placeholder;
      if (!equalBytes(top, root)) return invalid("the list leads to another root");
      return ok(decoded.value.map(({ hash }) => hash));
    },
    /** The bytes are the whole of the part. */
    holds: (index: number, hash: Uint8Array, bytes: Uint8Array): Result<true, StateProofError> => {
      const decoded = schema.decode(partSchema, bytes);
      if (!decoded.ok) return invalid(`the part is malformed: ${decoded.error.message}`);
      const leaves = decoded.value.map((entry) => hashedOf(hashing, entry));
      for (const [at, { keyHash }] of leaves.entries()) {
        const before = leaves[at - 1]?.keyHash;
        if (before !== undefined && compareBytes(before, keyHash) >= 0) {
          return invalid("its entries are not in order");
        }
        if (indexOf(keyHash, depth) !== index) return invalid("an entry is of another part");
      }
      const found = subtreeOf(hashing, leaves, depth);
      return equalBytes(found.hash, hash) ? ok(true) : invalid("it is another part");
    },
  };
};

/** Of a part that holds. */
export const jellyfishPartEntries = (bytes: Uint8Array): readonly StateEntry[] => {
  const decoded = schema.decode(partSchema, bytes);
  assert(decoded.ok, "a part that was held against its hash");
  return decoded.value;
};

/** What the giving side has. */
export const jellyfishCut = (
  hashing: Hashing,
  depth: number,
  view: StateView,
): { readonly manifest: Uint8Array; readonly parts: readonly Uint8Array[] } => {
  const all: Hashed[] = [];
  let after: Uint8Array | undefined;
  for (;;) {
    const entries = view.prefixScan(new Uint8Array(), stateScanMax, after);
    for (const entry of entries) all.push(hashedOf(hashing, entry));
    if (entries.length < stateScanMax) break;
    after = entries.at(-1)?.key;
  }
  const buckets = Array.from({ length: 2 ** depth }, (): Hashed[] => []);
  for (const leaf of all.toSorted((a, b) => compareBytes(a.keyHash, b.keyHash))) {
    buckets[indexOf(leaf.keyHash, depth)]?.push(leaf);
  }
  return {
    manifest: schema.encode(
      manifestSchema,
      buckets.map((leaves) => subtreeOf(hashing, leaves, depth)),
    ),
    parts: buckets.map((leaves) =>
      schema.encode(
        partSchema,
        leaves.map(({ entry }) => entry),
      ),
    ),
  };
};
