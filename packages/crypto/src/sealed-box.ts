/**
 * Sealed boxes: bytes that only the holder of one key pair can read, safe against an attacker with
 * a quantum computer as long as either X25519 or ML-KEM-768 holds.
 *
 * Layout, version 1, suite 1 (X25519 + ML-KEM-768, HKDF-SHA256, AES-256-GCM):
 *
 *   offset  length
 *        0       4  "IOIS"
 *        4       1  version, 1
 *        5       1  suite, 1
 *        6      32  ephemeral X25519 public key
 *       38    1088  ML-KEM-768 ciphertext
 *     1126   n + 16 AES-256-GCM ciphertext and tag
 *
 *   recipient = X25519 public key || ML-KEM-768 public key
 *   secret    = ML-KEM shared secret || X25519 shared secret
 *   info      = SHA-256(header || recipient)
 *   key || nonce = HKDF-SHA256(secret, salt "ioi/crypto/sealed-box/v1", info, 32 + 12)
 *   associated data = domainBytes("ioi/crypto/sealed-box/v1", header || caller's associated data)
 *
 * The header is of fixed length, so header and associated data cannot be confused. Both public
 * keys and both ciphertexts enter the key, so no part can be exchanged. Every box has its own key,
 * so the derived nonce never repeats under one. A box does not say who sealed it.
 * Bounds: `sealedBoxBytesMax` of plaintext.
 */
import { assert, concatBytes, err, ok, type Rejection, type Result, utf8Encode } from "@ioi/base";
import { domainBytes, domains } from "./domains.ts";
import { sealedBoxBytesMax } from "./limits.ts";
import { type CryptoProvider, keySizes, type PrivateKey } from "./provider.ts";

const magic = utf8Encode("IOIS");
const version = 1;
const suite = 1;
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const ephemeralFrom = magic.length + 2;
const ciphertextFrom = ephemeralFrom + keySizes.x25519.publicKey;
/** Bytes before the ciphertext. */
export const sealedBoxHeaderBytes: number = ciphertextFrom + keySizes["ml-kem-768"].output;

export interface SealingKeys {
  readonly x25519: PrivateKey<"x25519">;
  readonly mlKem768: PrivateKey<"ml-kem-768">;
}

export type SealedBoxError = Rejection<"E_SEALED_INVALID" | "E_SEALED_VERSION">;

export const generateSealingKeys = (provider: CryptoProvider): SealingKeys => ({
  x25519: provider.generate("x25519"),
  mlKem768: provider.generate("ml-kem-768"),
});

/** What a sender needs: 1216 bytes. */
export const sealingPublicKey = (keys: SealingKeys): Uint8Array =>
  concatBytes(keys.x25519.publicKey, keys.mlKem768.publicKey);

const invalid = (message: string): Result<never, SealedBoxError> =>
  err({ code: "E_SEALED_INVALID", message });

const derive = (
  provider: CryptoProvider,
  header: Uint8Array,
  recipient: Uint8Array,
  kemSecret: Uint8Array,
  dhSecret: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } => {
  const secret = concatBytes(kemSecret, dhSecret);
  const info = provider.sha256(concatBytes(header, recipient));
  const salt = utf8Encode(domains.sealedBox);
  const derived = provider.hkdfSha256(secret, salt, info, keyBytes + nonceBytes);
  secret.fill(0);
  return { key: derived.subarray(0, keyBytes), nonce: derived.subarray(keyBytes) };
};

const associated = (header: Uint8Array, associatedData: Uint8Array): Uint8Array =>
  domainBytes(domains.sealedBox, concatBytes(header, associatedData));

/** `recipient` is a `sealingPublicKey`; a malformed one is an E_SEALED_INVALID. */
export const sealBox = (
  provider: CryptoProvider,
  recipient: Uint8Array,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): Result<Uint8Array, SealedBoxError> => {
  assert(plaintext.length <= sealedBoxBytesMax, `sealing ${plaintext.length} bytes`);
  const theirs = recipient.subarray(0, keySizes.x25519.publicKey);
  const ephemeral = provider.generate("x25519");
  const dhSecret = provider.agree(ephemeral, theirs);
  const kem = provider.encapsulate(recipient.subarray(keySizes.x25519.publicKey));
  if (dhSecret === undefined || kem === undefined) return invalid("not a public key for sealing");
  const header = concatBytes(
    magic,
    Uint8Array.of(version, suite),
    ephemeral.publicKey,
    kem.ciphertext,
  );
  const { key, nonce } = derive(provider, header, recipient, kem.sharedSecret, dhSecret);
  const sealed = provider.seal(key, nonce, plaintext, associated(header, associatedData));
  key.fill(0);
  return ok(concatBytes(header, sealed));
};

export const openBox = (
  provider: CryptoProvider,
  keys: SealingKeys,
  box: Uint8Array,
  associatedData: Uint8Array,
): Result<Uint8Array, SealedBoxError> => {
  if (box.length < magic.length + 2 || !magic.every((byte, i) => box[i] === byte)) {
    return invalid("not a sealed box");
  }
  if ((box[4] as number) > version || ((box[4] as number) === version && box[5] !== suite)) {
    return err({ code: "E_SEALED_VERSION", message: `version ${box[4]}, suite ${box[5]}` });
  }
  if (box[4] !== version || box.length < sealedBoxHeaderBytes + tagBytes) {
    return invalid("not a whole sealed box");
  }
  if (box.length > sealedBoxHeaderBytes + tagBytes + sealedBoxBytesMax) {
    return invalid(`more than ${sealedBoxBytesMax} bytes`);
  }
  const header = box.subarray(0, sealedBoxHeaderBytes);
  const dhSecret = provider.agree(keys.x25519, box.subarray(ephemeralFrom, ciphertextFrom));
  const kemSecret = provider.decapsulate(
    keys.mlKem768,
    box.subarray(ciphertextFrom, sealedBoxHeaderBytes),
  );
  if (dhSecret === undefined || kemSecret === undefined) return invalid("its keys are malformed");
  const { key, nonce } = derive(provider, header, sealingPublicKey(keys), kemSecret, dhSecret);
  const sealed = box.subarray(sealedBoxHeaderBytes);
  const plaintext = provider.open(key, nonce, sealed, associated(header, associatedData));
  key.fill(0);
  return plaintext === undefined ? invalid("the box does not open") : ok(plaintext);
};
