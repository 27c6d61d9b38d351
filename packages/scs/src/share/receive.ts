/**
 * Taking a slice: once, whatever is sent how often. What was taken is written down beside the memory
 * file, before its memories are stored: a crash between the two loses the slice, which can be asked for
 * again, and never stores it twice. The caller holds the memory file open to write, and so alone.
 */
import { equalBytes, type Files, OperationError } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import { slicesReceivedMax } from "../limits.ts";
import type { NewMemory } from "../memory.ts";
import { takenSlices } from "./messages.ts";
import { type OpenedSlice, openSlice, type OpenWith } from "./slice.ts";

/** Where it is written down: of the memory file at `path`. */
const registerPath = (path: string): string => `${path}.taken`;
const registerBytesMax = 2 * 1024 * 1024;

export interface Receiver {
  readonly files: Files;
  /** Of the memory file. */
  readonly path: string;
  readonly provider: CryptoProvider;
  /** Stores memories, all or none. */
  readonly store: (memories: readonly NewMemory[]) => Promise<readonly number[]>;
}

const readTaken = async ({ files, path }: Receiver): Promise<readonly Uint8Array[]> => {
  const at = registerPath(path);
  if ((await files.stat(at)) === undefined) return [];
  const decoded = schema.decode(takenSlices, await files.readFile(at, registerBytesMax));
  if (!decoded.ok) throw new OperationError("E_SLICE_REGISTER", `${at}: ${decoded.error.message}`);
  return decoded.value.slices;
};

const writeTaken = ({ files, path }: Receiver, slices: readonly Uint8Array[]): Promise<void> =>
  files.replaceFile(
    registerPath(path),
    schema.encode(takenSlices, { schema: "ioi.taken-slices/1", slices }),
    0o600,
  );

/** Opens a slice and stores its memories; an OperationError with the reason where it is refused. */
export const receiveSlice = async (
  receiver: Receiver,
  bytes: Uint8Array,
  open: OpenWith,
): Promise<{ readonly opened: OpenedSlice; readonly ids: readonly number[] }> => {
  const slice = openSlice(receiver.provider, bytes, open);
  if (!slice.ok) throw new OperationError(slice.error.code, slice.error.message);
  const opened = slice.value;
  const taken = await readTaken(receiver);
  if (taken.some((each) => equalBytes(each, opened.slice))) {
    throw new OperationError("E_SLICE_TAKEN", "this slice was taken before");
  }
  if (taken.length >= slicesReceivedMax) {
    throw new OperationError("E_SLICE_REGISTER", `it has ${slicesReceivedMax} slices already`);
  }
  await writeTaken(receiver, [...taken, opened.slice]);
  try {
    return { opened, ids: await receiver.store(opened.memories) };
  } catch (error) {
    // After a failed sync nobody knows what is stored; else nothing is, and it may come again.
    const isUnknown = error instanceof OperationError && error.code === "E_SCS_POISONED";
    if (!isUnknown) await writeTaken(receiver, taken);
    throw error;
  }
};
