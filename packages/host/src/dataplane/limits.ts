/** Bounds of the data plane. */

/** Bytes of one slot. */
export const planeSlotBytes = 65_536;
/** Slots of one plane where nobody says otherwise. */
export const planeSlots = 64;
/** Slots a plane may have. */
export const planeSlotsMax = 1_024;
/** Bytes of one message, over as many slots as it takes. */
export const planeMessageBytesMax = 16_777_216;
/** Messages taken one after another before others get their turn. */
export const planeTurnMax = 64;
