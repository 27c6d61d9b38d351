/**
 * The formats, frozen: `vectors/formats.json` holds what a seeded provider makes of fixed inputs.
 * A difference means that files and signatures of an older version no longer fit. Approve an
 * intended one with `IOI_APPROVE=1`, in a commit of its own.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { utf8Encode } from "@ioi/base";
import {
  domains,
  generateSealingKeys,
  type KeyStoreAnchor,
  leafHash,
  MerkleTree,
  sealBox,
  sealingPublicKey,
  sealKeyStore,
  signCheckpoint,
  signPayload,
} from "@ioi/crypto";
import { seededProvider } from "./seeded-provider.ts";

const path = join(import.meta.dirname, "../vectors/formats.json");
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const generate = (): Record<string, Record<string, string>> => {
  const provider = seededProvider("formats");
  const boot = provider.generate("ed25519");
  const identity = provider.generate("ml-dsa-65");
  const payload = utf8Encode("a payload");
  const log = new MerkleTree(provider);
  for (let i = 0; i < 7; i++) log.append(leafHash(provider, Uint8Array.of(i)));
  const keys = generateSealingKeys(provider);
  const box = sealBox(provider, sealingPublicKey(keys), payload, utf8Encode("about"));
  assert.ok(box.ok);
  const storeKey = provider.randomBytes(32);
  const anchor: KeyStoreAnchor = { type: "software", salt: provider.randomBytes(16) };
  const secret = provider.exportPrivate(boot);
  const checkpoint = { origin: "ioi.local/test", size: 7, root: log.root(), extensions: [] };
  return {
    signed: {
      publicKey: hex(boot.publicKey),
      domain: domains.ticket,
      payload: hex(payload),
      signature: hex(signPayload(provider, boot, domains.ticket, payload).signature),
    },
    checkpoint: {
      publicKey: hex(identity.publicKey),
      note: signCheckpoint(provider, identity, checkpoint),
    },
    sealedBox: {
      x25519: hex(provider.exportPrivate(keys.x25519)),
      mlKem768: hex(provider.exportPrivate(keys.mlKem768)),
      plaintext: hex(payload),
      associatedData: hex(utf8Encode("about")),
      box: hex(box.value),
    },
    keyStore: {
      storeKey: hex(storeKey),
      name: "boot",
      secret: hex(secret),
      bytes: hex(
        sealKeyStore(provider, anchor, storeKey, [{ name: "boot", kind: "ed25519", secret }]),
      ),
    },
  };
};

test("signed payloads, checkpoints, sealed boxes and key stores keep their formats", () => {
  const now = generate();
  if (process.env["IOI_APPROVE"] === "1") {
    assert.notEqual(process.env["CI"], "true", "nothing is approved by a machine");
    writeFileSync(path, `${JSON.stringify(now, undefined, 2)}\n`);
  }
  assert.deepEqual(now, JSON.parse(readFileSync(path, "utf8")));
});
