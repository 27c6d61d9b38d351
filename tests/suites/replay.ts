/**
 * Journals replay byte for byte: 100 sessions, made from the seed by the production machine against
 * a scripted world (denials, asks, a person who does not answer, failures, crashes and resumes,
 * stops), are replayed from their journals alone and every effect is compared.
 *
 * The control of each case changes one input of its journal: the replay must notice.
 * With `--data PATH` the journals of a data folder (or one journal) are replayed instead.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { journalRecord, readRecord, replayJournal, runView, sessionInput } from "@ioi/agent";
import { runScripted, type ScriptedRun } from "@ioi/agent/scripted";
import { equalBytes, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { scanWal } from "@ioi/storage";
import { schema } from "@ioi/wire";
import type { Suite, SuiteCase, SuiteContext, SuiteResult } from "./suite.ts";

const journalsWanted = 100;
const sha256 = (bytes: Uint8Array): Uint8Array => nodeCrypto.sha256(bytes);

const texts = [
  "/read a.txt",
  "/write a.txt hello && /read a.txt && /stat a.txt",
  "/write a.txt hello && /copy a.txt b.txt && /move b.txt c.txt && /delete a.txt",
  "/mkdir sub && /write sub/x 1 && /write sub/y 2 && /list sub && /undo",
  '/run sh -c "$X" && /find *.txt && /find text hello in sub',
  "/write a.txt hello && /run make && /undo && /help",
  "/open http://localhost",
  "/raed a.txt",
];

/** An integer in [0, bound) from the suite's generator, drawn afresh for each journal. */
const drawing = (random: () => number) => {
  let state = Math.floor(random() * 2 ** 32) >>> 0;
  return (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
};

const script = (index: number, random: () => number): ScriptedRun => {
  const next = drawing(random);
  const pick = <T>(items: readonly T[]): T => items[next(items.length)] as T;
  return runScripted({
    next,
    hash: sha256,
    session: `s-${index}`,
    goal: {
      text: pick(texts),
      kind: (["planner", "model", "planner", "folder"] as const)[index % 4] ?? "planner",
      earlier: [],
      lost: [],
    },
    onAsk: pick(["pend", "prompt", "deny"] as const),
    crashes: pick([0, 15, 50]),
    stops: pick([0, 0, 10]),
  });
};

/** Where a journal's replay first differs from what was recorded while it was made. */
const difference = (run: ScriptedRun): string | undefined => {
  let at = 0;
  let differs: string | undefined;
  const replayed = replayJournal(run.journal, sha256, ({ index, encoded }) => {
    const recorded = run.effects[at];
    at += 1;
    if (recorded !== undefined && equalBytes(recorded, encoded)) return;
    differs ??= `record ${index}: ${toHex(sha256(encoded))}`;
  });
  if (!replayed.ok) return replayed.error.message;
  if (at !== run.effects.length) return `${at} steps of ${run.effects.length}`;
  const [live, again] = [run.machine, replayed.value.machine].map(({ state }) =>
    JSON.stringify(runView(state)),
  );
  return differs ?? (live === again ? undefined : "the views differ");
};

/** The journal with one effective answer renumbered, so that it answers nothing any more. */
const changed = (
  journal: readonly Uint8Array[],
  random: () => number,
): readonly Uint8Array[] | undefined => {
  const candidates: number[] = [];
  replayJournal(journal, sha256, ({ index, input, effects }) => {
    if ("call" in input && effects.length > 0) candidates.push(index);
  });
  const index = candidates[Math.floor(random() * candidates.length)];
  const record = index === undefined ? undefined : readRecord(journal[index] as Uint8Array);
  if (index === undefined || record?.ok !== true) return undefined;
  const { input, atMs, effects } = record.value;
  if (!("call" in input)) return undefined;
  const other = schema.encode(sessionInput, { ...input, call: input.call + 100_000 });
  return journal.with(index, schema.encode(journalRecord, { atMs, effects, input: other }));
};

const noticed = (journal: readonly Uint8Array[], random: () => number): boolean => {
  const other = changed(journal, random);
  if (other === undefined) return false;
  const replayed = replayJournal(other, sha256);
  return !replayed.ok && replayed.error.code === "E_JOURNAL_DIVERGES";
};

const made = (context: SuiteContext): SuiteResult => {
  const cases: SuiteCase[] = [];
  const total = { records: 0, crashes: 0, asks: 0, denials: 0, performed: 0, differing: 0 };
  for (let index = 0; index < journalsWanted && !context.signal.aborted; index++) {
    const run = script(index, context.random);
    const differs = difference(run);
    const violation = run.violations[0];
    total.records += run.journal.length;
    total.crashes += run.crashes;
    total.asks += run.asks;
    total.denials += run.denials;
    total.performed += run.performed;
    if (differs !== undefined) total.differing += 1;
    const actual = differs ?? violation;
    cases.push({
      id: `journal-${String(index).padStart(3, "0")}`,
      outcome: actual === undefined ? "passed" : "failed",
      ...(actual === undefined ? {} : { expected: "the same effects, none twice", actual }),
      control: noticed(run.journal, context.random) ? "harmed" : "harmless",
    });
  }
  context.progress(`${cases.length} journals, ${total.records} records`);
  return {
    cases,
    metrics: { journals: cases.length, ...total },
    goals: [
      { metric: "journals", op: ">=", value: journalsWanted },
      { metric: "differing", op: "=", value: 0 },
      { metric: "crashes", op: ">=", value: 1 },
      { metric: "asks", op: ">=", value: 1 },
      { metric: "denials", op: ">=", value: 1 },
    ],
  };
};

const journalFiles = (path: string): readonly string[] => {
  if (!statSync(path).isDirectory()) return [path];
  for (const folder of [join(path, "workload", "journals"), join(path, "journals"), path]) {
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) continue;
    const names = readdirSync(folder).filter((name) => name.endsWith(".log"));
    if (names.length > 0) return names.sort().map((name) => join(folder, name));
  }
  return [];
};

const given = (context: SuiteContext, path: string): SuiteResult => {
  const cases: SuiteCase[] = [];
  const data: { readonly path: string; readonly sha256: string }[] = [];
  let count = 0;
  for (const file of journalFiles(path)) {
    const bytes = readFileSync(file);
    data.push({ path: file, sha256: createHash("sha256").update(bytes).digest("hex") });
    const records: Uint8Array[] = [];
    const scan = scanWal(bytes, ({ payload }) => {
      records.push(payload.slice());
    });
    const bad = scan.firstBad !== undefined && scan.firstBad.kind !== "tail";
    const replayed = replayJournal(records, sha256);
    const actual = bad ? scan.firstBad.reason : replayed.ok ? undefined : replayed.error.message;
    count += records.length;
    cases.push({
      id: basename(file, ".log"),
      outcome: actual === undefined ? "passed" : "failed",
      ...(actual === undefined ? {} : { expected: "the same effects", actual }),
      ...(actual === undefined && records.length > 2
        ? { control: noticed(records, context.random) ? "harmed" : "harmless" }
        : {}),
    });
  }
  return { cases, data, metrics: { journals: cases.length, records: count } };
};

export const suite: Suite = {
  name: "replay",
  covers: ["agent 1", "architecture 1"],
  summary: "100 journals of sessions replay byte for byte; a changed input is noticed",
  run: async (context) =>
    context.dataPath === undefined ? made(context) : given(context, context.dataPath),
};
