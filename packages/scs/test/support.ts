/** Memory files for tests: a deterministic provider, a simulated disk, small memories by number. */
import { SeededRandom } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { wasmSource } from "@ioi/host/wasm";
import { SimFiles } from "@ioi/sim";
import {
  createMemoryFile,
  type Embedder,
  functionEmbedder,
  type KernelExports,
  type MemoryFile,
  type NewMemory,
  openMemoryFile,
  type Place,
  simdKernel,
} from "../src/index.ts";
import { noVectors } from "../src/header.ts";

export { noVectors as given };
export const path = "a.scs";

/** The platform's cryptography with randomness from a seed, so that a run can be repeated. */
export const seededCrypto = (seed: string): CryptoProvider => {
  const random = new SeededRandom(seed);
  return { ...nodeCrypto, randomBytes: (length) => random.fill(new Uint8Array(length)) };
};

export const placeOn = (files: SimFiles | Place["files"], seed = "place"): Place => ({
  files,
  path,
  provider: seededCrypto(seed),
  now: () => 1_700_000_000_000,
});

export const freshPlace = async (seed: string): Promise<Place> => {
  const place = placeOn(new SimFiles({ seed }), seed);
  await createMemoryFile(place, noVectors, { type: "open" });
  return place;
};

export const textOf = (n: number): string => `memory ${n}: ${"x".repeat((n * 37) % 300)}`;

export const memoryOf = (n: number): NewMemory => ({
  text: textOf(n),
  origin: { kind: "user", from: "test" },
  tags: [`n${n % 3}`],
});

export const memoriesFrom = (from: number, count: number): readonly NewMemory[] =>
  Array.from({ length: count }, (_, i) => memoryOf(from + i));

export const bytesOf = async ({ files, path: at }: Place): Promise<Uint8Array> =>
  await files.readFile(at, 1 << 30);

/** A place whose file holds these bytes. */
export const placeWith = async (bytes: Uint8Array, seed = "with"): Promise<Place> => {
  const place = placeOn(new SimFiles({ seed }), seed);
  await place.files.replaceFile(path, bytes);
  return place;
};

export const openToRead = (place: Place): Promise<MemoryFile> => openMemoryFile(place, "read");
export const openToWrite = (place: Place): Promise<MemoryFile> => openMemoryFile(place, "write");

export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : `no code: ${String(error)}`;

export const kernel = wasmSource<KernelExports>(simdKernel);

/** A vector that depends on the whole text and on nothing else. */
export const vectorOf = (text: string): Float32Array => {
  const random = new SeededRandom(text);
  return Float32Array.from({ length: 8 }, () => random.below(1000) - 500);
};

export const embedderNamed = (name: string): Embedder =>
  functionEmbedder({ identity: { kind: "test", name, revision: "1" }, dimension: 8 }, (texts) =>
    Promise.resolve(texts.map(vectorOf)),
  );
