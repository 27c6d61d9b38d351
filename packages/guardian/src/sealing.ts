/**
 * Content of a receipt, sealed under its session's key and committed to.
 *
 * Plaintext = 32-byte salt || content; commitment = SHA-256 under `ioi/guardian/content/v1` of that
 * plaintext; sealed = nonce (12) || AES-256-GCM with the commitment as associated data. One receipt
 * can be shown alone: salt and content open the commitment.
 */
import { concatBytes, equalBytes } from "@ioi/base";
import { type CryptoProvider, domainHash, domains } from "@ioi/crypto";

export interface SealedContent {
  readonly commitment: Uint8Array;
  readonly sealed: Uint8Array;
}

const saltBytes = 32;
const nonceBytes = 12;

export const sealContent = (
  provider: CryptoProvider,
  key: Uint8Array,
  content: Uint8Array,
): SealedContent => {
  const random = provider.randomBytes(saltBytes + nonceBytes);
  const plaintext = concatBytes(random.subarray(0, saltBytes), content);
  const commitment = domainHash(provider, domains.content, plaintext);
  const nonce = random.subarray(saltBytes);
  return {
    commitment,
    sealed: concatBytes(nonce, provider.seal(key, nonce, plaintext, commitment)),
  };
};

/** The content; undefined where key, seal or commitment do not fit. */
export const openContent = (
  provider: CryptoProvider,
  key: Uint8Array,
  content: SealedContent,
): Uint8Array | undefined => {
  if (content.sealed.length < nonceBytes) return undefined;
  const plaintext = provider.open(
    key,
    content.sealed.subarray(0, nonceBytes),
    content.sealed.subarray(nonceBytes),
    content.commitment,
  );
  if (plaintext === undefined || plaintext.length < saltBytes) return undefined;
  return equalBytes(domainHash(provider, domains.content, plaintext), content.commitment)
    ? plaintext.slice(saltBytes)
    : undefined;
};
