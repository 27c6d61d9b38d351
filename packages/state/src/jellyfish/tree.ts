/**
 * The Jellyfish Merkle tree: a sparse Merkle tree over the hashes of keys, in versions.
 *
 * Source: "Jellyfish Merkle Tree" (Diem, 2021) as penumbra `jmt` has it, with SHA-256: roots and
 * proofs are those of that crate. Invariants: those of `AuthenticatedTree`; a commit is one write
 * of the store. Bounds: `../limits.ts`.
 */
import {
  assert,
  compareBytes,
  concatBytes,
  equalBytes,
  err,
  type KeyValueOp,
  ok,
  type Result,
  toHex,
  uintBE,
} from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { stateKeyBytesMax, stateScanMax, stateValueBytesMax } from "../limits.ts";
import type { TreeStore } from "../store.ts";
import type {
  AbsentError,
  AuthenticatedTree,
  PresentError,
  StateEntry,
  StateProof,
  StateView,
  TreeKind,
  VersionError,
} from "../tree.ts";
import { hashBytes, nibbleAt, placeholder } from "./hash.ts";
import {
  afterKey,
  allRootPlaces,
  nodePlace,
  parseValuePlace,
  placeOfStale,
  prefixPlaces,
  rootPlace,
  rootPlacesBefore,
  stalePlace,
  stalePlaces,
  valuePlace,
  withNibble,
} from "./keys.ts";
import { type Child, decodeNode, type Leaf, siblingsTowards } from "./node.ts";
import { encodeProof, verifyAbsent, verifyPresent } from "./proof.ts";
import { type Change, Update } from "./update.ts";

interface Root {
  readonly version: bigint;
  readonly child: Child | undefined;
}

const encodeRoot = (child: Child | undefined): Uint8Array =>
  child === undefined
    ? new Uint8Array(0)
    : concatBytes(Uint8Array.of(child.leaf ? 1 : 0), uintBE(child.version, 8), child.hash);

const u64Of = (bytes: Uint8Array): bigint => {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
};

const decodeRoot = (bytes: Uint8Array): Child | undefined =>
  bytes.length === 0
    ? undefined
    : { leaf: bytes[0] === 1, version: u64Of(bytes.slice(1, 9)), hash: bytes.slice(9) };

const hashOfRoot = (root: Root | undefined): Uint8Array =>
  root?.child?.hash.slice() ?? placeholder.slice();

/** A stored value begins with 1; what is gone is one 0. */
const gone = Uint8Array.of(0);

const checkKey = (key: Uint8Array): void => {
  assert(key.length <= stateKeyBytesMax, `a key of ${key.length} bytes`);
};

class View implements StateView {
  readonly #store: TreeStore;
  readonly #hashing: Hashing;
  readonly #root: Root;

  constructor(store: TreeStore, hashing: Hashing, root: Root) {
    this.#store = store;
    this.#hashing = hashing;
    this.#root = root;
  }

  get version(): bigint {
    return this.#root.version;
  }

  get root(): Uint8Array {
    return hashOfRoot(this.#root);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.place(key)?.value;
  }

  /** The newest value that this version has, and where it is stored. */
  place(key: Uint8Array): { readonly place: Uint8Array; readonly value: Uint8Array } | undefined {
    checkKey(key);
    const from = valuePlace(key, this.version);
    const [found] = this.#store.scan(from, afterKey(key), 1);
    if (found === undefined || found.value[0] === 0) return undefined;
    return { place: found.key, value: found.value.slice(1) };
  }

  prove(key: Uint8Array): Result<StateProof, AbsentError> {
    const { leaf, siblings, keyHash } = this.#walk(key);
    return leaf !== undefined && equalBytes(leaf.keyHash, keyHash)
      ? ok(encodeProof({ leaf: { keyHash, valueHash: leaf.valueHash }, siblings }))
      : err({ code: "E_STATE_ABSENT", message: `no key ${toHex(key)} in version ${this.version}` });
  }

  proveAbsent(key: Uint8Array): Result<StateProof, PresentError> {
    const { leaf, siblings, keyHash } = this.#walk(key);
    if (leaf === undefined) return ok(encodeProof({ siblings }));
    return equalBytes(leaf.keyHash, keyHash)
      ? err({ code: "E_STATE_PRESENT", message: `key ${toHex(key)} is in ${this.version}` })
      : ok(encodeProof({ leaf: { keyHash: leaf.keyHash, valueHash: leaf.valueHash }, siblings }));
  }

  /** Down the path of a key: the leaf it ends in, if any, and the siblings from there up. */
  #walk(key: Uint8Array): {
    readonly keyHash: Uint8Array;
    readonly leaf: Leaf | undefined;
    readonly siblings: readonly Uint8Array[];
  } {
    checkKey(key);
    const keyHash = this.#hashing.sha256(key);
    const siblings: Uint8Array[] = [];
    let { child } = this.#root;
    let path = keyHash;
    for (let depth = 0; child !== undefined; depth++) {
      const bytes = this.#store.get(nodePlace(child.version, path, depth));
      assert(bytes !== undefined, "a node of a kept version");
      const node = decodeNode(bytes);
      if (node.type === "leaf") {
        return { keyHash, leaf: node, siblings: siblings.toReversed() };
      }
      const nibble = nibbleAt(keyHash, depth);
      const towards = siblingsTowards(this.#hashing, node, nibble);
      siblings.push(...towards.siblings);
      const at = towards.child;
      child = at === undefined ? undefined : node.children[at];
      // Where the path ends in the only leaf of a range, that leaf may stand beside the path.
      if (at !== undefined && at !== nibble) path = withNibble(keyHash, depth, at);
    }
    return { keyHash, leaf: undefined, siblings: siblings.toReversed() };
  }

  prefixScan(prefix: Uint8Array, limit: number, after?: Uint8Array): readonly StateEntry[] {
    checkKey(prefix);
    const most = Math.min(limit, stateScanMax);
    const [first, to] = prefixPlaces(prefix);
    let from = first;
    if (after !== undefined) {
      const start = afterKey(after);
      if (compareBytes(start, from) > 0) from = start;
    }
    const entries: StateEntry[] = [];
    while (entries.length < most) {
      const [found] = this.#store.scan(from, to, 1);
      if (found === undefined) break;
      const { key, version } = parseValuePlace(found.key);
      if (version > this.version) {
        from = valuePlace(key, this.version);
        continue;
      }
      if (found.value[0] === 1) entries.push({ key, value: found.value.slice(1) });
      from = afterKey(key);
    }
    return entries;
  }
}

interface Pending {
  readonly key: Uint8Array;
  /** Undefined deletes. */
  readonly value: Uint8Array | undefined;
}

class JellyfishTree implements AuthenticatedTree {
  readonly #store: TreeStore;
  readonly #hashing: Hashing;
  #root: Root | undefined;
  /** By the hex of the key. */
  readonly #pending = new Map<string, Pending>();

  constructor(store: TreeStore, hashing: Hashing) {
    this.#store = store;
    this.#hashing = hashing;
    // Versions rise, and few are kept.
    const [first, to] = allRootPlaces;
    for (let from = first; ;) {
      const found = this.#store.scan(from, to, stateScanMax).at(-1);
      if (found === undefined) return;
      const version = u64Of(found.key.slice(1));
      this.#root = { version, child: decodeRoot(found.value) };
      from = rootPlace(version + 1n);
    }
  }

  get version(): bigint | undefined {
    return this.#root?.version;
  }

  get root(): Uint8Array {
    return hashOfRoot(this.#root);
  }

  #view(): View | undefined {
    return this.#root && new View(this.#store, this.#hashing, this.#root);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    checkKey(key);
    const pending = this.#pending.get(toHex(key));
    return pending === undefined ? this.#view()?.get(key) : pending.value?.slice();
  }

  set(key: Uint8Array, value: Uint8Array): void {
    checkKey(key);
    assert(value.length <= stateValueBytesMax, `a value of ${value.length} bytes`);
    this.#pending.set(toHex(key), { key: key.slice(), value: value.slice() });
  }

  delete(key: Uint8Array): void {
    checkKey(key);
    this.#pending.set(toHex(key), { key: key.slice(), value: undefined });
  }

  discard(): void {
    this.#pending.clear();
  }

  commit(version: bigint): Uint8Array {
    assert(this.#root === undefined || version > this.#root.version, `version ${version} rises`);
    const view = this.#view();
    const changes: Change[] = [];
    const values: KeyValueOp[] = [];
    for (const { key, value } of this.#pending.values()) {
      const old = view?.place(key);
      if (value === undefined ? old === undefined : old && equalBytes(old.value, value)) continue;
      const hash = (bytes: Uint8Array): Uint8Array => this.#hashing.sha256(bytes);
      changes.push({ keyHash: hash(key), valueHash: value && hash(value) });
      values.push(...valueOps(key, value, version, old?.place));
    }
    const update = new Update(this.#store, this.#hashing, version, changes);
    const child = update.run(this.#root?.child);
    const root: KeyValueOp = { type: "put", key: rootPlace(version), value: encodeRoot(child) };
    this.#store.write([...update.ops, ...values, root]);
    this.#pending.clear();
    this.#root = { version, child };
    return this.root;
  }

  at(version: bigint): Result<StateView, VersionError> {
    const found = this.#store.get(rootPlace(version));
    return found === undefined
      ? err({ code: "E_STATE_VERSION", message: `version ${version} is not kept` })
      : ok(new View(this.#store, this.#hashing, { version, child: decodeRoot(found) }));
  }

  prune(before: bigint): number {
    const newest = this.#root?.version;
    // The newest version always stays.
    const limit = newest !== undefined && before > newest ? newest : before;
    let count = 0;
    for (;;) {
      const stale = this.#store.scan(...stalePlaces(limit), stateScanMax);
      if (stale.length === 0) break;
      this.#forget(stale.flatMap(({ key }) => [key, placeOfStale(key)]));
      count += stale.length;
    }
    for (;;) {
      const roots = this.#store.scan(...rootPlacesBefore(limit), stateScanMax);
      if (roots.length === 0) return count;
      this.#forget(roots.map(({ key }) => key));
    }
  }

  #forget(keys: readonly Uint8Array[]): void {
    this.#store.write(keys.map((key) => ({ type: "delete", key })));
  }
}

const valueOps = (
  key: Uint8Array,
  value: Uint8Array | undefined,
  version: bigint,
  old: Uint8Array | undefined,
): readonly KeyValueOp[] => {
  const empty = new Uint8Array(0);
  const place = valuePlace(key, version);
  const stored = value === undefined ? gone : concatBytes(Uint8Array.of(1), value);
  const ops: KeyValueOp[] = [{ type: "put", key: place, value: stored }];
  if (old !== undefined) ops.push({ type: "put", key: stalePlace(version, old), value: empty });
  // That it is gone need not be said once no older version is kept.
  if (value === undefined) {
    ops.push({ type: "put", key: stalePlace(version, place), value: empty });
  }
  return ops;
};

export const jellyfish: TreeKind = {
  name: "jellyfish",
  open: (store, hashing) => new JellyfishTree(store, hashing),
  verifyPresent,
  verifyAbsent,
};

/** The hash of an empty tree, and the length of every hash. */
export const jellyfishEmptyRoot: Uint8Array = placeholder;
export const jellyfishHashBytes: number = hashBytes;
