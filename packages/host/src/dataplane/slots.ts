/**
 * How a plane lies in its region, and what each end believes of it.
 *
 * First a head of whole memory pages: the two bells' words, then 64 bytes for each slot (turn, length, flags,
 * checksum or tag); then the slots. Message fragments go to the slots in turn; a slot's `turn` is
 * 2g where generation g may be written and 2g + 1 where it may be read, so that each slot has one
 * writer at any time and an old generation is told from a new one.
 *
 * Where a slot lies and which generation is due is known from the number of fragments so far, never
 * from the memory: what stands there is the other end's word, and is checked.
 */
import { OperationError } from "@ioi/base";
import { planeSlotBytes, planeSlots, planeSlotsMax } from "./limits.ts";

export interface PlaneShape {
  readonly slots: number;
  readonly slotBytes: number;
}

export const defaultShape: PlaneShape = { slots: planeSlots, slotBytes: planeSlotBytes };

const pageBytes = 65_536;
const wordsPerSlot = 16;
/** Words of the bells: one line of the cache for each. */
const bellWords = 32;

/** Index of the word that is 1 while that end sleeps. */
export const readerSleeps = 0;
export const writerSleeps = 16;

/** Words of a slot. */
export const slotWord = { turn: 0, length: 1, flags: 2, check: 3, tag: 4 } as const;
/** The message goes on in the next slot. */
export const flagMore = 1;

const headBytes = (slots: number): number =>
  Math.ceil(((bellWords + slots * wordsPerSlot) * 4) / pageBytes) * pageBytes;

export const checkShape = ({ slots, slotBytes }: PlaneShape): void => {
  const whole = slots >= 1 && slots <= planeSlotsMax && slotBytes >= 64;
  if (!whole || (slots * slotBytes) % pageBytes !== 0) {
    throw new OperationError("E_DATAPLANE_REGION", `${slots} slots of ${slotBytes} bytes`);
  }
};

/** Bytes of the region of such a plane. */
export const regionBytes = (shape: PlaneShape): number => {
  checkShape(shape);
  return headBytes(shape.slots) + shape.slots * shape.slotBytes;
};

export interface Place {
  /** Index of the slot's first word. */
  readonly words: number;
  /** Offset of its bytes in the region. */
  readonly offset: number;
  /** Its turn before it is written, before it is read, and after. */
  readonly free: number;
  readonly full: number;
  readonly next: number;
}

/** Where fragment `n` lies; turns wrap as 32-bit numbers do. */
export const placeOf = (n: number, { slots, slotBytes }: PlaneShape): Place => {
  const slot = n % slots;
  const free = (2 * Math.floor(n / slots)) | 0;
  return {
    words: bellWords + slot * wordsPerSlot,
    offset: headBytes(slots) + slot * slotBytes,
    free,
    full: (free + 1) | 0,
    next: (free + 2) | 0,
  };
};
