/** A session's journal on the disk, through the production machine alone. */
import fs from "node:fs";
import { journalRecord, readRecord, replayJournal, sessionInput } from "@ioi/agent";
import type { SeededRandom } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { scanWal } from "@ioi/storage";
import { schema } from "@ioi/wire";

const sha256 = (bytes: Uint8Array): Uint8Array => nodeCrypto.sha256(bytes);

const recordsOf = (file: string): readonly Uint8Array[] => {
  const records: Uint8Array[] = [];
  scanWal(fs.readFileSync(file), ({ payload }) => {
    records.push(payload.slice());
  });
  return records;
};

/** Where the replay first differs from what was recorded; undefined where it never does. */
export const journalDifference = (file: string): string | undefined => {
  const records = recordsOf(file);
  const replayed = replayJournal(records, sha256);
  if (!replayed.ok) return `${replayed.error.code}: ${replayed.error.message}`;
  return records.length > 2 ? undefined : `only ${records.length} records`;
};

/** Whether the replay notices that one answer was given to another call. */
export const journalNotices = (file: string, random: SeededRandom): boolean => {
  const records = recordsOf(file);
  const candidates: number[] = [];
  replayJournal(records, sha256, ({ index, input, effects }) => {
    if ("call" in input && effects.length > 0) candidates.push(index);
  });
  const index = candidates[random.below(Math.max(1, candidates.length))];
  const record = index === undefined ? undefined : readRecord(records[index] as Uint8Array);
  if (index === undefined || record?.ok !== true) return false;
  const { input, atMs, effects } = record.value;
  if (!("call" in input)) return false;
  const other = schema.encode(sessionInput, { ...input, call: input.call + 100_000 });
  const changed = schema.encode(journalRecord, { atMs, effects, input: other });
  const replayed = replayJournal(records.with(index, changed), sha256);
  return !replayed.ok && replayed.error.code === "E_JOURNAL_DIVERGES";
};
