/**
 * The index as a state tree: a map whose records are also found by the vector that is made of their
 * values. Its root is the index's root, so one commitment covers the map and its search: `prove` of
 * `proof.ts` answers under the same root.
 *
 * The graph of a content is the one that its records make in the order of their keys; so the root depends
 * on the content alone. Keys that rise are added at the cost of an insert; any other change makes the
 * index anew, at the cost of one for every record. Content and its versions lie in a Jellyfish tree over
 * the same store. An older version's index is made when a proof is asked of it, and kept with its view.
 *
 * What it does not have: absence is shown by neighbours in the order of keys, which the builder keeps to
 * and a root alone does not show (`tree-proof.ts`). A Jellyfish tree shows that too.
 */
import { assert, compareBytes, err, ok, type Result, toHex } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { jellyfish } from "../jellyfish/tree.ts";
import { indexNodesMax, stateScanMax } from "../limits.ts";
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
import { Commitment } from "./commitment.ts";
import { Graph } from "./graph.ts";
import { componentMax, componentMin, type MhnswParameters } from "./parameters.ts";
import {
  type Indexed,
  proveMissing,
  proveThere,
  recordHash,
  type VectorOf,
  verifyMissing,
  verifyThere,
} from "./tree-proof.ts";

/** Two bytes a component from a value's first on, little-endian; what is missing is 0, what is too large cut. */
export const leadingVector =
  (dimension: number): VectorOf =>
  (value) => {
    const components = new Int16Array(dimension);
    for (let i = 0; i < dimension && 2 * i + 1 < value.length; i++) {
      const raw = (((value[2 * i + 1] as number) << 24) >> 16) | (value[2 * i] as number);
      components[i] = Math.max(componentMin, Math.min(componentMax, raw));
    }
    return components;
  };

interface Making {
  readonly hashing: Hashing;
  readonly parameters: MhnswParameters;
  readonly vectorOf: VectorOf;
}

/** An index that grows by records with higher keys. */
class Records implements Indexed {
  readonly hashing: Hashing;
  readonly graph: Graph;
  readonly commitment: Commitment;
  readonly entries: StateEntry[] = [];
  readonly #vectorOf: VectorOf;

  constructor({ hashing, parameters, vectorOf }: Making, content: Iterable<StateEntry>) {
    this.hashing = hashing;
    this.graph = new Graph(hashing, parameters);
    this.commitment = new Commitment(hashing, this.graph);
    this.#vectorOf = vectorOf;
    for (const entry of content) this.add(entry);
  }

  add(entry: StateEntry): void {
    const last = this.entries.at(-1);
    assert(last === undefined || compareBytes(last.key, entry.key) < 0, "keys rise");
    assert(this.entries.length < indexNodesMax, "the index is full");
    const record = recordHash(this.hashing, entry.key, this.hashing.sha256(entry.value));
    this.commitment.touch(this.graph.add(this.#vectorOf(entry.value), record).touched);
    this.entries.push(entry);
  }

  root(): Uint8Array {
    return this.commitment.root();
  }

  /** How many keys are before this one, and whether it is there. */
  find(key: Uint8Array): { readonly position: number; readonly isThere: boolean } {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes((this.entries[middle] as StateEntry).key, key) < 0) low = middle + 1;
      else high = middle;
    }
    const found = this.entries[low];
    return { position: low, isThere: found !== undefined && compareBytes(found.key, key) === 0 };
  }
}

const contentOf = function* (view: StateView): Generator<StateEntry> {
  let after: Uint8Array | undefined;
  for (;;) {
    const part = view.prefixScan(new Uint8Array(0), stateScanMax, after);
    yield* part;
    after = part.at(-1)?.key;
    if (part.length < stateScanMax) return;
  }
};

class IndexView implements StateView {
  readonly #content: StateView;
  readonly #making: Making;
  #records: Records | undefined;

  constructor(content: StateView, making: Making) {
    this.#content = content;
    this.#making = making;
  }

  get version(): bigint {
    return this.#content.version;
  }

  #indexed(): Records {
    const records = (this.#records ??= new Records(this.#making, contentOf(this.#content)));
    records.root();
    return records;
  }

  get root(): Uint8Array {
    return this.#indexed().root();
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#content.get(key);
  }

  prove(key: Uint8Array): Result<StateProof, AbsentError> {
    const records = this.#indexed();
    const { position, isThere } = records.find(key);
    if (isThere) return ok(proveThere(records, position));
    return err({ code: "E_STATE_ABSENT", message: `no key ${toHex(key)} in ${this.version}` });
  }

  proveAbsent(key: Uint8Array): Result<StateProof, PresentError> {
    const records = this.#indexed();
    const { position, isThere } = records.find(key);
    if (!isThere) return ok(proveMissing(records, position));
    return err({ code: "E_STATE_PRESENT", message: `key ${toHex(key)} is in ${this.version}` });
  }

  prefixScan(prefix: Uint8Array, limit: number, after?: Uint8Array): readonly StateEntry[] {
    return this.#content.prefixScan(prefix, limit, after);
  }
}

/** `indexed` is the index of the newest version: search it, and prove that, under the tree's root. */
export interface IndexTree extends AuthenticatedTree {
  readonly indexed: Indexed;
}

class MhnswTree implements IndexTree {
  readonly #content: AuthenticatedTree;
  readonly #making: Making;
  /** By the hex of the key: what was set since the last commit; undefined where it was deleted. */
  readonly #pending = new Map<string, { readonly key: Uint8Array; readonly isSet: boolean }>();
  #records: Records;

  constructor(store: TreeStore, making: Making) {
    this.#content = jellyfish.open(store, making.hashing);
    this.#making = making;
    this.#records = this.#made();
  }

  #made(): Records {
    const { version } = this.#content;
    const view = version === undefined ? undefined : this.#content.at(version);
    return new Records(this.#making, view?.ok === true ? contentOf(view.value) : []);
  }

  get indexed(): Indexed {
    this.#records.root();
    return this.#records;
  }

  get version(): bigint | undefined {
    return this.#content.version;
  }

  get root(): Uint8Array {
    return this.#records.root();
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#content.get(key);
  }

  set(key: Uint8Array, value: Uint8Array): void {
    this.#content.set(key, value);
    this.#pending.set(toHex(key), { key: key.slice(), isSet: true });
  }

  delete(key: Uint8Array): void {
    this.#content.delete(key);
    this.#pending.set(toHex(key), { key: key.slice(), isSet: false });
  }

  discard(): void {
    this.#content.discard();
    this.#pending.clear();
  }

  commit(version: bigint): Uint8Array {
    const last = this.#records.entries.at(-1)?.key;
    const changes = [...this.#pending.values()].sort((a, b) => compareBytes(a.key, b.key));
    const isAppended = changes.every(
      ({ key, isSet }) => isSet && (last === undefined || compareBytes(last, key) < 0),
    );
    this.#content.commit(version);
    this.#pending.clear();
    if (isAppended) {
      for (const { key } of changes) {
        this.#records.add({ key, value: this.#content.get(key) as Uint8Array });
      }
    } else this.#records = this.#made();
    return this.root;
  }

  at(version: bigint): Result<StateView, VersionError> {
    const content = this.#content.at(version);
    return content.ok ? ok(new IndexView(content.value, this.#making)) : content;
  }

  prune(before: bigint): number {
    return this.#content.prune(before);
  }
}

export interface IndexTreeKind extends TreeKind {
  open(store: TreeStore, hashing: Hashing): IndexTree;
}

/** Of records whose vectors `vectorOf` makes of their values; any value must make one. */
export const indexTree = (
  parameters: MhnswParameters,
  vectorOf: VectorOf = leadingVector(parameters.dimension),
): IndexTreeKind => ({
  name: "mhnsw",
  open: (store, hashing) => new MhnswTree(store, { hashing, parameters, vectorOf }),
  verifyPresent: (hashing, root, entry, proof) =>
    verifyThere(hashing, parameters, vectorOf, root, entry, proof),
  verifyAbsent: (hashing, root, key, proof) => verifyMissing(hashing, parameters, root, key, proof),
});
