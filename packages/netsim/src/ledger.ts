/**
 * The application of a simulated host: transfers between accounts, changes of the set of validators,
 * batches of both, and state roots.
 *
 * It runs ahead: a block is executed in an overlay before it is voted for, and undone where another one
 * is committed. Accounts stand in pages; the root is a hash over the pages' hashes and the registry's, so a
 * page can be fetched and held against it. Invariant: what is executed up to `height` is exactly what was
 * committed, in its order, or stands in a snapshot whose root a committed header names.
 * Bounds: `batchesMax` batches, `waitingTransactionsMax` transactions that wait.
 */
import { assert, concatBytes, Lru, type SeededRandom, toHex, uintBE } from "@ioi/base";
import type { TrustedSets } from "@ioi/consensus";
import type { Hashing } from "@ioi/crypto";
import { type ConsensusBlock, schema } from "@ioi/wire";
import {
  batchesMax,
  batchTransactionsMax,
  changesMax,
  snapshotBlocks,
  waitingTransactionsMax,
} from "./limits.ts";
import { type Registry, type SetChange, setChange } from "./registry.ts";

/** Moves `amount` between two of 256 accounts; one that would leave less than nothing is skipped. */
export interface Transfer {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

export const drawnTransfer = (random: SeededRandom, number: number): Transfer => {
  const [from, to] = [random.below(256), random.below(256)];
  return { number, from, to, amount: random.below(400) };
};

export interface Batch {
  readonly changes: readonly SetChange[];
  readonly transfers: readonly Transfer[];
}

const transferBytes = 8;
const beginning = 1000;
const accountsInAll = 256;
export const accountsOfPage = 16;
export const pagesOfState = accountsInAll / accountsOfPage;

const encodeTransfer = ({ number, from, to, amount }: Transfer): Uint8Array =>
  concatBytes(uintBE(number, 4), new Uint8Array([from, to]), uintBE(amount, 2));

/** The number of changes, each with its length, and transfers up to the end. */
export const encodeBatch = ({ changes, transfers }: Batch): Uint8Array => {
  const encoded = changes.map((change) => schema.encode(setChange, change));
  return concatBytes(
    Uint8Array.of(changes.length),
    ...encoded.flatMap((bytes) => [uintBE(bytes.length, 2), bytes]),
    ...transfers.map(encodeTransfer),
  );
};

/** Undefined: no vote for whoever proposes it. */
export const decodeBatch = (bytes: Uint8Array): Batch | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = bytes[0] ?? changesMax + 1;
  if (count > changesMax) return undefined;
  const changes: SetChange[] = [];
  let at = 1;
  for (let i = 0; i < count; i++) {
    if (at + 2 > bytes.length) return undefined;
    const end = at + 2 + view.getUint16(at);
    if (end > bytes.length) return undefined;
    const change = schema.decode(setChange, bytes.subarray(at + 2, end));
    if (!change.ok) return undefined;
    changes.push(change.value);
    at = end;
  }
  const transfers = (bytes.length - at) / transferBytes;
  if (!Number.isInteger(transfers) || transfers > batchTransactionsMax) return undefined;
  if (transfers + count === 0) return undefined;
  return {
    changes,
    transfers: Array.from({ length: transfers }, (_, i) => transferAt(view, at, i)),
  };
};

const transferAt = (view: DataView, start: number, index: number): Transfer => {
  const at = start + index * transferBytes;
  return {
    number: view.getUint32(at),
    from: view.getUint8(at + 4),
    to: view.getUint8(at + 5),
    amount: view.getUint16(at + 6),
  };
};

interface Executed {
  readonly digest: string;
  readonly root: Uint8Array;
  readonly registry: Registry;
  /** What the accounts held before, and the hashes of their pages. */
  readonly undo: readonly (readonly [account: number, held: number])[];
  readonly pages: readonly Uint8Array[];
}

/** The state after a block, as it is given to whoever takes it over. */
export interface State {
  readonly height: bigint;
  readonly root: Uint8Array;
  readonly accounts: Uint32Array;
  readonly registry: Registry;
}

const noTransactions: Batch = { changes: [], transfers: [] };

export const pageBytes = (accounts: Uint32Array, page: number): Uint8Array => {
  const bytes = new Uint8Array(4 * accountsOfPage);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < accountsOfPage; i++) {
    view.setUint32(4 * i, accounts[page * accountsOfPage + i] ?? 0);
  }
  return bytes;
};

/** Over the hashes of all pages and of the registry. */
export const stateRootOf = (
  hashing: Hashing,
  pages: readonly Uint8Array[],
  registryHash: Uint8Array,
): Uint8Array => hashing.sha256(concatBytes(...pages, registryHash));

export class Ledger {
  readonly #hashing: Hashing;
  readonly #sets: () => TrustedSets;
  #accounts = new Uint32Array(accountsInAll).fill(beginning);
  #pages: Uint8Array[];
  readonly #batches = new Lru<string, Uint8Array>(batchesMax);
  readonly #decoded = new WeakMap<Uint8Array, Batch>();
  readonly #waiting = new Map<number, Transfer>();
  readonly #changes = new Map<string, SetChange>();
  /** What it began with: before the first block, or in a snapshot. */
  #base: { readonly height: number; readonly root: Uint8Array; readonly registry: Registry };
  /** Those above the base; above `height` they are the overlay. */
  readonly #executed: Executed[] = [];
  readonly #kept: State[] = [];
  #height = 0;
  #undone = 0;

  constructor(hashing: Hashing, registry: Registry, sets: () => TrustedSets) {
    this.#hashing = hashing;
    this.#sets = sets;
    this.#pages = Array.from({ length: pagesOfState }, (_, page) => this.#pageHash(page));
    this.#base = { height: 0, root: stateRootOf(hashing, this.#pages, registry.hash), registry };
  }

  get height(): number {
    return this.#height;
  }

  get waits(): boolean {
    return this.#waiting.size + this.#changes.size > 0;
  }

  /** Blocks that were executed ahead, and undone. */
  get undone(): number {
    return this.#undone;
  }

  /** States that it can give away, the newest last. */
  get kept(): readonly State[] {
    return this.#kept;
  }

  submit(transfer: Transfer): void {
    if (this.#waiting.size < waitingTransactionsMax) this.#waiting.set(transfer.number, transfer);
  }

  change(change: SetChange): void {
    if (this.#changes.size < waitingTransactionsMax) this.#changes.set(this.#keyOf(change), change);
  }

  /** What it would propose; undefined: nothing waits. */
  batch(): Uint8Array | undefined {
    if (!this.waits) return undefined;
    return encodeBatch({
      changes: [...this.#changes.values().take(changesMax)],
      transfers: [...this.#waiting.values().take(batchTransactionsMax)],
    });
  }

  hold(bytes: Uint8Array): Uint8Array {
    const root = this.#hashing.sha256(bytes);
    this.#batches.set(toHex(root), bytes);
    return root;
  }

  holds(payloadRoot: Uint8Array): Uint8Array | undefined {
    return this.#batches.get(toHex(payloadRoot));
  }

  /** After the block at that height; undefined where it was not executed here, or not yet. */
  rootAt(height: bigint): Uint8Array | undefined {
    return this.#at(height)?.root;
  }

  registryAt(height: bigint): Registry | undefined {
    return this.#at(height)?.registry;
  }

  executedAt(height: number): string | undefined {
    return this.#executed[height - this.#base.height - 1]?.digest;
  }

  /** Ahead of its commit, where it extends what was executed last. */
  runAhead(block: ConsensusBlock, digest: string): void {
    const { header } = block;
    const parent = this.#executed.at(-1)?.digest;
    const next = this.#base.height + this.#executed.length + 1;
    const isNext = header.height === BigInt(next);
    if (!isNext || (parent !== undefined && parent !== toHex(header.parent))) return;
    this.#execute(header.payloadRoot, digest);
  }

  commit(block: ConsensusBlock, digest: string): void {
    const { header } = block;
    assert(header.height === BigInt(this.#height + 1), "nothing is left out");
    const above = this.#height - this.#base.height;
    if (this.#executed[above]?.digest !== digest) {
      while (this.#executed.length > above) this.#undo();
      this.#execute(header.payloadRoot, digest);
    }
    this.#height += 1;
    const { changes, transfers } = this.#batchOf(header.payloadRoot);
    for (const { number } of transfers) this.#waiting.delete(number);
    for (const change of changes) this.#changes.delete(this.#keyOf(change));
    if (this.#height % snapshotBlocks === 0) this.#keep();
  }

  /** After a crash: nothing is left of what ran ahead. */
  restart(): void {
    while (this.#executed.length > this.#height - this.#base.height) this.#undo();
  }

  /** A state that was held against its root takes the place of this one. */
  take({ height, root, accounts, registry }: State): void {
    assert(height > BigInt(this.#height), "it is newer");
    this.#executed.length = 0;
    this.#accounts = accounts.slice();
    this.#pages = this.#pages.map((_, page) => this.#pageHash(page));
    this.#height = Number(height);
    this.#base = { height: this.#height, root, registry };
  }

  #at(height: bigint): { readonly root: Uint8Array; readonly registry: Registry } | undefined {
    const above = Number(height) - this.#base.height;
    return above === 0 ? this.#base : this.#executed[above - 1];
  }

  #keep(): void {
    const height = BigInt(this.#height);
    const at = this.#at(height);
    assert(at !== undefined, "it was executed");
    const accounts = this.#accounts.slice();
    const ahead = this.#executed.slice(this.#height - this.#base.height).toReversed();
    for (const { undo } of ahead) {
      for (const [account, held] of undo.toReversed()) accounts[account] = held;
    }
    this.#kept.push({ height, accounts, root: at.root, registry: at.registry });
    if (this.#kept.length > 2) this.#kept.shift();
  }

  #keyOf(change: SetChange): string {
    return toHex(this.#hashing.sha256(schema.encode(setChange, change)));
  }

  #batchOf(payloadRoot: Uint8Array): Batch {
    const bytes = this.holds(payloadRoot);
    if (bytes === undefined) return noTransactions;
    const batch = this.#decoded.get(bytes) ?? decodeBatch(bytes) ?? noTransactions;
    this.#decoded.set(bytes, batch);
    return batch;
  }

  #pageHash(page: number): Uint8Array {
    return this.#hashing.sha256(pageBytes(this.#accounts, page));
  }

  #execute(payloadRoot: Uint8Array, digest: string): void {
    const undo: (readonly [number, number])[] = [];
    const { changes, transfers } = this.#batchOf(payloadRoot);
    const accounts = this.#accounts;
    for (const { from, to, amount } of transfers) {
      const held = accounts[from] ?? 0;
      if (held < amount || from === to) continue;
      undo.push([from, held], [to, accounts[to] ?? 0]);
      accounts[from] = held - amount;
      accounts[to] = (accounts[to] ?? 0) + amount;
    }
    const before = this.#executed.at(-1) ?? this.#base;
    const sets = changes.length === 0 ? undefined : this.#sets();
    const registry =
      sets === undefined
        ? before.registry
        : changes.reduce((each, change) => each.after(change, sets), before.registry);
    const pages = this.#pages;
    const dirty = new Set(undo.map(([account]) => Math.floor(account / accountsOfPage)));
    if (dirty.size > 0)
      this.#pages = pages.map((hash, i) => (dirty.has(i) ? this.#pageHash(i) : hash));
    const isSame = dirty.size === 0 && registry === before.registry;
    const root = isSame ? before.root : stateRootOf(this.#hashing, this.#pages, registry.hash);
    this.#executed.push({ digest, root, registry, undo, pages });
  }

  #undo(): void {
    const last = this.#executed.pop();
    assert(last !== undefined, "something was executed");
    for (const [account, held] of last.undo.toReversed()) this.#accounts[account] = held;
    this.#pages = [...last.pages];
    this.#undone += 1;
  }
}
