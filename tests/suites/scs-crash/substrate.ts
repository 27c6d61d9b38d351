/**
 * A file with every kind of record (segments of vectors, words, index and table among them), and what it
 * opens as where it is cut.
 */
import { concatBytes, OperationError, SeededRandom } from "@ioi/base";
import { wasmSource } from "@ioi/host/wasm";
import {
  createSubstrate,
  type Embedder,
  functionEmbedder,
  type KernelExports,
  openSubstrate,
  simdKernel,
} from "@ioi/scs";
import { SimFiles } from "@ioi/sim";
import { Tally, type Tried } from "./bytes.ts";
import { memoryOf, path, textOf } from "./memories.ts";
import { placeOn, placeWith, recordsFrom, withoutHints } from "./world.ts";

const key = new Uint8Array(32).fill(7);
export const slot = { type: "external", name: "suite", key } as const;
const dimension = 16;

/** Few dimensions, so that what is tried often goes quickly. */
const embedder: Embedder = functionEmbedder(
  { identity: { kind: "function", name: "suite", revision: "1" }, dimension },
  (texts) =>
    Promise.resolve(
      texts.map((text) => {
        const random = new SeededRandom(text);
        return Float32Array.from({ length: dimension }, () => random.below(2001) / 1000 - 1);
      }),
    ),
);

/** What a file of the suite is made and opened with. */
export const madeWith = { slot, embedder, m: 4, efConstruction: 20 } as const;
export const openedWith = {
  unlock: slot,
  embedder,
  kernel: wasmSource<KernelExports>(simdKernel),
} as const;

interface Stage {
  /** The file, with the keys that stood in it then: some are overwritten later. */
  readonly bytes: Uint8Array;
  readonly memories: number;
  readonly forgotten: readonly number[];
}

export interface Staged {
  readonly bytes: Uint8Array;
  /** After each call that was acknowledged. */
  readonly stages: readonly Stage[];
}

/** Numbers of the types that stand in a file, by the layout alone. */
export const recordTypesIn = (bytes: Uint8Array): ReadonlySet<number> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Set<number>();
  for (let at = recordsFrom; at + 24 <= bytes.length;) {
    found.add(bytes[at + 4] as number);
    at += Math.ceil((24 + view.getUint32(at + 8, true) + 4) / 8) * 8;
  }
  return found;
};

export const everyRecord = async (seed: string): Promise<Staged> => {
  const place = placeOn(new SimFiles({ seed }), seed);
  await createSubstrate(place, madeWith);
  const stages: Stage[] = [];
  const forgotten: number[] = [];
  for (let round = 0; round < 2; round++) {
    await using opened = await openSubstrate(place, "write", openedWith);
    const done = async (): Promise<void> => {
      const { memories } = opened.file.info;
      const bytes = await place.files.readFile(path, 1 << 30);
      stages.push({ bytes, memories, forgotten: [...forgotten] });
    };
    const first = 5 * round;
    await opened.remember([first, first + 1, first + 2].map((n) => memoryOf(n)));
    await done();
    await opened.tomb([first]);
    await opened.supersede(first + 1, first + 2);
    await done();
    await opened.forget([first + 2]);
    forgotten.push(first + 2);
    await done();
    await opened.rebuild();
    await opened.remember([first + 3, first + 4].map((n) => memoryOf(n)));
    await done();
  }
  return { bytes: await place.files.readFile(path, 1 << 30), stages };
};

/** What is wrong with the file after a crash that left so much of it; undefined: nothing. */
const complaint = async (
  bytes: Uint8Array,
  due: Stage | undefined,
  next: Stage,
): Promise<string | undefined> => {
  const [least, most] = [due?.memories ?? 0, next.memories];
  try {
    await using opened = await openSubstrate(await placeWith(bytes), "write", openedWith);
    const states = opened.file.states();
    if (states.length < least || states.length > most) {
      return `${states.length} memories, due ${least} to ${most}`;
    }
    for (const { id, state } of states) {
      if (due?.forgotten.includes(id) === true && state !== "forgotten") return `${id} is back`;
      if (state === "forgotten") continue;
      const { text } = await opened.file.read(id);
      if (text !== textOf(id)) return `${id} reads as another`;
    }
    const found = await opened.recall({ text: "memory", k: 3 });
    return found.answers.some(({ id }) => due?.forgotten.includes(id)) ? "it answers" : undefined;
  } catch (error) {
    if (error instanceof OperationError) return error.code;
    throw error;
  }
};

/**
 * Every cut behind the superblock, without the hints that would show it: what was appended since the last
 * call that was acknowledged may be there in part, and no key is overwritten yet.
 */
export const cutsOfEvery = async ({ stages }: Staged, step: number): Promise<Tried> => {
  const tally = new Tally();
  for (const [i, next] of stages.entries()) {
    const due = stages[i - 1];
    const before = due?.bytes ?? next.bytes.slice(0, recordsFrom);
    for (let length = before.length; length < next.bytes.length; length += step) {
      const left = withoutHints(concatBytes(before, next.bytes.slice(before.length, length)));
      const found = await complaint(left, due, next);
      tally.add(`cut to ${length} bytes`, found ?? "", found === undefined);
    }
  }
  return tally;
};
