/**
 * ECDSA over P-256 as browsers sign with it: the platform's verification against another
 * implementation's signatures, raw and DER, and what must be refused.
 */
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { p256 } from "@noble/curves/nist.js";
import { SeededRandom } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";

const seed = "crypto-p256/1";

const bytesOf = (random: SeededRandom, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.below(256));

test(`noble's signatures verify, each changed bit makes them fail (seed ${seed})`, () => {
  const random = new SeededRandom(seed);
  for (let round = 0; round < 24; round++) {
    const secret = p256.utils.randomSecretKey(bytesOf(random, 48));
    const publicKey = p256.getPublicKey(secret, false);
    const message = bytesOf(random, random.below(200));
    for (const form of ["raw", "der"] as const) {
      const format = form === "raw" ? "compact" : "der";
      const signature = p256.sign(message, secret, {
        format,
        prehash: true,
        lowS: round % 2 === 0,
      });
      const verify = (
        key: Uint8Array = publicKey,
        bytes: Uint8Array = message,
        made: Uint8Array = signature,
      ): boolean => nodeCrypto.verifyP256(key, bytes, made, form);
      assert.equal(verify(), true);
      const flip = (bytes: Uint8Array): Uint8Array => {
        const at = random.below(bytes.length);
        return bytes.map((byte, i) => (i === at ? byte ^ (1 << random.below(8)) : byte));
      };
      assert.equal(verify(publicKey, message, flip(signature)), false, "signature");
      assert.equal(verify(flip(publicKey)), false, "key");
      assert.equal(verify(publicKey, Uint8Array.of(...message, 0)), false, "message");
      assert.equal(
        nodeCrypto.verifyP256(publicKey, message, signature, form === "raw" ? "der" : "raw"),
        false,
      );
    }
  }
});

test("WebCrypto's own signatures verify on both sides", async () => {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const pair = await webcrypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const publicKey = new Uint8Array(await webcrypto.subtle.exportKey("raw", pair.publicKey));
  const message = new TextEncoder().encode("what a page signs");
  const signature = new Uint8Array(
    await webcrypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, message),
  );
  assert.equal(nodeCrypto.verifyP256(publicKey, message, signature, "raw"), true);
  const options = { format: "compact", prehash: true, lowS: false } as const;
  assert.equal(p256.verify(signature, message, publicKey, options), true);
});

test("what is no point, no signature or zero is refused without a throw", () => {
  const secret = new Uint8Array(32).fill(7);
  const publicKey = p256.getPublicKey(secret, false);
  const message = Uint8Array.of(1, 2, 3);
  const signature = p256.sign(message, secret, { format: "compact", prehash: true });
  const keys = [
    new Uint8Array(0),
    publicKey.subarray(1),
    p256.getPublicKey(secret, true),
    Uint8Array.of(0),
    Uint8Array.of(4, ...new Uint8Array(64)),
    Uint8Array.of(4, ...new Uint8Array(64).fill(255)),
    Uint8Array.of(6, ...publicKey.subarray(1)),
  ];
  for (const key of keys) {
    assert.equal(nodeCrypto.verifyP256(key, message, signature, "raw"), false);
  }
  const signatures = [new Uint8Array(0), new Uint8Array(64), new Uint8Array(64).fill(255)];
  for (const made of [...signatures, signature.subarray(1), new Uint8Array(4096)]) {
    assert.equal(nodeCrypto.verifyP256(publicKey, message, made, "raw"), false);
    assert.equal(nodeCrypto.verifyP256(publicKey, message, made, "der"), false);
  }
});
