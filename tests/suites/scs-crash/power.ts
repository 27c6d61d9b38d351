/**
 * A loss of power at every change that a life with a memory file makes, and again while the file is
 * being recovered. `lost`: a promised memory is gone. `remembered`: a memory whose forgetting was
 * promised can still be read, from the file's bytes. `wrong`: anything else that never was.
 */
import { type Files, OperationError, SeededRandom } from "@ioi/base";
import { createMemoryFile, type MemoryFile, openMemoryFile } from "@ioi/scs";
import { SimFiles } from "@ioi/sim";
import { given, memoryOf, path, placeOn, textOf, wrappedKeys } from "./world.ts";

export type Show = (files: SimFiles) => Files;

interface Life {
  readonly files: SimFiles;
  readonly finished: boolean;
  /** Memories that were promised, and that were begun. */
  readonly added: number;
  readonly begun: number;
  readonly forgotten: ReadonlySet<number>;
  readonly forgetting: ReadonlySet<number>;
}

/** Makes a file, adds, forgets, opens again; ends at one change, or at one sync that fails. */
const live = async (
  seed: string,
  end: { readonly stopAt: number } | { readonly failSync: number },
  show: Show,
): Promise<Life> => {
  const files = new SimFiles({ seed });
  let failed = false;
  if ("stopAt" in end) files.stopAt(end.stopAt);
  else files.failSync(end.failSync);
  const place = placeOn(show(files), seed);
  const random = new SeededRandom(seed);
  const [forgotten, forgetting] = [new Set<number>(), new Set<number>()];
  let [added, begun] = [0, 0];
  try {
    await createMemoryFile(place, given, { type: "open" });
    for (let step = 0; step < 8;) {
      await using file = await openMemoryFile(place, "write");
      for (const until = step + 4; step < until; step++) {
        begun = added + 1 + random.below(3);
        await file.add(Array.from({ length: begun - added }, (_, i) => memoryOf(added + i)));
        added = begun;
        const id = random.below(added);
        if (random.chance(1, 2) || forgotten.has(id)) continue;
        forgetting.add(id);
        await file.forget([id]);
        forgotten.add(id);
      }
    }
  } catch (error) {
    failed = error instanceof OperationError && "failSync" in end;
    if (!files.stopped && !failed) throw error;
  }
  return { files, finished: !files.stopped && !failed, added, begun, forgotten, forgetting };
};

export type Finding = "fine" | "lost" | "remembered" | "refused" | "wrong";

const openOrRefuse = async (files: Files, seed: string): Promise<MemoryFile | undefined> => {
  try {
    return await openMemoryFile(placeOn(files, seed), "write");
  } catch (error) {
    if (error instanceof OperationError) return undefined;
    throw error;
  }
};

const isThere = (bytes: Uint8Array): boolean => bytes.some((byte) => byte !== 0);

interface Looked {
  readonly finding: Finding;
  /** Memories that are there afterwards, and so promised from then on. */
  readonly there: number;
}

/** What is found on a disk after a loss of power; adds one memory. */
const look = async (life: Life, files: Files, seed: string, promised: number): Promise<Looked> => {
  const bad = (finding: Finding): Looked => ({ finding, there: 0 });
  if ((await files.stat(path)) === undefined) return bad(promised === 0 ? "fine" : "lost");
  const keys = wrappedKeys(await files.readFile(path, 1 << 30));
  if ([...life.forgotten].some((id) => isThere(keys[id] ?? new Uint8Array()))) {
    return bad("remembered");
  }
  const opened = await openOrRefuse(files, seed);
  if (opened === undefined) return bad("refused");
  await using file = opened;
  const states = file.states();
  if (states.length < promised) return bad("lost");
  if (states.length > Math.max(life.begun, promised)) return bad("wrong");
  for (const { id, state } of states) {
    const isForgotten = state === "forgotten";
    if (state === "damaged") return bad("lost");
    if (isForgotten ? !life.forgetting.has(id) : life.forgotten.has(id)) return bad("wrong");
    if (!isForgotten && (await file.read(id)).text !== textOf(id)) return bad("wrong");
  }
  const [added] = await file.add([memoryOf(states.length)]);
  return added === states.length ? { finding: "fine", there: added + 1 } : bad("wrong");
};

/** Crashes, looks and adds; crashes again and looks again. */
const examine = async (life: Life, seed: string, show: Show): Promise<Finding> => {
  const first = life.files.crash(seed);
  const { finding, there } = await look(life, show(first), `${seed}/1`, life.added);
  if (finding !== "fine" || there === 0) return finding;
  return (await look(life, show(first.crash("again")), `${seed}/2`, there)).finding;
};

/** Crashes, and crashes at every change that recovery makes; then looks. */
const examineRecovery = async (life: Life, seed: string, show: Show): Promise<Finding[]> => {
  const found: Finding[] = [];
  for (let stopAt = 0; ; stopAt++) {
    const survivor = life.files.crash(seed);
    survivor.stopAt(stopAt);
    try {
      await (await openMemoryFile(placeOn(show(survivor), seed), "write")).close();
    } catch (error) {
      if (!survivor.stopped && !(error instanceof OperationError)) throw error;
    }
    if (!survivor.stopped) return found;
    const after = survivor.crash(`${stopAt}`);
    found.push((await look(life, show(after), `${seed}/${stopAt}`, life.added)).finding);
  }
};

/**
 * A sync fails; the file is opened again, on a page cache that shows more than the disk holds. From
 * then on all that it shows is promised, and a loss of power takes nothing of it.
 */
export const everyFailedSync = async (
  seed: string,
): Promise<{
  readonly tried: number;
  readonly wrong: number;
  readonly first: string | undefined;
}> => {
  let [tried, wrong]: [number, number] = [0, 0];
  let first: string | undefined;
  for (let failSync = 0; ; failSync++) {
    const life = await live(seed, { failSync }, (files) => files);
    if (life.finished) return { tried, wrong, first };
    if ((await life.files.stat(path)) === undefined) continue;
    const forgotten = new Set(life.forgotten);
    let shown = 0;
    {
      await using file = await openMemoryFile(placeOn(life.files, `${seed}/again`), "write");
      const states = file.states();
      shown = states.length;
      for (const { id, state } of states) if (state === "forgotten") forgotten.add(id);
    }
    for (let state = 0; state < 6; state++) {
      tried += 1;
      const after = { ...life, forgotten, begun: Math.max(life.begun, shown) };
      const { finding } = await look(after, life.files.crash(`${state}`), `${seed}/f`, shown);
      if (finding === "fine") continue;
      wrong += 1;
      first ??= `${finding} after sync ${failSync} failed, state ${state}`;
    }
  }
};

export type Found = Readonly<Record<Finding, number>> & {
  readonly points: number;
  readonly inRecovery: number;
  /** The first that was not fine: where to look. */
  readonly first: string | undefined;
};

/** `crashes`: states of the disk that are looked at for each change. */
export const everyStop = async (seed: string, crashes: number, show: Show): Promise<Found> => {
  const found = { fine: 0, lost: 0, remembered: 0, refused: 0, wrong: 0 };
  let [first, inRecovery]: [string | undefined, number] = [undefined, 0];
  const count = (finding: Finding, where: string): void => {
    found[finding] += 1;
    if (finding !== "fine") first ??= `${finding} ${where}`;
  };
  for (let stopAt = 0; ; stopAt++) {
    const life = await live(seed, { stopAt }, show);
    for (let i = 0; i < crashes; i++) {
      count(await examine(life, `${stopAt}/${i}`, show), `at change ${stopAt}, state ${i}`);
    }
    for (const finding of await examineRecovery(life, `${stopAt}/r`, show)) {
      inRecovery += 1;
      count(finding, `in the recovery after change ${stopAt}`);
    }
    if (life.finished) return { ...found, points: stopAt, inRecovery, first };
  }
};
