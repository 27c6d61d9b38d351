/** Bounds of the Guardian's process. */

/** Wait between two looks for asks that nobody answered in time, in milliseconds. */
export const expiryCheckMs = 5000;
/** Bytes of the keys that the environment offers. */
export const offeredBytesMax = 262_144;
