/**
 * Format 2 of the chain on disk: files `chain-<height>.log`, each a write-ahead log that begins with a base (the
 * epoch's start, the committed block that it goes on from, and the whole state) and goes on with what the
 * engine persists: blocks with their transactions, its own votes and timeouts; and a mark for each commit.
 *
 * Invariants: a record is in the file when `append` resolves, and durable when `flush` does; a mark comes
 * after its block and what commits it; a new file takes its name when all that it begins with is durable.
 * Files `blocks-<height>.log` beside are format 1 (`./former/read.ts`), kept as they are.
 * Bounds: `segmentBlocksMax`, `segmentsKept`, `openSegmentsMax`.
 */
import { assert, type Files, OperationError, type Random } from "@ioi/base";
import { blockHash, keyOf } from "@ioi/consensus";
import type { Hashing } from "@ioi/crypto";
import { openWal, type Wal, type WalRecord as FileRecord } from "@ioi/storage";
import { consensusBlock, envelope, quorumCert, schema, timeoutCert } from "@ioi/wire";
import { type Block, blockOf } from "./block.ts";
import { corrupt, repairHint } from "./corrupt.ts";
import { formerFile } from "./former/read.ts";
import { openSegmentsMax, segmentsKept } from "./limits.ts";
import type { StoredRecord } from "./solo.ts";

/** The type of a base says its format: this plus the number. */
const baseRecords = 0x100;
export const chainFormat = 2;
const blockRecord = 1;
const tcRecord = 2;
const envelopeRecord = 3;
const committedRecord = 4;

const hash = schema.bytes(32);

const baseSchema = schema.record({
  /** A canonical `consensusStart`, and the identity's signature over it. */
  start: schema.bytes(undefined, 16_384),
  signature: schema.bytes(undefined, 8192),
  /** The committed block before the file; absent: the start's anchor. */
  root: schema.optional(
    schema.record({
      view: schema.u64,
      digest: hash,
      height: schema.u64,
      timeMs: schema.int(),
      justView: schema.u64,
      commitHeight: schema.u64,
      qc: quorumCert,
      /** Roots of states that blocks above are to show: after `commitHeight`, and below the block. */
      shown: schema.array(schema.record({ height: schema.u64, root: hash }), 2),
      /** What commits the block. */
      child: hash,
    }),
  ),
  state: schema.array(
    schema.record({
      key: schema.bytes(undefined, 1024),
      value: schema.bytes(undefined, 1_048_576),
    }),
    65_536,
  ),
});
export type Base = schema.Infer<typeof baseSchema>;

const blockSchema = schema.record({
  block: consensusBlock,
  txs: schema.array(schema.bytes(undefined, 65_536), 1024),
});

/** Blocks of one commit, lowest first, and the block whose certificate commits them. */
const committedSchema = schema.record({ digests: schema.array(hash, 4096), child: hash });
type Mark = schema.Infer<typeof committedSchema>;

export type LogRecord = StoredRecord | ({ readonly type: "committed" } & Mark);

export const chainFolder = "chain";
/** Where it stands, a lost chain begins anew after the block that the Guardian voted for last. */
export const chainResetMark = "chain.reset";

const nameOf = (height: bigint): string => `chain-${`${height}`.padStart(16, "0")}.log`;
const heightOf = (name: string): bigint | undefined => {
  const match = /^chain-(\d{16})\.log$/.exec(name);
  return match?.[1] === undefined ? undefined : BigInt(match[1]);
};

const encodeRecord = (
  record: LogRecord,
): { readonly type: number; readonly payload: Uint8Array } => {
  switch (record.type) {
    case "block": {
      const { block, txs } = record;
      return { type: blockRecord, payload: schema.encode(blockSchema, { block, txs }) };
    }
    case "tc":
      return { type: tcRecord, payload: schema.encode(timeoutCert, record.tc) };
    case "envelope":
      return { type: envelopeRecord, payload: schema.encode(envelope, record.envelope) };
    case "committed": {
      const { digests, child } = record;
      return { type: committedRecord, payload: schema.encode(committedSchema, { digests, child }) };
    }
  }
};

const decodeRecord = ({ type, payload }: FileRecord): LogRecord | undefined => {
  switch (type) {
    case blockRecord: {
      const decoded = schema.decode(blockSchema, payload);
      return decoded.ok ? { type: "block", ...decoded.value } : undefined;
    }
    case tcRecord: {
      const decoded = schema.decode(timeoutCert, payload);
      return decoded.ok ? { type: "tc", tc: decoded.value } : undefined;
    }
    case envelopeRecord: {
      const decoded = schema.decode(envelope, payload);
      return decoded.ok ? { type: "envelope", envelope: decoded.value } : undefined;
    }
    case committedRecord: {
      const decoded = schema.decode(committedSchema, payload);
      return decoded.ok ? { type: "committed", ...decoded.value } : undefined;
    }
    default:
      return undefined;
  }
};

/** A file that is read, and where its committed blocks stand. */
class Segment {
  /** Of the first block above its base. */
  readonly height: bigint;
  readonly wal: Wal;
  readonly #hashing: Hashing;
  /** Records of blocks, by hash. */
  readonly #places = new Map<string, number>();
  readonly #committed: number[] = [];

  constructor(height: bigint, wal: Wal, hashing: Hashing) {
    this.height = height;
    this.wal = wal;
    this.#hashing = hashing;
  }

  /** Committed ones. */
  get blocks(): number {
    return this.#committed.length;
  }

  noted(record: LogRecord, sequence: number): void {
    if (record.type === "block") {
      this.#places.set(keyOf(blockHash(this.#hashing, record.block.header)), sequence);
    } else if (record.type === "committed") {
      for (const digest of record.digests) {
        const place = this.#places.get(keyOf(digest));
        if (place === undefined) throw corrupt(`${nameOf(this.height)}: a block is marked in vain`);
        this.#committed.push(place);
        this.#places.delete(keyOf(digest));
      }
    }
  }

  /** From the base on; marks are noted as they pass. */
  async *records(): AsyncGenerator<LogRecord, void, undefined> {
    for await (const found of this.wal.read(1)) {
      const record = decodeRecord(found);
      if (record === undefined) {
        throw corrupt(`${nameOf(this.height)}: record ${found.sequence} is malformed`);
      }
      this.noted(record, found.sequence);
      yield record;
    }
  }

  async read(height: bigint): Promise<Block | undefined> {
    const place = this.#committed[Number(height - this.height)];
    if (place === undefined) return undefined;
    for await (const found of this.wal.read(place)) {
      const record = decodeRecord(found);
      if (record?.type !== "block" || record.block.header.height !== height) break;
      return blockOf(this.#hashing, record.block, record.txs);
    }
    throw corrupt(`block ${height} is not where it belongs`);
  }
}

interface Place {
  readonly files: Files;
  readonly random: Random;
  readonly hashing: Hashing;
}

/** What is in the folder before a file of this format is opened. */
export interface Folder {
  readonly heights: readonly bigint[];
  /** The newest file of format 1. */
  readonly former: string | undefined;
  /** The person asked for a new beginning. */
  readonly isReset: boolean;
}

export const lookAround = async (files: Files): Promise<Folder> => {
  if ((await files.stat(chainFolder)) === undefined) {
    await files.makeDirectory(chainFolder, 0o700);
    await files.syncDirectory("");
  }
  const names = await files.list(chainFolder);
  for (const name of names) {
    if (name.endsWith(".next")) await files.remove(`${chainFolder}/${name}`);
  }
  const heights = names.map(heightOf).filter((height) => height !== undefined);
  const former = formerFile(names);
  return {
    heights: heights.toSorted((a, b) => (a < b ? -1 : 1)),
    former: former === undefined ? undefined : `${chainFolder}/${former}`,
    isReset: (await files.stat(chainResetMark)) !== undefined,
  };
};

const openFile = async ({ files, random }: Place, name: string): Promise<Wal> =>
  await openWal({ files, random, path: `${chainFolder}/${name}`, repairHint });

/** A file whose records are known; what is opened for nothing is closed. */
const openSegment = async (place: Place, height: bigint): Promise<Segment> => {
  const wal = await openFile(place, nameOf(height));
  try {
    const segment = new Segment(height, wal, place.hashing);
    for await (const _ of segment.records()) void _;
    return segment;
  } catch (error) {
    await wal.close();
    throw error;
  }
};

/** A file with its base and what goes on from it; it has its name when all of that is durable. */
export const makeFile = async (
  place: Place,
  height: bigint,
  base: Base,
  carried: readonly StoredRecord[],
): Promise<void> => {
  const name = nameOf(height);
  const next = `${name}.next`;
  // Left by an attempt that failed halfway.
  if ((await place.files.stat(`${chainFolder}/${next}`)) !== undefined) {
    await place.files.remove(`${chainFolder}/${next}`);
  }
  const wal = await openFile(place, next);
  try {
    await wal.append(baseRecords + chainFormat, schema.encode(baseSchema, base));
    for (const record of carried) {
      const { type, payload } = encodeRecord(record);
      await wal.append(type, payload);
    }
    await wal.flush();
  } finally {
    await wal.close();
  }
  await place.files.rename(`${chainFolder}/${next}`, `${chainFolder}/${name}`);
  await place.files.syncDirectory(chainFolder);
};

export class Store {
  readonly #place: Place;
  /** Blocks of one file. */
  readonly #blocksMax: number;
  readonly #heights: bigint[];
  #current: Segment;
  /** The one before, until it is closed. */
  #full: Segment | undefined;
  /** Closed ones, the newest used last. */
  #readers: Segment[] = [];
  #opening: Promise<unknown> = Promise.resolve();

  private constructor(place: Place, blocksMax: number, heights: bigint[], current: Segment) {
    this.#place = place;
    this.#blocksMax = blocksMax;
    this.#heights = heights;
    this.#current = current;
  }

  /** There is a file. */
  static async open(place: Place, blocksMax: number, heights: readonly bigint[]): Promise<Store> {
    const last = heights.at(-1);
    assert(last !== undefined, "a chain has a file");
    const wal = await openFile(place, nameOf(last));
    return new Store(place, blocksMax, [...heights], new Segment(last, wal, place.hashing));
  }

  /** Bytes of an interrupted append that were cut off. */
  get cutBytes(): number {
    return this.#current.wal.recovery.cutBytes;
  }

  /** Lowest height that is kept. */
  get first(): bigint {
    return this.#heights[0] ?? 0n;
  }

  get isFull(): boolean {
    return this.#current.blocks >= this.#blocksMax;
  }

  async base(): Promise<Base> {
    const name = nameOf(this.#current.height);
    for await (const { type, payload } of this.#current.wal.read(0)) {
      if (type > baseRecords + chainFormat && type < 2 * baseRecords) {
        throw new OperationError("E_CHAIN_NEWER", `${name} is of format ${type - baseRecords}`);
      }
      const decoded = schema.decode(baseSchema, payload);
      if (type !== baseRecords + chainFormat || !decoded.ok) break;
      return decoded.value;
    }
    throw corrupt(`${name} does not begin with a base`);
  }

  /** Of the newest file, once, before anything is appended. */
  records(): AsyncGenerator<LogRecord, void, undefined> {
    return this.#current.records();
  }

  /** In the file when it resolves. */
  async append(record: LogRecord): Promise<void> {
    const { type, payload } = encodeRecord(record);
    const { sequence } = await this.#current.wal.append(type, payload);
    this.#current.noted(record, sequence);
  }

  async flush(): Promise<void> {
    await this.#current.wal.flush();
  }

  /**
   * Goes on in the next file; the oldest one goes where there are too many. Called again after a failure it
   * goes on where it stopped.
   */
  async rotate(height: bigint, base: Base, carried: readonly StoredRecord[]): Promise<void> {
    // What is committed must not be younger than the file that goes on from it.
    await this.flush();
    if (this.#current.height !== height) {
      await makeFile(this.#place, height, base, carried);
      const next = await openSegment(this.#place, height);
      this.#full = this.#current;
      this.#current = next;
      this.#heights.push(height);
    }
    const full = this.#full;
    // All of it is durable: that it does not close is said once.
    this.#full = undefined;
    await full?.wal.close();
    while (this.#heights.length > segmentsKept) await this.#inTurn(() => this.#dropOldest());
  }

  async #dropOldest(): Promise<void> {
    const oldest = this.#heights[0] as bigint;
    await this.#closeReader(oldest);
    await this.#place.files.remove(`${chainFolder}/${nameOf(oldest)}`);
    this.#heights.shift();
  }

  async #closeReader(height: bigint): Promise<void> {
    const reader = this.#readers.find((each) => each.height === height);
    this.#readers = this.#readers.filter((each) => each !== reader);
    await reader?.wal.close();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#opening.then(work);
    this.#opening = turn.catch(() => undefined);
    return await turn;
  }

  /** A committed block; undefined where the height is not kept, or not committed yet. */
  async read(height: bigint): Promise<Block | undefined> {
    if (height >= this.#current.height) return await this.#current.read(height);
    return await this.#inTurn(async () => {
      const start = this.#heights.findLast((each) => each <= height);
      return start === undefined ? undefined : await (await this.#reader(start)).read(height);
    });
  }

  async #reader(height: bigint): Promise<Segment> {
    const known = this.#readers.find((each) => each.height === height);
    if (known !== undefined) {
      this.#readers = [...this.#readers.filter((each) => each !== known), known];
      return known;
    }
    const segment = await openSegment(this.#place, height);
    this.#readers.push(segment);
    while (this.#readers.length > openSegmentsMax) await this.#readers.shift()?.wal.close();
    return segment;
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      for (const { wal } of this.#readers) await wal.close();
      this.#readers = [];
    });
    await this.#current.wal.close();
  }
}
