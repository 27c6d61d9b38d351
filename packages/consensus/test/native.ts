/** ML-DSA-44 of node, beside the twin. */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import type { TestProvider } from "@ioi/consensus/testing";
import type { SigningKey } from "@ioi/crypto";

interface NativeKey extends SigningKey {
  readonly privateKey: KeyObject;
}

export const native: TestProvider = {
  sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  sign: (key, bytes) => new Uint8Array(sign(null, bytes, (key as NativeKey).privateKey)),
  verify: (_algorithm, publicKey, bytes, signature) =>
    verify(
      null,
      bytes,
      createPublicKey({
        key: Buffer.from(publicKey),
        format: "raw-public",
        asymmetricKeyType: "ml-dsa-44",
      }),
      signature,
    ),
};

export const nativeKey = (): NativeKey => {
  const { publicKey, privateKey } = generateKeyPairSync("ml-dsa-44");
  const raw = new Uint8Array(publicKey.export({ format: "raw-public" }));
  return { algorithm: "ml-dsa-44", publicKey: raw, privateKey };
};
