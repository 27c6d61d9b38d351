/**
 * The receipt log: leaves in a write-ahead log, their RFC 9162 tree, and signed checkpoints.
 *
 * `receipts.log` holds records of type 1 (a canonical leaf each), `checkpoints.log` records of type
 * 2 (the text of a C2SP signed note). Leaf i of the tree is record i.
 * Invariants: an index is returned only when its leaf is durable (unless the log is volatile, which
 * is said in every status); the order of indices is the order of the calls; a checkpoint covers
 * durable leaves only; a log that its own newest checkpoint does not fit is not opened, since
 * counters would repeat.
 */
import {
  assert,
  equalBytes,
  type Files,
  OperationError,
  type Random,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import {
  type CryptoProvider,
  leafHash,
  MerkleTree,
  parseCheckpoint,
  type PrivateKey,
  signCheckpoint,
} from "@ioi/crypto";
import { openWal, type Wal } from "@ioi/storage";
import { type Leaf, leaf as leafSchema, schema } from "@ioi/wire";

export const leafRecord = 1;
export const checkpointRecord = 2;
export const receiptsPath = "receipts.log";
export const checkpointsPath = "checkpoints.log";

export interface LoggedLeaf {
  readonly index: number;
  readonly hash: Uint8Array;
}

export interface SignedCheckpoint {
  readonly note: string;
  readonly size: number;
  readonly root: Uint8Array;
}

export interface ReceiptLogOptions {
  readonly files: Files;
  readonly random: Random;
  readonly provider: CryptoProvider;
  readonly identity: PrivateKey<"ml-dsa-65">;
  readonly origin: string;
  /** False only for measurements: INTENT leaves are then not synced before the ticket leaves. */
  readonly durable: boolean;
}

const decodeLeaf = (payload: Uint8Array, index: number): Leaf => {
  const decoded = schema.decode(leafSchema, payload);
  if (decoded.ok) return decoded.value;
  throw new OperationError("E_RECEIPTS_CORRUPT", `record ${index}: ${decoded.error.message}`);
};

export class ReceiptLog {
  readonly #options: ReceiptLogOptions;
  readonly #leaves: Wal;
  readonly #checkpoints: Wal;
  readonly #tree: MerkleTree;
  #checkpointed = 0;

  private constructor(options: ReceiptLogOptions, leaves: Wal, checkpoints: Wal) {
    this.#options = options;
    this.#leaves = leaves;
    this.#checkpoints = checkpoints;
    this.#tree = new MerkleTree(options.provider);
  }

  /** Opens the log and hands every leaf to `visit`, oldest first. */
  static async open(
    options: ReceiptLogOptions,
    visit: (leaf: Leaf, index: number) => void,
  ): Promise<ReceiptLog> {
    const { files, random } = options;
    const repairHint = "./ioi receipts verify names the record; restore guardian/ from a backup";
    const leaves = await openWal({ files, random, path: receiptsPath, repairHint });
    const checkpoints = await openWal({ files, random, path: checkpointsPath, repairHint });
    const log = new ReceiptLog(options, leaves, checkpoints);
    for await (const record of leaves.read(0)) {
      if (record.type !== leafRecord) {
        throw new OperationError("E_RECEIPTS_CORRUPT", `record ${record.sequence} is no leaf`);
      }
      const leaf = decodeLeaf(record.payload, record.sequence);
      log.#tree.append(leafHash(options.provider, record.payload));
      visit(leaf, record.sequence);
    }
    await log.#checkNewest();
    return log;
  }

  /** What was signed last is still there. */
  async #checkNewest(): Promise<void> {
    const last = this.#checkpoints.records - 1;
    if (last < 0) return;
    const bad = (why: string): OperationError =>
      new OperationError("E_RECEIPTS_CORRUPT", `checkpoint ${last} ${why}`);
    for await (const record of this.#checkpoints.read(last)) {
      const parsed = parseCheckpoint(utf8Decode(record.payload) ?? "");
      if (record.type !== checkpointRecord || !parsed.ok) throw bad("is no signed note");
      const { size, root } = parsed.value.checkpoint;
      if (size > this.#tree.size) {
        throw bad(`covers ${size} leaves, the log has ${this.#tree.size}`);
      }
      if (!equalBytes(this.#tree.root(size), root)) throw bad("was signed over other leaves");
    }
  }

  get size(): number {
    return this.#tree.size;
  }

  get cutBytes(): number {
    return this.#leaves.recovery.cutBytes;
  }

  get durable(): boolean {
    return this.#options.durable;
  }

  /** Durable before it resolves. */
  async append(leaf: Leaf): Promise<LoggedLeaf> {
    return await this.#append(leaf, this.#options.durable);
  }

  /** In the file when it resolves, durable with the next durable append or flush. */
  async appendSoon(leaf: Leaf): Promise<LoggedLeaf> {
    return await this.#append(leaf, false);
  }

  async flush(): Promise<void> {
    await this.#leaves.flush();
  }

  async #append(leaf: Leaf, durable: boolean): Promise<LoggedLeaf> {
    const payload = schema.encode(leafSchema, leaf);
    // A leaf beyond the bounds of its schema could be written, but never read again.
    assert(schema.decode(leafSchema, payload).ok, `a ${leaf.type} leaf beyond its bounds`);
    const hash = leafHash(this.#options.provider, payload);
    const written = durable
      ? this.#leaves.appendDurable(leafRecord, payload)
      : this.#leaves.append(leafRecord, payload);
    const { sequence } = await written;
    // Appends resolve in order, so the tree grows in the order of the file.
    const index = this.#tree.append(hash);
    if (index !== sequence) {
      throw new OperationError("E_RECEIPTS_CORRUPT", `leaf ${index} became record ${sequence}`);
    }
    return { index, hash };
  }

  /** That the log of `second` leaves extends that of `first`: RFC 9162. */
  consistency(first: number, second: number): readonly Uint8Array[] {
    if (first > second || second > this.#tree.size) {
      throw new OperationError("E_RPC_MALFORMED", `no sizes ${first} and ${second} of this log`);
    }
    return first === 0 ? [] : this.#tree.consistencyProof(first, second);
  }

  /** Leaves since the last checkpoint of this process. */
  get uncheckpointed(): number {
    return this.#tree.size - this.#checkpointed;
  }

  /** Everything so far durable, then a signed note over it, durable too. */
  async checkpoint(): Promise<SignedCheckpoint> {
    // Taken first: what is appended while the flush runs may not be durable when it ends.
    const size = this.#tree.size;
    await this.#leaves.flush();
    const root = this.#tree.root(size);
    const note = signCheckpoint(this.#options.provider, this.#options.identity, {
      origin: this.#options.origin,
      size,
      root,
      extensions: [],
    });
    await this.#checkpoints.appendDurable(checkpointRecord, utf8Encode(note));
    this.#checkpointed = size;
    return { note, size, root };
  }

  async *read(
    from: number,
  ): AsyncGenerator<{ index: number; hash: Uint8Array; leaf: Leaf; encoded: Uint8Array }> {
    for await (const record of this.#leaves.read(from)) {
      yield {
        index: record.sequence,
        hash: this.#tree.leaf(record.sequence),
        leaf: decodeLeaf(record.payload, record.sequence),
        encoded: record.payload,
      };
    }
  }

  async close(): Promise<void> {
    await this.#leaves.close();
    await this.#checkpoints.close();
  }
}
