/**
 * The order of proposals: a number for each commitment. What is kept is (order, session, sequence,
 * length, commitment), never a byte of content.
 *
 * Invariant: no number is given twice, whatever crashes: numbers are reserved on disk in blocks
 * before the first of a block is used, and a log that starts anew is put in its place whole.
 */
import { type Files, OperationError, type Random } from "@ioi/base";
import { openWal, type Wal } from "@ioi/storage";
import { schema } from "@ioi/wire";
import { commitmentsMax, orderReserve } from "./limits.ts";

const logPath = "commitments.log";
/** The log that is to take the place of a full one. */
const nextPath = "commitments.next";
const reserveRecord = 1;
const commitmentRecord = 2;
// Type 3 was a checkpoint of the receipt log; the chain keeps those.

/** More than are given while a clock advances by as much. */
const numbersPerMs = 1000n;

const reserve = schema.record({ upTo: schema.u64 });
const numbered = schema.record({
  order: schema.u64,
  session: schema.text(64),
  sequence: schema.u64,
  length: schema.int(),
  commitment: schema.bytes(32),
});
export interface Numbered {
  readonly session: string;
  readonly sequence: bigint;
  readonly length: number;
  readonly commitment: Uint8Array;
}

const repairHint =
  "remove orchestrator/commitments.log: numbers go on above every earlier one, receipts are untouched";

export class Commitments {
  readonly #files: Files;
  readonly #random: Random;
  readonly #recordsMax: number;
  #wal: Wal;
  #next: bigint;
  #reserved: bigint;
  /** One change at a time: nothing may be appended while the log starts anew. */
  #busy: Promise<unknown> = Promise.resolve();

  private constructor(files: Files, random: Random, recordsMax: number, wal: Wal, last: bigint) {
    this.#files = files;
    this.#random = random;
    this.#recordsMax = recordsMax;
    this.#wal = wal;
    this.#next = last + 1n;
    this.#reserved = last;
  }

  /**
   * `nowMs` is the wall clock's time. Where blocks are and no log is, somebody removed it: numbers
   * begin then above all that were ever given, since the Guardian takes none twice.
   */
  static async open(
    files: Files,
    random: Random,
    nowMs: number,
    recordsMax: number = commitmentsMax,
  ): Promise<Commitments> {
    const removed =
      (await files.stat(logPath)) === undefined && (await files.stat("chain")) !== undefined;
    if ((await files.stat(nextPath)) !== undefined) await files.remove(nextPath);
    const wal = await openWal({ files, random, path: logPath, repairHint });
    let last = removed ? BigInt(Math.floor(nowMs)) * numbersPerMs : 0n;
    for await (const record of wal.read(0)) {
      if (record.type === reserveRecord) {
        const decoded = schema.decode(reserve, record.payload);
        if (decoded.ok && decoded.value.upTo > last) last = decoded.value.upTo;
      }
    }
    return new Commitments(files, random, recordsMax, wal, last);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#busy.then(work);
    this.#busy = turn.catch(() => undefined);
    return await turn;
  }

  /** The number of a commitment. Its reservation is durable; the record itself follows. */
  async number(notice: Numbered): Promise<bigint> {
    if (notice.commitment.length !== 32) {
      throw new OperationError("E_RPC_MALFORMED", "a commitment is 32 bytes");
    }
    return await this.#inTurn(async () => {
      if (this.#wal.records >= this.#recordsMax) await this.#startAnew();
      const order = this.#next;
      if (order > this.#reserved) {
        const upTo = order + BigInt(orderReserve);
        await this.#wal.appendDurable(reserveRecord, schema.encode(reserve, { upTo }));
        this.#reserved = upTo;
      }
      this.#next += 1n;
      await this.#wal.append(
        commitmentRecord,
        schema.encode(numbered, {
          order,
          session: notice.session.slice(0, 64).toWellFormed(),
          sequence: notice.sequence,
          length: notice.length,
          commitment: notice.commitment,
        }),
      );
      return order;
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#wal.close());
  }

  /**
   * The log is bounded: only the reservation lives on. It is durable in the next log before that
   * takes the name of this one, so that a crash finds either.
   */
  async #startAnew(): Promise<void> {
    const files = this.#files;
    if ((await files.stat(nextPath)) !== undefined) await files.remove(nextPath);
    const next = await openWal({ files, random: this.#random, path: nextPath, repairHint });
    try {
      const upTo = this.#reserved;
      await next.appendDurable(reserveRecord, schema.encode(reserve, { upTo }));
    } finally {
      await next.close();
    }
    await this.#wal.close();
    await files.rename(nextPath, logPath);
    await files.syncDirectory("");
    this.#wal = await openWal({ files, random: this.#random, path: logPath, repairHint });
  }
}
