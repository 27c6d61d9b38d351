/**
 * The application of a simulated host: transfers between accounts, batches of them, and state roots.
 *
 * It runs ahead: a block is executed in an overlay before it is voted for, and undone where another one
 * is committed. Invariant: what is executed below `height` is exactly what was committed, in its order.
 * Bounds: `batchesMax` batches, `waitingTransactionsMax` transactions that wait.
 */
import { assert, concatBytes, Lru, toHex, uintBE } from "@ioi/base";
import { zeroHash } from "@ioi/consensus";
import type { Hashing } from "@ioi/crypto";
import type { ConsensusBlock } from "@ioi/wire";
import { batchesMax, batchTransactionsMax, waitingTransactionsMax } from "./limits.ts";

/** Moves `amount` between two of 256 accounts; one that would leave less than nothing is skipped. */
export interface Transfer {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

const transferBytes = 8;
const beginning = 1000;

const encodeTransfer = ({ number, from, to, amount }: Transfer): Uint8Array =>
  concatBytes(uintBE(number, 4), new Uint8Array([from, to]), uintBE(amount, 2));

export const encodeBatch = (transfers: readonly Transfer[]): Uint8Array =>
  concatBytes(...transfers.map(encodeTransfer));

/** Undefined: no vote for whoever proposes it. */
export const decodeBatch = (bytes: Uint8Array): readonly Transfer[] | undefined => {
  const count = bytes.length / transferBytes;
  if (!Number.isInteger(count) || count === 0 || count > batchTransactionsMax) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: count }, (_, i) => {
    const at = i * transferBytes;
    const number = view.getUint32(at);
    return {
      number,
      from: view.getUint8(at + 4),
      to: view.getUint8(at + 5),
      amount: view.getUint16(at + 6),
    };
  });
};

interface Executed {
  readonly digest: string;
  readonly root: Uint8Array;
  /** What the accounts held before. */
  readonly undo: readonly (readonly [account: number, held: number])[];
}

export class Ledger {
  readonly #hashing: Hashing;
  readonly #accounts = new Map<number, number>();
  readonly #batches = new Lru<string, Uint8Array>(batchesMax);
  readonly #waiting = new Map<number, Transfer>();
  /** Of height 1 and on; those above `height` are the overlay. */
  readonly #executed: Executed[] = [];
  #height = 0;
  #undone = 0;

  constructor(hashing: Hashing) {
    this.#hashing = hashing;
  }

  get height(): number {
    return this.#height;
  }

  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  /** Blocks that were executed ahead, and undone. */
  get undone(): number {
    return this.#undone;
  }

  submit(transfer: Transfer): void {
    if (this.#waiting.size < waitingTransactionsMax) this.#waiting.set(transfer.number, transfer);
  }

  /** What it would propose; undefined: nothing waits. */
  batch(): Uint8Array | undefined {
    if (this.#waiting.size === 0) return undefined;
    return encodeBatch([...this.#waiting.values().take(batchTransactionsMax)]);
  }

  hold(bytes: Uint8Array): Uint8Array {
    const root = this.#hashing.sha256(bytes);
    this.#batches.set(toHex(root), bytes);
    return root;
  }

  holds(payloadRoot: Uint8Array): Uint8Array | undefined {
    return this.#batches.get(toHex(payloadRoot));
  }

  /** After the block at that height; undefined where it was not executed yet. */
  rootAt(height: bigint): Uint8Array | undefined {
    return height === 0n ? zeroHash : this.#executed[Number(height) - 1]?.root;
  }

  executedAt(height: number): string | undefined {
    return this.#executed[height - 1]?.digest;
  }

  /** Ahead of its commit, where it extends what was executed last. */
  runAhead(block: ConsensusBlock, digest: string): void {
    const { header } = block;
    const parent = this.#executed.at(-1)?.digest;
    const isNext = header.height === BigInt(this.#executed.length + 1);
    if (!isNext || (parent !== undefined && parent !== toHex(header.parent))) return;
    this.#execute(header.payloadRoot, digest);
  }

  commit(block: ConsensusBlock, digest: string): void {
    const { header } = block;
    assert(header.height === BigInt(this.#height + 1), "nothing is left out");
    if (this.#executed[this.#height]?.digest !== digest) {
      while (this.#executed.length > this.#height) this.#undo();
      this.#execute(header.payloadRoot, digest);
    }
    this.#height += 1;
    const transfers = decodeBatch(this.holds(header.payloadRoot) ?? new Uint8Array()) ?? [];
    for (const { number } of transfers) this.#waiting.delete(number);
  }

  /** After a crash: nothing is left of what ran ahead. */
  restart(): void {
    while (this.#executed.length > this.#height) this.#undo();
  }

  #execute(payloadRoot: Uint8Array, digest: string): void {
    const undo: (readonly [number, number])[] = [];
    const bytes = this.holds(payloadRoot);
    for (const { from, to, amount } of decodeBatch(bytes ?? new Uint8Array()) ?? []) {
      const held = this.#accounts.get(from) ?? beginning;
      if (held < amount || from === to) continue;
      undo.push([from, held], [to, this.#accounts.get(to) ?? beginning]);
      this.#accounts.set(from, held - amount);
      this.#accounts.set(to, (this.#accounts.get(to) ?? beginning) + amount);
    }
    const changes = undo.map(([account]) => uintBE(this.#accounts.get(account) ?? beginning, 4));
    const before = this.#executed.at(-1)?.root ?? zeroHash;
    const root = this.#hashing.sha256(concatBytes(before, payloadRoot, ...changes));
    this.#executed.push({ digest, root, undo });
  }

  #undo(): void {
    const last = this.#executed.pop();
    assert(last !== undefined, "something was executed");
    for (const [account, held] of last.undo.toReversed()) this.#accounts.set(account, held);
    this.#undone += 1;
  }
}
