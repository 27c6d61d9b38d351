/**
 * The evidence window of a validator (R8 of specs/consensus): every envelope that was seen, on disk, so that
 * an offence is found against what was seen before a restart, or before memory forgot it.
 *
 * Files `seen-<number>-<ms>-<epoch>-<view>.log`, each a write-ahead log of envelopes; the name says when it
 * began, and where the chain stood. A file goes once the one after it began before the window of
 * `evidenceWindowMs` and two epochs ago, so that everything is kept for a day and for a whole epoch.
 * When `bytesMax` is reached the oldest file goes all the same: `isShort` says so, and the log does, once
 * a file. A damaged file is passed over; it costs the evidence in it, and not the node.
 *
 * Invariant: what is kept is never believed; whoever reads it checks it. Bounds: `bytesMax` and one file,
 * `recallMax` envelopes an answer, `keptMax` at a start.
 */
import { type Files, type Log, OperationError, type Random, toHex } from "@ioi/base";
import { isBeside } from "@ioi/consensus";
import { openWal, type Wal } from "@ioi/storage";
import { envelope as envelopeSchema, type Envelope, schema } from "@ioi/wire";
import {
  evidenceBytesMax,
  evidenceFileBytesMax,
  evidenceKeptMax,
  evidencePerGuardian,
  evidenceRecallMax,
  evidenceViewsApart,
  evidenceWindowMs,
} from "./limits.ts";

export const evidenceFolder = "evidence";
const envelopeRecord = 1;
const repairHint = "move the file away: the evidence in it is lost, and nothing else";

export interface EvidenceLogOptions {
  readonly files: Files;
  readonly random: Random;
  readonly log: Log;
  readonly bytesMax?: number;
  readonly fileBytesMax?: number;
}

/** Of one file. */
interface Seen {
  readonly number: number;
  readonly fromMs: number;
  readonly epoch: bigint;
  /** Highest that was seen before it. */
  readonly view: bigint;
  size: number;
}

interface Writing {
  readonly file: Seen;
  readonly wal: Wal;
}

const nameOf = ({ number, fromMs, epoch, view }: Omit<Seen, "size">): string => {
  const parts = [`${number}`.padStart(10, "0"), `${fromMs}`, `${epoch}`, `${view}`];
  return `seen-${parts.join("-")}.log`;
};

const parsed = (name: string): Omit<Seen, "size"> | undefined => {
  const match = /^seen-(\d{10})-(\d{1,15})-(\d{1,20})-(\d{1,20})\.log$/.exec(name);
  if (match === null) return undefined;
  const [, number, fromMs, epoch = "", view = ""] = match;
  return {
    number: Number(number),
    fromMs: Number(fromMs),
    epoch: BigInt(epoch),
    view: BigInt(view),
  };
};

const isDamage = (error: unknown): error is OperationError =>
  error instanceof OperationError && ["E_WAL_CORRUPT", "E_WAL_FOREIGN"].includes(error.code);

export class EvidenceLog {
  readonly #options: EvidenceLogOptions;
  readonly #bytesMax: number;
  readonly #fileBytesMax: number;
  /** Oldest first; the last one is written. */
  readonly #seen: Seen[];
  #wal: Wal | undefined;
  #isShort = false;
  #epoch = 0n;
  #view = 0n;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: EvidenceLogOptions, seen: Seen[]) {
    this.#options = options;
    this.#bytesMax = options.bytesMax ?? evidenceBytesMax;
    this.#fileBytesMax = options.fileBytesMax ?? evidenceFileBytesMax;
    this.#seen = seen;
  }

  static async open(options: EvidenceLogOptions): Promise<EvidenceLog> {
    const { files } = options;
    if ((await files.stat(evidenceFolder)) === undefined) {
      await files.makeDirectory(evidenceFolder, 0o700);
      await files.syncDirectory("");
    }
    const seen: Seen[] = [];
    for (const name of await files.list(evidenceFolder)) {
      const found = parsed(name);
      const info = found && (await files.stat(`${evidenceFolder}/${name}`));
      if (found !== undefined && info?.kind === "file") seen.push({ ...found, size: info.size });
    }
    return new EvidenceLog(
      options,
      seen.sort((a, b) => a.number - b.number),
    );
  }

  /** From when on everything that was seen is here. */
  get sinceMs(): number | undefined {
    return this.#seen[0]?.fromMs;
  }

  /** Something went before its time, because there was no room. */
  get isShort(): boolean {
    return this.#isShort;
  }

  get bytes(): number {
    return this.#seen.reduce((sum, { size }) => sum + size, 0);
  }

  /** In the file when it returns; durable with what the disk syncs next. */
  async keep(envelope: Envelope, nowMs: number): Promise<void> {
    await this.#inTurn(async () => {
      const { number } = envelope.epoch;
      if (number > this.#epoch) [this.#epoch, this.#view] = [number, 0n];
      const last = this.#seen.at(-1);
      const isFull = last === undefined || last.size >= this.#fileBytesMax;
      const { file, wal } =
        (isFull ? undefined : await this.#goOn(last)) ?? (await this.#begin(nowMs));
      const bytes = schema.encode(envelopeSchema, envelope);
      try {
        await wal.append(envelopeRecord, bytes);
      } catch (error) {
        // Nobody knows what is in it now: it is recovered by opening it again.
        this.#wal = undefined;
        throw error;
      }
      file.size += bytes.length;
      const isLater = number === this.#epoch && envelope.kind !== "freeze";
      if (isLater && envelope.view > this.#view) this.#view = envelope.view;
    });
  }

  /** At a start: the newest of each Guardian in an epoch, oldest first. */
  async newest(epoch: bigint): Promise<readonly Envelope[]> {
    return await this.#inTurn(async () => await this.#newest(epoch));
  }

  /** Of its Guardian and epoch: what has its slot, its counter, or a counter beside it. */
  async near(envelope: Envelope): Promise<readonly Envelope[]> {
    return await this.#inTurn(async () => await this.#near(envelope));
  }

  async #newest(epoch: bigint): Promise<readonly Envelope[]> {
    const counts = new Map<string, number>();
    const parts: Envelope[][] = [];
    let kept = 0;
    for (const [at, file] of [...this.#seen.entries()].reverse()) {
      if (kept >= evidenceKeptMax || (this.#seen[at + 1]?.epoch ?? epoch) < epoch) break;
      const part: Envelope[] = [];
      for (const envelope of (await this.#read(file)).reverse()) {
        const gid = toHex(envelope.gid);
        const count = counts.get(gid) ?? 0;
        if (envelope.epoch.number !== epoch || count >= evidencePerGuardian) continue;
        if (kept >= evidenceKeptMax) break;
        counts.set(gid, count + 1);
        part.push(envelope);
        kept += 1;
      }
      parts.push(part.reverse());
    }
    return parts.reverse().flat();
  }

  async #near(envelope: Envelope): Promise<readonly Envelope[]> {
    const { number } = envelope.epoch;
    const found: Envelope[] = [];
    for (const [at, file] of this.#seen.entries()) {
      const next = this.#seen[at + 1];
      const isBelow = next !== undefined && isBefore(next, number, envelope.view);
      const isAbove =
        file.epoch > number || (file.epoch === number && isLater(file, envelope.view));
      if (isBelow || isAbove) continue;
      for (const other of await this.#read(file)) {
        if (isBeside(envelope, other) && found.length < evidenceRecallMax) found.push(other);
      }
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#wal?.close();
      this.#wal = undefined;
    });
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run, run);
    this.#turn = turn.catch(() => undefined);
    return await turn;
  }

  /** Another file; those whose time is over, and those for which there is no room, go. */
  async #begin(nowMs: number): Promise<Writing> {
    await this.#wal?.close();
    this.#wal = undefined;
    while (await this.#dropOldest(nowMs));
    const number = (this.#seen.at(-1)?.number ?? 0) + 1;
    const file: Seen = { number, fromMs: nowMs, epoch: this.#epoch, view: this.#view, size: 0 };
    const wal = await this.#open(file);
    this.#wal = wal;
    this.#seen.push(file);
    return { file, wal };
  }

  /** The file of the life before; undefined where it is damaged. */
  async #goOn(file: Seen): Promise<Writing | undefined> {
    try {
      this.#wal ??= await this.#open(file);
      return { file, wal: this.#wal };
    } catch (error) {
      this.#damaged(file, error);
      return undefined;
    }
  }

  #damaged({ number }: Seen, error: unknown): void {
    if (!isDamage(error)) throw error;
    this.#options.log.log("warn", "evidence-damaged", { file: number, code: error.code });
  }

  async #dropOldest(nowMs: number): Promise<boolean> {
    const [oldest, next] = this.#seen;
    if (oldest === undefined) return false;
    const until = next ?? { fromMs: nowMs, epoch: this.#epoch };
    const isOver = until.fromMs + evidenceWindowMs < nowMs && until.epoch + 2n <= this.#epoch;
    const isFull = this.bytes + this.#fileBytesMax > this.#bytesMax;
    if (!isOver && !isFull) return false;
    await this.#options.files.remove(`${evidenceFolder}/${nameOf(oldest)}`);
    this.#seen.shift();
    if (isOver) return true;
    this.#isShort = true;
    this.#options.log.log("warn", "evidence-short", { sinceMs: until.fromMs, bytes: this.bytes });
    return true;
  }

  async #open(file: Seen): Promise<Wal> {
    const { files, random } = this.#options;
    return await openWal({ files, random, path: `${evidenceFolder}/${nameOf(file)}`, repairHint });
  }

  async #read(file: Seen): Promise<Envelope[]> {
    const isCurrent = file === this.#seen.at(-1) && this.#wal !== undefined;
    const found: Envelope[] = [];
    let wal: Wal | undefined;
    try {
      wal = isCurrent ? this.#wal : await this.#open(file);
      for await (const { type, payload } of wal?.read(0) ?? []) {
        const decoded = type === envelopeRecord && schema.decode(envelopeSchema, payload);
        if (decoded !== false && decoded.ok) found.push(decoded.value);
      }
    } catch (error) {
      this.#damaged(file, error);
    } finally {
      if (!isCurrent) await wal?.close();
    }
    return found;
  }
}

/** The file began long before anything of the view was said. */
const isBefore = ({ epoch, view }: Seen, number: bigint, at: bigint): boolean =>
  epoch < number || (epoch === number && view + evidenceViewsApart < at);

const isLater = ({ view }: Seen, at: bigint): boolean => view > at + evidenceViewsApart;
