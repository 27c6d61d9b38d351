/** A file of memories, measured: what a vector takes in it, how soon it answers, what adding keeps. */
import fs from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { wasmSource } from "@ioi/host/wasm";
import {
  createSubstrate,
  type Embedder,
  type KernelExports,
  openSubstrate,
  type Place,
  relaxedKernel,
  type Substrate,
} from "@ioi/scs";
import type { Scratch } from "../kernel.ts";
import { quantile, rounded } from "../statistics.ts";
import type { VectorSet } from "./data.ts";

const kernel = wasmSource<KernelExports>(relaxedKernel);
const batch = 1024;
/** Below so many, what adding keeps resident is not to be told from what is loaded once. */
const batchesMin = 8;
const mib = 1024 * 1024;

const nameOf = (id: number): string => `memory ${id}`;

/** Gives the vectors of a set, by the number in the text; of a longer file, round and round. */
const embedderOf = ({ base, count, dimension }: VectorSet): Embedder => ({
  identity: { kind: "function", name: "bench", revision: "1" },
  dimension,
  isWeak: false,
  embed: (texts) =>
    Promise.resolve(
      texts.map((text) => {
        const id = Number(text.split(" ", 2)[1]) % count;
        return base.slice(id * dimension, (id + 1) * dimension);
      }),
    ),
});

/** Bytes that are kept, once what is not is collected. */
interface Resident {
  readonly memories: number;
  readonly rss: number;
  readonly heap: number;
}

interface Written {
  readonly bytes: number;
  /** Half way and at the end. */
  readonly half: Resident | undefined;
  readonly end: Resident | undefined;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const residentAt = (memories: number): Resident => {
  collect();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { memories, rss, heap: heapUsed + arrayBuffers };
};

/** MiB that 100,000 memories more take. */
const slopeOf = (of: "rss" | "heap", half: Resident, end: Resident): number =>
  rounded((((end[of] - half[of]) / mib) * 100_000) / (end.memories - half.memories));

const write = async (
  place: Place,
  folder: string,
  count: number,
  embedder: Embedder | undefined,
  progress: (text: string) => void,
): Promise<Written> => {
  const given = embedder === undefined ? {} : { embedder };
  await createSubstrate(place, { slot: { type: "open" }, ...given });
  // What the first half takes is what is loaded and compiled once.
  const middle = Math.ceil(count / batch / 2) * batch;
  let [half, end]: (Resident | undefined)[] = [];
  {
    await using substrate = await openSubstrate(place, "write", { kernel, ...given });
    for (let from = 0; from < count; from += batch) {
      const length = Math.min(batch, count - from);
      await substrate.remember(
        Array.from({ length }, (_, i) => ({
          text: nameOf(from + i),
          origin: { kind: "user" as const, from: "" },
        })),
      );
      if (from + length === middle) half = residentAt(middle);
      if ((from / batch) % 16 === 15) progress(`${from + length} memories in a file`);
    }
    end = residentAt(count);
  }
  return { bytes: fs.statSync(`${folder}/${place.path}`).size, half, end };
};

const openings = 3;

/** Until the first answer by vector, in milliseconds. */
const firstAnswerMs = async (place: Place, set: VectorSet, embedder: Embedder): Promise<number> => {
  const times: number[] = [];
  for (let i = 0; i < openings; i++) {
    const began = performance.now();
    await using substrate: Substrate = await openSubstrate(place, "read", { kernel, embedder });
    const vector = set.queries[i] as Float32Array;
    const { answers } = await substrate.recall({ vector, k: 10, by: "vectors" });
    times.push(performance.now() - began);
    if (answers.length !== 10) throw new Error(`${answers.length} answers`);
  }
  return quantile(times, 0.5);
};

export interface FileMeasures {
  readonly bytesPerVector: number;
  /** MiB that 100,000 memories more keep resident, words and vectors in memory. */
  readonly importRssSlopeMiB?: number;
  /** Of these, what is not the index: objects and their bytes. */
  readonly importHeapSlopeMiB?: number;
  readonly open100kMs?: number;
}

/** Memories of a file whose opening is measured. */
export const openedMin = 100_000;

export const measureFile = async (
  set: VectorSet,
  scratch: Scratch,
  count: number,
  progress: (text: string) => void,
): Promise<FileMeasures> => {
  const folder = scratch.folder("files");
  const placeOf = (path: string): Place => ({
    files: openFiles(folder),
    path,
    provider: nodeCrypto,
    now: () => Date.now(),
  });
  const embedder = embedderOf(set);
  const vectors = await write(placeOf("vectors.scs"), folder, count, embedder, progress);
  const words = await write(placeOf("words.scs"), folder, count, undefined, progress);
  const { half, end } = vectors;
  const isLong = count >= batchesMin * batch && half !== undefined && end !== undefined;
  const measures = {
    bytesPerVector: Math.round((vectors.bytes - words.bytes) / count),
    ...(isLong
      ? {
          importRssSlopeMiB: slopeOf("rss", half, end),
          importHeapSlopeMiB: slopeOf("heap", half, end),
        }
      : {}),
  };
  const answered = await firstAnswerMs(placeOf("vectors.scs"), set, embedder);
  return count < openedMin ? measures : { ...measures, open100kMs: rounded(answered, 1) };
};
