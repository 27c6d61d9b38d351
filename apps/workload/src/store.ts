/**
 * The workload's folder: `journals/<session>.log` (one write-ahead log for each session),
 * `contents/<session>/<n>` (what is behind handles) and `index/` (summaries, for listings). The
 * journals are the truth; the index can be made from them again.
 */
import {
  encodeHeader,
  type JournalError,
  type Replayed,
  replayJournal,
  sessionActionsMax,
} from "@ioi/agent";
import {
  type Files,
  type KeyValue,
  OperationError,
  type Result,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { keyValueScanMax, systemRandom } from "@ioi/host/ports";
import { openWal, scanWal, type Wal } from "@ioi/storage";
import { type Infer, schema } from "@ioi/wire";
import type { Contents, JournalFile } from "./ends.ts";
import {
  contentsBytesMax,
  journalBytesMax,
  keptContentBytesMax,
  sessionKeptBytesMax,
} from "./limits.ts";
import { Told } from "./told.ts";

const nothing = new Uint8Array(0);
const sha256 = (bytes: Uint8Array): Uint8Array => nodeCrypto.sha256(bytes);

const headerRecord = 1;
const inputRecord = 2;

/** Names that the Guardian gives; nothing else becomes a file's name. */
export const isSessionId = (text: string): boolean => /^[a-z0-9][a-z0-9-]{0,63}$/.test(text);

const journalPath = (session: string): string => `journals/${session}.log`;

class WalJournal implements JournalFile {
  readonly #wal: Wal;

  constructor(wal: Wal) {
    this.#wal = wal;
  }

  async append(record: Uint8Array, durable: boolean): Promise<void> {
    await (durable
      ? this.#wal.appendDurable(inputRecord, record)
      : this.#wal.append(inputRecord, record));
  }

  async close(): Promise<void> {
    await this.#wal.close();
  }
}

/** A session as its journal tells it. */
export interface Restored extends Replayed {
  readonly told: Told;
}

const replayed = (records: readonly Uint8Array[]): Result<Restored, JournalError> => {
  const told = new Told();
  const result = replayJournal(records, sha256, ({ input, effects }) => {
    if (input.type === "step") told.answered(input.call, input.step);
    for (const each of effects) if (each.type === "ask-agent") told.asked(each);
  });
  return result.ok ? { ok: true, value: { ...result.value, told } } : result;
};

const orThrow = (session: string, result: Result<Restored, JournalError>): Restored => {
  if (result.ok) return result.value;
  const { code, message } = result.error;
  throw new OperationError(code, `${journalPath(session)}: ${message}`);
};

export class Journals {
  readonly #files: Files;

  constructor(files: Files) {
    this.#files = files;
  }

  /** Sessions that have a journal. */
  async list(): Promise<readonly string[]> {
    const names = await this.#files.list("journals");
    return names
      .filter((name) => name.endsWith(".log"))
      .map((name) => name.slice(0, -".log".length))
      .filter(isSessionId);
  }

  async has(session: string): Promise<boolean> {
    return (await this.#files.stat(journalPath(session))) !== undefined;
  }

  async create(session: string): Promise<JournalFile> {
    const wal = await this.#open(session);
    if (wal.records === 0) await wal.append(headerRecord, encodeHeader(session));
    return new WalJournal(wal);
  }

  /** Opens a journal to go on with it; undefined where its session never began. */
  async resume(
    session: string,
  ): Promise<{ readonly journal: JournalFile; readonly restored: Restored } | undefined> {
    const wal = await this.#open(session);
    try {
      const records: Uint8Array[] = [];
      for await (const { payload } of wal.read(0)) records.push(payload);
      if (records.length < 2) {
        await wal.close();
        await this.#files.remove(journalPath(session));
        return undefined;
      }
      return { journal: new WalJournal(wal), restored: orThrow(session, replayed(records)) };
    } catch (error) {
      await wal.close();
      throw error;
    }
  }

  /** The session as its journal tells it, without opening it for more. */
  async read(session: string): Promise<Restored> {
    const bytes = await this.#files.readFile(journalPath(session), journalBytesMax);
    const records: Uint8Array[] = [];
    const scan = scanWal(bytes, ({ payload }) => {
      records.push(payload.slice());
    });
    if (scan.firstBad !== undefined && scan.firstBad.kind !== "tail") {
      const { index, reason } = scan.firstBad;
      throw new OperationError(
        "E_JOURNAL_CORRUPT",
        `${journalPath(session)}: record ${index}: ${reason}`,
      );
    }
    return orThrow(session, replayed(records));
  }

  async #open(session: string): Promise<Wal> {
    try {
      return await openWal({
        files: this.#files,
        path: journalPath(session),
        random: systemRandom,
        repairHint: "move the file away; its session is lost, all others go on",
      });
    } catch (error) {
      if (!(error instanceof OperationError) || error.code !== "E_WAL_CORRUPT") throw error;
      throw new OperationError("E_JOURNAL_CORRUPT", error.message, { cause: error });
    }
  }
}

export interface Piece {
  readonly bytes: Uint8Array;
  /** Of the whole. */
  readonly total: number;
}

/** Where what shows an action's answer is kept. */
export const proofHandle = (session: string, n: number): string =>
  `${contentFolder(session)}/${n}.proof`;

const contentFolder = (session: string): string => `contents/${session}`;

/**
 * What is behind handles: until newer sessions need the room, or its session's journal is gone.
 * Bounds: `keptContentBytesMax` each, `sessionKeptBytesMax` a session, `contentsBytesMax` together.
 */
export class KeptContents implements Contents {
  readonly #files: Files;
  readonly #bytesMax: number;
  /** Bytes of each session, the oldest first. */
  readonly #kept: Map<string, number> = new Map();
  #total = 0;
  /** Writes and removals, one after the other. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(files: Files, bytesMax: number = contentsBytesMax) {
    this.#files = files;
    this.#bytesMax = bytesMax;
  }

  /** Finds what is kept; sessions oldest first. What belongs to none of them goes. */
  async recover(sessions: readonly string[]): Promise<void> {
    const found = new Set(await this.#files.list("contents"));
    for (const session of sessions) {
      if (!found.delete(session)) continue;
      const folder = contentFolder(session);
      let bytes = 0;
      for (const name of await this.#files.list(folder)) {
        bytes += (await this.#files.stat(`${folder}/${name}`))?.size ?? 0;
      }
      this.#kept.set(session, bytes);
      this.#total += bytes;
    }
    for (const session of found) await this.#remove(session);
    await this.#makeRoom("");
  }

  async keep(
    session: string,
    n: number,
    bytes: Uint8Array,
    part?: "proof",
  ): Promise<string | undefined> {
    const name = part === undefined ? `${n}` : `${n}.${part}`;
    const kept = this.#writing.then(() => this.#keep(session, name, bytes));
    this.#writing = kept.catch(() => undefined);
    try {
      return await kept;
    } catch (error) {
      // An outcome is worth more than what it found.
      if (error instanceof OperationError) return undefined;
      throw error;
    }
  }

  async #keep(session: string, name: string, bytes: Uint8Array): Promise<string | undefined> {
    const size = Math.min(bytes.length, keptContentBytesMax);
    const kept = this.#kept.get(session) ?? 0;
    if (kept + size > Math.min(sessionKeptBytesMax, this.#bytesMax)) return undefined;
    this.#kept.set(session, kept + size);
    this.#total += size;
    await this.#makeRoom(session);
    try {
      return await this.#write(session, name, bytes.subarray(0, size));
    } catch (error) {
      this.#kept.set(session, kept);
      this.#total -= size;
      throw error;
    }
  }

  async #write(session: string, name: string, bytes: Uint8Array): Promise<string> {
    const folder = contentFolder(session);
    if ((await this.#files.stat(folder)) === undefined) await this.#files.makeDirectory(folder);
    const handle = `${folder}/${name}`;
    await this.#files.replaceFile(handle, bytes, 0o600);
    return handle;
  }

  /** Undefined where it is not kept any more. */
  async read(handle: string, offset: number, length: number): Promise<Piece | undefined> {
    if ((await this.#files.stat(handle)) === undefined) return undefined;
    await using file = await this.#files.open(handle, "read");
    const total = await file.size();
    const room = Math.max(0, Math.min(length, total - offset));
    return { bytes: room === 0 ? nothing : await file.read(offset, room), total };
  }

  /** Drops whole sessions, oldest first, never the one that needs the room. */
  async #makeRoom(but: string): Promise<void> {
    for (const [session, kept] of this.#kept) {
      if (this.#total <= this.#bytesMax) return;
      if (session === but) continue;
      this.#kept.delete(session);
      this.#total -= kept;
      await this.#remove(session);
    }
  }

  async #remove(session: string): Promise<void> {
    const folder = contentFolder(session);
    for (const name of await this.#files.list(folder))
      await this.#files.remove(`${folder}/${name}`);
    await this.#files.remove(folder);
  }
}

export const summary = schema.record({
  session: schema.text(64),
  state: schema.text(32),
  text: schema.text(1024),
  workspace: schema.text(4096),
  createdMs: schema.int(),
  actions: schema.int(),
  /** Its journal will not grow any more. */
  over: schema.bool,
  /** Effects that can be undone, whether they are or not. */
  reversible: schema.array(schema.u64, sessionActionsMax),
});
export type Summary = Infer<typeof summary>;

const sessionKey = (session: string): Uint8Array => utf8Encode(`s/${session}`);
const undoneKey = (counter: bigint): Uint8Array =>
  utf8Encode(`u/${counter.toString().padStart(20, "0")}`);

/** An effect that was reverted, and the effect that reverted it. */
export interface Undoing {
  readonly counter: bigint;
  readonly by: bigint;
}

export class SessionIndex {
  readonly #store: KeyValue;

  constructor(store: KeyValue) {
    this.#store = store;
  }

  /** The summary, and the effects that the session undid, each with the effect that did. */
  async put(entry: Summary, undone: readonly Undoing[]): Promise<void> {
    await this.#store.write([
      ...undone.map(({ counter, by }) => ({
        type: "put" as const,
        key: undoneKey(counter),
        value: utf8Encode(by.toString()),
      })),
      { type: "put", key: sessionKey(entry.session), value: schema.encode(summary, entry) },
    ]);
  }

  /** Every effect that was undone, and whose undoing was not undone itself. */
  async undone(): Promise<ReadonlySet<bigint>> {
    const undoing = new Map<bigint, bigint | undefined>();
    for await (const { key, value } of this.#scan("u/", "u0")) {
      const by = utf8Decode(value) ?? "";
      const counter = BigInt(utf8Decode(key.subarray(2)) ?? "0");
      // Without a name: written before undoings could be undone.
      undoing.set(counter, /^\d{1,20}$/.test(by) ? BigInt(by) : undefined);
    }
    const found = new Set<bigint>();
    // What undoes has the higher counter, and may be undone itself.
    for (const counter of [...undoing.keys()].sort((x, y) => (x < y ? 1 : x > y ? -1 : 0))) {
      const by = undoing.get(counter);
      if (by === undefined || !found.has(by)) found.add(counter);
    }
    return found;
  }

  /** All summaries; what does not decode is left out, its journal tells it again. */
  async all(): Promise<readonly Summary[]> {
    const found: Summary[] = [];
    for await (const { value } of this.#scan("s/", "s0")) {
      const decoded = schema.decode(summary, value);
      if (decoded.ok) found.push(decoded.value);
    }
    return found;
  }

  async *#scan(first: string, end: string) {
    let from = utf8Encode(first);
    const to = utf8Encode(end);
    for (;;) {
      const page = await this.#store.scan(from, to, keyValueScanMax);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < keyValueScanMax) return;
      from = new Uint8Array([...last.key, 0]);
    }
  }
}
