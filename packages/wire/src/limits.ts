/** Bounds of everything that is encoded. `docs/limits.md` is generated from these lines. */

/** Largest canonical value that is decoded, in bytes. */
export const canonicalBytesMax = 16_777_216;
/** Nesting of a canonical value. */
export const canonicalDepthMax = 64;
/** Names of fields whose encodings are kept. */
export const canonicalKeysMax = 4096;
/** Longest name of a field whose encoding is kept, in UTF-16 units. */
export const canonicalKeyUnitsMax = 64;
/** Largest RPC message, in bytes. */
export const rpcMessageBytesMax = 4_194_304;
/** Nesting of JSON that a model, a person or a file hands in. */
export const jsonDepthMax = 64;
/** Largest JSON text that is parsed, in bytes. */
export const jsonBytesMax = 4_194_304;
