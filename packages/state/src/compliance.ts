/**
 * What every `AuthenticatedTree` promises. A suite is a list of cases; each opens trees of its own
 * and throws an InvariantError where the tree breaks its promise.
 */
import { assert, concatBytes, equalBytes, SeededRandom, toHex, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { MemoryStore } from "./store.ts";
import type { AuthenticatedTree, StateProof, StateView, TreeKind } from "./tree.ts";

export interface TreeCase {
  readonly name: string;
  readonly run: (kind: TreeKind, hashing: Hashing) => void;
}

const bytes = utf8Encode;

const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : equalBytes(a, b);

const viewOf = (tree: AuthenticatedTree, version: bigint): StateView => {
  const view = tree.at(version);
  assert(view.ok, `version ${version} is kept`);
  return view.value;
};

const proofOf = (proof: ReturnType<StateView["prove" | "proveAbsent"]>): StateProof => {
  assert(proof.ok, "a proof");
  return proof.value;
};

/** Everything a view says about a key, proofs checked, both ways. */
const checkKey = (
  kind: TreeKind,
  hashing: Hashing,
  view: StateView,
  key: Uint8Array,
  value: Uint8Array | undefined,
): void => {
  const name = toHex(key);
  assert(same(view.get(key), value), `the value of ${name}`);
  if (value === undefined) {
    assert(!view.prove(key).ok, `${name} is proved although it is absent`);
    const proof = proofOf(view.proveAbsent(key));
    assert(kind.verifyAbsent(hashing, view.root, key, proof).ok, `absence of ${name}`);
    const entry = { key, value: bytes("x") };
    assert(!kind.verifyPresent(hashing, view.root, entry, proof).ok, `absence as presence`);
    return;
  }
  assert(!view.proveAbsent(key).ok, `${name} is proved absent although it is there`);
  const proof = proofOf(view.prove(key));
  assert(kind.verifyPresent(hashing, view.root, { key, value }, proof).ok, `presence of ${name}`);
  assert(!kind.verifyAbsent(hashing, view.root, key, proof).ok, `presence as absence`);
  const other = concatBytes(value, Uint8Array.of(0));
  const wrong = kind.verifyPresent(hashing, view.root, { key, value: other }, proof);
  assert(!wrong.ok, `another value of ${name}`);
};

const openTree = (kind: TreeKind, hashing: Hashing): AuthenticatedTree =>
  kind.open(new MemoryStore(), hashing);

export const treeCases: readonly TreeCase[] = [
  {
    name: "the empty tree has a root, and everything is absent from it",
    run(kind, hashing) {
      const tree = openTree(kind, hashing);
      assert(tree.version === undefined, "no version yet");
      const before = tree.root;
      assert(same(tree.commit(1n), before), "a commit of nothing");
      checkKey(kind, hashing, viewOf(tree, 1n), bytes("a"), undefined);
      checkKey(kind, hashing, viewOf(tree, 1n), new Uint8Array(0), undefined);
    },
  },
  {
    name: "set, replace, delete; what is not committed is in no version",
    run(kind, hashing) {
      const tree = openTree(kind, hashing);
      tree.set(bytes("a"), bytes("1"));
      tree.set(bytes("b"), bytes(""));
      assert(same(tree.get(bytes("a")), bytes("1")), "set before commit");
      tree.commit(1n);
      tree.set(bytes("a"), bytes("2"));
      tree.delete(bytes("b"));
      assert(tree.get(bytes("b")) === undefined, "deleted before commit");
      assert(same(viewOf(tree, 1n).get(bytes("a")), bytes("1")), "the version does not change");
      tree.discard();
      assert(same(tree.get(bytes("a")), bytes("1")), "discarded");
      tree.set(bytes("a"), bytes("2"));
      tree.delete(bytes("b"));
      tree.commit(7n);
      checkKey(kind, hashing, viewOf(tree, 1n), bytes("a"), bytes("1"));
      checkKey(kind, hashing, viewOf(tree, 1n), bytes("b"), bytes(""));
      checkKey(kind, hashing, viewOf(tree, 7n), bytes("a"), bytes("2"));
      checkKey(kind, hashing, viewOf(tree, 7n), bytes("b"), undefined);
      assert(!tree.at(2n).ok && !tree.at(8n).ok, "versions that were never committed");
    },
  },
  {
    name: "the root depends on the content alone",
    run(kind, hashing) {
      const random = new SeededRandom("order");
      const keys = Array.from({ length: 60 }, (_, i) => bytes(`key ${i}`));
      const one = openTree(kind, hashing);
      for (const key of keys) one.set(key, key);
      one.commit(1n);
      const other = openTree(kind, hashing);
      let version = 0n;
      for (const key of [...keys, ...keys].toSorted(() => random.below(3) - 1)) {
        if (random.chance(1, 3)) other.set(concatBytes(bytes("gone "), key), key);
        other.set(key, bytes("first"));
        if (random.chance(1, 3)) other.commit(++version);
      }
      for (const key of keys) {
        other.delete(concatBytes(bytes("gone "), key));
        other.set(key, key);
        if (random.chance(1, 3)) other.commit(++version);
      }
      other.commit(++version);
      assert(same(one.root, other.root), "two ways to one content");
      for (const key of keys) other.delete(key);
      assert(same(other.commit(++version), openTree(kind, hashing).root), "emptied");
    },
  },
  {
    name: "prefix scans are in order, bounded, and of their version",
    run(kind, hashing) {
      const tree = openTree(kind, hashing);
      const keys = [[], [0], [0, 0], [0, 1], [0, 255], [1], [1, 0], [255], [255, 255]].map((key) =>
        Uint8Array.from(key),
      );
      for (const key of keys.toReversed()) tree.set(key, key);
      tree.commit(1n);
      tree.delete(Uint8Array.of(0, 1));
      tree.set(Uint8Array.of(0, 0), bytes("new"));
      tree.set(Uint8Array.of(0, 7), bytes("new"));
      tree.commit(2n);
      const scan = (version: bigint, prefix: number[], limit = 99, after?: number[]): string =>
        viewOf(tree, version)
          .prefixScan(Uint8Array.from(prefix), limit, after && Uint8Array.from(after))
          .map(({ key }) => toHex(key))
          .join(" ");
      const expect = (actual: string, expected: string): void =>
        assert(actual === expected, `scan: expected "${expected}", got "${actual}"`);
      expect(scan(1n, []), keys.map(toHex).join(" "));
      expect(scan(1n, [0]), "00 0000 0001 00ff");
      expect(scan(2n, [0]), "00 0000 0007 00ff");
      expect(scan(1n, [0], 2), "00 0000");
      expect(scan(1n, [0], 2, [0, 0]), "0001 00ff");
      expect(scan(1n, [255]), "ff ffff");
      expect(scan(1n, [2]), "");
    },
  },
  {
    name: "pruning gives up old versions and leaves the kept ones whole",
    run(kind, hashing) {
      const random = new SeededRandom("prune");
      const store = new MemoryStore();
      const tree = kind.open(store, hashing);
      const contents = new Map<bigint, ReadonlyMap<string, Uint8Array>>();
      const now = new Map<string, Uint8Array>();
      for (let version = 1n; version <= 40n; version++) {
        for (let i = 0; i < 4; i++) {
          const key = `k${random.below(12)}`;
          const value = random.chance(1, 3) ? undefined : bytes(`v${random.below(9)}`);
          if (value === undefined) {
            tree.delete(bytes(key));
            now.delete(key);
          } else {
            tree.set(bytes(key), value);
            now.set(key, value);
          }
        }
        tree.commit(version);
        contents.set(version, new Map(now));
        if (version % 8n === 0n) tree.prune(version - 3n);
      }
      assert(!tree.at(36n).ok, "a pruned version");
      for (let version = 37n; version <= 40n; version++) {
        for (let i = 0; i < 12; i++) {
          const value = contents.get(version)?.get(`k${i}`);
          checkKey(kind, hashing, viewOf(tree, version), bytes(`k${i}`), value);
        }
      }
      const again = kind.open(store, hashing);
      assert(again.version === 40n && same(again.root, tree.root), "opened again");
      for (const key of now.keys()) again.delete(bytes(key));
      again.commit(41n);
      again.prune(41n);
      again.set(bytes("a"), bytes("1"));
      again.commit(42n);
      again.prune(42n);
      again.delete(bytes("a"));
      again.commit(43n);
      again.prune(43n);
      assert(store.size === 1, `nothing is kept of an empty tree but its root: ${store.size}`);
    },
  },
  {
    name: "no proof with one byte changed, cut or added verifies",
    run(kind, hashing) {
      const tree = openTree(kind, hashing);
      for (let i = 0; i < 30; i++) tree.set(bytes(`key ${i}`), bytes(`value ${i}`));
      tree.commit(1n);
      const view = viewOf(tree, 1n);
      const entry = { key: bytes("key 7"), value: bytes("value 7") };
      const [present, absent] = [
        proofOf(view.prove(entry.key)),
        proofOf(view.proveAbsent(bytes("no"))),
      ];
      const refused = (proof: StateProof, what: string): void => {
        assert(!kind.verifyPresent(hashing, view.root, entry, proof).ok, `presence, ${what}`);
        assert(!kind.verifyAbsent(hashing, view.root, bytes("no"), proof).ok, `absence, ${what}`);
      };
      for (const proof of [present, absent]) {
        for (let at = 0; at < proof.length; at++) {
          const changed = proof.slice();
          changed[at] = (changed[at] as number) ^ (1 << (at & 7));
          refused(changed, `byte ${at}`);
          refused(proof.slice(0, at), `cut at ${at}`);
        }
        refused(concatBytes(proof, Uint8Array.of(0)), "a byte more");
      }
    },
  },
];
