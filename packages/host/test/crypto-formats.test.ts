/** What another implementation made, committed in @ioi/crypto's vectors, opens with the native one. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { unwrap } from "@ioi/base";
import {
  domains,
  leafHash,
  MerkleTree,
  openBox,
  openKeyStore,
  sealBox,
  sealingPublicKey,
  verifyCheckpoint,
  verifyPayload,
} from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";

const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../crypto/vectors/formats.json"), "utf8"),
) as Record<"signed" | "checkpoint" | "sealedBox" | "keyStore", Record<string, string>>;
const bytes = (text: string | undefined): Uint8Array =>
  new Uint8Array(Buffer.from(text ?? "", "hex"));

test("a signed payload", () => {
  const { publicKey, payload, signature } = vectors.signed;
  const signed = { payload: bytes(payload), signature: bytes(signature) };
  const verified = verifyPayload(nodeCrypto, "ed25519", bytes(publicKey), domains.ticket, signed);
  assert.deepEqual(verified, { ok: true, value: signed.payload });
});

test("a checkpoint", () => {
  const log = new MerkleTree(nodeCrypto);
  for (let i = 0; i < 7; i++) log.append(leafHash(nodeCrypto, Uint8Array.of(i)));
  const key = { name: "ioi.local/test", publicKey: bytes(vectors.checkpoint["publicKey"]) };
  const verified = verifyCheckpoint(nodeCrypto, key, vectors.checkpoint["note"] ?? "");
  assert.deepEqual(verified, {
    ok: true,
    value: { origin: "ioi.local/test", size: 7, root: log.root(), extensions: [] },
  });
});

test("a sealed box, and one of our own to the same keys", () => {
  const { x25519, mlKem768, plaintext, associatedData, box } = vectors.sealedBox;
  const keys = {
    x25519: unwrap(nodeCrypto.importPrivate("x25519", bytes(x25519)), "x25519"),
    mlKem768: unwrap(nodeCrypto.importPrivate("ml-kem-768", bytes(mlKem768)), "ml-kem-768"),
  };
  const about = bytes(associatedData);
  const expected = { ok: true, value: bytes(plaintext) };
  assert.deepEqual(openBox(nodeCrypto, keys, bytes(box), about), expected);
  const own = sealBox(nodeCrypto, sealingPublicKey(keys), bytes(plaintext), about);
  assert.deepEqual(openBox(nodeCrypto, keys, unwrap(own, "seal"), about), expected);
});

test("a key store", () => {
  const { storeKey, name, secret, bytes: store } = vectors.keyStore;
  assert.deepEqual(openKeyStore(nodeCrypto, bytes(storeKey), bytes(store)), {
    ok: true,
    value: [{ name, kind: "ed25519", secret: bytes(secret) }],
  });
});
