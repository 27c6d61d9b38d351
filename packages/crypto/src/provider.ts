/**
 * The cryptography that pure code is given: synchronous, native underneath. `@ioi/host/crypto`
 * implements it on the platform.
 *
 * A function that meets hostile bytes (a public key, a signature, a ciphertext) is total: it
 * returns `false` or `undefined`. A wrong argument of our own (the length of a nonce) is a bug.
 */
import type { Rejection, Result } from "@ioi/base";

export type SignatureAlgorithm = "ed25519" | "ml-dsa-44" | "ml-dsa-65";
export type AgreementAlgorithm = "x25519" | "ml-kem-768";
export type KeyAlgorithm = SignatureAlgorithm | AgreementAlgorithm;

/** Sizes in bytes of raw public keys, of seeds, and of signatures or ciphertexts. */
export const keySizes = {
  ed25519: { publicKey: 32, seed: 32, output: 64 },
  "ml-dsa-44": { publicKey: 1312, seed: 32, output: 2420 },
  "ml-dsa-65": { publicKey: 1952, seed: 32, output: 3309 },
  x25519: { publicKey: 32, seed: 32, output: 32 },
  "ml-kem-768": { publicKey: 1184, seed: 64, output: 1088 },
} as const satisfies Readonly<
  Record<KeyAlgorithm, { publicKey: number; seed: number; output: number }>
>;

/** A private key, held by the provider; only the provider that made it can use it. */
export interface PrivateKey<A extends KeyAlgorithm = KeyAlgorithm> {
  readonly algorithm: A;
  /** Raw: as in RFC 8032, RFC 7748, FIPS 203 and FIPS 204. */
  readonly publicKey: Uint8Array;
}
export type SigningKey = PrivateKey<SignatureAlgorithm>;

export interface ScryptParams {
  /** N = 2^log2Cost. */
  readonly log2Cost: number;
  readonly blockSize: number;
  readonly parallel: number;
}

export interface Hashing {
  sha256(bytes: Uint8Array): Uint8Array;
}

/** How an ECDSA signature is written: r and s side by side (WebCrypto), or DER (WebAuthn). */
export type EcdsaForm = "raw" | "der";

/** An uncompressed P-256 point: 4, x, y. */
export const p256PointBytes = 65;

/** What checking what others signed takes: no key and no secret. A browser can give it. */
export interface Verifying extends Hashing {
  /** `context` (at most 255 bytes) is FIPS 204's; ML-DSA only. Domains go into the bytes instead. */
  verify(
    algorithm: SignatureAlgorithm,
    publicKey: Uint8Array,
    bytes: Uint8Array,
    signature: Uint8Array,
    context?: Uint8Array,
  ): boolean;
}

export interface CryptoProvider extends Verifying {
  sha512(bytes: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** Takes tenths of a second and 128 * N * blockSize bytes of memory. */
  scrypt(passphrase: Uint8Array, salt: Uint8Array, params: ScryptParams): Uint8Array;
  randomBytes(length: number): Uint8Array;
  /** Equality in time that depends on the lengths alone. */
  equalSecret(a: Uint8Array, b: Uint8Array): boolean;

  generate<A extends KeyAlgorithm>(algorithm: A): PrivateKey<A>;
  /** From a seed of `keySizes[algorithm].seed` bytes. */
  importPrivate<A extends KeyAlgorithm>(
    algorithm: A,
    seed: Uint8Array,
  ): Result<PrivateKey<A>, Rejection<"E_KEY_INVALID">>;
  /** The seed. */
  exportPrivate(key: PrivateKey): Uint8Array;

  /** `context` (at most 255 bytes) is FIPS 204's; ML-DSA only. Domains go into the bytes instead. */
  sign(key: SigningKey, bytes: Uint8Array, context?: Uint8Array): Uint8Array;

  /**
   * ECDSA over P-256 with SHA-256: what browsers sign with. False for a malformed point too. Other
   * signatures of the same bytes can be made from a good one, so none identifies anything.
   */
  verifyP256(
    publicKey: Uint8Array,
    bytes: Uint8Array,
    signature: Uint8Array,
    form: EcdsaForm,
  ): boolean;

  /** X25519; undefined for a malformed or small-order public key. */
  agree(key: PrivateKey<"x25519">, publicKey: Uint8Array): Uint8Array | undefined;
  /** ML-KEM-768; undefined for a malformed public key. */
  encapsulate(
    publicKey: Uint8Array,
  ): { readonly ciphertext: Uint8Array; readonly sharedSecret: Uint8Array } | undefined;
  /** Undefined for a ciphertext of another length; a changed one gives another secret (FIPS 203). */
  decapsulate(key: PrivateKey<"ml-kem-768">, ciphertext: Uint8Array): Uint8Array | undefined;

  /** AES-256-GCM, 12-byte nonce: ciphertext followed by the 16-byte tag. */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array;
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array | undefined;
}
