/**
 * Devices that answer for the person: how one is paired and revoked, and what a WebAuthn device
 * gives in the place of a signature.
 */
import { type Infer, bytes, int, oneOf, record, text, union } from "../schema.ts";

export const deviceKind = oneOf("webcrypto", "webauthn");
export type DeviceKind = Infer<typeof deviceKind>;

/** What a device that counts signs to change which devices count. Domain `ioi/device/pair/v1`. */
export const pairStatement = union({
  pair: {
    version: int(1, 1),
    device: bytes(32),
    /** Six digits, read from the page whose key it is. */
    code: text(64),
  },
  revoke: {
    version: int(1, 1),
    device: bytes(32),
    /** When it was paired: a revocation means that pairing and no later one. */
    pairedMs: int(),
  },
});
export type PairStatement = Infer<typeof pairStatement>;

/** Identity of a device: SHA-256 over this, under `ioi/device/key/v1`. */
export const deviceKey = record({
  kind: deviceKind,
  /** Uncompressed P-256 point. */
  publicKey: bytes(65),
});

/**
 * A WebAuthn assertion as the signature of a statement; its challenge is SHA-256 of the statement
 * with its domain. Source: Web Authentication Level 3, 7.2.
 */
export const webauthnAssertion = record({
  authenticatorData: bytes(undefined, 1024),
  clientDataJson: bytes(undefined, 4096),
  /** DER. */
  signature: bytes(undefined, 128),
});
export type WebauthnAssertion = Infer<typeof webauthnAssertion>;
