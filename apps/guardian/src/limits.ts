/** Bounds of the Guardian's process. */

/** Wait between two looks for asks that nobody answered in time, in milliseconds. */
export const expiryCheckMs = 5000;
/** Bytes of the keys that the environment offers. */
export const offeredBytesMax = 262_144;
/** How long one question about a policy's text may take, in milliseconds. */
export const policyTaskMsMax = 20_000;
/** Questions about policies' texts that wait at once. */
export const policyTasksMax = 16;
/** Memory of the thread that judges policies' texts, in MiB. */
export const policyHeapMiBMax = 192;
/** After which the thread that judges policies' texts ends, in milliseconds. */
export const policyIdleMs = 20_000;
