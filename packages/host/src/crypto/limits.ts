/** Bounds of keys, certificates and handshakes. `docs/limits.md` is generated from these lines. */

/** Public keys kept parsed; the least recently used one makes room. */
export const publicKeysCachedMax = 256;
/** How long a certificate is valid, in milliseconds (10 years): it ends with its boot anyway. */
export const certificateValidityMs = 315_360_000_000;
/** How far a certificate reaches back, for a clock that is set back, in milliseconds. */
export const certificateBackdateMs = 315_360_000_000;
/** How long a TLS handshake may take; at start the other end may not have been begun yet. */
export const handshakeTimeoutMs = 60_000;
/** Validity of the authority that one program believes, and of what it certifies, before and after it is made, in ms. */
export const programCertificateMs = 7_200_000;
