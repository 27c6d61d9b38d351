/**
 * Where a simulated host keeps what it persists: in memory, which forgets nothing, or in the write-ahead
 * log of production on a disk that loses what was not synced, at every point at which power can go.
 */
import { assert, InvariantError, type SeededRandom } from "@ioi/base";
import type { WalRecord } from "@ioi/consensus";
import { carelessFiles, SimFiles, SimStopped } from "@ioi/sim";
import { openWal, type Wal } from "@ioi/storage";
import { consensusBlock, envelope, quorumCert, schema, timeoutCert } from "@ioi/wire";
import { startsMax } from "./limits.ts";

export interface Journal {
  /** True once it is durable; false where the machine stopped in it. Undefined: at once. */
  append(record: WalRecord): Promise<boolean> | undefined;
  /** Power goes. */
  crash(): void;
  /** What is there after a start. */
  recover(): Promise<readonly WalRecord[]> | readonly WalRecord[];
}

export class MemoryJournal implements Journal {
  readonly #records: WalRecord[] = [];

  append(record: WalRecord): undefined {
    this.#records.push(record);
  }

  crash(): void {}

  recover(): readonly WalRecord[] {
    return this.#records;
  }
}

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

  constructor(random: SeededRandom, faults?: DiskFaults) {
    this.#random = random;
    this.#faults = faults;
    this.#files = new SimFiles({ seed: random.seed });
  }

  async append(record: WalRecord): Promise<boolean> {
    assert(this.#wal !== undefined, "the log is open");
    try {
      await this.#wal.appendDurable(types.indexOf(record.type), encode(record));
      return true;
    } catch (error) {
      if (!this.#files.stopped) throw error;
      return false;
    }
  }

  crash(): void {
    this.#files = this.#files.crash(`${this.#random.u32()}`);
    this.#wal = undefined;
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
    const files = this.#faults?.isCareless === true ? carelessFiles(this.#files) : this.#files;
    const random = this.#random.fork("salt");
    this.#wal = await openWal({
      files,
      path: "engine.wal",
      random,
      repairHint: "run another seed",
    });
    const records: WalRecord[] = [];
    for await (const { type, payload } of this.#wal.read(0)) records.push(decode(type, payload));
    return records;
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
