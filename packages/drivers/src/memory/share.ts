/**
 * Memories for one other agent: their contents and the proof that they stand in this file's log, sealed to
 * its key (`@ioi/scs`, `specs/scs/share.md`). The destination that was judged is the hash of the very key
 * that is sealed to; the Guardian's checkpoint goes along where it covers what is shared.
 */
import { equalBytes, fromHex, OperationError, ok, type Result, toHex, utf8Decode } from "@ioi/base";
import { type CryptoProvider, parseCheckpoint } from "@ioi/crypto";
import { agentId, sealSlice, type Substrate } from "@ioi/scs";
import { type DriverRejection, reject } from "../fs/roots.ts";
import { sharedMemoriesMax } from "../limits.ts";

export interface Sharing {
  readonly memories: readonly number[];
  /** The receiver's sealing key. */
  readonly recipient: Uint8Array;
}

/** Numbers between commas, each once. */
export const memoriesOf = (text: string): Result<readonly number[], DriverRejection> => {
  const numbers = /^\d{1,9}(?:,\d{1,9})*$/.test(text) ? text.split(",").map(Number) : [];
  const isList = numbers.length > 0 && numbers.length <= sharedMemoriesMax;
  return isList && new Set(numbers).size === numbers.length
    ? ok(numbers)
    : reject("E_ARGUMENTS_INVALID", `memories are 1 to ${sharedMemoriesMax} numbers, as 3,5`);
};

/** The key that a content is, in hex; it must be whose the judged destination is. */
export const recipientOf = (
  provider: CryptoProvider,
  content: Uint8Array,
  agent: string,
): Result<Uint8Array, DriverRejection> => {
  const key = fromHex((utf8Decode(content) ?? "").trim());
  if (key === undefined) return reject("E_ARGUMENTS_INVALID", "the key is not hex");
  return toHex(agentId(provider, key)) === agent
    ? ok(key)
    : reject("E_ARGUMENTS_INVALID", "the key is another agent's");
};

const covers = (note: string, { logSize, logRoot }: Substrate["info"]): boolean => {
  const parsed = parseCheckpoint(note);
  if (!parsed.ok) return false;
  const { size, root } = parsed.value.checkpoint;
  return size === logSize && equalBytes(root, logRoot);
};

/** What travels. */
export const share = async (
  provider: CryptoProvider,
  substrate: Substrate,
  { memories, recipient }: Sharing,
  by: {
    readonly agent: Uint8Array;
    readonly atMs: number;
    readonly checkpoint: string | undefined;
  },
): Promise<{ readonly slice: Uint8Array; readonly isVouched: boolean }> => {
  const proof = await substrate.show(memories);
  const { agent: from, atMs, checkpoint } = by;
  const isVouched = checkpoint !== undefined && covers(checkpoint, substrate.info);
  const slice = sealSlice(provider, {
    from,
    recipient,
    atMs,
    proof,
    ...(isVouched ? { checkpoint } : {}),
  });
  if (!slice.ok) throw new OperationError(slice.error.code, slice.error.message);
  return { slice: slice.value, isVouched };
};
