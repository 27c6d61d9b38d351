/**
 * A loss of power at every change that a life with vectors, words, snapshots and forgetting makes, and in
 * the recovery after it: what was promised is there and found, what was forgotten is nowhere.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Files, OperationError } from "@ioi/base";
import { carelessFiles, SimFiles } from "@ioi/sim";
import { createSubstrate, openSubstrate, type Substrate } from "../src/index.ts";
import { embedderNamed, kernel, path, placeOn, vectorOf } from "./support.ts";

const embedder = embedderNamed("crash");
const textOf = (n: number): string => `memory ${n} says zebra${n}`;

interface Life {
  readonly files: SimFiles;
  readonly finished: boolean;
  /** Memories that were promised, and those whose forgetting was. */
  readonly promised: number;
  readonly begun: number;
  readonly forgotten: ReadonlySet<number>;
  readonly forgetting: ReadonlySet<number>;
  /** By memory whose forgetting was begun: its wrapped key, and those of segments that held something of it. */
  readonly keys: ReadonlyMap<number, readonly Uint8Array[]>;
}

const open = (files: Files, seed: string, mode: "read" | "write" = "write"): Promise<Substrate> =>
  openSubstrate(placeOn(files, seed), mode, { embedder, kernel });

const keysOf = async (files: SimFiles, substrate: Substrate, id: number): Promise<Uint8Array[]> => {
  const bytes = await files.readFile(path, 1 << 30);
  const held = substrate.file
    .segments()
    .filter(({ kind, first, count }) => kind !== "table" && id >= first && id < first + count);
  const offsets = [substrate.file.kept(id)?.keyOffset ?? 0, ...held.map((each) => each.keyOffset)];
  return offsets.map((at) => bytes.slice(at + 48, at + 108));
};

const live = async (
  seed: string,
  stopAt: number,
  show: (files: SimFiles) => Files,
): Promise<Life> => {
  const files = new SimFiles({ seed });
  files.stopAt(stopAt);
  const shown = show(files);
  const [forgotten, forgetting] = [new Set<number>(), new Set<number>()];
  const keys = new Map<number, readonly Uint8Array[]>();
  let [promised, begun] = [0, 0];
  try {
    await createSubstrate(placeOn(shown, seed), {
      slot: { type: "open" },
      embedder,
      m: 4,
      efConstruction: 8,
    });
    for (const id of [1, 4]) {
      await using substrate = await open(shown, seed);
      for (const count of [2, 3]) {
        begun = promised + count;
        const texts = Array.from({ length: count }, (_, i) => textOf(promised + i));
        await substrate.remember(
          texts.map((text) => ({ text, origin: { kind: "user", from: "" } })),
        );
        promised = begun;
      }
      await substrate.save();
      keys.set(id, await keysOf(files, substrate, id));
      forgetting.add(id);
      await substrate.forget([id]);
      forgotten.add(id);
      await substrate.save();
    }
  } catch (error) {
    if (!files.stopped) throw error;
  }
  return { files, finished: !files.stopped, promised, begun, forgotten, forgetting, keys };
};

/** What is wrong on a disk after a loss of power; undefined: nothing. */
const complaint = async (
  life: Life,
  files: SimFiles,
  seed: string,
): Promise<string | undefined> => {
  if ((await files.stat(path)) === undefined) return life.promised === 0 ? undefined : "no file";
  const isThere = async (ids: Iterable<number>): Promise<boolean> => {
    const raw = Buffer.from(await files.readFile(path, 1 << 30));
    return [...ids].some((id) => life.keys.get(id)?.some((key) => raw.includes(key)));
  };
  if (await isThere(life.forgotten)) return "a key is still there";
  let substrate: Substrate;
  try {
    substrate = await open(files, seed);
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return error.code;
  }
  await using opened = substrate;
  const states = opened.file.states();
  if (states.length < life.promised || states.length > life.begun)
    return `${states.length} memories`;
  for (const { id, state } of states) {
    const isForgotten = state === "forgotten";
    if (isForgotten ? !life.forgetting.has(id) : life.forgotten.has(id)) return `${id} is ${state}`;
    const { answers } = await opened.recall({ text: `zebra${id}`, k: 3, by: "words" });
    const isFound = answers.some((answer) => answer.id === id && answer.memory.text === textOf(id));
    if (isFound === isForgotten) return `words: ${id} is ${state}`;
    const near = await opened.recall({ vector: vectorOf(textOf(id)), k: 1, by: "vectors" });
    if ((near.answers[0]?.id === id) === isForgotten) return `vectors: ${id} is ${state}`;
  }
  const gone = states.filter(({ state }) => state === "forgotten").map(({ id }) => id);
  if (await isThere(gone)) return "recovery left a key";
  await opened.remember([{ text: "after", origin: { kind: "user", from: "" } }]);
  const { ok } = await opened.audit();
  return ok ? undefined : "the audit finds another index";
};

const everyStop = async (seed: string, show: (files: SimFiles) => Files) => {
  const found: string[] = [];
  let tried = 0;
  for (let stopAt = 0; ; stopAt++) {
    const life = await live(seed, stopAt, show);
    const survivor = life.files.crash(`${stopAt}`);
    // Half of the time it crashes again while it is being recovered.
    const again = stopAt % 2 === 1;
    if (again) {
      survivor.stopAt(stopAt % 7);
      await open(show(survivor), seed).then(
        (substrate) => substrate.close(),
        (error: unknown) => {
          if (!survivor.stopped && !(error instanceof OperationError)) throw error;
        },
      );
    }
    const wrong = await complaint(
      life,
      again ? survivor.crash("again") : survivor,
      `${seed}/${stopAt}`,
    );
    tried++;
    if (wrong !== undefined) found.push(`change ${stopAt}: ${wrong}`);
    if (life.finished) return { tried, found };
  }
};

test("a loss of power at every change loses nothing and leaves nothing of what was forgotten", async (t) => {
  const { tried, found } = await everyStop("crash", (files) => files);
  t.diagnostic(`seed crash, ${tried} losses of power`);
  assert.deepEqual(found, []);
  const control = await everyStop("careless", carelessFiles);
  assert.ok(control.found.length > 0, "a disk whose syncs do nothing loses something");
});
