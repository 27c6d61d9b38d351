import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { KeyStoreRecord } from "@ioi/crypto";
import { loadKeyStore, nodeCrypto, saveKeyStore } from "@ioi/host/crypto";

const records: readonly KeyStoreRecord[] = [
  { name: "identity", kind: "ml-dsa-65", secret: nodeCrypto.randomBytes(32) },
  { name: "sessions", kind: "secret", secret: nodeCrypto.randomBytes(32) },
];

const inFolder = (run: (folder: string) => void): void => {
  const folder = mkdtempSync(join(tmpdir(), "ioi-keys-"));
  try {
    run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const hasCode =
  (code: string, text = "") =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === code && (error as Error).message.includes(text);

test("a store with a key file: saved, loaded, private, saved again", () => {
  inFolder((folder) => {
    const path = join(folder, "keystore");
    assert.equal(loadKeyStore({ path }), undefined);
    saveKeyStore({ path }, records);
    assert.deepEqual(loadKeyStore({ path }), { anchor: "software", records });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(`${path}.key`).mode & 0o777, 0o600);
    const key = readFileSync(`${path}.key`);
    const first = readFileSync(path);
    saveKeyStore({ path }, records);
    assert.deepEqual(readFileSync(`${path}.key`), key, "the key file stays");
    assert.notDeepEqual(readFileSync(path), first, "another salt");
    assert.deepEqual(loadKeyStore({ path })?.records, records);
  });
});

test("a store with a passphrase has no key file, and opens with that passphrase alone", () => {
  inFolder((folder) => {
    const path = join(folder, "keystore");
    // U+00E9 and e with U+0301 are one passphrase.
    saveKeyStore({ path, passphrase: "caf\u00e9", log2Cost: 4 }, records);
    assert.throws(() => statSync(`${path}.key`), hasCode("ENOENT"));
    const opened = loadKeyStore({ path, passphrase: "cafe\u0301" });
    assert.deepEqual(opened, { anchor: "passphrase", records });
    assert.throws(() => loadKeyStore({ path, passphrase: "tea" }), hasCode("E_KEYSTORE_LOCKED"));
    assert.throws(() => loadKeyStore({ path }), hasCode("E_KEYSTORE_LOCKED", "needs"));
  });
});

test("what is wrong has its code: wrong key, missing key, damage, newer, open to others", () => {
  inFolder((folder) => {
    const path = join(folder, "keystore");
    saveKeyStore({ path }, records);
    const bytes = readFileSync(path);
    const key = readFileSync(`${path}.key`);

    writeFileSync(`${path}.key`, nodeCrypto.randomBytes(32));
    assert.throws(() => loadKeyStore({ path }), hasCode("E_KEYSTORE_LOCKED", "key file"));
    writeFileSync(`${path}.key`, key.subarray(1));
    assert.throws(() => loadKeyStore({ path }), hasCode("E_KEYSTORE_CORRUPT", "31 bytes"));
    rmSync(`${path}.key`);
    assert.throws(() => loadKeyStore({ path }), hasCode("E_KEYSTORE_LOCKED", "missing"));
    writeFileSync(`${path}.key`, key, { mode: 0o600 });

    const damaged = Buffer.from(bytes);
    damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1;
    writeFileSync(path, damaged);
    assert.throws(
      () => loadKeyStore({ path }),
      hasCode("E_KEYSTORE_CORRUPT", "record 2 of 2 (sessions)"),
    );
    const newer = Buffer.from(bytes);
    newer[9] = 2;
    writeFileSync(path, newer);
    assert.throws(() => loadKeyStore({ path }), hasCode("E_KEYSTORE_VERSION", "version 2"));
    assert.deepEqual(readFileSync(path), newer, "a newer store is left as it is");

    writeFileSync(path, bytes);
    chmodSync(`${path}.key`, 0o644);
    assert.throws(() => loadKeyStore({ path }), hasCode("E_KEYSTORE_OPEN_TO_OTHERS", "644"));
    chmodSync(`${path}.key`, 0o600);
    assert.deepEqual(loadKeyStore({ path })?.records, records, "control: the same store is good");
  });
});

test("a store that cannot be written says so and leaves the old one", () => {
  inFolder((folder) => {
    const path = join(folder, "keystore");
    saveKeyStore({ path }, records);
    assert.throws(
      () => saveKeyStore({ path: join(folder, "none", "keystore") }, records),
      hasCode("E_KEYSTORE_IO"),
    );
    assert.deepEqual(loadKeyStore({ path })?.records, records);
  });
});
