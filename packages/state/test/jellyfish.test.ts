/**
 * The Jellyfish tree against its definition, written down as a recursion over sorted leaves, and
 * against a plain map over random operations.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareBytes, concatBytes, SeededRandom, utf8Encode } from "@ioi/base";
import { type AuthenticatedTree, jellyfish, MemoryStore, type StateView } from "@ioi/state";
import { hashing } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const sha256 = (bytes: Uint8Array): Uint8Array => hashing.sha256(bytes);

interface PlainLeaf {
  readonly keyHash: Uint8Array;
  readonly hash: Uint8Array;
}

const bitOf = (hash: Uint8Array, bit: number): number =>
  ((hash[bit >> 3] ?? 0) >> (7 - (bit % 8))) & 1;

/** The definition: nothing, one leaf, or two halves. */
const plainRoot = (leaves: readonly PlainLeaf[], bit = 0): Uint8Array => {
  const [only] = leaves;
  if (only === undefined) return utf8Encode("SPARSE_MERKLE_PLACEHOLDER_HASH__");
  if (leaves.length === 1) return only.hash;
  const half = (side: number): Uint8Array =>
    plainRoot(
      leaves.filter(({ keyHash }) => bitOf(keyHash, bit) === side),
      bit + 1,
    );
  return sha256(concatBytes(utf8Encode("JMT::IntrnalNode"), half(0), half(1)));
};

const rootOfMap = (map: ReadonlyMap<string, Uint8Array>): Uint8Array =>
  plainRoot(
    [...map].map(([key, value]) => {
      const keyHash = sha256(utf8Encode(key));
      const hash = sha256(concatBytes(utf8Encode("JMT::LeafNode"), keyHash, sha256(value)));
      return { keyHash, hash };
    }),
  );

const viewOf = (tree: AuthenticatedTree, version: bigint): StateView => {
  const view = tree.at(version);
  assert.ok(view.ok);
  return view.value;
};

const judge = (view: StateView, key: string, value: Uint8Array | undefined): void => {
  const bytes = utf8Encode(key);
  assert.deepEqual(view.get(bytes), value);
  const proof = value === undefined ? view.proveAbsent(bytes) : view.prove(bytes);
  assert.ok(proof.ok);
  const verdict =
    value === undefined
      ? jellyfish.verifyAbsent(hashing, view.root, bytes, proof.value)
      : jellyfish.verifyPresent(hashing, view.root, { key: bytes, value }, proof.value);
  assert.ok(verdict.ok);
};

/** Changes one random bit; neither claim may still hold. */
const mutate = (view: StateView, key: string, value: Uint8Array, random: SeededRandom): void => {
  const bytes = utf8Encode(key);
  const proof = view.prove(bytes);
  assert.ok(proof.ok);
  const changed = proof.value.slice();
  const at = random.below(changed.length);
  changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  const entry = { key: bytes, value };
  assert.equal(jellyfish.verifyPresent(hashing, view.root, entry, changed).ok, false);
  assert.equal(jellyfish.verifyAbsent(hashing, view.root, bytes, changed).ok, false);
};

test("random sets and deletes, in versions: content, roots, proofs, scans as a plain map's", (t) => {
  const seed = `${process.env["IOI_SEED"] ?? Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const tree = jellyfish.open(new MemoryStore(), hashing);
  const map = new Map<string, Uint8Array>();
  for (let version = 1n; version <= (inner ? 30n : 120n); version++) {
    for (let i = 0, n = random.below(12); i < n; i++) {
      const key = `${["a", "b", "c"][random.below(3)]}/${random.below(150)}`;
      if (random.chance(2, 5)) {
        tree.delete(utf8Encode(key));
        map.delete(key);
      } else {
        const value = utf8Encode(`value ${random.below(5)}`);
        tree.set(utf8Encode(key), value);
        map.set(key, value);
      }
    }
    const root = tree.commit(version);
    assert.deepEqual(root, rootOfMap(map), `root of version ${version}`);
    const view = viewOf(tree, version);
    const key = `${["a", "b", "c", "d"][random.below(4)]}/${random.below(150)}`;
    judge(view, key, map.get(key));
    for (const [present, value] of map) {
      judge(view, present, value);
      if (random.chance(1, 4)) mutate(view, present, value, random);
    }
    const scanned = view.prefixScan(utf8Encode("b/"), 1000);
    const expected = [...map]
      .filter(([each]) => each.startsWith("b/"))
      .map(([each, value]) => ({ key: utf8Encode(each), value }))
      .toSorted((a, b) => compareBytes(a.key, b.key));
    assert.deepEqual(scanned, expected);
    if (random.chance(1, 5) && version > 10n) tree.prune(version - BigInt(random.below(9)));
  }
});

test("keys whose hashes share a long path", () => {
  // Found by search: both hashes begin with the same 20 bits.
  const byPrefix = new Map<string, string>();
  let pair: readonly [string, string] | undefined;
  for (let i = 0; pair === undefined; i++) {
    const prefix = Buffer.from(sha256(utf8Encode(`k${i}`)).subarray(0, 3)).readUIntBE(0, 3) >> 4;
    const other = byPrefix.get(`${prefix}`);
    if (other !== undefined) pair = [other, `k${i}`];
    byPrefix.set(`${prefix}`, `k${i}`);
  }
  const [one, two] = pair;
  const tree = jellyfish.open(new MemoryStore(), hashing);
  const map = new Map<string, Uint8Array>();
  const step = (version: bigint, key: string, value: Uint8Array | undefined): void => {
    if (value === undefined) {
      tree.delete(utf8Encode(key));
      map.delete(key);
    } else {
      tree.set(utf8Encode(key), value);
      map.set(key, value);
    }
    assert.deepEqual(tree.commit(version), rootOfMap(map));
    for (const each of [one, two, "x"]) judge(viewOf(tree, version), each, map.get(each));
  };
  step(1n, one, Uint8Array.of(1));
  step(2n, two, Uint8Array.of(2));
  step(3n, one, undefined);
  step(4n, one, Uint8Array.of(3));
  step(5n, two, undefined);
  step(6n, one, undefined);
});

test("a thousand keys in one commit are as a thousand commits", () => {
  const one = jellyfish.open(new MemoryStore(), hashing);
  const many = jellyfish.open(new MemoryStore(), hashing);
  for (let i = 0; i < 1000; i++) {
    one.set(utf8Encode(`k${i}`), utf8Encode(`${i}`));
    many.set(utf8Encode(`k${i}`), utf8Encode(`${i}`));
    many.commit(BigInt(i));
  }
  assert.deepEqual(one.commit(1n), many.root);
});
