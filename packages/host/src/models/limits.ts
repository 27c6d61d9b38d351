/** Bounds of the look for model servers. */

/** Wait for one server's list, in milliseconds. */
export const discoverMs = 1_500;
/** Bytes of one server's list. */
export const discoverBytesMax = 1_048_576;
/** Models of one server. */
export const discoverModelsMax = 100;
