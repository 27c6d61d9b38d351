import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { schema } from "@ioi/wire";
import {
  encodeHeader,
  journalHeader,
  journalRecord,
  readRecord,
  replayJournal,
  runView,
  sessionInput,
} from "../src/index.ts";
import { runScripted } from "../src/scripted.ts";
import { seeded, sha256 } from "./support.ts";

const recorded = runScripted({
  next: seeded(7),
  hash: sha256,
  session: "s-7",
  goal: { text: "/write a hi && /read a && /undo", kind: "planner", earlier: [], lost: [] },
  onAsk: "pend",
  crashes: 30,
  stops: 0,
});

const failure = (journal: readonly Uint8Array[]): string => {
  const replayed = replayJournal(journal, sha256);
  return replayed.ok ? "ok" : `${replayed.error.code} ${replayed.error.index}`;
};

test("a journal replays byte for byte", () => {
  const effects: Uint8Array[] = [];
  const replayed = replayJournal(recorded.journal, sha256, (step) => effects.push(step.encoded));
  assert.ok(replayed.ok);
  assert.deepEqual(effects, recorded.effects);
  assert.ok(recorded.journal.length > 10);
});

interface Kept {
  readonly session: string;
  readonly view: { readonly state: string; readonly actions: readonly unknown[] };
  readonly records: readonly string[];
}

test("journals of the first release replay byte for byte and say the same", () => {
  const file = new URL("journals-1.json", import.meta.url);
  const kept = JSON.parse(readFileSync(file, "utf8")) as readonly Kept[];
  assert.ok(kept.length >= 4);
  for (const { session, view, records } of kept) {
    const journal = records.map((each) => new Uint8Array(Buffer.from(each, "base64")));
    const replayed = replayJournal(journal, sha256);
    assert.ok(replayed.ok, replayed.ok ? "" : `${session}: ${replayed.error.message}`);
    const now = runView(replayed.value.machine.state);
    const said = ({ state, actions }: Kept["view"]): string => JSON.stringify([state, actions]);
    assert.equal(said(now), said(view));
  }
});

test("control: one changed input is noticed at its record or after", () => {
  for (const [index, bytes] of recorded.journal.entries()) {
    if (index === 0) continue;
    const record = readRecord(bytes);
    assert.ok(record.ok);
    const { input } = record.value;
    if (!("call" in input)) continue;
    const other = schema.encode(sessionInput, { ...input, call: input.call + 1000 });
    const changed = { ...record.value, input: other };
    const journal = recorded.journal.with(index, schema.encode(journalRecord, changed));
    assert.match(failure(journal), /^E_JOURNAL_DIVERGES/);
  }
});

test("what is not a journal is refused with the record's index", () => {
  const [header, ...rest] = recorded.journal;
  assert.ok(header !== undefined);
  assert.equal(failure([]), "E_JOURNAL_CORRUPT 0");
  assert.equal(failure(rest), "E_JOURNAL_CORRUPT 0");
  assert.equal(failure([header]), "ok");
  assert.equal(failure([header, Uint8Array.of(0xff)]), "E_JOURNAL_CORRUPT 1");
  assert.equal(failure([header, encodeHeader("s")]), "E_JOURNAL_CORRUPT 1");
  const newer = schema.encode(journalHeader, { format: 2, machine: 1, session: "s-7" });
  assert.equal(failure([newer, ...rest]), "E_JOURNAL_VERSION 0");
  assert.match(failure([header, ...rest.slice(1)]), /^E_JOURNAL_DIVERGES/);
});
