/**
 * Signed payloads: bytes and a signature over `domainBytes(domain, payload)`. The domain is not
 * carried; the verifier knows what it expects.
 *
 * The Guardian's chain: its identity (ML-DSA-65) signs a boot key's certificate under
 * `domains.bootKey`; the boot key (Ed25519) signs tickets and profiles. `verifyThroughBootKey`
 * checks both links. The payload's own decoder is given, since encodings belong to `@ioi/wire`.
 */
import { err, ok, type Rejection, type Result } from "@ioi/base";
import { type Domain, domainBytes, domains } from "./domains.ts";
import type { CryptoProvider, SignatureAlgorithm, SigningKey } from "./provider.ts";

/** Same shape as `Signed` in `@ioi/wire`. */
export interface SignedPayload {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

export type SignatureError = Rejection<"E_SIGNATURE_INVALID">;

type Signer = Pick<CryptoProvider, "sign">;
type Verifier = Pick<CryptoProvider, "verify">;

export const signPayload = (
  provider: Signer,
  key: SigningKey,
  domain: Domain,
  payload: Uint8Array,
): SignedPayload => ({ payload, signature: provider.sign(key, domainBytes(domain, payload)) });

/** The payload, once its signature is known to be good. */
export const verifyPayload = (
  provider: Verifier,
  algorithm: SignatureAlgorithm,
  publicKey: Uint8Array,
  domain: Domain,
  signed: SignedPayload,
): Result<Uint8Array, SignatureError> =>
  provider.verify(algorithm, publicKey, domainBytes(domain, signed.payload), signed.signature)
    ? ok(signed.payload)
    : err({
        code: "E_SIGNATURE_INVALID",
        message: `the ${algorithm} signature under ${domain} does not fit`,
      });

/** Verify, then decode: nothing of an unsigned payload is looked at. */
export const openPayload = <T, E>(
  provider: Verifier,
  algorithm: SignatureAlgorithm,
  publicKey: Uint8Array,
  domain: Domain,
  signed: SignedPayload,
  decode: (payload: Uint8Array) => Result<T, E>,
): Result<T, SignatureError | E> => {
  const payload = verifyPayload(provider, algorithm, publicKey, domain, signed);
  return payload.ok ? decode(payload.value) : payload;
};

/** The Guardian's identity is ML-DSA-65, its boot keys and the instances' keys are Ed25519. */
export const identityAlgorithm = "ml-dsa-65" satisfies SignatureAlgorithm;
export const bootKeyAlgorithm = "ed25519" satisfies SignatureAlgorithm;

/** The decoded certificate of a boot key, if the identity signed it. */
export const openBootKey = <T extends { readonly publicKey: Uint8Array }, E>(
  provider: Verifier,
  identity: Uint8Array,
  certificate: SignedPayload,
  decodeBootKey: (payload: Uint8Array) => Result<T, E>,
): Result<T, SignatureError | E> =>
  openPayload(provider, identityAlgorithm, identity, domains.bootKey, certificate, decodeBootKey);

/** A payload signed by a boot key that the identity certified; for a cached boot key use `verifyPayload`. */
export const verifyThroughBootKey = <E>(
  provider: Verifier,
  identity: Uint8Array,
  certificate: SignedPayload,
  decodeBootKey: (payload: Uint8Array) => Result<{ readonly publicKey: Uint8Array }, E>,
  domain: Domain,
  signed: SignedPayload,
): Result<Uint8Array, SignatureError | E> => {
  const bootKey = openBootKey(provider, identity, certificate, decodeBootKey);
  return bootKey.ok
    ? verifyPayload(provider, bootKeyAlgorithm, bootKey.value.publicKey, domain, signed)
    : bootKey;
};
