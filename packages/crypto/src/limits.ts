/** Bounds of what this package reads from others. `docs/limits.md` is generated from these lines. */

/** Hashes in a Merkle proof; a tree of 2^53 leaves needs no more. */
export const proofHashesMax = 64;
/** Text of a signed checkpoint, in bytes. */
export const checkpointBytesMax = 65_536;
/** Signature lines of one checkpoint. */
export const checkpointSignaturesMax = 16;
/** Extension lines of one checkpoint. */
export const checkpointExtensionsMax = 16;
/** Plaintext of one sealed box, in bytes. */
export const sealedBoxBytesMax = 16_777_216;
/** Keys in one key store. */
export const keyStoreRecordsMax = 256;
/** Bytes of a key's name in a key store. */
export const keyNameBytesMax = 64;
/** Bytes of one secret in a key store. */
export const keySecretBytesMax = 256;
/** log2 of the largest scrypt cost that a key store's header may ask for. */
export const scryptLog2CostMax = 20;
/** Names of domains that are kept encoded. */
export const domainsMax = 256;
