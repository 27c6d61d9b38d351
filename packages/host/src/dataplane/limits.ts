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
/** Slots of each of the two planes between Workload and Orchestrator. */
export const bulkSlots = 16;
/** Bytes from which a piece goes through shared memory; what is smaller is faster as a frame. */
export const bulkBytesMin = 65_536;
/** How long one end waits for a message that was announced, or for room for one, in milliseconds. */
export const bulkWaitMs = 5_000;
/** Messages that may be passed over because their announcement was lost with its stream. */
export const bulkSkipMax = 64;
