/**
 * Headers of the local chain: the identity signs each slot once, in rising order, and counts.
 *
 * `headers.log` holds one record for each signature: counter, header, signature. It is durable
 * before the signature leaves; the same header gets the same answer, after a restart too.
 * Invariants: of two headers of one slot at most one is ever signed; a header is signed only on top
 * of the one that was signed last, on the one chain; counters strictly rise.
 * Bounds: `headerBytesMax`, `headerRecordsMax`.
 */
import { equalBytes, type Files, OperationError, type Random } from "@ioi/base";
import {
  type CryptoProvider,
  domainHash,
  domains,
  type PrivateKey,
  signPayload,
} from "@ioi/crypto";
import { openWal, type Wal } from "@ioi/storage";
import { type ChainHeader, chainHeader, headerStatement, schema } from "@ioi/wire";
import { headerBytesMax, headerRecordsMax } from "./limits.ts";

const headersPath = "headers.log";
/** The log that is to take the place of a full one. */
const nextPath = "headers.next";
const signedRecord = 1;

const signedHeader = schema.record({
  counter: schema.u64,
  header: schema.bytes(undefined, headerBytesMax),
  signature: schema.bytes(undefined, 8192),
});

export interface SignedHeader {
  readonly counter: bigint;
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
}

interface Last extends SignedHeader {
  readonly decoded: ChainHeader;
  readonly hash: Uint8Array;
}

export interface HeadersOptions {
  readonly files: Files;
  readonly random: Random;
  readonly provider: CryptoProvider;
  readonly identity: PrivateKey<"ml-dsa-65">;
  readonly recordsMax?: number;
}

const repairHint =
  "restore guardian/ from its newest backup: without it a slot could be signed twice";

const refused = (message: string): OperationError =>
  new OperationError("E_HEADER_REFUSED", message);

export class Headers {
  readonly #options: HeadersOptions;
  #wal: Wal;
  #last: Last | undefined;
  /** One at a time: two headers of one slot must meet. */
  #busy: Promise<unknown> = Promise.resolve();

  private constructor(options: HeadersOptions, wal: Wal) {
    this.#options = options;
    this.#wal = wal;
  }

  static async open(options: HeadersOptions): Promise<Headers> {
    const { files } = options;
    if ((await files.stat(nextPath)) !== undefined) await files.remove(nextPath);
    const headers = new Headers(options, await Headers.#open(options, headersPath));
    const newest = headers.#wal.records - 1;
    if (newest >= 0) {
      for await (const { type, payload } of headers.#wal.read(newest)) {
        const record = schema.decode(signedHeader, payload);
        if (type !== signedRecord || !record.ok) {
          throw new OperationError(
            "E_WAL_CORRUPT",
            `${headersPath}: record ${newest} is no header`,
            {
              next: repairHint,
            },
          );
        }
        headers.#last = headers.#decoded(record.value);
      }
    }
    return headers;
  }

  static async #open({ files, random }: HeadersOptions, path: string): Promise<Wal> {
    return await openWal({ files, random, path, repairHint });
  }

  #decoded(signed: SignedHeader): Last {
    if (signed.header.length > headerBytesMax) throw refused("the header is too long");
    const header = schema.decode(chainHeader, signed.header);
    if (!header.ok) throw refused(`the header is malformed: ${header.error.message}`);
    const hash = domainHash(this.#options.provider, domains.chainHeader, signed.header);
    return { ...signed, decoded: header.value, hash };
  }

  /** What was signed last, its hash and its slot. */
  get last(): (SignedHeader & { readonly slot: bigint; readonly hash: Uint8Array }) | undefined {
    return this.#last && { ...this.#last, slot: this.#last.decoded.slot };
  }

  /** Durable before it resolves. */
  async sign(header: Uint8Array): Promise<SignedHeader> {
    const turn = this.#busy.then(() => this.#sign(header));
    this.#busy = turn.catch(() => undefined);
    return await turn;
  }

  async #sign(header: Uint8Array): Promise<SignedHeader> {
    const last = this.#last;
    if (last !== undefined && equalBytes(last.header, header)) return last;
    const empty = new Uint8Array(0);
    const next = this.#decoded({ counter: (last?.counter ?? 0n) + 1n, header, signature: empty });
    this.#check(next.decoded);
    const { provider, identity, recordsMax = headerRecordsMax } = this.#options;
    const { counter } = next;
    const statement = schema.encode(headerStatement, { version: 1, header, counter });
    const { signature } = signPayload(provider, identity, domains.headerStatement, statement);
    const signed: Last = { ...next, signature };
    if (this.#wal.records >= recordsMax) await this.#startAnew();
    await this.#append(this.#wal, signed);
    this.#last = signed;
    return signed;
  }

  #check(header: ChainHeader): void {
    const last = this.#last;
    if (last === undefined) {
      if (header.slot < 1n) throw refused("slots begin at 1");
      return;
    }
    const { chain, slot, height } = last.decoded;
    if (!equalBytes(header.chain, chain)) throw refused("the header is of another chain");
    if (header.slot <= slot) throw refused(`slot ${header.slot} is not after ${slot}, signed last`);
    if (header.height !== height + 1n) throw refused(`height ${height + 1n} is to come`);
    if (!equalBytes(header.parent, last.hash)) {
      throw refused("its parent is not the header that was signed last");
    }
  }

  async #append(wal: Wal, { counter, header, signature }: SignedHeader): Promise<void> {
    const payload = schema.encode(signedHeader, { counter, header, signature });
    await wal.appendDurable(signedRecord, payload);
  }

  /** The log is bounded: only the newest lives on, durable before its log takes this one's name. */
  async #startAnew(): Promise<void> {
    const { files } = this.#options;
    if ((await files.stat(nextPath)) !== undefined) await files.remove(nextPath);
    const next = await Headers.#open(this.#options, nextPath);
    try {
      if (this.#last !== undefined) await this.#append(next, this.#last);
    } finally {
      await next.close();
    }
    await files.rename(nextPath, headersPath);
    await files.syncDirectory("");
    const full = this.#wal;
    this.#wal = await Headers.#open(this.#options, headersPath);
    await full.close();
  }

  async close(): Promise<void> {
    await this.#busy;
    await this.#wal.close();
  }
}
