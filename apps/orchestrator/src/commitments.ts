/**
 * The order of proposals: a number for each commitment, and the newest checkpoint of the receipt
 * log. What is kept is (order, session, sequence, length, commitment), never a byte of content.
 *
 * Invariant: no number is given twice, whatever crashes: numbers are reserved on disk in blocks
 * before the first of a block is used.
 */
import { type Files, OperationError, type Random } from "@ioi/base";
import { openWal, type Wal } from "@ioi/storage";
import { schema } from "@ioi/wire";
import { commitmentsMax, orderReserve } from "./limits.ts";

const logPath = "commitments.log";
const reserveRecord = 1;
const commitmentRecord = 2;
const anchorRecord = 3;

const reserve = schema.record({ upTo: schema.u64 });
const numbered = schema.record({
  order: schema.u64,
  session: schema.text(64),
  sequence: schema.u64,
  length: schema.int(),
  commitment: schema.bytes(32),
});
const anchor = schema.record({
  size: schema.u64,
  root: schema.bytes(32),
  note: schema.bytes(undefined, 16_384),
});

export interface Numbered {
  readonly session: string;
  readonly sequence: bigint;
  readonly length: number;
  readonly commitment: Uint8Array;
}

export interface Checkpoint {
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly note: Uint8Array;
}

export class Commitments {
  #wal: Wal;
  readonly #reopen: () => Promise<Wal>;
  #next: bigint;
  #reserved: bigint;
  newest: Checkpoint | undefined;

  private constructor(wal: Wal, reopen: () => Promise<Wal>, next: bigint, newest?: Checkpoint) {
    this.#wal = wal;
    this.#reopen = reopen;
    this.#next = next;
    this.#reserved = next - 1n;
    this.newest = newest;
  }

  static async open(files: Files, random: Random): Promise<Commitments> {
    const open = (): Promise<Wal> =>
      openWal({
        files,
        random,
        path: logPath,
        repairHint: "remove orchestrator/commitments.log: numbers restart, receipts are untouched",
      });
    const wal = await open();
    let last = 0n;
    let newest: Checkpoint | undefined;
    for await (const record of wal.read(0)) {
      if (record.type === reserveRecord) {
        const decoded = schema.decode(reserve, record.payload);
        if (decoded.ok && decoded.value.upTo > last) last = decoded.value.upTo;
      } else if (record.type === anchorRecord) {
        const decoded = schema.decode(anchor, record.payload);
        if (decoded.ok) newest = decoded.value;
      }
    }
    const restart = async (): Promise<Wal> => {
      await files.remove(logPath);
      return await open();
    };
    return new Commitments(wal, restart, last + 1n, newest);
  }

  /** The number of a commitment. Its reservation is durable; the record itself follows. */
  async number(notice: Numbered): Promise<bigint> {
    const order = this.#next++;
    if (order > this.#reserved) {
      this.#reserved = order + BigInt(orderReserve);
      await this.#wal.appendDurable(
        reserveRecord,
        schema.encode(reserve, { upTo: this.#reserved }),
      );
    }
    await this.#wal.append(
      commitmentRecord,
      schema.encode(numbered, {
        order,
        session: notice.session.slice(0, 64),
        sequence: notice.sequence,
        length: notice.length,
        commitment: notice.commitment,
      }),
    );
    if (this.#wal.records > commitmentsMax) await this.#startAnew();
    return order;
  }

  /** A checkpoint must extend the one before it. */
  async anchor(checkpoint: Checkpoint): Promise<void> {
    if (this.newest !== undefined && checkpoint.size < this.newest.size) {
      throw new OperationError("E_CHECKPOINT_INVALID", "a checkpoint is older than the last one");
    }
    this.newest = checkpoint;
    await this.#wal.append(anchorRecord, schema.encode(anchor, checkpoint));
  }

  async close(): Promise<void> {
    await this.#wal.close();
  }

  /** The log is bounded: only the reservation and the newest checkpoint live on. */
  async #startAnew(): Promise<void> {
    await this.#wal.close();
    this.#wal = await this.#reopen();
    await this.#wal.appendDurable(reserveRecord, schema.encode(reserve, { upTo: this.#reserved }));
    if (this.newest !== undefined) {
      await this.#wal.append(anchorRecord, schema.encode(anchor, this.newest));
    }
  }
}
