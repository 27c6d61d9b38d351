/** The superblock of a file: writing it once, and reading it. */
import { type FileHandle, type Files, OperationError } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { mhnsw } from "@ioi/state";
import { schema } from "@ioi/wire";
import { keyBytes, makeSlot, type NewSlot } from "./keys.ts";
import {
  decodeSuperblock,
  encodeSuperblock,
  recordsFrom,
  saltBytes,
  storeIdBytes,
  superblockBytes,
  superblockHash,
} from "./layout.ts";
import { type Parameters, parameters as parametersSchema } from "./messages.ts";
import { quantiserName, storedDimension } from "./quantise.ts";

export interface Place {
  readonly files: Files;
  readonly path: string;
  readonly provider: CryptoProvider;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export const operation = (code: `E_SCS_${string}`, path: string, why: string): OperationError =>
  new OperationError(code, `${path}: ${why}`);

/** Of a file that is asked by words alone. */
export const noVectors: Omit<Parameters, "slots" | "createdMs"> = {
  index: {
    dimension: 0,
    m: 0,
    efConstruction: 0,
    quantiser: "none",
    quantiserSeed: new Uint8Array(),
    algorithm: "none",
  },
  embedder: { kind: "none", name: "", revision: "" },
};

export const lockPath = (path: string): string => `${path}.lock`;

/** E_SCS_MISSING where there is no file of this name. */
export const requireFile = async ({ files, path }: Place): Promise<void> => {
  if ((await files.stat(path)) === undefined) {
    throw operation("E_SCS_MISSING", path, "there is no such file");
  }
};

/** Makes a file that is not there yet. */
export const createMemoryFile = async (
  place: Place,
  given: Omit<Parameters, "slots" | "createdMs">,
  slot: NewSlot,
): Promise<void> => {
  const { files, path, provider } = place;
  if ((await files.stat(path)) !== undefined) {
    throw new OperationError("E_FILES_EXISTS", `${path} is there already`);
  }
  const storeId = provider.randomBytes(storeIdBytes);
  const master = provider.randomBytes(keyBytes);
  const slots = [makeSlot(provider, storeId, master, slot)];
  const parameters = schema.encode(parametersSchema, { ...given, createdMs: place.now(), slots });
  const block = { storeId, salt: provider.randomBytes(saltBytes), parameters };
  const bytes = new Uint8Array(recordsFrom);
  bytes.set(encodeSuperblock(provider, block));
  await files.replaceFile(path, bytes);
};

export interface Header {
  readonly storeId: Uint8Array;
  readonly salt: Uint8Array;
  readonly parameters: Parameters;
  readonly hash: Uint8Array;
}

/** Why the index that a file names is none that can be made here; undefined: it can, or there is none. */
const indexComplaint = ({ index }: Pick<Parameters, "index">): string | undefined => {
  const { dimension, m, efConstruction, quantiser, quantiserSeed: salt, algorithm } = index;
  if (dimension === 0) return undefined;
  if (algorithm !== mhnsw.mhnswAlgorithm || quantiser !== quantiserName) return "its algorithm";
  return mhnsw.parametersComplaint({
    dimension: storedDimension(dimension),
    m,
    efConstruction,
    salt,
  });
};

export const readHeader = async (handle: FileHandle, place: Place): Promise<Header> => {
  const { path, provider } = place;
  const bytes = await handle.read(0, superblockBytes);
  const decoded = decodeSuperblock(provider, bytes);
  switch (decoded.type) {
    case "foreign":
      throw operation("E_SCS_FOREIGN", path, decoded.reason);
    case "newer":
      throw operation("E_SCS_NEWER", path, decoded.reason);
    case "damaged":
      throw operation("E_SCS_DAMAGED", path, decoded.reason);
    case "superblock": {
      const { block } = decoded;
      const parameters = schema.decode(parametersSchema, block.parameters);
      // The hash fits, so somebody wrote it so: a version that knows other parameters.
      if (!parameters.ok) throw operation("E_SCS_NEWER", path, parameters.error.message);
      const unknown = indexComplaint(parameters.value);
      if (unknown !== undefined) throw operation("E_SCS_NEWER", path, `the index: ${unknown}`);
      const { storeId, salt } = block;
      return { storeId, salt, parameters: parameters.value, hash: superblockHash(bytes) };
    }
  }
};
