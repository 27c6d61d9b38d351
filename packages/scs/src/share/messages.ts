/** What is canonical CBOR in a slice that is shared: `specs/scs/share.md`. */
import { schema } from "@ioi/wire";
import { sliceNoteCharsMax, sliceProofBytesMax, slicesReceivedMax } from "../limits.ts";
import { time } from "../messages.ts";

const { array, bytes, oneOf, optional, record, text } = schema;

/** What travels: who to open it as, and what is sealed. */
export const sharedSlice = record({
  schema: oneOf("ioi.shared-slice/1"),
  from: bytes(32),
  to: bytes(32),
  box: bytes(undefined, sliceProofBytesMax + 65_536),
});

/** What is sealed. */
export const memorySlice = record({
  schema: oneOf("ioi.memory-slice/1"),
  /** Random: a slice is taken once. */
  slice: bytes(16),
  from: bytes(32),
  to: bytes(32),
  atMs: time,
  /** An `ioi.recall-proof/1`. */
  proof: bytes(undefined, sliceProofBytesMax),
  /** Of the log that the memories are in, signed by the sharer's Guardian. */
  checkpoint: optional(text(sliceNoteCharsMax)),
});
export type MemorySlice = schema.Infer<typeof memorySlice>;

/** Slices that were taken, in the order they came. */
export const takenSlices = record({
  schema: oneOf("ioi.taken-slices/1"),
  slices: array(bytes(16), slicesReceivedMax),
});
