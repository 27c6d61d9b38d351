/**
 * A session's journal: a header, then every input with its time and the hash of the effects that
 * it caused. The machine is a function of its inputs, so that the journal is the session: replaying
 * it gives the same effects byte for byte, and a changed input does not go unseen.
 *
 * The hash is given (SHA-256 in the product), since hashing is not this package's part.
 */
import { err, equalBytes, ok, type Rejection, type Result, unwrap, wallMs } from "@ioi/base";
import { type CanonicalError, type Infer, schema } from "@ioi/wire";
import { journalInputBytesMax, journalRecordsMax } from "./limits.ts";
import { SessionMachine } from "./session/machine.ts";
import { encodeEffects, sessionInput, type SessionInput } from "./session/messages.ts";
import type { SessionEffect } from "./session/messages.ts";

export type Hash = (bytes: Uint8Array) => Uint8Array;

/** Of the format of records. */
export const journalFormat = 1;
/** Of the machine's behaviour: journals of another number are not replayed. */
export const machineVersion = 1;

export const journalHeader = schema.record({
  format: schema.int(1),
  machine: schema.int(1),
  session: schema.text(64),
});
export type JournalHeader = Infer<typeof journalHeader>;

export const journalRecord = schema.record({
  atMs: schema.int(),
  /** The canonical encoding of the input. */
  input: schema.bytes(undefined, journalInputBytesMax),
  effects: schema.bytes(32),
});
export type JournalRecord = Infer<typeof journalRecord>;

export const encodeHeader = (session: string): Uint8Array =>
  schema.encode(journalHeader, { format: journalFormat, machine: machineVersion, session });

/** A step of a session and the record that makes it last. */
export interface JournalStep {
  readonly effects: readonly SessionEffect[];
  readonly record: Uint8Array;
}

/**
 * Gives one input to the machine; the record must be written before the effects are performed. The
 * machine gets the input as the journal holds it, so that a replay sees the same value.
 */
export const journalStep = (
  machine: SessionMachine,
  input: SessionInput,
  atMs: number,
  hash: Hash,
): JournalStep => {
  const encoded = schema.encode(sessionInput, input);
  const journalled = unwrap(schema.decode(sessionInput, encoded), "a session's own input");
  const effects = machine.handle(journalled, wallMs(atMs));
  const record = { atMs, input: encoded, effects: hash(encodeEffects(effects)) };
  return { effects, record: schema.encode(journalRecord, record) };
};

export type JournalError = Rejection<
  "E_JOURNAL_VERSION" | "E_JOURNAL_CORRUPT" | "E_JOURNAL_DIVERGES"
> & {
  /** The record, from 0 for the header. */
  readonly index: number;
};

export interface ReplayStep {
  readonly index: number;
  readonly atMs: number;
  readonly input: SessionInput;
  readonly effects: readonly SessionEffect[];
  /** The canonical encoding of `effects`, whose hash the record holds. */
  readonly encoded: Uint8Array;
}

export interface Replayed {
  readonly session: string;
  readonly machine: SessionMachine;
  readonly records: number;
}

const broken = (
  code: JournalError["code"],
  index: number,
  message: string,
): Result<never, JournalError> => err({ code, index, message: `record ${index}: ${message}` });

const readHeader = (bytes: Uint8Array | undefined): Result<JournalHeader, JournalError> => {
  if (bytes === undefined) return broken("E_JOURNAL_CORRUPT", 0, "the journal is empty");
  const header = schema.decode(journalHeader, bytes);
  if (!header.ok) return broken("E_JOURNAL_CORRUPT", 0, header.error.message);
  const { format, machine } = header.value;
  if (format !== journalFormat || machine !== machineVersion) {
    return broken("E_JOURNAL_VERSION", 0, `format ${format}, machine ${machine}`);
  }
  return header;
};

/** One record with its input decoded. */
export const readRecord = (
  bytes: Uint8Array,
): Result<Omit<JournalRecord, "input"> & { readonly input: SessionInput }, CanonicalError> => {
  const record = schema.decode(journalRecord, bytes);
  if (!record.ok) return record;
  const input = schema.decode(sessionInput, record.value.input);
  return input.ok ? ok({ ...record.value, input: input.value }) : input;
};

/**
 * Replays a journal into a fresh machine. `visit` sees every step; the first record that does not
 * decode or does not cause what it recorded ends the replay with its index.
 */
export const replayJournal = (
  records: readonly Uint8Array[],
  hash: Hash,
  visit: (step: ReplayStep) => void = () => {},
): Result<Replayed, JournalError> => {
  const [first, ...rest] = records;
  const header = readHeader(first);
  if (!header.ok) return header;
  if (rest.length > journalRecordsMax) {
    return broken("E_JOURNAL_CORRUPT", journalRecordsMax + 1, "too many records");
  }
  const machine = new SessionMachine();
  for (const [at, bytes] of rest.entries()) {
    const index = at + 1;
    const record = readRecord(bytes);
    if (!record.ok) return broken("E_JOURNAL_CORRUPT", index, record.error.message);
    const { atMs, input, effects: recorded } = record.value;
    const effects = machine.handle(input, wallMs(atMs));
    const encoded = encodeEffects(effects);
    if (!equalBytes(hash(encoded), recorded)) {
      return broken("E_JOURNAL_DIVERGES", index, `input ${input.type} caused other effects`);
    }
    visit({ index, atMs, input, effects, encoded });
  }
  return ok({ session: header.value.session, machine, records: records.length });
};
