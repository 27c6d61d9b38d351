/** Substrates for tests: memories about few topics, with vectors that say which. */
import { SeededRandom } from "@ioi/base";
import { SimFiles } from "@ioi/sim";
import {
  createSubstrate,
  type Embedder,
  functionEmbedder,
  type NewMemory,
  openSubstrate,
  type OpenMode,
  type Place,
  type Substrate,
} from "../src/index.ts";
import { kernel, placeOn } from "./support.ts";

export { kernel } from "./support.ts";

export const topics = [
  "garden",
  "engine",
  "harbour",
  "violin",
  "bread",
  "glacier",
  "ledger",
  "comet",
];

/** A vector that is about the topics a text names, and a little about nothing in particular. */
export const embedText = (text: string): Float32Array => {
  // What says the same in other words has the same vector.
  const random = new SeededRandom(text.replace(" once more", ""));
  return Float32Array.from({ length: 32 }, (_, i) => {
    const isNamed = text.includes(topics[i % topics.length] as string);
    return (isNamed ? 4 : 0) + (random.below(1000) - 500) / 1000;
  });
};
export const identity = { kind: "test", name: "topics", revision: "1" };
export const embedder: Embedder = functionEmbedder({ identity, dimension: 32 }, (texts) =>
  Promise.resolve(texts.map(embedText)),
);

export const memoryAt = (n: number): NewMemory => ({
  text: `note ${n} about the ${topics[n % topics.length]}: word${n} and word${n + 1}`,
  origin: { kind: n % 2 === 0 ? "user" : "file", from: "test" },
  source: `notes/${n % 4}.md`,
  tags: [`t${n % 3}`],
  saidMs: 1_600_000_000_000 + n,
});
export const memoriesFrom = (from: number, count: number): readonly NewMemory[] =>
  Array.from({ length: count }, (_, i) => memoryAt(from + i));

export const fresh = async (
  seed: string,
  given: Embedder | undefined = embedder,
): Promise<Place> => {
  const place = placeOn(new SimFiles({ seed }), seed);
  await createSubstrate(place, { slot: { type: "open" }, embedder: given, efConstruction: 40 });
  return place;
};
export const open = (place: Place, mode: OpenMode = "write"): Promise<Substrate> =>
  openSubstrate(place, mode, { embedder, kernel });

export const idsOf = (answers: readonly { readonly id: number }[]): readonly number[] =>
  answers.map(({ id }) => id);
