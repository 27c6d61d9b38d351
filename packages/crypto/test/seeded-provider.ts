/**
 * A deterministic provider for tests: noble's signatures and key agreement, randomness from a seed.
 * An implementation apart from the product's, so that formats are tested against two of them.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  scryptSync,
} from "node:crypto";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { ml_dsa44, ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { err, ok } from "@ioi/base";
import { type CryptoProvider, type KeyAlgorithm, keySizes, type PrivateKey } from "@ioi/crypto";

interface SeededKey<A extends KeyAlgorithm> extends PrivateKey<A> {
  readonly seed: Uint8Array;
}

const publicKeyOf = (algorithm: KeyAlgorithm, seed: Uint8Array): Uint8Array => {
  switch (algorithm) {
    case "ed25519":
      return ed25519.getPublicKey(seed);
    case "x25519":
      return x25519.getPublicKey(seed);
    case "ml-dsa-44":
      return ml_dsa44.keygen(seed).publicKey;
    case "ml-dsa-65":
      return ml_dsa65.keygen(seed).publicKey;
    case "ml-kem-768":
      return ml_kem768.keygen(seed).publicKey;
  }
};

const keyFrom = <A extends KeyAlgorithm>(algorithm: A, seed: Uint8Array): SeededKey<A> => ({
  algorithm,
  seed,
  publicKey: publicKeyOf(algorithm, seed),
});

const seedOf = (key: PrivateKey): Uint8Array => (key as SeededKey<KeyAlgorithm>).seed;

const attempt = <T>(run: () => T): T | undefined => {
  try {
    return run();
  } catch {
    return undefined;
  }
};

const own = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);
const sha256 = (bytes: Uint8Array): Uint8Array => own(createHash("sha256").update(bytes).digest());

export const seededProvider = (seed: string): CryptoProvider => {
  let counter = 0;
  const randomBytes = (length: number): Uint8Array => {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, () =>
      createHash("sha256").update(`${seed}/${counter++}`).digest(),
    );
    return own(Buffer.concat(blocks).subarray(0, length));
  };
  return {
    sha256,
    sha512: (bytes) => own(createHash("sha512").update(bytes).digest()),
    hmacSha256: (key, bytes) => own(createHmac("sha256", key).update(bytes).digest()),
    hkdfSha256: (secret, salt, info, length) =>
      new Uint8Array(hkdfSync("sha256", secret, salt, info, length)),
    scrypt: (passphrase, salt, { log2Cost, blockSize, parallel }) =>
      own(
        scryptSync(passphrase, salt, 32, {
          cost: 2 ** log2Cost,
          blockSize,
          parallelization: parallel,
        }),
      ),
    randomBytes,
    equalSecret: (a, b) => Buffer.compare(a, b) === 0,
    generate: (algorithm) => keyFrom(algorithm, randomBytes(keySizes[algorithm].seed)),
    importPrivate: (algorithm, bytes) =>
      bytes.length === keySizes[algorithm].seed
        ? ok(keyFrom(algorithm, own(bytes)))
        : err({ code: "E_KEY_INVALID", message: "length" }),
    exportPrivate: seedOf,
    sign: (key, bytes, context) => {
      if (key.algorithm === "ed25519") return ed25519.sign(bytes, seedOf(key));
      const scheme = key.algorithm === "ml-dsa-44" ? ml_dsa44 : ml_dsa65;
      const options = {
        extraEntropy: false,
        ...(context === undefined ? {} : { context }),
      } as const;
      return scheme.sign(bytes, scheme.keygen(seedOf(key)).secretKey, options);
    },
    verify: (algorithm, publicKey, bytes, signature, context) => {
      if (algorithm === "ed25519") {
        return attempt(() => ed25519.verify(signature, bytes, publicKey)) ?? false;
      }
      const scheme = algorithm === "ml-dsa-44" ? ml_dsa44 : ml_dsa65;
      const options = context === undefined ? {} : { context };
      return attempt(() => scheme.verify(signature, bytes, publicKey, options)) ?? false;
    },
    verifyP256: (publicKey, bytes, signature, form) =>
      attempt(() =>
        p256.verify(signature, bytes, publicKey, {
          format: form === "raw" ? "compact" : "der",
          lowS: false,
          prehash: true,
        }),
      ) ?? false,
    agree: (key, publicKey) => attempt(() => x25519.getSharedSecret(seedOf(key), publicKey)),
    encapsulate: (publicKey) =>
      attempt(() => {
        const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, randomBytes(32));
        return { ciphertext: cipherText, sharedSecret };
      }),
    decapsulate: (key, ciphertext) =>
      attempt(() => ml_kem768.decapsulate(ciphertext, ml_kem768.keygen(seedOf(key)).secretKey)),
    seal: (key, nonce, plaintext, associatedData) => {
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(associatedData);
      const body = cipher.update(plaintext);
      cipher.final();
      return own(Buffer.concat([body, cipher.getAuthTag()]));
    },
    open: (key, nonce, sealed, associatedData) =>
      attempt(() => {
        const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
        decipher.setAAD(associatedData);
        decipher.setAuthTag(sealed.subarray(-16));
        const body = decipher.update(sealed.subarray(0, -16));
        return own(Buffer.concat([body, decipher.final()]));
      }),
  };
};
