/**
 * Where a simulated host keeps what it persists: in memory, which forgets nothing, or in the write-ahead
 * log of production on a disk that loses what was not synced, at every point at which power can go.
 * Evidence (R8) goes beside it without a sync: of that a disk has what it happened to write.
 */
import { assert, InvariantError, type SeededRandom } from "@ioi/base";
import type { WalRecord } from "@ioi/consensus";
import { carelessFiles, SimFiles, SimStopped } from "@ioi/sim";
import { openWal, type Wal } from "@ioi/storage";
import {
  consensusBlock,
  type Envelope,
  envelope,
  quorumCert,
  schema,
  timeoutCert,
} from "@ioi/wire";
import { keptEnvelopesMax, startsMax } from "./limits.ts";
import { EvidenceWindow } from "./window.ts";

export interface Journal {
  /** True once it is durable; false where the machine stopped in it. Undefined: at once. */
  append(record: WalRecord): Promise<boolean> | undefined;
  /** R8: nothing waits for it to be durable. False where the machine stopped in it. */
  keep(envelope: Envelope): Promise<boolean> | undefined;
  /** What was kept. */
  readonly window: EvidenceWindow;
  /** Power goes. */
  crash(): void;
  /** What is there after a start. */
  recover(): Promise<readonly WalRecord[]> | readonly WalRecord[];
}

export class MemoryJournal implements Journal {
  readonly #records: WalRecord[] = [];
  readonly window = new EvidenceWindow();

  append(record: WalRecord): undefined {
    this.#records.push(record);
  }

  keep(envelope: Envelope): undefined {
    this.window.keep(envelope);
  }

  crash(): void {}

  recover(): readonly WalRecord[] {
    return this.#records;
  }
}

/** Files of evidence, by number. */
const seenName = "seen-";
const codecs = { block: consensusBlock, qc: quorumCert, tc: timeoutCert, envelope } as const;
const types = ["block", "qc", "tc", "envelope"] as const;

const encode = (record: WalRecord): Uint8Array => {
  switch (record.type) {
    case "block":
      return schema.encode(codecs.block, record.block);
    case "qc":
      return schema.encode(codecs.qc, record.qc);
    case "tc":
      return schema.encode(codecs.tc, record.tc);
    case "envelope":
      return schema.encode(codecs.envelope, record.envelope);
  }
};

const must = <T>(decoded: { readonly ok: true; readonly value: T } | { readonly ok: false }): T => {
  assert(decoded.ok, "a record of the log is what was written");
  return decoded.value;
};

const decode = (number: number, bytes: Uint8Array): WalRecord => {
  const type = types[number];
  assert(type !== undefined, `a record of type ${number}`);
  switch (type) {
    case "block":
      return { type, block: must(schema.decode(codecs.block, bytes)) };
    case "qc":
      return { type, qc: must(schema.decode(codecs.qc, bytes)) };
    case "tc":
      return { type, tc: must(schema.decode(codecs.tc, bytes)) };
    case "envelope":
      return { type, envelope: must(schema.decode(codecs.envelope, bytes)) };
  }
};

export interface DiskFaults {
  /** Power goes in the middle of one of so many changes of the disk, drawn anew in each life. */
  readonly changesMax: number;
  /** Syncs say that they are done and are not: the control of durability. */
  readonly isCareless: boolean;
}

export class DiskJournal implements Journal {
  readonly #random: SeededRandom;
  readonly #faults: DiskFaults | undefined;
  #files: SimFiles;
  #wal: Wal | undefined;
  #window = new EvidenceWindow();
  /** The newest file of evidence, and its number. */
  #seen: Wal | undefined;
  #number = 0;

  constructor(random: SeededRandom, faults?: DiskFaults) {
    this.#random = random;
    this.#faults = faults;
    this.#files = new SimFiles({ seed: random.seed });
  }

  get window(): EvidenceWindow {
    return this.#window;
  }

  append(record: WalRecord): Promise<boolean> {
    const wal = this.#wal;
    assert(wal !== undefined, "the log is open");
    return this.#unlessStopped(() => wal.appendDurable(types.indexOf(record.type), encode(record)));
  }

  keep(kept: Envelope): Promise<boolean> {
    this.#window.keep(kept);
    return this.#unlessStopped(async () => {
      if (this.#seen === undefined || this.#seen.records >= keptEnvelopesMax) await this.#turn();
      await this.#seen?.append(0, schema.encode(envelope, kept));
    });
  }

  async #unlessStopped(write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      if (!this.#files.stopped) throw error;
      return false;
    }
  }

  crash(): void {
    this.#files = this.#files.crash(`${this.#random.u32()}`);
    this.#wal = undefined;
    this.#seen = undefined;
    this.#window = new EvidenceWindow();
  }

  /** Power may go while it starts, too; then it starts again. */
  async recover(): Promise<readonly WalRecord[]> {
    for (let start = 0; start < startsMax; start++) {
      if (this.#faults !== undefined) {
        this.#files.stopAt(this.#files.points + this.#random.below(this.#faults.changesMax));
      }
      try {
        return await this.#read();
      } catch (error) {
        if (!(error instanceof SimStopped) && !this.#files.stopped) throw error;
        this.crash();
      }
    }
    throw new InvariantError(`power went in ${startsMax} starts`);
  }

  async #read(): Promise<readonly WalRecord[]> {
    this.#wal = await this.#open("engine.wal");
    const records: WalRecord[] = [];
    for await (const { type, payload } of this.#wal.read(0)) records.push(decode(type, payload));
    if (this.#seen === undefined) await this.#readSeen();
    return records;
  }

  #open(path: string): Promise<Wal> {
    const files = this.#faults?.isCareless === true ? carelessFiles(this.#files) : this.#files;
    const random = this.#random.fork("salt");
    return openWal({ files, path, random, repairHint: "run another seed" });
  }

  /** After a crash: what the disk has of the two newest files. */
  async #readSeen(): Promise<void> {
    const numbers = (await this.#files.list("")).flatMap((name) =>
      name.startsWith(seenName) ? [Number(name.slice(seenName.length))] : [],
    );
    const window = new EvidenceWindow();
    for (const number of numbers.toSorted((a, b) => a - b).slice(-2)) {
      const wal = await this.#open(`${seenName}${number}`);
      for await (const { payload } of wal.read(0))
        window.keep(must(schema.decode(envelope, payload)));
      this.#number = number;
      this.#seen = wal;
    }
    this.#window = window;
  }

  /** The next file of evidence; the one before the last goes. */
  async #turn(): Promise<void> {
    const oldest = `${seenName}${this.#number - 1}`;
    this.#number += 1;
    this.#seen = await this.#open(`${seenName}${this.#number}`);
    if ((await this.#files.stat(oldest)) !== undefined) await this.#files.remove(oldest);
  }
}

/** A record is of one epoch. */
export const epochOf = (record: WalRecord): bigint => {
  switch (record.type) {
    case "block":
      return record.block.header.epoch.number;
    case "qc":
      return record.qc.epoch.number;
    case "tc":
      return record.tc.epoch.number;
    case "envelope":
      return record.envelope.epoch.number;
  }
};
