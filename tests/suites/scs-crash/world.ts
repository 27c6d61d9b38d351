/** Small memory files on simulated disks, and what they open as. */
import { type Files, OperationError, SeededRandom } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { createMemoryFile, type MemoryFile, openMemoryFile, type Place } from "@ioi/scs";
import { SimFiles } from "@ioi/sim";
import { given, memoryOf, path, textOf } from "./memories.ts";

export { given, memoryOf, path, textOf } from "./memories.ts";

/** Where the superblock ends and where records begin: `specs/scs/format.md`, sections 2 to 4. */
export const hintsFrom = 4096;
export const recordsFrom = 5120;
const hintBytes = 512;
/** In the file: a record's header and the head of its payload, before a wrapped key. */
export const wrappedAt: number = 24 + 48;
export const wrappedBytes = 60;

/** The platform's cryptography with randomness from a seed, so that a run can be repeated. */
const seededCrypto = (seed: string): CryptoProvider => {
  const random = new SeededRandom(seed);
  return { ...nodeCrypto, randomBytes: (length) => random.fill(new Uint8Array(length)) };
};

export const placeOn = (files: Files, seed: string): Place => ({
  files,
  path,
  provider: seededCrypto(seed),
  now: () => 1_700_000_000_000,
});

export const bytesOf = async ({ files }: Place): Promise<Uint8Array> =>
  await files.readFile(path, 1 << 30);

export const placeWith = async (bytes: Uint8Array): Promise<Place> => {
  const place = placeOn(new SimFiles({ seed: "with" }), "with");
  await place.files.replaceFile(path, bytes);
  return place;
};

export interface ManyCommits {
  readonly bytes: Uint8Array;
  /** Where each commit ends; each holds two memories. */
  readonly ends: readonly number[];
}

/** A file of several commits; `hostile`: its memories quote the file's own last commit. */
export const manyCommits = async (
  seed: string,
  commits: number,
  hostile: boolean,
): Promise<ManyCommits> => {
  const place = placeOn(new SimFiles({ seed }), seed);
  await createMemoryFile(place, given, { type: "open" });
  const ends: number[] = [];
  await using file = await openMemoryFile(place, "write");
  for (let n = 0; n < commits; n++) {
    const quoted = Buffer.from(await bytesOf(place))
      .subarray(-400)
      .toString("latin1");
    await file.add([memoryOf(2 * n, hostile ? quoted : ""), memoryOf(2 * n + 1)]);
    ends.push(file.info.bytes);
  }
  return { bytes: await bytesOf(place), ends };
};

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const readAll = async (file: MemoryFile): Promise<string> => {
  const { memories, damage } = file.info;
  for (const { id, state } of file.states()) {
    if (state !== "live") return `memory ${id} is ${state}`;
    const { text } = await file.read(id);
    if (!text.startsWith(textOf(id))) return `memory ${id} reads as another`;
  }
  return `${memories}${damage === undefined ? "" : " damaged"}`;
};

/** What a file opens as: the number of its memories, all of which read right, or why not. */
export const opened = async (bytes: Uint8Array, mode: "read" | "write"): Promise<string> => {
  const place = await placeWith(bytes);
  try {
    await using file = await openMemoryFile(place, mode);
    const found = await readAll(file);
    const untouched = mode === "write" || same(await bytesOf(place), bytes);
    return untouched ? found : "reading wrote to the file";
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return same(await bytesOf(place), bytes) ? error.code : "a refused file was written to";
  }
};

export const withoutHints = (bytes: Uint8Array): Uint8Array =>
  bytes.slice().fill(0, hintsFrom, recordsFrom);

/** The file with those of its hints that were there after commit `number`. */
export const hintedUpTo = (bytes: Uint8Array, number: number): Uint8Array => {
  const shown = withoutHints(bytes);
  for (let at = hintsFrom; at < recordsFrom; at += hintBytes) {
    const hint = bytes.slice(at, at + hintBytes);
    const commit = new DataView(hint.buffer).getBigUint64(8, true);
    if (commit <= BigInt(number)) shown.set(hint, at);
  }
  return shown;
};

/** The wrapped keys of a file's memories in order, found by the layout alone. */
export const wrappedKeys = (bytes: Uint8Array): readonly Uint8Array[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const keys: Uint8Array[] = [];
  for (let at = recordsFrom; at + 24 <= bytes.length;) {
    if (view.getUint32(at, true) !== 0x52534353) break;
    if (bytes[at + 4] === 5) keys.push(bytes.slice(at + wrappedAt, at + wrappedAt + wrappedBytes));
    at += Math.ceil((24 + view.getUint32(at + 8, true) + 4) / 8) * 8;
  }
  return keys;
};
