/**
 * Blocks on disk: files `blocks-<height>.log`, each a write-ahead log that begins with a base (the
 * header before it and the whole state) and goes on with two records for each block: the proposal,
 * then its signature.
 *
 * Invariants: a proposal is durable before anybody is asked to sign it; a signature is in the file
 * before the block counts, and durable with the next proposal (the signer gives it again); record
 * 1 + 2 n of a file is its n-th proposal. A new file takes its name when its base is durable.
 * Bounds: `segmentBlocksMax`, `segmentsKept`, `openSegmentsMax`.
 */
import { type Files, OperationError, type Random } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { openWal, type Wal } from "@ioi/storage";
import { chainHeader, schema } from "@ioi/wire";
import { type Block, headerId, type Proposal, type Seal } from "./block.ts";
import { openSegmentsMax, segmentsKept } from "./limits.ts";

const baseRecord = 1;
const proposalRecord = 2;
const sealRecord = 3;

const sealedHeader = schema.record({
  header: schema.bytes(undefined, 4096),
  counter: schema.u64,
  signature: schema.bytes(undefined, 8192),
});

export type SealedHeader = schema.Infer<typeof sealedHeader>;

const baseSchema = schema.record({
  version: schema.int(1, 1),
  /** Of the first block in the file. */
  height: schema.u64,
  /** The block before it; absent in the first file. */
  parent: schema.optional(sealedHeader),
  /** The blocks begin anew after `parent`, whose state is lost. */
  anew: schema.bool,
  state: schema.array(
    schema.record({
      key: schema.bytes(undefined, 1024),
      value: schema.bytes(undefined, 1_048_576),
    }),
    65_536,
  ),
});
export type Base = schema.Infer<typeof baseSchema>;

const proposalSchema = schema.record({
  header: schema.bytes(undefined, 4096),
  txs: schema.array(schema.bytes(undefined, 65_536), 1024),
});

const sealSchema = schema.record({
  counter: schema.u64,
  signature: schema.bytes(undefined, 8192),
});

export const chainFolder = "chain";
/** Where it stands, a lost chain begins anew after the header that the Guardian signed last. */
export const chainResetMark = "chain.reset";
const repairHint =
  "restore orchestrator/chain from a backup, or begin the blocks anew: ./ioi chain reset";

const nameOf = (height: bigint): string => `blocks-${`${height}`.padStart(16, "0")}.log`;
const heightOf = (name: string): bigint | undefined => {
  const match = /^blocks-(\d{16})\.log$/.exec(name);
  return match?.[1] === undefined ? undefined : BigInt(match[1]);
};

export const corrupt = (message: string): OperationError =>
  new OperationError("E_CHAIN_CORRUPT", message, { next: repairHint });

interface Segment {
  readonly height: bigint;
  readonly wal: Wal;
}

const decodeProposal = (hashing: Hashing, payload: Uint8Array): Proposal | undefined => {
  const decoded = schema.decode(proposalSchema, payload);
  if (!decoded.ok) return undefined;
  const { header: encoded, txs } = decoded.value;
  const header = schema.decode(chainHeader, encoded);
  if (!header.ok) return undefined;
  return { header: header.value, encoded, id: headerId(hashing, encoded), txs };
};

const genesisBase: Base = { version: 1, height: 0n, anew: false, state: [] };

const baseAfter = (signed: SealedHeader | undefined): Base | undefined => {
  const header = signed && schema.decode(chainHeader, signed.header);
  if (signed === undefined || header?.ok !== true) return undefined;
  return {
    version: 1,
    height: header.value.height + 1n,
    parent: { header: signed.header, counter: signed.counter, signature: signed.signature },
    anew: true,
    state: [],
  };
};

interface SegmentsOptions {
  readonly files: Files;
  readonly random: Random;
  readonly hashing: Hashing;
  /** Of one file. */
  readonly blocksMax: number;
}

export class Segments {
  readonly #options: SegmentsOptions;
  readonly #heights: bigint[];
  #current: Segment;
  /** Closed ones, the newest used last. */
  #readers: Segment[] = [];
  #opening: Promise<unknown> = Promise.resolve();

  private constructor(options: SegmentsOptions, heights: bigint[], current: Segment) {
    this.#options = options;
    this.#heights = heights;
    this.#current = current;
  }

  static async open(
    files: Files,
    random: Random,
    hashing: Hashing,
    blocksMax: number,
    /** The header that was signed last, if any. */
    signed: SealedHeader | undefined,
  ): Promise<Segments> {
    if ((await files.stat(chainFolder)) === undefined) {
      await files.makeDirectory(chainFolder, 0o700);
      await files.syncDirectory("");
    }
    const heights: bigint[] = [];
    for (const name of await files.list(chainFolder)) {
      if (name.endsWith(".next")) await files.remove(`${chainFolder}/${name}`);
      const height = heightOf(name);
      if (height !== undefined) heights.push(height);
    }
    heights.sort((a, b) => (a < b ? -1 : 1));
    const place = { files, random };
    let last = heights.at(-1);
    const mark = (await files.stat(chainResetMark)) !== undefined;
    if (last === undefined) {
      const base = (mark ? baseAfter(signed) : undefined) ?? genesisBase;
      await Segments.#make(place, base);
      last = base.height;
      heights.push(last);
    }
    if (mark) await files.remove(chainResetMark);
    const current = { height: last, wal: await Segments.#openWal(place, nameOf(last)) };
    return new Segments({ files, random, hashing, blocksMax }, heights, current);
  }

  static async #openWal(
    place: { readonly files: Files; readonly random: Random },
    name: string,
  ): Promise<Wal> {
    return await openWal({ ...place, path: `${chainFolder}/${name}`, repairHint });
  }

  static async #make(
    place: { readonly files: Files; readonly random: Random },
    base: Base,
  ): Promise<void> {
    const name = nameOf(base.height);
    const next = `${name}.next`;
    // Left by an attempt that failed halfway.
    if ((await place.files.stat(`${chainFolder}/${next}`)) !== undefined) {
      await place.files.remove(`${chainFolder}/${next}`);
    }
    const wal = await Segments.#openWal(place, next);
    try {
      await wal.appendDurable(baseRecord, schema.encode(baseSchema, base));
    } finally {
      await wal.close();
    }
    await place.files.rename(`${chainFolder}/${next}`, `${chainFolder}/${name}`);
    await place.files.syncDirectory(chainFolder);
  }

  /** Bytes of an interrupted append that were cut off. */
  get cutBytes(): number {
    return this.#current.wal.recovery.cutBytes;
  }

  /** Lowest height that is kept. */
  get first(): bigint {
    return this.#heights[0] ?? 0n;
  }

  /** The next height begins a new file. */
  get full(): boolean {
    return this.#current.wal.records >= 1 + 2 * this.#options.blocksMax;
  }

  async base(): Promise<Base> {
    for await (const record of this.#current.wal.read(0)) {
      const decoded = schema.decode(baseSchema, record.payload);
      if (record.type !== baseRecord || !decoded.ok) break;
      if (decoded.value.height !== this.#current.height) break;
      return decoded.value;
    }
    throw corrupt(`${nameOf(this.#current.height)} does not begin with a base`);
  }

  /** Blocks in the newest file, a last one without seal included. */
  get blocks(): number {
    return this.#current.wal.records >> 1;
  }

  /** The blocks of the newest file, oldest first; a last one without seal may be among them. */
  async *replay(): AsyncGenerator<{
    readonly proposal: Proposal;
    readonly seal: Seal | undefined;
  }> {
    let proposal: Proposal | undefined;
    for await (const record of this.#current.wal.read(1)) {
      const bad = (): OperationError =>
        corrupt(`${nameOf(this.#current.height)}: record ${record.sequence} is out of place`);
      if (proposal === undefined) {
        if (record.type !== proposalRecord) throw bad();
        proposal = decodeProposal(this.#options.hashing, record.payload);
        if (proposal === undefined) throw bad();
        continue;
      }
      const seal = schema.decode(sealSchema, record.payload);
      if (record.type !== sealRecord || !seal.ok) throw bad();
      yield { proposal, seal: seal.value };
      proposal = undefined;
    }
    if (proposal !== undefined) yield { proposal, seal: undefined };
  }

  /** Durable when it resolves. */
  async appendProposal({ encoded, txs }: Proposal): Promise<void> {
    const payload = schema.encode(proposalSchema, { header: encoded, txs });
    await this.#current.wal.appendDurable(proposalRecord, payload);
  }

  /** In the file when it resolves. */
  async appendSeal({ counter, signature }: Seal): Promise<void> {
    await this.#current.wal.append(sealRecord, schema.encode(sealSchema, { counter, signature }));
  }

  /** Begins the next file after `parent`; the oldest one goes where there are too many. */
  async rotate(parent: Block, state: Base["state"]): Promise<void> {
    const height = parent.header.height + 1n;
    const { encoded: header, counter, signature } = parent;
    // The last signature must not be younger than the file that goes on from it.
    await this.#current.wal.flush();
    const place = this.#options;
    await Segments.#make(place, {
      version: 1,
      height,
      parent: { header, counter, signature },
      anew: false,
      state,
    });
    const closed = this.#current.wal;
    this.#current = { height, wal: await Segments.#openWal(place, nameOf(height)) };
    this.#heights.push(height);
    await closed.close();
    while (this.#heights.length > segmentsKept) {
      const oldest = this.#heights.shift() as bigint;
      await this.#inTurn(() => this.#closeReader(oldest));
      await this.#options.files.remove(`${chainFolder}/${nameOf(oldest)}`);
    }
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

  /** A block with its seal; undefined where the height is not kept, or not sealed yet. */
  async read(height: bigint): Promise<Block | undefined> {
    if (height >= this.#current.height) return await this.#readFrom(this.#current, height);
    const start = this.#heights.findLast((each) => each <= height);
    if (start === undefined) return undefined;
    return await this.#inTurn(async () => await this.#readFrom(await this.#reader(start), height));
  }

  async #reader(height: bigint): Promise<Segment> {
    const known = this.#readers.find((each) => each.height === height);
    if (known !== undefined) {
      this.#readers = [...this.#readers.filter((each) => each !== known), known];
      return known;
    }
    const place = this.#options;
    const segment = { height, wal: await Segments.#openWal(place, nameOf(height)) };
    this.#readers.push(segment);
    while (this.#readers.length > openSegmentsMax) await this.#readers.shift()?.wal.close();
    return segment;
  }

  async #readFrom({ height: start, wal }: Segment, height: bigint): Promise<Block | undefined> {
    const at = 1 + 2 * Number(height - start);
    if (at + 1 >= wal.records) return undefined;
    let proposal: Proposal | undefined;
    for await (const { type, payload } of wal.read(at)) {
      if (proposal === undefined) {
        proposal =
          type === proposalRecord ? decodeProposal(this.#options.hashing, payload) : undefined;
        if (proposal?.header.height !== height) break;
        continue;
      }
      const seal = schema.decode(sealSchema, payload);
      if (type !== sealRecord || !seal.ok) break;
      return { ...proposal, ...seal.value };
    }
    throw corrupt(`block ${height} is not where it belongs`);
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      for (const { wal } of this.#readers) await wal.close();
      this.#readers = [];
    });
    await this.#current.wal.close();
  }
}
