/** Making and opening a substrate: a memory file, with the embedder that it is for. */
import { OperationError } from "@ioi/base";
import { indexDimensionMax, mhnsw } from "@ioi/state";
import type { Embedder } from "../embed/embedder.ts";
import { createMemoryFile, noVectors, operation, type Place } from "../header.ts";
import type { Parameters } from "../messages.ts";
import { type OpenMode, openMemoryFile } from "../open.ts";
import { quantiserName } from "../quantise.ts";
import { Substrate } from "./substrate.ts";
import type { CreateOptions, OpenOptions } from "./types.ts";

export const withVectors = (
  place: Place,
  embedder: Embedder,
  { m = 16, efConstruction = 200 }: Pick<CreateOptions, "m" | "efConstruction"> = {},
): Omit<Parameters, "slots" | "createdMs"> => {
  const { dimension, identity } = embedder;
  // Whoever embeds says it, and may be a stranger.
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > indexDimensionMax) {
    const why = `${identity.name} gives vectors of ${dimension} components, not 1 to ${indexDimensionMax}`;
    throw new OperationError("E_SCS_VECTOR", `${place.path}: ${why}`, {
      next: "Choose a model of smaller vectors; words find memories without one.",
    });
  }
  return {
    index: {
      dimension,
      m,
      efConstruction,
      quantiser: quantiserName,
      quantiserSeed: place.provider.randomBytes(32),
      algorithm: mhnsw.mhnswAlgorithm,
    },
    embedder: identity,
  };
};

/** Makes a file that is not there yet. */
export const createSubstrate = async (place: Place, options: CreateOptions): Promise<void> => {
  const { embedder, slot } = options;
  const given = embedder === undefined ? noVectors : withVectors(place, embedder, options);
  await createMemoryFile(place, given, slot);
};

/** Whether the vectors of a file are those of an embedder. */
export const isEmbedderOf = (
  { index, embedder }: Pick<Parameters, "index" | "embedder">,
  { identity, dimension }: Pick<Embedder, "identity" | "dimension">,
): boolean =>
  identity.kind === embedder.kind &&
  identity.name === embedder.name &&
  identity.revision === embedder.revision &&
  dimension === index.dimension;

const checkEmbedder = (place: Place, given: Embedder, parameters: Parameters): void => {
  if (isEmbedderOf(parameters, given)) return;
  const { kind, name } = given.identity;
  const { index, embedder } = parameters;
  const had = index.dimension === 0 ? "no embedder" : `${embedder.kind} ${embedder.name}`;
  throw operation("E_SCS_EMBEDDER", place.path, `it was made with ${had}, not ${kind} ${name}`);
};

/** Opens a file. Another embedder than the file's is an E_SCS_EMBEDDER. */
export const openSubstrate = async (
  place: Place,
  mode: OpenMode,
  options: OpenOptions,
): Promise<Substrate> => {
  options.signal?.throwIfAborted();
  const file = await openMemoryFile(place, mode, options.unlock, options.extent);
  try {
    const { embedder } = options;
    if (embedder !== undefined) checkEmbedder(place, embedder, file.info.parameters);
    return new Substrate(place, file, mode === "write", options);
  } catch (error) {
    await file.close();
    throw error;
  }
};
